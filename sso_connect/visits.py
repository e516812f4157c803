"""Visits: a page request of somebody who is signed in.

The session says who; what it rests on is looked at again on EVERY request, by stamps that came along with the session: the biller
in service, the key live, the user enabled, nothing revoked. So whatever ends a session ends it everywhere with the next click.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from idp import actor as actors
from idp.changelog import Action, Change, WithChangeLog
from idp.directory.api_keys import ApiKey, ApiKeys
from idp.directory.billers import Biller, Billers
from idp.directory.payers import PayerRecord, Payers
from idp.login.frame_tokens import Carried, FrameTokens
from idp.login.sessions import Session, SessionFacts, Sessions
from idp.opaque import digest
from idp.transaction import Begin
from idp.versions import Cached, biller_stamp
from sso_connect.framing import Presented
from sso_connect.tokens import Tokens

Carrier = Literal["cookie", "token"]


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in payer at a biller, by a partner's key."""

    biller: Biller
    session: Session
    key: ApiKey
    payer: PayerRecord
    carrier: Carrier = "cookie"
    """How the session comes back with the next page: by its cookie, or (also while nobody knows yet) by a frame token."""
    frame_token: str = ""
    """The token of the next page, where that is the carrier."""
    settled: bool = False
    """Whether this is the request that shows how the browser of a frame carries."""
    arriving: str = ""
    """The secret of a frame's cookie that came back from a page that was shown, and counts from now on; "" otherwise."""

    @property
    def return_url(self) -> str:
        """Where sign-out leads back to; "" where the redirect named nothing, or what the key may not (any more) return to."""
        url = self.session.facts.return_url
        return url if url and self.key.may_return_to(url) else ""

    @property
    def token_keeps_its_account(self) -> bool:
        """Whether the account that the token was asked for, if it was for one, is still the user's."""
        asked = self.session.token.customer_id
        return asked is None or self.payer.is_tied_to(asked)

    @property
    def keeps_its_account(self) -> bool:
        """As token_keeps_its_account, and the account that the session was opened for, too."""
        opened = self.session.facts.account_number
        return self.token_keeps_its_account and (not opened or self.payer.is_tied_to_number(self.biller, opened))


