"""May a key make this call? The caches answer, and one key-value transaction limits the key and checks them against their stamps.

A key whose record changed is loaded again; a refusal is only said from a fresh record. A key that is known to be over its rate is
refused without asking the store, so that a flood costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from idp.clock import Clock
from idp.directory.api_keys import ApiKey, ApiKeys, HeldKey, Scope
from idp.directory.billers import Biller
from idp.errors import HubError, InvalidApiKey, RateLimited, ScopeMissing, StoreUnavailable
from idp.kv import Allowance, Expect, KeyValue, Limit, Limited, Stale
from idp.versions import TRIES, pause_before


@dataclass(frozen=True, slots=True)
class Admitted:
    """A key that may go on, its biller, and what is left of its rate."""

    key: ApiKey
    biller: Biller
    allowance: Allowance


Noted = Callable[[ApiKey, Allowance], None]
"""Hears what is left of a key's rate as soon as it is known, so that a refusal can tell it too."""


class Admission:
    """Lets keys in, or says why not."""

    def __init__(self, kv: KeyValue, api_keys: ApiKeys, clock: Clock) -> None:
        self._kv = kv
        self._api_keys = api_keys
        self._clock = clock
        self._exhausted: dict[UUID, tuple[datetime, datetime]] = {}

    def peek(self, secret: str) -> HeldKey | None:
        """The key of a secret as it was last known, unchecked: to read a body by, never to let anybody in by."""
        held = self._api_keys.held(secret)
        return None if held is None else held.value

    def admit(self, secret: str, scope: Scope | None, noted: Noted | None = None) -> Admitted:
        """A key that may go on, limited and checked in one key-value transaction.

        InvalidApiKey, ScopeMissing, RateLimited, StoreUnavailable.
        """
        held = self._api_keys.held(secret)
        for attempt in range(TRIES):
            pause_before(attempt)
            if held is None:
                raise InvalidApiKey("unknown")
            outcome = self._kv.transact(limit_of(held.value.key), Expect(held.stamps))
            match outcome.stop:
                case None:
                    allowance = outcome.results[0]
                    if not isinstance(allowance, Allowance):
                        raise StoreUnavailable("the key-value store answered out of turn")
                    if noted is not None:
                        noted(held.value.key, allowance)
                    return Admitted(self.check(held.value, scope), held.value.biller, allowance)
                case Stale():
                    held = self._api_keys.reload_held(secret)
                case stop:
                    raise self.limited(held.value.key, stop, noted)
        raise StoreUnavailable("the key keeps changing under our feet")

    def check(self, held: HeldKey, scope: Scope | None) -> ApiKey:
        """The key, if it may still be used and has the scope. InvalidApiKey, ScopeMissing, RateLimited."""
        now = self._clock.now()
        if not held.usable(now):
            raise InvalidApiKey("revoked, past its overlap, or its partner or biller is switched off")
        if scope is not None and scope not in held.key.policies.scopes:
            raise ScopeMissing(scope.value)
        # Known to be empty: said before the audit row, so that a flood does not fill the log.
        since, until = self._exhausted.get(held.key.id, (now, now))
        if since <= now < until:  # not before `since`: the clock was set back, and the store tells how long it really is
            raise RateLimited("the key is over its rate", retry_after=until - now)
        return held.key

    def count(self, key: ApiKey, noted: Noted | None) -> None:
        """Count a call that was refused: it uses up the rate too. RateLimited, StoreUnavailable."""
        outcome = self._kv.transact(limit_of(key))
        if outcome.stop is not None:
            raise self.limited(key, outcome.stop, noted)
        if noted is not None and isinstance(outcome.results[0], Allowance):
            noted(key, outcome.results[0])

    def limited(self, key: ApiKey, stop: object, noted: Noted | None) -> HubError:
        """The error of a transaction that was stopped; a key at its limit is remembered."""
        if not isinstance(stop, Limited):
            return StoreUnavailable("the key-value store answered out of turn")
        if noted is not None:
            noted(key, Allowance(0, stop.retry_after))
        now = self._clock.now()
        self._exhausted[key.id] = (now, now + stop.retry_after)
        return RateLimited("the key is over its rate", retry_after=stop.retry_after)


def limit_of(key: ApiKey) -> Limit:
    """The step that counts one call of a key."""
    return Limit(f"key:{key.id}", key.policies.rate_per_second, key.policies.burst)
