"""Receipts: the first answer to a request with an Idempotency-Key, committed with the change that it tells of.

    open    before the work: a claim in a transaction of its own, so that a twin that comes meanwhile is told (409). A key that was
            answered before gives that answer again; the same key with another body is refused
    keep    inside the transaction of the change, at its end: change and answer are there together, or neither is
    drop    after a refusal, which changed nothing: the key may be tried again

A claim whose worker died runs out by itself; whoever takes it over then makes the change anew, and the dead worker, should it only
have been slow, fails at `keep` and rolls back. Stored under an HMAC of API key, operation and Idempotency-Key; answers are sealed.
Source: docs/partner-reference.md, "Repeating a request"; draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

from idp.clock import Clock
from idp.errors import IdempotencyInProgress, IdempotencyKeyReused
from idp.opaque import new_id, same
from idp.secrets import Place, Secrets
from idp.transaction import Begin

KEPT_FOR = timedelta(hours=24)
CLAIMED_FOR = timedelta(seconds=60)
"""Longer than any request may take."""

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

    def replace_claim(self, receipt: Receipt, old: UUID) -> bool:
        """Take the place of the receipt whose claim is `old`. False when it is no longer that one."""
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

    def open(self, bid: int, request: tuple[object, ...], idempotency_key: str, body: str) -> Receipt | Answer:
        """A claim to work under, or the answer that was given before.

        `request`: who asks for what (API key, operation, its path). IdempotencyKeyReused, IdempotencyInProgress.
        """
        name = self._mac(bid, "name", *request, idempotency_key)
        now = self._clock.now()
        fingerprint = self._mac(bid, "body", body)
        mine = Receipt(bid, name, fingerprint, new_id(), now + CLAIMED_FOR, None, None, now + KEPT_FOR)
        with self._begin() as stores:
            if stores.receipts.add_claim(mine):
                return mine
            there = stores.receipts.find_receipt(bid, name)
            if there is None:  # dropped in this moment: its worker refused, and this one may be asked again
                raise IdempotencyInProgress("the first request has just ended")
            over = there.expires_at <= now
            if not over and not same(there.fingerprint, fingerprint):
                raise IdempotencyKeyReused("another body")
            if not over and there.status is not None:
                return self._answer(there)
            if not over and there.claimed_until > now:
                raise IdempotencyInProgress("claimed by another request")
            if not stores.receipts.replace_claim(mine, there.claim):
                raise IdempotencyInProgress("another request was faster")
        return mine

    def keep(self, stores: WithReceipts, claimed: Receipt, answer: Answer) -> None:
        """Write the answer, in the transaction of the change. IdempotencyInProgress (rolls back) when the claim was taken over."""
        text = self._secrets.seal(_place(claimed), json.dumps(answer.body))
        done = Receipt(
            claimed.bid, claimed.name, claimed.fingerprint, claimed.claim, claimed.claimed_until, answer.status, text,
            claimed.expires_at,
        )  # fmt: skip
        if not stores.receipts.put_answer(done):
            raise IdempotencyInProgress("the claim ran out and was taken over")

    def keep_alone(self, claimed: Receipt, answer: Answer) -> None:
        """As keep, in a transaction of its own: for changes that are harmless to make twice."""
        with self._begin() as stores:
            self.keep(stores, claimed, answer)

    def drop(self, claimed: Receipt) -> None:
        """Give the claim up, because nothing was changed."""
        with self._begin() as stores:
            stores.receipts.drop_claim(claimed.bid, claimed.name, claimed.claim)

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
