"""How much a foreign server may send, and how long it may take, against real TLS servers."""

from __future__ import annotations

import gzip
import socket
import tracemalloc
import zlib
from collections.abc import Sequence
from datetime import timedelta

import pytest

from idp.errors import Unreachable
from idp.fetch import Fetcher
from tests.idp.fetch.asking import JSON, NAME, Names, Open, Ticks, fetch, url_of
from tests.idp.fetch.server import Authority, Script, Server, answer, drip, head, raw

BOMB = gzip.compress(bytes(800_000))
"""Packed it is within the limit of these tests (1,000 bytes)."""
CHUNKED = "Transfer-Encoding: chunked"
GZIP = "Content-Encoding: gzip"

OVERSIZE: dict[str, tuple[Script, str]] = {
    "a length over the limit": (raw(head(JSON, "Content-Length: 1001")), "body of 1001"),
    "a body over the limit": (answer(b"x" * 1001, JSON), "body of 1001"),
    "a body without a length and an end": (drip(head(JSON), b"x" * 1000), "more than 1000"),
    "chunks without an end": (drip(head(JSON, CHUNKED), b"1\r\nx\r\n"), "more than 1000"),
    "a chunk that says it is huge": (drip(head(JSON, CHUNKED) + b"ffffffffffff\r\n", b"x" * 1000), "more than 1000"),
    "a chunk size without an end": (drip(head(JSON, CHUNKED), b"0" * 1000), "."),
    "a chunk extension without an end": (drip(head(JSON, CHUNKED) + b"1;", b"x" * 1000), "."),
    "trailers without an end": (drip(head(JSON, CHUNKED) + b"1\r\nx\r\n0\r\n", b"A: b\r\n" * 100), "more bytes than allowed"),
    "a gzip bomb": (answer(BOMB, JSON, GZIP), "more than 1000"),
    "a gzip bomb in chunks": (raw(head(JSON, GZIP, CHUNKED) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BOMB), BOMB)), "more than 1000"),
    "gzip one byte over": (answer(gzip.compress(b"x" * 1001), JSON, GZIP), "more than 1000"),
    "gzip of nothing without an end": (drip(head(JSON, GZIP), gzip.compress(b"")), "more than 1000"),
    "a header line without an end": (drip(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 1000), "more bytes than allowed"),
    "headers without an end": (drip(b"HTTP/1.1 200 OK\r\n", b"X: " + b"x" * 1000 + b"\r\n"), "more bytes than allowed"),
    "many small headers": (drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), "."),
    "a status line without an end": (drip(b"HTTP/1.1 200 ", b"x" * 1000), "more bytes than allowed"),
    "interim answers without an end": (drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "more bytes than allowed"),
}


@pytest.mark.parametrize("case", OVERSIZE)
def test_more_than_the_limit_is_refused(fetcher: Fetcher, server: Server, case: str) -> None:
    server.script, cause = OVERSIZE[case]
    with pytest.raises(Unreachable, match=cause):
        fetch(fetcher, url_of(server))


def test_a_bomb_costs_no_more_memory_than_the_limit(fetcher: Fetcher, server: Server) -> None:
    assert len(BOMB) < 1000
    packed = gzip.compress(bytes(64_000_000))
    server.script = answer(packed, JSON, GZIP)
    tracemalloc.start()
    try:
        with pytest.raises(Unreachable, match="more than 100000"):
            fetch(fetcher, url_of(server), most_bytes=100_000)
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4_000_000


