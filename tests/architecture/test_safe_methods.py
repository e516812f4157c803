"""HEAD, OPTIONS and methods that nobody knows: on every route of every site they spend, open, prolong and store nothing.

The walk is made from the URL maps, with a signed-in browser, a live token and a live key, so a new GET route is in it by itself.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest
from flask import Flask

from hub.server.health import Readiness
from hub.wsgi import api_site, health_site, portal_site, probes
from tests.architecture.test_routes import FILLED, Route, routes_of
from tests.flows.partner import PartnerProgram
from tests.flows.visitor import FRAME, FULL, SILENT, Answer, Visitor
from tests.flows.world import AMOUNTS, DOMAIN, HARBORLIGHT, RIVERBEND, Prepared, World, open_world, prepare

METHODS = ("HEAD", "OPTIONS", "TRACE", "BREW", "head", "PRI")
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def world(prepared: Prepared, folder: Path) -> Iterator[World]:
    with open_world(prepared, folder) as made:
        yield made


def stored(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of both stores, the stamps aside: these are versions of caches, made on first sight."""
    rows: dict[str, list[tuple[object, ...]]] = {}
    for name in ("hub.sqlite3", "keyvalue.sqlite3"):
        with closing(sqlite3.connect(folder / name)) as connection:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                found = connection.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608  (names from the file itself)
                rows[f"{name} {table}"] = sorted(row for row in found if not str(row[0]).startswith(("s:", "c:write-probe")))
    return rows


def sites(world: World) -> dict[str, Flask]:
    return {"portal": portal_site(world.hub), "api": api_site(world.hub), "health": health_site(Readiness(probes(world.hub)))}


def routes(world: World) -> list[Route]:
    return [route for site, app in sites(world).items() for route in routes_of(site, app)]


def address(world: World, route: Route, page: str, token: str) -> str:
    """A route as it would be asked for by somebody who may: with the handle of a real account and a live token."""
    path = route.path.replace(FILLED["handle"], page.split("/")[-2])
    query = urlencode(world.form(token, AccountNumber="1001-01", Code="x"))
    host = {"api": f"api.{DOMAIN}"}.get(route.site, DOMAIN if route.rule == "/sso/connect" else world.biller().host)
    return f"https://{host}{path}?{query}"


def ask_everything(world: World, method: str, key: str, dest: str) -> list[tuple[Route, Answer]]:
    """The method at every route of every site, by somebody who is signed in and holds everything."""
    token = world.token(key=key)
    if dest == FRAME:
        visitor, page = world.frame()
        own = page.own_path
    else:
        visitor, url = world.full_page()
        own = url
        visitor.dest = dest
    headers = {"X-Api-Key": world.secret("session"), "Referer": f"{HARBORLIGHT}/"}
    known = routes(world)
    visitor.ask("GET", world.url("/readyz"))  # makes the installation's data key, once
    before = stored(Path(str(world.hub.settings.database_url).removeprefix("sqlite:///")).parent)
    answers = [(route, visitor.ask(method, address(world, route, own, token), headers=headers)) for route in known]
    after = stored(Path(str(world.hub.settings.database_url).removeprefix("sqlite:///")).parent)
    changed = [name for name in after if after[name] != before.get(name)]
    assert changed == [], f"{method} wrote into {changed}"
    by_post = world.connect(world.visitor(), token)
    assert by_post.status == 303, "the token is as good as before"
    return answers


@pytest.mark.parametrize("dest", [FULL, FRAME, SILENT])
@pytest.mark.parametrize("key", ["session", "single"])
@pytest.mark.parametrize("method", METHODS)
def test_no_method_but_get_and_post_writes_anything_or_sets_a_cookie_anywhere(
    world: World, method: str, key: str, dest: str
) -> None:
    for route, answer in ask_everything(world, method, key, dest):
        assert answer.cookies == {}, (method, route)
        assert answer.status < 500, (method, route)
        if method == "HEAD":
            assert answer.text == "", route
            assert answer.status in {200, 404, 405}, route
        elif method not in {"OPTIONS", "head"}:
            assert answer.status in {404, 405}, (method, route)


