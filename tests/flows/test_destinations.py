"""Destinations that are off or closed to the payer's rights: the session opens, and the page says so, with the way back."""

from __future__ import annotations

import re

import pytest

from idp.opaque import new_id
from sso_connect.redirects import DESTINATIONS, DestinationSetting
from tests.flows.visitor import FULL
from tests.flows.world import ACTOR, AMOUNTS, PRAIRIE, RIVERBEND, World


def switch(world: World, number: int, *, off: bool = False, title: str = "", bid: int = RIVERBEND) -> None:
    world.hub.destinations.put(ACTOR, str(new_id()), DestinationSetting(bid, number, off, title))


def test_a_destination_that_is_off_opens_the_session_and_the_page_says_so_with_the_way_back(world: World) -> None:
    switch(world, 6, off=True)
    visitor, url = world.full_page(RedirectID="6")
    page = visitor.get(url)
    assert page.status == 200
    assert "switched off by Riverbend Water &amp; Light" in page.text
    back = re.search(r'href="([^"]+)" class="button"', page.text)
    assert back
    assert visitor.get(world.url(back[1])).status == 200
    assert AMOUNTS[RIVERBEND] in visitor.get(world.url(back[1])).text
    _, framed = world.frame(RedirectID="6")
    assert "switched off by" in framed.text


def test_a_destination_is_off_for_its_own_biller_only_and_leaves_the_navigation_there(world: World) -> None:
    switch(world, 6, off=True)
    visitor, url = world.full_page()
    assert not [link for link in visitor.get(url).links() if link.endswith("/pay")]
    there, there_url = world.full_page(key="prairie")
    assert [link for link in there.get(there_url).links() if link.endswith("/pay")]


def test_a_destination_switched_off_in_mid_session_is_off_with_the_next_click_and_on_again_too(world: World) -> None:
    visitor, url = world.full_page(RedirectID="6")
    assert "switched off" not in visitor.get(url).text
    switch(world, 6, off=True)
    assert "switched off" in visitor.get(url).text
    switch(world, 6)
    assert "switched off" not in visitor.get(url).text


def test_a_renamed_destination_carries_its_name_as_text(world: World) -> None:
    switch(world, 1, title="Bills <b>& more</b>")
    visitor, url = world.full_page()
    page = visitor.get(url)
    assert "<h1>Bills &lt;b&gt;&amp; more&lt;/b&gt;</h1>" in page.text
    assert page.text.count("Bills &lt;b&gt;") >= 3
    there, there_url = world.full_page(key="prairie")
    assert "&amp; more" not in there.get(there_url).text


def test_with_every_destination_off_the_page_still_says_so_without_a_dead_link(world: World) -> None:
    for number in DESTINATIONS:
        switch(world, number, off=True)
    visitor, url = world.full_page()
    page = visitor.get(url)
    assert page.status == 200
    assert "switched off" in page.text
    assert page.links() == [link for link in page.links() if link.endswith("/bills")]


@pytest.mark.parametrize(("user", "role"), [("oren", "Oversight"), ("gail", "Guest")])
def test_who_has_no_full_access_gets_a_page_instead_of_manage_users(shared: World, user: str, role: str) -> None:
    visitor, url = shared.full_page(user, RedirectID="10")
    page = visitor.get(url)
    assert page.status == 200
    assert "This page is not open to you" in page.text
    assert "zoe@" not in page.text
    assert "Avery Vale" not in page.text
    assert not [link for link in page.links() if link.endswith("/users")]
    assert any(link.endswith("/bills") for link in page.links())


@pytest.mark.parametrize("user", ["oren", "gail"])
def test_who_has_no_full_access_sees_bills_and_pays_all_the_same(shared: World, user: str) -> None:
    for number in ("1", "6"):
        _, page = shared.frame(user, RedirectID=number)
        assert AMOUNTS[RIVERBEND] in page.text


def test_full_access_sees_who_else_is_on_the_account_and_nobody_of_another(shared: World) -> None:
    _, page = shared.frame(RedirectID="10")
    for name in ("Avery Vale", "Oren Vale", "Gail Vale"):
        assert name in page.text
    assert "Zoe Vale" not in page.text


def test_a_handle_of_somebody_elses_account_is_a_404(shared: World) -> None:
    _, zoes = shared.full_page("zoe")
    _, orens = shared.full_page("oren")
    visitor, own = shared.full_page()
    for url in (zoes, orens, re.sub(r"/a/[0-9a-f]{20}/", "/a/00000000000000000000/", own)):
        page = visitor.get(url)
        assert page.status == 404
        assert "Zoe" not in page.text
    for handle in ("none", "", "x", "A" * 20, "%00", "..", "é" * 20, "a" * 5000):
        assert visitor.get(own.replace(own.split("/")[-2], handle)).status == 404


def test_two_payers_of_one_account_have_different_handles_for_it(shared: World) -> None:
    _, own = shared.full_page()
    _, orens = shared.full_page("oren")
    assert own.split("/")[-2] != orens.split("/")[-2]


def test_an_unknown_page_is_a_404_and_a_method_that_is_not_offered_a_405(shared: World) -> None:
    visitor, _ = shared.full_page()
    for path in ("/b/riverbend/a/x/unknown", "/b/riverbend/sso", "/favicon.ico", "/b/riverbend/a/"):
        assert visitor.get(shared.url(path)).status == 404, path
    answer = visitor.get(f"{shared.biller().base_url}/sign-out")
    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"
    assert shared.visitor(FULL).get(shared.url("/b/riverbend/a/x/unknown")).status == 404


def test_manage_accounts_at_one_biller_shows_no_account_of_the_other(shared: World) -> None:
    _, here = shared.frame(RedirectID="9")
    _, there = shared.frame(key="prairie", RedirectID="9")
    assert "prairie customer" not in here.text
    assert "riverbend customer" not in there.text
    assert shared.biller(PRAIRIE).dba in there.text
