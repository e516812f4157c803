"""The world of the flows: a wired hub with two billers that look alike, partners and keys.

    World      the hub of one test, its clock, its application, and the sentences that most tests begin with
    Prepared   what all worlds share: the filled database file, keys, users, customers

Both billers have an account 1001-01 and a user `avery`: a test that mixes them up sees the wrong amount. The world is made once
for a run of tests, and each test gets its own copy of the database file and an empty key-value store.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hub.server.health import Readiness
from hub.storage.database import migrate
from hub.wiring import Hub, wire
from hub.wsgi import application, probes
from idp.accounts.register import AccountWanted, Wanted
from idp.actor import System
from idp.billing.invoices import Invoice, InvoiceLine
from idp.clock import FixedClock
from idp.directory.api_keys import KeyPolicies
from idp.directory.billers import Biller
from idp.directory.payers import UserNames
from idp.directory.rights import LoginType
from idp.opaque import new_id
from idp.settings import load
from sso_connect.diagnostics import Refusal
from sso_connect.tokens import Assertion
from tests.flows.visitor import FRAME, FULL, Answer, Visitor

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

ACTOR = System("tests")
BEGIN = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
DOMAIN = "hub.example.com"
RIVERBEND, PRAIRIE = 9001, 9002
HARBORLIGHT = "https://pay.harborlight.example"
HARBORLIGHT_AT_PRAIRIE = "https://prairie.harborlight.example"
MEADOWLINE = "https://meadowline.example"
BACK = f"{HARBORLIGHT}/back"
SETTING_3 = f"{HARBORLIGHT}/sign-in"
AMOUNTS = {RIVERBEND: "$84.17", PRAIRIE: "$1,833.09"}
"""What avery's newest bill of 1001-01 asks for."""

MANY_BILLS = 14

_MASTER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
_FORMAT = UUID("6f1d2c1e-0000-7000-8000-000000000001")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What stays the same in every copy of the world: keys by name, users and customers by (BID, name)."""

    folder: Path
    keys: Mapping[str, tuple[int, UUID, str]]
    """Name -> BID, key id, secret."""
    users: Mapping[tuple[int, str], UUID]
    customers: Mapping[tuple[int, str], UUID]


@dataclass(frozen=True, slots=True)
class World:
    """One hub, and how tests speak about it."""

    hub: Hub
    clock: FixedClock
    app: WSGIApplication
    prepared: Prepared
    billers: dict[int, Biller]

    # --- names ---

    def biller(self, bid: int = RIVERBEND) -> Biller:
        """A biller as it was last changed here; asks no store."""
        return self.billers[bid]

    def url(self, path: str, bid: int = RIVERBEND) -> str:
        """A path on a biller's host."""
        return self.biller(bid).origin + path

    def key_id(self, name: str) -> UUID:
        return self.prepared.keys[name][1]

    def secret(self, name: str) -> str:
        return self.prepared.keys[name][2]

    def user_id(self, name: str, bid: int = RIVERBEND) -> UUID:
        return self.prepared.users[bid, name]

    # --- acts ---

    def visitor(self, dest: str = FULL) -> Visitor:
        """A fresh browser."""
        return Visitor(self.app, dest)

    def token(self, user: str = "avery", key: str = "session", session_reference: str = "") -> str:
        """A fresh remote-authentication token."""
        assertion = Assertion(UserNames(user_name=user), session_reference=session_reference)
        return self.hub.tokens.issue(self.secret(key), assertion, str(new_id())).token

    def form(self, token: str, **params: str) -> dict[str, str]:
        """The parameters of a redirect that works, with some of them changed."""
        return {"RemoteAuthenticationToken": token, "ViewMode": "0", "RedirectID": "1"} | params

    def connect(
        self, visitor: Visitor, token: str, *, bid: int = RIVERBEND, origin: str | None = HARBORLIGHT, **params: str
    ) -> Answer:
        """Hand off by POST. ViewMode follows what the browser loads for."""
        mode = {"ViewMode": "1"} if visitor.dest == FRAME else {}
        return visitor.post(f"{self.biller(bid).base_url}/sso/connect", self.form(token, **mode, **params), origin=origin)

    def full_page(self, user: str = "avery", key: str = "session", **params: str) -> tuple[Visitor, str]:
        """A signed-in browser on a full page, and the address of its page."""
        visitor = self.visitor()
        bid = self.prepared.keys[key][0]
        moved = self.connect(visitor, self.token(user, key), bid=bid, **params)
        assert moved.status == 303, moved.text
        url = self.url(moved.location, bid)
        visitor.get(url)  # the first page lets the session in
        return visitor, url

    def first_page(self, user: str = "avery", key: str = "session", **params: str) -> tuple[Visitor, Answer]:
        """A frame that was just handed off to, and its first page: nobody has clicked yet."""
        visitor = self.visitor(FRAME)
        page = self.connect(visitor, self.token(user, key), bid=self.prepared.keys[key][0], **params)
        assert page.status == 200, page.text
        return visitor, page

    def frame(self, user: str = "avery", key: str = "session", **params: str) -> tuple[Visitor, Answer]:
        """A signed-in frame whose cookies come back, and the page that showed it: the first one, asked for again."""
        visitor, first = self.first_page(user, key, **params)
        bid = self.prepared.keys[key][0]
        page = self.press(visitor, first, first.own_path, bid=bid)
        assert page.status == 200, page.text
        assert page.frame_token == ""
        return visitor, page

    def press(self, visitor: Visitor, page: Answer, path: str, *, bid: int = RIVERBEND) -> Answer:
        """Press a button of a page whose ways on are buttons."""
        form = {"csrf_token": page.csrf, "frame_token": page.frame_token}
        return visitor.post(self.url(path, bid), form, origin=self.biller(bid).origin)

    def sign_out(self, visitor: Visitor, page: Answer, *, bid: int = RIVERBEND, origin: str | None = "own") -> Answer:
        """Press the button of a page."""
        biller = self.biller(bid)
        sender = biller.origin if origin == "own" else origin
        carried = {"frame_token": page.frame_token} if page.frame_token else {}
        return visitor.post(f"{biller.base_url}/sign-out", {"csrf_token": page.csrf} | carried, origin=sender)

    def refusal(self, answer: Answer, bid: int = RIVERBEND) -> Refusal:
        """The stored refusal behind a refusal page."""
        assert re.fullmatch(r"[2-9A-Z]{10}", answer.reference), answer.text
        return self.hub.diagnostics.get(bid, answer.reference)

    def later(self, **by: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**by))

    def change_biller(self, bid: int = RIVERBEND, **changes: Any) -> None:
        self.billers[bid] = self.hub.billers.change(ACTOR, str(new_id()), bid, **changes)


