"""Fetcher: get and post, the order of the checks, and what an answer may be."""

from __future__ import annotations

import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from types import MappingProxyType
from typing import cast

from urllib3.connection import HTTPConnection, HTTPException
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from idp.errors import Unreachable
from idp.fetch.addresses import Address, Reach, Resolver, reach_of
from idp.fetch.targets import Target, read_url
from idp.fetch.wire import Deadline, Unfit, Wire, connect

MOST_HEADER_BYTES = 32 * 1024
"""Of an answer: status line and all header lines, interim answers too."""

_FRAMING_BYTES = 64 * 1024
"""Beside twice the body: what chunk sizes and trailers may take."""
_BLOCK = 16 * 1024
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]{0,8000}[\x21-\x7e])?")
_OURS = re.compile(
    r"accept(-encoding)?|connection|content-(length|type|encoding)|cookie2?|expect|host|keep-alive|proxy-.*|range|te|trailer"
    r"|transfer-encoding|upgrade|user-agent",
    re.IGNORECASE,
)
"""What the client says itself, or never."""
_FAULTS = (Unfit, OSError, HTTPException, HTTPError, ValueError)


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer that is no redirect. Repr shows no body and no URL: both may hold secrets."""

    status: int
    content_type: str
    """The media type alone, lower case; "" where the answer names none."""
    body: bytes = field(repr=False)
    """After decompression; b"" where the body was not wanted or, unless 2xx, not of a type in `accept`."""
    url: str = field(repr=False)
    """As asked for."""


class Fetcher:
    """Fetches URLs that others wrote. Safe for many threads; keeps nothing between calls.

    `private_hosts`: exact `host:port` (lower case, IPv6 in brackets) that may have private addresses, other ports and, if they
    never leave the machine, http. `trust`: the certificates that are believed (default: the machine's); one that does not check
    names is refused with ValueError. `monotonic`: seconds that only grow, for the deadline.
    """

    def __init__(
        self,
        resolver: Resolver,
        *,
        private_hosts: Iterable[str] = (),
        trust: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._private_hosts = frozenset(private_hosts)
        self._trust = trust or _system_trust()
        if not self._trust.check_hostname or self._trust.verify_mode is not ssl.CERT_REQUIRED:
            raise ValueError("certificates and their names must be checked")
        self._monotonic = monotonic

    def get(
        self, url: str, *, accept: Sequence[str], most_bytes: int, deadline: timedelta, headers: Mapping[str, str] = _NO_HEADERS
    ) -> Fetched:
        """GET.

        accept: media types, lower case, without parameters; they go out as Accept and are all that comes in: a 2xx answer with
            a body of another type fails. Empty: no body is read.
        most_bytes: of the body, after decompression.
        deadline: for the whole, from resolving the name to the last byte.
        headers: further ones; those that the client sets itself are refused with ValueError.

        Raises Unreachable for every fault, redirects (any 3xx) included. Other statuses are the caller's to judge.
        """
        return self._fetch("GET", url, None, accept, most_bytes, deadline, _checked(headers))

    def post(
        self,
        url: str,
        body: bytes,
        content_type: str,
        *,
        accept: Sequence[str],
        most_bytes: int,
        deadline: timedelta,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> Fetched:
        """POST a body; the rest as in `get`. After Unreachable it is not known whether the body arrived."""
        sent = _checked(headers) | {"Content-Type": _checked_value("Content-Type", content_type)}
        return self._fetch("POST", url, body, accept, most_bytes, deadline, sent)

    def _fetch(
        self,
        method: str,
        url: str,
        body: bytes | None,
        accept: Sequence[str],
        most_bytes: int,
        deadline: timedelta,
        headers: Mapping[str, str],
    ) -> Fetched:
        timer = Deadline(deadline, self._monotonic)
        where = "URL"
        try:
            target = read_url(url, self._private_hosts)
            where = target.host_and_port
            addresses = self._checked_addresses(target, timer)
            with closing(connect(target, addresses, timer, self._trust)) as opened:
                wire = Wire(opened, timer)
                response = _ask(wire, target, method, body, _request_headers(target, accept) | dict(headers))
                with closing(response):
                    return _answer(wire, response, url, accept, most_bytes)
        except _FAULTS as fault:
            # Never the path or query: they may hold secrets of a vendor's API.
            raise Unreachable(f"{where}: {type(fault).__name__}: {fault}") from fault

    def _checked_addresses(self, target: Target, timer: Deadline) -> tuple[Address, ...]:
        # The only time the name is resolved: what is checked here is what is connected to, so a second answer cannot matter.
        if target.literal is not None:
            found: tuple[Address, ...] = (target.literal,)
        else:
            answers = self._resolver.addresses(target.host, target.port, timer.remaining())
            found = tuple(ip_address(answer) for answer in answers)
        allowed = {Reach.PUBLIC, Reach.PRIVATE} if target.may_be_private else {Reach.PUBLIC}
        for address in found:
            if reach_of(address) not in allowed:
                raise Unfit(f"{address} is not a public address")
            if target.scheme == "http" and not address.is_loopback:
                raise Unfit(f"http to {address}, which is not this machine")
        return found


def _system_trust() -> ssl.SSLContext:
    trust = ssl.create_default_context()
    trust.minimum_version = ssl.TLSVersion.TLSv1_2
    trust.set_alpn_protocols(["http/1.1"])
    return trust


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    for name in headers:
        if not _HEADER_NAME.fullmatch(name) or _OURS.fullmatch(name):
            raise ValueError(f"header {name!r} cannot be set")
    return {name: _checked_value(name, value) for name, value in headers.items()}


def _checked_value(name: str, value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"header {name} has a value that cannot be sent")
    return value


def _request_headers(target: Target, accept: Sequence[str]) -> dict[str, str]:
    return {
        "Host": target.host_header,
        "User-Agent": "identity-hub",
        "Accept": ", ".join(accept) or "*/*",
        "Accept-Encoding": "gzip",
        "Connection": "close",
    }


class _Connection(HTTPConnection):
    """urllib3 logs the URL of an answer with broken headers; so it is told "/" and never sees path and query."""

    def __init__(self, target: Target, wire: Wire) -> None:
        super().__init__(target.host, target.port)
        self.sock = cast(socket.socket, wire)
        self._path = target.path

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        super().putrequest(
            method, self._path if url == "/" else url, skip_host=skip_host, skip_accept_encoding=skip_accept_encoding
        )


def _ask(wire: Wire, target: Target, method: str, body: bytes | None, headers: Mapping[str, str]) -> HTTPResponse:
    connection = _Connection(target, wire)
    connection.request(method, "/", body=body, headers=headers, preload_content=False, decode_content=False)
    wire.allow(MOST_HEADER_BYTES)
    return connection.getresponse()


def _answer(wire: Wire, response: HTTPResponse, url: str, accept: Sequence[str], most_bytes: int) -> Fetched:
    status = response.status
    if not 200 <= status <= 599:
        raise Unfit(f"status {status}")
    if 300 <= status <= 399:
        raise Unfit(f"status {status}: redirects are not followed")
    types = response.headers.getlist("content-type")
    if len(types) > 1:
        raise Unfit("more than one Content-Type")
    media = types[0].partition(";")[0].strip().lower() if types else ""
    if not accept:
        return Fetched(status, media, b"", url)
    if media not in accept:
        if status < 300 and response.length_remaining != 0:
            raise Unfit(f"content type {media!r}")
        return Fetched(status, media, b"", url)
    wire.allow(2 * most_bytes + _FRAMING_BYTES)
    return Fetched(status, media, _body(response, most_bytes), url)


def _body(response: HTTPResponse, most_bytes: int) -> bytes:
    """The whole body, decompressed; Unfit when it is over `most_bytes`, packed or unpacked, or not whole.

    Each block is unpacked to at most one byte more than is left, so a bomb costs no more memory than the limit.
    """
    if (response.length_remaining or 0) > most_bytes:
        raise Unfit(f"a body of {response.length_remaining} bytes")
    encoding = ", ".join(response.headers.getlist("content-encoding")).strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise Unfit(f"content encoding {encoding!r}")
    gunzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS) if "gzip" in encoding else None
    body = bytearray()
    received = 0
    for block in response.stream(_BLOCK, decode_content=False):
        received += len(block)
        try:
            body += gunzip.decompress(block, most_bytes - len(body) + 1) if gunzip else block
        except zlib.error as fault:
            raise Unfit("not gzip") from fault
        if received > most_bytes or len(body) > most_bytes:
            raise Unfit(f"a body of more than {most_bytes} bytes")
    if gunzip and received and (not gunzip.eof or gunzip.unused_data):
        raise Unfit("gzip that is cut short or goes on behind its end")
    return bytes(body)
