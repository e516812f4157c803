"""The addresses of the hand-off: `/b/{slug}/sso/connect`, SSO links, and the question who should be signed in.

`POST /b/{slug}/sso/connect` (preferred) and `GET` (what partners send today) are public and cross-site by design. In a frame, a
POST answers the page itself, and a GET a page that posts itself on, because its address holds the token; on a full page both answer
303 to a page whose address holds no secret. Either way the session arrives, and counts later (`portal.entrance`). A refusal answers
a static page, which anybody may frame. A prefetch is turned away before anything is read: it would spend what nobody has clicked
yet. What a GET answers at an address that holds a token keeps it out of Referer: assets inline, policy `strict-origin`.

`GET /b/{slug}/sso/partner.js` is a script for partners' pages, which they load from another site: it sizes their frame and passes
our messages on (what it promises stands in the file).

The old shared address `/sso/connect` on the portal's own domain sets no cookie, reads only which biller a token is for, and passes
the request on to that biller's host (307).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flask import Blueprint, Response

from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller, Billers
from idp.errors import BillerNotFound, HubError, PageNotFound, TokenUnknown, UnsupportedMediaType
from idp.opaque import new_secret
from idp.web.csrf import Csrf, check_origin
from idp.web.headers import ANYBODY, frame_policy, inline_style, referrer
from idp.web.pages import Pages, locale_of
from idp.web.plain import FollowLink, PlainPage, PostOn, SignedOut
from idp.web.plain import Refused as RefusedView
from idp.web.request import Folded, HubRequest
from sso_connect.arrivals import TOKEN, Arrival
from sso_connect.framing import is_frame
from sso_connect.handoff import Handoff, Landing, Refused
from sso_connect.link_senders import LinkSenders, Seen
from sso_connect.listeners import Listeners
from sso_connect.portal.answers import biller_at, redirect
from sso_connect.portal.chrome import Chrome
from sso_connect.portal.entrance import Asked, Entrance, must_ask
from sso_connect.portal.jar import Jar
from sso_connect.portal.pages import ShowPage
from sso_connect.redemptions import DOUBLE_CLICK
from sso_connect.redirects import DESTINATIONS
from sso_connect.tokens import Tokens
from sso_connect.visits import Visit

SHARED_PATH = "/sso/connect"
_PARTNER_SCRIPT = Path(__file__).parent / "portal" / "static" / "partner.js"


class Doors:
    """Answers hand-offs, links, and the payer's answer to "Continue as Ann?"."""

    def __init__(
        self,
        billers: Billers,
        tokens: Tokens,
        handoff: Handoff,
        link_senders: LinkSenders,
        entrance: Entrance,
        chrome: Chrome,
        show: ShowPage,
        jar: Jar,
        pages: Pages,
        csrf: Csrf,
        listeners: Listeners,
        portal_domain: str,
    ) -> None:
        self._billers = billers
        self._tokens = tokens
        self._handoff = handoff
        self._link_senders = link_senders
        self._entrance = entrance
        self._chrome = chrome
        self._show = show
        self._jar = jar
        self._pages = pages
        self._csrf = csrf
        self._listeners = listeners
        self._portal_domain = portal_domain

    def partner_script(self, request: HubRequest, slug: str, script: bytes) -> Response:
        """The script for partners' pages: the same for every biller, under an address that stays, so it is kept for a day only."""
        biller_at(self._billers, request, slug)
        response = Response(script, content_type="text/javascript; charset=utf-8")
        response.headers["Cache-Control"] = "public, max-age=86400"
        # Partners' pages may ask for CORP of everything that they load (Cross-Origin-Embedder-Policy: require-corp).
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.add_etag()
        response.make_conditional(request)
        return response

    def connect(self, request: HubRequest, slug: str) -> Response:
        """Take a redirect."""
        if is_prefetch(request):
            return _not_yet()
        biller = biller_at(self._billers, request, slug)
        seen = Seen(request.named_sender, request.fetch_site)
        return self._answer(request, self._handoff.connect(self._arrival(request, slug, _params(request), seen), biller))

    def pass_on(self, request: HubRequest) -> Response:
        """The shared address: to the host of the biller that the token is for, method and body kept. It reads nothing else."""
        if request.bare_host != self._portal_domain:
            raise PageNotFound("the shared address is on the portal's own domain only")
        if is_prefetch(request):
            return _not_yet()
        facts = self._tokens.look(_params(request).values.get(TOKEN, "")).facts
        try:
            if facts is None:
                raise TokenUnknown("on the shared address")
            biller = self._billers.get(facts.bid)
        except (TokenUnknown, BillerNotFound) as unknown:
            return self._refused_without_biller(request, unknown)
        query = request.query_string.decode("latin-1")
        location = f"{biller.base_url}{SHARED_PATH}" + (f"?{query}" if query and request.method == "GET" else "")
        response = Response(status=307, headers={"Location": location, "Cache-Control": "no-store"})
        # After a redirect from another origin the browser says `Origin: null`, so Referer has to name the partner's page.
        return referrer(frame_policy(response, ANYBODY), "strict-origin")

    def land(self, request: HubRequest, slug: str) -> Response:
        """Where an SSO link leads: a static page for everybody. Who may frame it is not known yet, so anybody may."""
        biller = biller_at(self._billers, request, slug)
        page, back_url = self._heard(request, biller, None), biller.sso_login_url or None
        if is_frame(request.fetch_dest):  # the page behind it is guarded by frame-ancestors, and needs no note
            return frame_policy(self._pages.show(FollowLink(page=page, back_url=back_url)), ANYBODY)
        browser = self._jar.landing(request, slug) or new_secret()
        note = self._link_senders.note(biller.bid, Seen(request.named_sender, request.fetch_site), browser)
        response = self._pages.show(FollowLink(page=page, back_url=back_url, note=note))
        self._jar.land(response, slug, browser)
        return response if request.fetch_dest == "document" else frame_policy(response, ANYBODY)

    def follow(self, request: HubRequest, slug: str) -> Response:
        """Take the secret that the landing page posts. Nobody else may: a secret that came otherwise was seen by somebody."""
        biller = biller_at(self._billers, request, slug)
        check_origin(request, biller.origin)
        sent = _params(request)
        secret = "" if "link" in sent.twice else sent.values.get("link", "")
        note = sent.values.get("sender", "")
        seen = self._link_senders.read(biller.bid, note, self._jar.landing(request, slug), secret) if note else Seen()
        arrival = self._arrival(request, slug, Folded({}, frozenset()), seen)
        return self._answer(request, self._handoff.follow(arrival, biller, secret))

    def go_on(self, request: HubRequest, slug: str) -> Response:
        """What the payer answers to "Continue as Ann?"."""
        biller = biller_at(self._billers, request, slug)
        check_origin(request, biller.origin)
        visit, secret, is_yes = self._entrance.take_answer(request, slug)
        path = request.folded.values["path"]
        framed = visit.session.facts.framed
        if not is_yes:
            return self._not_continued(request, biller, visit)
        if framed:
            response = self._post_on(request, visit, path) if visit.carrier == "token" else redirect(path)
        else:
            response = redirect(path)
        if secret:
            self._entrance.replace(request, slug, secret, framed=framed)
            self._jar.let_in(response, slug, secret, framed=framed)
        return response

    def _not_continued(self, request: HubRequest, biller: Biller, visit: Visit) -> Response:
        """Back to whoever was here; where nobody was, a page that says that nobody is signed in."""
        framed = visit.session.facts.framed
        here = self._entrance.present(request, biller.slug)
        if here is not None and here.session.key != visit.session.key:
            response = redirect(self._chrome.url(here, here.payer.opens_first, DESTINATIONS[1]))
        else:
            page = self._heard(request, biller, visit.key)
            response = self._pages.show(SignedOut(page=page, next_url=None if framed else biller.sso_login_url or None))
            if framed:
                frame_policy(response, visit.key.frame_origins)
        self._jar.drop(response, "arriving", biller.slug, framed=framed)
        return response

    def _answer(self, request: HubRequest, taken: Landing | Refused) -> Response:
        if isinstance(taken, Refused):
            return self._refused(request, taken)
        visit, opening, slug = taken.visit, taken.opening, taken.visit.biller.slug
        path = self._chrome.url(visit, taken.account, taken.destination)
        response = self._framed(request, taken, path) if visit.session.facts.framed else redirect(path)
        if not visit.session.facts.framed:
            if request.method == "GET":
                referrer(response, "no-referrer")
            self._jar.arrive(response, slug, opening.secret, framed=False, ask=taken.ask)
        if visit.session.token.policy != "session":
            nonce, framed = opening.nonce, visit.session.facts.framed
            self._jar.hold_once(response, slug, nonce, framed=framed, lifetime=DOUBLE_CLICK)
        return response

    def _framed(self, request: HubRequest, taken: Landing, path: str) -> Response:
        """The first page of a frame. The cookie of whoever is signed in here did come along, so who must be asked is asked now."""
        visit, slug = taken.visit, taken.visit.biller.slug
        here = self._entrance.present(request, slug)
        asks = must_ask(here, visit, unknown_sender=taken.ask)
        if asks:
            response = self._entrance.ask(request, Asked(visit, here), path)
        elif request.method == "GET":
            response = self._post_on(request, visit, path)
        else:
            response = self._show(request, visit, taken.destination, taken.account)
        if request.method == "GET":
            referrer(response, "strict-origin")
        self._jar.arrive(response, slug, taken.opening.secret, framed=True, ask=asks)
        return response

    def _post_on(self, request: HubRequest, visit: Visit, path: str) -> Response:
        page = replace(_plain(request, visit.biller), inline=True)
        view = PostOn(page=page, action=path, carry=self._chrome.carry(visit))
        return frame_policy(inline_style(self._pages.show(view)), visit.key.frame_origins)

    def _refused(self, request: HubRequest, refused: Refused) -> Response:
        view = RefusedView(
            page=self._heard(request, refused.biller, refused.key),
            code=refused.error.code,
            reference=refused.reference,
            partner_name=refused.partner_name or None,
            back_url=refused.back_url or None,
        )
        return _static(self._pages.show(view, _status(refused.error)))

    def _heard(self, request: HubRequest, biller: Biller, key: ApiKey | None) -> PlainPage:
        """A plain page that tells the page around its frame how high it is."""
        page = _plain(request, biller)
        if page.mode == "full":
            return page
        return replace(page, parent_origins=self._listeners.of(biller, key, request.named_sender))

    def _refused_without_biller(self, request: HubRequest, error: HubError) -> Response:
        framed = is_frame(request.fetch_dest)
        page = PlainPage(locale=locale_of(request), nonce=request.nonce, mode="frame" if framed else "full")
        view = RefusedView(page=page, code=error.code, reference=request.request_id)
        return _static(self._pages.show(view, _status(error)))

    def _arrival(self, request: HubRequest, slug: str, params: Folded, seen: Seen) -> Arrival:
        return Arrival(
            host=request.bare_host,
            slug=slug,
            method=request.method,
            fetch_dest=request.fetch_dest,
            user_agent=request.headers.get("User-Agent", ""),
            request_id=request.request_id,
            values=params.values,
            twice=params.twice,
            sender=seen.sender,
            fetch_site=seen.fetch_site,
            nonce=self._jar.once(request, slug),
            address=request.remote_addr or "",
            held=self._jar.held(request, slug),
        )


