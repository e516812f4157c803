"""Guesses at role codes: how many wrong ones a caller has, at one account and at a biller as a whole.

    before   each account that comes with a code is one guess of the caller at that account, counted before it is judged; after five
             a growing delay (idp.login.throttle). Accounts that are not there count like any other
    after    a right code forgets the guesses at its account where it leaves nothing to guess; a wrong one also takes a unit of
             what the biller may see in an hour. The one too many sounds an alarm, and its caller's codes wait; everybody else's
             are judged as before

A caller is an API key or a member of staff. Source: the partner guide, "Role codes"; docs/adr/0015.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

from idp.actor import Actor
from idp.alarms import AlarmKind, Alarms
from idp.errors import StoreUnavailable, TooManyAttempts
from idp.kv import KeyValue, Limit, Put, Read, Record
from idp.login.throttle import ROLE_CODES, Throttle

MOST_WRONG_AN_HOUR = 300
"""Of a biller. The largest utilities here print a few hundred thousand bills a month, and mistyped codes come in dozens an hour."""
CLOSED_FOR = timedelta(minutes=1)
"""So long the codes of the caller wait who brought the one too many."""

_log = logging.getLogger(__name__)


class CodeGuesses:
    """Counts guesses at role codes."""

    def __init__(self, kv: KeyValue, throttle: Throttle, alarms: Alarms) -> None:
        self._kv = kv
        self._throttle = throttle
        self._alarms = alarms

    def count(self, bid: int, caller: Actor, account_keys: Iterable[str]) -> frozenset[str]:
        """Count one guess at each account (as often as it comes): those whose code is not to be judged now."""
        keys = list(account_keys)
        if not keys:
            return frozenset()
        closed = self._kv.transact(Read(_closed(bid, caller), optional=True)).results[0]
        if isinstance(closed, Record):
            return frozenset(keys)
        return frozenset(key for key in keys if not self._may_guess(bid, caller, key))

    def settle(self, bid: int, caller: Actor, forget: Iterable[str], wrong: Iterable[str]) -> None:
        """Note what the codes were: accounts whose guesses are forgotten, and accounts with a wrong one.

        The change is committed by now: a store that does not answer must not make it look failed.
        """
        try:
            for key in forget:
                self._throttle.right(*_guess(bid, caller, key))
            for _ in wrong:
                self._wrong(bid, caller)
        except StoreUnavailable as fault:
            _log.warning("guesses at role codes not settled", extra={"bid": bid, "cause": fault.detail})

    def _may_guess(self, bid: int, caller: Actor, account_key: str) -> bool:
        try:
            self._throttle.guess(ROLE_CODES, *_guess(bid, caller, account_key))
        except TooManyAttempts:
            return False
        return True

    def _wrong(self, bid: int, caller: Actor) -> None:
        limit = Limit(f"wrong-role-codes:{bid}", MOST_WRONG_AN_HOUR / 3600, MOST_WRONG_AN_HOUR)
        if self._kv.transact(limit).stop is None:
            return
        self._kv.transact(Put(_closed(bid, caller), "", idle=CLOSED_FOR))
        detail = f"more than {MOST_WRONG_AN_HOUR} wrong role codes within an hour; the last by {caller.kind} {caller.id}"
        self._alarms.sound(bid, AlarmKind.ROLE_CODES_GUESSED, f"biller:{bid}", detail)


def _guess(bid: int, caller: Actor, account_key: str) -> tuple[object, ...]:
    return ("role-code", bid, caller.kind, caller.id, account_key)


def _closed(bid: int, caller: Actor) -> str:
    return f"role-codes-closed:{bid}:{caller.kind}:{caller.id}"
