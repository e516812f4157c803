"""HTTP as bytes: for what no client library sends. A connection, what is written to it, and the answer that comes back."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

PATIENCE = 60.0
"""Seconds after which an answer that should come is taken for one that never will."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the headers in order (names in lower case), and the body as it came."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The first header of that name, or ""."""
        return next((value for each, value in self.headers if each == name.lower()), "")

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


class Wire:
    """A connection to a loopback port, with `tls` an encrypted one. `source`: the loopback address that it comes from."""

    def __init__(self, port: int, sent: bytes = b"", *, tls: ssl.SSLContext | None = None, source: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname="localhost", suppress_ragged_eofs=True)
        self._read = b""
        self.send(sent)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Write. A peer that has hung up is told by the answer, not here."""
        with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            self._socket.sendall(data)

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self, *, head: bool = False) -> Answer:
        """The next answer. EOFError when the peer hangs up before it is whole. `head`: to a HEAD, which has no body."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        top, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = top.decode("latin-1").split("\r\n")
        headers = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
        answer = Answer(int(first.split(" ")[1]), headers, b"")
        if head or answer.status in (204, 304):
            return answer
        if answer.header("transfer-encoding") == "chunked":
            return Answer(answer.status, headers, self._chunks())
        length = answer.header("content-length")
        return Answer(answer.status, headers, self._exactly(int(length)) if length else self._rest())

    def is_closed(self) -> bool:
        """Whether the peer hangs up, without another byte."""
        try:
            return self._read == b"" and self._socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def has_answer(self) -> bool:
        """Whether something has come, or the end. Does not wait."""
        self._socket.setblocking(False)
        try:
            return self._read != b"" or self._socket.recv(1, socket.MSG_PEEK) is not None
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True
        finally:
            self._socket.settimeout(PATIENCE)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _more(self) -> None:
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError as fault:
            raise EOFError("reset") from fault
        if not data:
            raise EOFError(f"the answer ended after {self._read[:200]!r}")
        self._read += data

    def _exactly(self, length: int) -> bytes:
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return body

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._read:
                self._more()
            size, _, self._read = self._read.partition(b"\r\n")
            chunk = self._exactly(int(size, 16) + 2)[:-2]
            if not chunk:
                return body
            body += chunk

    def _rest(self) -> bytes:
        try:
            while True:
                self._more()
        except EOFError:
            body, self._read = self._read, b""
            return body


def request(method: str, target: str, host: str, *lines: str, body: bytes = b"", length: int | None = None) -> bytes:
    """A request's bytes. `length`: what Content-Length says; by default that of the body, and none where there is no body."""
    said = len(body) if length is None and body else length
    head = [f"{method} {target} HTTP/1.1", f"Host: {host}", *lines]
    if said is not None:
        head.append(f"Content-Length: {said}")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def ask(port: int, sent: bytes, *, head: bool = False) -> Answer:
    """One request on a connection of its own, and its answer."""
    with Wire(port, sent) as wire:
        return wire.answer(head=head)
