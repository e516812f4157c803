"""SSRF and everything else that a foreign server may try on the one HTTP client, against real TLS servers."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from idp.errors import Kind, Unreachable
from idp.fetch import Fetched, Fetcher
from tests.idp.fetch_server import Authority, Script, Server, answer, drip, head, raw

NAME = "portal.example.com"
JSON = "application/json"
LONG = timedelta(seconds=15)

Open = Callable[..., Server]


class Names:
    """A resolver with prepared answers: one list for each time it is asked, the last one again and again."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = answers or (("127.0.0.1",),)
        self.asked: list[tuple[str, int]] = []
        self.seconds: list[float] = []

    def addresses(self, host: str, port: int, seconds: float) -> Sequence[str]:
        self.asked.append((host, port))
        self.seconds.append(seconds)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


class Ticks:
    """Seconds that pass one at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def open_server(authority: Authority) -> Iterator[Open]:
    opened: list[Server] = []

    def open_one(*names: str, secure: bool = True, address: str = "127.0.0.1") -> Server:
        opened.append(Server(authority.certificate(names or (NAME,)) if secure else None, address))
        return opened[-1]

    yield open_one
    for server in opened:
        server.close()


@pytest.fixture
def server(open_server: Open) -> Server:
    return open_server()


@pytest.fixture
def fetcher(authority: Authority, server: Server) -> Fetcher:
    return Fetcher(Names(), private_hosts=[f"{NAME}:{server.port}"], trust=authority.trust())


def _url(server: Server, path: str = "/metadata?x=1", host: str = NAME) -> str:
    return f"https://{host}:{server.port}{path}"


def _get(fetcher: Fetcher, url: str, *, accept: Sequence[str] = (JSON,), most_bytes: int = 1000) -> Fetched:
    return fetcher.get(url, accept=accept, most_bytes=most_bytes, deadline=LONG)


# --- what works --------------------------------------------------------------------------------------------------------------


def test_an_answer_comes_back_with_status_media_type_and_body(fetcher: Fetcher, server: Server) -> None:
    server.script = answer(b'{"a": 1}', "Application/JSON; charset=utf-8")
    assert _get(fetcher, _url(server)) == Fetched(200, JSON, b'{"a": 1}', _url(server))


def test_the_name_goes_out_as_sni_and_host_and_nothing_about_us_that_is_not_needed(fetcher: Fetcher, server: Server) -> None:
    server.script = answer(b"{}", JSON)
    _get(fetcher, _url(server), accept=[JSON, "application/jwk-set+json"])
    assert server.names == [NAME]
    lines = server.requests[0].decode("ascii").split("\r\n")
    assert lines[0] == "GET /metadata?x=1 HTTP/1.1"
    assert sorted(lines[1:]) == [
        "",
        "",
        "Accept-Encoding: gzip",
        f"Accept: {JSON}, application/jwk-set+json",
        "Connection: close",
        f"Host: {NAME}:{server.port}",
        "User-Agent: identity-hub",
    ]


def test_post_sends_body_type_and_further_headers(fetcher: Fetcher, server: Server) -> None:
    server.script = answer(b"", None, status="204 No Content")
    fetched = fetcher.post(
        _url(server, "/hook"),
        b"\x00\xff" * 50_000,
        "application/secevent+jwt",
        accept=(),
        most_bytes=10,
        deadline=LONG,
        headers={"Authorization": "Basic dTpw"},
    )
    assert (fetched.status, fetched.content_type, fetched.body) == (204, "", b"")
    request_head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert request_head.startswith(b"POST /hook HTTP/1.1\r\n")
    assert {b"Content-Type: application/secevent+jwt", b"Content-Length: 100000", b"Authorization: Basic dTpw"} <= set(
        request_head.split(b"\r\n")
    )
    assert body == b"\x00\xff" * 50_000


def test_chunks_and_gzip_are_undone(fetcher: Fetcher, server: Server) -> None:
    packed = gzip.compress(b"x" * 900)
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (1, packed[at : at + 1]) for at in range(len(packed))) + b"0\r\nTrailer: 1\r\n\r\n"
    server.script = raw(head(JSON, "Transfer-Encoding: chunked", "Content-Encoding: gzip") + chunks)
    assert _get(fetcher, _url(server)).body == b"x" * 900


def test_a_body_without_a_length_ends_with_the_connection(fetcher: Fetcher, server: Server) -> None:
    server.script = raw(head(JSON) + b"{}")
    assert _get(fetcher, _url(server)).body == b"{}"


def test_a_body_as_long_as_allowed_passes(fetcher: Fetcher, server: Server) -> None:
    server.script = answer(b"x" * 1000, JSON)
    assert len(_get(fetcher, _url(server)).body) == 1000
    server.script = answer(gzip.compress(b"x" * 1000), JSON, "Content-Encoding: gzip")
    assert len(_get(fetcher, _url(server)).body) == 1000


def test_an_answer_after_an_interim_one_is_read(fetcher: Fetcher, server: Server) -> None:
    server.script = raw(b"HTTP/1.1 100 Continue\r\n\r\n" + head(JSON, "Content-Length: 2") + b"{}")
    assert _get(fetcher, _url(server)).body == b"{}"


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "503 Service Unavailable"])
def test_other_statuses_are_the_callers_to_judge_and_a_page_in_another_type_is_not_read(
    fetcher: Fetcher, server: Server, status: str
) -> None:
    server.script = answer(b'{"error": "x"}', JSON, status=status)
    assert _get(fetcher, _url(server)).body == b'{"error": "x"}'
    server.script = answer(b"<h1>no</h1>", "text/html", status=status)
    fetched = _get(fetcher, _url(server))
    assert (fetched.status, fetched.content_type, fetched.body) == (int(status[:3]), "text/html", b"")


def test_no_cookie_and_no_connection_is_kept(fetcher: Fetcher, server: Server) -> None:
    server.script = answer(b"{}", JSON, "Set-Cookie: a=b; Path=/")
    _get(fetcher, _url(server))
    _get(fetcher, _url(server))
    assert server.connections == 2
    assert all(b"cookie" not in request.lower() for request in server.requests)


def test_an_international_name_is_asked_for_and_checked_in_its_ascii_form(open_server: Open, authority: Authority) -> None:
    server = open_server("xn--bcher-kva.example")
    server.script = answer(b"{}", JSON)
    names = Names()
    fetcher = Fetcher(names, private_hosts=[f"xn--bcher-kva.example:{server.port}"], trust=authority.trust())
    assert _get(fetcher, _url(server, host="Bücher.example")).status == 200
    assert names.asked == [("xn--bcher-kva.example", server.port)]
    assert server.names == ["xn--bcher-kva.example"]


@pytest.mark.parametrize(("address", "host"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_an_address_in_the_url_is_checked_against_the_certificate_and_never_resolved(
    open_server: Open, authority: Authority, address: str, host: str
) -> None:
    try:
        server = open_server(address, address=address)
    except OSError:
        pytest.skip(f"this machine has no {address}")
    server.script = answer(b"{}", JSON)
    names = Names(())
    fetcher = Fetcher(names, private_hosts=[f"{host}:{server.port}"], trust=authority.trust())
    assert _get(fetcher, _url(server, host=host)).status == 200
    assert names.asked == []
    assert f"Host: {host}:{server.port}".encode() in server.requests[0]


def test_plain_http_is_for_listed_names_that_stay_on_the_machine(open_server: Open, authority: Authority) -> None:
    server = open_server(secure=False)
    server.script = answer(b"{}", JSON)
    listed = [f"usage.localhost:{server.port}", f"{NAME}:{server.port}"]
    url = f"http://usage.localhost:{server.port}/"
    assert _get(Fetcher(Names(), private_hosts=listed, trust=authority.trust()), url).status == 200
    with pytest.raises(Unreachable, match="not this machine"):
        _get(Fetcher(Names(["10.1.2.3"]), private_hosts=listed, trust=authority.trust()), url)
    with pytest.raises(Unreachable, match="https is needed"):
        _get(Fetcher(Names(), private_hosts=listed, trust=authority.trust()), f"http://{NAME}:{server.port}/")
    assert server.connections == 1


def test_the_next_address_is_tried_when_one_does_not_answer(server: Server, authority: Authority) -> None:
    server.script = answer(b"{}", JSON)
    fetcher = Fetcher(Names(["::1", "127.0.0.1"]), private_hosts=[f"{NAME}:{server.port}"], trust=authority.trust())
    assert _get(fetcher, _url(server)).status == 200


# --- where it may not go -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1"]
)
def test_a_name_with_one_address_inside_is_refused_though_the_others_are_public(
    address: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    for addresses in ([address], ["8.8.8.8", address], [address, "8.8.8.8"]):
        with pytest.raises(Unreachable, match="not a public address"):
            _get(Fetcher(Names(addresses), trust=authority.trust()), f"https://{NAME}/")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "[64:ff9b:1::1]", "１２７.0.0.1"])
def test_an_address_inside_as_the_host_is_refused(host: str, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    with pytest.raises(Unreachable, match="not a public address"):
        _get(Fetcher(Names(), trust=authority.trust()), f"https://{host}/")


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0", "224.0.0.1"])  # noqa: S104  # an address to refuse
def test_what_no_host_can_have_is_refused_for_listed_hosts_too(
    address: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    with pytest.raises(Unreachable, match="not a public address"):
        _get(Fetcher(Names([address]), private_hosts=[f"{NAME}:443"], trust=authority.trust()), f"https://{NAME}/")


def test_a_public_host_is_reached_at_the_checked_address_and_port_443(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []

    def connect(_socket: socket.socket, place: object) -> None:
        tried.append(place)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    names = Names(["8.8.8.8", "2606:4700::1111"], ["127.0.0.1"])
    with pytest.raises(Unreachable, match="ConnectionRefused"):
        _get(Fetcher(names, trust=authority.trust()), f"https://{NAME}/")
    assert tried == [("8.8.8.8", 443), ("2606:4700::1111", 443)]
    assert names.asked == [(NAME, 443)]


def test_a_name_is_resolved_once_so_a_second_answer_cannot_lead_inside(open_server: Open, authority: Authority) -> None:
    meant = open_server()
    meant.script = answer(b"{}", JSON)
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    fetcher = Fetcher(names, private_hosts=[f"{NAME}:{meant.port}"], trust=authority.trust())
    assert _get(fetcher, _url(meant)).status == 200
    assert len(names.asked) == 1
    with pytest.raises(Unreachable, match="not a public address"):
        _get(fetcher, _url(meant))


@pytest.mark.parametrize("answers", [[], ["portal"], ["127.0.0.1%lo"], ["fe80::1%eth0"]])
def test_a_resolver_that_answers_nonsense_leads_nowhere(answers: Sequence[str], server: Server, authority: Authority) -> None:
    fetcher = Fetcher(Names(answers), private_hosts=[f"{NAME}:{server.port}"], trust=authority.trust())
    with pytest.raises(Unreachable):
        _get(fetcher, _url(server))
    assert server.connections == 0


@pytest.mark.parametrize(
    "status", ["300 Multiple", "301 Moved", "302 Found", "303 See", "304 Not", "307 Temporary", "308 Permanent"]
)
def test_no_redirect_is_followed(fetcher: Fetcher, server: Server, status: str) -> None:
    server.script = answer(b"{}", JSON, f"Location: {_url(server, '/else')}", status=status)
    with pytest.raises(Unreachable, match="redirects are not followed"):
        _get(fetcher, _url(server))
    assert server.connections == 1


def test_no_proxy_is_taken_from_the_environment(
    fetcher: Fetcher, server: Server, open_server: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = open_server(secure=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    server.script = answer(b"{}", JSON)
    assert _get(fetcher, _url(server)).status == 200
    assert (server.connections, proxy.connections) == (1, 0)


@pytest.mark.parametrize("url", [f"https://ann:x@{NAME}/", f"http://{NAME}/", f"https://{NAME}:8443/", "https://127.1/", "x"])
def test_an_odd_url_reaches_nobody_and_is_not_resolved(url: str, authority: Authority) -> None:
    names = Names()
    with pytest.raises(Unreachable, match="URL: ValueError"):
        _get(Fetcher(names, trust=authority.trust()), url)
    assert names.asked == []


# --- whom it believes --------------------------------------------------------------------------------------------------------


def test_a_certificate_for_another_name_is_refused_and_nothing_is_sent(open_server: Open, authority: Authority) -> None:
    server = open_server("usage.example.com", "127.0.0.1")
    fetcher = Fetcher(Names(), private_hosts=[f"{NAME}:{server.port}"], trust=authority.trust())
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        _get(fetcher, _url(server))
    assert server.requests == []


def test_a_certificate_of_an_unknown_authority_is_refused(server: Server, tmp_path: Path) -> None:
    for trust in (Authority(tmp_path).trust(), None):
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            _get(Fetcher(Names(), private_hosts=[f"{NAME}:{server.port}"], trust=trust), _url(server))
    assert server.requests == []


def test_a_server_that_does_not_speak_tls_is_refused(open_server: Open, authority: Authority) -> None:
    server = open_server(secure=False)
    server.greeting = b"220 mail.example.com ready\r\n"
    with pytest.raises(Unreachable, match="SSL"):
        _get(Fetcher(Names(), private_hosts=[f"{NAME}:{server.port}"], trust=authority.trust()), _url(server))


def test_a_client_that_would_not_check_certificates_cannot_be_made() -> None:
    lax = ssl.create_default_context()
    lax.check_hostname = False
    with pytest.raises(ValueError, match="checked"):
        Fetcher(Names(), trust=lax)
    lax.verify_mode = ssl.CERT_NONE
    with pytest.raises(ValueError, match="checked"):
        Fetcher(Names(), trust=lax)


# --- how much and how long ---------------------------------------------------------------------------------------------------


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
        _get(fetcher, _url(server))


def test_a_bomb_costs_no_more_memory_than_the_limit(fetcher: Fetcher, server: Server) -> None:
    assert len(BOMB) < 1000
    packed = gzip.compress(bytes(64_000_000))
    server.script = answer(packed, JSON, GZIP)
    tracemalloc.start()
    try:
        with pytest.raises(Unreachable, match="more than 100000"):
            _get(fetcher, _url(server), most_bytes=100_000)
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
        _get(fetcher, _url(server))


def test_an_end_that_anybody_on_the_line_could_have_made_is_not_the_end_of_a_body(fetcher: Fetcher, server: Server) -> None:
    """RFC 9112 9.8: without a length, only close_notify ends a body."""

    def cut(opened: socket.socket) -> None:
        opened.sendall(head(JSON) + b'{"keys": []')
        socket.socket.shutdown(opened, socket.SHUT_RDWR)

    server.script = cut
    with pytest.raises(Unreachable, match="EOF"):
        _get(fetcher, _url(server))


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
        fetcher.get(_url(server), accept=[JSON], most_bytes=1000, deadline=timedelta(seconds=40))


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
        fetcher.get(_url(server), accept=[JSON], most_bytes=1000, deadline=timedelta(milliseconds=400))


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


# --- what it says ------------------------------------------------------------------------------------------------------------


def test_operators_read_the_cause_and_everybody_else_reads_unreachable(fetcher: Fetcher, server: Server) -> None:
    server.script = answer(b"{}", "text/html")
    with pytest.raises(Unreachable) as refused:
        _get(fetcher, _url(server, "/metadata?key=very-secret"))
    assert refused.value.kind is Kind.UNAVAILABLE
    assert refused.value.public == "The address could not be reached."
    assert refused.value.detail == f"{NAME}:{server.port}: Unfit: content type 'text/html'"


def test_a_broken_header_logs_nothing_of_path_or_query(fetcher: Fetcher, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.script = raw(head(JSON, "Content-Length: 2", "no colon here") + b"{}")
    _get(fetcher, _url(server, "/path-secret?key=query-secret"))
    assert "Failed to parse headers" in caplog.text
    assert server.requests[0].startswith(b"GET /path-secret?key=query-secret ")
    assert "secret" not in caplog.text


def test_the_repr_of_an_answer_shows_no_body_and_no_url(fetcher: Fetcher, server: Server) -> None:
    server.script = answer(b'"very-secret"', JSON)
    assert repr(_get(fetcher, _url(server, "/?key=very-secret"))) == "Fetched(status=200, content_type='application/json')"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"}, {"cookie": "a=b"}, {"Content-Length": "1"}, {"Transfer-Encoding": "chunked"}, {"Connection": "keep-alive"},
        {"Proxy-Authorization": "x"}, {"X y": "1"}, {"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X": ""}, {"X": "ñ"}, {"X:": "a"},
        {"": "a"},
    ],
)  # fmt: skip
def test_a_header_that_would_change_the_request_is_a_fault_of_ours(
    fetcher: Fetcher, server: Server, headers: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="header"):
        fetcher.get(_url(server), accept=[JSON], most_bytes=1, deadline=LONG, headers=headers)
    assert server.connections == 0
