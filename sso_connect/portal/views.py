"""What the portal's pages show, as plain frozen data: no Flask, no stores, no formatting.

    Page            what every page needs: whose, which language, frame or full, how links travel, the chrome around it
    AccountChoice   one of the payer's accounts, in the switcher and under Manage Accounts
    NavItem, SignOut
    Due, Bill, BillLine
    BillsView ...   one view per destination, named in the class's `template`
    OffView         a destination that is switched off, or that the payer's rights do not allow
    WaitingView     an account that the payer has no access to yet
    NoAccountView   a payer without any account

Money is integer minor units of the view's `currency`; days are dates in the biller's zone; URLs are ready to use. Templates
render them (idp.web.templating), and the words come from the catalogue (idp.texts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import ClassVar, Literal

from idp.web.plain import Mode, Theme
from sso_connect.redirects import Slug

Carrier = Literal["cookie", "token"]
BillKind = Literal["bill", "donation", "prepaid"]
Group = Literal["bills", "settings", "people"]
Waits = Literal["waiting", "on_hold"]
"""Why somebody has no access to an account (yet): keys of the catalogue, under `roles.`."""

_GROUPS: Mapping[Slug, Group] = MappingProxyType(
    {
        "bills": "bills",
        "pay": "bills",
        "history": "bills",
        "scheduled": "bills",
        "methods": "settings",
        "autopay": "settings",
        "paperless": "settings",
        "text": "settings",
        "profile": "people",
        "accounts": "people",
        "users": "people",
    }
)
_LOGIN_TYPES = {1: "full", 2: "full", 3: "oversight", 4: "guest"}
_SWITCHER_LENGTH = 6
_MOST_TO_FIND = 200
"""So many accounts are on a page for its script to search; a search of all of them is Manage Accounts."""


def role_key(login_type: int, *, pending: bool = False) -> str:
    """The catalogue key (under `roles.`) of a login type, 1-4: Owner and Co-owner are one word to payers. KeyError otherwise.

    `pending`: a role code would give more.
    """
    role = _LOGIN_TYPES[login_type]
    return "guest_until_code" if pending and role == "guest" else role


# --- around every page ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChoice:
    """One account of the payer. `number` as displayed; `url` opens it (the switcher: on the same page as now)."""

    number: str
    holder: str
    url: str
    login_type: int
    address: str = ""
    pending: bool = False
    current: bool = False
    is_default: bool = False

    @property
    def role(self) -> str:
        """Catalogue key of the role word, under `roles.`."""
        return role_key(self.login_type, pending=self.pending)

    @property
    def words(self) -> str:
        """What a search looks at: number, name, address."""
        return f"{self.number} {self.holder} {self.address}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountWaiting:
    """An account that the payer has no access to: its number, and nothing else. `until`: when the request is over, in the zone."""

    number: str
    waits: Waits
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NavItem:
    """A destination in the sidebar. `label`: the biller's own name for it, else the catalogue's."""

    slug: Slug
    url: str
    label: str | None = None

    @property
    def group(self) -> Group:
        """Which part of the sidebar it stands in."""
        return _GROUPS[self.slug]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOut:
    """The sign-out form. `return_name`: the site that the payer returns to; None when there is no ReturnUrl."""

    action: str
    return_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Out:
    """The way out of a frame: a form posts `ticket` and a path to `action`, into a page of its own."""

    action: str
    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What every portal page needs, whatever it shows.

    `url` is the page's own address; the language form (POST to `language_url`: locale, back, csrf_token) leads back to it.
    `carrier` and `carry` decide how links travel: by cookie they are links, by token they are POST buttons with `carry` as hidden
    fields. `accounts` holds all accounts of the payer, the one in play included; `account` is that one.
    `expires_in`: seconds until the session is over when nothing happens, for the message to the parent.
    """

    slug: Slug
    url: str
    biller_name: str
    locale: str
    zone: str
    mode: Mode
    user_label: str
    csrf_token: str
    nonce: str
    title: str | None = None
    heading: str | None = None
    """Catalogue key of the title of a page that is not about its destination; None: it is."""
    redirect_id: int | None = None
    carrier: Carrier = "cookie"
    carry: tuple[tuple[str, str], ...] = ()
    account: AccountChoice | None = None
    accounts: tuple[AccountChoice, ...] = ()
    accounts_url: str | None = None
    nav: tuple[NavItem, ...] = ()
    sign_out: SignOut | None = None
    language_url: str | None = None
    parent_origins: tuple[str, ...] = ()
    expires_in: int | None = None
    theme: Theme = "auto"
    theme_css: str | None = None
    frame_token_url: str | None = None
    """Where the script of a page that travels by frame token gets the next one; None: nothing to get."""
    out: Out | None = None
    """The way out of the frame; None on a page of its own."""

    @property
    def title_key(self) -> str:
        """Catalogue key of the title, for billers that have not renamed the destination."""
        return self.heading or f"destinations.{self.slug}"

    @property
    def others(self) -> tuple[AccountChoice, ...]:
        """Every account but the one in play."""
        return tuple(choice for choice in self.accounts if not choice.current)

    @property
    def switcher(self) -> tuple[AccountChoice, ...]:
        """The accounts to change to: six of them where a search finds the others, else all."""
        return self.others[:_SWITCHER_LENGTH] if self.find_url is not None else self.others

    @property
    def find_url(self) -> str | None:
        """Where a search for an account leads: Manage Accounts, for whoever has more than the switcher shows."""
        return self.accounts_url if len(self.others) > _SWITCHER_LENGTH else None

    @property
    def to_find(self) -> tuple[AccountChoice, ...]:
        """The accounts that the page's own script searches."""
        return self.others[:_MOST_TO_FIND] if self.find_url is not None else ()


