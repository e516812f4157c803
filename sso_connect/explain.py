"""What would become of a redirect, and whether a token is good: asked by the partner that issued it, without doing anything.

Nothing is spent, slid or opened. The questions are those of the hand-off (`arrivals`), in its order; unlike it, all of them are
asked, those after the first no too, where they can be. A token of another partner or biller is an unknown one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from idp.clock import Clock
from idp.directory.api_keys import ApiKey, ApiKeys
from idp.directory.billers import Biller
from idp.directory.payers import PayerRecord, Payers
from idp.errors import HubError, InvalidRedirect, TokenExpired
from idp.login.sessions import TokenFacts
from sso_connect.arrivals import AFTER_REDEEM, ASKING, TOKEN, Arrival, Attempt, read, token_check
from sso_connect.checks import Check
from sso_connect.token_states import State, refusal_of
from sso_connect.tokens import Tokens

_ABOUT_THE_TOKEN = tuple(rule for rule in AFTER_REDEEM if set(rule.of) <= {TOKEN})
"""The rules that look at no parameter of a redirect but its token."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a redirect would come to. `code` is that of the first refusal, None where it would succeed.

    `asked`: the payer would be asked before it goes on. Who is signed in in the browser is not known here.
    """

    code: str | None
    checks: tuple[Check, ...]
    ignored: tuple[str, ...]
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Active:
    """A token that is good now: for whom, and until when."""

    user_id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Found:
    """A token of the partner, with whom it rests on; `refusal` says why it is no good. Nothing is known of any other."""

    refusal: HubError | None
    key: ApiKey
    facts: TokenFacts | None = None
    payer: PayerRecord | None = None
    expires_at: datetime | None = None
    issued_at: datetime | None = None


class Explain:
    """Answers both questions."""

    def __init__(self, tokens: Tokens, api_keys: ApiKeys, payers: Payers, clock: Clock) -> None:
        self._clock = clock
        self._tokens = tokens
        self._api_keys = api_keys
        self._payers = payers

    def redirect(self, key: ApiKey, biller: Biller, arrival: Arrival) -> Explanation:
        """Every check of a redirect to the biller of an admitted key. StoreUnavailable."""
        reading = read(arrival.values, arrival.twice)
        asked: list[tuple[Check, str | None]] = [(reading.check(), InvalidRedirect.code)]
        faulty = {fault.field.lower() for fault in reading.faults}
        found = _Found(None, key)
        if TOKEN not in faulty:
            found = self._find(key, reading.params.token)
            if found.refusal is not None:
                asked.append((token_check(found.refusal), found.refusal.code))
            elif found.facts is not None:
                asked.append((Check("token", held=True, came=f"policy {found.facts.policy}"), None))
        if found.facts is None:
            faulty.add(TOKEN)
        else:
            asked.append((Check("biller", held=True), None))
        attempt = Attempt(
            reading.params,
            arrival.fetch_dest,
            biller,
            found.key,
            found.facts,
            found.payer,
            sender=arrival.sender,
            fetch_site=arrival.fetch_site,
            method=arrival.method,
            age=None if found.issued_at is None else self._clock.now() - found.issued_at,
        )
        asked += [
            (rule.ask(attempt), rule.error.code if rule.refuses(attempt) else None)
            for rule in AFTER_REDEEM
            if not faulty & set(rule.of)
        ]
        return Explanation(
            code=next((code for check, code in asked if not check.held and code is not None), None),
            checks=tuple(check.without_secrets() for check, _ in asked),
            ignored=reading.params.unknown,
            asked=any(check.name in ASKING and not check.held for check, _ in asked),
        )

    def active(self, key: ApiKey, biller: Biller, token: str) -> Active | None:
        """Whether a redirect with a token of the partner would be let in, its other parameters aside. StoreUnavailable."""
        found = self._find(key, token)
        if found.refusal is not None or found.facts is None or found.expires_at is None:
            return None
        params = read({}, frozenset()).params
        attempt = Attempt(params, "", biller, found.key, found.facts, found.payer)
        good = all(rule.holds(attempt) for rule in _ABOUT_THE_TOKEN)
        return Active(found.facts.user_id, found.expires_at) if good else None

    def is_known(self, key: ApiKey, token: str) -> bool:
        """Whether the partner issued this token at this biller, and it is remembered, be it over or not. StoreUnavailable."""
        facts = self._tokens.look(token).facts
        return facts is not None and (facts.bid, facts.partner_id) == (key.bid, key.partner.id)

    def _find(self, key: ApiKey, token: str) -> _Found:
        looked = self._tokens.look(token)
        facts = looked.facts
        if facts is None or (facts.bid, facts.partner_id) != (key.bid, key.partner.id):
            return _Found(refusal_of(State.UNKNOWN), key)
        issuer = key if facts.key_id == key.id else self._api_keys.find(facts.bid, facts.key_id)
        entry = self._payers.reload(facts.bid, facts.user_id)
        if issuer is None or entry is None:
            return _Found(TokenExpired("key or user is no longer there"), key)
        refusal = None if looked.state is State.LIVE else refusal_of(looked.state)
        return _Found(refusal, issuer, facts, entry.value, looked.expires_at, looked.issued_at)
