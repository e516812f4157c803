"""Places of any text: what is registered covers itself and what is below it, and never another origin."""

from __future__ import annotations

from urllib.parse import urlsplit

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from idp.directory.hosts import Place, origin_of, parse_place

PARTS = st.sampled_from(
    [
        "https",
        "http",
        "HTTPS",
        "javascript",
        ":",
        "/",
        "//",
        "\\",
        "@",
        "?",
        "#",
        "%2e",
        "%2f",
        "%252e",
        "..",
        ".",
        ";",
        ",",
        "'",
        "*",
        "[",
        "]",
        "[::1]",
        "[v1.a]",
        "localhost",
        "127.0.0.1",
        "pay.example",
        "evil.example",
        "PAY.example",
        "a",
        "back",
        "-",
        "_",
        ":443",
        ":80",
        ":8443",
        ":",
        " ",
        "\t",
        "\n",
        "\x00",
        "é",
        "\u212a",
        "\uff0f",
        "\u3002",
        "user",
        "0",
    ]
)
SOUP = st.lists(PARTS, max_size=12).map("".join)
URLS = SOUP | SOUP.map("https://pay.example".__add__) | SOUP.map("https://".__add__) | st.text(max_size=40).map("https://".__add__)
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True).filter(lambda label: not label.startswith("xn--"))
HOSTS = st.builds(  # a last label that is a number is no name
    lambda labels, last: ".".join([*labels, last]), st.lists(LABELS, max_size=3), LABELS.filter(lambda label: label[0].isalpha())
)
PORTS = st.just("") | st.integers(1, 65535).map(":{}".format)
PATHS = st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True), max_size=4).map(
    lambda parts: "".join(f"/{part}" for part in parts)
)
GOOD = st.builds("https://{}{}{}".format, HOSTS, PORTS, PATHS)


def place_of(text: str) -> Place | None:
    try:
        return parse_place(text, allow_loopback=True)
    except ValueError:
        return None


@settings(max_examples=1000)
@given(text=URLS | GOOD)
@example(text="https://[::1]pay.example")
@example(text="https://[v1.pay.example]")
@example(text="https://pay.example;sandbox")
@example(text="https://pay.example//")
def test_what_is_registered_covers_itself_and_what_is_below_it(text: str) -> None:
    place = place_of(text)
    if place is not None:
        assert place.covers(text)
        assert place.covers(place.text())
        assert place.covers(place.text().rstrip("/") + "/below?q#f")
        assert origin_of(text) == place.origin
        assert parse_place(place.text(), allow_loopback=True) == place


@settings(max_examples=1000)
@given(text=URLS | GOOD)
def test_an_origin_is_plain_enough_to_stand_in_a_header(text: str) -> None:
    place = place_of(text)
    if place is not None:
        scheme, _, host = place.origin.partition("://")
        assert scheme in {"https", "http"}
        assert set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_:[]")
        assert origin_of(place.origin) == place.origin


@settings(max_examples=1000)
@given(text=GOOD, other=URLS | GOOD)
@example(text="https://pay.example/back", other="https://pay.example/backdoor")
def test_no_place_covers_another_origin_or_a_path_beside_it(text: str, other: str) -> None:
    place = parse_place(text, allow_loopback=True)
    if place.covers(other):
        parts = urlsplit(other)
        assert origin_of(other) == place.origin
        assert f"{parts.path}/".startswith(f"{place.path_prefix.rstrip('/')}/")
        assert ".." not in parts.path


@given(text=GOOD, tail=st.from_regex(r"[a-z0-9.;%_-]{1,5}", fullmatch=True))
def test_a_longer_segment_is_another_segment(text: str, tail: str) -> None:
    place = parse_place(text, allow_loopback=True)
    assume(place.path_prefix)
    assert not place.covers(place.text() + tail)


@given(host=HOSTS, port=PORTS)
def test_http_is_registered_for_loopback_names_only(host: str, port: str) -> None:
    place = place_of(f"http://{host}{port}")
    assert place is None or host == "localhost" or host.endswith(".localhost") or host.startswith("127.")
