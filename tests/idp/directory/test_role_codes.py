"""Role codes: how they are read, what of them is stored, and that the code itself is nowhere afterwards."""

from __future__ import annotations

import pytest

from idp.directory.billers import Policies
from idp.directory.rights import LoginType
from idp.directory.role_codes import ParsedCode, parse_code, parse_codes, stored_code
from idp.opaque import new_id
from idp.secrets import Secrets
from tests.idp.test_secrets import DataKeys

OAKDALE, BIRCHWOOD = 101, 202
SECRET = "48213977"
OURS = Policies()
NESTED = Policies(owner_prefix="O1", co_owner_prefix="O10", oversight_prefix="O100", guest_prefix="G5")


@pytest.fixture
def secrets() -> Secrets:
    return Secrets((b"1" * 32,), DataKeys())


@pytest.mark.parametrize(
    ("text", "login_type"),
    [
        (f"O100-{SECRET}", LoginType.OWNER),
        (f"C200-{SECRET}", LoginType.CO_OWNER),
        (f"OS300-{SECRET}", LoginType.OVERSIGHT),
        (f"G500-{SECRET}", LoginType.GUEST),
    ],
)
def test_a_prefix_says_the_login_type_and_the_rest_is_the_secret(text: str, login_type: LoginType) -> None:
    assert parse_code(OURS, text) == ParsedCode(login_type, SECRET)


@pytest.mark.parametrize(
    "text",
    [
        "O100-4821-3977",
        "o100 4821 3977",
        " O1-00 4821-3977 ",
        "O100\u20134821\u20143977",
        "O100\t48213977\n",
        "o-1-0-0-4-8-2-1-3-9-7-7",
    ],
)
def test_dashes_blanks_and_case_do_not_count(text: str) -> None:
    assert parse_code(OURS, text) == ParsedCode(LoginType.OWNER, SECRET)


@pytest.mark.parametrize(("text", "secret"), [("O100-OI0I", "0101"), ("o100-oi0i", "0101"), ("G500-SOIL", "S011")])
def test_in_the_secret_o_reads_as_zero_and_i_and_l_as_one(text: str, secret: str) -> None:
    code = parse_code(OURS, text)
    assert code is not None
    assert code.secret == secret


@pytest.mark.parametrize("text", ["O100", "o100", " O-100 ", "O100-", "O100---"])
def test_a_bare_prefix_has_no_secret(text: str, secrets: Secrets) -> None:
    code = parse_code(OURS, text)
    assert code == ParsedCode(LoginType.OWNER, "")
    assert code is not None
    assert stored_code(secrets, OAKDALE, new_id(), code).bare


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("O100-7", ParsedCode(LoginType.OVERSIGHT, "7")),
        ("O10-7", ParsedCode(LoginType.CO_OWNER, "7")),
        ("O1-7", ParsedCode(LoginType.OWNER, "7")),
        ("O1-007", ParsedCode(LoginType.OVERSIGHT, "7")),  # dashes do not count, so the longest prefix that fits is meant
    ],
)
def test_of_prefixes_that_begin_alike_the_longest_counts(text: str, code: ParsedCode) -> None:
    assert parse_code(NESTED, text) == code


@pytest.mark.parametrize("text", ["", " ", "-", "X100-1", "100-1", "4821", "C20", "O100-" + "1" * 60])
def test_what_begins_with_no_prefix_or_is_too_long_is_no_code(text: str) -> None:
    assert parse_code(OURS, text) is None


def test_a_code_may_have_sixty_four_characters() -> None:
    assert parse_code(OURS, "O100" + "1" * 60) == ParsedCode(LoginType.OWNER, "1" * 60)


def test_a_field_holds_several_codes_each_counted_once() -> None:
    codes = parse_codes(OURS, f" O100-{SECRET} ; g500;; O100 4821 3977;")
    assert codes == [ParsedCode(LoginType.OWNER, SECRET), ParsedCode(LoginType.GUEST, "")]


@pytest.mark.parametrize("text", ["", " ", ";", " ; ;"])
def test_an_empty_field_holds_none(text: str) -> None:
    assert parse_codes(OURS, text) == []


def test_a_field_with_one_unreadable_code_is_refused_without_any_of_its_text() -> None:
    with pytest.raises(ValueError, match="begins with none of the biller's prefixes") as refused:
        parse_codes(OURS, f"O100-{SECRET};HUSH77")
    told = f"{refused.value!r} {refused.value} {refused.value.__cause__!r} {refused.value.__context__!r}"
    assert SECRET not in told
    assert "HUSH77" not in told


def test_a_code_that_is_printed_does_not_show_its_secret(secrets: Secrets) -> None:
    code = ParsedCode(LoginType.OWNER, SECRET)
    stored = stored_code(secrets, OAKDALE, new_id(), code)
    for shown in (repr(code), str(code), f"{[code]}", repr(stored)):
        assert SECRET not in shown


def test_a_digest_is_the_same_for_every_spelling_and_in_every_process(secrets: Secrets) -> None:
    customer = new_id()
    again = Secrets((b"1" * 32,), secrets._store)
    spellings = ("O100-4821-3977", "o100 48213977", "O100-482I-3977")
    found = {
        stored_code(each, OAKDALE, customer, code).digest
        for each in (secrets, again)
        for text in spellings
        if (code := parse_code(OURS, text)) is not None
    }
    assert len(found) == 1


def test_equal_codes_of_two_customers_billers_or_kinds_do_not_look_equal(secrets: Secrets) -> None:
    here, there = new_id(), new_id()
    owner, guest = ParsedCode(LoginType.OWNER, SECRET), ParsedCode(LoginType.GUEST, SECRET)
    stored = [
        stored_code(secrets, OAKDALE, here, owner),
        stored_code(secrets, OAKDALE, there, owner),
        stored_code(secrets, BIRCHWOOD, here, owner),
        stored_code(secrets, OAKDALE, here, guest),
        stored_code(secrets, OAKDALE, here, ParsedCode(LoginType.OWNER, "")),
    ]
    assert len({each.digest for each in stored}) == len(stored)
    assert not any(SECRET in each.digest for each in stored)


def test_a_stored_code_belongs_to_its_customer_and_is_unused(secrets: Secrets) -> None:
    customer = new_id()
    stored = stored_code(secrets, OAKDALE, customer, ParsedCode(LoginType.OWNER, SECRET))
    assert (stored.bid, stored.customer_id, stored.login_type, stored.bare) == (OAKDALE, customer, LoginType.OWNER, False)
    assert stored.used_at is None
