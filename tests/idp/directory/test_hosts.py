"""Hosts and places: what may be registered, and that a registered place covers itself and nothing beside it."""

from __future__ import annotations

import pytest

from idp.directory.hosts import Place, check_host, check_slug, is_plain_http, origin_of, parse_address, parse_place, trusted_origin

PAY = "https://pay.harborlight.example"
BACK = Place(PAY, "/back")

# --- slugs and hosts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", ["a", "7", "river-bend", "a" * 63, "xn--rver-1na", "csr", "my-csr-desk"])
def test_a_dns_label_is_a_slug(slug: str) -> None:
    check_slug(slug)


@pytest.mark.parametrize(
    "slug",
    ["", "River", "-a", "a-", "a" * 64, "a.b", "a_b", "a b", "é", "a\n", "a/b", "api", "console", "www", "static", "river-csr"],
)
def test_what_is_no_label_or_ours_is_no_slug(slug: str) -> None:
    with pytest.raises(ValueError, match="slug"):
        check_slug(slug)


@pytest.mark.parametrize("host", ["a.example", "localhost:8080", "127.0.0.1:80", "a-b.c-d.example", "a"])
def test_a_name_with_or_without_port_is_a_host(host: str) -> None:
    check_host(host)


@pytest.mark.parametrize(
    "host",
    ["", "A.example", "a.example.", "a..example", "-a.example", "a.example:", "a.example:x", "a.example/b", "u@a.example",
     "a.example\n", "*.example", "[::1]", "a_b.example", "a." * 127 + "com", "é.example"],
)  # fmt: skip
def test_what_is_no_name_is_no_host(host: str) -> None:
    with pytest.raises(ValueError, match="host"):
        check_host(host)


# --- origins -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://a.example", "https://a.example"),
        ("HTTPS://A.Example/Path?q#f", "https://a.example"),
        ("https://a.example:443/x", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("https://a.example:80", "https://a.example:80"),
        ("http://a.example:443", "http://a.example:443"),
        ("https://a.example:8443/x", "https://a.example:8443"),
        ("https://a.example:", "https://a.example"),
        ("https://a.example:0443", "https://a.example"),
        ("https://[::1]:8443/x", "https://[::1]:8443"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
        ("https://127.0.0.1/", "https://127.0.0.1"),
        ("https://under_score.example", "https://under_score.example"),
        ("https://xn--bcher-kva.example/x", "https://xn--bcher-kva.example"),
        ("https://1.a.example", "https://1.a.example"),
    ],
)
def test_an_origin_is_scheme_host_and_a_port_that_is_not_the_default(url: str, origin: str) -> None:
    assert origin_of(url) == origin


NO_ORIGIN = [
    "",
    "a.example",
    "//a.example",
    "/path",
    "https:a.example",
    "https:/a.example",
    "https:///a.example",
    "https://",
    "https://:443",
    "https://?q",
    "javascript:alert(1)",
    "data:text/html,x",
    "ftp://a.example",
    "file:///etc",
    "blob:https://a.example/1",
    "null",
    "https://user@a.example",
    "https://user:word@a.example",
    "https://@a.example",
    "https://a.example@evil.example",
    "https://a.example\\@evil.example",
    "https:\\\\a.example",
    "https://a.example\\.evil.example",
    "https://a.example\t",
    "https://a.exa\tmple",
    " https://a.example",
    "https://a.example\n",
    "https://a.example\r\nX: y",
    "https://a.example\x00",
    "https://a.example\x7f",
    "https://a.example.",
    "https://a.example.:443",
    "https://a..example",
    "https://.a.example",
    "https://é.example",
    "https://a.example:99999",
    "https://a.example:0",
    "https://127.1",
    "https://2130706433",
    "https://0x7f.0.0.1",
    "https://0177.0.0.1",
    "https://127.0.0.256",
    "https://a.example.1",
    "https://xn--",
    "https://xn--a",
    "https://xn--abc.example",
    "https://xn--99999999.example",
    "https://a.example:-1",
    "https://a.example:x",
    "https://a.example:٤٤٣",
    "https://a.example:443:443",
    "https://[::1",
    "https://::1",
    "https://[::1]a.example",
    "https://[v1.a.example]",
    "https://[fe80::1%25eth0]",
    "https://a%2eexample",
    "https://a.example;script-src",
    "https://a.example,https",
    "https://a.example'",
    'https://a.example"',
    "https://a.example|b",
    "https://a.example$b",
    "https://a.example(b)",
    "https://a.example<b>",
    "https://a.example!b",
]


