"""Which site answers a request, by its host alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from hub.wsgi import Sites

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

API = "api.hub.example.com:8443"


def site(name: str) -> WSGIApplication:
    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [name.encode()]

    return application


SITES = Sites(portal=site("portal"), api=site("api"), health=site("health"), api_host=API)


def answered_by(path: str, host: str | None, method: str = "GET", **more: str) -> str:
    environ = EnvironBuilder(method=method, path=path).get_environ()
    environ.pop("HTTP_HOST")
    if host is not None:
        environ["HTTP_HOST"] = host
    body, _, _ = run_wsgi_app(SITES, {**environ, **more})
    return b"".join(body).decode()


@pytest.mark.parametrize("host", [API, API.upper(), "Api.Hub.Example.com:8443"])
def test_the_api_answers_on_its_host_in_any_case(host: str) -> None:
    assert answered_by("/api/v1/ping", host) == "api"
    assert answered_by("/b/oakdale", host) == "api"


@pytest.mark.parametrize(
    "host",
    [
        "oakdale.hub.example.com:8443",
        "api.hub.example.com",
        "api.hub.example.com:443",
        f"x.{API}",
        f"{API}.evil.example",
        f" {API}",
        "",
        None,
    ],
)
def test_the_portal_answers_on_every_other_host_and_the_api_on_none_of_them(host: str | None) -> None:
    assert answered_by("/api/v1/ping", host) == "portal"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", [API, "oakdale.hub.example.com:8443", "10.0.0.7", "", None])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_health_is_answered_on_any_host(path: str, host: str | None, method: str) -> None:
    assert answered_by(path, host, method) == "health"


@pytest.mark.parametrize("path", ["/healthz/", "/healthz/x", "/Healthz", "/x/healthz", "//healthz", "/readyz.txt"])
def test_an_address_beside_it_is_none_of_healths(path: str) -> None:
    assert answered_by("/", API, PATH_INFO=path) == "api"


def test_a_forwarding_header_names_no_site() -> None:
    assert answered_by("/", "oakdale.hub.example.com", HTTP_X_FORWARDED_HOST=API) == "portal"
