"""The hand-off into a frame in WebKit (Debian's WebKitGTK): it drops our Secure cookies over http, so frame tokens carry.

The browser is driven with WebDriver. Its driver and its X server are processes of the run, stopped and reaped like the others.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.remote_connection import RemoteConnection
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait
from selenium.webdriver.webkitgtk.options import Options

from tests.browser.moving import MovingStage, open_moving_stage
from tests.browser.stage import PAY
from tests.conftest import StartProcess
from tests.processes import free_port

RIVERBEND = "$84.17"
_PATIENCE = 30
"""Seconds until a wait gives up; every wait is for a condition."""


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovingStage]:
    with open_moving_stage(tmp_path_factory.mktemp("webkit")) as stage:
        yield stage


@pytest.fixture(scope="module")
def browser(
    webkit: tuple[Path, Path], start_module_process: StartProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebDriver]:
    """WebKit with a home of its own."""
    driver, screen = webkit
    home = tmp_path_factory.mktemp("home")
    numbers = home / "display"
    # The server picks a free display by itself and says which.
    shell = 'exec "$0" -displayfd 3 -screen 0 1280x1024x24 -nolisten tcp 3> "$1"'
    start_module_process("xvfb", ["/bin/sh", "-c", shell, str(screen), str(numbers)])
    display = _wait_for_display(numbers)
    environment = {
        "DISPLAY": f":{display}",
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "NO_AT_BRIDGE": "1",
        # Its sandbox needs namespaces that root in a container may not make.
        "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
    }
    port = free_port()
    command = [str(driver), f"--port={port}", "--host=127.0.0.1"]
    start_module_process("webkit", command, environment=environment, ready_url=f"http://127.0.0.1:{port}/status")
    connection = RemoteConnection(client_config=ClientConfig(f"http://127.0.0.1:{port}"))
    remote = webdriver.Remote(connection, options=Options())
    try:
        yield remote
    finally:
        remote.quit()


def _wait_for_display(numbers: Path) -> str:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if numbers.exists() and (number := numbers.read_text(encoding="ascii").strip()):
            return number
        time.sleep(0.02)
    raise AssertionError("the X server named no display")


def _text(browser: WebDriver, words: str, selector: str = "main") -> str:
    """What the page says, once these words are in it."""

    def look(driver: WebDriver) -> str:
        found = driver.find_element(By.CSS_SELECTOR, selector).text
        return found if words in found else ""

    waiting = WebDriverWait(browser, _PATIENCE, 0.05, ignored_exceptions=[WebDriverException])
    text: str = waiting.until(look, f"{words!r} did not come")
    return text


def _open(browser: WebDriver, moving: MovingStage, method: str) -> None:
    browser.get(moving.stage.frame_page(("hub", moving.stage.authenticate()), method=method))
    browser.switch_to.frame("hub")


def _click(browser: WebDriver, selector: str) -> None:
    browser.find_element(By.CSS_SELECTOR, selector).click()


def _address(browser: WebDriver) -> str:
    address: str = browser.execute_script("return location.href")
    return address


@pytest.mark.parametrize("method", ["post", "get"])
def test_a_hand_off_into_a_frame_holds_through_two_pages_and_back_with_no_token_in_an_address(
    browser: WebDriver, moving: MovingStage, method: str
) -> None:
    _open(browser, moving, method)
    assert RIVERBEND in _text(browser, "Recent bills")
    addresses = [_address(browser)]
    _click(browser, PAY)
    assert RIVERBEND in _text(browser, "Make a payment", "main h1") + _text(browser, "Amount due")
    addresses.append(_address(browser))
    _click(browser, ".account summary")
    _click(browser, ".account-choice")
    _text(browser, "1001-02", ".account summary")
    addresses.append(_address(browser))
    assert browser.find_elements(By.CSS_SELECTOR, "input[name=frame_token]"), "this browser carries by frame token"
    browser.execute_script("history.back()")
    _text(browser, "1001-01", ".account summary")
    assert _address(browser) == addresses[1]
    assert not [address for address in addresses if re.search("idh[tf]_", address)]
    browser.switch_to.default_content()
    told = browser.execute_script("return heard")
    assert {each["origin"] for each in told} == {moving.stage.origin()}
    assert [each["redirectId"] for each in told if each["type"] == "navigated"] == [1, 6, 6, 6]
    height = next(each["height"] for each in reversed(told) if each["type"] == "resize")
    frame = browser.find_element(By.NAME, "hub")
    assert frame.value_of_css_property("height") == f"{height}px", "the script for partners made the frame as high as its page"


def test_a_session_that_ran_out_shows_the_readable_page_and_continue_reaches_the_partners_page(
    browser: WebDriver, moving: MovingStage
) -> None:
    _open(browser, moving, "post")
    _text(browser, "Recent bills")
    moving.clock.advance(timedelta(minutes=16))
    _click(browser, PAY)
    assert RIVERBEND not in _text(browser, "You were away for a while")
    _click(browser, "[data-relaunch]")
    browser.switch_to.default_content()
    WebDriverWait(browser, _PATIENCE, 0.05).until(
        lambda driver: driver.execute_script("return heard.filter(each => each.type === 'relaunchNeeded').length === 1")
    )


def test_a_frame_left_alone_for_five_minutes_shows_it_too_where_nothing_renewed_its_token(
    browser: WebDriver, moving: MovingStage
) -> None:
    _open(browser, moving, "post")
    _text(browser, "Recent bills")
    moving.clock.advance(timedelta(minutes=5, seconds=1))
    _click(browser, PAY)
    _text(browser, "This page has expired")
