"""CloudSSOConnect: from the parameters of a redirect to an open session and a page.

    read        once, into a frozen value; a known parameter twice, missing or out of range is refused before anything is spent
    redeem      the token is spent (or slides) and the session is made, in one step (`redemptions`)
    rules       AFTER_REDEEM (`arrivals`), in order: biller, key, user, carrier, destination, ReturnUrl, account
    open        the audit row; then, and only then, the browser learns the session's secret

An SSO link is followed the same way: its record holds the parameters of the redirect that it stands for, its secret is good once.

A rule that says no withdraws the session. Every refusal is recorded with its checks, and found again by its reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from idp import actor as actors
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.api_keys import ApiKey, ApiKeys
from idp.directory.billers import Biller
from idp.directory.payers import AnyAccount
from idp.errors import HubError, InvalidRedirect, StoreUnavailable, TokenExpired, WrongBiller
from idp.login.devices import browser_of, system_of
from idp.login.frame_tokens import first_token
from idp.login.sessions import FRAME, FULL_PAGE, Opening, Session, Sessions, TokenFacts
from idp.opaque import new_reference
from idp.transaction import Begin
from sso_connect.arrivals import AFTER_REDEEM, ASKING, TOKEN, Arrival, Attempt, ConnectParams, Reading, read, token_check
from sso_connect.checks import Check
from sso_connect.diagnostics import Diagnostics, Refusal
from sso_connect.framing import disagrees, is_frame, shows_no_page
from sso_connect.malformed import Malformed
from sso_connect.redemptions import Presenter, Redeemed, Redemptions, Rejected
from sso_connect.redirects import Destination
from sso_connect.themes import Themes
from sso_connect.tokens import Tokens
from sso_connect.visits import Visit, Visits
from sso_connect.warnings import Warned, WarningCode, Warnings

Redeem = Callable[[str, Callable[[], Opening], Presenter], Redeemed | Rejected]
"""Spends a secret and makes the session that rests on it: Redemptions.redeem, or redeem_link."""

_NOTHING = {"viewmode": "0", "redirectid": "1"}
"""In place of the parameters of a link that is not known: the first step refuses it, whatever they are."""

_MOST_UNKNOWN_TOLD = 5


@dataclass(frozen=True, slots=True)
class Landing:
    """A hand-off that went through: the visit, where it goes, the account that opens or waits (None: the payer has none).

    `opening`: what the browser is to hold. `ask`: the payer is asked before the session counts, because the page that sent the
    redirect is not known to be the partner's.
    """

    visit: Visit
    destination: Destination
    account: AnyAccount | None
    opening: Opening
    ask: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A hand-off that did not: what the static page says. `partner_name` and `back_url` are "" where we cannot know them."""

    error: HubError
    reference: str
    partner_name: str
    back_url: str
    biller: Biller
    key: ApiKey | None = None
    """The key of the token, where that is known."""


class HandoffStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""


