"""A redirect as it arrives, and everything that it must stand up to: read by `read`, judged by `AFTER_REDEEM`.

Whoever takes redirects (`handoff`), makes links that stand for one (`links`) or says what would become of one (`explain`) asks
these same rules. A rule only says whether it holds, and in words what is expected and what came; what follows from a no is the
asker's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.payers import PayerRecord
from idp.errors import (
    AccountRefused,
    DestinationRefused,
    FieldError,
    HubError,
    InvalidApiKey,
    InvalidRedirect,
    ReturnUrlRefused,
    SenderRefused,
    TokenExpired,
    UserDisabled,
    ViewModeRefused,
)
from idp.login.sessions import TokenFacts, ViewMode
from sso_connect.checks import Check
from sso_connect.framing import disagrees, is_frame, shows_no_page
from sso_connect.redirects import DESTINATIONS, Destination
from sso_connect.warnings import CATALOGUE, WarningCode

TOKEN = "remoteauthenticationtoken"  # noqa: S105  (a parameter's name)
KNOWN = frozenset(
    {
        TOKEN, "viewmode", "redirectid", "cssurl", "returnurl", "customreturnsitename", "accountnumber",
        "resume",
    }
)  # fmt: skip
_VIEW_MODES: Mapping[str, ViewMode] = {"0": 0, "1": 1, "2": 2}
_REDIRECT_IDS: Mapping[str, Destination] = {str(number): each for number, each in DESTINATIONS.items()}
MOST_URL = 2000
MOST_RETURN_NAME = 80
MOST_AGE_BY_GET = timedelta(minutes=20)
"""So long after its issue a strict key's token is good by GET: what stands in an address is seen by others."""

_LIMITS: Mapping[str, int] = {
    "returnurl": MOST_URL,
    "cssurl": MOST_URL,
    "customreturnsitename": MOST_URL,
    "accountnumber": 50,
    "resume": 200,
}
_MAY_BE_TOO_LONG = ("cssurl", "returnurl", "customreturnsitename")
"""Never refused here for their length: an unknown theme shows the default one, a ReturnUrl off the list is dropped, a name cut."""


@dataclass(frozen=True, slots=True)
class ConnectParams:
    """A redirect, read. Texts are "" where nothing was given. `unknown`: names that mean nothing to us, for the diagnostics."""

    token: str
    view_mode: ViewMode
    destination: Destination
    return_url: str
    return_name: str
    """At most MOST_RETURN_NAME characters; `name_cut` when it had more."""
    name_cut: bool
    account_number: str
    css_url: str
    resume: str
    unknown: tuple[str, ...]
    too_long: frozenset[str] = frozenset()
    """Of CSSUrl and ReturnUrl, by lower-case name, those over MOST_URL: "" here, and judged like an address off the list."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a redirect came: on which host and slug, by which method, what the browser says it loads for and calls itself.

    `values`: parameters by lower-case name; `twice`: the names that came more than once.
    """

    host: str
    slug: str
    method: str
    fetch_dest: str
    user_agent: str
    request_id: str
    values: Mapping[str, str]
    twice: frozenset[str]
    sender: str | None = None
    """The origin of the page that sent it; None where the browser does not say (`Origin: null` says nothing)."""
    fetch_site: str = ""
    """What the browser says of that page's relation to us (Sec-Fetch-Site), or ""."""
    nonce: str = ""
    """What the browser was given at the first use of a token that is good once, or ""."""
    address: str = ""
    """Where the request came from, as trusted proxies tell it."""
    step: Literal["connect", "link"] = "connect"
    held: tuple[str, ...] = ()
    """The secrets of sessions whose cookies came along."""

    @property
    def place(self) -> str:
        """Method and path, for the diagnostics."""
        return f"{self.method} /b/{self.slug}/sso/{self.step}"


@dataclass(frozen=True, slots=True)
class Reading:
    """A redirect, read as far as it could be: where a parameter is faulty, `params` holds what means nothing there."""

    params: ConnectParams
    faults: tuple[FieldError, ...]

    def check(self) -> Check:
        """Whether the parameters are good, as a check."""
        unknown = self.params.unknown
        if not self.faults:
            ignored = f"ignored: {', '.join(name[:40] for name in unknown[:20])}" if unknown else ""
            return Check("parameters", held=True, came=ignored)
        told = "; ".join(f"{each.field}: {each.message}" for each in self.faults)
        return Check("parameters", held=False, expected="each once, present and in range", came=told, fix=InvalidRedirect.fix)


