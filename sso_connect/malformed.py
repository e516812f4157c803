"""A redirect whose parameters cannot be read: whose it is all the same, and every check that can still be asked.

The partner that wrote the redirect is the one that can correct it. So the token says whose it is, live or not, by a pure read that
spends and slides nothing; the rules of a redirect (`arrivals`) are asked where they rest on what is good, and the others are listed
as not evaluated. Nothing is asked about a token of another biller.
"""

from __future__ import annotations

from dataclasses import dataclass

from idp.clock import Clock
from idp.directory.api_keys import ApiKey, ApiKeys
from idp.directory.billers import Biller
from idp.directory.payers import Payers
from idp.login.sessions import TokenFacts
from sso_connect.arrivals import AFTER_REDEEM, TOKEN, Arrival, Attempt, Reading, token_check
from sso_connect.checks import Check
from sso_connect.token_states import Looked, State, refusal_of
from sso_connect.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of it: each check, and the facts of its token (None: nobody's)."""

    checks: tuple[Check, ...]
    facts: TokenFacts | None


class Malformed:
    """Looks at redirects that are refused for their parameters."""

    def __init__(self, tokens: Tokens, api_keys: ApiKeys, payers: Payers, clock: Clock) -> None:
        self._tokens = tokens
        self._api_keys = api_keys
        self._payers = payers
        self._clock = clock

    def look(self, arrival: Arrival, biller: Biller, reading: Reading) -> Known:
        """Every check of a redirect to a biller that has faults. StoreUnavailable."""
        looked = self._looked(arrival, reading.params.token)
        facts = looked.facts
        faulty = {fault.field.lower() for fault in reading.faults}
        checks = [reading.check()]
        if reading.params.token:
            checks.append(Check.unevaluated("token") if TOKEN in faulty else _token(looked))
        if facts is None:
            return Known(tuple(checks), None)
        if facts.bid != biller.bid:
            here = Check("biller", held=False, expected=f"a token for BID {biller.bid}", came="one for another biller")
            return Known((*checks, here, *(Check.unevaluated(rule.name) for rule in AFTER_REDEEM)), facts)
        key = self._api_keys.find(facts.bid, facts.key_id)
        if key is None:
            return Known((*checks, *(Check.unevaluated(rule.name) for rule in AFTER_REDEEM)), facts)
        checks.append(Check("biller", held=True))
        attempt = self._attempt(arrival, biller, reading, looked, facts, key)
        if attempt.payer is None:
            faulty.add(TOKEN)
        checks += [Check.unevaluated(rule.name) if faulty & set(rule.of) else rule.ask(attempt) for rule in AFTER_REDEEM]
        return Known(tuple(checks), facts)

    def _looked(self, arrival: Arrival, token: str) -> Looked:
        if not token:
            return Looked(State.UNKNOWN)
        return self._tokens.look_at_link(token) if arrival.step == "link" else self._tokens.look(token)

    def _attempt(
        self, arrival: Arrival, biller: Biller, reading: Reading, looked: Looked, facts: TokenFacts, key: ApiKey
    ) -> Attempt:
        entry = self._payers.reload(facts.bid, facts.user_id)
        return Attempt(
            reading.params,
            arrival.fetch_dest,
            biller,
            key,
            facts,
            None if entry is None else entry.value,
            sender=arrival.sender,
            fetch_site=arrival.fetch_site,
            method=arrival.method,
            age=None if looked.issued_at is None else self._clock.now() - looked.issued_at,
        )


def _token(looked: Looked) -> Check:
    if looked.state is State.LIVE and looked.facts is not None:
        return Check("token", held=True, came=f"policy {looked.facts.policy}")
    return token_check(refusal_of(looked.state))
