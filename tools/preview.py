"""Every portal page with made-up data, as HTML and as screenshots: `python -m tools.preview OUT [--only bills,pay] [--quick]`.

Renders each view x {frame, full} x {light, dark} x {en, es} at the widths that matter, in Chromium, under the CSP that the hub
sends. Nothing is served: the browser's requests are answered from memory. A console error or a refused resource fails the run.

The samples are also what the template tests render: `list_samples(mode, locale)`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from idp.web.plain import (
    Mode,
)
from idp.web.templating import StaticFiles, Templates, View
from sso_connect.portal import views
from sso_connect.portal.views import AccountChoice, AccountUser, AccountWaiting, Bill, BillLine, Due, NavItem, Page, SignOut
from sso_connect.redirects import Slug
from tools.preview_plain import HOST, NONCE, PARENT, list_plain_samples

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

_TODAY = date(2026, 11, 21)
_CSP = (
    f"default-src 'none'; script-src 'nonce-{NONCE}'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'"
)
_SLUGS: tuple[Slug, ...] = (
    "bills",
    "pay",
    "history",
    "scheduled",
    "methods",
    "autopay",
    "paperless",
    "text",
    "profile",
    "accounts",
    "users",
)
_REDIRECT_IDS: dict[Slug, int] = {
    "bills": 1,
    "paperless": 2,
    "autopay": 3,
    "profile": 4,
    "methods": 5,
    "pay": 6,
    "history": 7,
    "scheduled": 8,
    "accounts": 9,
    "users": 10,
    "text": 11,
}
# 1280 px at 400 %: nothing may scroll sideways (WCAG 1.4.10). Checked, not pictured.
_NARROWEST = 320
_WIDTHS: dict[Mode, tuple[int, ...]] = {"frame": (400, 720), "full": (360, 1280)}


# --- made-up data --------------------------------------------------------------------------------------------------------


def sample_page(slug: Slug, mode: Mode = "full", locale: str = "en") -> Page:
    """The chrome of one page at a made-up utility, with three accounts."""
    accounts = (
        AccountChoice(
            number="1001-01",
            holder="Avery Brandt",
            address="12 Mill Race Rd, Riverbend",
            url=_url(slug, "a1"),
            login_type=1,
            current=True,
            is_default=True,
        ),
        AccountChoice(
            number="1001-02",
            holder="Avery Brandt",
            address="14 Mill Race Rd, Riverbend",
            url=_url(slug, "a2"),
            login_type=3,
        ),
        AccountChoice(
            number="1003-01",
            holder="Harbor View Rentals LLC",
            address="PO Box 90",
            url=_url(slug, "a3"),
            login_type=4,
            pending=True,
        ),
    )
    return Page(
        slug=slug,
        url=_url(slug),
        biller_name="Riverbend Municipal Utilities",
        locale=locale,
        zone="America/Detroit",
        mode=mode,
        user_label="Avery Brandt",
        csrf_token="made-up-csrf",  # noqa: S106
        nonce=NONCE,
        redirect_id=_REDIRECT_IDS[slug],
        account=accounts[0],
        accounts=accounts,
        accounts_url=_url("accounts"),
        nav=tuple(NavItem(slug=each, url=_url(each)) for each in _SLUGS) if mode == "full" else (),
        sign_out=SignOut(action="/b/riverbend/sign-out", return_name="Lakeside Usage Portal"),
        language_url="/b/riverbend/language" if mode == "full" else None,
        parent_origins=(PARENT,) if mode == "frame" else (),
        expires_in=900,
    )


def list_samples(mode: Mode = "full", locale: str = "en") -> Iterator[tuple[str, View]]:
    """Every template at least once, by name, in the states that look different."""
    yield from _bill_samples(mode, locale)
    yield from _people_samples(mode, locale)
    yield from _later_samples(mode, locale)
    yield from list_plain_samples(mode, locale)


def _url(slug: str, handle: str = "a1") -> str:
    return f"/b/riverbend/a/{handle}/{slug}"


def _bill(month: int, number: str, amount: int, past_due: int = 0, year: int = 2026) -> Bill:
    water = amount - past_due - 4577
    lines = [
        BillLine(description="Water 4.2 kgal", amount=water, quantity=Decimal("1")),
        BillLine(description="Sewer", amount=2977, quantity=Decimal("1")),
        BillLine(description="Stormwater", amount=1600, quantity=Decimal("1")),
    ]
    if past_due:
        lines.append(BillLine(description="Past due", amount=past_due, quantity=Decimal("1")))
    due_on = date(year + month // 12, month % 12 + 1, 10)
    return Bill(
        number=number,
        issued_on=date(year, month, 18),
        due_on=due_on,
        amount=amount,
        past_due=past_due,
        lines=tuple(lines),
    )


def _bill_samples(mode: Mode, locale: str) -> Iterator[tuple[str, View]]:
    page = sample_page("bills", mode, locale)
    bills = (
        _bill(11, "100101261100", 8417),
        Bill(
            number="100101261107",
            issued_on=date(2026, 11, 15),
            due_on=date(2026, 12, 10),
            amount=500,
            kind="donation",
            lines=(BillLine(description="Round-up donation", amount=500),),
        ),
        replace(
            _bill(10, "100101261000", 13260, 4820),
            lines=(
                BillLine(description="Electric 612 kWh, time-of-use", amount=8440, quantity=Decimal("612")),
                BillLine(description="Past due", amount=4820, quantity=Decimal("1")),
            ),
        ),
        _bill(9, "100101260900", 7903),
        Bill(
            number="P20004-004",
            issued_on=date(2026, 8, 28),
            due_on=date(2026, 9, 15),
            amount=1200,
            kind="prepaid",
        ),
        _bill(8, "100101260800", 9142),
    )
    due = Due(total=8417, today=_TODAY, due_on=date(2026, 12, 10), as_of=date(2026, 11, 18))
    full = views.BillsView(
        page=page,
        currency="USD",
        due=due,
        bills=bills,
        pay_url=_url("pay"),
        older_url=_url("bills") + "?cursor=abc",
    )
    yield "bills", full
    late = Due(total=183309, past_due=12000, today=_TODAY, due_on=date(2026, 11, 10), as_of=date(2026, 10, 18))
    yield "bills-late", replace(full, due=late, bills=(bills[2], bills[3]), older_url=None)
    one = replace(page, accounts=page.accounts[:1], sign_out=None if mode == "frame" else SignOut(action="/sign-out"))
    yield (
        "bills-clear",
        replace(full, page=one, due=Due(total=0, today=_TODAY, as_of=date(2026, 9, 18)), bills=bills[3:]),
    )
    credit = replace(
        bills[3],
        amount=-1200,
        past_due=-8903,
        lines=(
            BillLine(description="Water 4.2 kgal", amount=7703, quantity=Decimal(1)),
            BillLine(description="Payment received", amount=-8903, quantity=Decimal(1)),
        ),
    )
    yield (
        "bills-credit",
        replace(full, due=Due(total=-1200, today=_TODAY, as_of=date(2026, 11, 18)), bills=(credit, replace(bills[0], amount=0))),
    )
    yield "bills-empty", views.BillsView(page=one, currency="USD", due=None, bills=())
    yield (
        "bills-last",
        views.BillsView(page=page, currency="USD", due=due, bills=(), newest_url=_url("bills")),
    )
    by_token = replace(page, carrier="token", carry=(("frame_token", "made-up-token"),))
    yield "bills-token", replace(full, page=by_token)
    yield (
        "pay",
        views.PayView(
            page=sample_page("pay", mode, locale),
            currency="USD",
            due=due,
            bill_number="100101261100",
            bills_url=_url("bills"),
        ),
    )
    nothing = Due(total=-1250, today=_TODAY, as_of=date(2026, 11, 18))
    yield (
        "pay-nothing",
        views.PayView(page=sample_page("pay", mode, locale), currency="USD", due=nothing, bills_url=_url("bills")),
    )


def _people_samples(mode: Mode, locale: str) -> Iterator[tuple[str, View]]:
    yield (
        "profile",
        views.ProfileView(
            page=sample_page("profile", mode, locale),
            name="Avery Brandt",
            email="avery.brandt@example.com",
            user_name="avery.brandt",
            phone="",
            users_url=_url("users"),
        ),
    )
    yield (
        "profile-managed",
        views.ProfileView(
            page=sample_page("profile", mode, locale),
            name="Avery Brandt",
            email="avery.brandt@example.com",
            user_name="avery.brandt",
            phone="",
            password_partner="Lakeside Usage Portal",  # noqa: S106
            email_fixed=True,
        ),
    )
    page = sample_page("accounts", mode, locale)
    yield "accounts", views.AccountsView(page=page, accounts=page.accounts)
    until = datetime(2026, 12, 20, 15, 5, tzinfo=UTC)
    held = (AccountWaiting(number="1007-01", waits="waiting", until=until), AccountWaiting(number="1007-02", waits="on_hold"))
    yield "accounts-waiting", views.AccountsView(page=page, accounts=page.accounts, waiting=held)
    many = (
        *page.accounts,
        *(
            replace(
                page.accounts[1],
                number=f"10{n}-01",
                holder="Harbor View Rentals LLC, a property manager with quite a long name",
            )
            for n in range(10, 22)
        ),
    )
    landlord = replace(page, accounts=many)
    yield "accounts-many", views.AccountsView(page=landlord, accounts=many)
    yield "accounts-found", views.AccountsView(page=landlord, accounts=many[3:5], query="10")
    yield "accounts-not-found", views.AccountsView(page=landlord, accounts=(), query="no such street")
    by_token = replace(landlord, carrier="token", carry=(("frame_token", "made-up-token"),))
    yield "accounts-many-token", views.AccountsView(page=by_token, accounts=many)
    users = (
        AccountUser(name="Harbor View Rentals LLC", user_name="office@harborview.example", login_type=1, is_you=False),
        AccountUser(name="Avery Brandt", user_name="avery.brandt", login_type=2, is_you=True),
        AccountUser(name="Zoë Lindqvist", user_name="zoe.lindqvist", login_type=3),
        AccountUser(name="", user_name="noor", login_type=4, pending=True),
        AccountUser(name="", user_name="tenant1003", login_type=4, pending=True, waits="waiting"),
        AccountUser(name="Riley Okafor", user_name="riley", login_type=4, pending=True, waits="on_hold"),
    )
    yield "users", views.UsersView(page=sample_page("users", mode, locale), users=users)
    yield "users-one", views.UsersView(page=sample_page("users", mode, locale), users=(users[1],))


def _later_samples(mode: Mode, locale: str) -> Iterator[tuple[str, View]]:
    bills = _url("bills")
    yield (
        "paperless",
        views.PaperlessView(page=sample_page("paperless", mode, locale), bills_url=bills),
    )
    yield "autopay", views.AutopayView(page=sample_page("autopay", mode, locale), bills_url=bills)
    yield "methods", views.MethodsView(page=sample_page("methods", mode, locale), bills_url=bills)
    yield "history", views.HistoryView(page=sample_page("history", mode, locale), bills_url=bills)
    yield (
        "scheduled",
        views.ScheduledView(page=sample_page("scheduled", mode, locale), bills_url=bills),
    )
    yield "text", views.TextView(page=sample_page("text", mode, locale), bills_url=bills)
    yield "off", views.OffView(page=sample_page("autopay", mode, locale), reason="off", back_url=bills)
    users_page = sample_page("users", mode, locale)
    guest = replace(users_page, account=users_page.accounts[2])
    yield "off-rights", views.OffView(page=guest, reason="rights", back_url=bills)
    alone = replace(sample_page("accounts", mode, locale), account=None, accounts=(), nav=())
    yield "no-account", views.NoAccountView(page=alone)
    waiting = AccountWaiting(number="1007-01", waits="waiting", until=datetime(2026, 12, 20, 15, 5, tzinfo=UTC))
    on_hold = AccountWaiting(number="1007-02", waits="on_hold")
    named = replace(alone, heading="waiting.title")
    yield "waiting", views.WaitingView(page=named, account=waiting)
    yield "waiting-others", views.WaitingView(page=named, account=waiting, others_url=_url("accounts"))
    yield "waiting-on-hold", views.WaitingView(page=named, account=on_hold)


def sample_templates() -> tuple[Templates, StaticFiles]:
    """The environment of the portal, as the hub wires it."""
    statics = StaticFiles()
    return Templates(Path(views.__file__).parent / "templates", statics=statics), statics


def _shoot(browser: Browser, out: Path, html: dict[str, str], statics: StaticFiles, dark: bool) -> list[str]:
    complaints: list[str] = []
    files = {file.url: file for file in statics.list_all()}

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(HOST)
        if path in files:
            route.fulfill(body=files[path].content, content_type=files[path].media_type)
        elif path.removeprefix("/preview/") in html:
            body = html[path.removeprefix("/preview/")]
            headers = {"content-security-policy": _CSP, "content-type": "text/html; charset=utf-8"}
            route.fulfill(body=body, headers=headers)
        else:
            route.abort()

    scheme = "dark" if dark else "light"
    context = browser.new_context(color_scheme="dark" if dark else "light", reduced_motion="reduce")
    context.route("**/*", answer)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    for name in html:
        mode: Mode = "frame" if ".frame." in name else "full"
        for width in (_NARROWEST, *_WIDTHS[mode]):
            page.set_viewport_size({"width": width, "height": 860 if width > 500 else 740})
            # A page that leads on would leave for an address that nobody answers here.
            page.goto(f"{HOST}/preview/{name}", wait_until="commit" if "-next" in name else "load")
            if "-next" in name:
                continue
            wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
            if wide:
                complaints.append(f"{name} scrolls sideways at {width}")
            if width == _NARROWEST:
                continue
            page.screenshot(path=out / f"{name}.{scheme}.{width}.png", full_page=True)
            if name.startswith(("bills.", "bills-late.")):
                page.evaluate("document.querySelectorAll('main details').forEach((part, i) => { part.open = i < 2 })")
                page.screenshot(path=out / f"{name}.{scheme}.{width}.open.png", full_page=True)
    context.close()
    return complaints


def main(arguments: list[str] | None = None) -> int:
    """Writes HTML and PNG files to the folder; 1 when a page complains, 0 when all are quiet."""
    parser = argparse.ArgumentParser(prog="tools.preview")
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="", help="names of samples, comma-separated")
    parser.add_argument("--quick", action="store_true", help="English only")
    parser.add_argument("--scheme", choices=("light", "dark", "both"), default="both")
    options = parser.parse_args(arguments)
    wanted = {name for name in options.only.split(",") if name}
    options.out.mkdir(parents=True, exist_ok=True)
    templates, statics = sample_templates()
    html: dict[str, str] = {}
    for mode in ("frame", "full"):
        for locale in ("en",) if options.quick else ("en", "es"):
            for name, view in list_samples(mode, locale):
                if not wanted or name in wanted:
                    html[f"{name}.{mode}.{locale}"] = templates.render(view)
    for name, text in html.items():
        (options.out / f"{name}.html").write_text(text, encoding="utf-8")

    from playwright.sync_api import sync_playwright

    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for dark in (False, True):
            if options.scheme in ("both", "dark" if dark else "light"):
                complaints += _shoot(browser, options.out, html, statics, dark)
        browser.close()
    for complaint in complaints:
        sys.stderr.write(f"{complaint}\n")
    sys.stdout.write(f"{len(html)} pages in {options.out}\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    raise SystemExit(main())