def blueprint(doors: Doors, current: Callable[[], HubRequest]) -> Blueprint:
    """The routes."""
    routes = Blueprint("connect", __name__)
    script = _PARTNER_SCRIPT.read_bytes()

    @routes.route("/b/<slug>/sso/connect", methods=["GET", "POST"])
    def connect(slug: str) -> Response:
        return doors.connect(current(), slug)

    @routes.route(SHARED_PATH, methods=["GET", "POST"])
    def pass_on() -> Response:
        return doors.pass_on(current())

    @routes.get("/b/<slug>/sso/partner.js")
    def partner_script(slug: str) -> Response:
        return doors.partner_script(current(), slug, script)

    @routes.get("/b/<slug>/sso/link")
    def land(slug: str) -> Response:
        return doors.land(current(), slug)

    @routes.post("/b/<slug>/sso/link")
    def follow(slug: str) -> Response:
        return doors.follow(current(), slug)

    @routes.post("/b/<slug>/sso/continue")
    def go_on(slug: str) -> Response:
        return doors.go_on(current(), slug)

    return routes


def is_prefetch(request: HubRequest) -> bool:
    """Whether nobody has clicked yet (Fetch Metadata: `Sec-Purpose: prefetch`; older spellings of it, too)."""
    said = " ".join(request.headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")).lower()
    return "prefetch" in said or "preview" in said


def _not_yet() -> Response:
    """Turns a prefetch away: not a success, so that the browser asks again when somebody clicks."""
    return Response(status=503, headers={"Cache-Control": "no-store", "Retry-After": "1"})


def _status(error: HubError) -> int:
    return error.http if error.http in {400, 401, 403, 410} else 403


def _static(response: Response) -> Response:
    return referrer(frame_policy(response, ANYBODY), "no-referrer")


def _plain(request: HubRequest, biller: Biller) -> PlainPage:
    return PlainPage(
        locale=locale_of(request, biller.locale),
        nonce=request.nonce,
        biller_name=biller.dba,
        mode="frame" if is_frame(request.fetch_dest) else "full",
    )


def _params(request: HubRequest) -> Folded:
    """A body that is no form has no parameters: the refusal then says which ones are missing."""
    try:
        return request.folded
    except UnsupportedMediaType:
        return Folded({}, frozenset())
