"""Erases before and after values from the change log, and leaves a row that says so.

    find      which rows of the subject have values; asked before the transaction, so that each of them is committed
    erase     ONE transaction: batch by batch, the values go and a `values.erase` row names the rows that they belonged to, with
              actor and reason. All of it commits, or nothing

The erasing row is chained and sealed like any other. It names ids of rows and holds no personal value; its own values are never
erased. It carries a proof, a MAC under the installation's data key: somebody who can write the database but does not have the
master key cannot make a row that explains a deletion. A row explains only what it names, and names only what it deleted itself, so
a later erasure never covers values that were deleted before it (idp.verification).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from idp.actor import Actor
from idp.changelog import Action, Change, ChangeRow, ChangeValues, WithChangeLog
from idp.errors import FieldError, InvalidFields, Raced
from idp.opaque import same
from idp.secrets import INSTALLATION, Secrets
from idp.transaction import Begin

MOST_REASON = 200
MOST_NAMED = 500
"""Rows that one erasing row names, and rows that may be asked for by id at once."""
_WINDOW = 50_000
"""Ids of the log that one statement looks through: the log has no index by user, and a statement must stay short."""
_MOST_FAULTS = 50


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose values: those of the rows on a user, on a customer, or of rows by id. One of the three."""

    user_id: UUID | None = None
    customer_id: UUID | None = None
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Erasing:
    """What an erasing row says: whose row it is, the rows that it names, why, and its proof. `seal` None: not sealed yet."""

    row_id: int
    seal: int | None
    at: datetime
    bid: int
    actor_kind: str
    actor_id: str
    request_id: str
    user_id: UUID | None
    customer_id: UUID | None
    rows: tuple[int, ...]
    reason: str
    proof: str

    @property
    def on(self) -> str:
        """Whose values, in words."""
        if self.user_id is not None:
            return f"user {self.user_id}"
        return "rows by id" if self.customer_id is None else f"account {self.customer_id}"

    def statement(self) -> str:
        """What its proof must be made over."""
        who = (self.bid, self.actor_kind, self.actor_id, self.request_id, self.user_id, self.customer_id)
        return statement(*who, self.rows, self.reason)

    @classmethod
    def of(cls, row: ChangeRow, values: ChangeValues | None) -> Erasing | None:
        """What a row says when it is an erasing one; its values may be missing or damaged (no rows, no proof)."""
        if row.action != Action.VALUES_ERASE:
            return None
        try:
            after = {} if values is None else json.loads(values.values)["after"]
            rows = tuple(int(each) for each in after.get("rows", ()))
            reason, proof = str(after.get("reason", "")), str(after.get("proof", ""))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            rows, reason, proof = (), "", ""
        proof = proof if proof.isascii() else ""
        who = (row.bid, row.actor_kind, row.actor_id, row.request_id, row.user_id, row.customer_id)
        return cls(row.id, row.seal, row.at, *who, rows, reason, proof)


class ErasureStore(Protocol):
    """Values of the change log, as far as they are erased. An erasing row's own values are never among them."""

    def span(self) -> tuple[int, int]:
        """The first and last id of the log; (1, 0) while it is empty."""
        ...

    def list_erasable(self, bid: int, subject: Subject, after: int, to: int) -> list[int]:
        """Ids of the subject's rows with values, above `after` and up to `to`, in order. By id: those of `subject.rows`."""
        ...

    def erase_values(self, bid: int, rows: Sequence[int]) -> int:
        """Delete the values of these rows of a biller. How many had any."""
        ...

    def list_with_values(self, rows: Sequence[int]) -> set[int]:
        """Which of these rows, whoever's, have values now."""
        ...

    def iter_unsealed_erasing(self) -> Iterator[tuple[ChangeRow, ChangeValues | None]]:
        """Erasing rows that wait for their seal."""
        ...


class ErasureStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""

    @property
    def erasures(self) -> ErasureStore: ...