@dataclass(frozen=True, slots=True)
class Ended:
    """What is still known of a session that opens no page: whose key began it, what it was, and why.

    `page_expired`: the session itself may go on, but the frame token of this page is too old. A session that a rule ends (its user
    was disabled, its key revoked) is `ended`.
    """

    key: ApiKey
    facts: SessionFacts
    why: Literal["timed_out", "ended", "page_expired"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One check of a visit: what must hold."""

    name: str
    holds: Callable[[Visit], bool]


RULES: tuple[Rule, ...] = (
    Rule("the session is of this biller", lambda visit: visit.session.token.bid == visit.biller.bid),
    Rule("the biller is in service", lambda visit: not visit.biller.disabled),
    Rule("the API key and its partner are live", lambda visit: visit.key.live),
    Rule("the user is enabled", lambda visit: not visit.payer.user.disabled),
    Rule("nothing of the user was revoked since", lambda visit: visit.session.token.generation == visit.payer.user.generation),
    Rule("the account that it was opened for is still the user's", lambda visit: visit.keeps_its_account),
)
"""Everything that a live session must still stand up to, in order."""


class VisitStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""


class Visits:
    """Finds the visit behind a request."""

    def __init__(
        self,
        append: Begin[VisitStores],
        billers: Billers,
        sessions: Sessions,
        tokens: Tokens,
        api_keys: ApiKeys,
        payers: Payers,
        frame_tokens: FrameTokens,
    ) -> None:
        self._append = append
        self._tokens = tokens
        self._billers = billers
        self._sessions = sessions
        self._api_keys = api_keys
        self._payers = payers
        self._frame_tokens = frame_tokens

    def find(self, host: str, slug: str, presented: Presented | None) -> Visit | None:
        """The visit, or None when there is no session, or one that does not stand up to RULES any more."""
        if presented is None:
            return None
        carried = self._carried(presented) if presented.frame_token else None
        arriving = self._shown(presented)
        session = carried.session if carried is not None else self._sessions.find(arriving or presented.secret)
        if session is None or session.facts.framed != presented.framed:
            return None
        visit = self.of_session(host, slug, session)
        if visit is None or not all(rule.holds(visit) for rule in RULES):
            return None
        if carried is None:
            return replace(visit, arriving=arriving)
        settled = carried.state == "first"
        if not presented.brings(session.key):
            return replace(visit, carrier="token", frame_token=carried.next_token, settled=settled)
        return replace(self.settle(visit), settled=settled, arriving=arriving)

    def _shown(self, presented: Presented) -> str:
        """The secret of a cookie that does not count yet, where a form of a page of its session came along: that page was shown.

        The form's frame token proves it also when its five minutes are over.
        """
        if not presented.arriving:
            return ""
        return presented.arriving if self._frame_tokens.session_key_of(presented.frame_token) == digest(presented.arriving) else ""

    def settle(self, visit: Visit) -> Visit:
        """A frame's session that came back by cookie: it needs no frame token, so none of it is good any more."""
        self._frame_tokens.settle(visit.session)
        return replace(visit, carrier="cookie", frame_token="")

    def _carried(self, presented: Presented) -> Carried | None:
        find = self._frame_tokens.find if presented.navigation else self._frame_tokens.peek
        return find(presented.frame_token)

    def ended(self, presented: Presented | None) -> Ended | None:
        """Whose session it was that is over, where that is still known: to say whom to turn to, never to let anybody in."""
        if presented is None:
            return None
        key = self._frame_tokens.session_key_of(presented.frame_token) if presented.frame_token else digest(presented.secret)
        known = None if key is None else self._sessions.last_known(key)
        if known is None:
            return None
        owner = self._api_keys.find(known.token.bid, known.token.key_id)
        if owner is None:
            return None
        if known.state != "live":
            return Ended(owner, known.facts, known.state)
        stale = bool(presented.frame_token) and not self._frame_tokens.is_alive(presented.frame_token)
        return Ended(owner, known.facts, "page_expired" if stale else "ended")

    def end(self, visit: Visit, request_id: str) -> None:
        """Sign out: the family ends everywhere, and with a ReturnUrl the partner's token too (else the partner owns it)."""
        self._sessions.end(visit.session)
        if visit.return_url:
            self._tokens.end(visit.session.token)
        user_id = visit.payer.user.id
        with self._append() as stores:
            stores.changelog.append(
                Change(visit.biller.bid, Action.SESSION_END, actors.Payer(user_id), request_id, user_id=user_id)
            )

    def of_session(self, host: str, slug: str, session: Session) -> Visit | None:
        """Who and what a session rests on, as of its stamps; RULES not asked."""
        biller = self.biller_as_of(host, slug, session.stamps)
        token = session.token
        if biller is None or biller.bid != token.bid:
            return None
        key = self._api_keys.cached(token.bid, token.key_id, session.stamps)
        payer = self._payers.as_of(token.bid, token.user_id, session.stamps)
        return None if key is None or payer is None else Visit(biller, session, key, payer)

    def biller_as_of(self, host: str, slug: str, stamps: Mapping[str, str]) -> Biller | None:
        """The biller of host and slug, no older than the stamps."""
        entry = self._billers.cached_on_host(host, slug)
        if entry is not None and _is_behind(entry, stamps):
            self._billers.forget(host, slug)
            entry = self._billers.cached_on_host(host, slug)
        return None if entry is None else entry.value


def _is_behind(entry: Cached[Biller], stamps: Mapping[str, str]) -> bool:
    name = biller_stamp(entry.value.bid)
    return name in stamps and stamps[name] != entry.stamps.get(name)
