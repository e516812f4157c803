"""The page behind the link in a confirmation mail: `/b/{slug}/confirm?code=...` on the biller's host.

    GET     shows who asks, what for and for whom; spends nothing, so that a mail scanner that follows links does no harm
    POST    the payer's yes or no, once

No session: the code is the proof, and the form carries it on, with a form token that is bound to it. The form must come from our
own origin, like every other; nobody may frame the page, nothing keeps it, and its address is told to nobody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from flask import Blueprint, Response

from idp.accounts.confirmations import Answered, Asked, Closed, Confirmations
from idp.directory.billers import Biller, Billers
from idp.errors import ConfirmationGone, MalformedRequest, PageNotFound
from idp.web.csrf import Csrf
from idp.web.pages import Pages, locale_of
from idp.web.plain import PlainPage
from idp.web.request import HubRequest
from idp.web.templating import View

_ANSWERS = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmView:
    """The question, with its two buttons. `code` and `csrf_token` go on in the form."""

    template: ClassVar[str] = "confirm.html"
    page: PlainPage
    asked: Asked
    code: str
    csrf_token: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmedView:
    """The payer's word was taken."""

    template: ClassVar[str] = "confirmed.html"
    page: PlainPage
    asked: Asked
    allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedView:
    """A link that asks nothing (any more): used, past its time, unknown, or void."""

    template: ClassVar[str] = "confirm_closed.html"
    page: PlainPage
    closed: Closed


class ConfirmPages:
    """Shows questions and takes answers."""

    def __init__(self, billers: Billers, confirmations: Confirmations, pages: Pages, csrf: Csrf) -> None:
        self._billers = billers
        self._confirmations = confirmations
        self._pages = pages
        self._csrf = csrf

    def show(self, request: HubRequest, slug: str) -> Response:
        """The question, or why there is none."""
        biller = self._biller(request, slug)
        code = _code(request)
        found = self._confirmations.find(biller, code)
        if isinstance(found, Closed):
            return self._closed(request, biller, found)
        view = ConfirmView(
            page=_page(request, biller, found.locale),
            asked=found,
            code=code,
            csrf_token=self._csrf.token(biller.bid, code),
            action=f"/b/{slug}/confirm",
        )
        return self._pages.show(view)

    def answer(self, request: HubRequest, slug: str) -> Response:
        """Take the payer's word, once."""
        biller = self._biller(request, slug)
        code = _code(request)
        self._csrf.check(request, biller.origin, biller.bid, code)
        allow = _ANSWERS.get(request.folded.values.get("answer", ""))
        if allow is None or "answer" in request.folded.twice:
            raise MalformedRequest("neither yes nor no")
        match self._confirmations.answer(request.request_id, biller, code, allow=allow):
            case Closed() as closed:
                return self._closed(request, biller, closed)
            case Answered(asked=asked, allowed=allowed):
                view: View = ConfirmedView(page=_page(request, biller, asked.locale), asked=asked, allowed=allowed)
                return self._pages.show(view)

    def _closed(self, request: HubRequest, biller: Biller, closed: Closed) -> Response:
        view = ClosedView(page=_page(request, biller, closed.locale), closed=closed)
        return self._pages.show(view, ConfirmationGone.http)

    def _biller(self, request: HubRequest, slug: str) -> Biller:
        biller = self._billers.on_host(request.bare_host, slug)
        if biller is None:
            raise PageNotFound("host and path name no biller, or two")
        return biller


def blueprint(pages: ConfirmPages, current: Callable[[], HubRequest]) -> Blueprint:
    """The routes."""
    routes = Blueprint("confirm", __name__)

    @routes.get("/b/<slug>/confirm")
    def show(slug: str) -> Response:
        return pages.show(current(), slug)

    @routes.post("/b/<slug>/confirm")
    def answer(slug: str) -> Response:
        return pages.answer(current(), slug)

    return routes


def _code(request: HubRequest) -> str:
    """The code, once; "" is nobody's."""
    return "" if "code" in request.folded.twice else request.folded.values.get("code", "")


def _page(request: HubRequest, biller: Biller, locale: str) -> PlainPage:
    return PlainPage(
        locale=locale_of(request, locale or biller.locale), nonce=request.nonce, biller_name=biller.dba, zone=biller.time_zone
    )
