"""What stands around every portal page: whose account, the switcher, the sidebar, sign-out. Filled from a visit."""

from __future__ import annotations

from idp import actor as actors
from idp.clock import Clock
from idp.directory.payers import Account, AnyAccount, WaitingAccount
from idp.directory.rights import LoginType
from idp.web.csrf import FIELD, Csrf
from idp.web.pages import locale_of
from idp.web.request import HubRequest
from sso_connect.account_handles import NO_ACCOUNT, AccountHandles
from sso_connect.framing import FRAME_FIELD
from sso_connect.portal.views import AccountChoice, NavItem, Out, Page, SignOut
from sso_connect.redirects import DESTINATIONS, Destination, Destinations, DestinationSetting, is_open
from sso_connect.themes import Themes
from sso_connect.visits import Visit
from sso_connect.ways_out import WaysOut

_WITH_AMOUNTS = frozenset({"bills", "pay", "history", "scheduled", "autopay", "methods"})
"""Pages that take colours and font of a theme only."""


class Chrome:
    """Builds the `Page` of a visit, and the addresses in it."""

    def __init__(
        self, handles: AccountHandles, destinations: Destinations, themes: Themes, ways_out: WaysOut, csrf: Csrf, clock: Clock
    ) -> None:
        self._handles = handles
        self._destinations = destinations
        self._themes = themes
        self._ways_out = ways_out
        self._csrf = csrf
        self._clock = clock

    def page(self, request: HubRequest, visit: Visit, destination: Destination, shown: AnyAccount | None) -> Page:
        """Everything that every page needs. Of an account that waits it holds nothing but the way to this page."""
        account = None if isinstance(shown, WaitingAccount) else shown
        biller, session, user = visit.biller, visit.session, visit.payer.user
        table = self.table(visit)
        framed = session.facts.framed
        root = f"/b/{biller.slug}"
        csrf_token = self._csrf.token(biller.bid, session.key)
        choices = tuple(self.choice(visit, each, destination, current=each is account) for each in visit.payer.accounts)
        return Page(
            slug=destination.slug,
            url=self.url(visit, shown, destination),
            biller_name=biller.dba,
            locale=locale_of(request, user.locale or biller.locale),
            zone=biller.time_zone,
            mode="frame" if framed else "full",
            user_label=user.shown_name,
            csrf_token=csrf_token,
            nonce=request.nonce,
            title=(table[destination.redirect_id].title or None) if shown is account else None,
            heading=None if shown is account else "waiting.title",
            redirect_id=destination.redirect_id,
            carrier=visit.carrier,
            carry=self.carry(visit),
            account=next((choice for choice in choices if choice.current), None),
            accounts=choices,
            accounts_url=self.url(visit, account, DESTINATIONS[9]) if not table[9].off else None,
            nav=tuple(
                NavItem(slug=each.slug, url=self.url(visit, account, each), label=table[number].title or None)
                for number, each in DESTINATIONS.items()
                if account is not None and self.is_open(visit, table[number], account)
            ),
            sign_out=self._sign_out(visit, root),
            language_url=None if framed else f"{root}/language",
            parent_origins=visit.key.frame_origins if framed else (),
            expires_in=max(1, int((session.idle_until - self._clock.now()).total_seconds())) if framed else None,
            theme_css=self._theme(visit, destination),
            frame_token_url=f"{root}/frame/token" if visit.carrier == "token" else None,
            out=Out(action=f"{root}/out", ticket=self._ways_out.ticket(session)) if framed and shown is not None else None,
        )

    def carry(self, visit: Visit) -> tuple[tuple[str, str], ...]:
        """What the buttons and forms of a page carry."""
        token = self._csrf.token(visit.biller.bid, visit.session.key)
        return (FIELD, token), *(((FRAME_FIELD, visit.frame_token),) if visit.carrier == "token" else ())

    def table(self, visit: Visit) -> dict[int, DestinationSetting]:
        """The biller's destinations."""
        return self._destinations.as_of(visit.biller.bid, visit.session.stamps)

    def is_open(self, visit: Visit, setting: DestinationSetting, account: Account) -> bool:
        """Whether a destination is there for this payer on this account."""
        return is_open(setting, actors.Payer(visit.payer.user.id), LoginType(account.login_type))

    def url(self, visit: Visit, account: AnyAccount | None, destination: Destination) -> str:
        """The address of a page of an account."""
        user = visit.payer.user
        handle = NO_ACCOUNT if account is None else self._handles.handle(user.bid, user.id, account.customer_id)
        return f"/b/{visit.biller.slug}/a/{handle}/{destination.slug}"

    def choice(self, visit: Visit, account: Account, destination: Destination, *, current: bool) -> AccountChoice:
        """An account as the switcher shows it; its address opens `destination`."""
        default = visit.payer.default_account
        return AccountChoice(
            number=account.display_number,
            holder=account.customer_name,
            url=self.url(visit, account, destination),
            login_type=account.login_type.value,
            address=account.address,
            pending=account.pending,
            current=current,
            is_default=default is not None and default.customer_id == account.customer_id,
        )

    def _theme(self, visit: Visit, destination: Destination) -> str | None:
        """The stylesheet of the theme that the partner asked for, where it is approved."""
        facts = visit.session.facts
        theme = self._themes.shown(visit.biller.bid, facts.css_url, visit.session.stamps)
        if theme is None:
            return None
        name = "colours.css" if destination.slug in _WITH_AMOUNTS else "all.css"
        return f"/b/{visit.biller.slug}/theme/{theme.digest}/{name}"

    def _sign_out(self, visit: Visit, root: str) -> SignOut | None:
        facts = visit.session.facts
        if facts.framed and not visit.return_url:
            return None  # the partner owns the session of its frame
        name = (facts.return_name or visit.biller.dba) if visit.return_url else None
        return SignOut(action=f"{root}/sign-out", return_name=name)
