"""Carriers: which cookie counts where, by the browser's own word."""

from __future__ import annotations

import pytest

from sso_connect.framing import Carriers, Presented, disagrees, is_frame

FRAMES = ["iframe", "frame", "embed", "object", "fencedframe"]
OTHERS = ["image", "script", "style", "font", "video", "worker", "report", "unheard-of"]
BOTH = {"__Host-hub": "page", "__Host-hub_f": "frame"}
OWN = Carriers(shared_origin=False)
SHARED = Carriers(shared_origin=True)


@pytest.mark.parametrize("carriers", [OWN, SHARED])
@pytest.mark.parametrize("framed", [True, False])
def test_every_cookie_is_bound_to_its_host_by_its_name(carriers: Carriers, framed: bool) -> None:
    carrier = carriers.carrier("riverbend", framed=framed)
    assert carrier.name.startswith("__Host-")
    assert carrier.framed is framed


def test_billers_on_one_origin_have_cookies_of_their_own() -> None:
    names = {SHARED.carrier(slug, framed=framed).name for slug in ("riverbend", "prairie") for framed in (True, False)}
    assert len(names) == 4


@pytest.mark.parametrize("dest", FRAMES)
def test_a_frame_is_looked_up_by_the_frame_cookie_only(dest: str) -> None:
    assert OWN.presented("riverbend", dest, BOTH) == Presented("frame", framed=True)
    assert OWN.presented("riverbend", dest, {"__Host-hub": "page"}) is None


def test_a_full_page_is_looked_up_by_the_page_cookie_only() -> None:
    assert OWN.presented("riverbend", "document", BOTH) == Presented("page", framed=False)
    assert OWN.presented("riverbend", "document", {"__Host-hub_f": "frame"}) is None


@pytest.mark.parametrize("dest", ["", "empty"])
def test_where_the_browser_does_not_say_the_page_cookie_comes_first(dest: str) -> None:
    assert OWN.presented("riverbend", dest, BOTH) == Presented("page", framed=False)
    assert OWN.presented("riverbend", dest, {"__Host-hub_f": "frame"}) == Presented("frame", framed=True)


@pytest.mark.parametrize("cookies", [{}, {"__Host-hub": ""}, {"hub": "x", "__host-hub": "x", "__Host-hub_x": "x"}])
def test_no_cookie_or_an_empty_or_a_foreign_one_presents_nothing(cookies: dict[str, str]) -> None:
    assert OWN.presented("riverbend", "", cookies) is None


def test_on_a_shared_origin_neither_another_billers_nor_a_nameless_cookie_counts() -> None:
    mine = SHARED.carrier("riverbend", framed=False).name
    assert SHARED.presented("riverbend", "document", BOTH) is None
    assert SHARED.presented("prairie", "document", {mine: "x"}) is None
    assert SHARED.presented("riverbend", "document", {mine: "x"}) == Presented("x", framed=False)


@pytest.mark.parametrize("dest", FRAMES)
def test_a_frame_agrees_with_view_mode_one_only(dest: str) -> None:
    assert is_frame(dest)
    assert [disagrees(mode, dest) for mode in (0, 1, 2)] == [True, False, True]


def test_a_document_agrees_with_full_page_and_new_tab() -> None:
    assert not is_frame("document")
    assert [disagrees(mode, "document") for mode in (0, 1, 2)] == [False, True, False]


@pytest.mark.parametrize("dest", ["", "empty"])
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_a_browser_that_says_nothing_contradicts_nothing(mode: int, dest: str) -> None:
    assert not disagrees(mode, dest)


@pytest.mark.parametrize("dest", OTHERS)
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_what_is_neither_page_nor_frame_agrees_with_nothing(mode: int, dest: str) -> None:
    assert disagrees(mode, dest)