# --- the world, once ---------------------------------------------------------------------------------------------------------


def prepare(folder: Path, **settings: str) -> Prepared:
    """Make the database file that every test copies; with `database_url`, fill that database instead."""
    loaded = load(_environment(folder) | _named(settings))
    migrate(loaded.database_url)
    hub = wire(loaded, FixedClock(BEGIN))
    try:
        made = _fill(hub, folder)
    finally:
        hub.close()
    return made


@contextmanager
def open_world(prepared: Prepared, folder: Path, **settings: str) -> Iterator[World]:
    """A copy of the world in `folder`; `settings` by lower-case name."""
    if "database_url" not in settings:
        shutil.copy(prepared.folder / "hub.sqlite3", folder / "hub.sqlite3")
    environment = _environment(folder) | _named(settings)
    clock = FixedClock(BEGIN)
    hub = wire(load(environment), clock)
    try:
        yield World(
            hub,
            clock,
            application(hub, Readiness(probes(hub), fresh=0.0)),
            prepared,
            {each.bid: each for each in hub.billers.list_page()},
        )
    finally:
        hub.close()


def _named(settings: Mapping[str, str]) -> dict[str, str]:
    return {f"IDHUB_{name.upper()}": value for name, value in settings.items()}


def _environment(folder: Path) -> dict[str, str]:
    return {
        "IDHUB_DATABASE_URL": f"sqlite:///{folder / 'hub.sqlite3'}",
        "IDHUB_KEYVALUE_URL": f"sqlite:///{folder / 'keyvalue.sqlite3'}",
        "IDHUB_MASTER_KEY": _MASTER_KEY,
        "IDHUB_MAILBOX_DIR": str(folder / "mailbox"),
        "IDHUB_PORTAL_DOMAIN": DOMAIN,
        "IDHUB_PUBLIC_SCHEME": "https",
    }


