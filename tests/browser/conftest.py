"""The hub, the partner's site and the browsers of these tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Playwright, sync_playwright

from examples.partner_client import PartnerClient
from hub.cli.demo_site import DemoSite
from tests.browser.stage import PartnerSite, Stage, Window, open_chromium
from tests.processes import Run, free_port


@pytest.fixture(scope="session")
def stage(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A hub process with the demo's data, and a partner's site beside it. One for this worker's browser tests."""
    site = PartnerSite(free_port())
    demo = DemoSite(tmp_path_factory.mktemp("stage"), free_port(), site.port, free_port())
    prepared = demo.prepare()
    # Everything that it has to say: what must not stand in a log stands in none of its levels.
    environment = demo.environment() | {"IDHUB_LOG_LEVEL": "debug"}
    hub = run.start("hub", [sys.executable, "-m", "hub.cli", "serve"], environment=environment, shown=False)
    site.start()
    clients = {slug: PartnerClient(demo.api, secret) for slug, secret in prepared.secrets.items()}
    try:
        hub.wait_ready(f"http://127.0.0.1:{demo.port}/readyz")
        yield Stage(demo, prepared, site, clients, hub.output)
    finally:
        for client in clients.values():
            client.close()
        site.stop()
        hub.stop()
        run.processes.remove(hub)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Playwright's driver. Of the module, because a thread has one at a time."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def allowing(playwright: Playwright, chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser that allows third-party cookies."""
    with open_chromium(playwright, chromium, tmp_path_factory.mktemp("profile"), "allowed") as context:
        yield context


@pytest.fixture(scope="module")
def blocking(playwright: Playwright, chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser that blocks third-party cookies."""
    with open_chromium(playwright, chromium, tmp_path_factory.mktemp("profile"), "blocked") as context:
        yield context


@pytest.fixture(scope="module")
def refusing(playwright: Playwright, chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser that keeps no cookies at all."""
    with open_chromium(playwright, chromium, tmp_path_factory.mktemp("profile"), "off") as context:
        yield context


def _window(context: BrowserContext) -> Iterator[Window]:
    context.clear_cookies()
    window = Window.open(context)
    yield window
    for page in context.pages[1:]:
        page.close()


@pytest.fixture
def window(blocking: BrowserContext, chromium: Path) -> Iterator[Window]:
    """A fresh tab of the browser that blocks third-party cookies, which is the harder case."""
    yield from _window(blocking)


@pytest.fixture(params=["allowed", "blocked"])
def either(request: pytest.FixtureRequest, allowing: BrowserContext, blocking: BrowserContext, chromium: Path) -> Iterator[Window]:
    """A fresh tab, once in each kind of browser."""
    yield from _window(allowing if request.param == "allowed" else blocking)


@pytest.fixture
def cookieless(refusing: BrowserContext, chromium: Path) -> Iterator[Window]:
    """A fresh tab of the browser that keeps no cookies at all."""
    yield from _window(refusing)


@pytest.fixture(params=["allowed", "blocked", "off"])
def every(
    request: pytest.FixtureRequest,
    allowing: BrowserContext,
    blocking: BrowserContext,
    refusing: BrowserContext,
    chromium: Path,
) -> Iterator[Window]:
    """A fresh tab, once in each kind of browser."""
    yield from _window({"allowed": allowing, "blocked": blocking, "off": refusing}[request.param])
