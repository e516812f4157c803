"""Whatever a key names, it reaches nothing of another biller, and no user, token, upload or refusal of another partner.

Made from the table of operations: one that is not in WAYS, or names something in a way that is not there, fails here. Each is asked
twice, once naming what is really there and once what nobody has: the answers must be the same, so that nothing can be found out by
asking; and what the victim has, and its token, must stay as it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import pytest

from idp.opaque import new_id
from sso_connect.api.operations import OPERATIONS, Operation
from sso_connect.token_states import State
from tests.sso_connect.api.world import MAKER, World, body_of

SECRET_NAME, SECRET_MAIL = "Vera Victim", "vera.hidden@example.com"
ELSEWHERE = ("lake", "other")
"""Keys at another biller: one of the same partner, one of another."""
OTHER_PARTNER = "own"
"""A key of another partner at the same biller, which may speak for its own users only."""


@dataclass(frozen=True, slots=True)
class Named:
    """Everything that a request can name."""

    user_name: str
    login_guid: str
    partner_user_id: str
    number: str
    customer_guid: str
    token: str
    file_guid: str
    reference: str


Ask = tuple[str, Mapping[str, Any] | None]
Way = Callable[[Named], Ask]


def _by_user(path: str, **more: Any) -> list[Way]:
    """Each way to name a user but the e-mail address, which the victim's partner does not tell."""
    return [
        lambda it: (path, {"UserName": it.user_name, **more}),
        lambda it: (path, {"LoginGUID": it.login_guid, **more}),
        lambda it: (path, {"PartnerUserID": it.partner_user_id, **more}),
        lambda it: (path, {"RemoteAuthenticationToken": it.token, **more}),
    ]


AUTH, PORTAL, CONNECT = "/remote-authentication", "/customer-portal", "/sso-connect"
ACCOUNTS = [{"AccountNumber": "1001-01"}]
RECORD = {"CustomerName": "Mallory"}
WAYS: Mapping[str, list[Way]] = {
    "Ping": [lambda _: ("/ping", None)],
    "CreateCustomer": [lambda it: ("/customers", {"AccountNumber": it.number})],
    "RetrieveCustomer": [lambda it: (f"/customers/{it.customer_guid}", None)],
    "UpdateCustomer": [lambda it: (f"/customers/{it.customer_guid}", RECORD)],
    "RetrieveCustomerByNumber": [lambda it: (f"/customers?AccountNumber={it.number}", None)],
    "UpdateCustomerByNumber": [lambda it: (f"/customers?AccountNumber={it.number}", RECORD)],
    "ListInvoices": [lambda it: (f"/customers/{it.customer_guid}/invoices", None)],
    "UploadInvoiceFile": [],
    "RetrieveInvoiceFile": [lambda it: (f"/invoice-files/{it.file_guid}", None)],
    "RetrieveCustomerGUID": [
        *_by_user(f"{PORTAL}/retrieve-customer-guid"),
        lambda it: (f"{PORTAL}/retrieve-customer-guid", {"AccountNumber": it.number}),
    ],
    "RetrieveLoginGUID": [
        *_by_user(f"{PORTAL}/retrieve-login-guid"),
        lambda it: (f"{PORTAL}/retrieve-login-guid", {"CustomerGUID": it.customer_guid, "UserName": it.user_name}),
        lambda it: (f"{PORTAL}/retrieve-login-guid", {"AccountNumber": it.number, "UserName": it.user_name}),
    ],
    "RetrieveUsers": [lambda it: (f"{AUTH}/retrieve-users", {"AccountNumbers": [it.number], "UserName": it.user_name})],
    "RetrieveUserAccounts": [
        *_by_user(f"{AUTH}/retrieve-user-accounts"),
        lambda it: (f"{AUTH}/retrieve-user-accounts", {"CustomerGUID": it.customer_guid}),
    ],
    "RegisterAccounts": [
        lambda it: (
            f"{AUTH}/register-accounts",
            {
                "UserName": it.user_name,
                "EmailAddress": "mallory@example.com",
                "PartnerUserID": it.partner_user_id,
                "Accounts": [{"AccountNumber": it.number}],
            },
        )
    ],
    "LinkAccounts": _by_user(f"{AUTH}/link-accounts", Accounts=ACCOUNTS),
    "UnregisterAccounts": [
        *_by_user(f"{AUTH}/unregister-accounts", AccountNumbers=["1001-01"]),
        lambda it: (f"{AUTH}/unregister-accounts", {"LoginGUID": it.login_guid, "AccountNumbers": [it.number]}),
    ],
    "RemoteAuthentication": [
        *_by_user(f"{AUTH}/authenticate"),
        lambda it: (f"{AUTH}/authenticate", {"LoginGUID": it.login_guid, "AccountNumber": it.number}),
    ],
    "Revoke": _by_user(f"{AUTH}/revoke"),
    "Introspect": [lambda it: (f"{AUTH}/introspect", {"RemoteAuthenticationToken": it.token})],
    "UpdatePassword": _by_user(f"{AUTH}/update-password", NewPassword="mallory-mallory-1"),
    "UpdateEmailAddress": [
        *_by_user(f"{AUTH}/update-email-address", EmailAddress="mallory@example.com"),
        lambda it: (f"{AUTH}/update-email-address", {"AccountNumber": it.number, "EmailAddress": "mallory@example.com"}),
    ],
    "Explain": [
        lambda it: (f"{CONNECT}/explain", {"RemoteAuthenticationToken": it.token, "RedirectID": 1, "ViewMode": 0}),
        lambda it: (
            f"{CONNECT}/explain",
            {"RemoteAuthenticationToken": it.token, "RedirectID": 1, "ViewMode": 0, "AccountNumber": it.number},
        ),
    ],
    "CreateLink": _by_user(f"{CONNECT}/links", RedirectID=1, ViewMode=0),
    "RecentDiagnostics": [lambda _: ("/diagnostics/recent", None)],
    "Diagnose": [lambda it: (f"/diagnostics/{it.reference}", None)],
}