def _fill(hub: Hub, folder: Path) -> Prepared:
    for slug, name, url in (("harborlight", "Harborlight", HARBORLIGHT), ("meadowline", "Meadowline", MEADOWLINE)):
        hub.partners.create(ACTOR, str(new_id()), slug=slug, name=name, url=url)
    customers: dict[tuple[int, str], UUID] = {}
    users: dict[tuple[int, str], UUID] = {}
    for bid, slug, dba, zone in (
        (RIVERBEND, "riverbend", "Riverbend Water & Light", "America/Detroit"),
        (PRAIRIE, "prairie", "Prairie Electric Cooperative", "America/Chicago"),
    ):
        biller = hub.billers.create(ACTOR, str(new_id()), bid=bid, slug=slug, dba=dba, time_zone=zone)
        hub.advanced_settings.put(ACTOR, str(new_id()), bid, 3, SETTING_3)
        for number in ("1001-01", "1001-02", "1002-01"):
            made = hub.customers.create(ACTOR, str(new_id()), biller, number, name=f"{slug} customer {number}")
            customers[bid, number] = made.id
        _bill(hub, bid, customers[bid, "1001-01"], {RIVERBEND: 8417, PRAIRIE: 183309}[bid], MANY_BILLS)
        _bill(hub, bid, customers[bid, "1001-02"], 2050, 1)
        _bill(hub, bid, customers[bid, "1002-01"], 99, 1)
        users |= _register(hub, biller)
    return Prepared(folder, _issue_keys(hub), users, customers)


def _register(hub: Hub, biller: Biller) -> dict[tuple[int, str], UUID]:
    """avery owns two accounts, zoe one; oren and gail see avery's first with less."""
    wanted = {
        "avery": (("1001-01", "1001-02"), LoginType.OWNER),
        "zoe": (("1002-01",), LoginType.OWNER),
        "oren": (("1001-01",), LoginType.OVERSIGHT),
        "gail": (("1001-01",), LoginType.GUEST),
    }
    made: dict[tuple[int, str], UUID] = {}
    for name, (numbers, login_type) in wanted.items():
        accounts = tuple(AccountWanted(number, login_type) for number in numbers)
        call = Wanted(name, f"{name}@example.com", accounts, first_name=name.title(), last_name="Vale")
        user = hub.register.register(ACTOR, str(new_id()), biller, call, None).user
        assert user is not None
        made[biller.bid, name] = user.id
    return made


def _issue_keys(hub: Hub) -> dict[str, tuple[int, UUID, str]]:
    everybody = KeyPolicies(users="all")
    once = KeyPolicies(users="all", token="single_use")
    keys: dict[str, tuple[int, UUID, str]] = {}
    for name, bid, partner, policies, frames, returns in (
        ("session", RIVERBEND, "harborlight", everybody, (HARBORLIGHT,), (BACK, "https://kiosk.harborlight.example")),
        ("single", RIVERBEND, "harborlight", once, (HARBORLIGHT,), (BACK,)),
        ("bills only", RIVERBEND, "harborlight", KeyPolicies(users="all", redirect_ids=frozenset({1})), (HARBORLIGHT,), ()),
        ("meadowline", RIVERBEND, "meadowline", everybody, (MEADOWLINE,), (f"{MEADOWLINE}/home",)),
        ("prairie", PRAIRIE, "harborlight", everybody, (HARBORLIGHT_AT_PRAIRIE,), (f"{HARBORLIGHT_AT_PRAIRIE}/back",)),
    ):
        issued = hub.api_keys.issue(
            ACTOR,
            str(new_id()),
            bid=bid,
            partner_slug=partner,
            policies=policies,
            frame_origins=frames,
            return_places=returns,
        )
        keys[name] = (bid, issued.key.id, issued.secret)
    return keys


def _bill(hub: Hub, bid: int, customer_id: UUID, newest: int, count: int) -> None:
    """`count` bills, a month apart; the newest asks for `newest` cents, each older one for a cent less."""
    invoices = [
        Invoice(
            id=new_id(),
            bid=bid,
            customer_id=customer_id,
            number=f"INV-{bid}-{count - age:03}",
            record_type="H",
            format_guid=_FORMAT,
            invoice_type="",
            issued_on=date(2026, 11, 15) - timedelta(days=30 * age),
            due_on=date(2026, 12, 5) - timedelta(days=30 * age),
            total_minor=newest - age,
            past_due_minor=0,
            currency="USD",
            customs={},
            lines=(InvoiceLine("Water", Decimal(1), newest - age),),
            created_at=BEGIN,
        )
        for age in range(count)
    ]
    with hub.database.begin() as stores:
        for invoice in invoices:
            stores.invoices.put_invoice(invoice)
