"""The entrance of every page: whose visit a request is, when one session is there and another one arrives.

nothing arrives                        the session that counts
a session arrives, nobody is here      it counts from now on; in a frame, once a form of its first page comes back
the same user is here                  the new one takes the place of the old one, which ends
somebody else is here, or nobody       the payer is asked ("Continue as Ann?"), and nothing counts until the answer: else
vouches for the page that sent it      anybody could push a stranger's sign-in into a browser (login CSRF, RFC 9700 4.7)
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response

from idp.errors import MalformedRequest, SessionRequired
from idp.login.sessions import Sessions
from idp.web.csrf import FIELD, Csrf
from idp.web.headers import frame_policy, inline_style, referrer
from idp.web.pages import Pages, locale_of
from idp.web.plain import AskUser, PlainPage
from idp.web.request import HubRequest
from sso_connect.framing import FRAME_FIELD
from sso_connect.portal.answers import leads_into
from sso_connect.portal.jar import Jar
from sso_connect.visits import Visit, Visits


@dataclass(frozen=True, slots=True)
class Entered:
    """The visit of a request. `secret`: of a session that counts from this answer on, or ""."""

    visit: Visit
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody arrives who must be asked for first. `old`: who is here, None: nobody."""

    new: Visit
    old: Visit | None


class Entrance:
    """Finds the visit of a request, asks, and takes the answer."""

    def __init__(self, visits: Visits, sessions: Sessions, jar: Jar, pages: Pages, csrf: Csrf) -> None:
        self._visits = visits
        self._sessions = sessions
        self._jar = jar
        self._pages = pages
        self._csrf = csrf

    def present(self, request: HubRequest, slug: str) -> Visit | None:
        """The visit that counts now."""
        return self._visits.find(request.bare_host, slug, self._jar.presented(request, slug))

    def enter(self, request: HubRequest, slug: str) -> Entered | Asked:
        """Whose page it is. SessionRequired."""
        arriving = self._jar.arriving(request, slug) if request.method == "GET" else None
        if arriving is not None and arriving.presented.framed:
            arriving = None  # nobody has shown yet that the page of this session was shown
        new = None if arriving is None else self._visits.find(request.bare_host, slug, arriving.presented)
        here = self.present(request, slug)
        if arriving is not None and new is not None:
            if must_ask(here, new, unknown_sender=arriving.ask):
                return Asked(new, here)
            return Entered(new, arriving.presented.secret)
        if here is None:
            raise SessionRequired
        return Entered(here, here.arriving)

    def replace(self, request: HubRequest, slug: str, secret: str, *, framed: bool) -> None:
        """End the session whose cookie another one takes with this answer: no page could show it any more."""
        before = self._jar.counting(request, slug, framed=framed)
        if before and before != secret:
            self._sessions.replace(before)

    def ask(self, request: HubRequest, asked: Asked, path: str) -> Response:
        """The page that asks. `path`: where a yes leads."""
        new, framed = asked.new, asked.new.session.facts.framed
        biller = new.biller
        in_place = framed and request.method == "GET"  # the address of this answer holds the partner's token
        page = PlainPage(
            locale=locale_of(request, new.payer.user.locale or biller.locale),
            nonce=request.nonce,
            biller_name=biller.dba,
            mode="frame" if framed else "full",
            parent_origins=new.key.frame_origins if framed else (),
            inline=in_place,
        )
        carry = [(FIELD, self._csrf.token(biller.bid, new.session.key)), ("path", path)]
        if new.frame_token:
            carry.append((FRAME_FIELD, new.frame_token))
        view = AskUser(
            page=page,
            name=new.payer.user.shown_name,
            here=None if asked.old is None else asked.old.payer.user.shown_name,
            partner_name=new.key.partner.name,
            action=f"/b/{biller.slug}/sso/continue",
            carry=tuple(carry),
        )
        response = self._pages.show(view)
        if in_place:
            referrer(inline_style(response), "strict-origin")
        return frame_policy(response, new.key.frame_origins) if framed else response

    def take_answer(self, request: HubRequest, slug: str) -> tuple[Visit, str, bool]:
        """The visit that was asked for, the secret that its browser brought ("": by frame token), and whether it is a yes.

        SessionRequired, OriginRefused, CsrfRefused, MalformedRequest. A no ends what arrived, and nothing else.
        """
        arriving = self._jar.arriving(request, slug)
        visit = None if arriving is None else self._visits.find(request.bare_host, slug, arriving.presented)
        presented = self._jar.presented(request, slug)
        if presented is not None and presented.frame_token:
            carried = self._visits.find(request.bare_host, slug, presented)
            if visit is None or (carried is not None and carried.session.key != visit.session.key):
                visit, arriving = carried, None
            elif carried is not None:
                visit = self._visits.settle(carried)
        if visit is None:
            raise SessionRequired
        self._csrf.check(request, visit.biller.origin, visit.biller.bid, visit.session.key)
        answer = request.folded.values.get("answer", "")
        if answer not in {"yes", "no"} or not leads_into(f"/b/{slug}/", request.folded.values.get("path", "")):
            raise MalformedRequest("yes or no, and a page of this portal")
        if answer == "no":
            self._sessions.end(visit.session)
        return visit, visit.arriving if arriving is None else arriving.presented.secret, answer == "yes"


def must_ask(here: Visit | None, new: Visit, *, unknown_sender: bool) -> bool:
    """Whether the payer is asked: another user of the biller is signed in, or nobody is and nobody vouches for the sender."""
    return unknown_sender if here is None else here.payer.user.id != new.payer.user.id