class Handoff:
    """Takes redirects."""

    def __init__(
        self,
        append: Begin[HandoffStores],
        clock: Clock,
        tokens: Tokens,
        redemptions: Redemptions,
        api_keys: ApiKeys,
        sessions: Sessions,
        visits: Visits,
        themes: Themes,
        diagnostics: Diagnostics,
        warnings: Warnings,
        malformed: Malformed,
    ) -> None:
        self._append = append
        self._clock = clock
        self._tokens = tokens
        self._redemptions = redemptions
        self._api_keys = api_keys
        self._sessions = sessions
        self._visits = visits
        self._themes = themes
        self._diagnostics = diagnostics
        self._warnings = warnings
        self._malformed = malformed

    def connect(self, arrival: Arrival, biller: Biller) -> Landing | Refused:
        """Take one redirect on the biller's host. StoreUnavailable is raised: it is no refusal, and may be tried again."""
        return self._take(arrival, biller, self._redemptions.redeem)

    def follow(self, arrival: Arrival, biller: Biller, secret: str) -> Landing | Refused:
        """Take the redirect that an SSO link stands for, once. A second use ends what came of the first. StoreUnavailable."""
        found = self._tokens.look_at_link(secret)
        redirect = _NOTHING if found.facts is None else found.facts.redirect or _NOTHING
        meant = replace(arrival, values={**redirect, TOKEN: secret}, twice=frozenset(), step="link")
        return self._take(meant, biller, self._redemptions.redeem_link)

    def _take(self, arrival: Arrival, biller: Biller, redeem: Redeem) -> Landing | Refused:
        checks: list[Check] = []
        warned: list[Warned] = []
        redeemed: Redeemed | Rejected | None = None
        visit: Visit | None = None
        try:
            reading = read(arrival.values, arrival.twice)
            checks.append(reading.check())
            if reading.faults:
                return self._refuse_malformed(arrival, biller, reading)
            params = self._as_the_browser_says(reading.params, arrival, warned)
            redeemed = self._redeem(params, arrival, biller, redeem)
            if isinstance(redeemed, Rejected):
                raise redeemed.error
            checks.append(Check("token", held=True, came=f"policy {redeemed.facts.policy}"))
            visit = self._visit(arrival, biller, redeemed, checks)
            self._judge(_attempt(arrival, params, visit, redeemed, self._clock.now()), checks, warned)
            self._audit(visit, arrival.request_id)
        except HubError as error:
            if isinstance(redeemed, Redeemed):
                self._sessions.withdraw(redeemed.opening)
            if isinstance(error, StoreUnavailable):
                raise
            if not checks or checks[-1].held:
                checks.append(token_check(error))
            return self._refuse(error, arrival, biller, checks, _facts_of(redeemed), visit)
        self._warn(arrival, params, visit, warned)
        if visit.session.facts.framed:
            # Nobody knows yet whether this browser brings the cookie back: the first page works either way.
            visit = replace(visit, carrier="token", frame_token=redeemed.opening.frame_token)
        ask = any(check.name in ASKING and not check.held for check in checks)
        return Landing(visit, params.destination, _account(visit, params), redeemed.opening, ask)

    def _refuse_malformed(self, arrival: Arrival, biller: Biller, reading: Reading) -> Refused:
        """Refuse for parameters that cannot be read. Nothing was spent, and nothing is; but the partner is told."""
        known = self._malformed.look(arrival, biller, reading)
        error = InvalidRedirect(known.checks[0].came, fields=reading.faults)
        return self._refuse(error, arrival, biller, list(known.checks), known.facts, None)

    def _as_the_browser_says(self, params: ConnectParams, arrival: Arrival, warned: list[Warned]) -> ConnectParams:
        """The parameters, with the ViewMode of the place where the browser really loads; for a strict key as they are."""
        if not disagrees(params.view_mode, arrival.fetch_dest) or shows_no_page(arrival.fetch_dest):
            return params
        facts = (self._tokens.look_at_link if arrival.step == "link" else self._tokens.look)(params.token).facts
        key = None if facts is None else self._api_keys.find(facts.bid, facts.key_id)
        if key is None or key.policies.strictness != "compat":
            return params
        warned.append(Warned(WarningCode.VIEW_MODE_CORRECTED, "ViewMode"))
        return replace(params, view_mode=FRAME if is_frame(arrival.fetch_dest) else FULL_PAGE)

    def _judge(self, attempt: Attempt, checks: list[Check], warned: list[Warned]) -> None:
        for rule in AFTER_REDEEM:
            check = rule.ask(attempt)
            checks.append(check)
            if check.held:
                continue
            if rule.lenient is None or rule.refuses(attempt):  # the first for mypy: it is part of the second
                raise rule.error(f"expected {check.expected}, came {check.came}")
            warned.append(Warned(rule.lenient, check.came if rule.lenient is WarningCode.SENDER_UNKNOWN else rule.name))

    def _warn(self, arrival: Arrival, params: ConnectParams, visit: Visit, warned: list[Warned]) -> None:
        heard = [*warned, *(Warned(WarningCode.UNKNOWN_PARAMETER, name[:80]) for name in params.unknown[:_MOST_UNKNOWN_TOLD])]
        if arrival.method != "POST":
            heard.append(Warned(WarningCode.REDIRECT_BY_GET, "GET"))
        shown = not params.css_url or self._themes.shown(visit.biller.bid, params.css_url, visit.session.stamps) is not None
        if not shown or "cssurl" in params.too_long:
            heard.append(Warned(WarningCode.THEME_UNKNOWN, "CSSUrl"))
        if heard:
            self._warnings.hear(visit.key, arrival.place, arrival.request_id, heard)

    def _redeem(self, params: ConnectParams, arrival: Arrival, biller: Biller, redeem: Redeem) -> Redeemed | Rejected:
        facts = {
            "view_mode": params.view_mode,
            "redirect_id": params.destination.redirect_id,
            "account_number": params.account_number,
            "return_url": params.return_url,
            "return_name": params.return_name,
            "css_url": params.css_url,
            "request_id": arrival.request_id,
            "browser": browser_of(arrival.user_agent),
            "system": system_of(arrival.user_agent),
            "beside": self._sessions.place_of(arrival.held),
        }

        def opening() -> Opening:
            made = self._sessions.opening(biller, facts, parent=0)
            if not made.facts.framed:
                return made
            token, step = first_token(made.key, made.facts.family)
            return replace(made, frame_token=token, more=(step,))

        who = Presenter(arrival.nonce, arrival.address, arrival.user_agent, posted=arrival.method == "POST")
        return redeem(params.token, opening, who)

    def _visit(self, arrival: Arrival, biller: Biller, redeemed: Redeemed, checks: list[Check]) -> Visit:
        token = redeemed.facts
        if token.bid != biller.bid:
            checks.append(Check("biller", held=False, expected=f"a token for BID {biller.bid}", came="one for another biller"))
            raise WrongBiller(f"token of BID {token.bid} at BID {biller.bid}")
        visit = self._visits.of_session(arrival.host, arrival.slug, _session(redeemed, self._clock.now()))
        if visit is None:
            raise TokenExpired("biller, key or user is no longer there")
        checks.append(Check("biller", held=True))
        return visit

    def _audit(self, visit: Visit, request_id: str) -> None:
        actor = actors.Partner(visit.key.id, visit.key.partner.id)
        change = Change(visit.biller.bid, Action.SESSION_OPEN, actor, request_id, user_id=visit.payer.user.id)
        with self._append() as stores:
            stores.changelog.append(change)

    def _refuse(
        self,
        error: HubError,
        arrival: Arrival,
        biller: Biller,
        checks: list[Check],
        token: TokenFacts | None,
        visit: Visit | None,
    ) -> Refused:
        reference = new_reference()
        own = token if token is not None and token.bid == biller.bid else None
        self._diagnostics.record(
            Refusal(
                reference=reference,
                at=self._clock.now(),
                bid=biller.bid,
                code=error.code,
                where=arrival.place,
                checks=tuple(checks),
                request_id=arrival.request_id,
                key_id=None if own is None else own.key_id,
                # At another biller than the token's, only its partner knows what to do about it; nothing else of it is told here.
                partner_id=None if token is None else token.partner_id,
                user_id=None if own is None else own.user_id,
                session_reference=None if own is None else own.session_reference or None,
            )
        )
        key = visit.key if visit is not None else None if own is None else self._api_keys.find(own.bid, own.key_id)
        partner = None if key is None else key.partner
        return Refused(
            error=error,
            reference=reference,
            partner_name=partner.name if partner is not None else "",
            back_url=biller.sso_login_url or (partner.url if partner is not None else ""),
            biller=biller,
            key=key,
        )


def _attempt(arrival: Arrival, params: ConnectParams, visit: Visit, redeemed: Redeemed, now: datetime) -> Attempt:
    return Attempt(
        params,
        arrival.fetch_dest,
        visit.biller,
        visit.key,
        redeemed.facts,
        visit.payer,
        sender=arrival.sender,
        fetch_site=arrival.fetch_site,
        method=arrival.method,
        age=now - redeemed.issued_at,
    )


def _facts_of(redeemed: Redeemed | Rejected | None) -> TokenFacts | None:
    return redeemed.facts if isinstance(redeemed, Redeemed | Rejected) else None


def _account(visit: Visit, params: ConnectParams) -> AnyAccount | None:
    payer, biller, number = visit.payer, visit.biller, params.account_number
    asked = payer.account_numbered(biller, number) or payer.waiting_numbered(biller, number) if number else None
    return asked or payer.opens_first


def _session(redeemed: Redeemed, now: datetime) -> Session:
    opening = redeemed.opening
    return Session(
        key=opening.key,
        facts=opening.facts,
        token=redeemed.facts,
        began_at=now,
        idle_until=redeemed.idle_until,
        stamps=redeemed.stamps,
    )
