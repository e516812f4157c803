"""Remote-authentication tokens: proof, held by a partner, that it has authenticated one user at one biller.

    issue    key and user from caches -> audit row (one INSERT) -> ONE key-value transaction that limits the key, checks the caches
             against their stamps and writes the token. Stale caches are loaded again; a refusal is only said from fresh ones.
             Where a password must be shown, the key is limited first and the password checked after the user was read: the token
             exists only if that user has not changed since
    revoke   one mark: the token and every session begun with it are over on every worker
    close    the token opens nothing any more; what it opened lives
    look     what became of a token, without spending or sliding it

What a token opens is `redemptions`.

256 random bits, stored as a digest. The prefix says the policy: `idht_` for a session (60 min sliding from the last redemption,
8 h in all), `idho_` for one use (20 min), `idhl_` for an SSO link (one use, 60 s), whose record also says where it leads. A link is
no token: neither is ever taken where the other is expected. Order: audit first, then the key-value store; if that fails the caller
gets 503, the audit row stays, and no token exists.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    Written,
)
from idp.login.proofs import Proof, Proofs
from idp.login.sessions import MOST_ABSOLUTE, MOST_FROM_TOKEN, Found, Sessions, TokenFacts, TokenKind
from idp.opaque import digest, new_secret
from idp.transaction import Begin
from idp.versions import TRIES, Cached, biller_stamp, key_stamp, pause_before
from sso_connect.admission import Admission, Noted, limit_of
from sso_connect.token_states import Looked, State, told_of

SESSION_IDLE = timedelta(minutes=60)
SESSION_ABSOLUTE = MOST_FROM_TOKEN
SINGLE_USE_LIFETIME = timedelta(minutes=20)
LINK_LIFETIME = timedelta(seconds=60)
_PREFIXES: Mapping[TokenKind, str] = {"session": "idht_", "single_use": "idho_", "link": "idhl_"}
TOKEN_KINDS: tuple[TokenKind, ...] = ("session", "single_use")
_LIFETIMES: Mapping[TokenKind, timedelta] = {
    "session": SESSION_IDLE,
    "single_use": SINGLE_USE_LIFETIME,
    "link": LINK_LIFETIME,
}
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

    def issue(
        self,
        secret: str,
        assertion: Assertion,
        request_id: str,
        noted: Noted | None = None,
        counted: Allowance | None = None,
    ) -> Issued:
        """A token for the one user that the names fit. `counted`: what is left of the key's rate when this call was counted before.

        InvalidApiKey, ScopeMissing, RateLimited, CredentialsRefused, InvalidFields, UserNotFound, AmbiguousUser, UserDisabled,
        CustomerNotFound (an account that is not the user's, whether it exists or not), TooManyAttempts, Busy, StoreUnavailable.
        """
        held = self._api_keys.held(secret)
        audited: UUID | None = None
        proof: Proof | None = None
        for attempt in range(TRIES):
            pause_before(attempt)
            fresh = attempt > 0
            if held is None:
                raise InvalidApiKey("unknown")
            try:
                key = self._admission.check(held.value, Scope.SSO)
                entry = self._trusted(key, assertion, fresh=fresh)
                if entry is None:
                    if proof is None:
                        password = _shown_password(assertion)
                        if counted is None:
                            # Before the hash: one is never made for a key over its rate.
                            counted = self._admission.admit(secret, Scope.SSO, noted).allowance
                        proof = self._proofs.open(key, assertion.names, password, request_id)
                    entry = proof.entry()
                if entry is None:
                    raise _unproved(key)
                if entry.value.user.disabled:
                    raise UserDisabled(str(entry.value.user.id))
                account = _asked_account(held.value.biller, entry.value, assertion)
            except HubError as refusal:
                if fresh or isinstance(refusal, StoreUnavailable | TooManyAttempts | Busy):
                    if counted is None:
                        self._admission.count(held.value.key, noted)
                    raise
                held = self._api_keys.reload_held(secret)
                continue
            user_id = entry.value.user.id
            if audited != user_id:
                self._audit(Action.TOKEN_ISSUE, key, user_id, request_id)
                audited = user_id
            token = new_secret(_PREFIXES[key.policies.token])
            limit = () if counted else (limit_of(key),)
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
                    issued = _issued(token, held.value, entry.value, outcome, counted)
                    if noted is not None:
                        noted(key, issued.allowance)
                    return issued
                case Stale():
                    held = self._api_keys.reload_held(secret)
                case stop:
                    self._audit(Action.TOKEN_REFUSE, key, user_id, request_id)
                    raise self._admission.limited(key, stop, noted)
        raise StoreUnavailable("key or user keep changing under our feet")

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
        return self._look(token) if is_one_of(TOKEN_KINDS, token) else Looked(State.UNKNOWN)

    def look_at_link(self, secret: str) -> Looked:
        """As look, for the secret of an SSO link."""
        return self._look(secret) if is_one_of(("link",), secret) else Looked(State.UNKNOWN)

    def list_sessions(self, bid: int, user_id: UUID) -> Found:
        """The live sessions of a user, as far as the lists go; none of them slides."""
        listed = self._kv.transact(Roll(_tokens_list(bid, user_id))).results[0]
        if not isinstance(listed, Listed):
            return Found(())
        found = self._sessions.list_of(listed.members)
        return replace(found, cut=found.cut or listed.cut)

    def revoke(self, key: ApiKey, token: str, request_id: str) -> None:
        """End a token and the sessions begun with it, also one that is spent, closed or expired: its sessions may live.

        Nothing happens to another biller's or partner's.
        """
        looked = self.look(token)
        facts = looked.facts
        if facts is None or looked.state is State.ENDED or (facts.bid, facts.partner_id) != (key.bid, key.partner.id):
            return
        self._audit(Action.TOKEN_REVOKE, key, facts.user_id, request_id)
        self.end(facts)

    def end(self, token: TokenFacts) -> None:
        """Mark a token as over, and with it every session that was begun with it."""
        self._kv.transact(Mark(ended_mark(token.id), MOST_ABSOLUTE))

    def close(self, token: TokenFacts) -> None:
        """Let a session token open nothing any more. The sessions that it began live, and its partner can still revoke them."""
        if token.policy != "session":
            return  # it was good once, and is spent
        name = f"token:{token.id}"
        over = _put(token, ())
        self._kv.transact(
            Read(name),
            replace(over, idle=timedelta(0), absolute=None, linger=SESSION_ABSOLUTE, parent=0),
            Put(_closed(token.id), "", SESSION_ABSOLUTE),
        )

    def is_closed(self, token_id: str) -> bool:
        """Whether the payer ended the session that a token began; for one that is over."""
        return isinstance(self._kv.transact(Read(_closed(token_id), optional=True)).results[0], Record)

    def _look(self, token: str) -> Looked:
        found = self._kv.transact(Read(token_record(token), optional=True)).results[0]
        if isinstance(found, Record):
            return Looked(State.LIVE, TokenFacts.parse(found.value), found.expires_at, found.created_at)
        if not isinstance(found, Gone):
            return Looked(State.UNKNOWN)
        told = told_of(found)
        return replace(told, state=State.CLOSED) if told.state is State.EXPIRED and self.is_closed(digest(token)) else told

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
    number = assertion.account_number
    account = payer.account_numbered(biller, number) or payer.waiting_numbered(biller, number)
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
        unless=(ended_mark(facts.id),),
        watch=stamps,
        linger=_LINGER,
    )


def _unproved(key: ApiKey) -> HubError:
    """One refusal for every cause; to a trusted key it is that of a user that is not there."""
    if key.policies.authenticate == "trusted":
        return UserNotFound("no user fits the names, the key may not speak for it, or the password is wrong")
    return CredentialsRefused("wrong, or no such user, or one without password, or disabled")


def _shown_password(assertion: Assertion) -> str:
    if assertion.password is None:
        raise CredentialsRefused("the key must present the payer's password")
    return assertion.password


def _issued(token: str, held: HeldKey, payer: PayerRecord, outcome: Outcome, counted: Allowance | None) -> Issued:
    allowance, _, written, _ = (counted, *outcome.results) if counted else outcome.results
    if not isinstance(allowance, Allowance) or not isinstance(written, Written):
        raise StoreUnavailable("the key-value store answered out of turn")
    return Issued(token, written.expires_at, held.key, held.biller, payer, allowance)


def is_one_of(kinds: tuple[TokenKind, ...], secret: str) -> bool:
    """Whether a text looks like a secret of one of these kinds."""
    return len(secret) == 48 and secret.isascii() and secret.startswith(tuple(_PREFIXES[kind] for kind in kinds))


def token_record(token: str) -> str:
    """The name of a token's record."""
    return f"token:{digest(token)}"


def _tokens_list(bid: int, user_id: UUID) -> str:
    return f"tokens-of:{bid}:{user_id}"


def _closed(token_id: str) -> str:
    return f"token-closed:{token_id}"


def ended_mark(token_id: str) -> str:
    """The mark that ends a token and whatever rests on it."""
    return f"token-ended:{token_id}"
