"""The pages of the portal: from a visit, a destination and an account to a view. One function per destination.

`/b/{slug}/a/{handle}/{page}` answers GET, and POST for browsers whose session travels in forms. The account is looked up among the
payer's registrations on each request, and the rights table is asked for each page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Protocol

from flask import Blueprint, Response

from idp.accounts.members import Members
from idp.billing.invoices import DONATION, PREPAID, Invoice, InvoicePage, Invoices
from idp.clock import Clock
from idp.directory.advanced_settings import SUPPRESS_CHANGE_OF_EMAIL, AdvancedSettings
from idp.directory.billers import Billers
from idp.directory.partners import Partners
from idp.directory.payers import Account, AnyAccount, WaitingAccount
from idp.directory.registrations import RegistrationState
from idp.errors import PageNotFound
from idp.web.csrf import Csrf
from idp.web.headers import frame_policy
from idp.web.pages import Pages
from idp.web.request import HubRequest
from idp.web.templating import View
from sso_connect.account_handles import AccountHandles
from sso_connect.carrier_counts import CarrierCounts
from sso_connect.places import Places
from sso_connect.portal import views
from sso_connect.portal.answers import biller_at
from sso_connect.portal.chrome import Chrome
from sso_connect.portal.entrance import Asked, Entrance
from sso_connect.portal.finding import MOST_QUERY, finds
from sso_connect.portal.jar import Jar
from sso_connect.redirects import BY_SLUG, DESTINATIONS, Destination
from sso_connect.themes import Themes
from sso_connect.visits import Visit

_BILLS_A_PAGE = 12
_BROWSERS_A_PAGE = 20
_KINDS: Mapping[str, views.BillKind] = {DONATION: "donation", PREPAID: "prepaid"}
_MOST_CURSOR = 500


class ShowPage(Protocol):
    """Answers a page of a visit: what the hand-off needs from the portal."""

    def __call__(self, request: HubRequest, visit: Visit, destination: Destination, account: AnyAccount | None) -> Response:
        """The page."""
        ...


class Portal:
    """Builds and shows the pages."""

    def __init__(
        self,
        chrome: Chrome,
        pages: Pages,
        invoices: Invoices,
        members: Members,
        partners: Partners,
        settings: AdvancedSettings,
        places: Places,
        clock: Clock,
    ) -> None:
        self._chrome = chrome
        self._pages = pages
        self._invoices = invoices
        self._members = members
        self._partners = partners
        self._settings = settings
        self._places = places
        self._clock = clock

    def show(self, request: HubRequest, visit: Visit, destination: Destination, account: AnyAccount | None) -> Response:
        """The page of a destination, or why it is not there. In a frame only the partner's origins may frame it."""
        response = self._pages.show(self._view(request, visit, destination, account))
        return frame_policy(response, visit.key.frame_origins) if visit.session.facts.framed else response

    def _view(self, request: HubRequest, visit: Visit, destination: Destination, account: AnyAccount | None) -> View:
        page = self._chrome.page(request, visit, destination, account)
        if account is None:
            return views.NoAccountView(page=page)
        if isinstance(account, WaitingAccount):
            return self._waiting(visit, account, page)
        setting = self._chrome.table(visit)[destination.redirect_id]
        if not self._chrome.is_open(visit, setting, account):
            return _off(page, switched_off=setting.off)
        match destination.slug:
            case "bills":
                return self._bills(request, visit, account, page)
            case "pay":
                return self._pay(visit, account, page)
            case "profile":
                return self._profile(visit, account, page)
            case "accounts":
                return self._accounts(request, visit, account, page)
            case "users":
                return self._users(visit, account, page)
            case slug:
                return _LATER[slug](page=page, bills_url=self._url_if_open(visit, account, 1))

    def _bills(self, request: HubRequest, visit: Visit, account: Account, page: views.Page) -> View:
        cursor = request.folded_query.values.get("cursor", "")[:_MOST_CURSOR] or None
        found = self._invoices.list_page(visit.biller.bid, account.customer_id, cursor, _BILLS_A_PAGE)
        newest = found if cursor is None else self._invoices.list_page(visit.biller.bid, account.customer_id, None, _BILLS_A_PAGE)
        return views.BillsView(
            page=page,
            currency=visit.biller.policies.currency,
            due=_due(newest, self._today(visit)),
            bills=tuple(_bill(invoice) for invoice in found.invoices),
            pay_url=self._url_if_open(visit, account, 6),
            older_url=None if found.cursor is None else f"{page.url}?cursor={found.cursor}",
            newest_url=None if cursor is None else page.url,
        )

    def _pay(self, visit: Visit, account: Account, page: views.Page) -> View:
        found = self._invoices.list_page(visit.biller.bid, account.customer_id, None, _BILLS_A_PAGE)
        ordinary = _ordinary(found)
        return views.PayView(
            page=page,
            currency=visit.biller.policies.currency,
            due=_due(found, self._today(visit)),
            bill_number=None if ordinary is None else ordinary.number,
            bills_url=self._url_if_open(visit, account, 1),
        )

    def _accounts(self, request: HubRequest, visit: Visit, account: Account, page: views.Page) -> View:
        query = " ".join(request.folded.values.get("q", "").split())[:MOST_QUERY]
        bills = DESTINATIONS[1]
        choices = (self._chrome.choice(visit, each, bills, current=each is account) for each in visit.payer.accounts)
        found = tuple(each for each in choices if finds(query, each.words))
        waiting = tuple(_waits(each) for each in visit.payer.waiting)
        return views.AccountsView(page=page, accounts=found, query=query, waiting=waiting)

    def _profile(self, visit: Visit, account: Account, page: views.Page) -> View:
        user = visit.payer.user
        shown, more, cut = self._in_use(visit)
        return views.ProfileView(
            page=page,
            name=" ".join(part for part in (user.first_name, user.last_name) if part),
            email=user.email,
            user_name=user.user_name,
            phone=user.phone,
            users_url=self._url_if_open(visit, account, 10),
            password_partner=self._password_partner(visit),
            in_use=shown,
            more_in_use=more,
            sessions_cut=cut,
            end_url=f"/b/{visit.biller.slug}/sessions/end",
            email_fixed=self._settings.as_of(visit.biller.bid, visit.session.stamps).get(SUPPRESS_CHANGE_OF_EMAIL) == "1",
        )

    def _in_use(self, visit: Visit) -> tuple[tuple[views.BrowserInUse, ...], int, bool]:
        """Where the payer is signed in, by browser and this one first; how many more; whether others are possible."""
        own = visit.session.facts.family
        idle = timedelta(minutes=visit.biller.policies.session_idle_minutes)
        listed = self._places.list_all(visit)
        places: dict[str, dict[str, views.SignedIn]] = {}
        devices: dict[str, tuple[str, str]] = {}
        for session, key in listed.sessions:  # oldest first
            facts = session.facts
            families = places.setdefault(facts.place, {})
            devices[facts.place] = (facts.browser, facts.system)
            seen = families.get(facts.family)
            last_used = max(session.began_at, session.idle_until - idle)
            families[facts.family] = views.SignedIn(
                id=facts.id if seen is None else seen.id,
                partner_name=key.partner.name,
                framed=facts.framed if seen is None else seen.framed,
                since=session.began_at if seen is None else seen.since,
                last_used=last_used if seen is None else max(seen.last_used, last_used),
                current=facts.family == own,
            )
        found = [_browser(*devices[place], tuple(families.values())) for place, families in places.items()]
        newest = sorted(found, key=lambda each: (each.current, each.last_used))[-_BROWSERS_A_PAGE:]
        shown = tuple(sorted(newest, key=lambda each: (not each.current, each.since)))
        return shown, len(found) - len(shown), listed.cut

    def _password_partner(self, visit: Visit) -> str | None:
        """The name of the partner that owns the password. Mostly the one whose session this is, which is at hand."""
        partner_id = visit.payer.user.password_partner
        if partner_id is None:
            return None
        own = visit.key.partner
        return own.name if own.id == partner_id else self._partners.get(partner_id).name

    def _waiting(self, visit: Visit, account: WaitingAccount, page: views.Page) -> View:
        """Whatever page was asked for: nothing is shown, and nothing launched, of an account that nobody has let the payer into."""
        first = visit.payer.default_account
        url = None if first is None else self._url_if_open(visit, first, 9) or self._url_if_open(visit, first, 1)
        return views.WaitingView(page=page, account=_waits(account), others_url=url)

    def _users(self, visit: Visit, account: Account, page: views.Page) -> View:
        bid, customer_id = visit.biller.bid, account.customer_id
        members = [*self._members.list_of(bid, customer_id), *self._members.list_waiting(bid, customer_id)]
        people = tuple(
            views.AccountUser(
                name=member.user.shown_name,
                user_name=member.user.user_name,
                login_type=member.registration.login_type.value,
                pending=member.registration.pending,
                waits=_why(member.registration.state),
                is_you=member.user.id == visit.payer.user.id,
            )
            for member in members
        )
        return views.UsersView(page=page, users=people)

    def _url_if_open(self, visit: Visit, account: Account, redirect_id: int) -> str | None:
        open_here = self._chrome.is_open(visit, self._chrome.table(visit)[redirect_id], account)
        return self._chrome.url(visit, account, DESTINATIONS[redirect_id]) if open_here else None

    def _today(self, visit: Visit) -> date:
        now: datetime = self._clock.now()
        return now.astimezone(visit.biller.zone).date()


