"""Answers of the HTML sites: a view rendered, the plain page around a refusal, static files, the language of a browser."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, abort

from idp.directory.billers import Biller
from idp.errors import HubError
from idp.texts import LOCALES, choose_locale
from idp.web.plain import PlainPage, Problem
from idp.web.request import HubRequest
from idp.web.templating import StaticFiles, Templates, View

LANGUAGE_COOKIE = "__Host-hub_lang"
_YEAR = 365 * 24 * 3600


class Pages:
    """Turns views into answers."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates

    def show(self, view: View, status: int = 200) -> Response:
        """A rendered view."""
        return Response(self._templates.render(view), status=status, content_type="text/html; charset=utf-8")

    def problem(self, request: HubRequest, error: HubError, home_url: str | None = None, biller: Biller | None = None) -> Response:
        """The plain page for a refusal, in the name of the biller whose host it is. Its reference is the request id."""
        page = PlainPage(
            locale=locale_of(request, None if biller is None else biller.locale),
            nonce=request.nonce,
            biller_name=None if biller is None else biller.dba,
        )
        view = Problem(page=page, status=error.http, code=error.code, reference=request.request_id, home_url=home_url)
        return self.show(view, error.http)


def locale_of(request: HubRequest, fallback: str | None = None) -> str:
    """The language that was picked here, else the payer's or biller's (`fallback`) where the browser names none, else its own."""
    picked = request.cookies.get(LANGUAGE_COOKIE, "")
    if picked in LOCALES:
        return picked
    accepted = request.headers.get("Accept-Language")
    return fallback if fallback in LOCALES and not accepted else choose_locale(accepted)


def remember_locale(response: Response, locale: str) -> None:
    """Keep a picked language in this browser for a year."""
    response.set_cookie(LANGUAGE_COOKIE, locale, max_age=_YEAR, secure=True, httponly=True, samesite="Lax", path="/")


def statics_blueprint(files: StaticFiles, current: Callable[[], HubRequest]) -> Blueprint:
    """`/static/{digest}/{name}`: may be kept for ever, because another content has another address."""
    blueprint = Blueprint("statics", __name__)

    @blueprint.get("/static/<digest>/<name>")
    def static_file(digest: str, name: str) -> Response:
        file = files.find(digest, name)
        if file is None:
            abort(404)
        response = Response(file.content, content_type=file.media_type)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.set_etag(file.digest)
        response.make_conditional(current())
        return response

    return blueprint
