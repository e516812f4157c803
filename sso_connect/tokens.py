"""Remote-authentication tokens: proof, held by a partner, that it has authenticated one user at one biller.

    issue    key and user from caches -> audit row (one INSERT) -> ONE key-value transaction that limits the key, checks the caches
             against their stamps and writes the token. Stale caches are loaded again; a refusal is only said from fresh ones.
             Where a password must be shown, the key is limited first and the password checked after the user was read: the token
             exists only if that user has not changed since
    redeem   ONE key-value transaction that reads (or takes) the token and makes the session that rests on it
    revoke   one mark: the token and every session begun with it are over on every worker
    look     what became of a token, without spending or sliding it

256 random bits, stored as a digest. The prefix says the policy: `idht_` for a session (60 min sliding from the last redemption,
8 h in all), `idho_` for one use (20 min), `idhl_` for an SSO link (one use, 60 s), whose record also says where it leads. A link is
no token: neither is ever taken where the other is expected. Order: audit first, then the key-value store; if that fails the caller
gets 503, the audit row stays, and no token exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from idp import actor as actors
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.api_keys import ApiKey, ApiKeys, HeldKey, Scope
from idp.directory.billers import Biller
from idp.directory.payers import PayerRecord, Payers, UserNames, stamps_of
from idp.errors import (
    Busy,
    CredentialsRefused,
    CustomerNotFound,
    HubError,
    InvalidApiKey,
    StoreUnavailable,
    TokenUnknown,
    TooManyAttempts,
    UserDisabled,
    UserNotFound,
)
from idp.kv import (
    Allowance,
    Enlist,
    Expect,
    Gone,
    KeyValue,
    Listed,
    Mark,
    Outcome,
    Put,
    Read,
    Record,
    Roll,
    Stale,
    Step,
    Take,
    Written,
)
from idp.login.proofs import Proof, Proofs
from idp.login.sessions import MOST_ABSOLUTE, Opening, Session, Sessions, TokenFacts, TokenKind, sessions_list
from idp.opaque import digest, new_secret, same
from idp.transaction import Begin
from idp.versions import TRIES, Cached, biller_stamp, key_stamp, pause_before
from sso_connect.admission import Admission, Noted, limit_of
from sso_connect.token_states import Looked, State, refusal_of, told_of

SESSION_IDLE = timedelta(minutes=60)
SESSION_ABSOLUTE = timedelta(hours=8)
SINGLE_USE_LIFETIME = timedelta(minutes=20)
LINK_LIFETIME = timedelta(seconds=60)
_PREFIXES: Mapping[TokenKind, str] = {"session": "idht_", "single_use": "idho_", "link": "idhl_"}
_TOKENS: tuple[TokenKind, ...] = ("session", "single_use")
_LIFETIMES: Mapping[TokenKind, timedelta] = {
    "session": SESSION_IDLE,
    "single_use": SINGLE_USE_LIFETIME,
    "link": LINK_LIFETIME,
}
DOUBLE_CLICK = timedelta(seconds=10)
_TOMBSTONE = timedelta(hours=8)
_LINGER = timedelta(hours=1)
"""So long a token past its time is still told as expired, with whose it was; links that are older were never in a live page."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a partner states about the sign-in that it made. `auth_time` is its instant; methods are RFC 8176 values.

    `account_number`: the account that the payer asked for, if any; it must be one of the user's.
    """

    names: UserNames
    account_number: str | None = None
    session_reference: str = ""
    auth_time: datetime | None = None
    auth_methods: tuple[str, ...] = ()
    password: str | None = field(default=None, repr=False)
    """What the payer typed; looked at where the key must show it (idp.login.proofs)."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh token, whom it is for, and what is left of the key's rate."""

    token: str
    expires_at: datetime
    key: ApiKey
    biller: Biller
    payer: PayerRecord
    allowance: Allowance


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A token that was good, and the session that was made in the same step."""

    facts: TokenFacts
    stamps: dict[str, str]
    opening: Opening
    issued_at: datetime
    idle_until: datetime


@dataclass(frozen=True, slots=True)
class Again:
    """A token that is good once, presented again within moments by the very browser that used it: the session that it opened."""

    session: Session


@dataclass(frozen=True, slots=True)
class Rejected:
    """A token that was no good, and what is still known of it: who issued it, for whom."""

    error: HubError
    facts: TokenFacts | None


@dataclass(frozen=True, slots=True)
class _Proving:
    """A call that shows a password: its key was limited before, so that a hash is never made for a key over its rate."""

    proof: Proof
    allowance: Allowance


class TokenStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""


class Tokens:
    """Issues, redeems and revokes remote-authentication tokens."""

    def __init__(
        self,
        append: Begin[TokenStores],
        kv: KeyValue,
        api_keys: ApiKeys,
        payers: Payers,
        sessions: Sessions,
        proofs: Proofs,
        admission: Admission,
        clock: Clock,
    ) -> None:
        self._append = append
        self._kv = kv
        self._api_keys = api_keys
        self._payers = payers
        self._sessions = sessions
        self._proofs = proofs
        self._admission = admission
        self._clock = clock

    def issue(self, secret: str, assertion: Assertion, request_id: str, noted: Noted | None = None) -> Issued:
        """A token for the one user that the names fit.

        InvalidApiKey, ScopeMissing, RateLimited, CredentialsRefused, InvalidFields, UserNotFound, AmbiguousUser, UserDisabled,
        CustomerNotFound (an account that is not the user's, whether it exists or not), TooManyAttempts, Busy, StoreUnavailable.
        """
        held = self._api_keys.held(secret)
        audited: UUID | None = None
        proving: _Proving | None = None
        for attempt in range(TRIES):
            pause_before(attempt)
            fresh = attempt > 0
            if held is None:
                raise InvalidApiKey("unknown")
            try:
                key = self._admission.check(held.value, Scope.SSO)
                entry = self._trusted(key, assertion, fresh=fresh)
                if entry is None:
                    proving = proving or self._prove(secret, key, assertion, request_id, noted)
                    entry = proving.proof.entry()
                if entry is None:
                    raise _unproved(key)
                if entry.value.user.disabled:
                    raise UserDisabled(str(entry.value.user.id))
                account = _asked_account(held.value.biller, entry.value, assertion)
            except HubError as refusal:
                if fresh or isinstance(refusal, StoreUnavailable | TooManyAttempts | Busy):
                    if proving is None:
                        self._admission.count(held.value.key, noted)
                    raise
                held = self._api_keys.reload_held(secret)
                continue
            user_id = entry.value.user.id
            if audited != user_id:
                self._audit(Action.TOKEN_ISSUE, key, user_id, request_id)
                audited = user_id
            token = new_secret(_PREFIXES[key.policies.token])
            limit = () if proving else (limit_of(key),)
            outcome = self._kv.transact(
                *limit,
                Expect({**held.stamps, **entry.stamps}),
                _put(
                    _facts(digest(token), key.policies.token, key, entry.value, assertion, account, self._clock.now()),
                    (*held.stamps, *entry.stamps),
                ),
                Enlist(_tokens_list(key.bid, user_id), digest(token), SESSION_ABSOLUTE),
            )
            match outcome.stop:
                case None:
                    issued = _issued(token, held.value, entry.value, outcome, proving)
                    if noted is not None:
                        noted(key, issued.allowance)
                    return issued
                case Stale():
                    held = self._api_keys.reload_held(secret)
                case stop:
                    self._audit(Action.TOKEN_REFUSE, key, user_id, request_id)
                    raise self._admission.limited(key, stop, noted)
        raise StoreUnavailable("key or user keep changing under our feet")

    def redeem(self, token: str, opening: Callable[[], Opening], nonce: str = "") -> Redeemed | Again | Rejected:
        """Spend or slide a token and make the session that rests on it (`opening` with parent=0).

        A second use of a single-use token also ends what came of the first; unless it is a double click: within 10 seconds, by the
        browser that holds the `nonce` of the first (Opening.nonce).
        """
        if not _is_one_of(_TOKENS, token):
            return Rejected(TokenUnknown(State.UNKNOWN), None)
        single = token.startswith(_PREFIXES["single_use"])
        first = Take(_key(token), tombstone=_TOMBSTONE) if single else Read(_key(token), slide=True)
        return self._redeem(digest(token), first, opening, nonce)

    def redeem_link(self, secret: str, opening: Callable[[], Opening], nonce: str = "") -> Redeemed | Again | Rejected:
        """As redeem, for the secret of an SSO link, which is good once."""
        if not _is_one_of(("link",), secret):
            return Rejected(TokenUnknown(State.UNKNOWN), None)
        return self._redeem(digest(secret), Take(_key(secret), tombstone=_TOMBSTONE), opening, nonce)

    def issue_link(self, facts: TokenFacts, request_id: str) -> tuple[str, datetime]:
        """The secret of an SSO link for what `facts` say (`link_facts`), and until when it is good. StoreUnavailable.

        The caller has admitted the key and read the payer just now; what changes after that is found when the link is followed.
        """
        with self._append() as stores:
            actor = actors.Partner(facts.key_id, facts.partner_id)
            stores.changelog.append(Change(facts.bid, Action.LINK_ISSUE, actor, request_id, user_id=facts.user_id))
        secret = new_secret(_PREFIXES["link"])
        stamps = (key_stamp(facts.key_id), biller_stamp(facts.bid), *stamps_of(facts.bid, facts.user_id))
        listed = Enlist(_tokens_list(facts.bid, facts.user_id), digest(secret), SESSION_ABSOLUTE)
        written = self._kv.transact(_put(replace(facts, id=digest(secret)), stamps), listed).results[0]
        if not isinstance(written, Written):
            raise StoreUnavailable("the key-value store answered out of turn")
        return secret, written.expires_at

    def find(self, token: str) -> tuple[TokenFacts, datetime] | None:
        """What a live token says and until when it lives, without spending or sliding it."""
        looked = self.look(token)
        if looked.state is not State.LIVE or looked.facts is None or looked.expires_at is None:
            return None
        return looked.facts, looked.expires_at

    def look(self, token: str) -> Looked:
        """What became of a token, without spending or sliding it."""
        return self._look(token) if _is_one_of(_TOKENS, token) else Looked(State.UNKNOWN)

    def look_at_link(self, secret: str) -> Looked:
        """As look, for the secret of an SSO link."""
        return self._look(secret) if _is_one_of(("link",), secret) else Looked(State.UNKNOWN)

    def list_sessions(self, bid: int, user_id: UUID) -> list[Session]:
        """The live sessions of a user, oldest first; none of them slides."""
        listed = self._kv.transact(Roll(_tokens_list(bid, user_id))).results[0]
        return self._sessions.list_of(listed.members) if isinstance(listed, Listed) else []

    def revoke(self, key: ApiKey, token: str, request_id: str) -> None:
        """End a token and the sessions begun with it. Nothing happens to another biller's or partner's."""
        found = self.find(token)
        if found is None or found[0].bid != key.bid or found[0].partner_id != key.partner.id:
            return
        self._audit(Action.TOKEN_REVOKE, key, found[0].user_id, request_id)
        self.end(found[0])

    def end(self, token: TokenFacts) -> None:
        """Mark a token as over, and with it every session that was begun with it."""
        self._kv.transact(Mark(_ended(token.id), MOST_ABSOLUTE))

    def _redeem(self, token_id: str, first: Step, opening: Callable[[], Opening], nonce: str) -> Redeemed | Again | Rejected:
        made = opening()
        steps: list[Step] = [first, made.step, Enlist(sessions_list(token_id), made.key, made.step.absolute or MOST_ABSOLUTE)]
        if isinstance(first, Take):
            steps.append(Put(_once(token_id), f"{digest(made.nonce)} {made.key}", DOUBLE_CLICK, unless=(_ended(token_id),)))
        outcome = self._kv.transact(*steps, *made.more)
        if isinstance(outcome.stop, Gone):
            again = self._again(token_id, nonce) if outcome.stop.spent and nonce else None
            return again or self._gone(outcome.stop)
        record, written, *_ = outcome.results
        if not isinstance(record, Record) or not isinstance(written, Written):
            raise StoreUnavailable("the key-value store answered out of turn")
        return Redeemed(TokenFacts.parse(record.value), dict(record.stamps), made, record.created_at, written.expires_at)

    def _again(self, token_id: str, nonce: str) -> Again | None:
        found = self._kv.transact(Read(_once(token_id), optional=True)).results[0]
        if not isinstance(found, Record):
            return None
        expected, _, key = found.value.partition(" ")
        session = self._sessions.find_by_key(key) if same(digest(nonce), expected) else None
        return None if session is None else Again(session)

    def _look(self, token: str) -> Looked:
        found = self._kv.transact(Read(_key(token), optional=True)).results[0]
        if isinstance(found, Record):
            return Looked(State.LIVE, TokenFacts.parse(found.value), found.expires_at, found.created_at)
        return told_of(found) if isinstance(found, Gone) else Looked(State.UNKNOWN)

    def _trusted(self, key: ApiKey, assertion: Assertion, *, fresh: bool) -> Cached[PayerRecord] | None:
        """The user that a key may assert on its word alone. None: it must show the password."""
        if key.policies.authenticate != "trusted":
            return None
        try:
            entry = self._payers.named(key, assertion.names)
            if fresh:
                # Named again after it: the user that the stale record was about may have given the name up.
                self._payers.reload(key.bid, entry.value.user.id)
                entry = self._payers.named(key, assertion.names)
        except UserNotFound:
            if assertion.password is None or key.policies.users == "all":
                raise
            return None
        return entry

    def _prove(self, secret: str, key: ApiKey, assertion: Assertion, request_id: str, noted: Noted | None) -> _Proving:
        if assertion.password is None:
            raise CredentialsRefused("the key must present the payer's password")
        admitted = self._admission.admit(secret, Scope.SSO, noted)
        return _Proving(self._proofs.open(key, assertion.names, assertion.password, request_id), admitted.allowance)

    def _gone(self, gone: Gone) -> Rejected:
        told = told_of(gone)
        if told.state is State.SPENT and told.facts is not None:
            self.end(told.facts)
        return Rejected(refusal_of(told.state), told.facts)

    def _audit(self, action: Action, key: ApiKey, user_id: UUID, request_id: str) -> None:
        with self._append() as stores:
            stores.changelog.append(Change(key.bid, action, actors.Partner(key.id, key.partner.id), request_id, user_id=user_id))


def link_facts(key: ApiKey, payer: PayerRecord, assertion: Assertion, now: datetime, redirect: Mapping[str, str]) -> TokenFacts:
    """What the record of an SSO link says: as a token, and the parameters of the redirect that it stands for. `id`: not yet."""
    return _facts("", "link", key, payer, assertion, None, now, redirect)


def _asked_account(biller: Biller, payer: PayerRecord, assertion: Assertion) -> UUID | None:
    """The account that the token is asked for. CustomerNotFound when it is not the user's."""
    if assertion.account_number is None:
        return None
    account = payer.account_numbered(biller, assertion.account_number)
    if account is None:
        raise CustomerNotFound("not an account of the user")
    return account.customer_id


def _facts(
    token_id: str,
    kind: TokenKind,
    key: ApiKey,
    payer: PayerRecord,
    assertion: Assertion,
    account: UUID | None,
    now: datetime,
    redirect: Mapping[str, str] | None = None,
) -> TokenFacts:
    return TokenFacts(
        id=token_id,
        bid=key.bid,
        key_id=key.id,
        partner_id=key.partner.id,
        user_id=payer.user.id,
        generation=payer.user.generation,
        policy=kind,
        session_reference=assertion.session_reference,
        auth_time=int((assertion.auth_time or now).timestamp()),
        auth_methods=assertion.auth_methods,
        redirect=redirect,
        customer_id=account,
    )


def _put(facts: TokenFacts, stamps: tuple[str, ...]) -> Put:
    return Put(
        f"token:{facts.id}",
        facts.text(),
        idle=_LIFETIMES[facts.policy],
        absolute=SESSION_ABSOLUTE if facts.policy == "session" else None,
        unless=(_ended(facts.id),),
        watch=stamps,
        linger=_LINGER,
    )


def _unproved(key: ApiKey) -> HubError:
    """One refusal for every cause; to a trusted key it is that of a user that is not there."""
    if key.policies.authenticate == "trusted":
        return UserNotFound("no user fits the names, the key may not speak for it, or the password is wrong")
    return CredentialsRefused("wrong, or no such user, or one without password, or disabled")


def _issued(token: str, held: HeldKey, payer: PayerRecord, outcome: Outcome, proving: _Proving | None) -> Issued:
    allowance, _, written, _ = (proving.allowance, *outcome.results) if proving else outcome.results
    if not isinstance(allowance, Allowance) or not isinstance(written, Written):
        raise StoreUnavailable("the key-value store answered out of turn")
    return Issued(token, written.expires_at, held.key, held.biller, payer, allowance)


def _is_one_of(kinds: tuple[TokenKind, ...], secret: str) -> bool:
    return len(secret) == 48 and secret.isascii() and secret.startswith(tuple(_PREFIXES[kind] for kind in kinds))


def _key(token: str) -> str:
    return f"token:{digest(token)}"


def _tokens_list(bid: int, user_id: UUID) -> str:
    return f"tokens-of:{bid}:{user_id}"


def _once(token_id: str) -> str:
    return f"token-once:{token_id}"


def _ended(token_id: str) -> str:
    return f"token-ended:{token_id}"