OF_THE_BILLER = {
    "CreateCustomer", "RetrieveCustomer", "UpdateCustomer", "RetrieveCustomerByNumber", "UpdateCustomerByNumber", "ListInvoices",
}  # fmt: skip
"""Account records are the biller's: each of its keys with the scope reaches them, whichever partner holds it."""

ASKED_OF_THE_PAYER = ("change_log", "confirmations", "jobs", "mails")
"""Another partner may ask for a password or an address to be changed: the payer is asked by mail, and nothing else happens."""


@pytest.fixture
def victim(world: World) -> Named:
    """A user of partner one at riverbend with an account that nobody else has, a live token, an upload and a refusal."""
    world.hub.customers.change(MAKER, "r", world.riverbend, customer_guid(world), name=SECRET_NAME)
    body = {
        "UserName": "vera",
        "EmailAddress": SECRET_MAIL,
        "PartnerUserID": "victim-7",
        "Accounts": [{"AccountNumber": "1002-01"}],
    }
    login = body_of(world.post(f"{AUTH}/register-accounts", body))["LoginGUID"]
    token = world.token(UserName="vera")
    upload = body_of(world.send("POST", "/invoice-files", b"not a file of bills", "all", Content_Type="text/plain"), 202)
    refused = world.post(f"{AUTH}/authenticate", {"UserName": "nobody-at-all"})
    reference = body_of(world.get(f"/diagnostics/{refused.headers['X-Request-Id']}"))["Reference"]
    guid = str(customer_guid(world))
    return Named("vera", login, "victim-7", "1002-01", guid, token, upload["InvoiceFileID"], reference)


def customer_guid(world: World) -> UUID:
    return world.hub.customers.get_by_account(world.riverbend, "1002-01").id


def nobody() -> Named:
    """The same shapes, of what is not there."""
    return Named("vero", str(new_id()), "victim-8", "8008-08", str(new_id()), "idht_" + "z" * 43, str(new_id()), "ZZZZZZZZZZ")


def test_every_operation_is_looked_at_here() -> None:
    assert set(WAYS) == {operation.name for operation in OPERATIONS}


CASES = [(operation, way) for operation in OPERATIONS for way in WAYS.get(operation.name, [])]


def _named(case: Any) -> str:
    return case.name if isinstance(case, Operation) else ""


@pytest.mark.parametrize(("operation", "way"), CASES, ids=_named)
@pytest.mark.parametrize("key", ELSEWHERE)
def test_a_key_of_another_biller_neither_sees_nor_changes_nor_finds_out_anything(
    world: World, victim: Named, operation: Operation, way: Way, key: str
) -> None:
    before, unknown = rows_of(world, victim), nobody()
    of_theirs = said(world, operation, way(victim), victim, key)
    assert of_theirs == said(world, operation, way(unknown), unknown, key)
    assert_untouched(world, victim)
    assert rows_of(world, victim) == before


@pytest.mark.parametrize(("operation", "way"), [case for case in CASES if case[0].name not in OF_THE_BILLER], ids=_named)
def test_another_partner_of_the_same_biller_neither_sees_nor_changes_a_user(
    world: World, victim: Named, operation: Operation, way: Way
) -> None:
    before = rows_of(world, victim, but=ASKED_OF_THE_PAYER)
    said(world, operation, way(victim), victim, OTHER_PARTNER)
    assert_untouched(world, victim)
    assert rows_of(world, victim, but=ASKED_OF_THE_PAYER) == before


def said(world: World, operation: Operation, ask: Ask, named: Named, key: str) -> tuple[int, str]:
    """The answer, with what the question named and what differs from call to call taken out."""
    path, body = ask
    raw = None if body is None else json.dumps(body).encode()
    answer = world.send(operation.method, path, raw, key)
    assert SECRET_NAME not in answer.text
    assert SECRET_MAIL not in answer.text
    text = answer.text
    for name, value in asdict(named).items():
        text = text.replace(value, f"<{name}>")
    text = re.sub(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", "<guid>", text)
    text = re.sub(r"idh[tol]_[\w-]{43}", "<token>", text)
    text = re.sub(r'"Reference": ?"\w{10}"', '"Reference": "<reference>"', text)
    if operation.name == "RecentDiagnostics":
        assert named.reference not in answer.text
    return answer.status_code, text


def rows_of(world: World, victim: Named, but: tuple[str, ...] = ()) -> list[str]:
    """Every row that is about the victim's user or upload, without those of some tables."""
    ids = (victim.login_guid.replace("-", ""), victim.login_guid, victim.file_guid.replace("-", ""), victim.file_guid)
    skipped = tuple(f'INSERT INTO "{table}"' for table in but)
    rows = [line for line in world.stored().splitlines() if any(each in line for each in ids) and not line.startswith(skipped)]
    assert rows
    return rows


def assert_untouched(world: World, victim: Named) -> None:
    assert world.hub.tokens.look(victim.token).state is State.LIVE
    record = world.hub.customers.get_by_account(world.riverbend, "1002-01")
    assert record.name == SECRET_NAME
