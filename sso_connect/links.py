"""SSO links: a redirect that a partner asks for beforehand, and hands to the payer as one address.

    https://riverbend.example.com/b/riverbend/sso/link#idhl_...

Good once, for 60 seconds. The secret stands in the fragment, which no browser sends to any server, and no proxy or log sees. What
the link leads to is checked when it is made (the rules of a redirect, `arrivals`) and kept in its record, not in the address; the
same rules are asked again when it is followed (`handoff.Handoff.follow`). GET shows a page and spends nothing; its script takes the
secret out of the address and posts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.payers import PayerRecord
from idp.errors import CredentialsRefused, InvalidFields
from sso_connect.arrivals import AFTER_REDEEM, TOKEN, Attempt, read
from sso_connect.tokens import Assertion, Tokens, link_facts

LINK_PATH = "/sso/link"


@dataclass(frozen=True, slots=True)
class Link:
    """An address to hand to the payer at once. It is the secret: never logged, never stored."""

    url: str
    expires_at: datetime


class Links:
    """Makes SSO links."""

    def __init__(self, tokens: Tokens, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock

    def make(
        self,
        key: ApiKey,
        biller: Biller,
        payer: PayerRecord,
        assertion: Assertion,
        redirect: Mapping[str, str],
        request_id: str,
    ) -> Link:
        """A link for a payer whom an admitted key may speak for. `redirect`: its parameters by lower-case name, without a token.

        CredentialsRefused, InvalidFields, the refusals of AFTER_REDEEM, StoreUnavailable.
        """
        check_may_assert(key)
        facts = link_facts(key, payer, assertion, self._clock.now(), redirect)
        reading = read({**redirect, TOKEN: "(the link)"}, frozenset())
        if reading.faults:
            raise InvalidFields(fields=reading.faults)
        attempt = Attempt(reading.params, "", biller, key, facts, payer)
        for rule in AFTER_REDEEM:
            if not rule.holds(attempt):
                raise rule.error(f"expected {rule.expected(attempt)}, came {rule.came(attempt)}")
        secret, expires_at = self._tokens.issue_link(facts, request_id)
        return Link(f"{biller.base_url}{LINK_PATH}#{secret}", expires_at)


def check_may_assert(key: ApiKey) -> None:
    """CredentialsRefused for a key that must present the payer's password: a link would be a way round it."""
    if key.policies.authenticate != "trusted":
        raise CredentialsRefused("the key must present the payer's password")
