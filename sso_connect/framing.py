"""Carriers: how a browser brings its session back, and which of its cookies counts where.

    full page, new tab    `__Host-hub`     Secure; HttpOnly; SameSite=Lax
    frame                 `__Host-hub_f`   Secure; HttpOnly; SameSite=None; Partitioned
    frame, no cookies     a frame token    a hidden field of forms and buttons, or a header of our script (idp.login.frame_tokens)

`__Host-` keeps siblings from setting them (RFC 6265bis 4.1.3.2). The browser's word (`Sec-Fetch-Dest`) decides which cookie is
looked at; where a browser says nothing, the full-page cookie comes first. A session that was opened for a frame is never accepted
from the full-page cookie, nor the other way round: a frame page may be framed by the partner, a full page by nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from idp.opaque import digest

CookieKind = Literal["session", "arriving", "once", "landing"]
_SUFFIXES: Mapping[CookieKind, str] = MappingProxyType({"session": "", "arriving": "n", "once": "1", "landing": "l"})
FRAME_FIELD = "frame_token"
FRAME_HEADER = "X-Hub-Frame-Token"
_FRAME_DESTINATIONS = frozenset({"iframe", "frame", "embed", "object", "fencedframe"})


@dataclass(frozen=True, slots=True)
class Carrier:
    """One cookie. `framed`: it belongs to frames."""

    name: str
    framed: bool


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request brought: the secret of a cookie and the cookie's kind, a frame token, or both ("" where there was none)."""

    secret: str
    framed: bool
    frame_token: str = ""
    navigation: bool = True
    """Whether it is a navigation, which gets the next frame token, and not a request of our script."""
    arriving: str = ""
    """With a frame token: the secret of a cookie that does not count yet."""

    def brings(self, session_key: str) -> bool:
        """Whether one of its cookies is that of a session."""
        return session_key in {digest(secret) for secret in (self.secret, self.arriving) if secret}


class Carriers:
    """The cookies of one installation. Where billers share an origin, the name holds the slug: one cookie jar, many billers."""

    def __init__(self, *, shared_origin: bool) -> None:
        self._shared = shared_origin

    def carrier(self, slug: str, *, framed: bool) -> Carrier:
        """The cookie for a page of this kind."""
        return Carrier(self.cookie_name(slug, "session", framed=framed), framed)

    def cookie_name(self, slug: str, kind: CookieKind, *, framed: bool) -> str:
        """The name of a cookie (sso_connect.portal.jar says what each kind is for)."""
        suffix = ("f" if framed else "") + _SUFFIXES[kind]
        name = f"__Host-hub_{suffix}" if suffix else "__Host-hub"
        return f"{name}-{slug}" if self._shared else name

    def presented(
        self, slug: str, fetch_dest: str, cookies: Mapping[str, str], frame_token: str = "", *, navigation: bool = True
    ) -> Presented | None:
        """What counts for this request. A frame token belongs to frames, so a document does not bring one."""
        if frame_token and fetch_dest != "document":
            beside = cookies.get(self.carrier(slug, framed=True).name, "")
            return Presented(beside, framed=True, frame_token=frame_token, navigation=navigation)
        kinds = (True,) if is_frame(fetch_dest) else (False,) if fetch_dest == "document" else (False, True)
        for framed in kinds:
            secret = cookies.get(self.carrier(slug, framed=framed).name)
            if secret:
                return Presented(secret, framed)
        return None


def is_frame(fetch_dest: str) -> bool:
    """Whether the browser loads into a frame."""
    return fetch_dest in _FRAME_DESTINATIONS


def shows_no_page(fetch_dest: str) -> bool:
    """Whether the browser loads a picture, a script, a style ...: that would sign it in unseen."""
    return bool(fetch_dest) and fetch_dest not in {"empty", "document"} and not is_frame(fetch_dest)


def disagrees(view_mode: int, fetch_dest: str) -> bool:
    """Whether the browser's word and ViewMode contradict each other. A browser that says nothing contradicts nothing.

    A picture, script or style that points at us agrees with no ViewMode: it would sign the browser in unseen.
    """
    if not fetch_dest or fetch_dest == "empty":
        return False
    return not (is_frame(fetch_dest) if view_mode == 1 else fetch_dest == "document")
