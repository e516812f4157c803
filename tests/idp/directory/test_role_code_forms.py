"""Role codes as people type them, and codes that were stored before the way they are read was changed."""

from __future__ import annotations

from typing import Any

import pytest

from idp.accounts.batch import AccountWanted
from idp.directory.billers import Policies
from idp.directory.rights import LoginType
from idp.directory.role_codes import FIRST_FORM, FORM, RoleCode, first_form, is_unchanged, judge, parse_code, stored_code, touched
from idp.errors import InvalidFields
from idp.opaque import new_id
from idp.secrets import Secrets
from tests.idp.directory.house import House
from tests.idp.test_secrets import DataKeys

OAKDALE = 101
OURS = Policies()
CUSTOMER = new_id()
PRINTED = "O100-4821-3977"
SECRETS = Secrets((b"1" * 32,), DataKeys())

TYPED = {
    "a zero for the letter O": "0100-4821-3977",
    "a small L for each 1": "Ol00-482l-3977",
    "a capital I for each 1": "OI00-482I-3977",
    "letters O for the zeros": "OlOO-4821-3977",
    "a full stop at the end": "O100-4821-3977.",
    "in quotes and brackets": '("O100-4821-3977"),',
    "a minus sign": "O100\u22124821\u22123977",
    "non-breaking hyphens": "O100\u20114821\u20113977",
    "a hyphen bullet": "O100\u20434821\u20433977",
    "full-width letters": "\uff2f\uff11\uff10\uff10\uff0d\uff14\uff18\uff12\uff11\uff0d\uff13\uff19\uff17\uff17",
    "a zero-width space": "O100-48\u200b21-3977",
    "a soft hyphen": "O100-4821-39\u00ad77",
    "a byte order mark": "\ufeffO100-4821-3977",
    "a word joiner": "O100\u2060-4821-3977",
    "right-to-left marks": "\u200fO100-4821-3977\u200f",
    "no-break spaces": "O100\u00a04821\u202f3977",
    "dashes of all sorts": "O100\u20144821\u20133977",
    "small letters": "o100-4821-3977",
}


def stored(text: str = PRINTED, **changes: Any) -> RoleCode:
    """A code as it is stored today."""
    code = parse_code(OURS, text)
    assert code is not None
    return stored_code(SECRETS, OAKDALE, CUSTOMER, code, **changes)


def stored_before(text: str) -> RoleCode:
    """A code as it was stored before its form was changed."""
    code = first_form(OURS, text)
    assert code is not None
    return stored_code(SECRETS, OAKDALE, CUSTOMER, code)


def shown(text: str, *codes: RoleCode) -> LoginType | None:
    found = judge(OURS, SECRETS, OAKDALE, CUSTOMER, codes, text)
    return None if found is None else found.login_type


@pytest.mark.parametrize("how", TYPED)
def test_a_printed_code_is_right_however_it_is_typed(how: str) -> None:
    assert shown(TYPED[how], stored()) is LoginType.OWNER


@pytest.mark.parametrize("how", TYPED)
def test_a_code_that_was_stored_before_is_right_however_it_is_typed(how: str) -> None:
    before = stored_before(PRINTED)
    assert before.form == FIRST_FORM
    assert shown(TYPED[how], before) is LoginType.OWNER


@pytest.mark.parametrize(
    "text", ["O100-4821-3978", "O100-4821-39777", "O100-4821", "C200-4821-3977", "O100", "4821-3977", "O1004821397", "."]
)
def test_another_code_is_still_another_code(text: str) -> None:
    assert shown(text, stored()) is None


def test_a_secret_with_an_l_that_was_printed_before_stays_good_and_a_new_one_reads_it_as_one() -> None:
    before, now = stored_before("O100-SALT-9"), stored("O100-SALT-9")
    assert before.digest != now.digest
    for typed in ("O100-SALT-9", "o100-salt-9", "o100 salt 9"):
        assert shown(typed, before) is LoginType.OWNER
        assert shown(typed, now) is LoginType.OWNER
    assert shown("O100-SA1T-9", now) is LoginType.OWNER


