"""The addresses of the hand-off: `/b/{slug}/sso/connect`, sign-out, and the language of a full page.

`POST /b/{slug}/sso/connect` (preferred) and `GET` (what partners send today) are public and cross-site by design. In a frame, a
POST answers the page itself; everything else answers 303 to a page whose address holds no secret. A refusal answers a static page,
which anybody may frame. `/b/{slug}/sso/link` is where SSO links lead: GET shows a page and spends nothing, its own POST follows.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response

from idp.directory.billers import Biller, Billers
from idp.errors import MalformedRequest, PageNotFound, SessionRequired, UnsupportedMediaType
from idp.login.sessions import Session
from idp.texts import LOCALES
from idp.web.csrf import Csrf, check_origin
from idp.web.headers import ANYBODY, frame_policy, referrer
from idp.web.pages import Pages, locale_of, remember_locale
from idp.web.plain import FollowLink, PlainPage, SessionOver, SignedOut
from idp.web.plain import Refused as RefusedView
from idp.web.request import Folded, HubRequest
from sso_connect.arrivals import Arrival
from sso_connect.framing import FRAME_FIELD, FRAME_HEADER, Carriers, is_frame
from sso_connect.handoff import Handoff, Landing, Refused
from sso_connect.portal.chrome import Chrome
from sso_connect.portal.pages import ShowPage
from sso_connect.visits import Visit, Visits


class Doors:
    """Answers hand-offs, sign-outs and ended sessions."""

    def __init__(self, billers: Billers, handoff: Handoff, visits: Visits, carriers: Carriers, pages: Pages, csrf: Csrf) -> None:
        self._billers = billers
        self._handoff = handoff
        self._visits = visits
        self._carriers = carriers
        self._pages = pages
        self._csrf = csrf

    def connect(self, request: HubRequest, slug: str, chrome: Chrome, show: ShowPage) -> Response:
        """Take a redirect."""
        biller = self._biller(request, slug)
        params = _params(request)
        taken = self._handoff.connect(_arrival(request, slug, params), biller)
        return self._answer(request, taken, chrome, show)

    def land(self, request: HubRequest, slug: str) -> Response:
        """Where an SSO link leads: a static page for everybody. Who may frame it is not known yet, so anybody may."""
        biller = self._biller(request, slug)
        framed = is_frame(request.fetch_dest)
        page = PlainPage(
            locale=locale_of(request, biller.locale),
            nonce=request.nonce,
            biller_name=biller.dba,
            mode="frame" if framed else "full",
        )
        response = self._pages.show(FollowLink(page=page, back_url=biller.sso_login_url or None))
        return response if request.fetch_dest == "document" else frame_policy(response, ANYBODY)

    def follow(self, request: HubRequest, slug: str, chrome: Chrome, show: ShowPage) -> Response:
        """Take the secret that the landing page posts. Nobody else may: a secret that came otherwise was seen by somebody."""
        biller = self._biller(request, slug)
        check_origin(request, biller.origin)
        arrival = _arrival(request, slug, Folded({}, frozenset()))
        sent = _params(request)
        secret = "" if "link" in sent.twice else sent.values.get("link", "")
        taken = self._handoff.follow(arrival, biller, secret)
        return self._answer(request, taken, chrome, show)

    def _answer(self, request: HubRequest, taken: Landing | Refused, chrome: Chrome, show: ShowPage) -> Response:
        match taken:
            case Refused() as refused:
                return self._refused(request, refused)
            case Landing(visit=visit, destination=destination, account=account, opening=opening):
                if visit.session.facts.framed and request.method == "POST":
                    response = show(request, visit, destination, account)
                else:
                    response = _redirect(chrome.url(visit, account, destination))
                    referrer(response, "no-referrer")
                self._set_cookie(response, visit, opening.secret)
                return response

    def sign_out(self, request: HubRequest, slug: str) -> Response:
        """End the session family, and lead on: to the ReturnUrl, else setting 3, else a page that says so."""
        biller = self._biller(request, slug)
        check_origin(request, biller.origin)
        visit = self._visit(request, slug)
        if visit is None:
            return self._signed_out_before(request, biller)
        self._csrf.check(request, biller.origin, biller.bid, visit.session.key)
        self._visits.end(visit, request.request_id)
        facts = visit.session.facts
        page = PlainPage(
            locale=locale_of(request, visit.payer.user.locale or biller.locale),
            nonce=request.nonce,
            biller_name=biller.dba,
            mode="frame" if facts.framed else "full",
            parent_origins=visit.key.frame_origins if facts.framed else (),
        )
        name = (facts.return_name or biller.dba) if facts.return_url else None
        view = SignedOut(page=page, next_url=facts.return_url or biller.sso_login_url or None, next_name=name)
        response = self._pages.show(view)
        if facts.framed:
            frame_policy(response, visit.key.frame_origins)
        self._clear_cookie(response, slug, visit.session)
        return response

    def language(self, request: HubRequest, slug: str) -> Response:
        """Keep the language that was picked on a full page, and go back to it."""
        visit = self._visit(request, slug)
        if visit is None:
            raise SessionRequired
        self._csrf.check(request, visit.biller.origin, visit.biller.bid, visit.session.key)
        values = request.folded.values
        back = values.get("back", "")
        if values.get("locale") not in LOCALES or not _leads_into(f"/b/{slug}/", back):
            raise MalformedRequest("a language of ours, and a page of this portal")
        response = _redirect(back)
        remember_locale(response, values["locale"])
        return response

    def session_over(self, request: HubRequest, slug: str) -> Response:
        """A page without a live session: what to do next. Static, without data, so a frame may show it.

        A host and a path that name no biller, or two, have no pages: that comes before the question who is signed in.
        """
        entry = self._billers.cached_on_host(request.bare_host, slug)
        if entry is None:
            return self._pages.problem(request, PageNotFound("host and path name no biller, or two"))
        biller, framed = entry.value, is_frame(request.fetch_dest)
        way_on = biller.sso_login_url or None
        page = PlainPage(
            locale=locale_of(request, biller.locale),
            nonce=request.nonce,
            biller_name=biller.dba,
            mode="frame" if framed else "full",
        )
        view = SessionOver(page=page, open_url=way_on if framed else None, back_url=None if framed else way_on)
        response = self._pages.show(view, SessionRequired.http)
        return frame_policy(response, ANYBODY) if framed else response

    def _signed_out_before(self, request: HubRequest, biller: Biller) -> Response:
        """Sign-out without a session: it is what was wanted. Static, without data, so a frame may show it."""
        framed = is_frame(request.fetch_dest)
        page = PlainPage(
            locale=locale_of(request, biller.locale),
            nonce=request.nonce,
            biller_name=biller.dba,
            mode="frame" if framed else "full",
        )
        response = self._pages.show(SignedOut(page=page, next_url=biller.sso_login_url or None))
        return frame_policy(response, ANYBODY) if framed else response

    def _refused(self, request: HubRequest, refused: Refused) -> Response:
        biller = refused.biller
        page = PlainPage(
            locale=locale_of(request, biller.locale),
            nonce=request.nonce,
            biller_name=biller.dba,
            mode="frame" if is_frame(request.fetch_dest) else "full",
        )
        view = RefusedView(
            page=page,
            code=refused.error.code,
            reference=refused.reference,
            partner_name=refused.partner_name or None,
            back_url=refused.back_url or None,
        )
        status = refused.error.http if refused.error.http in {400, 401, 403, 410} else 403
        return referrer(frame_policy(self._pages.show(view, status), ANYBODY), "no-referrer")

    def _biller(self, request: HubRequest, slug: str) -> Biller:
        entry = self._billers.cached_on_host(request.bare_host, slug)
        if entry is None:
            raise PageNotFound("host and path name no biller, or two")
        return entry.value

    def _visit(self, request: HubRequest, slug: str) -> Visit | None:
        token = request.carried(FRAME_FIELD, FRAME_HEADER)
        presented = self._carriers.presented(slug, request.fetch_dest, request.cookies, token)
        return self._visits.find(request.bare_host, slug, presented)

    def _set_cookie(self, response: Response, visit: Visit, secret: str) -> None:
        framed = visit.session.facts.framed
        response.set_cookie(
            self._carriers.carrier(visit.biller.slug, framed=framed).name,
            secret,
            secure=True,
            httponly=True,
            path="/",
            samesite="None" if framed else "Lax",
            partitioned=framed,
        )

    def _clear_cookie(self, response: Response, slug: str, session: Session) -> None:
        framed = session.facts.framed
        response.delete_cookie(
            self._carriers.carrier(slug, framed=framed).name,
            secure=True,
            httponly=True,
            path="/",
            samesite="None" if framed else "Lax",
            partitioned=framed,
        )


def blueprint(doors: Doors, chrome: Chrome, show: ShowPage, current: Callable[[], HubRequest]) -> Blueprint:
    """The routes."""
    routes = Blueprint("connect", __name__)

    @routes.route("/b/<slug>/sso/connect", methods=["GET", "POST"])
    def connect(slug: str) -> Response:
        return doors.connect(current(), slug, chrome, show)

    @routes.get("/b/<slug>/sso/link")
    def land(slug: str) -> Response:
        return doors.land(current(), slug)

    @routes.post("/b/<slug>/sso/link")
    def follow(slug: str) -> Response:
        return doors.follow(current(), slug, chrome, show)

    @routes.post("/b/<slug>/sign-out")
    def sign_out(slug: str) -> Response:
        return doors.sign_out(current(), slug)

    @routes.post("/b/<slug>/language")
    def language(slug: str) -> Response:
        return doors.language(current(), slug)

    return routes


def _arrival(request: HubRequest, slug: str, params: Folded) -> Arrival:
    return Arrival(
        host=request.bare_host,
        slug=slug,
        method=request.method,
        fetch_dest=request.fetch_dest,
        user_agent=request.headers.get("User-Agent", ""),
        request_id=request.request_id,
        values=params.values,
        twice=params.twice,
    )


def _params(request: HubRequest) -> Folded:
    """A body that is no form has no parameters: the refusal then says which ones are missing."""
    try:
        return request.folded
    except UnsupportedMediaType:
        return Folded({}, frozenset())


def _leads_into(root: str, path: str) -> bool:
    """Whether a path that came in a form stays below `root`: no address of ours has a blank, a control character or a backslash."""
    return path.startswith(root) and path.isascii() and path.isprintable() and not {" ", "\\"} & set(path)


def _redirect(location: str) -> Response:
    """303: whatever the method was, the next request is a GET (RFC 9110 15.4.4)."""
    return Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})
