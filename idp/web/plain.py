"""Views of the plain pages: refused, signed out, session over, problem. They hold no payer data and need no session.

PlainPage     language, nonce, whose name stands on top; the layout is `layout/plain.html`
Refused       a hand-off that was refused; may be framed by anyone, so it shows a message, a way on and a reference, no more
SignedOut     the end of a session; leads on to the ReturnUrl when there is one
FollowLink    where an SSO link lands: its script takes the secret out of the address and posts it
OpenMailLink  where a link in a mail lands: the same, and what comes back is shown in place
SessionOver   a page without a live session, in a frame (asks the parent for a relaunch) or on a full page
AskUser       a hand-off that somebody is asked about first
PostOn        the first page of a frame that was reached by GET: posts itself on, out of an address that holds a token
Welcome       a biller's own address, where no sign-in address is known
Problem       403, 404, 405, 413, 429, 500, 503
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal
from urllib.parse import urlsplit

Mode = Literal["full", "frame"]
Theme = Literal["auto", "light", "dark"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainPage:
    """The chrome of a plain page. `parent_origins` are exact origins that may hear our messages; none: nobody hears any."""

    locale: str
    nonce: str
    biller_name: str | None = None
    mode: Mode = "full"
    parent_origins: tuple[str, ...] = ()
    theme: Theme = "auto"
    theme_css: str | None = None
    zone: str = "UTC"
    inline: bool = False
    """Stylesheet and script are in the page itself, and the script takes the query out of the address: it holds a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refused hand-off. `code` is that of the HubError, `reference` leads to its diagnostics, `back_url` to the partner."""

    template: ClassVar[str] = "refused.html"
    page: PlainPage
    code: str
    reference: str
    partner_name: str | None = None
    back_url: str | None = None

    def __post_init__(self) -> None:
        check_web_address(self.back_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOut:
    """Signed out. With `next_url` (ReturnUrl or setting 3) a link and the script lead on; without one the page stands alone.

    `session_reference`: the partner's own id of the session, for its page around a frame.
    """

    template: ClassVar[str] = "signed_out.html"
    page: PlainPage
    next_url: str | None = None
    next_name: str | None = None
    session_reference: str = ""

    def __post_init__(self) -> None:
        check_web_address(self.next_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowLink:
    """The landing page of SSO links: static, holds no data, spends nothing. `back_url` leads to the partner's sign-in.

    `note`: what the script posts beside the secret, which says who sent the browser here (sso_connect.link_senders).
    """

    template: ClassVar[str] = "follow_link.html"
    page: PlainPage
    back_url: str | None = None
    note: str = ""

    def __post_init__(self) -> None:
        check_web_address(self.back_url)


WhyOver = Literal["none", "timed_out", "ended", "page_expired"]
"""What is known of a page without a live session; `none`: nothing, and then nothing is claimed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMailLink:
    """The landing page of links in mails (idp.accounts.mail_links): static, the same for everybody, spends nothing.

    Its script posts the secret as `code` to the page's own path, and puts the `main` of the answer in place of its own.
    """

    template: ClassVar[str] = "mail_link.html"
    page: PlainPage


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOver:
    """A page without a live session. `open_url` leads to sign-in in a new window (frame), `back_url` to the partner (full page).

    `why` is told only to the browser that holds the session's own cookie or frame token: to anybody else it is `none`.
    `again`: the second failure in a row; the page then explains itself and asks the parent for nothing, so there is no loop.
    `cookie_host` (full page): the browser brought no cookie, so perhaps it keeps none for this host.
    """

    template: ClassVar[str] = "session_over.html"
    page: PlainPage
    why: WhyOver = "none"
    open_url: str | None = None
    back_url: str | None = None
    partner_name: str | None = None
    again: bool = False
    cookie_host: str = ""

    def __post_init__(self) -> None:
        check_web_address(self.open_url)
        check_web_address(self.back_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskUser:
    """ "Continue as Ann?": a hand-off that arrives while somebody else (`here`) is signed in, or from a page that nobody knows.

    The form posts `carry` and an answer to `action`.
    """

    template: ClassVar[str] = "ask_user.html"
    page: PlainPage
    name: str
    here: str | None
    partner_name: str
    action: str
    carry: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostOn:
    """A page that posts itself on by script, or by its button: `carry` to `action`, a path of our own."""

    template: ClassVar[str] = "post_on.html"
    page: PlainPage
    action: str
    carry: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The biller's own address, for somebody who is not signed in: where to sign in instead."""

    template: ClassVar[str] = "welcome.html"
    page: PlainPage


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Anything else that went wrong: HTTP `status`, the `code` of the HubError, the request's `reference`.

    `home_url`: the biller's own address, the way on.
    """

    template: ClassVar[str] = "problem.html"
    page: PlainPage
    status: int
    code: str
    reference: str
    home_url: str | None = None

    def __post_init__(self) -> None:
        check_web_address(self.home_url)


def check_web_address(url: str | None) -> None:
    """An address that a page may link to: http, https, or a path of our own; None passes.

    ValueError for javascript:, data:, //host and the like. Addresses are checked where they come in; this is the last door
    before they become a link.
    """
    if url is None:
        return
    if any(ord(character) <= 0x20 or character == "\\" for character in url):
        raise ValueError("an address with blanks, control characters or backslashes")
    parts = urlsplit(url)
    own_path = not parts.scheme and not parts.netloc and url.startswith("/") and not url.startswith("//")
    if not own_path and not (parts.scheme in {"http", "https"} and parts.netloc):
        raise ValueError("an address that no page may link to")