def test_head_says_the_same_of_every_token_session_and_account(world: World) -> None:
    visitor, url = world.full_page()
    base = f"{world.biller().base_url}/sso/connect?ViewMode=0&RedirectID=1&RemoteAuthenticationToken="
    spent = world.token(key="single")
    world.connect(world.visitor(), spent)
    for addresses in (
        [base + token for token in (world.token(), world.token(key="single"), spent, "idht_" + "A" * 43, "")],
        [url, url.replace("/bills", "/profile"), world.url("/b/riverbend/a/none/bills")],
    ):
        for asker in (visitor, world.visitor(), world.visitor(FRAME)):
            answers = [asker.ask("HEAD", each) for each in addresses]
            assert {answer.status for answer in answers} == {200}
            assert len({str(sorted(name for name, _ in answer.headers)) for answer in answers}) == 1
            assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}


def test_head_does_not_keep_a_session_alive(world: World) -> None:
    visitor, url = world.full_page()
    world.later(minutes=10)
    assert visitor.ask("HEAD", url).status == 200
    world.later(minutes=5, seconds=1)
    assert visitor.get(url).status == 401


def test_head_of_a_file_answers_as_get_does_without_its_content(world: World) -> None:
    visitor, url = world.full_page()
    (script,) = set(re.findall(r'src="(/static/[^"]+hub\.js)"', visitor.get(url).text))
    for path in (script, "/b/riverbend/sso/partner.js"):
        got, asked = visitor.get(world.url(path)), visitor.ask("HEAD", world.url(path))
        assert (asked.status, asked.text) == (200, "")
        assert asked.headers["Content-Length"] == got.headers["Content-Length"] == str(len(got.text.encode()))
        assert asked.headers["Content-Type"] == got.headers["Content-Type"]
    for probe in ("/healthz", "/readyz"):
        assert visitor.ask("HEAD", world.url(probe)).status == 200


def test_the_api_refuses_head_of_an_operation_and_names_what_is_allowed(world: World) -> None:
    visitor = world.visitor(SILENT)
    for headers in ({}, {"X-Api-Key": world.secret("session")}):
        refused = visitor.ask("HEAD", f"https://api.{DOMAIN}/api/v1/ping", headers=headers)
        assert (refused.status, refused.headers["Allow"], refused.text) == (405, "GET", "")
    assert visitor.ask("HEAD", f"https://api.{DOMAIN}/api/v1/openapi.json").status == 200


@pytest.mark.parametrize("header", OVERRIDES)
def test_no_header_or_parameter_turns_one_method_into_another(world: World, header: str) -> None:
    visitor, url = world.full_page()
    biller = world.biller()
    page = visitor.get(url)
    for method in ("GET", "HEAD"):
        asked = f"{biller.base_url}/sign-out?csrf_token={page.csrf}&_method=POST"
        refused = visitor.ask(method, asked, headers={header: "POST", "Origin": biller.origin})
        assert refused.status == 405
    token = world.token(key="single")
    query = urlencode(world.form(token))
    assert visitor.ask("HEAD", f"{biller.base_url}/sso/connect?{query}&_method=GET", headers={header: "GET"}).status == 200
    assert AMOUNTS[RIVERBEND] in visitor.get(url).text, "nobody was signed out"
    posted = Visitor(world.app).post(
        f"{biller.base_url}/sso/connect", world.form(token), origin=HARBORLIGHT, headers={header: "GET"}
    )
    assert posted.status == 303, "nothing was spent, and a POST is a POST"


def test_an_old_token_is_no_better_by_any_method_than_by_get(world: World) -> None:
    token = world.token()
    world.later(minutes=21)
    query = urlencode(world.form(token))
    for method in ("GET", "HEAD", "OPTIONS", "TRACE", "PUT"):
        answer = world.visitor().ask(
            method, f"{world.biller().base_url}/sso/connect?{query}", headers={"Referer": f"{HARBORLIGHT}/"}
        )
        assert answer.cookies == {}
        assert answer.status in {200, 405, 410}
        assert "Location" not in answer.headers
    said = PartnerProgram(world).explain(**world.form(token), Method="GET", Origin=HARBORLIGHT)
    assert said["Code"] == "TokenExpired"
