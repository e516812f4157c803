"""Remote-authentication tokens: proof, held by a partner, that it has authenticated one user at one biller.

    issue    key and user from caches -> audit row (one INSERT) -> ONE key-value transaction that limits the key, checks the caches
             against their stamps and writes the token. Stale caches are loaded again; a refusal is only said from fresh ones.
             Where a password must be shown, the key is limited first and the password checked after the user was read: the token
             exists only if that user has not changed since
    redeem   ONE key-value transaction that reads (or takes) the token and makes the session that rests on it
    revoke   one mark: the token and every session begun with it are over on every worker

256 random bits, stored as a digest. The prefix says the policy: `idht_` for a session (60 min sliding from the last redemption,
8 h in all), `idho_` for one use (20 min). Order: audit first, then the key-value store; if that fails the caller gets 503, the
audit row stays, and no token exists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from idp import actor as actors
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.api_keys import ApiKey, ApiKeys, HeldKey, Scope
from idp.directory.billers import Biller
from idp.directory.payers import PayerRecord, Payers, UserNames
from idp.errors import (
    Busy,
    CredentialsRefused,
    CustomerNotFound,
    HubError,
    InvalidApiKey,
    RateLimited,
    ScopeMissing,
    StoreUnavailable,
    TokenExpired,
    TokenSpent,
    TokenUnknown,
    TooManyAttempts,
    UserDisabled,
    UserNotFound,
)
from idp.kv import Allowance, Expect, Gone, KeyValue, Limit, Limited, Mark, Outcome, Put, Read, Record, Stale, Step, Take, Written
from idp.login.proofs import Proof, Proofs
from idp.login.sessions import MOST_ABSOLUTE, Opening, TokenFacts
from idp.opaque import digest, new_secret
from idp.transaction import Begin
from idp.versions import Cached

SESSION_IDLE = timedelta(minutes=60)
SESSION_ABSOLUTE = timedelta(hours=8)
SINGLE_USE_LIFETIME = timedelta(minutes=20)
_PREFIXES = {"session": "idht_", "single_use": "idho_"}
_TOMBSTONE = timedelta(hours=8)
_LINGER = timedelta(hours=1)
"""So long a token past its time is still told as expired, with whose it was; links that are older were never in a live page."""
_TRIES = 4


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
class Admitted:
    """A key that may go on, its biller, and what is left of its rate."""

    key: ApiKey
    biller: Biller
    allowance: Allowance


Noted = Callable[[ApiKey, Allowance], None]
"""Hears what is left of a key's rate as soon as it is known, so that a refusal can tell it too."""


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A token that was good, and the session that was made in the same step."""

    facts: TokenFacts
    stamps: dict[str, str]
    opening: Opening
    issued_at: datetime
    idle_until: datetime


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
        self, append: Begin[TokenStores], kv: KeyValue, api_keys: ApiKeys, payers: Payers, proofs: Proofs, clock: Clock
    ) -> None:
        self._append = append
        self._kv = kv
        self._api_keys = api_keys
        self._payers = payers
        self._proofs = proofs
        self._clock = clock
        self._exhausted: dict[UUID, datetime] = {}

    def issue(self, secret: str, assertion: Assertion, request_id: str, noted: Noted | None = None) -> Issued:
        """A token for the one user that the names fit.

        InvalidApiKey, ScopeMissing, RateLimited, CredentialsRefused, InvalidFields, UserNotFound, AmbiguousUser, UserDisabled,
        CustomerNotFound (an account that is not the user's, whether it exists or not), TooManyAttempts, Busy, StoreUnavailable.
        """
        held = self._api_keys.held(secret)
        audited: UUID | None = None
        proving: _Proving | None = None
        for attempt in range(_TRIES):
            fresh = attempt > 0
            if held is None:
                raise InvalidApiKey("unknown")
            try:
                key = self._checked_key(held.value)
                entry = self._trusted(key, assertion, fresh=fresh)
                if entry is None:
                    proving = proving or self._prove(secret, key, assertion, request_id, noted)
                    entry = proving.proof.entry(fresh=fresh)
                if entry is None:
                    raise _unproved(key)
                if entry.value.user.disabled:
                    raise UserDisabled(str(entry.value.user.id))
                account = _asked_account(held.value.biller, entry.value, assertion)
            except HubError as refusal:
                if fresh or isinstance(refusal, StoreUnavailable | TooManyAttempts | Busy):
                    if proving is None:
                        self._count(held.value.key, noted)
                    raise
                held = self._api_keys.reload_held(secret)
                continue
            user_id = entry.value.user.id
            if audited != user_id:
                self._audit(Action.TOKEN_ISSUE, key, user_id, request_id)
                audited = user_id
            token = new_secret(_PREFIXES[key.policies.token])
            limit = () if proving else (_limit(key),)
            outcome = self._kv.transact(
                *limit,
                Expect({**held.stamps, **entry.stamps}),
                _put(token, held, entry, assertion, account, self._clock.now()),
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
                    raise self._limited(key, stop, noted)
        raise StoreUnavailable("key or user keep changing under our feet")

    def peek(self, secret: str) -> HeldKey | None:
        """The key of a secret as it was last known, unchecked: to read a body by, never to let anybody in by."""
        held = self._api_keys.held(secret)
        return None if held is None else held.value

    def admit(self, secret: str, scope: Scope | None, noted: Noted | None = None) -> Admitted:
        """The key of a call that is not `issue`: limited and checked in one key-value transaction. Errors as issue's."""
        held = self._api_keys.held(secret)
        for _ in range(_TRIES):
            if held is None:
                raise InvalidApiKey("unknown")
            outcome = self._kv.transact(_limit(held.value.key), Expect(held.stamps))
            match outcome.stop:
                case None:
                    allowance = outcome.results[0]
                    if not isinstance(allowance, Allowance):
                        raise StoreUnavailable("the key-value store answered out of turn")
                    if noted is not None:
                        noted(held.value.key, allowance)
                    return Admitted(self._checked_key(held.value, scope), held.value.biller, allowance)
                case Stale():
                    held = self._api_keys.reload_held(secret)
                case stop:
                    raise self._limited(held.value.key, stop, noted)
        raise StoreUnavailable("the key keeps changing under our feet")

    def redeem(self, token: str, opening: Callable[[], Opening]) -> Redeemed | Rejected:
        """Spend or slide a token and make the session that rests on it (`opening` with parent=0).

        A second use of a single-use token also ends what came of the first.
        """
        if not _looks_like_a_token(token):
            return Rejected(TokenUnknown("not of our form"), None)
        single = token.startswith(_PREFIXES["single_use"])
        first: Step = Take(_key(token), tombstone=_TOMBSTONE) if single else Read(_key(token), slide=True)
        made = opening()
        outcome = self._kv.transact(first, made.step)
        if isinstance(outcome.stop, Gone):
            return self._gone(outcome.stop)
        record, written = outcome.results
        if not isinstance(record, Record) or not isinstance(written, Written):
            raise StoreUnavailable("the key-value store answered out of turn")
        return Redeemed(TokenFacts.parse(record.value), dict(record.stamps), made, record.created_at, written.expires_at)

    def find(self, token: str) -> tuple[TokenFacts, datetime] | None:
        """What a live token says and until when it lives, without spending or sliding it."""
        if not _looks_like_a_token(token):
            return None
        record = self._kv.transact(Read(_key(token), optional=True)).results[0]
        return (TokenFacts.parse(record.value), record.expires_at) if isinstance(record, Record) else None

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
        admitted = self.admit(secret, Scope.SSO, noted)
        return _Proving(self._proofs.open(key, assertion.names, assertion.password, request_id), admitted.allowance)

    def _gone(self, gone: Gone) -> Rejected:
        facts = None if gone.value is None else TokenFacts.parse(gone.value)
        if gone.spent and facts is not None:
            self.end(facts)
            return Rejected(TokenSpent("presented again; what came of the first use was ended"), facts)
        if gone.ended_by is not None:
            return Rejected(TokenExpired("revoked, or its session was signed out"), facts)
        if facts is not None:
            return Rejected(TokenExpired("past its lifetime"), facts)
        return Rejected(TokenUnknown("never issued here, long past its lifetime, or of an older epoch"), None)

    def _checked_key(self, held: HeldKey, scope: Scope | None = Scope.SSO) -> ApiKey:
        now = self._clock.now()
        if not held.usable(now):
            raise InvalidApiKey("revoked, past its overlap, or its partner or biller is switched off")
        if scope is not None and scope not in held.key.policies.scopes:
            raise ScopeMissing(scope.value)
        # Known to be empty: said before the audit row, so that a flood does not fill the log.
        until = self._exhausted.get(held.key.id)
        if until is not None and until > now:
            raise RateLimited("the key is over its rate", retry_after=until - now)
        return held.key

    def _count(self, key: ApiKey, noted: Noted | None) -> None:
        """A refused call counts too."""
        outcome = self._kv.transact(_limit(key))
        if outcome.stop is not None:
            raise self._limited(key, outcome.stop, noted)
        if noted is not None and isinstance(outcome.results[0], Allowance):
            noted(key, outcome.results[0])

    def _limited(self, key: ApiKey, stop: object, noted: Noted | None) -> HubError:
        if not isinstance(stop, Limited):
            return StoreUnavailable("the key-value store answered out of turn")
        if noted is not None:
            noted(key, Allowance(0, stop.retry_after))
        self._exhausted[key.id] = self._clock.now() + stop.retry_after
        return RateLimited("the key is over its rate", retry_after=stop.retry_after)

    def _audit(self, action: Action, key: ApiKey, user_id: UUID, request_id: str) -> None:
        with self._append() as stores:
            stores.changelog.append(Change(key.bid, action, actors.Partner(key.id, key.partner.id), request_id, user_id=user_id))


def _limit(key: ApiKey) -> Limit:
    return Limit(f"key:{key.id}", key.policies.rate_per_second, key.policies.burst)


def _asked_account(biller: Biller, payer: PayerRecord, assertion: Assertion) -> UUID | None:
    """The account that the token is asked for. CustomerNotFound when it is not the user's."""
    if assertion.account_number is None:
        return None
    account = payer.account_numbered(biller, assertion.account_number)
    if account is None:
        raise CustomerNotFound("not an account of the user")
    return account.customer_id


def _put(
    token: str, held: Cached[HeldKey], entry: Cached[PayerRecord], assertion: Assertion, account: UUID | None, now: datetime
) -> Put:
    key = held.value.key
    policy = key.policies.token
    token_id = digest(token)
    facts = TokenFacts(
        id=token_id,
        bid=key.bid,
        key_id=key.id,
        partner_id=key.partner.id,
        user_id=entry.value.user.id,
        generation=entry.value.user.generation,
        policy=policy,
        session_reference=assertion.session_reference,
        auth_time=int((assertion.auth_time or now).timestamp()),
        auth_methods=assertion.auth_methods,
        customer_id=account,
    )
    single = policy == "single_use"
    return Put(
        f"token:{token_id}",
        facts.text(),
        idle=SINGLE_USE_LIFETIME if single else SESSION_IDLE,
        absolute=None if single else SESSION_ABSOLUTE,
        unless=(_ended(token_id),),
        watch=(*held.stamps, *entry.stamps),
        linger=_LINGER,
    )


def _unproved(key: ApiKey) -> HubError:
    """One refusal for every cause; to a trusted key it is that of a user that is not there."""
    if key.policies.authenticate == "trusted":
        return UserNotFound("no user fits the names, the key may not speak for it, or the password is wrong")
    return CredentialsRefused("wrong, or no such user, or one without password, or disabled")


def _issued(token: str, held: HeldKey, payer: PayerRecord, outcome: Outcome, proving: _Proving | None) -> Issued:
    allowance, _, written = (proving.allowance, *outcome.results) if proving else outcome.results
    if not isinstance(allowance, Allowance) or not isinstance(written, Written):
        raise StoreUnavailable("the key-value store answered out of turn")
    return Issued(token, written.expires_at, held.key, held.biller, payer, allowance)


def _looks_like_a_token(token: str) -> bool:
    return len(token) == 48 and token.isascii() and token.startswith(tuple(_PREFIXES.values()))


def _key(token: str) -> str:
    return f"token:{digest(token)}"


def _ended(token_id: str) -> str:
    return f"token-ended:{token_id}"
