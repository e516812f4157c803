"""Partners' stylesheets: what is taken, what never is, and that everything stays readable."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sso_connect.stylesheets import (
    _OURS,
    MOST_BYTES,
    Palette,
    Properties,
    UnusableStylesheet,
    contrast,
    only_colours_and_font,
    read_stylesheet,
    render,
)
from tests.idp.web.test_look import declarations

_LINE = re.compile(
    r'  --(?:(?:accent|surface|text): #[0-9a-f]{6}|font: (?:"[A-Za-z ]+"(?:, )?)*(?:[a-z-]+)?|radius: [0-9.]+rem|space: [0-9.]+);'
)


def taken(css: str) -> Properties:
    return read_stylesheet(css.encode()).properties


def refused(css: str | bytes) -> str:
    with pytest.raises(UnusableStylesheet) as caught:
        read_stylesheet(css.encode() if isinstance(css, str) else css)
    return str(caught.value)


def test_the_properties_of_root_are_taken_in_either_spelling() -> None:
    css = ":root { --accent: #036; --hub-text: #101010 } html { --FONT: Georgia, serif; --radius: 4px; --space: 0.9 }"
    assert taken(css) == Properties(Palette(accent="#003366", text="#101010"), Palette(), '"Georgia", serif', "0.25rem", "0.9")


@pytest.mark.parametrize(
    ("written", "kept"),
    [("#036", "#003366"), ("#003366", "#003366"), ("rgb(0, 51, 102)", "#003366"), ("navy", "#000080"),
     ("hsl(210, 100%, 20%)", "#003366"), ("rgb(0%, 20%, 40%)", "#003366")],
)  # fmt: skip
def test_a_colour_is_kept_in_one_notation(written: str, kept: str) -> None:
    assert taken(f":root {{ --accent: {written} }}").light.accent == kept


@pytest.mark.parametrize(
    "value",
    ["transparent", "#0366", "rgba(0,0,0,.5)", "currentColor", "var(--x)", "url(//evil.example)", "red url(x)", "expression(1)",
     "color-mix(in srgb, red, blue)", "", "inherit", "#zzz", "rgb(1e999,0,0)", "'#003366'"],
)  # fmt: skip
def test_what_is_no_opaque_colour_is_not_taken(value: str) -> None:
    reading = read_stylesheet(f":root {{ --accent: {value}; --radius: 0 }}".encode())
    assert reading.properties.light.accent in {"", "#ff0000"} if "rgb(1e999" in value else reading.properties.light.accent == ""


def test_a_later_declaration_goes_before_an_earlier_one() -> None:
    assert taken(":root { --accent: #036; --accent: #630 } :root { --accent: #063 }").light.accent == "#006633"


def test_the_dark_scheme_has_colours_of_its_own() -> None:
    css = "@media (prefers-color-scheme:dark) { :root { --accent: #9cf; --radius: 0 } } :root { --accent: #036 }"
    assert taken(css) == Properties(Palette(accent="#003366"), Palette(accent="#99ccff"))


@pytest.mark.parametrize(
    "css",
    [
        "body { --accent: #036 }", ":root body { --accent: #036 }", ":root, body { --accent: #036 }", "* { --accent: #036 }",
        "@media print { :root { --accent: #036 } }", "@import url(//evil.example); ", ":root { color: red; background: url(x) }",
        "@font-face { font-family: x; src: url(//evil.example) }", ":root { --good: #036; --shadow: none; --s1: 9rem }", "",
        "}}}{{{",
        "<style>:root { --accent: #036 }</style>", "/* :root { --accent: #036 } */",
    ],
)  # fmt: skip
def test_nothing_else_is_taken_and_then_the_stylesheet_is_of_no_use(css: str) -> None:
    assert "--accent" in refused(css)


@pytest.mark.parametrize(
    ("font", "kept"),
    [
        ("Roboto", '"Roboto", sans-serif'), ("'segoe ui', Arial", '"Segoe UI", "Arial", sans-serif'), ("system-ui", "system-ui"),
        ("Evil, Georgia, serif", '"Georgia", serif'), ("Segoe UI", '"Segoe UI", sans-serif'),
    ],
)  # fmt: skip
def test_fonts_come_from_our_list_and_end_with_a_generic_one(font: str, kept: str) -> None:
    assert taken(f":root {{ --font: {font} }}").font == kept


@pytest.mark.parametrize("font", ["Evil", "url(x), Arial", "Arial; } body { x: y", '"Arial\\"; } *{display:none}"', "var(--x)"])
def test_a_font_that_is_none_of_ours_breaks_out_of_nothing(font: str) -> None:
    reading = read_stylesheet(f":root {{ --radius: 0; --font: {font} }}".encode())
    assert reading.properties.font in {"", '"Arial", sans-serif'}
    assert "}" not in reading.properties.font


@pytest.mark.parametrize("radius", ["-1px", "25px", "2rem", "50%", "calc(1px)", "1", "1e9px", "4px 4px"])
def test_a_radius_outside_its_bounds_is_not_taken(radius: str) -> None:
    assert taken(f":root {{ --accent: #036; --radius: {radius} }}").radius == ""


@pytest.mark.parametrize("space", ["0.7", "1.3", "0", "-1", "1rem", "calc(1)", "1 1"])
def test_a_space_outside_its_bounds_is_not_taken(space: str) -> None:
    assert taken(f":root {{ --accent: #036; --space: {space} }}").space == ""


@pytest.mark.parametrize(
    ("css", "told"),
    [
        (":root { --accent: #9cf }", "light scheme: accent"), (":root { --text: #888 }", "light scheme: text"),
        (":root { --surface: #222; --text: #fff; --accent: #fff }", "light scheme: good"),
        (":root { --text: #757575 }", "light scheme: muted text"),
        ("@media (prefers-color-scheme: dark) { :root { --accent: #036 } }", "dark scheme: accent"),
        ("@media (prefers-color-scheme: dark) { :root { --surface: #fff } }", "dark scheme: text"),
    ],
)  # fmt: skip
def test_what_could_not_be_read_is_refused_with_the_pair_and_its_ratio(css: str, told: str) -> None:
    assert refused(css).startswith(told)


def test_too_much_or_what_is_no_text_is_refused() -> None:
    assert refused(b"\xff\xfe:root{}") == "not UTF-8"
    assert "KiB" in refused(b" " * (MOST_BYTES + 1))
    assert read_stylesheet(b"\xef\xbb\xbf:root{--radius:0}").properties.radius == "0rem"


def test_what_was_not_taken_is_told_by_name() -> None:
    assert read_stylesheet(b":root { --accent: #036; --brand: red; --radius: 90px; --brand: blue }").ignored == (
        "--brand",
        "--radius",
    )


def test_pages_with_amounts_take_colours_and_font_only() -> None:
    properties = taken(":root { --accent: #036; --font: Arial; --radius: 0; --space: 0.8 }")
    assert "--radius" in render(properties, restrained=False)
    restrained = render(properties, restrained=True)
    assert "--radius" not in restrained
    assert "--space" not in restrained
    assert "--accent: #003366" in restrained
    assert restrained == render(only_colours_and_font(properties), restrained=False)


def test_properties_are_stored_and_read_back() -> None:
    properties = taken(":root { --accent: #036; --font: Arial } @media (prefers-color-scheme: dark) { :root { --text: #fff } }")
    assert Properties.from_dict(properties.as_dict()) == properties


def test_our_own_colours_are_those_of_the_stylesheet() -> None:
    light, dark = declarations(":root")[0], declarations(':root[data-theme="dark"]')[0]
    for name, colour in _OURS["light"].items():
        assert light[name] == colour
    for name, colour in _OURS["dark"].items():
        assert dark[name] == colour


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((118, 118, 118), (255, 255, 255)) == pytest.approx(4.54, abs=0.01)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.binary(max_size=300), st.text(":root{}--accentfradius;/*\\\"'()@media #0369%,.\n", max_size=300).map(str.encode))
)
def test_whatever_comes_only_lines_of_ours_leave(css: bytes) -> None:
    try:
        properties = read_stylesheet(b":root{--accent:#036}" + css).properties
    except UnusableStylesheet:
        return
    for line in render(properties, restrained=False).splitlines():
        own = line in {":root {", "}", "  }", "@media (prefers-color-scheme: dark) {", ':root[data-theme="dark"] {', ""}
        assert own or line == '  :root:not([data-theme="light"]) {' or _LINE.fullmatch("  " + line.strip()), line