class Erasure:
    """Erases, and knows its own rows again."""

    def __init__(self, begin: Begin[ErasureStores], read: Begin[ErasureStores], secrets: Secrets) -> None:
        self._begin = begin
        self._read = read
        self._secrets = secrets

    def erase(self, actor: Actor, request_id: str, bid: int, subject: Subject, reason: str) -> int:
        """Erase the values of everything that the subject has at a biller now. How many rows had values.

        What is written about the subject meanwhile keeps its values. InvalidFields (the reason, or rows by id that have no values
        to erase), Raced (somebody else erased some of them in the same moment: nothing was erased).
        """
        _check(subject, reason)
        self._secrets.prepare(INSTALLATION)
        found = self._find(bid, subject)
        with self._begin() as stores:
            for start in range(0, len(found), MOST_NAMED):
                rows = found[start : start + MOST_NAMED]
                if stores.erasures.erase_values(bid, rows) != len(rows):
                    raise Raced("some of the values were erased in the meantime")
                stores.changelog.append(self._row(actor, request_id, bid, subject, tuple(rows), reason))
        return len(found)

    def is_ours(self, erasing: Erasing) -> bool:
        """Whether this hub wrote an erasing row, as it stands."""
        return same(erasing.proof, self._proof(erasing.statement()))

    def _find(self, bid: int, subject: Subject) -> list[int]:
        with self._read() as stores:
            first, last = stores.erasures.span()
            if subject.rows:
                found = stores.erasures.list_erasable(bid, subject, 0, last)
                missing = sorted(set(subject.rows) - set(found))
                if missing:
                    told = [FieldError(f"row {row}", "has no values that could be erased") for row in missing[:_MOST_FAULTS]]
                    raise InvalidFields(fields=told)
                return found
            windows = range(first - 1, last, _WINDOW)
            return [row for start in windows for row in stores.erasures.list_erasable(bid, subject, start, start + _WINDOW)]

    def _row(self, actor: Actor, request_id: str, bid: int, subject: Subject, rows: tuple[int, ...], reason: str) -> Change:
        who = (bid, actor.kind, actor.id, request_id, subject.user_id, subject.customer_id)
        after = {"rows": rows, "reason": reason, "proof": self._proof(statement(*who, rows, reason))}
        return Change(
            bid, Action.VALUES_ERASE, actor, request_id, user_id=subject.user_id, customer_id=subject.customer_id, after=after
        )  # fmt: skip

    def _proof(self, said: str) -> str:
        return self._secrets.mac(INSTALLATION, "erasure", said)


def statement(
    bid: int,
    actor_kind: str,
    actor_id: str,
    request_id: str,
    user_id: UUID | None,
    customer_id: UUID | None,
    rows: Sequence[int],
    reason: str,
) -> str:
    """What a proof is made over: everything that an erasing row says, but when it was written and its place in the chain."""
    who = [bid, actor_kind, actor_id, request_id, _text(user_id), _text(customer_id)]
    return json.dumps([*who, reason, list(rows)], separators=(",", ":"))


def _check(subject: Subject, reason: str) -> None:
    faults: list[FieldError] = []
    if not 0 < len(reason) <= MOST_REASON or not reason.isprintable() or reason.isspace():
        faults.append(FieldError("reason", f"1 to {MOST_REASON} characters, no control characters"))
    if sum((subject.user_id is not None, subject.customer_id is not None, bool(subject.rows))) != 1:
        faults.append(FieldError("subject", "a user, a customer, or rows by id: one of these"))
    if len(subject.rows) > MOST_NAMED or any(not 0 < row < 2**63 for row in subject.rows):
        faults.append(FieldError("rows", f"at most {MOST_NAMED} ids of rows"))
    if faults:
        raise InvalidFields(fields=faults)


def _text(value: UUID | None) -> str:
    return "" if value is None else str(value)
