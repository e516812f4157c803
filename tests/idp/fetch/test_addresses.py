"""SSRF: which addresses may be reached, and which texts are a URL at all."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.fetch import Reach, SystemResolver, reach_of, read_url
from idp.settings import SettingsError, load

PRIVATE = [
    "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.254", "172.16.0.0", "172.31.255.255",
    "192.168.0.0", "192.168.255.255", "::1", "fc00::", "fdff:ffff::1",
]  # fmt: skip
NEVER = [
    "0.0.0.1", "0.255.255.255", "169.254.0.0", "169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.8", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255",
    "::", "::7f00:1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8",
    "64:ff9b::127.0.0.1", "64:ff9b::10.1.2.3", "64:ff9b::169.254.169.254", "64:ff9b::100.64.0.1", "64:ff9b::",
    "64:ff9b:1::8.8.8.8", "64:ff9b:1:ffff::1", "64:ff9b:0:1::8.8.8.8", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:0808:0808::1", "3fff::1", "3fff:fff::1",
    "4000::1", "5f00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0",
    "febf::1", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
    "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
    "223.255.255.255", "2001:200::1", "2606:4700::1111", "2a00:1450::1", "3ffe:ffff::1", "64:ff9b::8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reach"),
    [(text, reach) for reach, texts in ((Reach.PRIVATE, PRIVATE), (Reach.NEVER, NEVER), (Reach.PUBLIC, PUBLIC)) for text in texts],
)
def test_each_range_is_reached_as_the_table_says(text: str, reach: Reach) -> None:
    assert reach_of(ipaddress.ip_address(text)) is reach


def test_the_unspecified_address_is_never_reached() -> None:
    assert reach_of(ipaddress.IPv4Address(0)) is Reach.NEVER


@given(st.ip_addresses())
def test_nothing_is_public_that_the_standard_library_holds_for_special(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    special = (
        address.is_private or address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
    )  # fmt: skip
    if special:
        assert reach_of(address) is not Reach.PUBLIC


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_never_wider_than_the_one_inside(inside: ipaddress.IPv4Address) -> None:
    number = int(inside)
    nat64 = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | number)
    assert (reach_of(nat64) is Reach.PUBLIC) == (reach_of(inside) is Reach.PUBLIC)
    for prefix, shift in (("::ffff:0:0", 0), ("64:ff9b:1::", 0), ("2002::", 80), ("2001::", 0)):
        outer = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | number << shift)
        assert reach_of(outer) is Reach.NEVER, outer


@pytest.mark.parametrize(
    "url",
    [
        "", "portal.example.com", "//portal.example.com/", "https:portal.example.com", "https:/portal.example.com", "https://",
        "https:///path", "ftp://portal.example.com/", "file:///etc/hosts", "javascript://portal.example.com/",
        "http://portal.example.com/", "https://portal.example.com:80/", "https://portal.example.com:8443/",
        "https://portal.example.com:/", "https://portal.example.com:0443/", "https://portal.example.com:443443/",
        "https://portal.example.com:+443/", "https://portal.example.com:４４３/",
        "https://ann@portal.example.com/", "https://ann:x@portal.example.com/", "https://portal.example.com@127.0.0.1/",
        "https://portal.example.com:443@127.0.0.1/", "https://127.0.0.1\\@portal.example.com/", "https:\\\\portal.example.com/",
        "https://portal.example.com\\.usage.example.com/", "https://portal.example.com/a b", " https://portal.example.com/",
        "https://portal.example.com/\r\nX: y", "https://portal.example.com/\x00", "https://portal.exam\tple.com/",
        "https://portal.example.com/#x", "https://portal.example.com#@127.0.0.1/", "https://portal.example.com/ñ",
        "https://portal%2eexample.com/", "https://%6cocalhost/", "https://portal.example.com./", "https://.example.com/",
        "https://portal..example.com/", "https://-portal.example.com/", "https://portal_x.example.com/", "https://*.example.com/",
        "https://" + "a" * 64 + ".example.com/", "https://" + "a." * 127 + "com/", "https://portal.example.com/" + "a" * 2048,
        "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.0.0.01/",
        "https://example.0x/", "https://1.2.3.4.5/", "https://256.1.1.1/", "https://１２７.1/",
        "https://[::1", "https://::1/", "https://[::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[v1.x]/", "https://[portal]/",
        "https://[::1]x/", "https://[1.2.3.4]/", "https://xn--/", "https://ex\u00adample\u2024com:443:1/", "https://\u2488.example.com:1/",
    ],
)  # fmt: skip
def test_an_odd_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_url(url)


@given(st.text())
def test_any_text_is_read_or_refused_and_what_is_read_is_plain(text: str) -> None:
    for url in (text, f"https://{text}", f"https://portal.example.com{text}"):
        try:
            target = read_url(url)
        except ValueError:
            continue
        assert (target.scheme, target.port) == ("https", 443)
        assert target.host.isascii()
        assert not set(target.host) & set("@/\\?#% ")
        assert target.path.startswith("/")
        assert target.path.isascii()
        assert target.path.isprintable()


@pytest.mark.parametrize(
    ("url", "host", "header", "path"),
    [
        ("https://portal.example.com", "portal.example.com", "portal.example.com", "/"),
        ("HTTPS://Portal.Example.COM:443/A?b=%20&c=@", "portal.example.com", "portal.example.com", "/A?b=%20&c=@"),
        ("https://portal.example.com?a=//b", "portal.example.com", "portal.example.com", "/?a=//b"),
        ("https://Bücher.example/ñ".replace("ñ", "%C3%B1"), "xn--bcher-kva.example", "xn--bcher-kva.example", "/%C3%B1"),
        ("https://portal。example．com/", "portal.example.com", "portal.example.com", "/"),
        ("https://[2606:4700:0:0::1111]/x", "2606:4700::1111", "[2606:4700::1111]", "/x"),
        ("https://8.8.8.8/", "8.8.8.8", "8.8.8.8", "/"),
    ],
)
def test_a_url_is_read_into_what_goes_on_the_wire(url: str, host: str, header: str, path: str) -> None:
    target = read_url(url)
    assert (target.host, target.host_header, target.path) == (host, header, path)
    assert not target.may_be_private


def test_full_width_digits_are_the_address_that_they_look_like() -> None:
    target = read_url("https://１２７.０.０.１/")
    assert target.literal == ipaddress.ip_address("127.0.0.1")


def test_only_the_exact_listed_host_and_port_may_be_private() -> None:
    listed = ("usage.example.com:9443", "[fd00::1]:8443", "usage.localhost:8080", "10.0.0.5:8080")
    assert read_url("https://usage.example.com:9443/", listed).may_be_private
    assert read_url("https://[FD00:0::1]:8443/", listed).may_be_private
    assert read_url("http://usage.localhost:8080/", listed).may_be_private
    assert not read_url("https://usage.example.com/", listed).may_be_private
    for url in (
        "https://usage.example.com:9444/",
        "https://x.usage.example.com:9443/",
        "http://usage.example.com:9443/",
        "http://10.0.0.5:8080/",
        "http://x.usage.localhost:8080/",
        "http://usage.localhost/",
    ):
        with pytest.raises(ValueError, match="needed"):
            read_url(url, listed)


def test_the_operators_list_is_read_and_each_entry_is_exact() -> None:
    settings = load({"IDHUB_FETCH_PRIVATE_HOSTS": "usage.localhost:8080, [fd00::1]:8443,10.0.0.5:443"})
    assert settings.fetch_private_hosts == ("usage.localhost:8080", "[fd00::1]:8443", "10.0.0.5:443")
    assert load({}).fetch_private_hosts == ()


@pytest.mark.parametrize(
    "entry",
    [
        "usage.localhost", "*.localhost:80", "Usage.localhost:80", "usage.localhost:0", "usage.localhost:65536", ":80",
        "10.0.0.0/8:80", "https://usage.localhost:80", "[FD00::1]:80", "[fd00:0::1]:80", "fd00::1:80", "usage.localhost:80/x",
    ],
)  # fmt: skip
def test_an_entry_of_the_list_that_is_not_exact_stops_the_start(entry: str) -> None:
    with pytest.raises(SettingsError, match="IDHUB_FETCH_PRIVATE_HOSTS"):
        load({"IDHUB_FETCH_PRIVATE_HOSTS": entry})


def test_names_below_localhost_are_this_machine_and_nobody_is_asked() -> None:
    assert SystemResolver().addresses("usage.localhost", 443, 1.0) == ("127.0.0.1",)
    assert SystemResolver().addresses("localhost", 443, 1.0) == ("127.0.0.1",)


def test_the_machines_resolver_fails_as_an_os_error() -> None:
    resolver = SystemResolver(most_at_once=1)
    for _again in range(3):
        with pytest.raises(OSError, match=r"."):
            resolver.addresses("\udcff.invalid", 443, 5.0)
        with pytest.raises(OSError, match=r"."):
            resolver.addresses("a" * 300, 443, 5.0)
