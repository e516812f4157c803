"""Diagnostics: what was refused and what was warned of, with every check that led to it, found again by its reference.

A payer sees a plain sentence and a reference; a partner's program sees a problem and a request id. Whoever set the partner up
sees, under either, each check with what was expected, what came, and the fix. Never a token, a secret or a password. Refusals are
kept for 30 days, warnings (`warnings`) until they were not seen for 90.

A partner reads what belongs to it at its biller. A refusal whose partner is not known (a token that nobody issued) is shown to
whoever holds a key of the biller and the reference, and is in nobody's list; what its sender named its parameters is not shown
there, because it may be about somebody else's payer (docs/adr/0035).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

from idp.clock import Clock
from idp.cursors import Part, cursor_for, not_ours, position_in
from idp.directory.api_keys import ApiKey
from idp.errors import ReferenceNotFound
from idp.kv import KeyValue
from idp.transaction import Begin
from sso_connect.checks import Check, as_kept
from sso_connect.refusal_limits import NotKeptStores, RefusalLimits
from sso_connect.warnings import Standing, WarningStores

KEPT_FOR = timedelta(days=30)
MOST_ENTRIES = 200
"""Entries on one page."""

_log = logging.getLogger(__name__)


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
    session_reference: str | None = None
    """The partner's own id of the session that its token was asked for with."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A refusal or a warning, as a partner reads it. `reference` None: it has none but its request id."""

    kind: Literal["refusal", "warning"]
    reference: str | None
    request_id: str
    at: datetime
    first_at: datetime
    times: int
    code: str
    where: str
    checks: tuple[Check, ...]
    session_reference: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first, where the next page goes on (None: there is none), and how many refusals were not kept, at least."""

    entries: tuple[Entry, ...]
    cursor: str | None
    not_kept: int = 0


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

    def list_refusals_of(self, bid: int, partner_id: UUID, after: tuple[datetime, str] | None, limit: int) -> list[Refusal]:
        """Of one partner, newest first and by reference, from the one after time and reference."""
        ...

    def purge_refusals(self, before: datetime, limit: int) -> int:
        """Remove those older than `before`. How many."""
        ...


class RefusalStores(WarningStores, NotKeptStores, Protocol):
    """The slice of stores that this service works with."""

    @property
    def refusals(self) -> RefusalStore: ...


class Diagnostics:
    """Keeps and finds refusals, and shows partners theirs with their warnings."""

    def __init__(self, begin: Begin[RefusalStores], kv: KeyValue, clock: Clock) -> None:
        self._begin = begin
        self._clock = clock
        self._limits = RefusalLimits(begin, kv, clock)

    def record(self, refusal: Refusal) -> None:
        """Keep one. In a flood only some are kept, and the others counted: anybody can be refused, as often as they like."""
        if not self._limits.admits(refusal.bid, refusal.key_id, refusal.user_id):
            _log.info("refusal not kept", extra={"bid": refusal.bid, "code": refusal.code, "request_id": refusal.request_id})
            return
        with self._begin() as stores:
            stores.refusals.add_refusal(replace(refusal, checks=as_kept(refusal.checks)))

    def flush(self) -> None:
        """Write the counts that wait: at the end of a process."""
        self._limits.flush()

    def get(self, bid: int, reference: str) -> Refusal:
        """For staff: by reference as it was read out, or by request id (case and blanks do not count). ReferenceNotFound."""
        plain = "".join(reference.split())
        with self._begin() as stores:
            found = stores.refusals.find_refusal(bid, plain)
        if found is None:
            raise ReferenceNotFound(plain)
        return found

    def list_recent(self, bid: int, limit: int = 50) -> list[Refusal]:
        """For staff: newest first."""
        with self._begin() as stores:
            return stores.refusals.list_refusals(bid, limit)

    def count_not_kept(self, bid: int) -> tuple[int, int]:
        """For staff: how many refusals of the last 30 days were not kept, at least: of known keys, and of nobody known."""
        self._limits.flush()
        with self._begin() as stores:
            return stores.not_kept.count_not_kept(bid, self._first_day())

    def get_for(self, key: ApiKey, reference: str) -> Entry:
        """What a partner may know of a reference or request id: a refusal, else the warnings of that request. ReferenceNotFound."""
        plain = "".join(reference.split())
        with self._begin() as stores:
            refusal = stores.refusals.find_refusal(key.bid, plain)
            warned = stores.warnings.list_warnings_of_request(key.bid, key.partner.id, plain.lower())
        if refusal is not None and refusal.partner_id is None:
            return _refused(_without_names(refusal))
        if refusal is not None and refusal.partner_id == key.partner.id:
            return _refused(refusal)
        if not warned:
            raise ReferenceNotFound("nothing of this partner at this biller")
        checks = tuple(check for each in warned for check in each.checks)
        return replace(_warned(warned[0]), checks=checks)

    def list_for(self, key: ApiKey, cursor: str | None = None, limit: int = 50) -> Page:
        """Refusals and warnings of a partner at its biller, newest first. InvalidFields for a cursor that is none of ours.

        A warning that comes again while somebody pages moves to the front, and is on no later page.
        """
        name = f"diagnostics/{key.bid}/{key.partner.id}"
        here = _Position() if cursor is None else _Position.of(name, cursor)
        most = max(1, min(limit, MOST_ENTRIES))
        of = (key.bid, key.partner.id)
        self._limits.flush()
        with self._begin() as stores:
            not_kept = stores.not_kept.count_not_kept_of(*of, self._first_day())
            refusals = stores.refusals.list_refusals_of(*of, here.refusal, most + 1)
            warnings = stores.warnings.list_warnings_of(*of, here.warning, most + 1)
        both: list[Refusal | Standing] = sorted([*refusals, *warnings], key=_moment, reverse=True)
        shown = both[:most]
        for each in shown:
            here = here.past(each)
        entries = tuple(_refused(each) if isinstance(each, Refusal) else _warned(each) for each in shown)
        return Page(entries, here.cursor(name) if len(both) > most else None, not_kept)

    def purge(self, limit: int = 1000) -> int:
        """Remove what is past its time. How many."""
        with self._begin() as stores:
            counts = stores.not_kept.purge_not_kept(self._first_day(), limit)
            return counts + stores.refusals.purge_refusals(self._clock.now() - KEPT_FOR, limit)

    def _first_day(self) -> date:
        return (self._clock.now() - KEPT_FOR).date()


@dataclass(frozen=True, slots=True)
class _Position:
    """How far a reader has come in each of the two lists; None: not begun."""

    refusal: tuple[datetime, str] | None = None
    warning: tuple[datetime, UUID, str, str, str] | None = None

    def past(self, read: Refusal | Standing) -> _Position:
        if isinstance(read, Refusal):
            return replace(self, refusal=(read.at, read.reference))
        return replace(self, warning=(read.last_at, read.key_id, read.place, read.code, read.subject))

    def cursor(self, name: str) -> str:
        refusal, warning = self.refusal, self.warning
        parts: list[Part] = [None, None] if refusal is None else [_told_at(refusal[0]), refusal[1]]
        parts += [None] * 5 if warning is None else [_told_at(warning[0]), *map(str, warning[1:])]
        return cursor_for(name, parts)

    @classmethod
    def of(cls, name: str, cursor: str) -> _Position:
        """InvalidFields for a cursor that is not one of this list."""
        said = position_in(name, cursor, 7)
        if said is None:
            raise not_ours()
        try:
            return cls(_refusal_in(said[:2]), _warning_in(said[2:]))
        except (ValueError, OverflowError):
            raise not_ours() from None


def _told_at(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _refusal_in(parts: list[Part]) -> tuple[datetime, str] | None:
    match parts:
        case [None, None]:
            return None
        case [str(at), str(reference)]:
            return _instant(at), reference
        case _:
            raise ValueError("no refusal")


def _warning_in(parts: list[Part]) -> tuple[datetime, UUID, str, str, str] | None:
    match parts:
        case [None, None, None, None, None]:
            return None
        case [str(at), str(key_id), str(place), str(code), str(subject)]:
            return _instant(at), UUID(key_id), place, code, subject
        case _:
            raise ValueError("no warning")


def _instant(text: str) -> datetime:
    """An instant that a database can hold whatever its zone (OverflowError: it cannot be told in UTC)."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("an instant without a zone")
    return at.astimezone(UTC)


def _moment(each: Refusal | Standing) -> datetime:
    return each.at if isinstance(each, Refusal) else each.last_at


def _without_names(refusal: Refusal) -> Refusal:
    """Of nobody known: fixed words are left. The names of parameters that mean nothing to us came from the sender."""
    return replace(refusal, checks=tuple(replace(check, came="") if check.held else check for check in refusal.checks))


def _refused(refusal: Refusal) -> Entry:
    return Entry(
        "refusal",
        refusal.reference,
        refusal.request_id,
        refusal.at,
        refusal.at,
        1,
        refusal.code,
        refusal.where,
        refusal.checks,
        refusal.session_reference if refusal.partner_id is not None else None,
    )


def _warned(warning: Standing) -> Entry:
    return Entry(
        "warning",
        None,
        warning.request_id,
        warning.last_at,
        warning.first_at,
        warning.times,
        warning.code,
        warning.place,
        warning.checks,
    )
