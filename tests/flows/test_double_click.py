"""A double click on a hand-off that is good once: a fresh session for the same browser, a replay for anybody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from hub.wiring import wire
from hub.wsgi import application
from tests.flows.partner import PartnerProgram
from tests.flows.test_links import follow
from tests.flows.visitor import FRAME, FULL, Answer, Visitor
from tests.flows.world import ACTOR, AMOUNTS, HARBORLIGHT, PRAIRIE, RIVERBEND, World

CHROME = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"}
SAFARI = {"User-Agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5"}
HOME, ELSEWHERE = "203.0.113.7", "198.51.100.23"


@dataclass(frozen=True, slots=True)
class HandOff:
    """A single-use hand-off into a page or a frame, and how a browser presents it."""

    world: World
    token: str
    dest: str

    def present(self, visitor: Visitor, agent: Mapping[str, str] = CHROME) -> Answer:
        form = self.world.form(self.token, ViewMode="1" if self.dest == FRAME else "0")
        return visitor.post(f"{self.world.biller().base_url}/sso/connect", form, origin=HARBORLIGHT, headers=agent)

    def browser(self, address: str = HOME) -> Visitor:
        """A browser that holds nothing: the first answer was thrown away, or it is another one."""
        return Visitor(self.world.app, self.dest, address)

    def shows(self, visitor: Visitor, answer: Answer) -> bool:
        """Whether the page behind an answer shows avery's bill."""
        page = answer if self.dest == FRAME else visitor.get(self.world.url(answer.location))
        return answer.status in {200, 303} and AMOUNTS[RIVERBEND] in page.text

    def goes_on(self, visitor: Visitor, answer: Answer) -> int:
        """The status of the next page."""
        if self.dest == FRAME:
            return self.world.press(visitor, answer, answer.own_path).status
        return visitor.get(self.world.url(answer.location)).status


@pytest.fixture(params=[FULL, FRAME])
def hand_off(world: World, request: pytest.FixtureRequest) -> HandOff:
    return HandOff(world, world.token(key="single"), request.param)


def test_a_second_click_of_a_browser_that_threw_the_first_answer_away_sees_the_page(hand_off: HandOff) -> None:
    first, second = hand_off.browser(), hand_off.browser()
    thrown = hand_off.present(first)
    hand_off.world.later(seconds=4)
    answer = hand_off.present(second)
    assert hand_off.shows(second, answer)
    assert hand_off.goes_on(second, answer) == 200
    assert hand_off.goes_on(first, thrown) == 401, "of one hand-off there is one session"


def test_a_third_click_does_what_the_second_did(hand_off: HandOff) -> None:
    clicks = [(browser, hand_off.present(browser)) for browser in (hand_off.browser() for _ in range(4))]
    assert [hand_off.goes_on(*click) for click in clicks] == [401, 401, 401, 200]


def test_the_nonce_of_the_first_answer_is_proof_from_another_address_too(hand_off: HandOff) -> None:
    browser = hand_off.browser()
    hand_off.present(browser)
    moved = Visitor(browser.app, browser.dest, ELSEWHERE, browser.jars)
    answer = hand_off.present(moved, SAFARI)
    assert hand_off.shows(moved, answer)


@pytest.mark.parametrize(
    ("address", "agent"),
    [
        (ELSEWHERE, CHROME),
        (HOME, SAFARI),
        (ELSEWHERE, SAFARI),
        (HOME, {"User-Agent": ""}),
        (HOME, {"User-Agent": CHROME["User-Agent"] + "x"}),
    ],
)
def test_another_address_or_another_browser_is_a_replay_and_ends_the_first(
    hand_off: HandOff, address: str, agent: dict[str, str]
) -> None:
    first, stranger = hand_off.browser(), hand_off.browser(address)
    opened = hand_off.present(first)
    refused = hand_off.present(stranger, agent)
    assert hand_off.world.refusal(refused).code == "TokenSpent"
    assert refused.cookies == {}
    assert hand_off.goes_on(first, opened) == 401


def test_after_five_seconds_the_very_same_browser_is_a_replay(hand_off: HandOff) -> None:
    browser = hand_off.browser()
    opened = hand_off.present(browser)
    hand_off.world.later(seconds=5)
    assert hand_off.world.refusal(hand_off.present(browser)).code == "TokenSpent"
    assert hand_off.goes_on(browser, opened) == 401


def test_clicking_again_and_again_does_not_move_the_end_of_the_five_seconds(hand_off: HandOff) -> None:
    for _ in range(4):
        hand_off.present(hand_off.browser())
        hand_off.world.later(seconds=1.2)
    last = hand_off.browser()
    hand_off.world.later(seconds=1)
    assert hand_off.world.refusal(hand_off.present(last)).code == "TokenSpent"


def test_two_browsers_that_say_nothing_of_themselves_are_not_the_same(hand_off: HandOff) -> None:
    hand_off.present(hand_off.browser(), {"User-Agent": ""})
    refused = hand_off.present(hand_off.browser(), {"User-Agent": ""})
    assert hand_off.world.refusal(refused).code == "TokenSpent"


