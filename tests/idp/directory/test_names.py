"""Canonical names: which spellings are one and the same account, user or address, and which are none."""

from __future__ import annotations

import unicodedata

import precis_i18n
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.directory.names import account_key, email_key, mailable_email, normal_email, user_name_key

PRINTABLE_ASCII = [chr(code) for code in range(0x21, 0x7F)]
PRECIS = precis_i18n.get_profile("UsernameCaseMapped")


# --- user names --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("character", PRINTABLE_ASCII)
def test_the_short_way_agrees_with_the_profile_for_every_printable_character(character: str) -> None:
    assert user_name_key(character) == PRECIS.enforce(character)


@given(name=st.text(st.sampled_from(PRINTABLE_ASCII), min_size=1, max_size=100))
def test_the_short_way_agrees_with_the_profile_for_every_name(name: str) -> None:
    assert user_name_key(name) == PRECIS.enforce(name)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Pat", "pAT"),
        ("PAT@Example.com", "pat@example.com"),
        ("  pat ", "pat"),
        ("pat   vale", "Pat Vale"),
        ("pat\u3000vale", "pat vale"),  # an ideographic blank
        ("ＰＡＴ", "pat"),  # full width
        ("ZOË", "zoe\u0308"),  # composed or not
        ("ÀÉÎ", "àéî"),
    ],
)
def test_spellings_of_one_name_are_one_user(left: str, right: str) -> None:
    assert user_name_key(left) == user_name_key(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("pat", "p\u0430t"),  # a Cyrillic a
        ("pat", "pαt"),  # a Greek alpha
        ("o", "0"),
        ("l", "1"),
        ("straße", "strasse"),
        ("patvale", "pat vale"),
        ("pat", "pat."),
        ("zoe", "zoë"),
    ],
)
def test_look_alikes_stay_different_users(left: str, right: str) -> None:
    assert user_name_key(left) != user_name_key(right)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "\t\n",
        "pat\x00",
        "pat\x1b[0m",
        "pat\x7f",
        "pat\u200bvale",  # zero width
        "pat\u202evale",  # turns the direction
        "\ufb00",  # a ligature
        "pat\ud800",
        "pat😀",
        "\u00adpat",
        "a" * 101,
        "é" * 101,
        "a b " * 26,
    ],
)
def test_what_is_no_user_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="characters"):
        user_name_key(name)


def test_a_user_name_has_a_hundred_characters_at_most() -> None:
    assert user_name_key("A" * 100) == "a" * 100
    assert user_name_key("É" * 100) == "é" * 100


# --- account numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1001-01", " 1001-01 "),
        ("ab-12", "AB-12"),
        ("\u00e9-1", "e\u0301-1"),
        ("\u0390-1", "\u03aa\u0301-1"),  # a letter that upper case takes apart, typed as its own upper case
    ],
)
def test_spellings_of_one_account_number_are_one_account(left: str, right: str) -> None:
    assert account_key("as_imported", left) == account_key("as_imported", right)


@pytest.mark.parametrize("pair", [("1001-01", "1001-1"), ("1001-01", "100101"), ("01001", "1001"), ("1001 01", "100101")])
def test_dashes_zeros_and_inner_blanks_count_as_imported(pair: tuple[str, str]) -> None:
    left, right = (account_key("as_imported", each) for each in pair)
    assert left != right


@pytest.mark.parametrize("number", ["1001-01", "1001 01", "acct 1001/01", "1.0.0.1.0.1", " 100101"])
def test_a_biller_of_digits_compares_digits_only(number: str) -> None:
    assert account_key("digits_only", number) == "100101"


def test_a_biller_of_digits_keeps_leading_zeros_and_knows_no_digits_but_ascii() -> None:
    assert account_key("digits_only", "001") == "001"
    assert account_key("digits_only", "1٢3") == "13"


