"""Who changed what, for whom: append-only, sealed by a hash chain, checkable by `idhub audit verify`.

    append      in the transaction of the change; the row has no seal yet
    seal        ONE sealer per database (a job of the worker) gives committed rows dense numbers, oldest first, and only below
                the oldest open transaction: neither a rolled-back row nor a late commit looks like a gap
    link        link(n) = SHA-256(link(n-1) + leaf(n)); the leaf holds the row and a salted commitment of its values, so that
                personal values (a side table) can be erased and the chain stays whole
    checkpoint  a signed statement "seal n has link x at time t", which an operator exports and keeps elsewhere

`idp.erasure` erases values, `idp.verification` checks the chain. What that proves: a sealed row that was altered, removed or put in
between is found, and so are values that were altered, or deleted by anything but the verb; with an exported checkpoint so is a
chain that was cut off or written anew. Rows that are not sealed yet are counted, not proved.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from idp.actor import Actor, Payer, Rep
from idp.clock import Clock
from idp.transaction import Begin

GENESIS = "0" * 64
"""The link before the first."""


class Action(StrEnum):
    """What happened, `noun.verb`. A closed vocabulary: a new word is a change of this file."""

    BILLER_CREATE = "biller.create"
    BILLER_CHANGE = "biller.change"
    SETTING_CHANGE = "setting.change"
    DESTINATION_CHANGE = "destination.change"
    PARTNER_CREATE = "partner.create"
    PARTNER_CHANGE = "partner.change"
    KEY_CREATE = "key.create"
    KEY_CHANGE = "key.change"
    KEY_ROTATE = "key.rotate"
    KEY_REVOKE = "key.revoke"
    ORIGIN_ADD = "origin.add"
    ORIGIN_REMOVE = "origin.remove"
    CUSTOMER_CREATE = "customer.create"
    CUSTOMER_CHANGE = "customer.change"
    USER_CREATE = "user.create"
    USER_CHANGE = "user.change"
    USER_REVOKE = "user.revoke"
    USER_PROVE = "user.prove"
    PASSWORD_SET = "password.set"  # noqa: S105  (a word of the vocabulary, not a secret)
    PASSWORD_MOVE_OWNER = "password.move_owner"  # noqa: S105
    CONFIRMATION_ASK = "confirmation.ask"
    CONFIRMATION_ANSWER = "confirmation.answer"
    REGISTRATION_CREATE = "registration.create"
    REGISTRATION_CHANGE = "registration.change"
    REGISTRATION_END = "registration.end"
    REGISTRATION_APPROVE = "registration.approve"
    REGISTRATION_DECLINE = "registration.decline"
    REGISTRATION_EXPIRE = "registration.expire"
    REGISTRATION_OBJECT = "registration.object"
    REGISTRATION_RESTORE = "registration.restore"
    GHOST_CHANGE = "ghost.change"
    IMPORT_RUN = "import.run"
    JOB_RETRY = "job.retry"
    JOB_DROP = "job.drop"
    FILE_UPLOAD = "file.upload"
    THEME_REQUEST = "theme.request"
    THEME_APPROVE = "theme.approve"
    THEME_REFUSE = "theme.refuse"
    THEME_REFRESH = "theme.refresh"
    TOKEN_ISSUE = "token.issue"  # noqa: S105  (a word of the vocabulary, not a secret)
    TOKEN_REVOKE = "token.revoke"  # noqa: S105
    TOKEN_REFUSE = "token.refuse"  # noqa: S105
    LINK_ISSUE = "link.issue"
    SESSION_OPEN = "session.open"
    SESSION_END = "session.end"
    VALUES_ERASE = "values.erase"


@dataclass(frozen=True, slots=True)
class Change:
    """One row to write. `subject` names a thing that is neither user nor customer: `key:{id}`, `setting:14`."""

    bid: int
    action: Action
    actor: Actor
    request_id: str
    user_id: UUID | None = None
    customer_id: UUID | None = None
    subject: str = ""
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    @property
    def on_behalf_of(self) -> UUID | None:
        """The payer that a rep acts for; a payer acts for itself."""
        match self.actor:
            case Rep(for_user=user_id) | Payer(user_id=user_id):
                return user_id
            case _:
                return None


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One row as stored. `commitment` is "" where there are no values, else SHA-256(salt + values)."""

    id: int
    at: datetime
    bid: int
    action: str
    actor_kind: str
    actor_id: str
    on_behalf_of: UUID | None
    user_id: UUID | None
    customer_id: UUID | None
    subject: str
    request_id: str
    commitment: str
    seal: int | None = None
    link: str | None = None

    def leaf(self) -> str:
        """The hash of everything in the row but seal and link."""
        content = [
            self.id, self.at.astimezone(UTC).isoformat(timespec="microseconds"), self.bid, self.action, self.actor_kind,
            self.actor_id, _text(self.on_behalf_of), _text(self.user_id), _text(self.customer_id), self.subject,
            self.request_id, self.commitment,
        ]  # fmt: skip
        return _hash(json.dumps(content, ensure_ascii=False, separators=(",", ":")))


