"""The page behind the link in a confirmation mail: `/b/{slug}/confirm#...` on the biller's host.

    GET     a page that is the same for everybody; a mail scanner that follows links sees nothing, and spends nothing
    POST    the code alone, by the page's script: who asks, what for and for whom. Spends nothing
    POST    the code with an answer, by the question's buttons: the payer's yes or no, once

Links of mails from before had the code in the query; GET leads from there to the same page, with the code in the fragment.

No session: the code is the proof, and the form carries it on, with a form token that is bound to it. Every post must come from our
own origin; nobody may frame the page, nothing keeps it, and no address that we make holds the code where a server would see it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

from flask import Blueprint, Response

from idp.accounts.confirmations import MOST_CODE, Answered, Asked, Closed, Confirmations
from idp.accounts.mail_links import mail_link
from idp.directory.billers import Biller, Billers
from idp.errors import ConfirmationGone, MalformedRequest
from idp.web.csrf import FIELD, Csrf, check_origin
from idp.web.headers import referrer
from idp.web.mailed import biller_of, page_of
from idp.web.pages import Pages
from idp.web.plain import OpenMailLink, PlainPage
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

    def land(self, request: HubRequest, slug: str) -> Response:
        """The page that every link leads to. A code in the query is moved into the fragment, whatever it is worth."""
        biller = biller_of(self._billers, request, slug)
        code = _code(request)
        if 0 < len(code) <= MOST_CODE:
            moved = Response(
                status=303, headers={"Location": mail_link(biller, "confirm", quote(code, safe="")), "Cache-Control": "no-store"}
            )
            return referrer(moved, "no-referrer")
        return self._pages.show(OpenMailLink(page=page_of(request, biller)))

    def post(self, request: HubRequest, slug: str) -> Response:
        """The question behind a code, or, with an answer, the payer's word."""
        biller = biller_of(self._billers, request, slug)
        check_origin(request, biller.origin)
        code = _code(request)
        if _asks_only(request):
            return self._question(request, biller, code)
        self._csrf.check(request, biller.origin, biller.bid, code)
        allow = _ANSWERS.get(request.folded.values.get("answer", ""))
        if allow is None or "answer" in request.folded.twice:
            raise MalformedRequest("neither yes nor no")
        match self._confirmations.answer(request.request_id, biller, code, allow=allow):
            case Closed() as closed:
                return self._closed(request, biller, closed)
            case Answered(asked=asked, allowed=allowed):
                view: View = ConfirmedView(page=page_of(request, biller, asked.locale), asked=asked, allowed=allowed)
                return self._pages.show(view)

    def _question(self, request: HubRequest, biller: Biller, code: str) -> Response:
        found = self._confirmations.find(biller, code)
        if isinstance(found, Closed):
            return self._closed(request, biller, found)
        view = ConfirmView(
            page=page_of(request, biller, found.locale),
            asked=found,
            code=code,
            csrf_token=self._csrf.token(biller.bid, code),
            action=f"/b/{biller.slug}/confirm",
        )
        return self._pages.show(view)

    def _closed(self, request: HubRequest, biller: Biller, closed: Closed) -> Response:
        view = ClosedView(page=page_of(request, biller, closed.locale), closed=closed)
        return self._pages.show(view, ConfirmationGone.http)


def blueprint(pages: ConfirmPages, current: Callable[[], HubRequest]) -> Blueprint:
    """The routes."""
    routes = Blueprint("confirm", __name__)

    @routes.get("/b/<slug>/confirm")
    def land(slug: str) -> Response:
        return pages.land(current(), slug)

    @routes.post("/b/<slug>/confirm")
    def post(slug: str) -> Response:
        return pages.post(current(), slug)

    return routes


def _code(request: HubRequest) -> str:
    """The code, once; "" is nobody's."""
    return "" if "code" in request.folded.twice else request.folded.values.get("code", "")


def _asks_only(request: HubRequest) -> bool:
    """Whether a post holds neither an answer nor a form token: it is the script's, which wants to see the question."""
    folded = request.folded
    return not {"answer", FIELD} & (folded.values.keys() | folded.twice)