@pytest.mark.parametrize("number", ["", "   ", "1" * 51, "1001\x00", "10\n01", "1001\u200b", "10\u202801", "1001\ud800", "ŉ" * 26])
def test_what_is_no_account_number_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="1 to 50 printable"):
        account_key("as_imported", number)


@pytest.mark.parametrize("number", ["", "abc", "--", "1" * 51, "٢"])
def test_a_biller_of_digits_refuses_what_has_none_or_too_many(number: str) -> None:
    with pytest.raises(ValueError, match="1 to 50 printable"):
        account_key("digits_only", number)


def test_an_account_number_has_fifty_characters_at_most() -> None:
    assert account_key("as_imported", "1" * 50) == "1" * 50
    assert account_key("digits_only", "-".join("1" * 50)) == "1" * 50


# --- e-mail addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Pat@Example.com", "pat@example.COM"),
        (" pat@example.com ", "pat@example.com"),
        ("pat@münchen.example", "pat@xn--mnchen-3ya.example"),
        ("pat@MÜNCHEN.example", "pat@münchen.example"),
        ("zo\u00eb@example.com", "zoe\u0308@example.com"),
    ],
)
def test_spellings_of_one_address_are_one_address(left: str, right: str) -> None:
    assert email_key(left) == email_key(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("pat@example.com", "pat+bills@example.com"),
        ("pat.vale@example.com", "patvale@example.com"),
        ("pat@example.com", "p\u0430t@example.com"),
        ("pat@example.com", "pat@sub.example.com"),
    ],
)
def test_other_addresses_stay_other_addresses(left: str, right: str) -> None:
    assert email_key(left) != email_key(right)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "pat",
        "@example.com",
        "pat@",
        "pat@example",
        "pat@@example.com",
        "pat vale@example.com",
        "pat@example.com\nbcc: kim@example.com",
        "pat@example.com,kim@example.com",
        "Pat <pat@example.com>",
        "pat@-example.com",
        "pat@exa_mple.com",
        "pat@[127.0.0.1]",
        "pat@localhost",
        "\x00@example.com",
        "p\ud800@example.com",
        "pat@" + "a" * 250 + ".com",
        '"pat vale"@example.com',
        "pat@[IPv6:::1]",
        "pat(home)@example.com",
        "pat@example.com.",
        "pat..vale@example.com",
        "p\u200dat@example.com",
        "\u202epat@example.com",
        "pat@192.0.2.1",
        "pat@nowhere.invalid",
        "pat@xn--zzzz.com",
        "x" * 65 + "@example.com",
        "\u00fc" * 33 + "@example.com",
        "pat@" + ".".join(["d" * 62] * 3) + "." + "e" * 60 + ".com",
        "pat@" + "ü." * 40 + "example",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(address: str) -> None:
    with pytest.raises(ValueError, match=r"^not an e-mail address$"):
        normal_email(address)


def test_lengths_are_octets_of_what_a_mail_carries_and_an_address_from_before_is_still_found() -> None:
    """RFC 5321 4.5.3.1, RFC 6531: UTF-8 before the @, ASCII after it."""
    for fits in ("x" * 64, "\u00fc" * 32):
        assert normal_email(f"{fits}@m\u00fcnchen.example") == f"{fits}@m\u00fcnchen.example"
        assert mailable_email(f"{fits}@M\u00dcNCHEN.example") == f"{fits}@xn--mnchen-3ya.example"
    assert email_key("X" * 65 + "@Example.com") == "x" * 65 + "@example.com"


def test_an_address_is_kept_as_it_was_written_but_for_its_domain() -> None:
    assert normal_email(" Pat.Vale@EXAMPLE.com ") == "Pat.Vale@example.com"


def test_a_key_is_for_comparing_and_changes_no_more() -> None:
    assert unicodedata.is_normalized("NFC", account_key("as_imported", "e\u0301"))
    assert email_key(email_key("Pat@MÜNCHEN.example")) == email_key("Pat@MÜNCHEN.example")
