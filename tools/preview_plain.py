"""The samples of plain pages (no session, no menu) for `tools.preview`, with made-up data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from idp.accounts.confirmations import Asked, Closed, Kind
from idp.accounts.objections import Question
from idp.web.confirming import ClosedView, ConfirmedView, ConfirmView
from idp.web.objecting import ObjectedView, ObjectionClosedView, ObjectionLinkView, ObjectionView
from idp.web.plain import (
    AskUser,
    FollowLink,
    Mode,
    OpenMailLink,
    PlainPage,
    PostOn,
    Problem,
    Refused,
    SessionOver,
    SignedOut,
    Welcome,
    WhyOver,
)
from idp.web.templating import View

NONCE = "preview"
HOST = "http://riverbend.hub.localhost"
PARENT = "http://partner.localhost"
_QUESTIONS: tuple[tuple[Kind, str], ...] = (("password", ""), ("email", "avery.brandt@example.com"))


def list_plain_samples(mode: Mode, locale: str) -> Iterator[tuple[str, View]]:
    page = PlainPage(
        locale=locale,
        nonce=NONCE,
        biller_name="Riverbend Municipal Utilities",
        mode=mode,
        parent_origins=(PARENT,) if mode == "frame" else (),
    )
    reference = "R-7F3K-29QD-XM4A"
    yield (
        "refused",
        Refused(
            page=page,
            code="TokenExpired",
            reference=reference,
            partner_name="Lakeside Usage Portal",
            back_url="https://lakeside.example.com/portal",
        ),
    )
    yield (
        "refused-bare",
        Refused(page=replace(page, biller_name=None), code="InvalidRedirect", reference=reference),
    )
    ask_user = AskUser(
        page=page,
        name="Ann Vale",
        here="Avery Brandt",
        partner_name="Harborlight",
        action="/b/x/sso/continue",
        carry=(("csrf_token", "made-up"),),
    )
    yield "ask-user", ask_user
    yield "ask-user-unknown-page", replace(ask_user, here=None)
    yield "post-on", PostOn(page=page, action="/b/x/a/none/bills", carry=(("csrf_token", "made-up"),))
    yield "mail-link", OpenMailLink(page=page)
    yield "follow-link", FollowLink(page=page, back_url="https://lakeside.example.com/portal")
    for kind, email in _QUESTIONS:
        asked = Asked(kind, "Lakeside Usage Portal", "avery", email, "")
        yield (
            f"confirm-{kind}",
            ConfirmView(page=page, asked=asked, code="made-up", csrf_token=NONCE, action="/b/riverbend/confirm"),
        )
        yield f"confirm-{kind}-yes", ConfirmedView(page=page, asked=asked, allowed=True)
        yield f"confirm-{kind}-no", ConfirmedView(page=page, asked=asked, allowed=False)
    question = Question("riley.okafor", "1003-01")
    yield "objection-link", ObjectionLinkView(page=page)
    yield (
        "objection",
        ObjectionView(page=page, question=question, secret="made-up", csrf_token=NONCE, action="/b/riverbend/objection"),  # noqa: S106
    )
    yield "objected", ObjectedView(page=page, question=question)
    yield "objection-closed", ObjectionClosedView(page=page)
    yield "confirm-gone", ClosedView(page=page, closed=Closed("gone"))
    yield "confirm-gone-partner", ClosedView(page=page, closed=Closed("gone", "Lakeside Usage Portal"))
    yield "confirm-void", ClosedView(page=page, closed=Closed("void", "Lakeside Usage Portal"))
    yield "signed-out", SignedOut(page=page)
    yield (
        "signed-out-next",
        SignedOut(page=page, next_url="https://lakeside.example.com/portal", next_name="Lakeside"),
    )
    yield (
        "session-over",
        SessionOver(
            page=page,
            open_url="/b/riverbend/sign-in?to=bills" if mode == "frame" else None,
            back_url="https://lakeside.example.com/portal" if mode == "full" else None,
            partner_name="Lakeside Usage Portal",
            cookie_host="riverbend.example.com" if mode == "full" else "",
        ),
    )
    whys: tuple[WhyOver, ...] = ("timed_out", "ended", "page_expired")
    for why in whys:
        yield (
            f"session-over-{why}",
            SessionOver(
                page=page,
                why=why,
                open_url="/b/riverbend/sign-in" if mode == "frame" else None,
                back_url="https://lakeside.example.com/portal" if mode == "full" else None,
                partner_name="Lakeside Usage Portal",
            ),
        )
    yield "session-over-again", SessionOver(page=page, open_url="/b/riverbend/sign-in", again=True)
    yield "welcome", Welcome(page=page)
    for status, code in (
        (403, "CsrfRefused"),
        (404, "PageNotFound"),
        (405, "MethodNotAllowed"),
        (413, "BodyTooLarge"),
        (500, "UnexpectedError"),
        (503, "StoreUnavailable"),
    ):
        yield f"problem-{status}", Problem(page=page, status=status, code=code, reference=reference, home_url="/b/riverbend/")
    yield "problem-bare", Problem(page=replace(page, biller_name=None), status=404, code="PageNotFound", reference=reference)


# --- pictures ------------------------------------------------------------------------------------------------------------
