"""A biller's front door, and what every page of its host says when it cannot be shown.

GET /, /b/{slug}, /b/{slug}/    the address that `billers list` prints. Whoever is signed in comes to their bills, everybody else to
                                the biller's sign-in address (setting 3); where there is none, a page that says where to sign in
(any page that says no)         names the biller of the host, and leads to that address

A host that is no biller's, and a path that names another biller than the host, name nobody.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response

from idp.directory.billers import Biller, Billers
from idp.directory.hosts import trusted_origin
from idp.errors import HubError, PageNotFound, StoreUnavailable
from idp.web.pages import Pages, locale_of
from idp.web.plain import PlainPage, Welcome
from idp.web.request import HubRequest
from sso_connect.portal.answers import biller_at, redirect
from sso_connect.portal.chrome import Chrome
from sso_connect.portal.entrance import Entrance
from sso_connect.redirects import DESTINATIONS


class Front:
    """Answers these."""

    def __init__(self, billers: Billers, entrance: Entrance, chrome: Chrome, pages: Pages) -> None:
        self._billers = billers
        self._entrance = entrance
        self._chrome = chrome
        self._pages = pages

    def home(self, request: HubRequest, slug: str | None) -> Response:
        """The biller's own address. PageNotFound."""
        biller = self._billers.alone_on_host(request.bare_host) if slug is None else biller_at(self._billers, request, slug)
        if biller is None:
            raise PageNotFound("not the host of one biller")
        visit = self._entrance.present(request, biller.slug) if request.method == "GET" else None
        if visit is not None:
            return redirect(self._chrome.url(visit, visit.payer.default_account, DESTINATIONS[1]))
        if biller.sso_login_url and trusted_origin(biller.sso_login_url) != biller.origin:
            return redirect(biller.sso_login_url)
        page = PlainPage(locale=locale_of(request, biller.locale), nonce=request.nonce, biller_name=biller.dba)
        return self._pages.show(Welcome(page=page))

    def problem(self, request: HubRequest, error: HubError) -> Response:
        """The page of a refusal. Asks for the biller, and does without where no store answers."""
        slug = _slug_in(request.path)
        host = request.bare_host
        try:
            biller = self._billers.alone_on_host(host) if slug is None else self._billers.on_host(host, slug)
            strange = biller is None and self._billers.alone_on_host(host) is not None
        except StoreUnavailable:
            biller, strange = self._billers.remembered_on_host(host, slug or ""), False
        home = "/" if strange else None if biller is None else _home(biller)
        return self._pages.problem(request, error, None if home == request.path else home, biller)


def _home(biller: Biller) -> str:
    return f"/b/{biller.slug}/"


def _slug_in(path: str) -> str | None:
    parts = path.split("/", 3)
    return parts[2] if len(parts) > 2 and parts[1] == "b" and parts[2] else None


def blueprint(front: Front, current: Callable[[], HubRequest]) -> Blueprint:
    """The routes."""
    routes = Blueprint("front", __name__)

    @routes.get("/")
    def root() -> Response:
        return front.home(current(), None)

    # Both spellings by hand: a redirect from one to the other would take its host from the request.
    @routes.get("/b/<slug>")
    @routes.get("/b/<slug>/")
    def home(slug: str) -> Response:
        return front.home(current(), slug)

    return routes
