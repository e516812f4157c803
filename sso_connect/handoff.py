"""CloudSSOConnect: from the parameters of a redirect to an open session and a page.

    parse       once, into a frozen value; a known parameter twice, missing or out of range is refused before anything is spent
    redeem      the token is spent (or slides) and the session is made, in one step
    rules       AFTER_REDEEM, in order, each on one line: biller, key, user, carrier, destination, ReturnUrl, account
    open        the audit row; then, and only then, the browser learns the session's secret

A rule that says no withdraws the session. Every refusal is recorded with its checks, and found again by its reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from idp import actor as actors
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.api_keys import ApiKeys
from idp.directory.billers import Biller
from idp.directory.payers import Account
from idp.errors import (
    AccountRefused,
    DestinationRefused,
    FieldError,
    HubError,
    InvalidApiKey,
    InvalidRedirect,
    ReturnUrlRefused,
    StoreUnavailable,
    TokenExpired,
    UserDisabled,
    ViewModeRefused,
    WrongBiller,
)
from idp.login.sessions import Session, Sessions, TokenFacts, ViewMode
from idp.opaque import new_reference
from idp.transaction import Begin
from sso_connect.diagnostics import Check, Diagnostics, Refusal
from sso_connect.framing import disagrees
from sso_connect.redirects import DESTINATIONS, Destination
from sso_connect.tokens import Redeemed, Rejected, Tokens
from sso_connect.visits import Visit, Visits

KNOWN = frozenset(
    {
        "remoteauthenticationtoken", "viewmode", "redirectid", "cssurl", "returnurl", "customreturnsitename", "accountnumber",
        "resume",
    }
)  # fmt: skip
_VIEW_MODES: Mapping[str, ViewMode] = {"0": 0, "1": 1, "2": 2}
_REDIRECT_IDS: Mapping[str, Destination] = {str(number): each for number, each in DESTINATIONS.items()}
_MOST_URL = 2000
_MOST_NAME = 80
_MOST_ACCOUNT = 50


@dataclass(frozen=True, slots=True)
class ConnectParams:
    """A redirect, read. Texts are "" where nothing was given. `unknown`: names that mean nothing to us, for the diagnostics."""

    token: str
    view_mode: ViewMode
    destination: Destination
    return_url: str
    return_name: str
    account_number: str
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a redirect came: on which host and slug, by which method, and what the browser says it loads for."""

    host: str
    slug: str
    method: str
    fetch_dest: str
    request_id: str
    values: Mapping[str, str]
    twice: frozenset[str]


@dataclass(frozen=True, slots=True)
class Landing:
    """A hand-off that went through: the visit, where it goes, and the account that opens (None: the payer has none)."""

    visit: Visit
    destination: Destination
    account: Account | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A hand-off that did not: what the static page says. `partner_name` and `back_url` are "" where we cannot know them."""

    error: HubError
    reference: str
    partner_name: str
    back_url: str
    biller: Biller


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What the rules look at."""

    arrival: Arrival
    params: ConnectParams
    visit: Visit


@dataclass(frozen=True, slots=True)
class Rule:
    """One check after the token was good: what must hold, what is expected and what came, in words, and the refusal."""

    name: str
    holds: Callable[[_Attempt], bool]
    error: type[HubError]
    expected: Callable[[_Attempt], str]
    came: Callable[[_Attempt], str]


def _account_fits(attempt: _Attempt) -> bool:
    number = attempt.params.account_number
    return not number or attempt.visit.payer.account_numbered(attempt.visit.biller, number) is not None


