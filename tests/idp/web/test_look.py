"""Static files have addresses that change with them, and every pair of colours can be read in both schemes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from idp.web.templating import StaticFiles

STATICS = StaticFiles()
Colour = tuple[float, float, float]


def test_a_static_file_is_found_under_its_own_digest_only() -> None:
    css = next(file for file in STATICS.list_all() if file.name == "hub.css")
    assert STATICS.url("hub.css") == f"/static/{css.digest}/hub.css"
    assert STATICS.find(css.digest, "hub.css") == css
    assert STATICS.find("0" * 12, "hub.css") is None
    assert STATICS.find(css.digest, "../templating.py") is None


def test_another_content_gets_another_address(tmp_path: Path) -> None:
    urls = []
    for content in ("a", "b"):
        (tmp_path / "x.css").write_text(content, encoding="utf-8")
        urls.append(StaticFiles(tmp_path).url("x.css"))
    assert urls[0] != urls[1]


def stylesheet() -> str:
    (css,) = (file.content.decode() for file in STATICS.list_all() if file.name == "hub.css")
    return re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)


def declarations(selector: str) -> list[dict[str, str]]:
    blocks = re.findall(re.escape(selector) + r"\s*\{([^}]*)\}", stylesheet())
    return [dict(re.findall(r"--([a-z-]+):\s*([^;]+);", block)) for block in blocks]


def colour(value: str, tokens: dict[str, str]) -> Colour:
    """A token's value as sRGB 0-1: hex, var(), or color-mix(in srgb, A n%, B)."""
    value = value.strip()
    if value.startswith("#"):
        red, green, blue = (int(value[at : at + 2], 16) / 255 for at in (1, 3, 5))
        return red, green, blue
    if value.startswith("var("):
        return colour(tokens[value[6:-1]], tokens)
    match = re.fullmatch(r"color-mix\(in srgb, (.+) (\d+)%, (.+?)\)", value)
    assert match is not None, value
    share = int(match[2]) / 100
    one, other = colour(match[1], tokens), colour(match[3], tokens)
    red, green, blue = (share * a + (1 - share) * b for a, b in zip(one, other, strict=True))
    return red, green, blue


def contrast(one: Colour, other: Colour) -> float:
    """WCAG 2.2 contrast ratio."""

    def luminance(shade: Colour) -> float:
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shade)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_itself_is_computed_right() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    grey = colour("#767676", {})
    assert contrast(grey, (1, 1, 1)) == pytest.approx(4.54, abs=0.01)


def test_dark_by_system_and_dark_by_switch_are_the_same() -> None:
    assert declarations(':root:not([data-theme="light"])') == declarations(':root[data-theme="dark"]')


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        *((front, back, 4.5) for front in ("text", "muted", "accent") for back in ("surface", "raised")),
        *((front, f"{front}-soft", 4.5) for front in ("accent", "good", "warn", "bad")),
        ("text", "accent-soft", 4.5),
        ("bad", "raised", 4.5),
        ("surface", "accent", 4.5),
        ("surface", "accent-deep", 4.5),
        ("edge", "surface", 3.0),
        ("edge", "raised", 3.0),
    ],
)
def test_every_pair_of_colours_can_be_read_in_both_schemes(scheme: str, front: str, back: str, least: float) -> None:
    light, mixed = declarations("\n:root")[:2]
    tokens = light | mixed
    if scheme == "dark":
        tokens |= declarations(':root[data-theme="dark"]')[0]
    assert contrast(colour(tokens[front], tokens), colour(tokens[back], tokens)) >= least


def test_the_stylesheet_asks_nobody_else_for_anything() -> None:
    assert not re.search(r"url\(|@import|@font-face|https?:", stylesheet())