def test_the_same_code_in_next_months_file_keeps_its_row_and_a_used_one_is_not_armed_again() -> None:
    before = stored_before("O100-SALT-9")
    again = stored("O100-SALT-9", known={before.digest})
    assert (again.digest, again.form) == (before.digest, FIRST_FORM)
    assert is_unchanged([before], [again])
    assert touched([before], [again]) == []
    fresh = stored("O100-SALT-9", known={stored("G500-1").digest})
    assert (fresh.form, fresh.digest) == (FORM, stored("O100-SALT-9").digest)


def test_where_both_forms_agree_the_digest_is_the_same() -> None:
    assert stored(PRINTED).digest == stored_before(PRINTED).digest


@pytest.mark.parametrize(
    "text", ["\u200b", "\u00ad\u200d", "...", "-.-", "\u2212", "\ufdfa" * 64, "O100-" + "\u200b" * 100 + "1" * 60]
)
def test_what_is_nothing_but_decoration_or_too_long_is_no_code(text: str) -> None:
    assert parse_code(OURS, text) is None
    assert shown(text, stored()) is None


def test_invisible_characters_do_not_make_a_code_too_long() -> None:
    assert shown("\u200b".join(PRINTED), stored()) is LoginType.OWNER


def test_of_prefixes_that_begin_alike_the_longest_counts_in_every_spelling() -> None:
    nested = Policies(owner_prefix="O1", co_owner_prefix="O10", oversight_prefix="O100", guest_prefix="G5")
    for text in ("O100-7", "0100-7", "OIOO-7", "ol0o 7"):
        code = parse_code(nested, text)
        assert code is not None
        assert (code.login_type, code.secret) == (LoginType.OVERSIGHT, "7")


# --- at registration -------------------------------------------------------------------------------------------------------


def test_who_types_the_printed_code_with_a_zero_and_a_full_stop_gets_the_seat_once(house: House) -> None:
    house.set_codes("1001-01", f"{PRINTED};G500-12")
    item = house.call("pat", AccountWanted("1001-01", None, "0100-4821-3977.")).items[0]
    assert (item.status, item.login_type) == ("Registered", LoginType.OWNER)
    house.set_codes("1001-01", f"{PRINTED};G500-12")
    again = house.call("kim", AccountWanted("1001-01", None, PRINTED)).items[0]
    assert again.status == "RoleCodeInvalid"


def test_an_owner_code_that_was_stored_and_used_before_is_not_armed_again_by_the_next_file(house: House) -> None:
    customer = house.customer("1001-01")
    before = first_form(house.biller().policies, "O100-SALT-9")
    assert before is not None
    with house.sql.begin() as stores:
        stores.role_codes.set_codes(OAKDALE, customer.id, [stored_code(house.secrets, OAKDALE, customer.id, before)])
    assert house.call("pat", AccountWanted("1001-01", None, "o100-salt-9")).items[0].login_type is LoginType.OWNER
    house.set_codes("1001-01", "O100-SALT-9")
    assert house.call("kim", AccountWanted("1001-01", None, "O100-SALT-9")).items[0].status == "RoleCodeInvalid"


# --- prefixes that a biller sets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("owner", "guest"), [("O100", "0100"), ("OIL", "011"), ("L1", "1I"), ("AB", "AB"), ("O1", "0L")])
def test_prefixes_that_read_alike_are_refused_when_they_are_set(house: House, owner: str, guest: str) -> None:
    before = house.biller().policies
    with pytest.raises(InvalidFields) as refused:
        house.change_policies(owner_prefix=owner, guest_prefix=guest)
    assert [each.field for each in refused.value.fields] == ["guest_prefix"]
    assert house.biller().policies == before


def test_a_prefix_that_only_begins_another_in_a_folded_spelling_is_refused_too(house: House) -> None:
    """`0L` would read as the beginning of `O10`: codes of one kind would turn into codes of the other."""
    with pytest.raises(InvalidFields):
        house.change_policies(owner_prefix="O10", guest_prefix="0L")
    house.change_policies(owner_prefix="O1", co_owner_prefix="O10")


def test_a_biller_whose_stored_prefixes_read_alike_goes_on_with_codes_as_they_were() -> None:
    alike = Policies(owner_prefix="O100", guest_prefix="0100")
    code = first_form(alike, "0100-77")
    assert code is not None
    assert code.login_type is LoginType.GUEST
    before = stored_code(SECRETS, OAKDALE, CUSTOMER, code)
    found = judge(alike, SECRETS, OAKDALE, CUSTOMER, [before], "0100-77")
    assert found is not None
    assert found.login_type is LoginType.GUEST
