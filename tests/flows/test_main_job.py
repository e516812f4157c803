"""The main job: a partner's call, a hand-off, and the payer's bills, in a frame and on a full page."""

from __future__ import annotations

import re
from html import escape

import pytest

from admin.history import ChangeFilter
from idp.changelog import Action
from sso_connect.redirects import DESTINATIONS
from tests.flows.visitor import FRAME, FULL, SILENT
from tests.flows.world import AMOUNTS, BACK, BEGIN, HARBORLIGHT, HARBORLIGHT_AT_PRAIRIE, MANY_BILLS, PRAIRIE, RIVERBEND, World


@pytest.mark.parametrize(("key", "bid"), [("session", RIVERBEND), ("prairie", PRAIRIE)])
def test_a_post_into_a_frame_answers_the_bills_of_that_biller_and_no_other(shared: World, key: str, bid: int) -> None:
    _, page = shared.frame(key=key)
    assert AMOUNTS[bid] in page.text
    assert AMOUNTS[RIVERBEND + PRAIRIE - bid] not in page.text
    assert escape(shared.biller(bid).dba) in page.text
    assert f"{shared.biller(bid).slug} customer 1001-01" in page.text


@pytest.mark.parametrize(("key", "bid"), [("session", RIVERBEND), ("prairie", PRAIRIE)])
def test_a_post_from_a_full_page_answers_303_to_a_page_whose_address_holds_no_secret(shared: World, key: str, bid: int) -> None:
    token = shared.token(key=key)
    visitor = shared.visitor()
    moved = shared.connect(visitor, token, bid=bid, ReturnUrl="")
    assert moved.status == 303
    assert re.fullmatch(rf"/b/{shared.biller(bid).slug}/a/[0-9a-f]{{20}}/bills", moved.location)
    assert moved.headers["Referrer-Policy"] == "same-origin"
    assert moved.headers["Cache-Control"] == "no-store"
    page = visitor.get(shared.url(moved.location, bid))
    assert page.status == 200
    assert AMOUNTS[bid] in page.text
    assert token not in page.text


@pytest.mark.parametrize("dest", [FULL, SILENT])
def test_a_get_answers_a_redirect_away_from_the_token(shared: World, dest: str) -> None:
    token = shared.token()
    visitor = shared.visitor(dest)
    url = f"{shared.biller().base_url}/sso/connect?RemoteAuthenticationToken={token}&ViewMode=0&RedirectID=1"
    moved = visitor.get(url, headers={"Referer": f"{HARBORLIGHT}/"})
    assert moved.status == 303
    assert token not in moved.location
    assert moved.headers["Referrer-Policy"] == "no-referrer"
    assert AMOUNTS[RIVERBEND] in visitor.get(shared.url(moved.location)).text


def test_a_get_into_a_frame_answers_a_page_that_posts_itself_out_of_the_address_with_the_token(shared: World) -> None:
    token = shared.token()
    visitor = shared.visitor(FRAME)
    opened = visitor.get(f"{shared.biller().base_url}/sso/connect?RemoteAuthenticationToken={token}&ViewMode=1&RedirectID=1")
    assert opened.status == 200
    assert token not in opened.text
    assert AMOUNTS[RIVERBEND] not in opened.text
    assert opened.csp["frame-ancestors"] == HARBORLIGHT
    (path,) = opened.links()
    form = {"csrf_token": opened.csrf, "frame_token": opened.frame_token}
    page = shared.visitor(FRAME).post(shared.url(path), form, origin=shared.biller().origin)  # without any cookie
    assert AMOUNTS[RIVERBEND] in page.text


def test_view_mode_2_is_a_full_page_in_a_new_tab(shared: World) -> None:
    visitor = shared.visitor()
    moved = shared.connect(visitor, shared.token(), ViewMode="2")
    assert moved.status == 303
    page = visitor.get(shared.url(moved.location))
    assert 'data-mode="full"' in page.text


@pytest.mark.parametrize("number", sorted(DESTINATIONS))
def test_each_destination_opens_by_its_number_in_both_modes(shared: World, number: int) -> None:
    _, framed = shared.frame(RedirectID=str(number))
    assert f'data-redirect-id="{number}"' in framed.text
    visitor, url = shared.full_page(RedirectID=str(number))
    assert url.endswith(f"/{DESTINATIONS[number].slug}")
    page = visitor.get(url)
    assert page.status == 200
    assert page.text.count('aria-current="page"') >= 1


def test_every_page_leads_to_all_eleven_pages_and_each_answers(shared: World) -> None:
    visitor, url = shared.full_page()
    links = visitor.get(url).links()
    pages = {link.rsplit("/", 1)[1] for link in links}
    assert pages >= {each.slug for each in DESTINATIONS.values()}
    for link in links:
        assert visitor.get(shared.url(link)).status == 200


