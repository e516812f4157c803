"""Redemptions: what a token or an SSO link opens, and what happens when it is presented again.

    redeem     ONE key-value transaction that reads (session) or takes (single use, link) the token and makes the session that rests
               on it. The session ends at the latest 8 hours after the token was issued
    again      a second POST within 5 seconds, with the nonce that the first answer gave the browser or from the same address and
               User-Agent, is a double click: the browser throws the first answer away, so it may have no nonce. It opens a fresh
               session of the same hand-off and ends the first, so a copied token never makes two
    replay     anything else presented twice is refused, and what came of the first is ended (docs/adr/0009, 0030)

The record of the first use lives for those 5 seconds, dies with its session's family and with the token, and is replaced by each
double click; a lock per family decides between clicks on two workers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.errors import HubError, StoreUnavailable, TokenUnknown
from idp.kv import Enlist, Gone, KeyValue, Mark, Outcome, Put, Read, Record, Step, Take, Written
from idp.login.sessions import MOST_ABSOLUTE, Opening, TokenFacts, TokenKind, family_mark, sessions_list
from idp.opaque import digest, same
from sso_connect.token_states import State, refusal_of, told_of
from sso_connect.tokens import TOKEN_KINDS, Tokens, ended_mark, is_one_of, token_record

DOUBLE_CLICK = timedelta(seconds=5)
_TOMBSTONE = timedelta(hours=8)
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Presenter:
    """Who presents a token: the nonce of a first use, or ""; the address (as trusted proxies tell it) and User-Agent of a POST."""

    nonce: str = ""
    address: str = ""
    user_agent: str = ""
    posted: bool = True

    def fingerprint(self, token_id: str) -> str:
        """Address and User-Agent, as a digest that is worth nothing for another token. "" where they say nothing."""
        if not (self.posted and self.address and self.user_agent):
            return ""
        return digest("\x1f".join((token_id, self.address, self.user_agent)))


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A token that was good, and the session that was made in the same step. `again`: by a double click."""

    facts: TokenFacts
    stamps: dict[str, str]
    opening: Opening
    issued_at: datetime
    idle_until: datetime
    again: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """A token that was no good, and what is still known of it: who issued it, for whom."""

    error: HubError
    facts: TokenFacts | None


@dataclass(frozen=True, slots=True)
class _First:
    """What the last use of a token left for 5 seconds."""

    nonce: str
    """As a digest."""
    fingerprint: str
    family: str

    def text(self) -> str:
        return json.dumps({"nonce": self.nonce, "from": self.fingerprint, "family": self.family}, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> _First | None:
        """None: written by a version that knew double clicks otherwise."""
        if not text.startswith("{"):
            return None
        raw = json.loads(text)
        return cls(raw["nonce"], raw["from"], raw["family"])

    def is_by(self, who: Presenter, token_id: str) -> bool:
        """Whether it was the same browser, as far as that can be told."""
        own = who.fingerprint(token_id)
        return (bool(who.nonce) and same(digest(who.nonce), self.nonce)) or (bool(own) and same(own, self.fingerprint))


class Redemptions:
    """Spends or slides tokens, and makes the sessions that rest on them."""

    def __init__(self, kv: KeyValue, tokens: Tokens) -> None:
        self._kv = kv
        self._tokens = tokens

    def redeem(self, token: str, opening: Callable[[], Opening], who: Presenter) -> Redeemed | Rejected:
        """Spend or slide a token, and make a session (`opening` with parent=0)."""
        if not is_one_of(TOKEN_KINDS, token):
            return Rejected(TokenUnknown(State.UNKNOWN), None)
        return self._redeem(token, opening, who, once=is_one_of(("single_use",), token))

    def redeem_link(self, secret: str, opening: Callable[[], Opening], who: Presenter) -> Redeemed | Rejected:
        """As redeem, for the secret of an SSO link, which is good once."""
        link: tuple[TokenKind, ...] = ("link",)
        if not is_one_of(link, secret):
            return Rejected(TokenUnknown(State.UNKNOWN), None)
        return self._redeem(secret, opening, who, once=True)

    def _redeem(self, token: str, opening: Callable[[], Opening], who: Presenter, *, once: bool) -> Redeemed | Rejected:
        token_id, made = digest(token), opening()
        first: Step = Take(token_record(token), _TOMBSTONE) if once else Read(token_record(token), slide=True)
        steps = [first, made.step, _enlist(token_id, made), *made.more]
        if once:
            left = _First(digest(made.nonce), who.fingerprint(token_id), made.facts.family)
            marks = (ended_mark(token_id), family_mark(left.family))
            steps.append(Put(_once(token_id), left.text(), DOUBLE_CLICK, absolute=DOUBLE_CLICK, unless=marks))
        outcome = self._kv.transact(*steps)
        if not isinstance(outcome.stop, Gone):
            return _redeemed(outcome, made)
        return (self._again(token, opening, who) if outcome.stop.spent else None) or self._gone(outcome.stop, token_id)

    def _again(self, token: str, opening: Callable[[], Opening], who: Presenter) -> Redeemed | None:
        """A fresh session of the same hand-off, and the end of the one before. None: it is a replay."""
        token_id = digest(token)
        for _ in range(_TRIES):
            found = self._kv.transact(Read(_once(token_id), optional=True)).results[0]
            first = _First.parse(found.value) if isinstance(found, Record) else None
            if first is None or not first.is_by(who, token_id):
                return None
            made, old = opening(), family_mark(first.family)
            left = _First(digest(made.nonce), who.fingerprint(token_id) or first.fingerprint, made.facts.family)
            outcome = self._kv.transact(
                Read(token_record(token), spent=True),
                made.step,
                _enlist(token_id, made),
                *made.more,
                Read(_once(token_id)),
                Put(f"token-turn:{token_id}:{first.family}", "", 2 * DOUBLE_CLICK, absent=True),
                Put(
                    _once(token_id), left.text(), DOUBLE_CLICK, absolute=DOUBLE_CLICK, unless=(family_mark(left.family),),
                    parent=3 + len(made.more), bounded=True, shed=(old,),
                ),
                Mark(old, MOST_ABSOLUTE),
            )  # fmt: skip
            if outcome.stop is None:
                return _redeemed(outcome, made, again=True)
            if isinstance(outcome.stop, Gone):
                return None
            # Another click of the same browser was faster; what it left behind is what this one replaces.
        raise StoreUnavailable("a token is presented again and again at the same moment")

    def _gone(self, gone: Gone, token_id: str) -> Rejected:
        told = told_of(gone)
        if told.state is State.SPENT and told.facts is not None:
            self._tokens.end(told.facts)
        closed = told.state is State.EXPIRED and self._tokens.is_closed(token_id)
        return Rejected(refusal_of(State.CLOSED if closed else told.state), told.facts)


def _redeemed(outcome: Outcome, made: Opening, *, again: bool = False) -> Redeemed:
    record, written, *_ = outcome.results
    if not isinstance(record, Record) or not isinstance(written, Written):
        raise StoreUnavailable("the key-value store answered out of turn")
    facts = TokenFacts.parse(record.value)
    return Redeemed(facts, dict(record.stamps), made, record.created_at, written.expires_at, again)


def _enlist(token_id: str, made: Opening) -> Enlist:
    return Enlist(sessions_list(token_id), made.key, made.step.absolute or MOST_ABSOLUTE)


def _once(token_id: str) -> str:
    return f"token-once:{token_id}"