def read(values: Mapping[str, str], twice: frozenset[str]) -> Reading:
    """Read the parameters (names in lower case). Names each one that is missing, given twice or out of range."""
    faults = [FieldError(name, "given twice") for name in sorted(twice & KNOWN)]
    token = values.get(TOKEN, "")
    if not token:
        faults.append(FieldError("RemoteAuthenticationToken", "required"))
    view_mode = _VIEW_MODES.get(values.get("viewmode", ""))
    if view_mode is None:
        faults.append(FieldError("ViewMode", "0, 1 or 2"))
    destination = _REDIRECT_IDS.get(values.get("redirectid", ""))
    if destination is None:
        faults.append(FieldError("RedirectID", "1 to 11"))
    too_long = frozenset(name for name in _MAY_BE_TOO_LONG if len(values.get(name, "")) > MOST_URL)
    for name, most in _LIMITS.items():
        text = values.get(name, "")
        if (len(text) > most and name not in too_long) or any(ord(character) < 32 for character in text):
            faults.append(FieldError(name, f"at most {most} characters, no control characters"))
    name = values.get("customreturnsitename", "").strip()
    params = ConnectParams(
        token=token,
        view_mode=0 if view_mode is None else view_mode,
        destination=destination or DESTINATIONS[1],
        return_url="" if "returnurl" in too_long else values.get("returnurl", ""),
        return_name=name[:MOST_RETURN_NAME].strip(),
        name_cut=len(name) > MOST_RETURN_NAME,
        css_url="" if "cssurl" in too_long else values.get("cssurl", "").strip(),
        resume=values.get("resume", ""),
        account_number=values.get("accountnumber", "").strip(),
        unknown=tuple(sorted(set(values) - KNOWN)),
        too_long=too_long,
    )
    return Reading(params, tuple(faults))


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the rules look at. `key` issued the token; `token` and `payer` are None only where a token is not known.

    `sender`, `fetch_site` and `fetch_dest` as in Arrival; `age`: of the token, where it is known.
    """

    params: ConnectParams
    fetch_dest: str
    biller: Biller
    key: ApiKey
    token: TokenFacts | None
    payer: PayerRecord | None
    sender: str | None = None
    fetch_site: str = ""
    method: str = "POST"
    age: timedelta | None = None

    @property
    def is_compat(self) -> bool:
        """Whether the key is treated as partners are used to."""
        return self.key.policies.strictness == "compat"


@dataclass(frozen=True, slots=True)
class Rule:
    """One check after the token was good: what must hold, what is expected and what came, in words, and the refusal.

    `of`: what it judges: parameters (lower case), `sender`, `method`; TOKEN, where it is about whom the token is for. Where one of
    these is no good, the rule cannot be asked.
    """

    name: str
    of: tuple[str, ...]
    holds: Callable[[Attempt], bool]
    error: type[HubError]
    expected: Callable[[Attempt], str]
    came: Callable[[Attempt], str]
    lenient: WarningCode | None = None
    """What a compat key is warned of instead of being refused; None: it is refused like any other."""
    warns_all: bool = False
    """Whether strict keys are only warned, too."""

    def refuses(self, attempt: Attempt) -> bool:
        """Whether a no of this rule refuses, for the key at hand."""
        return self.lenient is None or not (self.warns_all or attempt.is_compat)

    def ask(self, attempt: Attempt) -> Check:
        """The check that this rule makes of an attempt."""
        if self.holds(attempt):
            return Check(self.name, held=True)
        fix = CATALOGUE[self.lenient].fix if self.lenient is not None and self.warns_all else self.error.fix
        return Check(self.name, held=False, expected=self.expected(attempt), came=self.came(attempt), fix=fix)


def _is_enabled(attempt: Attempt) -> bool:
    return attempt.payer is not None and not attempt.payer.user.disabled


def _is_of_this_generation(attempt: Attempt) -> bool:
    token, payer = attempt.token, attempt.payer
    return token is not None and payer is not None and token.generation == payer.user.generation


def _keeps_its_account(attempt: Attempt) -> bool:
    token, payer = attempt.token, attempt.payer
    return token is not None and payer is not None and (token.customer_id is None or payer.is_tied_to(token.customer_id))


def _account_fits(attempt: Attempt) -> bool:
    number, payer = attempt.params.account_number, attempt.payer
    # One that waits for approval, too: its page says so, and shows nothing of it.
    return not number or (payer is not None and payer.is_tied_to_number(attempt.biller, number))


def _returns_where_it_may(attempt: Attempt) -> bool:
    url = attempt.params.return_url
    return "returnurl" not in attempt.params.too_long and (not url or attempt.key.may_return_to(url))


def senders_of(key: ApiKey, biller: Biller) -> frozenset[str]:
    """The origins whose pages may send a redirect: the partner's, as the key knows them, and our own (SSO links)."""
    own = {biller.origin, *key.frame_origins, *(place.origin for place in key.return_places)}
    return frozenset(own | key.partner.trusted_origins)


def _is_vouched_for(attempt: Attempt) -> bool:
    """Whether the payer need not be asked who is signing them in, where no sender was sent (RFC 9700 4.7).

    A frame is shown by registered origins only, and its cookie does not count before it was shown. Sec-Fetch-Site `none` is an
    address that was typed, bookmarked or opened by another program; no page can send it.
    """
    return attempt.sender is not None or is_frame(attempt.fetch_dest) or attempt.fetch_site in {"same-origin", "none"}


