"""Themes as a payer sees them: the stylesheet that the page names, who gets it, and when it is gone."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from idp.opaque import new_id
from sso_connect.themes import Theme, Themes
from sso_connect.warnings import WarningCode
from tests.flows.partner import PartnerProgram
from tests.flows.visitor import Answer
from tests.flows.world import ACTOR, PRAIRIE, RIVERBEND, World

URL = "https://pay.harborlight.example/theme.css"
TEAL, PLUM = "#0b6b61", "#6a1b6a"


def approve(world: World, accent: str = TEAL, bid: int = RIVERBEND) -> Theme:
    """A biller approves a partner's stylesheet. The partner's web server is the one thing that is not there."""

    def fetch(url: str, *, most_bytes: int, deadline: timedelta) -> bytes:
        assert url == URL
        return f":root {{ --accent: {accent}; --radius: 3px }} .amount {{ display: none }}".encode()

    hub = world.hub
    themes = Themes(hub.database.begin, hub.database.read, hub.kv, hub.clock, fetch, hub.alarms)
    themes.request(ACTOR, str(new_id()), bid, URL)
    return themes.approve(ACTOR, str(new_id()), bid, URL)


def stylesheet(page: Answer) -> str:
    """The address of the theme that a page names, or ""."""
    found = re.search(r'<link rel="stylesheet" href="(/b/[^"]+/theme/[^"]+)"', page.text)
    return found[1] if found else ""


def test_a_page_names_the_theme_that_the_biller_has_approved_and_anybody_gets_it_from_our_origin(world: World) -> None:
    digest = approve(world).digest
    _, page = world.frame(CSSUrl=URL)
    assert stylesheet(page) == f"/b/riverbend/theme/{digest}/colours.css"
    css = world.visitor("style").get(world.url(stylesheet(page)))
    assert css.status == 200
    assert css.headers["Content-Type"] == "text/css; charset=utf-8"
    assert css.headers["Cache-Control"] == "public, max-age=86400, immutable"
    assert css.headers["X-Content-Type-Options"] == "nosniff"
    assert css.cookies == {}
    assert TEAL in css.text
    assert "display" not in css.text
    assert URL not in page.text


def test_pages_with_amounts_take_colours_and_font_only_and_others_take_all(world: World) -> None:
    digest = approve(world).digest
    visitor, url = world.full_page(CSSUrl=URL)
    for slug, name in (("bills", "colours"), ("pay", "colours"), ("autopay", "colours"), ("methods", "colours"),
                       ("profile", "all"), ("accounts", "all"), ("users", "all")):  # fmt: skip
        page = visitor.get(url.replace("/bills", f"/{slug}"))
        assert stylesheet(page) == f"/b/riverbend/theme/{digest}/{name}.css", slug
    assert "--radius" in visitor.get(world.url(f"/b/riverbend/theme/{digest}/all.css")).text
    assert "--radius" not in visitor.get(world.url(f"/b/riverbend/theme/{digest}/colours.css")).text


def test_one_that_is_not_approved_or_is_anothers_leaves_the_default_look_and_the_partner_is_told(world: World) -> None:
    approve(world, bid=PRAIRIE)
    world.hub.themes.request(ACTOR, str(new_id()), RIVERBEND, URL)
    _, page = world.frame(CSSUrl=URL)
    assert stylesheet(page) == ""
    world.hub.warnings.flush()
    told = PartnerProgram(world).told("/diagnostics/recent")["Results"]
    assert [each["Code"] for each in told] == [WarningCode.THEME_UNKNOWN]
    _, there = world.frame(key="prairie", CSSUrl=URL)
    assert stylesheet(there).startswith("/b/prairie/theme/")


def test_without_a_css_url_a_page_has_the_default_look(world: World) -> None:
    approve(world)
    _, page = world.frame()
    assert stylesheet(page) == ""


def test_a_change_of_the_theme_is_on_the_next_page_of_a_session_that_goes_on(world: World) -> None:
    approve(world)
    visitor, url = world.full_page(CSSUrl=URL)
    before = stylesheet(visitor.get(url))
    approve(world, PLUM)
    after = stylesheet(visitor.get(url))
    assert after != before
    assert PLUM in visitor.get(world.url(after)).text
    assert visitor.get(world.url(before)).status == 404
    world.hub.themes.refuse(ACTOR, str(new_id()), RIVERBEND, URL)
    assert stylesheet(visitor.get(url)) == ""
    assert visitor.get(world.url(after)).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/b/riverbend/theme/{digest}/other.css",
        "/b/riverbend/theme/{digest}/../all.css",
        "/b/riverbend/theme/0123/all.css",
        "/b/prairie/theme/{digest}/all.css",
    ],
)
def test_what_is_no_theme_of_the_biller_is_not_found(world: World, path: str) -> None:
    digest = approve(world).digest
    assert world.visitor("style").get(world.url(path.format(digest=digest))).status == 404


def test_a_theme_of_one_biller_is_not_to_be_had_at_another(world: World) -> None:
    digest = approve(world).digest
    approve(world, PLUM, PRAIRIE)
    assert world.visitor("style").get(world.url(f"/b/prairie/theme/{digest}/all.css", PRAIRIE)).status == 404
