"""What happened: the change log as staff read it, its proof, refusals by reference, warnings of partners, mails, and alarms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from admin.access import Permission, check_may
from idp.actor import Staff
from idp.alarms import Alarm, Alarms
from idp.changelog import ChangeRow, Checkpoint, Sealer, SealStores
from idp.erasure import Erasure, ErasureStore, Subject
from idp.messages.mail import Mails, StoredMail
from idp.secrets import INSTALLATION
from idp.transaction import Begin
from idp.verification import Trust, Verdict, verify
from sso_connect.carrier_counts import CarrierCount, CarrierCounts
from sso_connect.diagnostics import Diagnostics, Refusal
from sso_connect.warnings import Standing, Warnings

MOST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Which rows of one biller: all, or those of a user, a customer, or both. `before`: only rows with a smaller id."""

    bid: int
    user_id: UUID | None = None
    customer_id: UUID | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeEntry:
    """A row with its values. `values` is "" where there are none, or where they were erased (`row.commitment` tells which)."""

    row: ChangeRow
    values: str

    @property
    def erased(self) -> bool:
        """The row had values, and they are gone. Whether that was told in the log is for `verify` to say."""
        return bool(self.row.commitment) and not self.values

    def before_and_after(self) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
        """What stood there before and after, None where nothing did."""
        if not self.values:
            return None, None
        content = json.loads(self.values)
        return content["before"], content["after"]


class ChangeHistoryStore(Protocol):
    """Reads the change log of one biller."""

    def list_changes(self, wanted: ChangeFilter, limit: int) -> list[ChangeEntry]:
        """Newest first by id, at most `limit`."""
        ...


class HistoryStores(SealStores, Protocol):
    """The slice of stores that history needs."""

    @property
    def change_history(self) -> ChangeHistoryStore: ...

    @property
    def erasures(self) -> ErasureStore: ...


class HistoryAdmin:
    """Reads and proves the change log."""

    def __init__(
        self,
        read: Begin[HistoryStores],
        sealer: Sealer,
        erasure: Erasure,
        trust: Trust,
    ) -> None:
        self._read = read
        self._sealer = sealer
        self._erasure = erasure
        self._trust = trust

    def list_changes(self, staff: Staff, request_id: str, wanted: ChangeFilter, limit: int = 50) -> list[ChangeEntry]:  # noqa: ARG002
        """Newest first. BID 0 is the installation: partners and their changes, for the operator's staff only."""
        if wanted.bid == INSTALLATION:
            check_may(staff, Permission.PLATFORM_CHANGES_READ)
        else:
            check_may(staff, Permission.BILLER_CHANGES_READ, wanted.bid)
        with self._read() as stores:
            return stores.change_history.list_changes(wanted, max(1, min(limit, MOST_ROWS)))

    def verify(self, staff: Staff, request_id: str, exported: Iterable[str] = ()) -> Verdict:  # noqa: ARG002
        """Walk the whole chain, with checkpoint tokens that were kept elsewhere."""
        check_may(staff, Permission.PLATFORM_CHANGES_VERIFY)
        with self._read() as stores:
            return verify(stores.seals, stores.erasures, self._trust, exported)

    def erase(self, staff: Staff, request_id: str, bid: int, subject: Subject, reason: str) -> int:
        """Erase before and after values for good. How many rows had values. InvalidFields, Raced."""
        check_may(staff, Permission.PLATFORM_CHANGES_ERASE)
        return self._erasure.erase(staff, request_id, bid, subject, reason)

    def checkpoint(self, staff: Staff, request_id: str) -> Checkpoint | None:  # noqa: ARG002
        """Sign where the chain stands now; None while nothing is sealed."""
        check_may(staff, Permission.PLATFORM_CHECKPOINTS_CREATE)
        return self._sealer.checkpoint()

    def list_checkpoints(self, staff: Staff, request_id: str) -> list[Checkpoint]:  # noqa: ARG002
        """All that are kept here, oldest first."""
        check_may(staff, Permission.PLATFORM_CHECKPOINTS_READ)
        with self._read() as stores:
            return stores.seals.list_checkpoints()


class RefusalAdmin:
    """Finds what was refused."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics

    def get(self, staff: Staff, request_id: str, bid: int, reference: str) -> Refusal:  # noqa: ARG002
        """By the reference on the page. ReferenceNotFound."""
        check_may(staff, Permission.BILLER_REFUSALS_READ, bid)
        return self._diagnostics.get(bid, reference)

    def list_recent(self, staff: Staff, request_id: str, bid: int, limit: int = 50) -> list[Refusal]:  # noqa: ARG002
        """Newest first."""
        check_may(staff, Permission.BILLER_REFUSALS_READ, bid)
        return self._diagnostics.list_recent(bid, limit)

    def count_not_kept(self, staff: Staff, request_id: str, bid: int) -> tuple[int, int]:  # noqa: ARG002
        """How many refusals of the last 30 days were not kept, at least: of known keys, and of nobody known."""
        check_may(staff, Permission.BILLER_REFUSALS_READ, bid)
        return self._diagnostics.count_not_kept(bid)


class WarningAdmin:
    """Shows which keys still do what will end."""

    def __init__(self, warnings: Warnings) -> None:
        self._warnings = warnings

    def list_all(self, staff: Staff, request_id: str, bid: int, limit: int = 200) -> list[Standing]:  # noqa: ARG002
        """Of all keys of a biller, the last seen first."""
        check_may(staff, Permission.BILLER_REFUSALS_READ, bid)
        return self._warnings.list_all(bid, limit)


class CarrierAdmin:
    """Tells how the browsers of framed sessions bring them back."""

    def __init__(self, counts: CarrierCounts) -> None:
        self._counts = counts

    def list_recent(self, staff: Staff, request_id: str, bid: int, days: int) -> Sequence[CarrierCount]:  # noqa: ARG002
        """Of the last days, by key, browser and carrier."""
        check_may(staff, Permission.BILLER_REFUSALS_READ, bid)
        return self._counts.list_recent(bid, days)


class MailAdmin:
    """Lists what was mailed to payers, never what it says."""

    def __init__(self, mails: Mails) -> None:
        self._mails = mails

    def list_page(self, staff: Staff, request_id: str, bid: int, state: str = "", limit: int = 200) -> list[StoredMail]:  # noqa: ARG002
        """Newest first; `state`: only mails in it. Bodies are sealed."""
        check_may(staff, Permission.BILLER_MAILS_READ, bid)
        return self._mails.list_page(bid, state, limit)


class AlarmAdmin:
    """Lists what a person should look at."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms

    def list_recent(self, staff: Staff, request_id: str, bid: int, limit: int = 50) -> list[Alarm]:  # noqa: ARG002
        """Newest first."""
        check_may(staff, Permission.BILLER_ALARMS_READ, bid)
        return self._alarms.list_recent(bid, limit)
