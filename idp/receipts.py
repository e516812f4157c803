"""Receipts: the first answer to a request with an Idempotency-Key, committed with the change that it tells of.

    open    before the work: a claim in a transaction of its own, so that a twin that comes meanwhile is told (409, Retry-After). A
            key that was answered before gives that answer again; the same key with another body is refused
    renew   a heartbeat of the process prolongs its claims while their requests are at work, however long that takes
    keep    inside the transaction of the change, at its end: change and answer are there together, or neither is
    drop    after a refusal, which changed nothing: the key may be tried again. Where the database does not take it, the heartbeat
            drops the claim as soon as the database is back

A claim is valid for seconds. When its process dies nobody renews it, and the next request with the key takes it over and makes the
change anew; the first one, should it only have been slow, fails at `keep` and rolls back. Names are an HMAC of API key, operation
and Idempotency-Key; answers are sealed.
Source: docs/partner-reference.md, "Repeating a request"; draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

from idp.clock import Clock
from idp.errors import HubError, IdempotencyInProgress, IdempotencyKeyReused
from idp.heartbeat import Heartbeat
from idp.opaque import new_id, same
from idp.secrets import Place, Secrets
from idp.transaction import Begin

KEPT_FOR = timedelta(hours=24)
CLAIMED_FOR = timedelta(seconds=6)
"""How long a claim outlives its process. Clocks that differ by more cost a slow request its claim; no change is made twice."""

RENEWED_EVERY = timedelta(seconds=2)
HELD_AT_MOST = timedelta(minutes=10)
"""A request that takes longer hangs: its claim is no longer renewed."""

_LONGEST_CLAIM = timedelta(minutes=2)
"""A claim that ends later than this from now is one of a clock that was set back. The version before claimed for a minute."""

_SOON = timedelta(seconds=1)
_log = logging.getLogger(__name__)

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Receipt:
    """A row. `status` None: no answer yet, somebody with `claim` works on it."""

    bid: int
    name: str
    fingerprint: str
    claim: UUID
    claimed_until: datetime
    status: int | None
    answer: str | None
    expires_at: datetime


class ReceiptStore(Protocol):
    """Receipts in the database."""

    def find_receipt(self, bid: int, name: str) -> Receipt | None:
        """By name."""
        ...

    def add_claim(self, receipt: Receipt) -> bool:
        """Insert. False when there is one of that name."""
        ...

    def replace_claim(self, receipt: Receipt, old: Receipt) -> bool:
        """Take the place of the receipt `old`. False when that has changed since: claimed by another, or answered."""
        ...

    def renew_claims(self, claims: Sequence[Receipt], until: datetime) -> None:
        """Prolong claims that still stand and have no answer; those whose answer is just being written are passed over."""
        ...

    def put_answer(self, receipt: Receipt) -> bool:
        """Write status and answer where this claim still stands and has none. False when it does not."""
        ...

    def drop_claim(self, bid: int, name: str, claim: UUID) -> None:
        """Remove a claim that has no answer; nothing happens when it is not there."""
        ...

    def purge_receipts(self, before: datetime, limit: int) -> int:
        """Remove those that were over before `before`. How many."""
        ...


class WithReceipts(Protocol):
    """A slice of stores that can keep a receipt."""

    @property
    def receipts(self) -> ReceiptStore: ...


Also = Callable[[WithReceipts, R], None]
"""What a caller wants committed with a verb: called with the stores and the verb's result at the end of its transaction."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it left: HTTP status, and the JSON of its body (None: none)."""

    status: int
    body: dict[str, Any] | None


