"""The request as we read it: parsed once, at the door, into plain values.

`HubRequest` is the request class of every Flask application here. What a request learns early sits on it with a type; nobody reads
`request.form`, `request.args` or `request.json` elsewhere (a ruff rule of the house, kept by review).

    read_json     one JSON object: content type, size, depth, duplicate names, bad UTF-8 and stray NULs are refused here
    folded        form or query parameters by lower-case name, and which names came twice
    request_id    UUIDv7, made here, never taken from outside; answered as X-Request-Id
    nonce         for the CSP of this one answer
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any, NoReturn, Protocol, cast
from urllib.parse import urlsplit

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from idp.errors import BodyTooLarge, HubError, MalformedRequest, UnsupportedMediaType
from idp.opaque import new_id, new_secret
from idp.origins import bare_host, sent_origin

MOST_BODY_BYTES = 1024 * 1024
MOST_FORM_BYTES = 16 * 1024
MOST_JSON_DEPTH = 20
MOST_PARAMETERS = 200
MOST_NAMES = 1000
"""Of one JSON object: ten times what the largest record has."""
MOST_TYPE = 1000
"""Characters of a Content-Type; a longer one means nothing, and costs nothing to read."""
REFUSAL = "hub.refusal"
"""Variable of a WSGI environ: the HubError for which the server refuses this request, before it is read any further."""
INCOMING = "hub.incoming"
"""Variable of a WSGI environ: the long body that is still arriving (`LongBody`); it is `wsgi.input` as well."""
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Folded:
    """Parameters by lower-case name (the first value of each), and the names that came more than once."""

    values: Mapping[str, str]
    twice: frozenset[str]


class LongBody(Protocol):
    """A body of more than a few KiB that arrives while it is read."""

    def claim(self, owner: str) -> None:
        """Say who sends it, before it is read. Busy when the owner sends too many at once."""
        ...


class HubRequest(Request):
    """A request with an id, a nonce, and one way to read each kind of body."""

    max_content_length = MOST_BODY_BYTES
    max_form_memory_size = MOST_BODY_BYTES
    max_form_parts = MOST_PARAMETERS

    @cached_property
    def request_id(self) -> str:
        """The id of this request, in log, change log, diagnostics and X-Request-Id."""
        return str(new_id())

    @cached_property
    def nonce(self) -> str:
        """The CSP nonce of this answer."""
        return new_secret()

    @property
    def refusal(self) -> HubError | None:
        """Why the server refuses this request, whatever it asks for."""
        return cast("HubError | None", self.environ.get(REFUSAL))

    @property
    def long_body(self) -> LongBody | None:
        """The body, where it is a long one that is still arriving."""
        return cast("LongBody | None", self.environ.get(INCOMING))

    @property
    def bare_host(self) -> str:
        """The Host that was asked for, in its normal form (idp.origins)."""
        return bare_host(self.host, self.scheme)

    @property
    def fetch_dest(self) -> str:
        """What the browser says it loads for: document, iframe, ...; "" when it does not say (Fetch Metadata)."""
        return self.headers.get("Sec-Fetch-Dest", "").lower()

    @property
    def sender_origin(self) -> str | None:
        """The origin of the page that sent this, in its normal form: Origin, else that of Referer; None when neither says.
        (RFC 6454 7)"""
        origin = self.headers.get("Origin")
        return self._referring_origin if origin is None else sent_origin(origin)

    @property
    def named_sender(self) -> str | None:
        """As sender_origin, but `Origin: null` counts as not sent: a browser sends it after a redirect from elsewhere, too."""
        sent = self.sender_origin
        return self._referring_origin if sent == "null" else sent

    @property
    def fetch_site(self) -> str:
        """What the browser says of the sending page: cross-site, same-site, same-origin, none; "" when it does not say."""
        return self.headers.get("Sec-Fetch-Site", "").lower()

    @property
    def _referring_origin(self) -> str | None:
        referrer = self.headers.get("Referer")
        if not referrer:
            return None
        try:
            parts = urlsplit(referrer)
        except ValueError:
            return None
        return sent_origin(f"{parts.scheme}://{parts.netloc}".lower()) if parts.scheme and parts.netloc else None

    @cached_property
    def mimetype(self) -> str:
        """Content-Type without its parameters, lower-case; "" for one that nobody sends in earnest."""
        return "" if len(self.environ.get("CONTENT_TYPE", "")) > MOST_TYPE else super().mimetype

    def read_json(self) -> dict[str, Any]:
        """The body as one JSON object. UnsupportedMediaType, BodyTooLarge, MalformedRequest."""
        if self.mimetype != "application/json" and not self.mimetype.endswith("+json"):
            raise UnsupportedMediaType(self.mimetype or "none")
        raw = self._read_body()
        try:
            value = _DECODER.decode(raw.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise MalformedRequest("not UTF-8") from None
        except RecursionError:
            raise MalformedRequest("nested too deep") from None
        except json.JSONDecodeError as fault:
            raise MalformedRequest(f"not JSON: {fault}") from None
        except ValueError:
            raise MalformedRequest("a number with too many digits") from None
        if not isinstance(value, dict):
            raise MalformedRequest("one JSON object is expected")
        _check_tree(value)
        return value

    @cached_property
    def folded(self) -> Folded:
        """Form parameters of a POST, else query parameters. MalformedRequest, UnsupportedMediaType, BodyTooLarge."""
        if self.method == "POST":
            if self.mimetype not in _FORMS:
                raise UnsupportedMediaType(self.mimetype or "none")
            if (self.content_length or 0) > MOST_FORM_BYTES:
                raise BodyTooLarge(f"a form of {self.content_length} bytes")
            self.max_content_length = MOST_FORM_BYTES
            try:
                if self.mimetype == "application/x-www-form-urlencoded":
                    # Before parsing: a hundred thousand fields take half a second to read, and no time to count.
                    raw = self.get_data(cache=True)
                    if self.content_length is None and len(raw) >= MOST_FORM_BYTES:
                        raise BodyTooLarge("form without length")  # the framework cuts such a body off, as in _read_body
                    _check_count(raw)
                pairs = list(self.form.items(multi=True))
            except RequestEntityTooLarge:
                raise BodyTooLarge("form") from None
            return _fold(pairs)
        return self.folded_query

    def carried(self, field: str, header: str) -> str:
        """What travels in a field of a form or, from our own script, in a header; "" when it came in neither."""
        sent = self.headers.get(header, "")
        if sent or self.method != "POST" or self.mimetype not in _FORMS:
            return sent
        return self.folded.values.get(field, "")

    @cached_property
    def folded_query(self) -> Folded:
        """Query parameters, whatever the method. MalformedRequest."""
        _check_count(self.query_string)
        return _fold(list(self.args.items(multi=True)))

    def read_stream(self, most: int) -> IO[bytes]:
        """The body, to be read piece by piece. BodyTooLarge at once when it says that it is longer than `most` bytes.

        A body that does not say how long it is is cut off at `most` + 1: whoever reads so far has read too much.
        """
        if (self.content_length or 0) > most:
            raise BodyTooLarge(f"{self.content_length} bytes, at most {most}")
        self.max_content_length = most + 1
        return self.stream

    def _read_body(self) -> bytes:
        if (self.content_length or 0) > MOST_BODY_BYTES:
            raise BodyTooLarge(f"{self.content_length} bytes")
        try:
            raw = self.get_data(cache=False)
        except RequestEntityTooLarge:
            raise BodyTooLarge("body") from None
        if self.content_length is None and len(raw) >= MOST_BODY_BYTES:
            raise BodyTooLarge("body without length")  # the framework cuts such a body off at the limit and says nothing
        return raw


def _check_count(raw: bytes) -> None:
    if raw.count(b"&") >= MOST_PARAMETERS:
        raise MalformedRequest("too many parameters")


def _fold(pairs: Sequence[tuple[str | None, str]]) -> Folded:
    if len(pairs) > MOST_PARAMETERS:
        raise MalformedRequest("too many parameters")
    values: dict[str, str] = {}
    twice: set[str] = set()
    for name, value in pairs:
        if name is None:
            raise MalformedRequest("a part of a form without a name (RFC 7578 4.2)")
        folded = name.lower()
        if folded in values:
            twice.add(folded)
        values.setdefault(folded, value)
    return Folded(values, frozenset(twice))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MOST_NAMES:
        raise MalformedRequest(f"more than {MOST_NAMES} names in one object")
    seen: set[str] = set()
    for name, _ in pairs:
        if name.lower() in seen:
            raise MalformedRequest(f"a name is given twice (case does not count): {name[:60]!r}")
        seen.add(name.lower())
    return dict(pairs)


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedRequest(f"{name} is not JSON (RFC 8259 6)")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
"""Made once: `json.loads` with hooks makes one per call, which the hot paths would feel."""


def _check_tree(value: Any) -> None:
    """Depth of objects and lists, and what no database or page can hold: NUL, lone surrogates, numbers beyond a float."""
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        node, depth = waiting.pop()
        if isinstance(node, str):
            if _UNKEEPABLE.search(node):
                raise MalformedRequest("a text with NUL or a lone surrogate")
        elif isinstance(node, float):
            if math.isinf(node):
                raise MalformedRequest("a number that is too large")
        elif isinstance(node, dict | list) and depth > MOST_JSON_DEPTH:
            raise MalformedRequest("nested too deep")
        elif isinstance(node, dict):
            waiting += [(child, depth + 1) for child in node.values()] + [(name, depth) for name in node]
        elif isinstance(node, list):
            waiting += [(child, depth + 1) for child in node]