@pytest.mark.parametrize("url", NO_ORIGIN)
def test_what_has_no_origin_or_two_readings_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        origin_of(url)


@pytest.mark.parametrize("url", NO_ORIGIN)
def test_what_has_no_origin_is_covered_by_no_place_and_registers_none(url: str) -> None:
    assert not Place(PAY).covers(url)
    assert not Place("https://a.example").covers(url)
    with pytest.raises(ValueError, match=r"."):
        parse_place(url, allow_loopback=True)


# --- what a place covers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        f"{PAY}/back",
        f"{PAY}/back/",
        f"{PAY}/back/x/y",
        f"{PAY}/back?next=//evil.example",
        f"{PAY}/back#home",
        f"{PAY}:443/back",
        "HTTPS://PAY.Harborlight.Example/back",
    ],
)
def test_a_place_covers_its_path_and_all_below_it(url: str) -> None:
    assert BACK.covers(url)
    assert Place(PAY, "/back/").covers(url)
    assert Place(PAY).covers(url)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/backdoor", "/back-door", "/back.html", "/back;x", "/Back", "/bac", "//back", "/x/back", "/back%2fx", "?/back",
     "#/back", "/./back", "/%62ack"],
)  # fmt: skip
def test_a_prefix_is_compared_segment_by_segment(path: str) -> None:
    assert not BACK.covers(PAY + path)


@pytest.mark.parametrize(
    "path",
    ["/back/..", "/back/../x", "/back/../../x", "/back/%2e%2e/x", "/back/%2E%2E/x", "/back/.%2e/x", "/back/%2e/x", "/back/..%2fx",
     "/back/..;/x", "/back\\..\\x", "/back/\\evil.example"],
)  # fmt: skip
def test_a_path_that_leaves_the_prefix_is_not_covered(path: str) -> None:
    assert not BACK.covers(PAY + path)
    assert not Place(PAY).covers(PAY + path)


def test_a_dot_that_is_encoded_twice_is_a_name_and_stays_below_the_prefix() -> None:
    assert BACK.covers(f"{PAY}/back/%252e%252e/x")  # no browser makes `..` of it (WHATWG URL, 4.4)
    assert not BACK.covers(f"{PAY}/%252e%252e/back")


@pytest.mark.parametrize(
    "url",
    [
        "http://pay.harborlight.example/back",
        "https://pay.harborlight.example:8443/back",
        "https://harborlight.example/back",
        "https://x.pay.harborlight.example/back",
        "https://pay.harborlight.example.evil.example/back",
        "https://evil.example/back?https://pay.harborlight.example/back",
        "https://evil.example/https://pay.harborlight.example/back",
        "https://evil.example#https://pay.harborlight.example/back",
        "https://pay.harborlight.example%2eevil.example/back",
        "https://pay-harborlight.example/back",
        "javascript://pay.harborlight.example/back%0aalert(1)",
    ],
)
def test_another_origin_is_not_covered(url: str) -> None:
    assert not BACK.covers(url)
    assert not Place(PAY).covers(url)


def test_an_ipv6_place_covers_itself_and_no_other_port() -> None:
    place = parse_place("https://[2001:db8::1]:8443", allow_loopback=False)
    assert place.covers("https://[2001:db8::1]:8443/back")
    assert not place.covers("https://[2001:db8::1]/back")
    assert not place.covers("https://[2001:db8::2]:8443/back")


def test_an_ipv6_address_has_one_spelling_the_one_that_browsers_send() -> None:
    for text in ("https://[2001:DB8:0:0:0:0:0:1]", "https://[2001:db8::1]:443", "https://[2001:0db8::0001]/"):
        assert parse_place(text, allow_loopback=False) == Place("https://[2001:db8::1]")
    assert Place("https://[2001:db8::1]").covers("https://[2001:db8:0::1]:443/back")


# --- what may be registered --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (PAY, Place(PAY)),
        (f"{PAY}/", Place(PAY)),
        (f"{PAY}:443/back", BACK),
        (f"{PAY}/back/", Place(PAY, "/back/")),
        ("https://Kiosk.Harborlight.Example:8443", Place("https://kiosk.harborlight.example:8443")),
    ],
)
def test_an_origin_with_or_without_path_may_be_registered(text: str, place: Place) -> None:
    assert parse_place(text, allow_loopback=False) == place