class _Later(Protocol):
    """A view whose product comes later: it has a page and the way to the bills."""

    def __call__(self, *, page: views.Page, bills_url: str | None) -> View: ...


_LATER: Mapping[str, _Later] = {
    "paperless": views.PaperlessView,
    "autopay": views.AutopayView,
    "methods": views.MethodsView,
    "history": views.HistoryView,
    "scheduled": views.ScheduledView,
    "text": views.TextView,
}


def blueprint(
    portal: Portal,
    entrance: Entrance,
    jar: Jar,
    themes: Themes,
    billers: Billers,
    carrier_counts: CarrierCounts,
    handles: AccountHandles,
    csrf: Csrf,
    current: Callable[[], HubRequest],
) -> Blueprint:
    """The account pages, and the stylesheets of themes."""
    pages = Blueprint("portal", __name__)

    @pages.route("/b/<slug>/a/<handle>/<page>", methods=["GET", "POST"])
    def account_page(slug: str, handle: str, page: str) -> Response:
        request = current()
        destination = BY_SLUG.get(page)
        if destination is None:
            raise PageNotFound(page)
        entered = entrance.enter(request, slug)
        if isinstance(entered, Asked):
            return entrance.ask(request, entered, request.path)
        visit = entered.visit
        if request.method == "POST":
            csrf.check(request, visit.biller.origin, visit.biller.bid, visit.session.key)
        if visit.settled:
            carrier_counts.count(visit.key, visit.session.facts.browser, visit.carrier)
        payer = visit.payer
        account = handles.find(payer, handle)
        if account is None and payer.opens_first is not None:
            # A payer who has no account (any more) is told so, whatever page was asked for.
            raise PageNotFound("not an account of this payer")
        framed = visit.session.facts.framed
        if entered.secret:
            entrance.replace(request, slug, entered.secret, framed=framed)
        response = portal.show(request, visit, destination, account)
        if entered.secret:
            jar.let_in(response, slug, entered.secret, framed=framed)
        return response

    @pages.get("/b/<slug>/theme/<digest>/<name>")
    def theme(slug: str, digest: str, name: str) -> Response:
        """The same for ever under its digest; which digest a page names is looked up with the page."""
        biller = biller_at(billers, current(), slug)
        if name not in {"all.css", "colours.css"}:
            raise PageNotFound("no stylesheet")
        css = themes.css(biller.bid, digest, restrained=name == "colours.css")
        if css is None:
            raise PageNotFound("no approved theme")
        response = Response(css, content_type="text/css; charset=utf-8")
        response.headers["Cache-Control"] = "public, max-age=86400, immutable"
        return response

    return pages