@dataclass(frozen=True, slots=True)
class ChangeValues:
    """Before and after of one row, erasable. `values` is the JSON text that the commitment was made over."""

    change_id: int
    salt: str
    values: str

    def commitment(self) -> str:
        return _hash(self.salt + self.values)


def values_text(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """The canonical JSON of before and after."""
    return json.dumps({"before": before, "after": after}, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


class ChangeLogStore(Protocol):
    """Writes rows in the transaction that it belongs to."""

    def append(self, change: Change) -> None:
        """Add one row, with its values in the side table when it has any."""
        ...

    def append_all(self, changes: Sequence[Change]) -> None:
        """As append, for many changes, in their order."""
        ...


class WithChangeLog(Protocol):
    """A slice of stores that can write the change log."""

    @property
    def changelog(self) -> ChangeLogStore: ...


class SealStore(Protocol):
    """What the sealer and the verifier need."""

    def last_sealed(self) -> tuple[int, str]:
        """(seal, link) of the newest sealed row, or (0, GENESIS)."""
        ...

    def list_ready(self, limit: int) -> list[ChangeRow]:
        """Unsealed rows that no open transaction can precede any more, oldest id first."""
        ...

    def put_seals(self, seals: Iterable[tuple[int, int, str]]) -> None:
        """Store (row id, seal, link); each row is sealed once."""
        ...

    def iter_sealed(self) -> Iterator[tuple[ChangeRow, ChangeValues | None]]:
        """All sealed rows by seal, with the values where they were not erased."""
        ...

    def count_unsealed(self) -> int:
        """How many rows wait for their seal."""
        ...

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep a signed checkpoint."""
        ...

    def list_checkpoints(self) -> list[Checkpoint]:
        """All checkpoints, oldest first."""
        ...


class SealStores(Protocol):
    """The slice of stores that the sealer works with."""

    @property
    def seals(self) -> SealStore: ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement about the chain: `token` is a compact JWS over {seal, link, iat}."""

    seal: int
    link: str
    at: datetime
    token: str


class Sealer:
    """Gives committed rows their seals. Run by one worker at a time (a lease of the worker)."""

    def __init__(
        self,
        begin: Begin[SealStores],
        clock: Clock,
        sign: Callable[[Mapping[str, Any]], str],
        every: int = 1000,
        prepare: Callable[[], object] = lambda: None,
    ) -> None:
        """`prepare`: makes the key that `sign` needs, where there is none."""
        self._begin = begin
        self._clock = clock
        self._sign = sign
        self._every = every
        self._prepare = prepare
        self._prepared = False

    def run(self, limit: int = 1000) -> int:
        """Seal up to `limit` rows. How many were sealed."""
        if not self._prepared:
            # Before the first seal, and not with the first checkpoint: a database that is restored from a backup in between must
            # still know the key of a checkpoint that was kept elsewhere.
            self._prepare()
            self._prepared = True
        with self._begin() as stores:
            seal, link = stores.seals.last_sealed()
            first = seal
            sealed: list[tuple[int, int, str]] = []
            for row in stores.seals.list_ready(limit):
                seal, link = seal + 1, next_link(link, row)
                sealed.append((row.id, seal, link))
            stores.seals.put_seals(sealed)
        if seal // self._every > first // self._every:
            self._keep_checkpoint(seal, link)
        return len(sealed)

    def checkpoint(self) -> Checkpoint | None:
        """Sign where the chain stands now; None while nothing is sealed."""
        with self._begin() as stores:
            seal, link = stores.seals.last_sealed()
        return self._keep_checkpoint(seal, link) if seal else None

    def _keep_checkpoint(self, seal: int, link: str) -> Checkpoint:
        now = self._clock.now().replace(microsecond=0)
        # Between transactions: signing reads its key, and makes the first one, in a transaction of its own, which on SQLite
        # would wait for ours for ever.
        made = Checkpoint(seal, link, now, self._sign({"seal": seal, "link": link, "iat": int(now.timestamp())}))
        with self._begin() as stores:
            stores.seals.add_checkpoint(made)
        return made


def next_link(link: str, row: ChangeRow) -> str:
    """The chain's next link."""
    return _hash(link + row.leaf())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: UUID | None) -> str:
    return "" if value is None else str(value)