AFTER_REDEEM: tuple[Rule, ...] = (
    Rule(
        "biller in service",
        lambda a: not a.visit.biller.disabled,
        TokenExpired,
        lambda _: "a biller in service",
        lambda _: "a disabled one",
    ),
    Rule(
        "key",
        lambda a: a.visit.key.live,
        InvalidApiKey,
        lambda _: "the key that issued the token is live",
        lambda _: "it was revoked, or its partner disabled",
    ),
    Rule("user", lambda a: not a.visit.payer.user.disabled, UserDisabled, lambda _: "an enabled user", lambda _: "disabled"),
    Rule(
        "not revoked",
        lambda a: a.visit.session.token.generation == a.visit.payer.user.generation,
        TokenExpired,
        lambda _: "a token issued after the user's last revocation",
        lambda _: "an older one",
    ),
    Rule(
        "registration",
        lambda a: a.visit.token_keeps_its_account,
        TokenExpired,
        lambda _: "a token for an account that the user is registered on",
        lambda _: "one for an account that the user has left",
    ),
    Rule(
        "view mode",
        lambda a: not disagrees(a.params.view_mode, a.arrival.fetch_dest),
        ViewModeRefused,
        lambda a: f"a browser that loads for ViewMode {a.params.view_mode}",
        lambda a: f"Sec-Fetch-Dest: {a.arrival.fetch_dest[:20]}",
    ),
    Rule(
        "destination",
        lambda a: a.params.destination.redirect_id in a.visit.key.policies.redirect_ids,
        DestinationRefused,
        lambda a: f"RedirectID one of {', '.join(map(str, sorted(a.visit.key.policies.redirect_ids)))}",
        lambda a: str(a.params.destination.redirect_id),
    ),
    Rule(
        "ReturnUrl",
        lambda a: not a.params.return_url or a.visit.key.may_return_to(a.params.return_url),
        ReturnUrlRefused,
        lambda a: f"none, or below one of: {', '.join(p.text() for p in a.visit.key.return_places) or '(nothing registered)'}",
        lambda a: a.params.return_url[:200],
    ),
    Rule(
        "account",
        _account_fits,
        AccountRefused,
        lambda _: "an account of this user, or none",
        lambda a: a.params.account_number,
    ),
)
"""What a good token must still stand up to, in order. The first that does not hold refuses."""


class HandoffStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""


class Handoff:
    """Takes redirects."""

    def __init__(
        self,
        append: Begin[HandoffStores],
        clock: Clock,
        tokens: Tokens,
        api_keys: ApiKeys,
        sessions: Sessions,
        visits: Visits,
        diagnostics: Diagnostics,
    ) -> None:
        self._append = append
        self._clock = clock
        self._tokens = tokens
        self._api_keys = api_keys
        self._sessions = sessions
        self._visits = visits
        self._diagnostics = diagnostics

    def connect(self, arrival: Arrival, biller: Biller) -> Landing | Refused:
        """Take one redirect on the biller's host. StoreUnavailable is raised: it is no refusal, and may be tried again."""
        checks: list[Check] = []
        redeemed: Redeemed | Rejected | None = None
        visit: Visit | None = None
        try:
            params = parse(arrival.values, arrival.twice)
            checks.append(Check("parameters", held=True, came=_unknown(params)))
            redeemed = self._redeem(params, arrival, biller)
            if isinstance(redeemed, Rejected):
                raise redeemed.error
            checks.append(Check("token", held=True, came=f"policy {redeemed.facts.policy}"))
            visit = self._visit(arrival, biller, redeemed, checks)
            attempt = _Attempt(arrival, params, visit)
            for rule in AFTER_REDEEM:
                self._ask(rule, attempt, checks)
            self._audit(visit, arrival.request_id)
        except HubError as error:
            if isinstance(redeemed, Redeemed):
                self._sessions.withdraw(redeemed.opening)
            if isinstance(error, StoreUnavailable):
                raise
            if not checks or checks[-1].held:
                checks.append(_failed(error))
            return self._refuse(error, arrival, biller, checks, redeemed.facts if redeemed else None, visit)
        account = visit.payer.account_numbered(biller, params.account_number) if params.account_number else None
        return Landing(visit, params.destination, account or visit.payer.default_account)

    def _redeem(self, params: ConnectParams, arrival: Arrival, biller: Biller) -> Redeemed | Rejected:
        facts = {
            "view_mode": params.view_mode,
            "redirect_id": params.destination.redirect_id,
            "account_number": params.account_number,
            "return_url": params.return_url,
            "return_name": params.return_name,
            "request_id": arrival.request_id,
        }
        return self._tokens.redeem(params.token, lambda: self._sessions.opening(biller, facts, parent=0))

    def _visit(self, arrival: Arrival, biller: Biller, redeemed: Redeemed, checks: list[Check]) -> Visit:
        token = redeemed.facts
        if token.bid != biller.bid:
            checks.append(Check("biller", held=False, expected=f"a token for BID {biller.bid}", came="one for another biller"))
            raise WrongBiller(f"token of BID {token.bid} at BID {biller.bid}")
        visit = self._visits.of_session(arrival.host, arrival.slug, _session(redeemed))
        if visit is None:
            raise TokenExpired("biller, key or user is no longer there")
        checks.append(Check("biller", held=True))
        return visit

    def _ask(self, rule: Rule, attempt: _Attempt, checks: list[Check]) -> None:
        if rule.holds(attempt):
            checks.append(Check(rule.name, held=True))
            return
        expected, came = rule.expected(attempt), rule.came(attempt)
        checks.append(Check(rule.name, held=False, expected=expected, came=came, fix=rule.error.fix))
        raise rule.error(f"expected {expected}, came {came}")

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
                where=f"{arrival.method} /b/{arrival.slug}/sso/connect",
                checks=tuple(checks),
                request_id=arrival.request_id,
                key_id=None if own is None else own.key_id,
                partner_id=None if own is None else own.partner_id,
                user_id=None if own is None else own.user_id,
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
        )


