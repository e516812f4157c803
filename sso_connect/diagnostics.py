"""Diagnostics: what was refused, and every check that led to it, found again by the reference on the page.

A payer sees a plain sentence and a reference. Whoever set the partner up sees, under the reference, each check with what was
expected, what came, and the fix. Kept for 30 days; never a token, a secret or a password.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from idp.clock import Clock
from idp.errors import ReferenceNotFound
from idp.kv import KeyValue, Limit
from idp.transaction import Begin

KEPT_FOR = timedelta(days=30)
MOST_PER_SECOND = 20.0
BURST = 500
"""Refusals of one biller that are kept; a payer's portal refuses a few an hour."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, whether it held, what was expected and what came (in words, without secrets), and the fix."""

    name: str
    held: bool
    expected: str = ""
    came: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal. What is not known yet when it happens is None or ""."""

    reference: str
    at: datetime
    bid: int
    code: str
    where: str
    checks: tuple[Check, ...]
    request_id: str
    key_id: UUID | None = None
    partner_id: UUID | None = None
    user_id: UUID | None = None


class RefusalStore(Protocol):
    """Refusals in the database."""

    def add_refusal(self, refusal: Refusal) -> None:
        """Insert."""
        ...

    def find_refusal(self, bid: int, reference: str) -> Refusal | None:
        """By reference or request id within a biller; case does not count."""
        ...

    def list_refusals(self, bid: int, limit: int) -> list[Refusal]:
        """Newest first."""
        ...

    def purge_refusals(self, before: datetime, limit: int) -> int:
        """Remove those older than `before`. How many."""
        ...


class RefusalStores(Protocol):
    """The slice of stores that this service works with."""

    @property
    def refusals(self) -> RefusalStore: ...


class Diagnostics:
    """Keeps and finds refusals."""

    def __init__(self, begin: Begin[RefusalStores], kv: KeyValue, clock: Clock) -> None:
        self._begin = begin
        self._kv = kv
        self._clock = clock

    def record(self, refusal: Refusal) -> None:
        """Keep one. In a flood only some are kept: anybody can be refused, and must not fill the database by it."""
        if self._kv.transact(Limit(f"refusals:{refusal.bid}", MOST_PER_SECOND, BURST)).stop is not None:
            _log.warning("refusal not kept", extra={"bid": refusal.bid, "code": refusal.code, "request_id": refusal.request_id})
            return
        with self._begin() as stores:
            stores.refusals.add_refusal(refusal)

    def get(self, bid: int, reference: str) -> Refusal:
        """By reference as it was read out, or by the request id (case and blanks do not count). ReferenceNotFound."""
        plain = "".join(reference.split())
        with self._begin() as stores:
            found = stores.refusals.find_refusal(bid, plain)
        if found is None:
            raise ReferenceNotFound(plain)
        return found

    def list_recent(self, bid: int, limit: int = 50) -> list[Refusal]:
        """Newest first."""
        with self._begin() as stores:
            return stores.refusals.list_refusals(bid, limit)

    def purge(self, limit: int = 1000) -> int:
        """Remove what is past its time. How many."""
        with self._begin() as stores:
            return stores.refusals.purge_refusals(self._clock.now() - KEPT_FOR, limit)
