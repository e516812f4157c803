"""API keys: what a partner may do at one biller.

A key is what one partner holds for ONE biller: its policies, scopes, origins, ReturnUrls and RedirectIDs. Its secrets (one, or
two that overlap while rotating) are shown once and stored as digests. So a rotation changes nothing but the secret, and every
token, session and origin goes on resting on the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Protocol, get_args
from uuid import UUID

from idp.actor import Actor
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.billers import Biller, BillerStore
from idp.directory.hosts import Place, parse_place
from idp.directory.partners import Partner, PartnerStore
from idp.errors import ApiKeyNotFound, BillerNotFound, FieldError, InvalidFields, PartnerNotFound
from idp.kv import KeyValue
from idp.opaque import Digest, digest, new_id, new_secret
from idp.transaction import Begin
from idp.versions import Cached, VersionedCache, biller_stamp, key_stamp

ALL_REDIRECT_IDS = frozenset(range(1, 12))
DEFAULT_OVERLAP = timedelta(days=7)


class Scope(StrEnum):
    """What a key may do, by group of operations."""

    CUSTOMERS_READ = "customers:read"
    CUSTOMERS_WRITE = "customers:write"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    SSO = "sso"
    ENROLMENTS = "enrolments"
    PAYMENTS = "payments"
    FILES = "files"
    CSR = "csr"
    DIAGNOSTICS = "diagnostics"
    ROLE_CODES_WRITE = "role_codes:write"
    """Set role codes: by Create and Update Customer Record, and (with FILES) by invoice files. In no default set."""


DEFAULT_SCOPES = frozenset(
    {Scope.CUSTOMERS_READ, Scope.CUSTOMERS_WRITE, Scope.USERS_READ, Scope.USERS_WRITE, Scope.SSO, Scope.DIAGNOSTICS}
)

Strictness = Literal["compat", "strict"]
AuthenticatePolicy = Literal["trusted", "password"]
TokenPolicy = Literal["session", "single_use"]
UsersPolicy = Literal["own", "all"]
CsrUserPolicy = Literal["owner", "choose"]
ProofKind = Literal["name", "last_bill_amount", "zip", "cis"]


@dataclass(frozen=True, slots=True)
class KeyPolicies:
    """What a key may and how it is treated. The defaults are those of a new key."""

    scopes: frozenset[Scope] = DEFAULT_SCOPES
    strictness: Strictness = "strict"
    authenticate: AuthenticatePolicy = "trusted"
    token: TokenPolicy = "session"  # noqa: S105  (a policy's name)
    users: UsersPolicy = "own"
    account_proof: tuple[ProofKind, ...] = ()
    """Kinds of proof that every registration by this key carries, because its portal has made it."""
    csr_user: CsrUserPolicy = "choose"
    rate_per_second: int = 50
    burst: int = 100
    redirect_ids: frozenset[int] = ALL_REDIRECT_IDS


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What one partner holds for one biller. Says nothing about secrets."""

    id: UUID
    bid: int
    partner: Partner
    label: str
    policies: KeyPolicies
    frame_origins: tuple[str, ...]
    return_places: tuple[Place, ...]
    created_at: datetime
    revoked_at: datetime | None = None

    @property
    def live(self) -> bool:
        """Neither the key nor its partner was switched off."""
        return self.revoked_at is None and not self.partner.disabled

    def may_return_to(self, url: str) -> bool:
        """Whether a ReturnUrl is on the list."""
        return any(place.covers(url) for place in self.return_places)


