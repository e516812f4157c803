"""What the partner API reads of a request beside its body: the key, what is left of the key's rate, what the caller is warned of.

Two ways in for the key, one of them, once: the `X-Api-Key` header, or HTTP Basic with the key as user name and an empty password
(RFC 7617; what partners send today). What is left of its rate is noted as soon as it is known and leaves with every
answer, refusals too (`RateLimit-Limit`, `RateLimit-Remaining`, `RateLimit-Reset` in seconds).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, cast

from flask import Response
from werkzeug.exceptions import RequestEntityTooLarge

from idp.directory.api_keys import ApiKey
from idp.errors import BodyTooLarge, FieldError, InvalidApiKey, InvalidFields, MalformedRequest, UnsupportedMediaType
from idp.kv import Allowance
from idp.web.request import HubRequest
from sso_connect.api.calls.caller import Caller
from sso_connect.api.operation import Operation
from sso_connect.warnings import Warned

KEY_HEADER = "X-Api-Key"
FILE_TYPES = ("application/octet-stream", "text/plain")
"""What a file may call itself."""

_KEY_VARIABLE = "HTTP_X_API_KEY"
_MOST_SECRET = 200
_MOST_IDEMPOTENCY_KEY = 255
_MOST_WARNING = 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """The burst that a key may make, how much of it is left, and in how many seconds it is whole again."""

    limit: int
    remaining: int
    reset: int


class ApiRequest(HubRequest):
    """A request to the partner API."""

    rate: Rate | None = None
    key: ApiKey | None = None
    """The key that called, as soon as it is known; not yet whether it may."""
    caller: Caller | None = None
    operation: Operation | None = None
    """What was asked for, once the address was understood."""
    old_name: str = ""
    """The old name under which the operation was asked for, or ""."""
    ends: Sequence[tuple[str, str]] = ()
    """Headers that say when that old name ends."""

    def key_secret(self) -> str:
        """The secret of the key. InvalidApiKey when there is none, or more than one (servers join repeated headers by comma)."""
        sent: str = self.environ.get(_KEY_VARIABLE, "")
        authorization: str = self.environ.get("HTTP_AUTHORIZATION", "")
        if authorization[:6].lower() == "basic ":
            if sent:
                raise InvalidApiKey("a key in X-Api-Key and another in Authorization")
            sent = _basic_user(authorization[6:])
        if not 0 < len(sent) <= _MOST_SECRET or "," in sent or not sent.isascii():
            raise InvalidApiKey("no key, several, or none of ours")
        return sent

    def idempotency_key(self) -> str | None:
        """The Idempotency-Key, if one was sent. InvalidFields when it is not 1 to 255 visible characters, once."""
        sent: str | None = self.environ.get("HTTP_IDEMPOTENCY_KEY")
        if sent is None:
            return None
        if not (0 < len(sent) <= _MOST_IDEMPOTENCY_KEY and sent.isascii() and sent.isprintable() and "," not in sent):
            raise InvalidFields(fields=[FieldError("Idempotency-Key", "1 to 255 visible ASCII characters, no comma")])
        return sent

    def read_stream(self, most: int) -> IO[bytes]:
        """As HubRequest.read_stream, for a body that calls itself a file. UnsupportedMediaType, BodyTooLarge."""
        if self.mimetype not in FILE_TYPES:
            raise UnsupportedMediaType(self.mimetype or "none")
        return cast("IO[bytes]", WholeBody(super().read_stream(most), self.content_length))

    def claim_body(self, key: ApiKey) -> None:
        """Before a long body is read: whose it is. Busy when the key sends too many at once."""
        if (body := self.long_body) is not None:
            body.claim(str(key.id))

    def note(self, key: ApiKey, allowance: Allowance) -> None:
        """Remember what is left of the key's rate (sso_connect.admission.Noted)."""
        self.key = key
        self.rate = Rate(key.policies.burst, max(0, allowance.remaining), math.ceil(allowance.full_in.total_seconds()))


class WholeBody:
    """A body that is known to be whole once it was read to its end: a sender that broke off is MalformedRequest.

    Servers end the stream where a connection broke, as if that were its end.
    """

    def __init__(self, stream: IO[bytes], length: int | None) -> None:
        self._stream = stream
        self._length = length
        self._read = 0

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end."""
        try:
            piece = self._stream.read(size)
        except RequestEntityTooLarge:
            raise BodyTooLarge("body") from None
        self._read += len(piece)
        if not piece and self._length is not None and self._read < self._length:
            raise MalformedRequest(f"the body ended after {self._read} of {self._length} bytes")
        return piece


def _basic_user(encoded: str) -> str:
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode("ascii").partition(":")
    except ValueError:
        return ""
    return "" if password else user


def tell_warnings(response: Response, warned: Sequence[Warned]) -> None:
    """Write X-Warning: `UnknownField Colour, Size; OldName RegisterAccounts`. Names are plain ASCII by then."""
    if warned:
        by_code: dict[str, list[str]] = {}
        for each in warned:
            by_code.setdefault(each.code, []).append(each.subject)
        told = "; ".join(f"{code} {', '.join(subjects)}" for code, subjects in by_code.items())
        response.headers["X-Warning"] = told[:_MOST_WARNING]


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