AFTER_REDEEM: tuple[Rule, ...] = (
    Rule(
        "biller in service",
        (),
        lambda a: not a.biller.disabled,
        TokenExpired,
        lambda _: "a biller in service",
        lambda _: "a disabled one",
    ),
    Rule(
        "key",
        (),
        lambda a: a.key.live,
        InvalidApiKey,
        lambda _: "the key that issued the token is live",
        lambda _: "it was revoked, or its partner disabled",
    ),
    Rule("user", (TOKEN,), _is_enabled, UserDisabled, lambda _: "an enabled user", lambda _: "disabled"),
    Rule(
        "not revoked",
        (TOKEN,),
        _is_of_this_generation,
        TokenExpired,
        lambda _: "a token issued after the user's last revocation",
        lambda _: "an older one",
    ),
    Rule(
        "registration",
        (TOKEN,),
        _keeps_its_account,
        TokenExpired,
        lambda _: "a token for an account that the user is registered on",
        lambda _: "one for an account that the user has left",
    ),
    Rule(
        "sender",
        ("sender",),
        lambda a: a.sender is None or a.sender in senders_of(a.key, a.biller),
        SenderRefused,
        lambda a: f"no Origin or Referer, or one of: {', '.join(sorted(senders_of(a.key, a.biller)))}",
        lambda a: (a.sender or "")[:200],
        lenient=WarningCode.SENDER_UNKNOWN,
    ),
    Rule(
        "sender named",
        ("sender",),
        _is_vouched_for,
        SenderRefused,
        lambda _: "Origin or Referer, a frame, or Sec-Fetch-Site: none or same-origin",
        lambda a: f"neither Origin nor Referer, Sec-Fetch-Site: {a.fetch_site[:20] or 'not sent'}",
        lenient=WarningCode.SENDER_NOT_SENT,
        warns_all=True,
    ),
    Rule(
        "age by GET",
        ("method", TOKEN),
        lambda a: a.method == "POST" or a.age is None or a.age <= MOST_AGE_BY_GET,
        TokenExpired,
        lambda _: "by GET, a token of the last 20 minutes",
        lambda _: "an older one",
        lenient=WarningCode.OLD_TOKEN_BY_GET,
    ),
    Rule(
        "browser",
        (),
        lambda a: not shows_no_page(a.fetch_dest),
        ViewModeRefused,
        lambda _: "a browser that loads a page",
        lambda a: f"Sec-Fetch-Dest: {a.fetch_dest[:20]}",
    ),
    Rule(
        "view mode",
        ("viewmode",),
        lambda a: not disagrees(a.params.view_mode, a.fetch_dest),
        ViewModeRefused,
        lambda a: f"a browser that loads for ViewMode {a.params.view_mode}",
        lambda a: f"Sec-Fetch-Dest: {a.fetch_dest[:20]}",
        lenient=WarningCode.VIEW_MODE_CORRECTED,
    ),
    Rule(
        "destination",
        ("redirectid",),
        lambda a: a.params.destination.redirect_id in a.key.policies.redirect_ids,
        DestinationRefused,
        lambda a: f"RedirectID one of {', '.join(map(str, sorted(a.key.policies.redirect_ids)))}",
        lambda a: str(a.params.destination.redirect_id),
    ),
    Rule(
        "ReturnUrl",
        ("returnurl",),
        _returns_where_it_may,
        ReturnUrlRefused,
        lambda a: f"none, or below one of: {', '.join(p.text() for p in a.key.return_places) or '(nothing registered)'}",
        lambda a: f"more than {MOST_URL} characters" if "returnurl" in a.params.too_long else a.params.return_url[:200],
        lenient=WarningCode.RETURN_URL_DROPPED,
    ),
    Rule(
        "CustomReturnSiteName",
        ("customreturnsitename",),
        lambda a: not a.params.name_cut,
        InvalidRedirect,
        lambda _: f"at most {MOST_RETURN_NAME} characters",
        lambda _: "more",
        lenient=WarningCode.SITE_NAME_CUT,
    ),
    Rule(
        "account",
        ("accountnumber", TOKEN),
        _account_fits,
        AccountRefused,
        lambda _: "an account of this user, or none",
        lambda a: a.params.account_number,
    ),
)
"""What a good token must still stand up to, in order. The first that does not hold refuses a redirect."""

ASKING = frozenset(rule.name for rule in AFTER_REDEEM if rule.lenient in {WarningCode.SENDER_UNKNOWN, WarningCode.SENDER_NOT_SENT})
"""The rules after whose no, where it does not refuse, the payer is asked."""


def token_check(error: HubError) -> Check:
    """The check that a refused token stands for: the error's detail says what became of it."""
    return Check("token", held=False, expected="a live token", came=error.detail, fix=error.fix)
