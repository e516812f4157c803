"""The connection of one fetch: to a checked address, within the deadline, with every byte counted.

urllib3's own time limit starts anew at each byte, and its size limits do not cover headers, chunk sizes and trailers. So the
protocol runs over `Wire`, a socket that gives each wait what is left of the whole and stops at an allowance of bytes.
"""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Callable, Sequence
from datetime import timedelta

from idp.fetch.addresses import Address
from idp.fetch.targets import Target

MOST_ADDRESSES = 4
"""So many addresses of a name are tried at most."""


class Unfit(Exception):
    """The peer's answer is not one that we take; the message says why, for operators."""


class Deadline:
    """What is left of the time for one fetch."""

    def __init__(self, length: timedelta, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._end = monotonic() + length.total_seconds()

    def remaining(self) -> float:
        """Seconds, more than zero. TimeoutError when the time is over."""
        left = self._end - self._monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


class Wire:
    """The part of a socket that http.client uses. It does not own the socket: whoever opened that closes it.

    `allow(n)`: at most n more bytes may come in. Nothing may until it is called.
    """

    def __init__(self, opened: socket.socket, deadline: Deadline) -> None:
        self._socket = opened
        self._deadline = deadline
        self._allowance = 0

    def allow(self, count: int) -> None:
        """Let so many more bytes in, whatever was left."""
        self._allowance = count

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything, or TimeoutError at the deadline."""
        rest = memoryview(data)
        while rest:
            self._socket.settimeout(self._deadline.remaining())
            rest = rest[self._socket.send(rest) :]

    def receive(self, into: memoryview) -> int:
        """Some bytes; 0 at the end. TimeoutError at the deadline, Unfit when the allowance is used up."""
        if self._allowance <= 0:
            raise Unfit("more bytes than allowed")
        self._socket.settimeout(self._deadline.remaining())
        count = self._socket.recv_into(into[: self._allowance])
        self._allowance -= count
        return count

    def makefile(self, mode: str) -> io.BufferedReader:
        """A buffered reader of what comes in."""
        if mode != "rb":
            raise ValueError(mode)
        return io.BufferedReader(_Intake(self))

    def settimeout(self, seconds: float | None) -> None:
        """Ignored: the deadline decides."""

    def close(self) -> None:
        """Ignored: http.client closes early and reads on."""


class _Intake(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]  # what BufferedReader passes
        return self._wire.receive(into)


def connect(target: Target, addresses: Sequence[Address], deadline: Deadline, trust: ssl.SSLContext) -> socket.socket:
    """A connection to the first address that answers; over TLS, the certificate is for the target's host.

    OSError when none answers. A TLS fault ends the search: the next address would have to be trusted no less.
    """
    tried = addresses[:MOST_ADDRESSES]
    fault: OSError = OSError("the name has no address")
    for index, address in enumerate(tried):
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        try:
            # A share of what is left, so that one silent address does not use up the time of the others.
            opened = _connected(family, (str(address), target.port), deadline.remaining() / (len(tried) - index))
        except OSError as cause:
            fault = cause
            continue
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return opened if target.scheme == "http" else _secured(opened, target, deadline, trust)
        except BaseException:
            opened.close()
            raise
    raise fault


def _connected(family: socket.AddressFamily, place: tuple[str, int], seconds: float) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.settimeout(seconds)
        opened.connect(place)
    except BaseException:
        opened.close()
        raise
    return opened


def _secured(opened: socket.socket, target: Target, deadline: Deadline, trust: ssl.SSLContext) -> ssl.SSLSocket:
    # CPython applies a socket's time limit to the handshake as a whole. An end without close_notify is an error, because a body
    # without a length is whole only after one (RFC 9112 9.8).
    opened.settimeout(deadline.remaining())
    return trust.wrap_socket(opened, server_hostname=target.host, suppress_ragged_eofs=False)
