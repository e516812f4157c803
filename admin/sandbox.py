"""Sandboxes: a biller of its own for a partner to try its integration on, with made-up accounts, bills, payers and a strict key.

A sandbox lives in a range of BIDs that no utility has, under the slug `sandbox-{partner}`. Its bills come in as an invoice file,
like everybody's. A partner has one sandbox; a call that broke off is completed by the same call, and once there is a key, another
call is refused, because the secret was shown (docs/adr/0017). Nothing in it is anybody's data.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from admin.access import Permission, check_may
from admin.billers import BillerAdmin
from admin.partners import KeyAdmin, PartnerAdmin
from admin.people import UserAdmin
from idp.accounts.register import AccountWanted, Wanted
from idp.actor import Staff
from idp.clock import Clock
from idp.directory.api_keys import ALL_REDIRECT_IDS, IssuedKey, KeyPolicies, Scope
from idp.directory.billers import Biller
from idp.errors import AlreadyExists, FieldError, PartnerNotFound
from sso_connect.imports.runner import InvoiceFileImport

FIRST_BID = 2_000_000_000
"""From here on: sandboxes."""

SLUG = "sandbox-{partner}"
_FORMAT = UUID("5b53d6a0-c11d-56fd-94c8-faf0359a24f5")
_DUE = timedelta(days=22)
_MONTH = timedelta(days=30)
_BILLS = 3
_MOST_TRIES = 5


@dataclass(frozen=True, slots=True)
class SampleAccount:
    """A made-up account. `codes` as they stand on its bill. `payer`: the user name of who is registered on it, "" for nobody."""

    number: str
    name: str
    street: str
    email: str
    cents: int
    codes: str
    payer: str = ""


ACCOUNTS = (
    SampleAccount(
        "1001-01", "Pat Sample", "1 Example Street", "pat.sample@example.com", 8417, "O100-4821-3977;C200-1188-2204", "pat"
    ),
    SampleAccount("1001-02", "Pat Sample", "3 Example Street", "pat.sample@example.com", 4105, "O100-9917-0042", "pat"),
    SampleAccount("1002-01", "Kim Sample", "7 Test Court", "kim.sample@example.com", 13260, "O100-7305-1186;G500-3310-9081", "kim"),
    SampleAccount("1003-01", "Example Rentals LLC", "PO Box 90", "office@rentals.example", 6134, "O100-5500-6187;G500"),
    SampleAccount("1004-01", "Noor Sample", "221 Demo Lane", "", 7712, ""),
)
"""What every sandbox has: two payers with accounts, an account to claim by a code, and one that nobody knows anything of."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What was made."""

    biller: Biller
    issued: IssuedKey


class Sandboxes:
    """Makes sandboxes."""

    def __init__(
        self,
        billers: BillerAdmin,
        partners: PartnerAdmin,
        keys: KeyAdmin,
        users: UserAdmin,
        importer: InvoiceFileImport,
        clock: Clock,
    ) -> None:
        self._billers = billers
        self._partners = partners
        self._keys = keys
        self._users = users
        self._importer = importer
        self._clock = clock

    def make(self, staff: Staff, request_id: str, partner_slug: str, *, frame_origins: Sequence[str] = ()) -> Sandbox:
        """Make the sandbox of a partner. PartnerNotFound, InvalidFields, AlreadyExists (it has one)."""
        check_may(staff, Permission.PLATFORM_BILLERS_CREATE)
        if partner_slug not in {each.slug for each in self._partners.list_all(staff, request_id)}:
            raise PartnerNotFound(partner_slug)
        biller = self._find(staff, request_id, partner_slug) or self._make_biller(staff, request_id, partner_slug)
        if self._keys.list_all(staff, request_id, biller.bid):
            told = f"{partner_slug} has a sandbox, BID {biller.bid}; `idhub api-keys rotate` gives its key a fresh secret"
            raise AlreadyExists(told, fields=[FieldError("partner", told)])
        check_may(staff, Permission.BILLER_IMPORTS_CREATE, biller.bid)
        self._keys.check_places(staff, request_id, biller.bid, [("frame", origin) for origin in frame_origins])
        name = f"{biller.bid}.bif"
        self._importer.run(staff, request_id, biller, _bill_file(biller, self._clock.now().date()), name)
        for wanted in _payers():
            self._users.create(staff, request_id, biller.bid, wanted)
        issued = self._keys.issue(
            staff, request_id, biller.bid, partner_slug=partner_slug, label="Sandbox",
            policies=KeyPolicies(scopes=frozenset(Scope), users="all", account_proof=("cis",), redirect_ids=ALL_REDIRECT_IDS),
            frame_origins=frame_origins,
        )  # fmt: skip
        return Sandbox(biller, issued)

    def _find(self, staff: Staff, request_id: str, partner_slug: str) -> Biller | None:
        after = FIRST_BID - 1
        while page := self._billers.list_page(staff, request_id, after):
            for biller in page:
                if biller.slug == SLUG.format(partner=partner_slug):
                    return biller
            after = page[-1].bid
        return None

    def _make_biller(self, staff: Staff, request_id: str, partner_slug: str) -> Biller:
        slug = SLUG.format(partner=partner_slug)
        tries = 0
        while True:
            tries += 1
            try:
                return self._billers.create(
                    staff, request_id, bid=self._next_bid(staff, request_id), slug=slug, dba=f"Sandbox of {partner_slug}",
                    time_zone="America/Detroit",
                )  # fmt: skip
            except AlreadyExists:
                # Another sandbox took the number in this moment.
                if tries == _MOST_TRIES:
                    raise

    def _next_bid(self, staff: Staff, request_id: str) -> int:
        last = FIRST_BID - 1
        while page := self._billers.list_page(staff, request_id, last):
            last = page[-1].bid
        return last + 1


def _payers() -> list[Wanted]:
    """Who is registered, with all their accounts."""
    wanted: dict[str, Wanted] = {}
    for account in ACCOUNTS:
        if account.payer:
            first, _, last = account.name.partition(" ")
            before = wanted.get(account.payer)
            accounts = (*(() if before is None else before.accounts), AccountWanted(account.number))
            wanted[account.payer] = Wanted(account.payer, account.email, accounts, first_name=first, last_name=last)
    return list(wanted.values())


def _bill_file(biller: Biller, today: date) -> io.BytesIO:
    """A Biller Invoice File in the default column order: the last months' bills of every account."""
    rows: list[str] = []
    total = 0
    for age in reversed(range(_BILLS)):
        issued = today - age * _MONTH
        for n, account in enumerate(ACCOUNTS, start=1):
            cents = account.cents - 137 * age
            total += cents
            number = f"{account.number.replace('-', '')}{issued:%y%m}{n:02}"
            rows += (
                f"IH|R|{_FORMAT}|{number}|{issued:%m/%d/%Y}|{issued + _DUE:%m/%d/%Y}|{_decimal(cents)}"
                f"|||LOC{n:04}||{account.number}|0.00|{account.codes}",
                f"CR|{account.number}|{account.name}|{account.street}||Springfield|MI|00000|6165550100|{account.email}|N|{account.number}",
                f"ID|Water|1|{_decimal(cents)}",
            )
    head = f"FH|{biller.guid}|{today:%m/%d/%Y}|{len(rows) // 3}|{_decimal(total)}"
    return io.BytesIO("".join(f"{row}\n" for row in (head, *rows)).encode())


def _decimal(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
