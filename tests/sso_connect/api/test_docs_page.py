"""The pages about the API: every operation whole, in the portal's look, offline, readable without script, linked together."""

from __future__ import annotations

import html
import json
import re
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from playwright.sync_api import sync_playwright

from sso_connect.api.aliases import OLD_NAMES
from sso_connect.api.docs import PUBLIC_PATHS
from sso_connect.api.fields import FieldRow, field_rows
from sso_connect.api.guide import DOCUMENTS, read_guide, render_guide
from sso_connect.api.openapi import openapi_document
from sso_connect.api.operations import OPERATIONS, PREFIX, Operation
from sso_connect.api.tries import TRIES
from tests.sso_connect.api.world import ORIGIN, World, code_of

PAGES = ("/docs", "/guide", "/guide/reference", "/guide/flows", "/problems", "/problems/UserNotFound", "/warnings")
HTML = {"Accept": "text/html"}


class Parts(HTMLParser):
    """The article of each operation, as text, and every link and id of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.articles: dict[str, str] = {}
        self.links: list[str] = []
        self.ids: list[str] = []
        self._now = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "article":
            self._now = given["aria-labelledby"] or ""
            self.articles[self._now] = ""
        self.links += [given["href"] or ""] if tag == "a" else []
        self.ids += [given["id"] or ""] if "id" in given else []

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self._now = ""

    def handle_data(self, data: str) -> None:
        if self._now:
            self.articles[self._now] += data


def read(text: str) -> Parts:
    parts = Parts()
    parts.feed(text)
    return parts


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document(ORIGIN)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_is_told_whole(world: World, document: dict[str, Any], operation: Operation) -> None:
    told = read(world.get("/docs", None).text).articles[operation.name]
    schemas = document["components"]["schemas"]
    for words in (
        operation.summary,
        operation.method,
        operation.path,
        operation.scope.value if operation.scope else "any live key",
    ):
        assert words in told
    for old, name in OLD_NAMES.items():
        assert name != operation.name or old in told
    rows: list[FieldRow] = []
    if operation.request is not None:
        schema = schemas[operation.request.__name__]
        rows += field_rows(schema, schemas)
        assert json.dumps(schema["example"], indent=2, ensure_ascii=False) in told
    if operation.answer is not None:
        schema = schemas[operation.answer.__name__]
        rows += field_rows(schema, schemas)
        assert json.dumps(schema["example"], indent=2, ensure_ascii=False) in told
    for row in rows:
        for words in (row.name, row.type, row.limits, row.description.replace("`", "")):
            assert words in told, row
    for parameter in document["paths"][operation.path][operation.method.lower()].get("parameters", ()):
        assert parameter["name"] in told
    for reason in operation.all_refusals:
        assert f"{reason.http} {reason.code}" in " ".join(told.split())
    assert TRIES[operation.name] in told


def test_the_contents_list_names_every_operation_and_leads_to_it(world: World) -> None:
    page = read(world.get("/docs", None).text)
    assert set(page.articles) == {operation.name for operation in OPERATIONS}
    for operation in OPERATIONS:
        assert f"#{operation.name}" in page.links
        assert operation.name in page.ids
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("path", PAGES)
def test_every_link_leads_somewhere(world: World, path: str) -> None:
    page = read(world.get(path, None, **HTML).text)
    for link in sorted(set(page.links)):
        target, _, section = link.partition("#")
        if target.startswith(("http://", "https://")):
            continue
        assert not target or target.startswith(f"{PREFIX}/"), link
        answer = world.get(target.removeprefix(PREFIX) if target else path, None, **HTML)
        assert answer.status_code == 200, link
        assert not section or section in read(answer.text).ids, link


@pytest.mark.parametrize("path", PAGES)
def test_a_page_names_only_files_of_our_own_and_no_inline_code(world: World, path: str) -> None:
    answer = world.get(path, None, **HTML)
    text = answer.text
    assert answer.headers["X-Frame-Options"] == "DENY"
    csp = answer.headers["Content-Security-Policy"]
    (nonce,) = re.findall(r"script-src 'nonce-([^']+)'", csp)
    assert "data:" not in csp
    assert "unsafe" not in csp
    assert "<style" not in text
    own = re.sub(r"<pre.*?</pre>", "", text, flags=re.DOTALL)  # without what partners are shown to write
    assert " style=" not in own
    assert not re.search(r"\son[a-z]+=", own)
    for script in re.findall(r"<script[^>]*>", text):
        assert f'nonce="{nonce}"' in script
        assert "src=" in script
    for url in re.findall(r'(?:src|<link[^>]*href)="([^"]*)"', text):
        assert url.startswith(f"{PREFIX}/docs/assets/"), url
        file = world.get(url.removeprefix(PREFIX), None)
        assert file.status_code == 200
        assert "immutable" in file.headers["Cache-Control"]


def test_the_pages_wear_the_look_of_the_portal(world: World) -> None:
    text = world.get("/docs", None).text
    assert re.search(r'href="[^"]+/hub\.css"', text)
    assert "swagger" not in text.lower()
    for path in ("/docs/assets/000000000000/docs.js", "/docs/assets/x/../routes.py"):
        assert world.client.get(f"{PREFIX}{path}", base_url=ORIGIN).status_code == 404


def test_a_problem_names_the_operations_that_answer_it(world: World) -> None:
    page = read(world.get("/problems/PartnerUserIdTaken", None, **HTML).text)
    named = {link.partition("#")[2] for link in page.links if link.startswith(f"{PREFIX}/docs#")}
    assert named == {"RegisterAccounts", "LinkAccounts"}


# --- the guide ---------------------------------------------------------------------------------------------------------------


def test_the_partners_documents_are_read_on_the_running_hub_with_its_own_address(world: World) -> None:
    page = world.get("/guide", None).text
    assert "<h1>Partner guide</h1>" in page
    assert html.escape(f"API={ORIGIN}{PREFIX}") in page
    assert "api.hub.localhost:8080" not in page
    for name in DOCUMENTS:
        assert world.get(f"/guide/{name}" if name else "/guide", None).status_code == 200
    for wrong in ("operations", "partner-guide.md", "..", "%2e%2e", "problems"):
        assert code_of(world.get(f"/guide/{wrong}", None))[0] == 404


def test_addresses_of_the_demo_become_those_of_the_demo_that_shows_them() -> None:
    page = read_guide("", "http://api.hub.localhost:9080")
    assert page is not None
    assert "riverbend.hub.localhost:9080" in page.body
    assert "hub.localhost:8080" not in page.body


def test_no_markdown_becomes_more_than_text() -> None:
    page = render_guide(
        "# Title\n\n<script>alert(1)</script> <b>x</b>\n\n[a](javascript:alert(1)) [b](operations.md) [c](partner-flows.md#x)\n\n"
        "```sh\necho '<b>'\n```\n\n<!-- made: x -->\n| a |\n|---|\n| <i>y</i> |\n<!-- /made -->\n"
    )
    assert page.title == "Title"
    for raw in ("<script>", "<b>", "<i>", 'javascript:alert(1)"', "made: x"):
        assert raw not in page.body
    assert "echo &#x27;&lt;b&gt;&#x27;" in page.body
    assert 'href="/api/v1/guide/flows#x"' in page.body
    assert "operations.md" not in page.body


# --- in a browser --------------------------------------------------------------------------------------------------------------


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def served(world: World) -> Iterator[str]:
    """The API on a loopback port."""
    with make_server("127.0.0.1", 0, world.app, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_page_works_in_chromium_without_a_single_error_and_is_whole_without_script(chromium: Path, served: str) -> None:
    told: list[str] = []
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        try:
            for script in (True, False):
                context = browser.new_context(java_script_enabled=script)
                page = context.new_page()
                page.on("console", lambda message: told.append(message.text) if message.type in {"error", "warning"} else None)
                page.on("pageerror", lambda fault: told.append(str(fault)))
                page.on("request", lambda request: asked.append(request.url))
                page.goto(f"{served}{PREFIX}/docs#RegisterAccounts")
                assert page.locator("article").count() == len(OPERATIONS)
                page.locator("#RegisterAccounts + .place").wait_for(state="visible")
                assert page.locator("article:has(#RegisterAccounts) >> text=EmailVerified").first.is_visible()
                page.locator("article:has(#RegisterAccounts) summary >> nth=0").click()
                assert page.locator("article:has(#RegisterAccounts) details .fields").first.is_visible()
                context.close()
        finally:
            browser.close()
    assert told == []
    assert all(url.startswith(served) for url in asked)


def test_every_page_about_the_api_stands_in_the_public_list() -> None:
    assert {f"/{page.split('/')[1]}" for page in PAGES} <= {f"/{path.split('/')[1]}" for path in PUBLIC_PATHS}