@dataclass(frozen=True, slots=True)
class ApiKeySecret:
    """One secret of a key, as a digest. `hint` is its last four characters, for people."""

    digest: Digest
    key_id: UUID
    bid: int
    hint: str
    created_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key as found by the digest of one of its secrets, with its biller."""

    key: ApiKey
    secret: ApiKeySecret
    biller: Biller

    def usable(self, now: datetime) -> bool:
        """Live, not past the overlap of a rotation, and its biller in service."""
        over = self.secret.expires_at is not None and self.secret.expires_at <= now
        return self.key.live and not over and not self.biller.disabled


PlaceKind = Literal["frame", "return"]


class ApiKeyStore(Protocol):
    """API keys, their secrets and places. Every write renews the key's stamp."""

    def find_held_key(self, secret: Digest) -> HeldKey | None:
        """By the digest of a secret: RETURNS the biller. One constant statement: this is a hot path."""
        ...

    def find_key(self, bid: int, key_id: UUID, *, lock: bool = False) -> ApiKey | None:
        """By id within a biller; `lock` keeps the row for this transaction, for whoever writes back what it read."""
        ...

    def list_keys(self, bid: int) -> list[ApiKey]:
        """All keys of a biller, oldest first."""
        ...

    def put_key(self, key: ApiKey) -> None:
        """Insert or update key and places."""
        ...

    def add_secret(self, secret: ApiKeySecret) -> None:
        """Insert a secret."""
        ...

    def end_secrets(self, bid: int, key_id: UUID, at: datetime) -> None:
        """Let every secret of the key that would live longer end at `at`."""
        ...

    def list_secrets(self, bid: int, key_id: UUID) -> list[ApiKeySecret]:
        """Secrets of a key, oldest first."""
        ...


class ApiKeyStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""

    @property
    def billers(self) -> BillerStore: ...

    @property
    def partners(self) -> PartnerStore: ...

    @property
    def api_keys(self) -> ApiKeyStore: ...


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key with a secret that is shown this once."""

    key: ApiKey
    secret: str


class ApiKeys:
    """Issue, rotate, revoke and find API keys."""

    def __init__(
        self,
        begin: Begin[ApiKeyStores],
        read: Begin[ApiKeyStores],
        kv: KeyValue,
        clock: Clock,
        *,
        allow_loopback_origins: bool,
    ) -> None:
        self._begin = begin
        self._read = read
        self._clock = clock
        self._allow_loopback = allow_loopback_origins
        self._by_digest: VersionedCache[Digest, HeldKey] = VersionedCache(kv, capacity=5000)
        self._by_id: VersionedCache[tuple[int, UUID], ApiKey] = VersionedCache(kv, capacity=5000)

    def issue(
        self,
        actor: Actor,
        request_id: str,
        *,
        bid: int,
        partner_slug: str,
        label: str = "",
        policies: KeyPolicies | None = None,
        frame_origins: Iterable[str] = (),
        return_places: Iterable[str] = (),
    ) -> IssuedKey:
        """Make a key and its first secret. BillerNotFound, PartnerNotFound, InvalidFields."""
        wanted = policies or KeyPolicies()
        check_policies(wanted)
        frames = tuple(self._parse("frame", text).origin for text in frame_origins)
        returns = tuple(self._parse("return", text) for text in return_places)
        now = self._clock.now()
        with self._begin() as stores:
            if stores.billers.find_biller(bid) is None:
                raise BillerNotFound(f"BID {bid}")
            partner = stores.partners.find_partner_by_slug(partner_slug)
            if partner is None:
                raise PartnerNotFound(partner_slug)
            key = ApiKey(new_id(), bid, partner, label.strip() or partner.name, wanted, frames, returns, created_at=now)
            stores.api_keys.put_key(key)
            secret = self._mint(stores, key, now)
            self._log(stores, Action.KEY_CREATE, actor, request_id, key, after=key_values(key))
        return IssuedKey(key, secret)

    def change(self, actor: Actor, request_id: str, bid: int, key_id: UUID, **changes: Any) -> ApiKey:
        """Change label or policies (`policies` = the whole KeyPolicies). ApiKeyNotFound, InvalidFields."""
        if "policies" in changes:
            check_policies(changes["policies"])
        with self._begin() as stores:
            before = _get_key(stores, bid, key_id)
            after = replace(before, **changes)
            self._put(stores, Action.KEY_CHANGE, actor, request_id, before, after)
        return after

    def add_place(self, actor: Actor, request_id: str, bid: int, key_id: UUID, kind: PlaceKind, text: str) -> ApiKey:
        """Register an origin that may frame us, or a place where sign-out may return to. Twice is once."""
        place = self._parse(kind, text)
        with self._begin() as stores:
            before = _get_key(stores, bid, key_id)
            if kind == "frame":
                after = replace(before, frame_origins=tuple(dict.fromkeys((*before.frame_origins, place.origin))))
            else:
                after = replace(before, return_places=tuple(dict.fromkeys((*before.return_places, place))))
            self._put(stores, Action.ORIGIN_ADD, actor, request_id, before, after)
        return after

    def remove_place(self, actor: Actor, request_id: str, bid: int, key_id: UUID, kind: PlaceKind, text: str) -> ApiKey:
        """Take an origin or place off the list; nothing happens when it is not on it."""
        place = self._parse(kind, text)
        with self._begin() as stores:
            before = _get_key(stores, bid, key_id)
            if kind == "frame":
                after = replace(before, frame_origins=tuple(each for each in before.frame_origins if each != place.origin))
            else:
                after = replace(before, return_places=tuple(each for each in before.return_places if each != place))
            self._put(stores, Action.ORIGIN_REMOVE, actor, request_id, before, after)
        return after

    def rotate(self, actor: Actor, request_id: str, bid: int, key_id: UUID, overlap: timedelta = DEFAULT_OVERLAP) -> IssuedKey:
        """A fresh secret; older ones end after `overlap` (0 to 90 days). ApiKeyNotFound for a revoked key too."""
        if not timedelta(0) <= overlap <= timedelta(days=90):
            raise InvalidFields(fields=[FieldError("Overlap", "0 to 90 days")])
        now = self._clock.now()
        with self._begin() as stores:
            key = _get_key(stores, bid, key_id)
            if key.revoked_at is not None:
                raise ApiKeyNotFound("revoked")
            stores.api_keys.end_secrets(bid, key_id, now + overlap)
            secret = self._mint(stores, key, now)
            self._log(stores, Action.KEY_ROTATE, actor, request_id, key, after={"older_secrets_end_at": now + overlap})
        return IssuedKey(key, secret)

    def revoke(self, actor: Actor, request_id: str, bid: int, key_id: UUID) -> ApiKey:
        """End the key, its secrets, and with them every token and session that it began. Twice is once."""
        with self._begin() as stores:
            before = _get_key(stores, bid, key_id)
            after = before if before.revoked_at else replace(before, revoked_at=self._clock.now())
            self._put(stores, Action.KEY_REVOKE, actor, request_id, before, after)
        return after

    def list_all(self, bid: int) -> list[ApiKey]:
        """All keys of a biller."""
        with self._read() as stores:
            return stores.api_keys.list_keys(bid)

    def find(self, bid: int, key_id: UUID) -> ApiKey | None:
        """By id, from the database."""
        with self._read() as stores:
            return stores.api_keys.find_key(bid, key_id)

    def list_secrets(self, bid: int, key_id: UUID) -> list[ApiKeySecret]:
        """The secrets of a key: hints and times, never the secret."""
        with self._read() as stores:
            return stores.api_keys.list_secrets(bid, key_id)

    def held(self, secret: str) -> Cached[HeldKey] | None:
        """The key that a secret belongs to, unchecked: the CALLER sends `stamps` as Expect. None: no such secret."""
        hashed = digest(secret)
        return self._by_digest.find(hashed) or self._load_held(hashed)

    def reload_held(self, secret: str) -> Cached[HeldKey] | None:
        """As held, after the entry turned out stale."""
        hashed = digest(secret)
        self._by_digest.forget(hashed)
        return self._load_held(hashed)

    def cached(self, bid: int, key_id: UUID, stamps: Mapping[str, str]) -> ApiKey | None:
        """A key by id, as of `stamps` (which a record brought along, its biller's included)."""
        names = (key_stamp(key_id),)
        entry = self._by_id.find((bid, key_id))
        if entry is not None and all(stamps.get(name) == entry.stamps[name] for name in names):
            return entry.value

        def read() -> ApiKey | None:
            with self._read() as stores:
                return stores.api_keys.find_key(bid, key_id)

        seen, found = self._by_id.read_under(names, read)
        return None if found is None else self._by_id.keep((bid, key_id), seen, found).value

    def _load_held(self, hashed: Digest) -> Cached[HeldKey] | None:
        with self._read() as stores:
            named = stores.api_keys.find_held_key(hashed)
        if named is None:
            return None

        def read() -> HeldKey | None:
            with self._read() as stores:
                return stores.api_keys.find_held_key(hashed)

        stamps, found = self._by_digest.read_under((key_stamp(named.key.id), biller_stamp(named.key.bid)), read)
        return None if found is None else self._by_digest.keep(hashed, stamps, found)

    def _mint(self, stores: ApiKeyStores, key: ApiKey, now: datetime) -> str:
        secret = new_secret("idhk_")
        stores.api_keys.add_secret(ApiKeySecret(digest(secret), key.id, key.bid, secret[-4:], created_at=now))
        return secret

    def _put(self, stores: ApiKeyStores, action: Action, actor: Actor, request_id: str, before: ApiKey, after: ApiKey) -> None:
        if after == before:
            return
        stores.api_keys.put_key(after)
        self._log(stores, action, actor, request_id, after, before=key_values(before), after=key_values(after))

    def _log(
        self,
        stores: ApiKeyStores,
        action: Action,
        actor: Actor,
        request_id: str,
        key: ApiKey,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        change = Change(key.bid, action, actor, request_id, subject=f"key:{key.id}", before=before, after=after)
        stores.changelog.append(change)

    def _parse(self, kind: PlaceKind, text: str) -> Place:
        field = "FrameOrigin" if kind == "frame" else "ReturnUrl"
        try:
            place = parse_place(text, allow_loopback=self._allow_loopback)
        except ValueError as fault:
            raise InvalidFields(fields=[FieldError(field, str(fault))]) from None
        if kind == "frame" and place.path_prefix:
            raise InvalidFields(fields=[FieldError(field, "an origin has no path")])
        return place


def check_policies(policies: KeyPolicies) -> None:
    """InvalidFields with every policy that is out of its range."""
    faults: list[FieldError] = []
    choices: dict[str, tuple[Any, Any]] = {
        "strictness": (policies.strictness, Strictness),
        "authenticate": (policies.authenticate, AuthenticatePolicy),
        "token": (policies.token, TokenPolicy),
        "users": (policies.users, UsersPolicy),
        "csr_user": (policies.csr_user, CsrUserPolicy),
    }
    for name, (value, words) in choices.items():
        if value not in get_args(words):
            faults.append(FieldError(name, f"one of {', '.join(get_args(words))}"))
    if not policies.scopes:
        faults.append(FieldError("scopes", "at least one"))
    if not set(policies.account_proof) <= set(get_args(ProofKind)):
        faults.append(FieldError("account_proof", f"any of {', '.join(get_args(ProofKind))}"))
    if not policies.redirect_ids <= ALL_REDIRECT_IDS:
        faults.append(FieldError("redirect_ids", "1 to 11"))
    if not 1 <= policies.rate_per_second <= 100_000 or not 1 <= policies.burst <= 1_000_000:
        faults.append(FieldError("rate_per_second", "1 to 100000 a second, burst 1 to 1000000"))
    if faults:
        raise InvalidFields(fields=faults)


def key_values(key: ApiKey) -> dict[str, Any]:
    """What the change log keeps of a key, and what `--json` shows: never a secret."""
    policies = key.policies
    return {
        "id": str(key.id),
        "bid": key.bid,
        "partner": key.partner.slug,
        "label": key.label,
        "scopes": sorted(policies.scopes),
        "strictness": policies.strictness,
        "authenticate": policies.authenticate,
        "token": policies.token,
        "users": policies.users,
        "account_proof": list(policies.account_proof),
        "csr_user": policies.csr_user,
        "rate_per_second": policies.rate_per_second,
        "burst": policies.burst,
        "redirect_ids": sorted(policies.redirect_ids),
        "frame_origins": list(key.frame_origins),
        "return_places": [place.text() for place in key.return_places],
        "revoked_at": key.revoked_at,
    }


def _get_key(stores: ApiKeyStores, bid: int, key_id: UUID) -> ApiKey:
    found = stores.api_keys.find_key(bid, key_id, lock=True)
    if found is None:
        raise ApiKeyNotFound(str(key_id))
    return found
