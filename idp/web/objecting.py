"""The page behind the link of a mail that says "someone registered for your account": `/b/{slug}/objection#...`.

    GET                   a static page, the same for everybody. Its script (link.js) posts the secret, which stands in the address
    POST with `Link`      the question: who was registered, on which account. Spends nothing
    POST with `answer`    puts the registration on hold, once

No session: the secret is the proof, and the form carries it on, with a form token that is bound to it. A mail scanner that follows
the link, or even runs its script, does no harm: only the button does something. Nobody may frame the page, and nothing keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from flask import Blueprint, Response

from idp.accounts.objections import Objections, Question
from idp.directory.billers import Biller, Billers
from idp.errors import ConfirmationGone, MalformedRequest
from idp.web.csrf import Csrf, check_origin
from idp.web.mailed import biller_of, page_of
from idp.web.pages import Pages
from idp.web.plain import PlainPage
from idp.web.request import HubRequest

_STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectionLinkView:
    """Where the link lands. Nobody's data."""

    template: ClassVar[str] = "objection_link.html"
    page: PlainPage


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectionView:
    """The question, with its one button. `secret` and `csrf_token` go on in the form."""

    template: ClassVar[str] = "objection.html"
    page: PlainPage
    question: Question
    secret: str
    csrf_token: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectedView:
    """The registration is on hold."""

    template: ClassVar[str] = "objected.html"
    page: PlainPage
    question: Question


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectionClosedView:
    """A link that asks nothing (any more): used, past its time, unknown, or the registration changed."""

    template: ClassVar[str] = "objection_closed.html"
    page: PlainPage


class ObjectionPages:
    """Shows questions and takes objections."""

    def __init__(self, billers: Billers, objections: Objections, pages: Pages, csrf: Csrf) -> None:
        self._billers = billers
        self._objections = objections
        self._pages = pages
        self._csrf = csrf

    def land(self, request: HubRequest, slug: str) -> Response:
        """The static page."""
        return self._pages.show(ObjectionLinkView(page=page_of(request, biller_of(self._billers, request, slug))))

    def take(self, request: HubRequest, slug: str) -> Response:
        """Show the question, or take the objection."""
        biller = biller_of(self._billers, request, slug)
        check_origin(request, biller.origin)
        values, twice = request.folded.values, request.folded.twice
        secret = "" if "link" in twice else values.get("link", "")
        if "answer" not in values:
            return self._ask(request, biller, secret)
        self._csrf.check(request, biller.origin, biller.bid, secret)
        if "answer" in twice or values["answer"] != _STOP:
            raise MalformedRequest("the form has one button")
        done = self._objections.object(request.request_id, biller, secret)
        if done is None:
            return self._closed(request, biller)
        return self._pages.show(ObjectedView(page=page_of(request, biller), question=done))

    def _ask(self, request: HubRequest, biller: Biller, secret: str) -> Response:
        question = self._objections.find(biller, secret)
        if question is None:
            return self._closed(request, biller)
        view = ObjectionView(
            page=page_of(request, biller),
            question=question,
            secret=secret,
            csrf_token=self._csrf.token(biller.bid, secret),
            action=f"/b/{biller.slug}/objection",
        )
        return self._pages.show(view)

    def _closed(self, request: HubRequest, biller: Biller) -> Response:
        return self._pages.show(ObjectionClosedView(page=page_of(request, biller)), ConfirmationGone.http)


def blueprint(pages: ObjectionPages, current: Callable[[], HubRequest]) -> Blueprint:
    """The routes."""
    routes = Blueprint("objection", __name__)

    @routes.get("/b/<slug>/objection")
    def land(slug: str) -> Response:
        return pages.land(current(), slug)

    @routes.post("/b/<slug>/objection")
    def take(slug: str) -> Response:
        return pages.take(current(), slug)

    return routes