def _browser(browser: str, system: str, sessions: tuple[views.SignedIn, ...]) -> views.BrowserInUse:
    newest_first = tuple(sorted(sessions, key=lambda each: (each.current, each.last_used), reverse=True))
    end = next((each.id for each in newest_first if not each.current), "")
    return views.BrowserInUse(browser=browser, system=system, sessions=newest_first, end=end)


def _waits(account: WaitingAccount) -> views.AccountWaiting:
    return views.AccountWaiting(number=account.account_number, waits=_why(account.state) or "waiting", until=account.until)


def _why(state: RegistrationState) -> views.Waits | None:
    if state.stands:
        return None
    return "on_hold" if state is RegistrationState.OBJECTED else "waiting"


def _off(page: views.Page, *, switched_off: bool) -> View:
    """A destination that is not there, and the way to the first one that is."""
    back = next((item for item in page.nav if item.slug != page.slug), None)
    return views.OffView(
        page=page,
        reason="off" if switched_off else "rights",
        back_url=None if back is None else back.url,
        back_slug="bills" if back is None else back.slug,
        back_title=None if back is None else back.label,
    )


def _due(found: InvoicePage, today: date) -> views.Due | None:
    """What the newest ordinary bill asks for: a bill carries what was not paid before (past due) in its total."""
    newest = _ordinary(found)
    if newest is None:
        return None
    return views.Due(
        total=newest.total_minor, today=today, past_due=newest.past_due_minor, due_on=newest.due_on, as_of=newest.issued_on
    )


def _ordinary(found: InvoicePage) -> Invoice | None:
    return next((invoice for invoice in found.invoices if invoice.invoice_type != DONATION), None)


def _bill(invoice: Invoice) -> views.Bill:
    return views.Bill(
        number=invoice.number,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        amount=invoice.total_minor,
        past_due=invoice.past_due_minor,
        kind=_KINDS.get(invoice.invoice_type, "bill"),
        lines=tuple(
            views.BillLine(description=line.description, amount=line.amount_minor, quantity=line.quantity) for line in invoice.lines
        ),
    )