def test_every_page_answers_a_post_with_the_form_token_as_it_answers_a_get(shared: World) -> None:
    visitor, url = shared.full_page()
    shown = visitor.get(url)
    origin = shared.biller().origin
    for link in shown.links():
        assert visitor.post(shared.url(link), {"csrf_token": shown.csrf}, origin=origin).status == 200


def test_bills_come_a_dozen_at_a_time_newest_first(shared: World) -> None:
    visitor, url = shared.full_page()
    first = visitor.get(url)
    numbers = re.findall(rf"INV-{RIVERBEND}-(\d+)", first.text)
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == 12
    older = re.search(r'href="([^"]+\?cursor=[^"]+)"', first.text)
    assert older
    second = visitor.get(shared.url(older[1].replace("&amp;", "&")))
    rest = re.findall(rf"INV-{RIVERBEND}-(\d+)", second.text)
    assert len(set(rest)) == MANY_BILLS - 12
    assert not set(rest) & set(numbers)


def test_a_cursor_of_our_making_up_shows_bills_and_breaks_nothing(shared: World) -> None:
    visitor, url = shared.full_page()
    for cursor in ("x", "..%2f", "%00", "'%20OR%201=1", "A" * 3000, "9999-99-99"):
        page = visitor.get(f"{url}?cursor={cursor}")
        assert page.status == 200
        assert "Prairie" not in page.text


def test_the_account_asked_for_opens_and_the_switcher_leads_to_the_other_one(shared: World) -> None:
    visitor, page = shared.first_page(AccountNumber="1001-02")
    assert "riverbend customer 1001-02" in page.text
    assert "$20.50" in page.text
    other = re.search(r'<form class="go" method="post" action="([^"]+)">(?:(?!</form>).)*account-choice', page.text, re.DOTALL)
    assert other
    switched = shared.press(visitor, page, other[1])
    assert AMOUNTS[RIVERBEND] in switched.text


def test_two_tabs_show_two_accounts_because_the_session_holds_only_the_default(shared: World) -> None:
    visitor, first = shared.full_page()
    second = shared.url(shared.connect(visitor, shared.token(), AccountNumber="1001-02").location)
    assert first != second
    assert AMOUNTS[RIVERBEND] in visitor.get(first).text
    assert "$20.50" in visitor.get(second).text
    assert AMOUNTS[RIVERBEND] in visitor.get(first).text


def test_the_return_button_names_the_partners_site_or_else_the_biller(shared: World) -> None:
    _, named = shared.frame(ReturnUrl=BACK, CustomReturnSiteName="  Harborlight & Sons ")
    assert 'title="Sign out and Return to Harborlight &amp; Sons"' in named.text
    _, unnamed = shared.frame(ReturnUrl=BACK)
    assert 'title="Sign out and Return to Riverbend Water &amp; Light"' in unnamed.text


def test_a_frame_without_a_return_url_has_no_sign_out_button_and_a_full_page_has_one(shared: World) -> None:
    _, framed = shared.frame(CustomReturnSiteName="Harborlight")
    assert "/sign-out" not in framed.text
    visitor, url = shared.full_page()
    page = visitor.get(url)
    assert "/sign-out" in page.text
    assert "Return to" not in page.text


def test_money_pages_name_the_user(shared: World) -> None:
    for number in ("1", "5", "6"):
        _, page = shared.frame(RedirectID=number)
        assert "Avery Vale" in page.text


def test_a_framed_page_names_the_partners_origins_and_how_long_it_lives(shared: World) -> None:
    _, page = shared.frame()
    assert f'data-parents="{HARBORLIGHT}"' in page.text
    assert 'data-expires-in="900"' in page.text
    _, other = shared.frame(key="prairie")
    assert f'data-parents="{HARBORLIGHT_AT_PRAIRIE}"' in other.text
    visitor, url = shared.full_page()
    assert 'data-parents=""' in visitor.get(url).text


def test_the_hand_off_is_in_the_change_log_with_key_user_and_request(world: World) -> None:
    visitor = world.visitor()
    moved = world.connect(visitor, world.token())
    with world.hub.database.read() as stores:
        rows = [entry.row for entry in stores.change_history.list_changes(ChangeFilter(RIVERBEND), 10)]
    opened = next(row for row in rows if row.action == Action.SESSION_OPEN)
    assert opened.user_id == world.user_id("avery")
    assert opened.actor_id == str(world.key_id("session"))
    assert opened.request_id == moved.headers["X-Request-Id"]
    assert opened.at == BEGIN
