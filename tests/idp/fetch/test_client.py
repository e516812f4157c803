"""SSRF and everything else that a foreign server may try on the one HTTP client, against real TLS servers."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from idp.errors import Kind, Unreachable
from idp.fetch import Fetched, Fetcher
from tests.idp.fetch.asking import JSON, LONG, NAME, Names, Open, fetch, url_of
from tests.idp.fetch.server import Authority, Server, answer, head, raw

# --- what works --------------------------------------------------------------------------------------------------------------


def test_an_answer_comes_back_with_status_media_type_and_body(fetcher: Fetcher, server: Server) -> None:
    server.script = answer(b'{"a": 1}', "Application/JSON; charset=utf-8")
    assert fetch(fetcher, url_of(server)) == Fetched(200, JSON, b'{"a": 1}', url_of(server))


def test_the_name_goes_out_as_sni_and_host_and_nothing_about_us_that_is_not_needed(fetcher: Fetcher, server: Server) -> None:
    server.script = answer(b"{}", JSON)
    fetch(fetcher, url_of(server), accept=[JSON, "application/jwk-set+json"])
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
        url_of(server, "/hook"),
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
    assert fetch(fetcher, url_of(server)).body == b"x" * 900


def test_a_body_without_a_length_ends_with_the_connection(fetcher: Fetcher, server: Server) -> None:
    server.script = raw(head(JSON) + b"{}")
    assert fetch(fetcher, url_of(server)).body == b"{}"


def test_a_body_as_long_as_allowed_passes(fetcher: Fetcher, server: Server) -> None:
    server.script = answer(b"x" * 1000, JSON)
    assert len(fetch(fetcher, url_of(server)).body) == 1000
    server.script = answer(gzip.compress(b"x" * 1000), JSON, "Content-Encoding: gzip")
    assert len(fetch(fetcher, url_of(server)).body) == 1000


def test_an_answer_after_an_interim_one_is_read(fetcher: Fetcher, server: Server) -> None:
    server.script = raw(b"HTTP/1.1 100 Continue\r\n\r\n" + head(JSON, "Content-Length: 2") + b"{}")
    assert fetch(fetcher, url_of(server)).body == b"{}"


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "503 Service Unavailable"])
def test_other_statuses_are_the_callers_to_judge_and_a_page_in_another_type_is_not_read(
    fetcher: Fetcher, server: Server, status: str
) -> None:
    server.script = answer(b'{"error": "x"}', JSON, status=status)
    assert fetch(fetcher, url_of(server)).body == b'{"error": "x"}'
    server.script = answer(b"<h1>no</h1>", "text/html", status=status)
    fetched = fetch(fetcher, url_of(server))
    assert (fetched.status, fetched.content_type, fetched.body) == (int(status[:3]), "text/html", b"")


def test_no_cookie_and_no_connection_is_kept(fetcher: Fetcher, server: Server) -> None:
    server.script = answer(b"{}", JSON, "Set-Cookie: a=b; Path=/")
    fetch(fetcher, url_of(server))
    fetch(fetcher, url_of(server))
    assert server.connections == 2
    assert all(b"cookie" not in request.lower() for request in server.requests)


def test_an_international_name_is_asked_for_and_checked_in_its_ascii_form(open_server: Open, authority: Authority) -> None:
    server = open_server("xn--bcher-kva.example")
    server.script = answer(b"{}", JSON)
    names = Names()
    fetcher = Fetcher(names, private_hosts=[f"xn--bcher-kva.example:{server.port}"], trust=authority.trust())
    assert fetch(fetcher, url_of(server, host="Bücher.example")).status == 200
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
    assert fetch(fetcher, url_of(server, host=host)).status == 200
    assert names.asked == []
    assert f"Host: {host}:{server.port}".encode() in server.requests[0]


def test_plain_http_is_for_listed_names_that_stay_on_the_machine(open_server: Open, authority: Authority) -> None:
    server = open_server(secure=False)
    server.script = answer(b"{}", JSON)
    listed = [f"usage.localhost:{server.port}", f"{NAME}:{server.port}"]
    url = f"http://usage.localhost:{server.port}/"
    assert fetch(Fetcher(Names(), private_hosts=listed, trust=authority.trust()), url).status == 200
    with pytest.raises(Unreachable, match="not this machine"):
        fetch(Fetcher(Names(["10.1.2.3"]), private_hosts=listed, trust=authority.trust()), url)
    with pytest.raises(Unreachable, match="https is needed"):
        fetch(Fetcher(Names(), private_hosts=listed, trust=authority.trust()), f"http://{NAME}:{server.port}/")
    assert server.connections == 1


def test_the_next_address_is_tried_when_one_does_not_answer(server: Server, authority: Authority) -> None:
    server.script = answer(b"{}", JSON)
    fetcher = Fetcher(Names(["::1", "127.0.0.1"]), private_hosts=[f"{NAME}:{server.port}"], trust=authority.trust())
    assert fetch(fetcher, url_of(server)).status == 200


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
            fetch(Fetcher(Names(addresses), trust=authority.trust()), f"https://{NAME}/")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "[64:ff9b:1::1]", "１２７.0.0.1"])
def test_an_address_inside_as_the_host_is_refused(host: str, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    with pytest.raises(Unreachable, match="not a public address"):
        fetch(Fetcher(Names(), trust=authority.trust()), f"https://{host}/")


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0", "224.0.0.1"])  # noqa: S104  # an address to refuse
def test_what_no_host_can_have_is_refused_for_listed_hosts_too(
    address: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    with pytest.raises(Unreachable, match="not a public address"):
        fetch(Fetcher(Names([address]), private_hosts=[f"{NAME}:443"], trust=authority.trust()), f"https://{NAME}/")


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
        fetch(Fetcher(names, trust=authority.trust()), f"https://{NAME}/")
    assert tried == [("8.8.8.8", 443), ("2606:4700::1111", 443)]
    assert names.asked == [(NAME, 443)]


def test_a_name_is_resolved_once_so_a_second_answer_cannot_lead_inside(open_server: Open, authority: Authority) -> None:
    meant = open_server()
    meant.script = answer(b"{}", JSON)
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    fetcher = Fetcher(names, private_hosts=[f"{NAME}:{meant.port}"], trust=authority.trust())
    assert fetch(fetcher, url_of(meant)).status == 200
    assert len(names.asked) == 1
    with pytest.raises(Unreachable, match="not a public address"):
        fetch(fetcher, url_of(meant))


@pytest.mark.parametrize("answers", [[], ["portal"], ["127.0.0.1%lo"], ["fe80::1%eth0"]])
def test_a_resolver_that_answers_nonsense_leads_nowhere(answers: Sequence[str], server: Server, authority: Authority) -> None:
    fetcher = Fetcher(Names(answers), private_hosts=[f"{NAME}:{server.port}"], trust=authority.trust())
    with pytest.raises(Unreachable):
        fetch(fetcher, url_of(server))
    assert server.connections == 0


@pytest.mark.parametrize(
    "status", ["300 Multiple", "301 Moved", "302 Found", "303 See", "304 Not", "307 Temporary", "308 Permanent"]
)
def test_no_redirect_is_followed(fetcher: Fetcher, server: Server, status: str) -> None:
    server.script = answer(b"{}", JSON, f"Location: {url_of(server, '/else')}", status=status)
    with pytest.raises(Unreachable, match="redirects are not followed"):
        fetch(fetcher, url_of(server))
    assert server.connections == 1


def test_no_proxy_is_taken_from_the_environment(
    fetcher: Fetcher, server: Server, open_server: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = open_server(secure=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    server.script = answer(b"{}", JSON)
    assert fetch(fetcher, url_of(server)).status == 200
    assert (server.connections, proxy.connections) == (1, 0)


@pytest.mark.parametrize("url", [f"https://ann:x@{NAME}/", f"http://{NAME}/", f"https://{NAME}:8443/", "https://127.1/", "x"])
def test_an_odd_url_reaches_nobody_and_is_not_resolved(url: str, authority: Authority) -> None:
    names = Names()
    with pytest.raises(Unreachable, match="URL: ValueError"):
        fetch(Fetcher(names, trust=authority.trust()), url)
    assert names.asked == []


# --- whom it believes --------------------------------------------------------------------------------------------------------


def test_a_certificate_for_another_name_is_refused_and_nothing_is_sent(open_server: Open, authority: Authority) -> None:
    server = open_server("usage.example.com", "127.0.0.1")
    fetcher = Fetcher(Names(), private_hosts=[f"{NAME}:{server.port}"], trust=authority.trust())
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(fetcher, url_of(server))
    assert server.requests == []


def test_a_certificate_of_an_unknown_authority_is_refused(server: Server, tmp_path: Path) -> None:
    for trust in (Authority(tmp_path).trust(), None):
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            fetch(Fetcher(Names(), private_hosts=[f"{NAME}:{server.port}"], trust=trust), url_of(server))
    assert server.requests == []


def test_a_server_that_does_not_speak_tls_is_refused(open_server: Open, authority: Authority) -> None:
    server = open_server(secure=False)
    server.greeting = b"220 mail.example.com ready\r\n"
    with pytest.raises(Unreachable, match="SSL"):
        fetch(Fetcher(Names(), private_hosts=[f"{NAME}:{server.port}"], trust=authority.trust()), url_of(server))


def test_a_client_that_would_not_check_certificates_cannot_be_made() -> None:
    lax = ssl.create_default_context()
    lax.check_hostname = False
    with pytest.raises(ValueError, match="checked"):
        Fetcher(Names(), trust=lax)
    lax.verify_mode = ssl.CERT_NONE
    with pytest.raises(ValueError, match="checked"):
        Fetcher(Names(), trust=lax)


# --- what it says ------------------------------------------------------------------------------------------------------------


def test_operators_read_the_cause_and_everybody_else_reads_unreachable(fetcher: Fetcher, server: Server) -> None:
    server.script = answer(b"{}", "text/html")
    with pytest.raises(Unreachable) as refused:
        fetch(fetcher, url_of(server, "/metadata?key=very-secret"))
    assert refused.value.kind is Kind.UNAVAILABLE
    assert refused.value.public == "The address could not be reached."
    assert refused.value.detail == f"{NAME}:{server.port}: Unfit: content type 'text/html'"


def test_a_broken_header_logs_nothing_of_path_or_query(fetcher: Fetcher, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.script = raw(head(JSON, "Content-Length: 2", "no colon here") + b"{}")
    fetch(fetcher, url_of(server, "/path-secret?key=query-secret"))
    assert "Failed to parse headers" in caplog.text
    assert server.requests[0].startswith(b"GET /path-secret?key=query-secret ")
    assert "secret" not in caplog.text


def test_the_repr_of_an_answer_shows_no_body_and_no_url(fetcher: Fetcher, server: Server) -> None:
    server.script = answer(b'"very-secret"', JSON)
    assert repr(fetch(fetcher, url_of(server, "/?key=very-secret"))) == "Fetched(status=200, content_type='application/json')"


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
        fetcher.get(url_of(server), accept=[JSON], most_bytes=1, deadline=LONG, headers=headers)
    assert server.connections == 0
