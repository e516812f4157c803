"""Update Customer Record, Retrieve Customer Details, List Invoices: what changes, what is shown, and whose it is."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from idp.billing.invoices import Invoice, InvoiceLine
from idp.opaque import new_id
from tests.sso_connect.api.test_customers import RECORD
from tests.sso_connect.api.world import ALL, START, World, body_of, code_of, fields_of, unknown_guid

FORMAT = UUID(int=3)


@pytest.fixture
def guid(world: World) -> str:
    """An account with everything set."""
    made = body_of(world.post("/customers", {**RECORD, "Custom58": "O100-4821-3977"}), 201)["CustomerGUID"]
    assert isinstance(made, str)
    return made


def patch(world: World, where: str, body: dict[str, Any], key: str = "all", **headers: str) -> TestResponse:
    return world.send("PATCH", f"/customers{where}", json.dumps(body).encode(), key, **headers)


def record(world: World, where: str, key: str = "all") -> dict[str, Any]:
    return body_of(world.get(f"/customers{where}", key))


def add_invoice(world: World, guid: str, number: str, day: int = 1, bid: int = 101, **changes: Any) -> None:
    made = Invoice(
        id=new_id(), bid=bid, customer_id=UUID(guid), number=number, record_type="R", format_guid=FORMAT, invoice_type="",
        issued_on=date(2031, 4, day), due_on=date(2031, 5, day), total_minor=8417, past_due_minor=5, currency="USD", customs={},
        lines=(InvoiceLine("Water", Decimal("4.20"), -100),), created_at=START,
    )  # fmt: skip
    with world.hub.database.begin() as stores:
        stores.invoices.put_invoice(replace(made, **changes))


def accounts(world: World) -> list[str]:
    """Every row of customers, ghosts, role codes and invoices."""
    tables = ("customers", "ghosts", "role_codes", "invoices")
    return [line for line in world.stored().splitlines() if line.startswith(tuple(f'INSERT INTO "{name}"' for name in tables))]


# --- Retrieve ----------------------------------------------------------------------------------------------------------------


def test_the_whole_record_is_answered_by_guid_and_by_number_and_never_the_role_codes(world: World, guid: str) -> None:
    found = record(world, f"/{guid}")
    assert found == record(world, f"?CustomerGUID={guid}") == record(world, "?accountnumber=5005-05")
    assert {name: found[name] for name in RECORD if name not in {"Meters", "EmailAddress", "Address2"}} == {
        name: value for name, value in RECORD.items() if name not in {"Meters", "EmailAddress", "Address2"}
    }
    assert (found["EmailAddress"], found["Address2"], found["Protected"], found["ClosedAt"]) == (
        "Pat@example.com",
        None,
        False,
        None,
    )
    assert found["Meters"][1] == {"MeterID": "M-2", "Commodity": "gas", "ServiceLocationID": None, "Active": True}
    assert found["Custom58"] is None
    assert {f"Custom{number}" for number in range(1, 61)} <= set(found)
    assert "3977" not in json.dumps(found)


@pytest.mark.parametrize("where", ["", "?AccountNumber=5005-05&CustomerGUID={guid}"])
def test_an_account_is_named_by_exactly_one_of_number_and_guid(world: World, guid: str, where: str) -> None:
    where = where.format(guid=guid)
    assert fields_of(world.get(f"/customers{where}")) == {"AccountNumber": "send AccountNumber or CustomerGUID, one of the two"}
    assert list(fields_of(patch(world, where, {"Phone": "1"}))) == ["AccountNumber"]


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ("?AccountNumber=1001-01&accountNUMBER=1001-02", "AccountNumber"),
        ("?AccountNumber=", "AccountNumber"),
        ("?AccountNumber=" + "x" * 51, "AccountNumber"),
        ("?AccountNumber=1001-01&Colour=red", "colour"),
        ("?CustomerGUID=none", "CustomerGUID"),
        ("/none", "CustomerGUID"),
        ("/none/invoices", "CustomerGUID"),
    ],
)
def test_a_wrong_parameter_is_named(world: World, where: str, field: str) -> None:
    assert list(fields_of(world.get(f"/customers{where}"))) == [field]


def test_accounts_of_another_biller_and_unknown_ones_look_the_same(world: World, guid: str) -> None:
    add_invoice(world, guid, "A")
    before = accounts(world)
    for key, where in (
        ("lake", f"/{guid}"),
        ("lake", "?AccountNumber=5005-05"),
        ("all", f"/{unknown_guid()}"),
        ("all", "?AccountNumber=0"),
    ):
        assert code_of(world.get(f"/customers{where}", key)) == (404, "CustomerNotFound")
        assert code_of(patch(world, where, {"CustomerName": "Taken"}, key)) == (404, "CustomerNotFound")
    for key, of in (("lake", guid), ("all", unknown_guid())):
        assert code_of(world.get(f"/customers/{of}/invoices", key)) == (404, "CustomerNotFound")
    assert accounts(world) == before


def test_a_custom_of_the_api_goes_before_that_of_the_newest_invoice_and_donations_say_nothing(world: World, guid: str) -> None:
    add_invoice(world, guid, "A", 1, customs={1: "old", 2: "old", 5: "old"})
    add_invoice(world, guid, "B", 2, customs={1: "invoice", 2: "invoice", 58: "G500-SECRET"})
    add_invoice(world, guid, "C", 3, customs={2: "donation"}, invoice_type="DONATION")
    found = record(world, f"/{guid}")
    assert [found[f"Custom{number}"] for number in (1, 2, 5, 58)] == ["Cycle 7", "invoice", None, None]
    patch(world, f"/{guid}", {"Custom1": ""})
    assert record(world, f"/{guid}")["Custom1"] == "invoice"


def test_the_scopes_of_reading_and_writing_are_two(world: World, guid: str) -> None:
    for missing in ("customers:read", "customers:write"):
        scopes = frozenset(scope for scope in ALL.scopes if scope != missing)
        world.add_key("less", world.riverbend, "one", replace(ALL, scopes=scopes))
        reads, writes = world.get(f"/customers/{guid}", "less"), patch(world, f"/{guid}", {"Phone": "1"}, "less")
        refused, allowed = (reads, writes) if missing.endswith("read") else (writes, reads)
        assert code_of(refused) == (403, "ScopeMissing")
        assert allowed.status_code == 200


# --- Update ------------------------------------------------------------------------------------------------------------------


def test_what_is_left_out_or_null_stays_and_what_is_empty_is_taken_away(world: World, guid: str) -> None:
    before = record(world, f"/{guid}")
    assert body_of(patch(world, f"/{guid}", {})) == before
    assert body_of(patch(world, f"/{guid}", dict.fromkeys([*RECORD, "Custom7"]))) == before
    cleared = body_of(
        patch(
            world,
            f"/{guid}",
            {
                "DisplayAccountNumber": "", "CustomerName": "", "Address1": "", "City": "", "State": "", "Zip": "", "Phone": "",
                "EmailAddress": "", "ServiceLocationID": "", "Meters": [], "Custom1": "", "Prepaid": False,
                "BlockPaymentsCC": False,
            },
        )
    )  # fmt: skip
    assert cleared["DisplayAccountNumber"] == "5005-05"
    for name in ("CustomerName", "Address1", "City", "State", "Zip", "Phone", "EmailAddress", "ServiceLocationID", "Custom1"):
        assert cleared[name] is None, name
    assert (cleared["Meters"], cleared["Prepaid"], cleared["BlockPaymentsCC"], cleared["Custom60"]) == ([], False, False, "last")


def test_a_change_is_answered_with_the_whole_record_and_logged_with_what_differs(world: World, guid: str) -> None:
    changed = patch(world, "?AccountNumber=5005-05", {"phone": " 555-0199 ", "Custom2": "two"})
    assert (body_of(changed)["Phone"], body_of(changed)["Custom2"], body_of(changed)["Custom1"]) == ("555-0199", "two", "Cycle 7")
    assert body_of(changed) == record(world, f"/{guid}")
    stored = world.stored()
    assert '"after":{"customs":{"1":"Cycle 7","2":"two","60":"last"},"phone":"555-0199"}' in stored
    assert changed.headers["X-Request-Id"] in stored


def test_a_number_may_be_repeated_and_cannot_be_changed(world: World, guid: str) -> None:
    body_of(patch(world, f"/{guid}", {"AccountNumber": " 5005-05 ", "Phone": "1"}))
    assert fields_of(patch(world, f"/{guid}", {"AccountNumber": "1001-01", "Phone": "2"})) == {"AccountNumber": "cannot be changed"}
    assert record(world, f"/{guid}")["Phone"] == "1"


def test_role_codes_are_replaced_and_are_neither_stored_nor_answered_nor_logged(world: World, guid: str) -> None:
    answer = patch(world, f"/{guid}", {"Custom58": "C200-QXZWMV; G500"})
    assert "QXZWMV" not in answer.text
    with world.hub.database.read() as stores:
        codes = stores.role_codes.list_codes(101, UUID(guid))
    assert sorted((code.login_type.value, code.bare) for code in codes) == [(2, False), (4, True)]
    assert "QXZWMV" not in world.stored()
    assert '"after":{"role_codes":"changed"}' in world.stored()
    refused = patch(world, f"/{guid}", {"Custom58": "X-QXZWMV", "Phone": "7"})
    assert list(fields_of(refused)) == ["Custom58"]
    assert "QXZWMV" not in refused.text
    assert record(world, f"/{guid}")["Phone"] == "555-0100"


def test_an_address_follows_to_the_ghost(world: World, guid: str) -> None:
    patch(world, f"/{guid}", {"EmailAddress": "New@Example.com"})
    with world.hub.database.read() as stores:
        ghost = stores.ghosts.find_ghost(101, UUID(guid))
    assert ghost is not None
    assert (ghost.email, ghost.email_key) == ("New@example.com", "new@example.com")
    assert list(fields_of(patch(world, f"/{guid}", {"EmailAddress": "nobody"}))) == ["EmailAddress"]


def test_of_changes_at_once_none_is_lost(world: World, guid: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        done = list(threads.map(lambda n: patch(world, f"/{guid}", {f"Custom{n}": f"text {n}"}).status_code, range(10, 22)))
    assert set(done) == {200}
    found = record(world, f"/{guid}")
    assert [found[f"Custom{n}"] for n in range(10, 22)] == [f"text {n}" for n in range(10, 22)]


def test_the_old_names_answer_by_number(world: World, guid: str) -> None:
    for path in ("/RetrieveCustomerDetails", "/customers/RetrieveCustomerDetails", "/Customers/retrievecustomerdetails"):
        answer = world.get(f"{path}?AccountNumber=5005-05")
        assert body_of(answer)["CustomerGUID"] == guid, path
        assert answer.headers["Link"] == '</api/v1/customers>; rel="successor-version"'
        assert "Deprecation" in answer.headers
    for path in ("/UpdateCustomerRecord", "/customers/UpdateCustomerRecord"):
        answer = world.send("PATCH", f"{path}?CustomerGUID={guid}", b'{"AccountNumber": "5005-05", "Phone": "5"}', "all")
        assert body_of(answer)["Phone"] == "5", path


def test_a_compat_key_is_told_of_a_field_and_a_parameter_that_it_should_not_send(world: World, guid: str) -> None:
    world.add_key("compat", world.riverbend, "one", replace(ALL, strictness="compat"))
    answer = patch(world, "?AccountNumber=5005-05&Colour=red", {"Prepaid": "false", "Favourite": 1}, "compat")
    assert body_of(answer)["Prepaid"] is False
    assert "UnknownParameter colour" in answer.headers["X-Warning"]
    assert "UnknownField Favourite" in answer.headers["X-Warning"]


def test_a_repeated_creation_is_answered_as_the_first_one_was(world: World) -> None:
    first = world.post("/customers", {"AccountNumber": "7-7"}, Idempotency_Key="k-1")
    again = world.post("/customers", {"AccountNumber": "7-7"}, Idempotency_Key="k-1")
    assert body_of(first, 201) == body_of(again, 201)
    assert code_of(world.post("/customers", {"AccountNumber": "7-8"}, Idempotency_Key="k-1")) == (409, "IdempotencyKeyReused")
    refused = world.post("/customers", {"AccountNumber": "7-7"}, Idempotency_Key="k-2")
    assert code_of(refused) == (409, "CustomerExists")


# --- List Invoices -----------------------------------------------------------------------------------------------------------


def test_invoices_come_newest_first_by_page_with_amounts_as_decimal_text(world: World, guid: str) -> None:
    for day in range(1, 6):
        add_invoice(world, guid, f"N-{day}", day)
    add_invoice(world, guid, "X", bid=202)
    add_invoice(world, unknown_guid(), "Y")
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = body_of(world.get(f"/customers/{guid}/invoices?Limit=2{cursor}"))
        seen += page["Invoices"]
        if page["Cursor"] is None:
            break
        cursor = f"&Cursor={page['Cursor']}"
    assert [each["InvoiceNumber"] for each in seen] == ["N-5", "N-4", "N-3", "N-2", "N-1"]
    assert seen[0] == {
        "InvoiceNumber": "N-5", "InvoiceType": None, "InvoiceDate": "2031-04-05", "InvoiceDueDate": "2031-05-05",
        "TotalAmountDue": "84.17", "PastDue": "0.05", "Currency": "USD",
        "Lines": [{"Description": "Water", "Quantity": "4.20", "Amount": "-1.00"}],
    }  # fmt: skip


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1.5", "1e1", "", "9" * 30])
def test_a_limit_out_of_its_range_is_named(world: World, guid: str, limit: str) -> None:
    assert list(fields_of(world.get(f"/customers/{guid}/invoices?Limit={limit}"))) == ["Limit"]


def test_a_cursor_that_is_not_of_this_list_is_named(world: World, guid: str) -> None:
    for day in (1, 2, 3):
        add_invoice(world, guid, f"N-{day}", day)
    cursor = body_of(world.get(f"/customers/{guid}/invoices?Limit=1"))["Cursor"]
    other = body_of(world.get("/customers?AccountNumber=1001-01"))["CustomerGUID"]
    for of, text in ((other, cursor), (guid, "x"), (guid, ""), (guid, cursor[1:]), (guid, "%00"), (guid, "x" * 600)):
        assert list(fields_of(world.get(f"/customers/{of}/invoices?Cursor={text}"))) == ["Cursor"], text
    assert list(fields_of(world.get(f"/customers/{guid}/invoices?Cursor={cursor}&Cursor={cursor}"))) == ["Cursor"]
