"""The script for partners, on a partner's page: whom it believes, what it does, and what the page's own functions may do."""

from __future__ import annotations

import pytest

from tests.browser.stage import Stage, Window

_HEIGHT = "document.querySelector('iframe').style.height"
_SAY = """([origin, own, message]) => {
    const source = own ? document.querySelector('iframe').contentWindow : window;
    window.dispatchEvent(new MessageEvent('message', {origin, source, data: message}));
}"""


def _say(window: Window, origin: str, message: object, *, own: bool = True) -> None:
    """As if a message had come from `origin`, from the window of the page's iFrame (`own`) or from another one."""
    window.page.evaluate(_SAY, [origin, own, message])


def test_the_frame_is_as_high_as_its_page_says_on_every_page(either: Window, stage: Stage) -> None:
    either.page.goto(stage.frame_page(("hub", stage.authenticate())))
    frame = either.frame("hub", ".due")
    heights = []
    for selector, title in ((".due-action :is(a, button)", "Make a payment"), ("text=See your recent bills", "Recent bills")):
        frame.click(selector)
        frame.wait_for_selector(f"h1:has-text('{title}')")
        either.page.wait_for_function(
            """() => {
                const sizes = heard.filter(each => each.type === 'resize'), pages = heard.filter(each => each.type === 'navigated');
                return pages.length > 1 && document.querySelector('iframe').style.height === sizes.at(-1).height + 'px';
            }"""
        )
        assert frame.evaluate("document.documentElement.scrollHeight - document.documentElement.clientHeight") <= 1, "no inner bar"
        heights.append(either.page.evaluate(_HEIGHT))
    assert len(set(heights)) == 2
    assert either.faults == []


def test_only_the_billers_origin_and_the_window_of_a_frame_of_the_page_are_believed(window: Window, stage: Stage) -> None:
    window.page.goto(stage.frame_page(("hub", stage.authenticate()), relaunch=stage.partner.show("/again", "<h1>Again</h1>")))
    window.frame("hub", ".due")
    address = window.page.url
    _say(window, stage.origin(), {"hub": 1, "type": "resize", "height": 333})
    assert window.page.evaluate(_HEIGHT) == "333px"
    for origin, own in (
        (stage.origin("prairie"), True),
        (stage.partner.origin("evil"), True),
        (stage.partner.origin(), True),
        ("null", True),
        (stage.origin() + ".evil.example", True),
        (stage.origin(), False),
    ):
        for message in ({"hub": 1, "type": "resize", "height": 444}, {"hub": 1, "type": "relaunchNeeded"}):
            _say(window, origin, message, own=own)
    for height in (0, -5, 1e9, "444px;position:fixed", None):
        _say(window, stage.origin(), {"hub": 1, "type": "resize", "height": height})
    for other in (None, "relaunchNeeded", {"type": "relaunchNeeded"}, {"hub": 2, "type": "relaunchNeeded"}, {"hub": 1, "type": 7}):
        _say(window, stage.origin(), other)
    assert window.page.evaluate(_HEIGHT) == "333px"
    assert window.page.url == address
    assert window.faults == []
    _say(window, stage.origin(), {"hub": 1, "type": "relaunchNeeded"})
    window.page.wait_for_url("**/again")


@pytest.mark.parametrize("place", ["javascript:document.title='run'", "data:text/html,run"])
def test_a_relaunch_address_that_is_no_web_address_is_not_followed(window: Window, stage: Stage, place: str) -> None:
    window.page.goto(stage.frame_page(("hub", stage.authenticate()), relaunch=place))
    window.frame("hub", ".due")
    address = window.page.url
    _say(window, stage.origin(), {"hub": 1, "type": "relaunchNeeded"})
    assert (window.page.url, window.page.title()) == (address, "Partner")


def test_the_pages_own_function_hears_each_message_and_may_act_instead(window: Window, stage: Stage) -> None:
    script = (
        "told = []; for (const type of ['ready', 'navigated', 'resize', 'relaunchNeeded']) "
        "addEventListener('hub:' + type, e => { told.push([e.target.name, e.detail.type]); e.preventDefault() })"
    )
    window.page.goto(stage.frame_page(("hub", stage.authenticate()), relaunch="/again", script=script))
    window.frame("hub", ".due")
    window.heard("resize")
    _say(window, stage.origin(), {"hub": 1, "type": "relaunchNeeded"})
    told = window.page.evaluate("told")
    assert [kind for _, kind in told][:3] == ["ready", "navigated", "resize"]
    assert told[-1] == ["hub", "relaunchNeeded"]
    assert {name for name, _ in told} == {"hub"}
    assert window.page.evaluate(_HEIGHT) == ""
    assert window.page.url.endswith("/frame-1")
