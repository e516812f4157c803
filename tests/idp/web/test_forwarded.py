"""Forwarding headers: believed from the operator's own proxies, and gone when anybody else sent them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from idp.web.forwarded import Forwarded, read_asked

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32"))
HEADERS = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "riverbend.hub.example.com",
}
MORE = {
    "X-Forwarded-Port": "444",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Server": "evil.example",
    "X-Forwarded-Ssl": "on",
    "Forwarded": "for=203.0.113.7;host=evil.example;proto=https",
}


def seen(peer: str, headers: dict[str, str], trusted: tuple[Any, ...] = PROXIES) -> dict[str, Any]:
    """What the application behind it is told."""
    told: dict[str, Any] = {}

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        told.update(environ)
        start_response("200 OK", [])
        return [b""]

    environ = EnvironBuilder(base_url="http://127.0.0.1:8080", headers=Headers(headers)).get_environ()
    environ["REMOTE_ADDR"] = peer
    run_wsgi_app(Forwarded(application, trusted, "http"), environ)
    return told


def used(told: dict[str, Any]) -> tuple[str, str, str]:
    return told["REMOTE_ADDR"], told["wsgi.url_scheme"], told["HTTP_HOST"]


@pytest.mark.parametrize("peer", ["10.0.0.1", "10.255.255.255", "2001:db8::1"])
def test_a_proxy_of_the_operator_says_who_asked_for_what(peer: str) -> None:
    assert used(seen(peer, HEADERS)) == ("203.0.113.7", "https", "riverbend.hub.example.com")


@pytest.mark.parametrize("peer", ["11.0.0.1", "127.0.0.1", "192.0.2.1", "2001:db9::1", "", "unix", "10.0.0.1, 10.0.0.2"])
def test_nobody_else_does(peer: str) -> None:
    told = seen(peer, HEADERS | MORE)
    assert used(told) == (peer, "http", "127.0.0.1:8080")
    assert not [name for name in told if "FORWARDED" in name]


def test_without_proxies_nobody_is_believed() -> None:
    assert used(seen("10.0.0.1", HEADERS, ())) == ("10.0.0.1", "http", "127.0.0.1:8080")


def test_of_several_values_the_one_that_our_proxy_added_counts() -> None:
    several = {
        "X-Forwarded-For": "198.51.100.1, 203.0.113.7",
        "X-Forwarded-Proto": "http, https",
        "X-Forwarded-Host": "evil.example, riverbend.hub.example.com",
    }
    assert used(seen("10.0.0.1", several)) == ("203.0.113.7", "https", "riverbend.hub.example.com")


def test_a_proxy_that_says_nothing_changes_nothing() -> None:
    assert used(seen("10.0.0.1", {})) == ("10.0.0.1", "http", "127.0.0.1:8080")
    assert used(seen("10.0.0.1", {"X-Forwarded-Proto": ""})) == ("10.0.0.1", "http", "127.0.0.1:8080")


def test_neither_path_nor_port_comes_from_a_header() -> None:
    told = seen("10.0.0.1", HEADERS | MORE)
    assert told["SCRIPT_NAME"] == ""
    assert told["SERVER_PORT"] != "444"
    assert told["HTTP_HOST"] == "riverbend.hub.example.com"


@pytest.mark.parametrize(
    ("sent_for", "host", "proto", "expected"),
    [
        ("203.0.113.7, 10.0.0.2", "a.example, proxy", "https, http", ("203.0.113.7", "https", "a.example")),
        ("203.0.113.7, 10.0.0.2", "a.example", "https", ("203.0.113.7", "https", "a.example")),
        ("1.1.1.1, 203.0.113.7, 10.0.0.2", "evil, a.example, proxy", "http, https, http", ("203.0.113.7", "https", "a.example")),
        ("10.0.0.9, 203.0.113.7", "evil, a.example", "http, https", ("203.0.113.7", "https", "a.example")),
        ("203.0.113.7, 2001:db8::5, 10.0.0.2", "a.example, b, c", "https, http, http", ("203.0.113.7", "https", "a.example")),
        ("203.0.113.7:4711", "a.example:443", "HTTPS", ("203.0.113.7", "https", "a.example")),
        ("[2001:db9::7]:4711", "A.example.", "https", ("2001:db9::7", "https", "a.example")),
        ("::ffff:203.0.113.7", "a.example:80", "http", ("203.0.113.7", "http", "a.example")),
        ("unknown", "a.example", "https", ("10.0.0.1", "https", "a.example")),
        ("203.0.113.7, _hidden", "a.example", "https", ("10.0.0.1", "https", "a.example")),
        ("10.0.0.3", "a.example", "https", ("10.0.0.3", "https", "a.example")),
        (" , ", "a.example", "https", ("10.0.0.1", "https", "a.example")),
        ("203.0.113.7", "a/b", "ftp", ("203.0.113.7", "http", "127.0.0.1:8080")),
        ("203.0.113.7", "a.example:0", "https", ("203.0.113.7", "https", "127.0.0.1:8080")),
    ],
)
def test_lists_follow_the_number_of_our_proxies(sent_for: str, host: str, proto: str, expected: tuple[str, str, str]) -> None:
    headers = {"X-Forwarded-For": sent_for, "X-Forwarded-Host": host, "X-Forwarded-Proto": proto}
    told = seen("10.0.0.1", headers)
    assert used(told) == expected
    assert not [name for name in told if "FORWARDED" in name]


def test_a_peer_that_a_socket_for_both_families_sees_is_found_in_the_list() -> None:
    assert used(seen("::ffff:10.0.0.1", HEADERS)) == ("203.0.113.7", "https", "riverbend.hub.example.com")
    assert used(seen("::ffff:11.0.0.1", HEADERS))[0] == "11.0.0.1"


@pytest.mark.parametrize("peer", ["10.0.0.1", "203.0.113.9", ""])
@pytest.mark.parametrize("host", ["a.example", "A.example.:443", "x, a.example", "a/b", "", "[::1]:443"])
def test_what_is_asked_before_the_body_is_what_the_application_is_told(peer: str, host: str) -> None:
    """The rule for the body and the pages must be of one host."""
    headers = HEADERS | {"X-Forwarded-Host": host, "X-Forwarded-For": "203.0.113.7, 10.0.0.4"}
    environ = EnvironBuilder(base_url="http://127.0.0.1:8080", headers=Headers(headers)).get_environ()
    environ["REMOTE_ADDR"] = peer
    asked = read_asked(environ, PROXIES, "http")
    assert (asked.address, asked.scheme, asked.host) == used(seen(peer, headers))
