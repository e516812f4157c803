"""Hosts and origins in one normal form (idp.origins)."""

from __future__ import annotations

import pytest

from idp.origins import bare_host, host_name, is_host, sent_origin, typed_host

SAME = [
    "riverbend.example.com",
    "Riverbend.EXAMPLE.com",
    "riverbend.example.com.",
    "riverbend.example.com:443",
    "riverbend.example.com.:443",
    "riverbend.example.com:00443",
    "riverbend.example.com:",
]
OTHERS = [
    "riverbend.example.com:80",
    "riverbend.example.com:8443",
    "riverbend.example.com..",
    "riverbend.example.com:443:443",
    "riverbend.example.com:443.",
    "riverbend.example.com:4430",
    "riverbend.example.com:0",
    "riverbend.example.com:65536",
    ".riverbend.example.com",
    "riverbend.example.com/",
    "user@riverbend.example.com",
    "riverbend.example.com,evil.example",
    "riverbend.example.com ",
    "riverbend。example.com",
    "",
]


@pytest.mark.parametrize("text", SAME)
def test_spellings_of_one_host_are_one(text: str) -> None:
    assert bare_host(text, "https") == "riverbend.example.com"
    assert sent_origin(f"https://{text}") == "https://riverbend.example.com"
    assert host_name(text) == "riverbend.example.com"


@pytest.mark.parametrize("text", OTHERS)
def test_other_hosts_and_what_is_no_host_are_not(text: str) -> None:
    assert bare_host(text, "https") != "riverbend.example.com"
    assert sent_origin(f"https://{text}") != "https://riverbend.example.com"


@pytest.mark.parametrize("text", ["a:0", "a:65536", "a:123456", "[::1]:0", "[::1", "::1", "[1.2.3.4]", "a b", "-a", "a:x", "ä", ""])
def test_what_is_no_host_is_none(text: str) -> None:
    assert not is_host(text)
    assert bare_host(text, "https") == text.lower()


def test_the_port_goes_by_the_scheme() -> None:
    assert bare_host("a:80", "http") == "a"
    assert bare_host("a:443", "http") == "a:443"
    assert sent_origin("http://a:80") == "http://a"
    assert sent_origin("http://a:443") == "http://a:443"


def test_ipv6_addresses_are_in_brackets_and_short_form() -> None:
    assert bare_host("[2001:DB8:0:0::1]:443", "https") == "[2001:db8::1]"
    assert bare_host("[::1]:8080", "https") == "[::1]:8080"
    assert host_name("[::1]:8080") == "::1"
    assert sent_origin("https://[0:0:0:0:0:0:0:1]:443") == "https://[::1]"


@pytest.mark.parametrize(
    "text",
    ["null", "", "https://a/", "https://a?x", "https://a#x", "https://user@a", "ftp://a", "javascript:alert(1)", "https://[", "a"],
)
def test_what_is_no_origin_stays_as_it_is(text: str) -> None:
    assert sent_origin(text) == text


def test_what_an_operator_types_becomes_what_browsers_send() -> None:
    assert typed_host("Bücher.Example:443", "https") == "xn--bcher-kva.example"
    assert typed_host("bücher。example", "https") == "xn--bcher-kva.example"
    assert typed_host(" a.example. ", "https") == "a.example"
    assert not is_host(typed_host("a\N{ZERO WIDTH JOINER}b.example", "https"))
    assert not is_host(typed_host("https://a.example", "https"))


@pytest.mark.parametrize("text", [*SAME, *OTHERS, "[::1]:0443", "xn--bcher-kva.example:8443"])
def test_the_normal_form_of_a_normal_form_is_itself(text: str) -> None:
    once = bare_host(text, "https")
    assert bare_host(once, "https") == once or once == "riverbend.example.com."
