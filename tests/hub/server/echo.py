"""A small application behind the bridge, with deadlines that tests can wait for. `python -m tests.hub.server.echo PORT`.

/page /call /file    what arrived, as JSON, under the rule of that name
/unread              the same, without waiting for a body
/owned               as /call, for one owner of long bodies
/stuck               answers when the file named by the query exists
/sleepy              reads a body a little at a time
/stream /fault       an answer in pieces; an exception
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.server.bodies import SHORT, UNREAD, BodyRule, Limits
from hub.server.bridge import Bridge
from hub.server.head import Head
from hub.server.health import Readiness
from hub.server.run import serve
from idp.errors import HubError
from idp.web.request import INCOMING, REFUSAL

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

THREADS = 2
MOST = 100_000
"""Bytes of a call or a file."""

SECONDS = 1.5
RULES = {
    "/page": BodyRule(SHORT, SECONDS),
    "/file": BodyRule(MOST, None),
    "/owned": BodyRule(MOST, 600.0),
    "/unread": UNREAD,
}
LIMITS = Limits(least_per_second=1000, window=2, held=8192, of_one_key=1, linger_seconds=1.0)


def create() -> Bridge:
    """What granian loads."""
    return Bridge(echo, rule, Readiness({"part": lambda: None}), threads=THREADS, limits=LIMITS)


def rule(head: Head) -> BodyRule:
    """A rule by path."""
    return RULES.get(head.path, BodyRule(MOST, SECONDS))


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The application."""
    try:
        return _answer(environ, start_response)
    except HubError as refusal:
        return _json(start_response, f"{refusal.http} Refused", {"code": refusal.code, "detail": refusal.detail})


def _answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if (refusal := environ.get(REFUSAL)) is not None:
        raise refusal
    path = environ["PATH_INFO"]
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return _three_pieces()
    if path == "/fault":
        raise RuntimeError("the application broke")
    if path == "/stuck":
        while not Path(environ["QUERY_STRING"]).exists():
            time.sleep(0.01)
    if path == "/owned" and INCOMING in environ:
        environ[INCOMING].claim("owner")
    body = b"" if path == "/unread" else _read(environ, pause=0.01 if path == "/sleepy" else 0.0)
    return _json(
        start_response,
        "200 OK",
        {
            "size": len(body),
            "digest": hashlib.sha256(body).hexdigest(),
            "variables": {name: value for name, value in environ.items() if isinstance(value, str)},
        },
    )


def _read(environ: WSGIEnvironment, pause: float) -> bytes:
    parts = []
    while part := environ["wsgi.input"].read(1000):
        parts.append(part)
        time.sleep(pause)
    return b"".join(parts)


def _three_pieces() -> Iterator[bytes]:
    yield b"one,"
    yield b""
    yield b"two,"
    yield b"three"


def _json(start_response: StartResponse, status: str, told: dict[str, Any]) -> list[bytes]:
    body = json.dumps(told).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    serve("tests.hub.server.echo:create", host="127.0.0.1", port=int(sys.argv[1]), workers=1, log_level="info")