def parse(values: Mapping[str, str], twice: frozenset[str]) -> ConnectParams:
    """Read the parameters (names in lower case). InvalidRedirect names each one that is missing, given twice or out of range."""
    faults = [FieldError(name, "given twice") for name in sorted(twice & KNOWN)]
    token = values.get("remoteauthenticationtoken", "")
    if not token:
        faults.append(FieldError("RemoteAuthenticationToken", "required"))
    view_mode = _VIEW_MODES.get(values.get("viewmode", ""))
    if view_mode is None:
        faults.append(FieldError("ViewMode", "0, 1 or 2"))
    destination = _REDIRECT_IDS.get(values.get("redirectid", ""))
    if destination is None:
        faults.append(FieldError("RedirectID", "1 to 11"))
    limits = {"returnurl": _MOST_URL, "cssurl": _MOST_URL, "customreturnsitename": _MOST_NAME, "accountnumber": _MOST_ACCOUNT}
    for name, most in limits.items():
        text = values.get(name, "")
        if len(text) > most or any(ord(character) < 32 for character in text):
            faults.append(FieldError(name, f"at most {most} characters, no control characters"))
    if faults or view_mode is None or destination is None:
        raise InvalidRedirect("; ".join(f"{each.field}: {each.message}" for each in faults), fields=faults)
    return ConnectParams(
        token=token,
        view_mode=view_mode,
        destination=destination,
        return_url=values.get("returnurl", ""),
        return_name=values.get("customreturnsitename", "").strip(),
        account_number=values.get("accountnumber", "").strip(),
        unknown=tuple(sorted(set(values) - KNOWN)),
    )


def _session(redeemed: Redeemed) -> Session:
    opening = redeemed.opening
    return Session(
        secret=opening.secret,
        facts=opening.facts,
        token=redeemed.facts,
        began_at=redeemed.idle_until - opening.step.idle,
        idle_until=redeemed.idle_until,
        stamps=redeemed.stamps,
    )


def _failed(error: HubError) -> Check:
    """The check that an exception stands for, where no rule has told it."""
    name = "parameters" if isinstance(error, InvalidRedirect) else "token"
    return Check(name, held=False, expected="see fix", came=error.detail, fix=error.fix)


def _unknown(params: ConnectParams) -> str:
    return f"ignored: {', '.join(name[:40] for name in params.unknown[:20])}" if params.unknown else ""