NONSENSE: dict[str, Script] = {
    "nothing": raw(b""),
    "no http": raw(b"220 mail.example.com ESMTP\r\n"),
    "a body that is cut short": raw(head(JSON, "Content-Length: 10") + b"{}"),
    "chunks that are cut short": raw(head(JSON, CHUNKED) + b"5\r\nab"),
    "chunks without the last one": raw(head(JSON, CHUNKED) + b"2\r\nab\r\n"),
    "a chunk size that is none": raw(head(JSON, CHUNKED) + b"zz\r\nab\r\n0\r\n\r\n"),
    "a negative chunk": raw(head(JSON, CHUNKED) + b"-1\r\nab\r\n0\r\n\r\n"),
    "two lengths": raw(head(JSON, "Content-Length: 2", "Content-Length: 3") + b"{}x"),
    "gzip that is cut short": answer(gzip.compress(b"{}" * 50)[:-9], JSON, GZIP),
    "gzip that goes on": answer(gzip.compress(b"{}") + b"x", JSON, GZIP),
    "gzip that is none": answer(b"{}", JSON, GZIP),
    "an encoding that was not asked for": answer(zlib.compress(b"{}"), JSON, "Content-Encoding: deflate"),
    "two encodings": answer(gzip.compress(gzip.compress(b"{}")), JSON, "Content-Encoding: gzip, gzip"),
    "encodings on two lines": answer(gzip.compress(gzip.compress(b"{}")), JSON, GZIP, GZIP),
    "another type": answer(b"{}", "text/html"),
    "no type": answer(b"{}", None),
    "two types": answer(b"{}", JSON, "Content-Type: text/html"),
    "a type that only begins alike": answer(b"{}", "application/jsonx"),
    "a status that is none": raw(b"HTTP/1.1 999 Odd\r\n\r\n"),
    "an upgrade": raw(b"HTTP/1.1 101 Switching\r\n\r\n"),
    "an early hint and no more": raw(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_an_answer_that_is_not_whole_or_not_asked_for_is_refused(fetcher: Fetcher, server: Server, case: str) -> None:
    server.script = NONSENSE[case]
    with pytest.raises(Unreachable):
        fetch(fetcher, url_of(server))


def test_an_end_that_anybody_on_the_line_could_have_made_is_not_the_end_of_a_body(fetcher: Fetcher, server: Server) -> None:
    """RFC 9112 9.8: without a length, only close_notify ends a body."""

    def cut(opened: socket.socket) -> None:
        opened.sendall(head(JSON) + b'{"keys": []')
        socket.socket.shutdown(opened, socket.SHUT_RDWR)

    server.script = cut
    with pytest.raises(Unreachable, match="EOF"):
        fetch(fetcher, url_of(server))


SLOW: dict[str, bytes] = {
    "before the first byte": b"",
    "in the headers": b"HTTP/1.1 200 OK\r\nX: ",
    "in a body with a length": head(JSON, "Content-Length: 900"),
    "in a chunk": head(JSON, CHUNKED) + b"100\r\n",
}


@pytest.mark.parametrize("case", SLOW)
def test_a_server_that_drips_meets_the_deadline_of_the_whole(authority: Authority, server: Server, case: str) -> None:
    """Slow loris: each byte comes well within any time limit for one read. The time is counted in looks at the clock."""
    server.script = _byte_by_byte(SLOW[case] + b"1" * 800)
    fetcher = Fetcher(Names(), private_hosts=[f"{NAME}:{server.port}"], trust=authority.trust(), monotonic=Ticks())
    with pytest.raises(Unreachable, match="deadline"):
        fetcher.get(url_of(server), accept=[JSON], most_bytes=1000, deadline=timedelta(seconds=40))


def _byte_by_byte(data: bytes) -> Script:
    def script(opened: socket.socket) -> None:
        # A TLS record for each byte: one read of the client never gets two.
        for at in range(len(data)):
            opened.sendall(data[at : at + 1])

    return script


def test_a_server_that_is_silent_meets_the_deadline(authority: Authority, server: Server) -> None:
    def silent(opened: socket.socket) -> None:
        opened.recv(1)

    server.script = silent
    fetcher = Fetcher(Names(), private_hosts=[f"{NAME}:{server.port}"], trust=authority.trust())
    with pytest.raises(Unreachable, match="TimeoutError"):
        fetcher.get(url_of(server), accept=[JSON], most_bytes=1000, deadline=timedelta(milliseconds=400))


def test_a_server_that_never_ends_its_handshake_meets_the_deadline(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        fetcher = Fetcher(Names(), private_hosts=[f"{NAME}:{port}"], trust=authority.trust())
        with pytest.raises(Unreachable, match="timed out"):
            fetcher.get(f"https://{NAME}:{port}/", accept=[JSON], most_bytes=1000, deadline=timedelta(milliseconds=200))


def test_a_server_that_does_not_read_meets_the_deadline(authority: Authority, open_server: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        fetcher = Fetcher(Names(), private_hosts=[f"localhost:{port}"], trust=authority.trust())
        with pytest.raises(Unreachable, match="TimeoutError"):
            fetcher.post(
                f"http://localhost:{port}/", bytes(30_000_000), JSON, accept=(), most_bytes=1, deadline=timedelta(milliseconds=300)
            )


def test_the_deadline_begins_before_the_name_is_resolved(authority: Authority) -> None:
    clock = Ticks()

    class Slow(Names):
        def addresses(self, host: str, port: int, seconds: float) -> Sequence[str]:
            clock.now += seconds
            return super().addresses(host, port, seconds)

    names = Slow(["8.8.8.8"])
    with pytest.raises(Unreachable, match="deadline"):
        Fetcher(names, trust=authority.trust(), monotonic=clock).get(
            f"https://{NAME}/", accept=[JSON], most_bytes=1, deadline=timedelta(seconds=9)
        )
    assert names.seconds == [8.0]