@pytest.mark.parametrize(
    "text",
    [
        "https://*.harborlight.example",
        "https://*",
        f"{PAY}/*",
        f"{PAY}/back?x=1",
        f"{PAY}/back#x",
        f"{PAY}/back?",
        f"{PAY}/back#",
        f"{PAY}?",
        f"{PAY}/back/../x",
        f"{PAY}/back%2f",
        f"{PAY}/%2e%2e",
        f"{PAY}//",
        f"{PAY}/back//x",
        "*",
    ],
)
def test_a_wildcard_query_fragment_or_odd_path_may_not(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_place(text, allow_loopback=True)


LOOPBACK = ["http://localhost:5000", "http://partner.localhost:5000/back", "http://127.0.0.1:5000", "http://[::1]:5000"]


@pytest.mark.parametrize("text", LOOPBACK)
def test_http_is_for_loopback_names_where_the_operator_allows_it(text: str) -> None:
    assert parse_place(text, allow_loopback=True).covers(text)
    with pytest.raises(ValueError, match="https is required"):
        parse_place(text, allow_loopback=False)


@pytest.mark.parametrize(
    "text",
    [
        f"http{PAY[5:]}",
        "http://localhost.evil.example",
        "http://notlocalhost",
        "http://128.0.0.1",
        "http://0.0.0.0",
    ],
)
def test_http_elsewhere_is_never_registered(text: str) -> None:
    with pytest.raises(ValueError, match="https is required"):
        parse_place(text, allow_loopback=True)


@pytest.mark.parametrize("text", [PAY, f"{PAY}/back", f"{PAY}:8443/a/b/"])
def test_a_place_reads_back_as_it_is_shown(text: str) -> None:
    place = parse_place(text, allow_loopback=False)
    assert place.text() == text
    assert parse_place(place.text(), allow_loopback=False) == place


# --- addresses that payers are sent to ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("https://pay.example.com", "https://pay.example.com"),
        ("HTTPS://Pay.Example.COM:443/Login?a=b&c", "https://pay.example.com/Login?a=b&c"),
        ("https://pay.example.com:8443/", "https://pay.example.com:8443/"),
        ("https://pay.example.com?next=/x", "https://pay.example.com?next=/x"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
    ],
)
def test_an_address_has_one_spelling(typed: str, stored: str) -> None:
    assert parse_address(typed, allow_loopback=False) == stored
    assert parse_address(stored, allow_loopback=False) == stored


@pytest.mark.parametrize(
    "typed",
    [
        *NO_ORIGIN, "http://pay.example.com", "HTTP://pay.example.com", "http://localhost.evil.example", "http://127.0.0.1.evil.example",
        "https://pay.example.com#x", "https://pay.example.com/#", "https://pay.example.com/ü", "https://pay.example.com/\u2028",
        "https://b\u00fccher.example", "https://p\u0430y.example", "https://pay.example.com/" + "x" * 2000, "https://pay.example.com/\t",
    ],
)  # fmt: skip
def test_an_address_that_is_plain_http_or_has_two_readings_is_refused(typed: str) -> None:
    for allow_loopback in (False, True):
        with pytest.raises(ValueError, match=r"."):
            parse_address(typed, allow_loopback=allow_loopback)


@pytest.mark.parametrize(
    "typed", ["http://localhost:8090/login", "http://partner.localhost:8090", "http://127.0.0.1:8090/", "http://[::1]:8090/"]
)
def test_an_http_address_of_this_machine_is_taken_where_the_operator_allows_it(typed: str) -> None:
    assert parse_address(typed, allow_loopback=True) == typed
    with pytest.raises(ValueError, match="https is required"):
        parse_address(typed, allow_loopback=False)


@pytest.mark.parametrize(
    ("stored", "origin"),
    [
        ("https://pay.example.com/login", "https://pay.example.com"),
        ("http://partner.localhost:8090/x", "http://partner.localhost:8090"),
        ("http://pay.example.com/login", None),
        ("HTTP://PAY.example.com", None),
        ("", None),
        ("https://user@pay.example.com", None),
        ("https://pay.example.com:0", None),
        ("what is this", None),
    ],
)
def test_a_stored_address_vouches_for_an_origin_or_for_none_and_never_fails(stored: str, origin: str | None) -> None:
    assert trusted_origin(stored) == origin
    assert is_plain_http(stored) == (origin is None and stored.lower().startswith("http:"))
