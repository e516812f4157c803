"""Stylesheets of partners, read: an allow-list of custom properties comes out, and nothing else.

A remote stylesheet can cover amounts, leak values and draw false fields. So nothing of it is ever served: it is parsed, the custom
properties below are taken from `:root` (or `html`), also from inside `@media (prefers-color-scheme: dark)`, and written anew.

    --accent --surface --text     opaque colours in a notation of CSS Color 3, kept as #rrggbb
    --font                        family names from our list; a generic one always ends it
    --radius                      0 to 1.5rem (px at 16 to the rem)
    --space                       0.75 to 1.25, a factor of all distances

`--hub-accent` and so on are read too. Everything that stands on the page must stay readable (WCAG 2.2, 1.4.3: 4.5 to 1), so the
colours are checked together with those that stay ours.
Source: the partner guide, "A theme".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import tinycss2
import tinycss2.color3

MOST_BYTES = 256 * 1024
MOST_RADIUS_REM = 1.5
LEAST_SPACE, MOST_SPACE = 0.75, 1.25
CONTRAST = 4.5

Rgb = tuple[int, int, int]

_FONTS: Mapping[str, str] = MappingProxyType(
    {
        name.lower(): name
        for name in (
            "Arial", "Calibri", "Cambria", "Franklin Gothic Medium", "Georgia", "Helvetica", "Helvetica Neue", "Lato",
            "Lucida Grande", "Noto Sans", "Noto Serif", "Open Sans", "Palatino", "Roboto", "Segoe UI", "Source Sans Pro", "Tahoma",
            "Times", "Times New Roman", "Trebuchet MS", "Ubuntu", "Verdana",
        )
    }
)  # fmt: skip
_GENERIC = frozenset({"serif", "sans-serif", "system-ui", "ui-sans-serif", "ui-serif", "ui-rounded"})
_COLOURS = ("accent", "surface", "text")
_OURS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "light": {
            "surface": "#ffffff",
            "text": "#17212b",
            "accent": "#0b5cad",
            "good": "#17683f",
            "warn": "#7d4e00",
            "bad": "#b3231b",
        },
        "dark": {
            "surface": "#10161d",
            "text": "#e8edf2",
            "accent": "#7ab8f5",
            "good": "#6fd3a0",
            "warn": "#f0bd6b",
            "bad": "#ff9d94",
        },
    }
)
"""The colours of idp/web/static/hub.css (a test holds the two together)."""

_MUTED = 0.72
_SELECTORS = frozenset({":root", "html"})
_DARK = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)")


class UnusableStylesheet(ValueError):
    """A stylesheet that gives nothing, or something that could not be read; the message says what, in words for the partner."""


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one scheme, as #rrggbb; "" where ours stays."""

    accent: str = ""
    surface: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Properties:
    """What is taken from a stylesheet; "" where ours stays."""

    light: Palette = Palette()
    dark: Palette = Palette()
    font: str = ""
    radius: str = ""
    space: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Properties:
        """From what was stored."""
        rest = {name: stored[name] for name in ("font", "radius", "space")}
        return cls(Palette(**stored["light"]), Palette(**stored["dark"]), **rest)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was taken, and the custom properties that were not, with the reason."""

    properties: Properties
    ignored: tuple[str, ...]


def read_stylesheet(content: bytes) -> Reading:
    """The properties of a stylesheet. UnusableStylesheet: too large, no text, nothing of ours in it, or unreadable together."""
    if len(content) > MOST_BYTES:
        raise UnusableStylesheet(f"more than {MOST_BYTES // 1024} KiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnusableStylesheet("not UTF-8") from None
    taken: dict[tuple[str, str], str] = {}
    ignored: list[str] = []
    for scheme, declaration in _declarations(tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)):
        name = declaration.name.lower().removeprefix("--").removeprefix("hub-")
        value = _value(name, scheme, declaration.value)
        if value is None:
            ignored.append(declaration.name[:60])
        else:
            taken[scheme, name] = value
    if not taken:
        raise UnusableStylesheet(
            "no custom property that we take (--accent, --surface, --text, --font, --radius, --space) in :root"
        )
    properties = Properties(
        light=Palette(**{name: taken.get(("light", name), "") for name in _COLOURS}),
        dark=Palette(**{name: taken.get(("dark", name), "") for name in _COLOURS}),
        **{name: taken.get(("light", name), "") for name in ("font", "radius", "space")},
    )
    _check_contrast("light", properties.light)
    _check_contrast("dark", properties.dark)
    return Reading(properties, tuple(dict.fromkeys(ignored)))


def render(properties: Properties, *, restrained: bool) -> str:
    """The stylesheet that we serve. `restrained`: colours and font only, for pages with amounts, consent or codes."""
    lines = [":root {", *_colours(properties.light), *(_line("font", properties.font))]
    if not restrained:
        lines += [*_line("radius", properties.radius), *_line("space", properties.space)]
    lines.append("}")
    # A bare `:root` is weaker than the dark rules of hub.css, so where only a light scheme was given the dark one stays ours.
    dark = _colours(properties.dark)
    if dark:
        block = "\n".join(f"  {line}" for line in dark)
        lines += ["@media (prefers-color-scheme: dark) {", '  :root:not([data-theme="light"]) {', block, "  }", "}"]
        lines += [':root[data-theme="dark"] {', *dark, "}"]
    return "\n".join(lines) + "\n"


def only_colours_and_font(properties: Properties) -> Properties:
    """The properties that every page may take."""
    return replace(properties, radius="", space="")


# --- reading -----------------------------------------------------------------------------------------------------------------


def _declarations(rules: Iterable[Any], scheme: str = "light") -> list[tuple[str, Any]]:
    """Custom properties of `:root`, by scheme, in order: a later one goes before an earlier one, as in CSS."""
    found: list[tuple[str, Any]] = []
    for rule in rules:
        if rule.type == "at-rule" and rule.lower_at_keyword == "media" and rule.content is not None and scheme == "light":
            if _DARK.fullmatch(tinycss2.serialize(rule.prelude).strip().lower()):
                inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
                found += _declarations(inner, "dark")
        elif rule.type == "qualified-rule":
            selectors = {part.strip().lower() for part in tinycss2.serialize(rule.prelude).split(",")}
            if selectors <= _SELECTORS:
                lines = tinycss2.parse_blocks_contents(rule.content, skip_comments=True, skip_whitespace=True)
                found += [(scheme, each) for each in lines if each.type == "declaration" and each.name.startswith("--")]
    return found


def _value(name: str, scheme: str, tokens: list[Any]) -> str | None:
    significant = [token for token in tokens if token.type not in {"whitespace", "comment"}]
    if name in _COLOURS:
        return _colour(significant)
    if scheme == "dark":
        return None
    match name:
        case "font":
            return _font(tokens)
        case "radius":
            return _radius(significant)
        case "space":
            return _space(significant)
        case _:
            return None


def _colour(tokens: list[Any]) -> str | None:
    if len(tokens) != 1:
        return None
    parsed = tinycss2.color3.parse_color(tokens[0])
    if not isinstance(parsed, tinycss2.color3.RGBA) or parsed.alpha != 1:
        return None
    parts = [round(255 * min(1.0, max(0.0, part))) for part in (parsed.red, parsed.green, parsed.blue) if math.isfinite(part)]
    return "#" + "".join(f"{part:02x}" for part in parts) if len(parts) == 3 else None


def _font(tokens: list[Any]) -> str | None:
    names: list[str] = []
    generic = ""
    current: list[str] = []
    for token in [*tokens, None]:
        if token is None or (token.type == "literal" and token.value == ","):
            name = " ".join(current)
            current = []
            if name.lower() in _FONTS:
                names.append(f'"{_FONTS[name.lower()]}"')
            elif name.lower() in _GENERIC:
                generic = generic or name.lower()
        elif token.type in {"ident", "string"}:
            current.append(token.value)
        elif token.type not in {"whitespace", "comment"}:
            return None
    return ", ".join([*dict.fromkeys(names), generic or "sans-serif"]) if names or generic else None


def _radius(tokens: list[Any]) -> str | None:
    if len(tokens) != 1:
        return None
    token = tokens[0]
    if token.type == "number" and token.value == 0:
        return "0rem"
    if token.type != "dimension" or token.lower_unit not in {"px", "rem", "em"}:
        return None
    rem = token.value / 16 if token.lower_unit == "px" else token.value
    return f"{_number(rem)}rem" if 0 <= rem <= MOST_RADIUS_REM else None


def _space(tokens: list[Any]) -> str | None:
    if len(tokens) != 1 or tokens[0].type != "number":
        return None
    value = tokens[0].value
    return _number(value) if LEAST_SPACE <= value <= MOST_SPACE else None


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


# --- contrast ----------------------------------------------------------------------------------------------------------------


def _check_contrast(scheme: str, palette: Palette) -> None:
    if palette == Palette():
        return
    colours = dict(_OURS[scheme]) | {each.name: value for each in fields(palette) if (value := getattr(palette, each.name))}
    surface, text = _rgb(colours["surface"]), _rgb(colours["text"])
    pairs = {name: _rgb(colours[name]) for name in ("text", "accent", "good", "warn", "bad")}
    pairs["muted text"] = _mixed(text, surface, _MUTED)
    for name, colour in pairs.items():
        ratio = contrast(colour, surface)
        if ratio < CONTRAST:
            raise UnusableStylesheet(
                f"{scheme} scheme: {name} on the surface {colours['surface']} has a contrast of {ratio:.1f}, {CONTRAST} is needed"
            )


def contrast(one: Rgb, other: Rgb) -> float:
    """The contrast ratio of two colours (WCAG 2.2, "contrast ratio"): 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Rgb) -> float:
    red, green, blue = (part / 12.92 if (part := each / 255) <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for each in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(one: Rgb, other: Rgb, share: float) -> Rgb:
    red, green, blue = (round(share * a + (1 - share) * b) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _rgb(colour: str) -> Rgb:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


# --- writing -----------------------------------------------------------------------------------------------------------------


def _colours(palette: Palette) -> list[str]:
    return [line for name in _COLOURS for line in _line(name, getattr(palette, name))]


def _line(name: str, value: str) -> list[str]:
    return [f"  --{name}: {value};"] if value else []
