"""What a session is asked to do for itself: end, speak another language, go on in a frame without cookies, step out of a frame.

POST /sign-out         the family ends everywhere; on to the ReturnUrl, else setting 3, else a page that says so
POST /sessions/end     the payer ends one of its other sessions, or all of them: this one then gets a new secret
POST /language         a language for this browser
POST /frame/token      the next frame token, for the script of a page that stays open; the session is not prolonged
POST /out              from a frame into a page of its own: a child session of the same family, by a ticket that is good once
(any page)             a page without a live session: what is known to have happened, and whom to turn to
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask import Blueprint, Response, jsonify

from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller, Billers
from idp.errors import MalformedRequest, SessionRequired
from idp.login.frame_tokens import LIFETIME, FrameTokens
from idp.login.sessions import NEW_TAB
from idp.texts import LOCALES
from idp.web.csrf import Csrf, check_origin
from idp.web.headers import ANYBODY, frame_policy, inline_style
from idp.web.pages import Pages, locale_of, remember_locale
from idp.web.plain import PlainPage, PostOn, SessionOver, SignedOut
from idp.web.request import HubRequest
from sso_connect.framing import is_frame
from sso_connect.listeners import Listeners
from sso_connect.places import Places
from sso_connect.portal.answers import biller_at, leads_into, with_destination
from sso_connect.portal.answers import redirect as to
from sso_connect.portal.chrome import Chrome
from sso_connect.portal.entrance import Entrance
from sso_connect.portal.jar import Jar
from sso_connect.visits import Visit, Visits
from sso_connect.ways_out import WaysOut


class SessionPages:
    """Answers these."""

    def __init__(
        self,
        billers: Billers,
        visits: Visits,
        places: Places,
        entrance: Entrance,
        frame_tokens: FrameTokens,
        ways_out: WaysOut,
        chrome: Chrome,
        jar: Jar,
        pages: Pages,
        csrf: Csrf,
        listeners: Listeners,
    ) -> None:
        self._billers = billers
        self._visits = visits
        self._places = places
        self._entrance = entrance
        self._frame_tokens = frame_tokens
        self._ways_out = ways_out
        self._chrome = chrome
        self._jar = jar
        self._pages = pages
        self._csrf = csrf
        self._listeners = listeners

    def sign_out(self, request: HubRequest, slug: str) -> Response:
        """End the session family, and lead on."""
        biller = biller_at(self._billers, request, slug)
        check_origin(request, biller.origin)
        visit = self._entrance.present(request, slug)
        if visit is None:
            return self._signed_out_before(request, biller)
        self._csrf.check(request, biller.origin, biller.bid, visit.session.key)
        self._visits.end(visit, request.request_id)
        facts = visit.session.facts
        page = self._page(request, biller, framed=facts.framed, locale=visit.payer.user.locale, parents=visit.key.frame_origins)
        name = (facts.return_name or biller.dba) if visit.return_url else None
        view = SignedOut(
            page=page,
            next_url=visit.return_url or biller.sso_login_url or None,
            next_name=name,
            session_reference=visit.session.token.session_reference if facts.framed else "",
        )
        response = self._pages.show(view)
        if facts.framed:
            frame_policy(response, visit.key.frame_origins)
        self._jar.drop(response, "session", slug, framed=facts.framed)
        if visit.arriving:
            self._jar.drop(response, "arriving", slug, framed=facts.framed)
        return response

    def end_sessions(self, request: HubRequest, slug: str) -> Response:
        """End one of the payer's other sessions (`session`: its id), or `all` of them, with every token of the payer."""
        visit = self._entrance.present(request, slug)
        if visit is None:
            raise SessionRequired
        self._csrf.check(request, visit.biller.origin, visit.biller.bid, visit.session.key)
        values = request.folded.values
        which, back = values.get("session", ""), values.get("back", "")
        if not which or not leads_into(f"/b/{slug}/", back):
            raise MalformedRequest("a session, and a page of this portal")
        if which != "all":
            self._places.end_one(visit, request.request_id, which)
            return self._go_on(request, visit, back)
        renewed = self._places.end_others(visit, request.request_id)
        response = self._go_on(request, renewed.visit, back)
        if visit.session.facts.framed:  # as after a hand-off: the next page shows what this browser carries
            self._jar.arrive(response, slug, renewed.opening.secret, framed=True, ask=False)
        else:
            self._jar.hold(response, slug, renewed.opening.secret, framed=False)
        return response

    def _go_on(self, request: HubRequest, visit: Visit, back: str) -> Response:
        """To a page of the visit; by frame token a 303 would lose the token."""
        if visit.carrier != "token":
            response = to(back)
            if visit.arriving:
                self._entrance.replace(request, visit.biller.slug, visit.arriving, framed=True)
                self._jar.let_in(response, visit.biller.slug, visit.arriving, framed=True)
            return response
        page = self._page(request, visit.biller, framed=True, locale=visit.payer.user.locale)
        view = PostOn(page=replace(page, inline=True), action=back, carry=self._chrome.carry(visit))
        return frame_policy(inline_style(self._pages.show(view)), visit.key.frame_origins)

    def language(self, request: HubRequest, slug: str) -> Response:
        """Keep the language that was picked on a full page, and go back to it."""
        visit = self._entrance.present(request, slug)
        if visit is None:
            raise SessionRequired
        self._csrf.check(request, visit.biller.origin, visit.biller.bid, visit.session.key)
        values = request.folded.values
        back = values.get("back", "")
        if values.get("locale") not in LOCALES or not leads_into(f"/b/{slug}/", back):
            raise MalformedRequest("a language of ours, and a page of this portal")
        response = to(back)
        remember_locale(response, values["locale"])
        return response

    def frame_token(self, request: HubRequest, slug: str) -> Response:
        """The next frame token, for the header of a script. SessionRequired."""
        biller = biller_at(self._billers, request, slug)
        check_origin(request, biller.origin)
        presented = self._jar.presented(request, slug, navigation=False)
        carried = self._frame_tokens.refresh(presented.frame_token) if presented is not None else None
        if carried is None or carried.session.token.bid != biller.bid:
            raise SessionRequired
        return jsonify(frame_token=carried.next_token, seconds=int(LIFETIME.total_seconds()))

    def out(self, request: HubRequest, slug: str) -> Response:
        """Open a page of its own for the payer of a frame. MalformedRequest.

        A ticket that opens nothing any more leads there too, with nothing in hand: whoever pressed twice is signed in there
        already, and to anybody else the page says what it says without a session.
        """
        biller = biller_at(self._billers, request, slug)
        check_origin(request, biller.origin)
        values = request.folded.values
        path, ticket = values.get("path", ""), values.get("ticket", "")
        if not ticket:
            raise SessionRequired
        if not leads_into(f"/b/{slug}/", path):
            raise MalformedRequest("a page of this portal")
        response = to(path)
        try:
            opening = self._ways_out.take(biller, ticket, NEW_TAB, request.request_id)
        except SessionRequired:
            return response
        self._jar.arrive(response, slug, opening.secret, framed=False, ask=False)
        return response

    def session_over(self, request: HubRequest, slug: str) -> Response:
        """A page without a live session: what to do next. It holds no data, so a frame may show it.

        PageNotFound: a host and a path that name no biller, or two, have no pages; that comes before the question who is signed in.
        Where it is still known whose session it was, the page tells its partner that a new hand-off is needed, and leads there.
        """
        biller = biller_at(self._billers, request, slug)
        framed = self._is_framed(request, slug)
        presented = self._jar.presented(request, slug)
        ended = self._visits.ended(presented)
        if ended is not None and (ended.key.bid != biller.bid or ended.facts.framed != framed):
            ended = None
        partner = None if ended is None else ended.key.partner
        way_on = biller.sso_login_url or (partner.url if partner is not None else "")
        if way_on and ended is not None:
            way_on = with_destination(way_on, ended.facts.redirect_id)
        parents = self._parents(request, biller, None if ended is None else ended.key, framed=framed)
        keeps_none = not framed and presented is None
        view = SessionOver(
            page=self._page(request, biller, framed=framed, parents=parents),
            why="none" if ended is None else ended.why,
            open_url=(way_on or None) if framed else None,
            back_url=None if framed else (way_on or None),
            partner_name=None if partner is None else partner.name,
            cookie_host=request.bare_host if keeps_none and _may_lack_cookies(request) else "",
        )
        response = self._pages.show(view, SessionRequired.http)
        return frame_policy(response, ANYBODY) if framed else response

    def _signed_out_before(self, request: HubRequest, biller: Biller) -> Response:
        """Sign-out without a session: it is what was wanted. Static, without data, so a frame may show it."""
        framed = self._is_framed(request, biller.slug)
        page = self._page(request, biller, framed=framed, parents=self._parents(request, biller, None, framed=framed))
        response = self._pages.show(SignedOut(page=page, next_url=biller.sso_login_url or None))
        return frame_policy(response, ANYBODY) if framed else response

    def _parents(self, request: HubRequest, biller: Biller, key: ApiKey | None, *, framed: bool) -> tuple[str, ...]:
        return self._listeners.of(biller, key, request.named_sender) if framed else ()

    def _is_framed(self, request: HubRequest, slug: str) -> bool:
        """Whether a frame shows the answer. By frame token, pages are asked for by script: the browser says "empty" of those."""
        presented = self._jar.presented(request, slug)
        return is_frame(request.fetch_dest) or (presented is not None and bool(presented.frame_token))

    def _page(
        self, request: HubRequest, biller: Biller, *, framed: bool, locale: str = "", parents: tuple[str, ...] = ()
    ) -> PlainPage:
        return PlainPage(
            locale=locale_of(request, locale or biller.locale),
            nonce=request.nonce,
            biller_name=biller.dba,
            mode="frame" if framed else "full",
            parent_origins=parents if framed else (),
        )


def _may_lack_cookies(request: HubRequest) -> bool:
    """Whether the browser may keep no cookies: it brings none at all, and nobody typed the address."""
    return not request.cookies and request.headers.get("Sec-Fetch-Site", "").lower() != "none"


def blueprint(session_pages: SessionPages, current: Callable[[], HubRequest]) -> Blueprint:
    """The routes."""
    routes = Blueprint("session_pages", __name__)
    for path, answer in (
        ("sign-out", session_pages.sign_out),
        ("sessions/end", session_pages.end_sessions),
        ("language", session_pages.language),
        ("frame/token", session_pages.frame_token),
        ("out", session_pages.out),
    ):
        _add(routes, path, answer, current)
    return routes


def _add(routes: Blueprint, path: str, answer: Callable[[HubRequest, str], Response], current: Callable[[], HubRequest]) -> None:
    def view(slug: str) -> Response:
        return answer(current(), slug)

    routes.add_url_rule(f"/b/<slug>/{path}", path.replace("/", "_"), view, methods=["POST"], provide_automatic_options=False)
