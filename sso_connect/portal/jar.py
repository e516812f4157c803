"""The cookies of a browser, read and written: which session it brings, which one is arriving, what it may press twice.

    session    `__Host-hub`, in a frame `__Host-hub_f`       the one that counts
    arriving   `__Host-hub_n`, in a frame `__Host-hub_fn`    a hand-off that went through and does not count yet: a post from
               another site cannot see who is signed in here (SameSite=Lax), so the page it leads to looks, and asks where it must
    once       `__Host-hub_1`, in a frame `__Host-hub_f1`    for the 5 seconds of a double click on a single-use token
    landing    `__Host-hub_l`                                the browser that asked for the landing page of an SSO link

A frame's cookie arrives too: a browser stores it also where `frame-ancestors` then forbids the page. It counts once a form of that
page was sent, which only a page that was shown can do.

All are Secure, HttpOnly and for the whole host; in a frame SameSite=None and Partitioned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from flask import Response

from idp.web.request import HubRequest
from sso_connect.framing import FRAME_FIELD, FRAME_HEADER, Carriers, CookieKind, Presented, is_frame
from sso_connect.link_senders import LIFETIME as LANDING_FOR

ARRIVING_FOR = timedelta(minutes=2)
"""Longer than any redirect; the payer who is asked answers by a form that goes on for as long as the session does."""

_ASK = "ask."
_MOST = 100


@dataclass(frozen=True, slots=True)
class Arriving:
    """A session that does not count yet. `ask`: whatever else holds, the payer is asked first."""

    presented: Presented
    ask: bool


class Jar:
    """Reads and writes these cookies."""

    def __init__(self, carriers: Carriers) -> None:
        self._carriers = carriers

    def presented(self, request: HubRequest, slug: str, *, navigation: bool = True) -> Presented | None:
        """What the request brings of the session that counts: cookie, frame token, or both."""
        token = request.carried(FRAME_FIELD, FRAME_HEADER)
        found = self._carriers.presented(slug, request.fetch_dest, request.cookies, token, navigation=navigation)
        if found is None or not found.frame_token:
            return found
        arriving = request.cookies.get(self._name("arriving", slug, framed=True), "")
        return found if arriving.startswith(_ASK) else replace(found, arriving=arriving)

    def arriving(self, request: HubRequest, slug: str) -> Arriving | None:
        """What the request brings of a session that does not count yet."""
        framed = is_frame(request.fetch_dest)
        value = request.cookies.get(self._name("arriving", slug, framed=framed), "")
        if not value:
            return None
        return Arriving(Presented(value.removeprefix(_ASK), framed=framed), ask=value.startswith(_ASK))

    def counting(self, request: HubRequest, slug: str, *, framed: bool) -> str:
        """The secret of the cookie that counts, or ""."""
        value = request.cookies.get(self._name("session", slug, framed=framed), "")
        return value if len(value) <= _MOST and value.isascii() else ""

    def held(self, request: HubRequest, slug: str) -> tuple[str, ...]:
        """The secrets that came along with a hand-off, of what counts and of what arrived before: they show which browser it is."""
        framed = is_frame(request.fetch_dest)
        arriving = request.cookies.get(self._name("arriving", slug, framed=framed), "").removeprefix(_ASK)
        secrets = (self.counting(request, slug, framed=framed), arriving)
        return tuple(each for each in secrets if 20 <= len(each) <= _MOST and each.isascii())

    def once(self, request: HubRequest, slug: str) -> str:
        """The nonce of a double click, or ""."""
        return request.cookies.get(self._name("once", slug, framed=is_frame(request.fetch_dest)), "")

    def hold(self, response: Response, slug: str, secret: str, *, framed: bool) -> None:
        """Let a session count."""
        self._set(response, "session", slug, secret, framed=framed, same_site="None" if framed else "Lax")

    def let_in(self, response: Response, slug: str, secret: str, *, framed: bool) -> None:
        """Let a session count that was arriving."""
        self.hold(response, slug, secret, framed=framed)
        self.drop(response, "arriving", slug, framed=framed)

    def arrive(self, response: Response, slug: str, secret: str, *, framed: bool, ask: bool) -> None:
        """Let a session wait: on a full page for the page that looks, in a frame for the first form of its first page."""
        value = f"{_ASK if ask else ''}{secret}"
        # The first page of a frame may be read for as long as the session lives.
        lifetime = None if framed else ARRIVING_FOR
        self._set(response, "arriving", slug, value, framed=framed, same_site="None" if framed else "Lax", lifetime=lifetime)

    def hold_once(self, response: Response, slug: str, nonce: str, *, framed: bool, lifetime: timedelta) -> None:
        """Let the browser show that it is the one that used a token."""
        # None on a full page too: the second post comes from the partner's site like the first.
        self._set(response, "once", slug, nonce, framed=framed, same_site="None", lifetime=lifetime)

    def landing(self, request: HubRequest, slug: str) -> str:
        """What this browser was given with the landing page of a link, or ""; several pages at once share it."""
        value = request.cookies.get(self._name("landing", slug, framed=False), "")
        return value if len(value) <= _MOST and value.isascii() else ""

    def land(self, response: Response, slug: str, secret: str) -> None:
        """Let the browser show later that it asked for a landing page."""
        self._set(response, "landing", slug, secret, framed=False, same_site="Strict", lifetime=LANDING_FOR)

    def drop(self, response: Response, kind: CookieKind, slug: str, *, framed: bool) -> None:
        """Take a cookie back."""
        response.delete_cookie(
            self._name(kind, slug, framed=framed),
            secure=True,
            httponly=True,
            path="/",
            samesite="None" if framed else "Lax",
            partitioned=framed,
        )

    def _set(
        self,
        response: Response,
        kind: CookieKind,
        slug: str,
        value: str,
        *,
        framed: bool,
        same_site: Literal["None", "Lax", "Strict"],
        lifetime: timedelta | None = None,
    ) -> None:
        response.set_cookie(
            self._name(kind, slug, framed=framed),
            value,
            max_age=lifetime,
            secure=True,
            httponly=True,
            path="/",
            samesite=same_site,
            partitioned=framed,
        )

    def _name(self, kind: CookieKind, slug: str, *, framed: bool) -> str:
        return self._carriers.cookie_name(slug, kind, framed=framed)
