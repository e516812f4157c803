"""What the partner API reads of a request beside its body: the key, and what is left of the key's rate.

One way in for the key: the `X-Api-Key` header, once. What is left of its rate is noted as soon as it is known and leaves with every
answer, refusals too (`RateLimit-Limit`, `RateLimit-Remaining`, `RateLimit-Reset` in seconds).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from flask import Response

from idp.directory.api_keys import ApiKey
from idp.errors import InvalidApiKey
from idp.kv import Allowance
from idp.web.request import HubRequest

KEY_HEADER = "X-Api-Key"
_KEY_VARIABLE = "HTTP_X_API_KEY"
_MOST_SECRET = 200


@dataclass(frozen=True, slots=True)
class Rate:
    """The burst that a key may make, how much of it is left, and in how many seconds it is whole again."""

    limit: int
    remaining: int
    reset: int


class ApiRequest(HubRequest):
    """A request to the partner API."""

    rate: Rate | None = None

    def key_secret(self) -> str:
        """The secret of the key. InvalidApiKey when there is none, or more than one (servers join repeated headers by comma)."""
        sent: str = self.environ.get(_KEY_VARIABLE, "")
        if not 0 < len(sent) <= _MOST_SECRET or "," in sent or not sent.isascii():
            raise InvalidApiKey("no key, several, or none of ours")
        return sent

    def note(self, key: ApiKey, allowance: Allowance) -> None:
        """Remember what is left of the key's rate (sso_connect.tokens.Noted)."""
        self.rate = Rate(key.policies.burst, max(0, allowance.remaining), math.ceil(allowance.full_in.total_seconds()))


def tell_rate(response: Response, rate: Rate | None) -> None:
    """Write the RateLimit headers; nothing for a key that is not known."""
    if rate is not None:
        response.headers.extend(
            (
                ("RateLimit-Limit", str(rate.limit)),
                ("RateLimit-Remaining", str(rate.remaining)),
                ("RateLimit-Reset", str(rate.reset)),
            )
        )
