"""Only the frame is reloaded in a browser without cookies: nothing is in hand, and the partner's page is still asked to go on."""

from __future__ import annotations

from playwright.sync_api import Frame

from tests.browser.stage import PAY, Stage, Window, until

_RELOADED = "performance.getEntriesByType('navigation')[0].type === 'reload'"


def _reloaded(window: Window, stage: Stage, *, relaunch: str = "") -> Frame:
    """A frame that was turned to another page and then reloaded by itself."""
    window.page.goto(stage.frame_page(("hub", stage.authenticate()), relaunch=relaunch))
    frame = window.frame("hub", ".due")
    frame.click(PAY)
    frame.wait_for_selector("h1:has-text('Make a payment')")
    frame.evaluate("location.reload()")
    until(frame, _RELOADED)
    frame.wait_for_selector('h1:has-text("You\'re not signed in")')
    return frame


def test_continue_asks_the_partners_page_for_a_new_hand_off(cookieless: Window, stage: Stage) -> None:
    again = stage.partner.show("/again", "<h1>Once more</h1>")
    frame = _reloaded(cookieless, stage, relaunch=again)
    assert "$84.17" not in frame.content()
    cookieless.shoot("reloaded without cookies")
    frame.click("[data-relaunch]")
    cookieless.page.wait_for_url(again)


def test_the_page_is_as_high_as_what_it_says(cookieless: Window, stage: Stage) -> None:
    frame = _reloaded(cookieless, stage)
    height = frame.evaluate("Math.ceil(document.documentElement.getBoundingClientRect().height)")
    cookieless.page.wait_for_function("height => document.querySelector('iframe').style.height === height + 'px'", arg=height)


def test_where_no_page_of_the_partner_listens_the_way_back_is_its_site(cookieless: Window, stage: Stage) -> None:
    frame = _reloaded(cookieless, stage)
    frame.click("[data-relaunch]")
    frame.wait_for_selector("[data-again]:visible")
    way = frame.locator(".actions a:visible")
    assert str(way.get_attribute("href")).startswith(stage.demo.partner_origin)


def test_a_strangers_page_around_that_address_is_asked_nothing(cookieless: Window, stage: Stage) -> None:
    address = _reloaded(cookieless, stage).url
    listener = "<script>heard=[];addEventListener('message',e=>heard.push(e.data))</script>"
    cookieless.page.goto(stage.partner.show("/around", f'{listener}<iframe name=hub src="{address}"></iframe>', host="stranger"))
    frame = cookieless.frame()
    frame.evaluate("location.reload()")
    until(frame, _RELOADED)
    frame.wait_for_selector("h1")
    assert not frame.locator("[data-relaunch]").is_visible()
    assert frame.get_attribute("body", "data-parents") == ""
    assert cookieless.page.evaluate("heard") == []
