"""What requests say of the page that they come from: no token in any Referer, as the server sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.browser.moving import MovingStage, open_moving_stage
from tests.browser.stage import PAY, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

RIVERBEND = "$84.17"


@dataclass
class Recorder:
    """A "combined" log: every request that reached the hub, with its Referer."""

    seen: list[tuple[str, str]] = field(default_factory=list)

    def around(self, application: WSGIApplication) -> WSGIApplication:
        def recording(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            self.seen.append((str(environ["PATH_INFO"]), str(environ.get("HTTP_REFERER", ""))))
            return application(environ, start_response)

        return recording

    def referrers(self) -> set[str]:
        return {referrer for _, referrer in self.seen if referrer}


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[MovingStage]:
    with open_moving_stage(tmp_path_factory.mktemp("referer"), around=recorder.around) as stage:
        yield stage


@pytest.fixture(autouse=True)
def _from_here(recorder: Recorder) -> None:
    recorder.seen.clear()


def by_get(moving: MovingStage, user: str = "avery", mode: str = "1", **params: str) -> tuple[str, str]:
    """The address of a redirect by GET, and the token in it."""
    answer: dict[str, Any] = moving.stage.authenticate(user)
    token = answer["RemoteAuthenticationToken"]
    form = {"RemoteAuthenticationToken": token, "ViewMode": mode, "RedirectID": "1"} | params
    return f"{answer['ConnectUrl']}?{urlencode(form)}", token


def check(recorder: Recorder, *tokens: str) -> None:
    """No request told where it came from beyond what every log may hold."""
    assert recorder.seen
    for path, referrer in recorder.seen:
        assert "?" not in referrer, path
        assert not [token for token in tokens if token in referrer], path


def test_a_frame_that_was_reached_by_get_sends_its_token_in_no_referer(
    every: Window, moving: MovingStage, recorder: Recorder
) -> None:
    url, token = by_get(moving)
    every.page.goto(moving.stage.partner.show("/frame", f'<iframe name="hub" width=900 height=600 src="{url}"></iframe>'))
    frame = every.frame("hub", ".due")
    assert "?" not in frame.url
    assert token not in frame.url
    frame.click(PAY)
    frame.wait_for_selector("h1:has-text('Make a payment')")
    check(recorder, token)
    assert any("/static/" in path for path, _ in recorder.seen), "the pages' own assets were asked for"
    assert every.faults == []


def test_a_question_in_a_frame_that_was_reached_by_get_sends_its_token_in_no_referer(
    window: Window, moving: MovingStage, recorder: Recorder
) -> None:
    first, _ = by_get(moving, "zoe")
    window.page.goto(moving.stage.partner.show("/frame", f'<iframe name="hub" width=900 height=600 src="{first}"></iframe>'))
    frame = window.frame("hub", ".due")
    frame.click(PAY)  # its cookie comes back
    frame.wait_for_selector("h1:has-text('Make a payment')")
    url, token = by_get(moving)
    window.page.goto(moving.stage.partner.show("/frame", f'<iframe name="hub" width=900 height=600 src="{url}"></iframe>'))
    frame = window.frame("hub", "button[value=yes]")
    assert frame.evaluate("location.search") == ""
    assert frame.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none", (
        "it has its look without any request"
    )
    window.shoot("question by get")
    frame.click("button[value=yes]")
    frame.wait_for_selector(".due")
    check(recorder, token)


@pytest.mark.parametrize("mode", ["0", "7"])
def test_a_full_page_and_a_refusal_by_get_send_their_token_in_no_referer(
    window: Window, moving: MovingStage, recorder: Recorder, mode: str
) -> None:
    url, token = by_get(moving, mode=mode)
    window.page.goto(moving.stage.partner.show("/link", f'<a href="{url}">Bills</a>'))
    window.page.click("a")
    window.page.wait_for_selector(".top-user, main[data-reference]")
    check(recorder, token)


def test_a_link_out_of_a_refused_page_tells_nobody_where_it_came_from(
    window: Window, moving: MovingStage, recorder: Recorder
) -> None:
    url, token = by_get(moving, mode="7")
    window.page.goto(moving.stage.partner.show("/link", f'<a href="{url}">Bills</a>'))
    window.page.click("a")
    window.page.click("a.button")
    window.page.wait_for_url(f"{moving.stage.demo.partner_origin}/")
    assert window.page.evaluate("document.referrer") == ""
    check(recorder, token)


def test_the_shared_address_passes_a_token_on_without_telling_it_in_a_referer(
    window: Window, moving: MovingStage, recorder: Recorder
) -> None:
    url, token = by_get(moving, mode="0")
    shared = url.replace("riverbend.", "", 1).replace("/b/riverbend", "", 1)
    window.page.goto(moving.stage.partner.show("/shared", f'<a href="{shared}">Bills</a>'))
    window.page.click("a")
    window.page.wait_for_selector(".top-user")
    check(recorder, token)
    assert {referrer for path, referrer in recorder.seen if path.endswith("/sso/connect")} == {f"{moving.stage.partner.origin()}/"}


def test_an_sso_link_sends_its_secret_in_no_referer(window: Window, moving: MovingStage, recorder: Recorder) -> None:
    body = {"UserName": "avery", "RedirectID": 1, "ViewMode": 0}
    url = moving.stage.clients["riverbend"].call("POST", "/sso-connect/links", body)["Url"]
    window.page.goto(moving.stage.partner.show("/link", f'<a href="{url}">Bills</a>'))
    window.page.click("a")
    window.page.wait_for_selector(".top-user")
    check(recorder, url.partition("#")[2])
