"""Names of any characters: a canonical form is its own canonical form, or the name is refused in one way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from idp.directory.names import account_key, email_key, normal_email, user_name_key

ANY = st.text(max_size=110) | st.text(st.characters(max_codepoint=0x7F), max_size=110)
LETTERS = st.text(st.characters(categories=["Lu", "Ll", "Lo", "Mn", "Nd", "Zs", "Pd"]), max_size=60)


def form(make: Callable[[str], str], text: str) -> str | None:
    """The canonical form, None when there is none; any other fault than ValueError fails the test."""
    try:
        return make(text)
    except ValueError:
        return None


@settings(max_examples=500)
@given(text=ANY | LETTERS)
@example(text="\u0390")
@example(text="ŉ" * 50)
@pytest.mark.parametrize("profile", ["as_imported", "digits_only"])
def test_an_account_key_is_its_own_key(profile: str, text: str) -> None:
    key = form(lambda number: account_key(profile, number), text)  # type: ignore[arg-type]
    if key is not None:
        assert 0 < len(key) <= 50
        assert key.isprintable()
        assert account_key(profile, key) == key  # type: ignore[arg-type]
        key.encode()


@settings(max_examples=500)
@given(text=ANY | LETTERS)
def test_a_user_name_key_is_its_own_key_and_has_no_blank_but_single_ones(text: str) -> None:
    key = form(user_name_key, text)
    if key is not None:
        assert 0 < len(key) <= 100
        assert key.isprintable()
        assert key == " ".join(key.split())
        assert user_name_key(key) == key
        key.encode()


@settings(max_examples=500)
@given(text=LETTERS)
def test_a_user_name_is_the_same_with_other_blanks_around_and_between(text: str) -> None:
    assert form(user_name_key, "  ".join(["", *text.split(), ""])) == form(user_name_key, text)


@settings(max_examples=300)
@given(text=ANY | st.emails() | st.builds("{}@{}.example".format, LETTERS, LETTERS))
def test_an_address_is_its_own_normal_form_and_has_one_key(text: str) -> None:
    address = form(normal_email, text)
    if address is not None:
        assert normal_email(address) == address
        assert email_key(text) == email_key(address) == email_key(email_key(text))
        assert not set(address) & set("\r\n\x00")
        address.encode()
