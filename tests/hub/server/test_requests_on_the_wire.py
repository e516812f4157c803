"""What the application sees of a request, what is refused before it sees anything, how answers travel; by the real server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.server.head import SAID_ONCE
from tests.hub.server.conftest import Echo
from tests.wire import Answer, Wire, ask, request

HOST = "riverbend.example"


def get(*lines: str, target: str = "/call", version: str = "1.1", host: str | None = HOST) -> bytes:
    """A GET, line by line."""
    first = [f"GET {target} HTTP/{version}", *([] if host is None else [f"Host: {host}"])]
    return "\r\n".join([*first, *lines, "", ""]).encode()


def seen(echo: Echo, sent: bytes) -> dict[str, str]:
    """The variables of a request that came through."""
    answer = ask(echo.port, sent)
    assert answer.status == 200, answer.text
    found: dict[str, str] = json.loads(answer.text)["variables"]
    return found


def refused(echo: Echo, sent: bytes) -> str:
    """Why a request did not come through."""
    answer = ask(echo.port, sent)
    told: dict[str, Any] = json.loads(answer.text)
    assert (answer.status, told["code"]) == (400, "MalformedRequest")
    return str(told["detail"])


def test_a_request_is_told_as_cgi_tells_it(echo: Echo) -> None:
    found = seen(echo, get("Accept-Language: es", "Content-Type: text/plain", target="/b/x%2Fy%20%C3%A9%FF?a=%20b&c=%C3%A9"))
    assert found["REQUEST_METHOD"] == "GET"
    assert found["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert found["PATH_INFO"].encode("latin-1").decode() == "/b/x/y é\N{REPLACEMENT CHARACTER}"
    assert found["QUERY_STRING"] == "a=%20b&c=%C3%A9"
    assert found["REMOTE_ADDR"] == "127.0.0.1"
    assert found["wsgi.url_scheme"] == "http"
    assert (found["HTTP_HOST"], found["HTTP_ACCEPT_LANGUAGE"], found["CONTENT_TYPE"]) == (HOST, "es", "text/plain")
    assert "CONTENT_LENGTH" not in found


def test_nothing_of_the_servers_environment_is_in_a_request(echo: Echo) -> None:
    assert not {name for name in seen(echo, get()) if name in {"PATH", "HOME", "PYTHONUNBUFFERED"}}


def test_an_absolute_target_is_taken_when_it_names_the_same_host(echo: Echo) -> None:
    for target in (f"http://{HOST}/call?x=1", f"http://{HOST.upper()}:80/call?x=1"):
        found = seen(echo, get(target=target))
        assert (found["PATH_INFO"], found["QUERY_STRING"]) == ("/call", "x=1")
    assert "different hosts" in refused(echo, get(target="http://prairie.example/call"))
    assert "different hosts" in refused(echo, get(target=f"http://{HOST}:81/call"))


def test_http_1_0_needs_no_host_and_its_connection_is_closed(echo: Echo) -> None:
    with Wire(echo.port, get(version="1.0", host=None)) as wire:
        assert "HTTP_HOST" not in json.loads(wire.answer().text)["variables"]
        assert wire.is_closed()


@pytest.mark.parametrize(
    "lines",
    [[], [f"Host: {HOST}", f"Host: {HOST}"], [f"Host: {HOST}", "Host: prairie.example"], ["Host:"]],
    ids=["none", "the same twice", "two", "an empty one"],
)
@pytest.mark.parametrize("target", ["/call", "/healthz", "/readyz"])
def test_a_request_without_one_host_is_refused_wherever_it_goes(echo: Echo, lines: list[str], target: str) -> None:
    assert "Host" in refused(echo, get(*lines, target=target, host=None)) or "host" in refused(echo, get(*lines, host=None))


@pytest.mark.parametrize(
    "host",
    [
        "a b",
        "a/b",
        "user@a",
        "a,b",
        "a:b",
        "a:1:2",
        "a?b",
        "[::1",
        "-a",
        "a\\b",
        "a:123456",
        "a:65536",
        "a:0",
        "[::1]:65536",
        "[:::1]",
    ],
)
def test_a_host_that_is_none_is_refused(echo: Echo, host: str) -> None:
    assert refused(echo, get(host=host)) == "the header Host is not a host"


@pytest.mark.parametrize("host", ["a", "a.", "A-b_c.example:8080", "127.0.0.1", "[::1]:8080", "xn--bcher-kva.example", "a:"])
def test_hosts_of_every_form_are_taken(echo: Echo, host: str) -> None:
    assert seen(echo, get(host=host))["HTTP_HOST"] == host


@pytest.mark.parametrize(
    "name", ["X_Api_Key", "x_api_key", "X_Forwarded_Host", "X-Forwarded_For", "Content_Length", "_", "X_Other"]
)
def test_a_header_with_an_underscore_in_its_name_is_refused(echo: Echo, name: str) -> None:
    assert refused(echo, get(f"{name}: 1")) == f"the header {name.lower()} has an underscore in its name"


FRAMING = {"host", "content-length", "transfer-encoding"}
"""Tested by themselves: the server has an opinion of its own about these."""


@pytest.mark.parametrize("name", sorted(SAID_ONCE - FRAMING | {"x-hub-frame-token"}))
def test_what_may_be_said_once_is_refused_when_it_is_said_twice(echo: Echo, name: str) -> None:
    assert seen(echo, get(f"{name}: one"))
    assert refused(echo, get(f"{name}: one", f"{name}: one")) == f"the header {name} came twice"
    assert refused(echo, get(f"{name}: one", f"{name.upper()}: two")) == f"the header {name} came twice"


def test_lists_are_joined_and_cookies_are_joined_as_cookies(echo: Echo) -> None:
    lines = ("Accept: a", "Accept: b", "Cookie: a=1", "Cookie: b=2", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 10.0.0.2")
    found = seen(echo, get(*lines))
    assert found["HTTP_ACCEPT"] == "a,b"
    assert found["HTTP_COOKIE"] == "a=1;b=2"
    assert found["HTTP_X_FORWARDED_FOR"] == "10.0.0.1,10.0.0.2"


@pytest.mark.parametrize(
    "lines",
    [["Content-Length: 1", "Content-Length: 2"], ["Content-Length: x"], ["Content-Length: -1"], ["Transfer-Encoding: gzip"]],
)
def test_a_length_that_cannot_be_known_is_refused_and_the_connection_closed(echo: Echo, lines: list[str]) -> None:
    with Wire(echo.port, get(*lines)) as wire:
        assert wire.answer().status == 400
        assert wire.is_closed()


def test_a_second_request_hidden_in_a_body_is_never_read_as_one(echo: Echo) -> None:
    """Both a length and chunks (RFC 9112 6.3): the chunks count, and the connection ends with the answer."""
    hidden = get(target="/unread")
    body = b"5\r\nhello\r\n0\r\n\r\n"
    sent = request("POST", "/call", HOST, "Transfer-Encoding: chunked", f"Content-Length: {len(body)}") + body + hidden
    with Wire(echo.port, sent) as wire:
        assert json.loads(wire.answer().text)["size"] == 5
        assert wire.is_closed()


@pytest.mark.parametrize("method", ["get", "Post", "hEAD", "post"])
def test_a_method_in_small_letters_is_another_method_and_is_refused(echo: Echo, method: str) -> None:
    """Methods are told apart by case (RFC 9110 9.1): a proxy's rule for POST does not see `post`."""
    assert refused(echo, get().replace(b"GET", method.encode(), 1)) == "the method is not in capitals"


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity, chunked", "chunked, chunked"])
def test_a_transfer_coding_under_the_chunks_is_refused(echo: Echo, coding: str) -> None:
    """Whoever takes the chunks apart would leave the other coding to somebody else, or to nobody."""
    sent = request("POST", "/call", HOST, f"Transfer-Encoding: {coding}") + b"5\r\nhello\r\n0\r\n\r\n"
    assert ask(echo.port, sent).status == 400


