"""Every route of every site: who may call it, from where, and whose data it is about.

A new route fails here until it stands in one of the lists, or shows by its behaviour that it asks for a session or a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import Client

from hub.server.health import Readiness
from hub.wsgi import api_site, health_site, portal_site
from sso_connect.api.aliases import routes_under
from sso_connect.api.docs import PUBLIC_PATHS
from sso_connect.api.operations import OPERATIONS, PREFIX
from tests.flows.world import HARBORLIGHT, Prepared, World, open_world, prepare

PUBLIC = {
    ("portal", "/", "GET"),  # a biller's own address: leads to its sign-in, or whoever is signed in to their bills
    ("portal", "/b/<slug>", "GET"),
    ("portal", "/b/<slug>/", "GET"),
    ("portal", "/b/<slug>/sso/connect", "GET"),
    ("portal", "/b/<slug>/sso/connect", "POST"),
    ("portal", "/sso/connect", "GET"),  # sends on to the host of the biller that the token names
    ("portal", "/sso/connect", "POST"),
    ("portal", "/b/<slug>/theme/<digest>/<name>", "GET"),  # a stylesheet, by its content
    ("portal", "/b/<slug>/sso/partner.js", "GET"),  # a script for partners' pages
    ("portal", "/b/<slug>/sso/link", "GET"),
    ("portal", "/b/<slug>/sso/link", "POST"),
    ("portal", "/b/<slug>/confirm", "GET"),  # the code in a mail is the proof
    ("portal", "/b/<slug>/confirm", "POST"),
    ("portal", "/b/<slug>/objection", "GET"),  # the link in a mail is the proof
    ("portal", "/b/<slug>/objection", "POST"),
    ("portal", "/static/<digest>/<name>", "GET"),
    ("health", "/healthz", "GET"),
    ("health", "/readyz", "GET"),
    *(("api", f"{PREFIX}{path}", "GET") for path in PUBLIC_PATHS),
}
"""Routes that anybody may call without proof of who they are."""

WITHOUT_A_SESSION = {("portal", "/b/<slug>/sign-out", "POST")}
"""Answers a form of our own origin with "you are signed out" when nobody is signed in; with a session it takes the form token."""

CROSS_SITE_POST = {("portal", "/b/<slug>/sso/connect", "POST"), ("portal", "/sso/connect", "POST")}
"""Made for posts from other sites; every other POST of a browser must come from our own origin."""

BY_HOST = {("portal", "/", "GET")}
"""Routes about the one biller of the host; a host without one, or with several, has none of them."""

OF_NO_BILLER = {
    ("portal", "/static/<digest>/<name>", "GET"),
    ("portal", "/sso/connect", "GET"),
    ("portal", "/sso/connect", "POST"),
    ("health", "/healthz", "GET"),
    ("health", "/readyz", "GET"),
    *(("api", f"{PREFIX}{path}", "GET") for path in PUBLIC_PATHS),
}
"""Routes without a tenant: they read no row, or only that of the biller whose token is shown, and send the browser there."""

FILLED = {
    "slug": "riverbend",
    "handle": "0" * 20,
    "page": "bills",
    "digest": "0" * 12,
    "name": "hub.css",
    "code": "InvalidFields",
    "CustomerGUID": "01890a5d-ac96-774b-bcce-b302099a8057",
    "InvoiceFileID": "01890a5d-ac96-774b-bcce-b302099a8057",
    "Reference": "7QF3K29DXM",
}


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one rule of one site."""

    site: str
    rule: str
    method: str

    @property
    def name(self) -> tuple[str, str, str]:
        return self.site, self.rule, self.method

    @property
    def path(self) -> str:
        """The rule with something plausible in each place."""
        old_names = re.sub(r'<any_case\("([^"]+)"[^>]*>', lambda match: match[1], self.rule)
        return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: FILLED[match[1]], old_names)


