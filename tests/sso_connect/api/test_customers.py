"""Create Customer Record: what is stored, what never is, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sso_connect.api.world import MAKER, World, body_of, code_of, fields_of

ROUTE = "/customers"
RECORD: dict[str, Any] = {
    "AccountNumber": "5005-05",
    "DisplayAccountNumber": "5005/05",
    "CustomerName": "Pat Example",
    "Address1": "1 Example Street",
    "Address2": "",
    "City": "Springfield",
    "State": "MI",
    "Zip": "00000",
    "Phone": "555-0100",
    "EmailAddress": "Pat@Example.com",
    "Custom1": "Cycle 7",
    "Custom60": "last",
    "Prepaid": True,
    "Meters": [
        {"MeterID": "M-1", "Commodity": "water", "ServiceLocationID": "L-1", "Active": False},
        {"MeterID": "M-2", "Commodity": "gas"},
    ],
    "BlockPaymentsCC": True,
    "BlockPaymentsACH": False,
    "ServiceLocationID": "L-1",
}


def test_every_field_is_stored(world: World) -> None:
    guid = body_of(world.post(ROUTE, RECORD), 201)["CustomerGUID"]
    made = world.hub.customers.get_by_account(world.riverbend, "5005-05")
    assert str(made.id) == guid
    assert (made.display_number, made.name, made.address1, made.address2) == ("5005/05", "Pat Example", "1 Example Street", "")
    assert (made.city, made.state, made.zip, made.phone, made.email) == (
        "Springfield",
        "MI",
        "00000",
        "555-0100",
        "Pat@example.com",
    )
    assert made.customs == {1: "Cycle 7", 60: "last"}
    assert (made.prepaid, made.block_cc, made.block_ach, made.service_location_id) == (True, True, False, "L-1")
    assert [(meter.meter_id, meter.commodity, meter.service_location_id, meter.active) for meter in made.meters] == [
        ("M-1", "water", "L-1", False),
        ("M-2", "gas", "", True),
    ]


def test_a_bare_number_is_enough(world: World) -> None:
    body_of(world.post(ROUTE, {"AccountNumber": " 7-1 "}), 201)
    made = world.hub.customers.get_by_account(world.riverbend, "7-1")
    assert (made.account_number, made.display_number, made.name, made.customs) == ("7-1", "7-1", "", {})


def test_a_number_exists_once_per_biller_in_any_spelling(world: World) -> None:
    body_of(world.post(ROUTE, {"AccountNumber": "a-1"}), 201)
    assert code_of(world.post(ROUTE, {"AccountNumber": "A-1"})) == (409, "CustomerExists")
    body_of(world.post(ROUTE, {"AccountNumber": "A-1"}, "lake"), 201)


def test_role_codes_become_digests_and_their_text_is_nowhere(world: World) -> None:
    body_of(world.post(ROUTE, {"AccountNumber": "5-5", "Custom58": "O100-QXZWMV-KJHY; g500", "Custom1": "kept"}), 201)
    made = world.hub.customers.get_by_account(world.riverbend, "5-5")
    assert made.customs == {1: "kept"}
    with world.hub.database.read() as stores:
        codes = stores.role_codes.list_codes(101, made.id)
    assert sorted((code.login_type.value, code.bare) for code in codes) == [(1, False), (4, True)]
    stored = world.stored()
    assert "QXZWMV" not in stored
    assert "Custom58" not in stored


def test_the_role_code_field_is_the_billers(world: World) -> None:
    world.change_biller(world.riverbend, policies={"role_code_field": 3, "owner_prefix": "ZZ"})
    body_of(world.post(ROUTE, {"AccountNumber": "5-5", "Custom3": "ZZ-QXZWMV", "Custom58": "plain"}), 201)
    made = world.hub.customers.get_by_account(world.riverbend, "5-5")
    assert made.customs == {58: "plain"}
    assert "QXZWMV" not in world.stored()


def test_a_biller_without_role_codes_drops_the_field(world: World) -> None:
    world.change_biller(world.riverbend, policies={"role_codes": "off"})
    body_of(world.post(ROUTE, {"AccountNumber": "5-5", "Custom58": "whatever QXZWMV"}), 201)
    made = world.hub.customers.get_by_account(world.riverbend, "5-5")
    with world.hub.database.read() as stores:
        assert stores.role_codes.list_codes(101, made.id) == []
    assert "QXZWMV" not in world.stored()


def test_an_unreadable_role_code_is_refused_by_field_without_its_text(world: World) -> None:
    answer = world.post(ROUTE, {"AccountNumber": "5-5", "Custom58": "O100-1; X-QXZWMV"})
    assert list(fields_of(answer)) == ["Custom58"]
    assert "QXZWMV" not in answer.text
    assert "'5-5'" not in world.stored()


def test_an_address_makes_a_ghost_which_is_no_registration(world: World) -> None:
    body_of(world.post(ROUTE, {"AccountNumber": "5-5", "CustomerName": "Pat", "EmailAddress": "Pat@Example.com"}), 201)
    body_of(world.post(ROUTE, {"AccountNumber": "5-6"}), 201)
    with world.hub.database.read() as stores:
        ghosts = [
            stores.ghosts.find_ghost(101, world.hub.customers.get_by_account(world.riverbend, number).id)
            for number in ("5-5", "5-6")
        ]
    assert ghosts[1] is None
    assert ghosts[0] is not None
    assert (ghosts[0].name, ghosts[0].email, ghosts[0].email_key) == ("Pat", "Pat@example.com", "pat@example.com")
    seen = body_of(world.post("/remote-authentication/retrieve-users", {"AccountNumbers": ["5-5"]}))["Results"][0]
    assert (seen["Exists"], seen["IsRegistered"], seen["Users"]) == (True, False, [])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"AccountNumber": ""}, "AccountNumber"),
        ({"AccountNumber": None}, "AccountNumber"),
        ({"AccountNumber": 5}, "AccountNumber"),
        ({"AccountNumber": "x" * 51}, "AccountNumber"),
        ({"AccountNumber": "a\u2028b"}, "AccountNumber"),
        ({"EmailAddress": "nobody"}, "EmailAddress"),
        ({"EmailAddress": "a@b@c"}, "EmailAddress"),
        ({"Zip": 12345}, "Zip"),
        ({"Prepaid": "yes"}, "Prepaid"),
        ({"Prepaid": 1}, "Prepaid"),
        ({"Custom1": "x" * 501}, "Custom1"),
        ({"Custom0": "x"}, "Custom0"),
        ({"Custom61": "x"}, "Custom61"),
        ({"Custom01": "x"}, "Custom01"),
        ({"Meters": [{"MeterID": "M", "Commodity": "beer"}]}, "Meters.0.Commodity"),
        ({"Meters": [{"Commodity": "gas"}]}, "Meters.0.MeterID"),
        ({"Meters": [{"MeterID": "", "Commodity": "gas"}]}, "Meters.0.MeterID"),
        ({"Meters": [{"MeterID": "M", "Commodity": "gas"}] * 51}, "Meters"),
        ({"Meters": {"MeterID": "M"}}, "Meters"),
        ({"Protected": True}, "Protected"),
        ({"BID": 202}, "BID"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_written(world: World, change: dict[str, Any], field: str) -> None:
    answer = world.post(ROUTE, {**RECORD, **change})
    assert list(fields_of(answer)) == [field]
    assert "Pat Example" not in world.stored()


def test_the_change_log_says_which_key_made_it(world: World) -> None:
    answer = world.post(ROUTE, {"AccountNumber": "5-5", "CustomerName": "Somebody"})
    stored = world.stored()
    assert answer.headers["X-Request-Id"] in stored.replace("-", "") or answer.headers["X-Request-Id"] in stored
    assert str(world.keys["all"].key.id) in stored
    assert MAKER.name in stored