def test_more_headers_than_a_browser_sends_are_refused(echo: Echo) -> None:
    assert ask(echo.port, get(*(f"X-{n}: 1" for n in range(120)))).status == 431
    for sent in (
        get(f"X-A: {'a' * 100_000}"),
        get(*(f"X-{n}: {'a' * 5000}" for n in range(7))),
        get(f"Cookie: {'; '.join(f'c{n}=1' for n in range(301))}"),
        get(target=f"/call?{'a' * 16_384}"),
        get(target=f"/{'a' * 20_000}"),
    ):
        answer = ask(echo.port, sent)
        assert (answer.status, json.loads(answer.text)["code"]) == (431, "HeadTooLarge")
    value = "v" * 40
    assert ask(echo.port, get(target=f"/{'a' * 70_000}")).status in {414, 431}
    assert seen(echo, get(f"Cookie: {'; '.join(f'c{n}={value}' for n in range(180))}", target=f"/call?{'a' * 12_000}"))


def test_a_header_that_is_not_ascii_is_as_if_it_were_not_sent(echo: Echo) -> None:
    assert "HTTP_X_NOTE" not in seen(echo, get("X-Note: é"))


def test_an_answer_in_pieces_arrives_whole(echo: Echo) -> None:
    with Wire(echo.port) as wire:
        for _ in range(2):
            wire.send(get(target="/stream"))
            answer = wire.answer()
            assert (answer.status, answer.text) == (200, "one,two,three")


def test_an_answer_to_head_has_the_headers_and_no_body(echo: Echo) -> None:
    with Wire(echo.port) as wire:
        for _ in range(2):
            wire.send(get().replace(b"GET", b"HEAD", 1))
            answer = wire.answer(head=True)
            assert answer.status == 200
            assert int(answer.header("content-length")) > 10


def test_an_application_that_breaks_is_a_500_without_a_word_and_the_next_request_is_served(echo: Echo) -> None:
    for _ in range(5):
        broken: Answer = ask(echo.port, get(target="/fault"))
        assert (broken.status, broken.body) == (500, b"")
    assert seen(echo, get())
    assert "the application broke" in echo.process.output()


def test_requests_sent_together_are_answered_in_order(echo: Echo) -> None:
    with Wire(echo.port, get(target="/call?1") + get(target="/call?2") + request("POST", "/call?3", HOST, body=b"abc")) as wire:
        for number, size in (("1", 0), ("2", 0), ("3", 3)):
            told = json.loads(wire.answer().text)
            assert (told["variables"]["QUERY_STRING"], told["size"]) == (number, size)