def routes_of(site: str, app: Flask) -> list[Route]:
    return [
        Route(site, rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def world(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(prepared, tmp_path_factory.mktemp("routes")) as made:
        yield made


@pytest.fixture(scope="module")
def routes(world: World) -> list[Route]:
    sites = {"portal": portal_site(world.hub), "api": api_site(world.hub), "health": health_site(Readiness({}))}
    return [route for site, app in sites.items() for route in routes_of(site, app)]


def call(world: World, route: Route, *, origin: str | None = None) -> int:
    """The status for somebody without cookie or key."""
    host = "api.hub.example.com" if route.site == "api" else world.biller().host
    visitor = world.visitor()
    url = f"https://{host}{route.path}"
    match route.method:
        case "GET":
            return visitor.get(url).status
        case "POST":
            return visitor.post(url, {}, origin=origin).status
        case method:
            return Client(world.app).open(route.path, base_url=f"https://{host}", method=method, json={}).status_code


def test_every_site_of_the_hub_is_looked_at_here(routes: list[Route]) -> None:
    source = (Path(__file__).resolve().parents[2] / "hub" / "wsgi.py").read_text(encoding="utf-8")
    assert set(re.findall(r"^def (\w+)_site\(", source, re.MULTILINE)) == {route.site for route in routes}


def test_every_route_is_listed_as_public_or_refuses_a_caller_without_session_or_key(world: World, routes: list[Route]) -> None:
    own = world.biller().origin
    for route in routes:
        status = call(world, route, origin=own)
        if route.name in WITHOUT_A_SESSION:
            assert status == 200, route
        elif route.name not in PUBLIC:
            assert status == 401, route


def test_the_lists_name_no_route_that_is_not_there(routes: list[Route]) -> None:
    known = {route.name for route in routes}
    assert (PUBLIC | WITHOUT_A_SESSION | CROSS_SITE_POST | OF_NO_BILLER) - known == set()


def test_every_post_of_a_browser_but_the_listed_ones_refuses_another_origin_even_with_a_session(
    world: World, routes: list[Route]
) -> None:
    visitor, url = world.full_page()
    page = visitor.get(url)
    posts = [route for route in routes if route.site == "portal" and route.method == "POST"]
    assert len(posts) >= 4
    for route in posts:
        address = world.url(route.path.replace(FILLED["handle"], url.split("/")[-2]))
        for origin in ("https://prairie.hub.example.com", HARBORLIGHT, "null", None):
            answer = visitor.post(address, {"csrf_token": page.csrf, "locale": "es", "back": "/b/riverbend/"}, origin=origin)
            refused = answer.status == 403 and "from a page that may not send it" in answer.text
            assert refused != (route.name in CROSS_SITE_POST), (route, origin)
    assert visitor.get(url).status == 200


def test_every_route_is_about_one_biller_by_its_path_or_its_key(routes: list[Route]) -> None:
    operations = {("api", rule, method) for operation in OPERATIONS for method, rule in routes_under(operation)}
    for route in routes:
        if route.name in OF_NO_BILLER:
            continue
        by_path = route.site == "portal" and f"{route.rule}/".startswith("/b/<slug>/")
        by_key = route.name in operations
        assert by_path or by_key or route.name in BY_HOST, route


def test_every_operation_of_the_api_is_a_route_and_every_route_an_operation_or_a_public_page(routes: list[Route]) -> None:
    operations = {("api", rule, method) for operation in OPERATIONS for method, rule in routes_under(operation)}
    assert {route.name for route in routes if route.site == "api"} - PUBLIC == operations


def test_no_route_takes_a_secret_in_its_path(routes: list[Route]) -> None:
    places = {name for route in routes for name in re.findall(r"<(?:\w+:)?(\w+)>", route.rule)}
    assert places - {name for operation in OPERATIONS for name in re.findall(r"<(\w+)>", operation.rule)} <= {
        "slug",
        "handle",
        "page",
        "digest",
        "name",
        "code",
    }