# --- bills ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be paid on the account today. A negative total is a credit. `as_of` is the date of the bill it comes from."""

    total: int
    today: date
    past_due: int = 0
    due_on: date | None = None
    as_of: date | None = None

    @property
    def days_left(self) -> int | None:
        """Days until the due date, negative when it is over; None without a due date."""
        return None if self.due_on is None else (self.due_on - self.today).days

    @property
    def overdue(self) -> bool:
        """Something is to be paid and its day is over."""
        return self.total > 0 and self.days_left is not None and self.days_left < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One line of a bill as the biller sent it."""

    description: str
    amount: int
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One bill: what it asks for (`amount`, of which `past_due` is from earlier ones) and its lines. Negative: a credit."""

    number: str
    issued_on: date
    due_on: date
    amount: int
    past_due: int = 0
    kind: BillKind = "bill"
    lines: tuple[BillLine, ...] = ()

    @property
    def shows_quantities(self) -> bool:
        """Whether any line counts more or less than one of something; a column of ones says nothing."""
        return any(line.quantity is not None and line.quantity != 1 for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class BillsView:
    """RedirectID 1. Bills newest first; `due` None before the first bill.

    `pay_url` only where Make a Payment is open; `older_url` when there are more bills, `newest_url` on all pages but the first.
    """

    template: ClassVar[str] = "portal/bills.html"
    page: Page
    currency: str
    due: Due | None
    bills: tuple[Bill, ...]
    pay_url: str | None = None
    older_url: str | None = None
    newest_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayView:
    """RedirectID 6. What is due, how to pay it, and what to have ready; the payment itself comes later."""

    template: ClassVar[str] = "portal/pay.html"
    page: Page
    currency: str
    due: Due | None
    bill_number: str | None = None
    bills_url: str | None = None


# --- the payer and the account -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """One session of the payer, a family once. `framed`: in a page of the partner's, else on a page of its own."""

    id: str
    partner_name: str
    framed: bool
    since: datetime
    last_used: datetime
    current: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserInUse:
    """What is open in one browser, the newest first. `browser` and `system` are keys of the catalogue (`browsers.*`, `systems.*`).

    `end`: the id that ends all of it but the session at hand; "" where there is nothing else.
    """

    browser: str
    system: str
    sessions: tuple[SignedIn, ...]
    end: str

    @property
    def current(self) -> bool:
        """Whether it is this browser."""
        return any(each.current for each in self.sessions)

    @property
    def partner_names(self) -> tuple[str, ...]:
        """Each partner once."""
        return tuple(dict.fromkeys(each.partner_name for each in self.sessions))

    @property
    def since(self) -> datetime:
        """When the first of them was opened."""
        return min(each.since for each in self.sessions)

    @property
    def last_used(self) -> datetime:
        """When anything of it was last used."""
        return max(each.last_used for each in self.sessions)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileView:
    """RedirectID 4. What the hub knows of the payer; empty text where it knows nothing."""

    template: ClassVar[str] = "portal/profile.html"
    page: Page
    name: str
    email: str
    user_name: str
    phone: str
    users_url: str | None = None
    password_partner: str | None = None
    """Who manages the password; None: the hub."""
    in_use: tuple[BrowserInUse, ...] = ()
    """Where the payer is signed in, this browser first; at most as many as a page holds."""
    more_in_use: int = 0
    """How many more browsers there are."""
    sessions_cut: bool = False
    """There may be others that nobody can list any more."""
    end_url: str = ""
    email_fixed: bool = False
    """The biller keeps payers from changing their e-mail address (advanced setting 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsView:
    """RedirectID 9. The accounts of the payer, all or those that `query` finds; here each `url` opens the bills of that account."""

    template: ClassVar[str] = "portal/accounts.html"
    page: Page
    accounts: tuple[AccountChoice, ...]
    query: str = ""
    waiting: tuple[AccountWaiting, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUser:
    """One person with access to the account, or who waits for it. `holds_seat`: the Owner, whom only the biller can change."""

    name: str
    user_name: str
    login_type: int
    pending: bool = False
    is_you: bool = False
    waits: Waits | None = None
    """Why the person has no access (yet)."""

    @property
    def role(self) -> str:
        """Catalogue key of the role word, under `roles.`."""
        return self.waits or role_key(self.login_type, pending=self.pending)

    @property
    def holds_seat(self) -> bool:
        """Whether this is the Owner; payers read "ask {biller}", never the word."""
        return self.login_type == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersView:
    """RedirectID 10. Only for payers with full access; everybody else gets OffView(reason="rights")."""

    template: ClassVar[str] = "portal/users.html"
    page: Page
    users: tuple[AccountUser, ...]

    @property
    def with_access(self) -> int:
        """How many can open the account."""
        return sum(user.waits is None for user in self.users)


# --- destinations whose product comes later ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperlessView:
    """RedirectID 2: nothing can be chosen here."""

    template: ClassVar[str] = "portal/paperless.html"
    page: Page
    bills_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AutopayView:
    """RedirectID 3: nothing can be set up here."""

    template: ClassVar[str] = "portal/autopay.html"
    page: Page
    bills_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodsView:
    """RedirectID 5: nothing can be stored here."""

    template: ClassVar[str] = "portal/methods.html"
    page: Page
    bills_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryView:
    """RedirectID 7: no payment is known."""

    template: ClassVar[str] = "portal/history.html"
    page: Page
    bills_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledView:
    """RedirectID 8: nothing can be scheduled here."""

    template: ClassVar[str] = "portal/scheduled.html"
    page: Page
    bills_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextView:
    """RedirectID 11: nobody can sign up here."""

    template: ClassVar[str] = "portal/text.html"
    page: Page
    bills_url: str | None = None


# --- no page to show -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OffView:
    """A destination that is switched off for the biller ("off") or closed to the payer's role ("rights").

    The way back leads to `back_url`, named by the biller's title for it or the catalogue's name of `back_slug`.
    """

    template: ClassVar[str] = "portal/destination_off.html"
    page: Page
    reason: Literal["off", "rights"]
    back_url: str | None = None
    back_slug: Slug = "bills"
    back_title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingView:
    """An account that the payer has no access to yet, at whatever destination. `others_url`: to the accounts that are open."""

    template: ClassVar[str] = "portal/waiting.html"
    page: Page
    account: AccountWaiting
    others_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAccountView:
    """A payer without any account: still signed in, and told where to add one. `page.account` is None."""

    template: ClassVar[str] = "portal/no_account.html"
    page: Page