def test_a_second_get_is_a_double_click_with_the_nonce_only(world: World) -> None:
    for holds_nonce in (True, False):
        token, browser = world.token(key="single"), world.visitor()
        url = f"{world.biller().base_url}/sso/connect?RemoteAuthenticationToken={token}&ViewMode=0&RedirectID=1"
        assert browser.get(url, headers=CHROME).status == 303
        second = browser if holds_nonce else world.visitor()
        assert second.get(url, headers=CHROME).status == (303 if holds_nonce else 410)


def test_the_nonce_of_one_token_is_worth_nothing_for_another(world: World) -> None:
    visitor = world.visitor()
    one, other = world.token(key="single"), world.token(key="single")
    world.connect(visitor, one)
    nonce = visitor.jars[world.biller().host]["__Host-hub_1"]
    world.connect(world.visitor(), other)
    thief = Visitor(world.app, FULL, ELSEWHERE)
    thief.jars[world.biller().host] = {"__Host-hub_1": nonce}
    assert world.refusal(world.connect(thief, other)).code == "TokenSpent"


def test_a_forwarding_header_of_a_stranger_makes_nobody_the_same_browser(hand_off: HandOff) -> None:
    hand_off.present(hand_off.browser(HOME))
    thief = hand_off.browser(ELSEWHERE)
    refused = hand_off.present(thief, CHROME | {"X-Forwarded-For": HOME, "Forwarded": f"for={HOME}", "X-Real-IP": HOME})
    assert hand_off.world.refusal(refused).code == "TokenSpent"


def test_the_fresh_session_stands_up_to_all_rules(hand_off: HandOff) -> None:
    world = hand_off.world
    hand_off.present(hand_off.browser())
    world.hub.users.revoke(ACTOR, "r", RIVERBEND, world.user_id("avery"))
    refused = hand_off.present(hand_off.browser())
    assert (refused.status, world.refusal(refused).code) == (410, "TokenExpired")


def test_a_token_that_its_partner_revoked_after_the_first_click_opens_nothing_by_the_second(hand_off: HandOff) -> None:
    world = hand_off.world
    hand_off.present(hand_off.browser())
    body = {"RemoteAuthenticationToken": hand_off.token}
    assert PartnerProgram(world).ask("/remote-authentication/revoke", body).status_code == 204
    refused = hand_off.present(hand_off.browser())
    assert refused.status == 410
    assert refused.cookies == {}


def test_a_token_of_one_biller_is_no_double_click_at_another(hand_off: HandOff) -> None:
    world = hand_off.world
    first = hand_off.browser()
    opened = hand_off.present(first)
    elsewhere = hand_off.browser().post(
        f"{world.biller(PRAIRIE).base_url}/sso/connect", world.form(hand_off.token), origin=HARBORLIGHT, headers=CHROME
    )
    assert world.refusal(elsewhere, PRAIRIE).code in {"WrongBiller", "TokenSpent"}
    assert elsewhere.cookies == {}
    assert hand_off.goes_on(first, opened) == 401


def test_of_many_clicks_at_once_on_two_workers_one_session_is_left(hand_off: HandOff) -> None:
    world, clicks = hand_off.world, 6
    hub = wire(world.hub.settings, world.clock)
    another = application(hub)
    together = threading.Barrier(clicks)

    def click(number: int) -> tuple[Visitor, Answer]:
        browser = Visitor(world.app if number % 2 else another, hand_off.dest)
        together.wait(30)
        return browser, hand_off.present(browser)

    try:
        with ThreadPoolExecutor(clicks) as threads:
            answers = list(threads.map(click, range(clicks)))
        assert {answer.status for _, answer in answers} == {200 if hand_off.dest == FRAME else 303}
        assert sorted(hand_off.goes_on(*each) for each in answers) == [200, *[401] * (clicks - 1)]
    finally:
        hub.close()


# --- SSO links ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0, 1])
def test_a_link_that_is_followed_twice_within_five_seconds_shows_the_page_once(world: World, mode: int) -> None:
    url = PartnerProgram(world).link(ViewMode=mode)
    browsers = [Visitor(world.app, FRAME if mode else FULL) for _ in range(2)]
    answers = [follow(world, url, browser, headers=CHROME) for browser in browsers]
    assert [answer.status for answer in answers] == [200 if mode else 303] * 2
    statuses = [
        world.press(browser, answer, answer.own_path).status if mode else browser.get(world.url(answer.location)).status
        for browser, answer in zip(browsers, answers, strict=True)
    ]
    assert statuses == [401, 200]


@pytest.mark.parametrize("change", ["address", "browser", "time"])
def test_a_link_that_is_followed_again_by_somebody_else_or_later_is_a_replay(world: World, change: str) -> None:
    changes: dict[str, Callable[[], object]] = {"time": lambda: world.later(seconds=5)}
    url, first = PartnerProgram(world).link(), world.visitor()
    opened = follow(world, url, first, headers=CHROME)
    changes.get(change, lambda: None)()
    second = Visitor(world.app, FULL, ELSEWHERE if change == "address" else HOME)
    refused = follow(world, url, second, headers=SAFARI if change == "browser" else CHROME)
    assert (refused.status, world.refusal(refused).code) == (410, "TokenSpent")
    assert first.get(world.url(opened.location)).status == 401
