"""Who may set role codes: a key with scope `role_codes:write`. What a key writes must not become its own proof."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import TestResponse

from idp.accounts import code_guesses
from idp.directory.api_keys import DEFAULT_SCOPES, KeyPolicies, Scope
from idp.directory.role_codes import RoleCode
from tests.sso_connect.api.world import EVERY_SCOPE, MAKER, World, body_of, fields_of

PRINTED, MINTED = "O100-4821-3977", "O100-1111-2222"
WITH_CODES = DEFAULT_SCOPES | {Scope.ROLE_CODES_WRITE}


@pytest.fixture(autouse=True)
def printed(world: World) -> None:
    """Both billers printed an owner code on 1001-01; at riverbend somebody is Owner there. Partner two has default keys."""
    for biller in (world.riverbend, world.lakeside):
        customer = world.hub.customers.get_by_account(biller, "1001-01")
        world.hub.customers.change(MAKER, "r", biller, customer.id, {58: PRINTED})
    world.register("pat", "1001-01")
    world.add_key("plain", world.riverbend, "two", KeyPolicies())
    world.add_key("plain compat", world.riverbend, "two", KeyPolicies(strictness="compat"))
    world.add_key("codes", world.riverbend, "two", KeyPolicies(scopes=WITH_CODES))
    world.add_key("plain there", world.lakeside, "two", KeyPolicies())


def patch(world: World, body: dict[str, Any], key: str = "plain", number: str = "1001-01") -> TestResponse:
    return world.send("PATCH", f"/customers?AccountNumber={number}", json.dumps(body).encode(), key)


def shown(world: World, code: str, name: str = "mallory", number: str = "1001-01", key: str = "plain") -> dict[str, Any]:
    """Register with a code; the item."""
    answer = world.register(name, key=key, Accounts=[{"AccountNumber": number, "RoleCode": code}])
    (item,) = body_of(answer)["Results"]
    return dict(item)


def codes(world: World, number: str = "1001-01") -> list[RoleCode]:
    customer = world.hub.customers.get_by_account(world.riverbend, number)
    with world.hub.database.read() as stores:
        return stores.role_codes.list_codes(101, customer.id)


def alarms(world: World, bid: int = 101) -> list[tuple[str, str]]:
    ours = ("role_codes.replaced", "role_codes.guessed")
    return [(alarm.kind, alarm.subject) for alarm in world.hub.alarms.list_recent(bid) if alarm.kind in ours]


# --- the attack ----------------------------------------------------------------------------------------------------------------


def test_a_default_key_can_not_mint_an_owner_code_by_patch(world: World) -> None:
    assert list(fields_of(patch(world, {"Custom58": MINTED, "Phone": "555-0100"}))) == ["Custom58"]
    assert body_of(world.get("/customers?AccountNumber=1001-01"))["Phone"] is None, "nothing is written"
    assert shown(world, MINTED)["Status"] == "RoleCodeInvalid"
    assert shown(world, PRINTED)["LoginTypeID"] == 1, "what is printed on the bill still works"


def test_a_default_key_can_not_mint_an_owner_code_by_post(world: World) -> None:
    answer = world.post("/customers", {"AccountNumber": "7007-07", "Custom58": MINTED}, "plain")
    assert list(fields_of(answer)) == ["Custom58"]
    made = world.post("/customers", {"AccountNumber": "7007-07", "CustomerName": "M", "Custom58": MINTED}, "plain compat")
    assert body_of(made, 201)["CustomerGUID"]
    assert "RoleCodesRefused Custom58" in made.headers["X-Warning"]
    assert codes(world, "7007-07") == []
    assert shown(world, MINTED, number="7007-07")["Status"] == "RoleCodeInvalid"


def test_a_compat_key_has_its_other_fields_written_and_is_told_and_its_diagnostics_say_it(world: World) -> None:
    before = codes(world)
    answer = patch(world, {"Custom58": MINTED, "Phone": "555-0100"}, "plain compat")
    assert body_of(answer)["Phone"] == "555-0100"
    assert answer.headers["X-Warning"] == "RoleCodesRefused Custom58"
    assert MINTED not in answer.text
    assert codes(world) == before
    recent = body_of(world.get("/diagnostics/recent", "plain compat"))["Results"]
    assert [(each["Kind"], each["Code"]) for each in recent if each["Code"] == "RoleCodesRefused"] == [
        ("warning", "RoleCodesRefused")
    ]
    assert "1111-2222" not in world.stored()


@pytest.mark.parametrize("key", ["plain", "plain compat"])
@pytest.mark.parametrize("value", [None, "", PRINTED, "o100 4821 3977", f" {PRINTED} ;"])
def test_null_nothing_and_what_is_there_is_never_refused_and_takes_no_code_away(world: World, key: str, value: str | None) -> None:
    before = codes(world)
    answer = patch(world, {"Custom58": value, "Phone": "555-0100"}, key)
    assert body_of(answer)["Phone"] == "555-0100"
    assert "X-Warning" not in answer.headers
    assert codes(world) == before
    assert shown(world, "O100")["Status"] == "RoleCodeInvalid", "an account with codes of its own takes no bare prefix"
    assert shown(world, PRINTED)["LoginTypeID"] == 1


@pytest.mark.parametrize("key", ["plain", "plain compat"])
def test_an_account_without_codes_takes_none_either_and_stays_as_it_is(world: World, key: str) -> None:
    for value in (MINTED, "O100", "G500", "X999", "O100;G500"):
        answer = patch(world, {"Custom58": value}, key, "1001-02")
        assert (answer.status_code == 422) == (key == "plain")
        assert codes(world, "1001-02") == []
    assert body_of(patch(world, {"Custom58": ""}, key, "1001-02"))["Custom58"] is None


def test_a_used_code_that_is_sent_back_is_no_change(world: World) -> None:
    assert shown(world, PRINTED)["LoginTypeID"] == 1
    assert body_of(patch(world, {"Custom58": PRINTED}))["Custom58"] is None
    assert [code.used_at is not None for code in codes(world)] == [True]


def test_a_biller_without_role_codes_has_nothing_to_refuse(world: World) -> None:
    world.change_biller(world.riverbend, policies={"role_codes": "off"})
    assert body_of(patch(world, {"Custom58": MINTED, "Phone": "7"}))["Phone"] == "7"
    assert len(codes(world)) == 1


def test_another_field_may_hold_the_codes_and_then_it_is_that_one(world: World) -> None:
    world.change_biller(world.riverbend, policies={"role_code_field": 7})
    assert list(fields_of(patch(world, {"Custom7": MINTED, "Custom58": "text"}))) == ["Custom7"]
    assert body_of(patch(world, {"Custom58": "text"}))["Custom58"] == "text"


def test_the_scope_of_one_biller_is_nothing_at_another(world: World) -> None:
    world.add_key("codes there", world.lakeside, "two", KeyPolicies(scopes=WITH_CODES))
    assert body_of(patch(world, {"Custom58": MINTED}, "codes there"))["Custom58"] is None
    assert shown(world, PRINTED)["LoginTypeID"] == 1, "the account of the same number at riverbend is as it was"
    assert list(fields_of(patch(world, {"Custom58": PRINTED}, "plain there"))) == ["Custom58"]


# --- no oracle -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["plain", "plain compat"])
def test_sending_codes_to_find_out_which_is_right_is_no_faster_than_registering_with_them(world: World, key: str) -> None:
    wrong = [patch(world, {"Custom58": f"O100-{n}"}, key) for n in range(5)]
    right = patch(world, {"Custom58": PRINTED}, key)
    assert {answer.status_code for answer in (*wrong, right)} == ({422} if key == "plain" else {200})
    assert {answer.headers.get("X-Warning") for answer in (*wrong, right)} == {
        None if key == "plain" else "RoleCodesRefused Custom58"
    }
    assert shown(world, PRINTED, key=key)["Status"] == "Throttled", "the guesses are those of registering"
    assert shown(world, PRINTED, key="own")["LoginTypeID"] == 1, "another caller is not in its way"


def test_guesses_by_registering_count_for_the_field_too(world: World) -> None:
    for n in range(5):
        shown(world, f"O100-{n}")
    assert patch(world, {"Custom58": PRINTED}).status_code == 422


def test_an_account_without_codes_answers_as_one_with_codes_does(world: World) -> None:
    answers = [patch(world, {"Custom58": f"O100-{n}"}, number=number) for n in range(7) for number in ("1001-01", "1001-02")]
    assert {answer.status_code for answer in answers} == {422}
    assert len({answer.text.replace(answer.headers["X-Request-Id"], "") for answer in answers}) == 1


def test_wrong_ones_count_for_the_billers_cap_and_alarm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_guesses, "MOST_WRONG_AN_HOUR", 3)
    for n, number in enumerate(("1001-01", "1001-02", "1002-01", "1001-01")):
        patch(world, {"Custom58": f"O100-{n}"}, number=number)
    assert [kind for kind, _ in alarms(world)] == ["role_codes.guessed"]


def test_sending_what_is_there_again_and_again_is_no_guessing(world: World) -> None:
    for n in range(12):
        assert body_of(patch(world, {"Custom58": PRINTED, "Phone": str(n)}))["Phone"] == str(n)
    assert shown(world, "O100-1")["Status"] == "RoleCodeInvalid"


# --- with the scope ------------------------------------------------------------------------------------------------------------


def test_a_key_with_the_scope_sets_codes_and_who_did_it_is_logged_and_never_the_code(world: World) -> None:
    answer = patch(world, {"Custom58": MINTED}, "codes", "1001-02")
    assert answer.status_code == 200
    assert shown(world, MINTED, number="1001-02")["LoginTypeID"] == 1
    made = body_of(world.post("/customers", {"AccountNumber": "7007-07", "Custom58": MINTED}, "codes"), 201)
    assert made["CustomerGUID"]
    stored = world.stored()
    assert stored.count('"role_codes":"changed"') == 4, "two by the biller, two by the key"
    assert "1111" not in stored
    assert str(world.keys["codes"].key.id) in stored
    assert alarms(world) == [], "no code of anybody else's was touched"


@pytest.mark.parametrize("value", [MINTED, "", "G500"])
def test_a_key_that_touches_a_printed_code_sounds_an_alarm(world: World, value: str) -> None:
    assert patch(world, {"Custom58": value}, "codes").status_code == 200
    assert alarms(world) == [("role_codes.replaced", f"key:{world.keys['codes'].key.id}")]
    assert alarms(world, 202) == []


def test_a_key_that_adds_to_printed_codes_or_replaces_its_own_sounds_none(world: World) -> None:
    for value in (f"{PRINTED};{MINTED}", f"{PRINTED};O100-3", PRINTED):
        assert patch(world, {"Custom58": value}, "codes").status_code == 200
    assert alarms(world) == []
    assert [code.written_by for code in codes(world)] == ["staff"], "sending it back has not made it the partner's"


def test_the_codes_of_another_partner_are_printed_codes_to_this_one(world: World) -> None:
    world.add_key("codes of one", world.riverbend, "one", KeyPolicies(scopes=WITH_CODES))
    patch(world, {"Custom58": MINTED}, "codes of one", "1001-02")
    assert alarms(world) == []
    patch(world, {"Custom58": "G500-1"}, "codes", "1001-02")
    assert [kind for kind, _ in alarms(world)] == ["role_codes.replaced"]


def test_a_key_that_lost_the_scope_sets_nothing_from_the_next_call_on(world: World) -> None:
    key = world.keys["codes"].key
    world.hub.api_keys.change(MAKER, "r", 101, key.id, policies=replace(key.policies, scopes=DEFAULT_SCOPES))
    assert list(fields_of(patch(world, {"Custom58": MINTED}, "codes"))) == ["Custom58"]


# --- the scope itself ----------------------------------------------------------------------------------------------------------


def test_the_scope_is_in_no_default_set_and_ping_shows_it_where_it_is(world: World) -> None:
    assert Scope.ROLE_CODES_WRITE not in DEFAULT_SCOPES
    assert Scope.ROLE_CODES_WRITE in EVERY_SCOPE
    assert "role_codes:write" not in body_of(world.get("/ping", "plain"))["Scopes"]
    assert "role_codes:write" in body_of(world.get("/ping", "codes"))["Scopes"]


def test_a_program_one_version_back_can_still_read_a_key_with_the_scope(world: World) -> None:
    (line,) = (line for line in world.stored().splitlines() if 'INTO "api_keys"' in line and world.keys["codes"].key.id.hex in line)
    before, found, _ = line.partition("role_codes:write")
    assert found
    assert "revoked_at" not in before
    assert '["customers:read", "customers:write", "diagnostics", "sso", "users:read", "users:write"]' in before
    assert '["' in before[-2:], "in a list of its own, behind the one that is known"