class Receipts:
    """Opens, keeps and drops receipts."""

    def __init__(self, begin: Begin[WithReceipts], clock: Clock, secrets: Secrets) -> None:
        self._begin = begin
        self._clock = clock
        self._secrets = secrets
        self._lock = threading.Lock()
        self._held: dict[UUID, tuple[Receipt, datetime]] = {}
        self._dropping: dict[UUID, Receipt] = {}
        self._heart = Heartbeat("receipts", RENEWED_EVERY, self.beat)

    def open(self, bid: int, request: tuple[object, ...], idempotency_key: str, body: str) -> Receipt | Answer:
        """A claim to work under, or the answer that was given before.

        `request`: who asks for what (API key, operation, its path). IdempotencyKeyReused, IdempotencyInProgress.
        """
        name = self._mac(bid, "name", *request, idempotency_key)
        now = self._clock.now()
        fingerprint = self._mac(bid, "body", body)
        mine = Receipt(bid, name, fingerprint, new_id(), now + CLAIMED_FOR, None, None, now + KEPT_FOR)
        with self._begin() as stores:
            given = self._claim(stores, mine)
        if given is None:
            self._hold(mine, now)
            return mine
        return given

    def _claim(self, stores: WithReceipts, mine: Receipt) -> Answer | None:
        """Enter the claim; or the answer that was given before."""
        if stores.receipts.add_claim(mine):
            return None
        now = self._clock.now()
        there = stores.receipts.find_receipt(mine.bid, mine.name)
        if there is None:  # dropped in this moment: its request was refused, and this one may be asked again
            raise IdempotencyInProgress("the first request has just ended", retry_after=_SOON)
        over = there.expires_at <= now
        if not over and not same(there.fingerprint, mine.fingerprint):
            raise IdempotencyKeyReused("another body")
        if not over and there.status is not None:
            return self._answer(there)
        left = there.claimed_until - now
        if not over and timedelta(0) < left <= _LONGEST_CLAIM:
            raise IdempotencyInProgress("claimed by another request", retry_after=min(left, CLAIMED_FOR))
        if stores.receipts.replace_claim(mine, there):
            return None
        # It was just writing its answer, or another twin was faster.
        there = stores.receipts.find_receipt(mine.bid, mine.name)
        if there is not None and there.status is not None and same(there.fingerprint, mine.fingerprint):
            return self._answer(there)
        raise IdempotencyInProgress("another request was faster", retry_after=_SOON)

    def keep(self, stores: WithReceipts, claimed: Receipt, answer: Answer) -> None:
        """Write the answer, in the transaction of the change. IdempotencyInProgress (rolls back) when the claim was taken over."""
        text = self._secrets.seal(_place(claimed), json.dumps(answer.body))
        done = Receipt(
            claimed.bid, claimed.name, claimed.fingerprint, claimed.claim, claimed.claimed_until, answer.status, text,
            claimed.expires_at,
        )  # fmt: skip
        if not stores.receipts.put_answer(done):
            raise IdempotencyInProgress("the claim ran out and was taken over", retry_after=_SOON)

    def keep_alone(self, claimed: Receipt, answer: Answer) -> None:
        """As keep, in a transaction of its own: for changes that are harmless to make twice."""
        with self._begin() as stores:
            self.keep(stores, claimed, answer)

    def release(self, claimed: Receipt) -> None:
        """The request is over and its answer is kept: nothing to renew any more."""
        with self._lock:
            self._held.pop(claimed.claim, None)

    def drop(self, claimed: Receipt) -> None:
        """Give the claim up, because nothing was changed; an answer that is kept stays. Never raises: see `beat`."""
        self.release(claimed)
        try:
            with self._begin() as stores:
                stores.receipts.drop_claim(claimed.bid, claimed.name, claimed.claim)
        except HubError:
            with self._lock:
                self._dropping[claimed.claim] = claimed
            self._heart.wake()

    def beat(self) -> bool:
        """Renew the claims of requests that are at work, and drop those that could not be dropped. Whether there are any left."""
        now = self._clock.now()
        with self._lock:
            for claim, (_, since) in list(self._held.items()):
                if not since <= now < since + HELD_AT_MOST:
                    del self._held[claim]
            held = [each for each, _ in self._held.values()]
            dropping = list(self._dropping.values())
        if not held and not dropping:
            return False
        try:
            with self._begin() as stores:
                stores.receipts.renew_claims(held, now + CLAIMED_FOR)
                for each in dropping:
                    stores.receipts.drop_claim(each.bid, each.name, each.claim)
        except HubError as fault:
            _log.warning("claims not renewed", extra={"count": len(held), "cause": fault.code})
        else:
            with self._lock:
                for each in dropping:
                    del self._dropping[each.claim]
        with self._lock:
            return bool(self._held or self._dropping)

    def close(self) -> None:
        """End the heartbeat."""
        self._heart.close()

    def _hold(self, claimed: Receipt, since: datetime) -> None:
        with self._lock:
            self._held[claimed.claim] = (claimed, since)
        self._heart.wake()

    def purge(self, limit: int = 1000) -> int:
        """Remove what is past its time. How many."""
        with self._begin() as stores:
            return stores.receipts.purge_receipts(self._clock.now(), limit)

    def _answer(self, receipt: Receipt) -> Answer:
        assert receipt.status is not None  # noqa: S101  (asked before)
        return Answer(receipt.status, json.loads(self._secrets.open(_place(receipt), receipt.answer or "")))

    def _mac(self, bid: int, *parts: object) -> str:
        return self._secrets.mac(bid, "idempotency", "\x1f".join(map(str, parts)))


def _place(receipt: Receipt) -> Place:
    return Place(receipt.bid, "receipts", receipt.name, "answer")
