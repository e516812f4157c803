"""Billers: the tenants, with their host, policies and advanced settings.

`issuer`, SAML entity id and passkey RP id are columns that are fixed when first published, so that a later change of host does
not change who we claim to be; until then they follow the host. Absolute URLs come from the row, never from a Host header.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations
from typing import Any, Literal, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from idp.actor import Actor
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.currencies import is_currency
from idp.directory.hosts import check_host, check_slug, is_slug, parse_address
from idp.directory.names import AccountProfile, check_shown, folded
from idp.errors import BillerNotFound, FieldError, InvalidFields, SharedOriginRefused
from idp.errors.wording import did_you_mean, in_words
from idp.kv import KeyValue
from idp.opaque import new_id
from idp.origins import typed_host
from idp.secrets import Secrets
from idp.transaction import Begin
from idp.versions import Cached, VersionedCache, biller_stamp

_PREFIXES = ("owner_prefix", "co_owner_prefix", "oversight_prefix", "guest_prefix")


class Policies(BaseModel):
    """What a biller decides about its payers. Defaults are the recommended values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role_codes: Literal["off", "optional", "required"] = "optional"
    role_code_field: int = Field(58, ge=1, le=60)
    owner_prefix: str = Field("O100", pattern=r"^[A-Z0-9]{2,8}$")
    co_owner_prefix: str = Field("C200", pattern=r"^[A-Z0-9]{2,8}$")
    oversight_prefix: str = Field("OS300", pattern=r"^[A-Z0-9]{2,8}$")
    guest_prefix: str = Field("G500", pattern=r"^[A-Z0-9]{2,8}$")
    bare_codes: bool = True
    owner_code_takes_over: bool = True
    first_registrant: Literal["asked", "guest"] = "asked"
    multi_user: bool = True
    invitations: bool = True
    import_login_type: int = Field(1, ge=1, le=4)
    invitation_login_type: int = Field(4, ge=1, le=4)
    ghost_claim: Literal["proof", "first_owner", "never"] = "proof"
    account_profile: AccountProfile = "as_imported"
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    session_idle_minutes: int = Field(15, ge=1, le=120)
    session_absolute_minutes: int = Field(480, ge=5, le=1440)
    bills_after_move_out_months: int = Field(13, ge=0, le=120)


@dataclass(frozen=True, slots=True)
class Biller:
    """A tenant."""

    bid: int
    guid: UUID
    slug: str
    dba: str
    origin: str
    """Scheme, host and port of its own, without a path."""
    time_zone: str
    locale: str
    policies: Policies
    column_map: Mapping[str, Any] | None
    """Column map of its invoice files (sso_connect.imports.bif_columns); None: the default order."""
    sso_login_url: str
    """Advanced setting 3: sign-out without ReturnUrl, expired links, "forgot password" of partner-owned passwords; may be ""."""
    disabled: bool
    created_at: datetime
    issuer: str | None = None
    saml_entity_id: str | None = None
    rp_id: str | None = None

    @property
    def base_url(self) -> str:
        """Where its pages begin: `{origin}/b/{slug}`."""
        return f"{self.origin}/b/{self.slug}"

    @property
    def host(self) -> str:
        return self.origin.partition("://")[2]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class BillerStore(Protocol):
    """Billers in the database. A write renews the biller's stamp."""

    def find_biller(self, bid: int, *, lock: bool = False) -> Biller | None:
        """By BID; `lock` keeps the row for this transaction, for whoever writes back what it read."""
        ...

    def find_biller_by(self, *, host: str | None = None, slug: str | None = None, guid: UUID | None = None) -> Biller | None:
        """By host, slug or GUID (one of them): the unscoped look-ups that RETURN a biller."""
        ...

    def list_billers(self, after: int, limit: int) -> list[Biller]:
        """By BID, from the one after `after`."""
        ...

    def add_biller(self, biller: Biller) -> None:
        """Insert. AlreadyExists when BID, GUID, slug or origin-and-slug is taken."""
        ...

    def put_biller(self, biller: Biller) -> None:
        """Update every column. AlreadyExists as in add_biller."""
        ...

    def put_sso_login_url(self, bid: int, url: str) -> None:
        """Update advanced setting 3, which is kept on the row because every refusal page needs it."""
        ...

    def count_on_origin(self, origin: str) -> int:
        """How many billers live on an origin; nobody else comes to it before this transaction ends."""
        ...


class BillerStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""

    @property
    def billers(self) -> BillerStore: ...


class Billers:
    """Create, change and find billers."""

    def __init__(
        self,
        begin: Begin[BillerStores],
        read: Begin[BillerStores],
        kv: KeyValue,
        clock: Clock,
        secrets: Secrets,
        *,
        scheme: str,
        portal_domain: str,
        share_origins: bool,
        allow_loopback_origins: bool = False,
    ) -> None:
        self._begin = begin
        self._read = read
        self._clock = clock
        self._secrets = secrets
        self._scheme = scheme
        self._portal_domain = portal_domain
        self._share_origins = share_origins
        self._allow_loopback = allow_loopback_origins
        self._by_host: VersionedCache[tuple[str, str], Biller] = VersionedCache(kv, capacity=2000)
        self._alone: VersionedCache[str, Biller] = VersionedCache(kv, capacity=2000)

    def create(
        self,
        actor: Actor,
        request_id: str,
        *,
        bid: int,
        slug: str,
        dba: str,
        guid: UUID | None = None,
        host: str | None = None,
        time_zone: str = "UTC",
        locale: str = "en",
        policies: Mapping[str, Any] | None = None,
        column_map: Mapping[str, Any] | None = None,
    ) -> Biller:
        """Make a biller. InvalidFields, AlreadyExists, SharedOriginRefused."""
        if not 0 < bid < 2**31:
            raise InvalidFields(fields=[FieldError("BID", "1 to 2147483647")])
        made = Biller(
            bid=bid,
            guid=guid or new_id(),
            slug=slug,
            dba=dba.strip(),
            origin=self._origin(host or f"{slug}.{self._portal_domain}"),
            time_zone=time_zone,
            locale=locale,
            policies=parse_policies(Policies(), policies or {}),
            column_map=column_map,
            sso_login_url="",
            disabled=False,
            created_at=self._clock.now(),
        )
        check_biller(made)
        self._secrets.prepare(bid)
        with self._begin() as stores:
            # A taken slug is told as that, and not as the host that comes of it: so the row goes in first.
            stores.billers.add_biller(made)
            self._check_origin(stores, made)
            stores.changelog.append(Change(bid, Action.BILLER_CREATE, actor, request_id, after=biller_values(made)))
        return made

    def change(self, actor: Actor, request_id: str, bid: int, **changes: Any) -> Biller:
        """Change some of: slug-independent columns (dba, host, time_zone, locale, policies, column_map, sso_login_url, disabled).

        `policies` names only those that change. A host that was published as issuer stays the issuer.
        """
        with self._begin() as stores:
            before = stores.billers.find_biller(bid, lock=True)
            if before is None:
                raise BillerNotFound(f"BID {bid}")
            if "host" in changes:
                changes["origin"] = self._origin(changes.pop("host"))
            if "policies" in changes:
                changes["policies"] = parse_policies(before.policies, changes["policies"])
            if changes.get("sso_login_url", before.sso_login_url) != before.sso_login_url:  # one from before stays as it is
                changes["sso_login_url"] = self._parse_login_url(changes["sso_login_url"])
            after = replace(before, **changes)
            check_biller(after)
            if after != before:
                stores.billers.put_biller(after)
                self._check_origin(stores, after)
                values = biller_values(before), biller_values(after)
                stores.changelog.append(Change(bid, Action.BILLER_CHANGE, actor, request_id, before=values[0], after=values[1]))
        return after

    def get(self, bid: int) -> Biller:
        """By BID. BillerNotFound."""
        with self._read() as stores:
            found = stores.billers.find_biller(bid)
        if found is None:
            raise BillerNotFound(f"BID {bid}")
        return found

    def get_by_slug(self, slug: str) -> Biller:
        """By slug. BillerNotFound."""
        with self._read() as stores:
            found = stores.billers.find_biller_by(slug=slug)
        if found is None:
            raise BillerNotFound(f"slug {slug}")
        return found

    def find_by_guid(self, guid: UUID) -> Biller | None:
        """By GUID."""
        with self._read() as stores:
            return stores.billers.find_biller_by(guid=guid)

    def find_by_slug(self, slug: str) -> Biller | None:
        """By slug."""
        with self._read() as stores:
            return stores.billers.find_biller_by(slug=slug)

    def list_page(self, after: int = 0, limit: int = 200) -> list[Biller]:
        """By BID."""
        with self._read() as stores:
            return stores.billers.list_billers(after, limit)

    def on_host(self, host: str, slug: str) -> Biller | None:
        """The biller whose host AND slug these are, checked against its stamp; None for all else."""
        entry = self.cached_on_host(host, slug)
        if entry is not None and not self._by_host.is_current(entry):
            self.forget(host, slug)
            entry = self.cached_on_host(host, slug)
        return None if entry is None else entry.value

    def cached_on_host(self, host: str, slug: str) -> Cached[Biller] | None:
        """As on_host, but the CALLER compares the stamps, in a key-value transaction that it makes anyway."""
        entry = self._by_host.find((host, slug))
        return entry if entry is not None else self._load_on_host(host, slug)

    def forget(self, host: str, slug: str) -> None:
        """Drop a cached biller that turned out stale."""
        self._by_host.forget((host, slug))

    def alone_on_host(self, host: str) -> Biller | None:
        """The only biller of a host, checked against its stamp; None for a host that has none, or several."""
        entry = self._alone.find(host)
        if entry is not None and not self._alone.is_current(entry):
            self._alone.forget(host)
            entry = None
        if entry is not None:
            return entry.value
        with self._read() as stores:
            found = stores.billers.find_biller_by(host=host)
        if found is None or self._share_origins:  # a second biller would not change the first one's stamp
            return found

        def read() -> Biller | None:
            with self._read() as stores:
                return stores.billers.find_biller(found.bid)

        stamps, current = self._alone.read_under((biller_stamp(found.bid),), read)
        if current is None or current.host != host:
            return None
        return self._alone.keep(host, stamps, current).value

    def remembered_on_host(self, host: str, slug: str = "") -> Biller | None:
        """What is still known of `on_host`, or without a slug of `alone_on_host`, when no store answers. May be out of date."""
        entry = self._by_host.find((host, slug)) if slug else self._alone.find(host)
        return None if entry is None else entry.value

    def _load_on_host(self, host: str, slug: str) -> Cached[Biller] | None:
        if not is_slug(slug):
            return None
        with self._read() as stores:
            named = stores.billers.find_biller_by(slug=slug)
        if named is None:
            return None

        def read() -> Biller | None:
            with self._read() as stores:
                return stores.billers.find_biller(named.bid)

        stamps, found = self._by_host.read_under((biller_stamp(named.bid),), read)
        if found is None or (found.host, found.slug) != (host, slug):
            return None
        return self._by_host.keep((host, slug), stamps, found)

    def _parse_login_url(self, url: str) -> str:
        try:
            return parse_address(url, allow_loopback=self._allow_loopback) if url else ""
        except ValueError as fault:
            raise InvalidFields(fields=[FieldError("Setting 3", str(fault))]) from None

    def _origin(self, host: str) -> str:
        return f"{self._scheme}://{typed_host(host, self._scheme)}"

    def _check_origin(self, stores: BillerStores, biller: Biller) -> None:
        """Of a biller that is in its table already."""
        if stores.billers.count_on_origin(biller.origin) > 1 and not self._share_origins:
            raise SharedOriginRefused(f"{biller.origin} has a biller already")


def check_biller(biller: Biller) -> None:
    """InvalidFields with every field that is wrong."""
    faults: list[FieldError] = []

    def check(field: str, test: Any, value: str) -> None:
        try:
            test(value)
        except ValueError as fault:
            faults.append(FieldError(field, str(fault)))

    check("Slug", check_slug, biller.slug)
    check("Host", check_host, biller.host)
    check("Dba", check_shown, biller.dba)
    if not 0 < len(biller.dba) <= 120:
        faults.append(FieldError("Dba", "1 to 120 characters"))
    if biller.time_zone not in available_timezones():
        near = did_you_mean(biller.time_zone, available_timezones())
        faults.append(FieldError("TimeZone", f"not an IANA time zone, such as America/Detroit.{near}"))
    if biller.locale not in {"en", "es"}:
        faults.append(FieldError("Locale", "en or es is expected"))
    if faults:
        raise InvalidFields(fields=faults)


def parse_policies(before: Policies, changes: Mapping[str, Any]) -> Policies:
    """The policies with some of them changed. InvalidFields names each that is unknown or wrong."""
    faults: list[FieldError] = []
    try:
        after = Policies.model_validate(before.model_dump() | dict(changes))
    except ValidationError as error:
        faults = [_policy_fault(item) for item in error.errors(include_url=False, include_input=False)]
    else:
        if changes.keys() & _PREFIXES:
            faults += _prefixes_alike(after)
    # Here and not in the model: a row that holds another code must stay readable.
    currency = changes.get("currency")
    if currency is not None and not any(each.field == "currency" for each in faults) and not is_currency(str(currency)):
        faults.append(FieldError("currency", f"{str(currency)[:20]} is not a currency in use (ISO 4217), such as USD or CAD"))
    if faults:
        raise InvalidFields(fields=faults)
    return after


def _prefixes_alike(policies: Policies) -> list[FieldError]:
    """Prefixes that a reader could take for one another. Asked when they are set: what is stored goes on as it is."""
    faults: list[FieldError] = []
    for first, second in combinations(_PREFIXES, 2):
        ours, theirs = getattr(policies, first), getattr(policies, second)
        shorter, longer = sorted((ours, theirs), key=len)
        reads_alike = folded(longer).startswith(folded(shorter))
        if folded(ours) == folded(theirs) or (reads_alike and not longer.startswith(shorter)):
            faults.append(FieldError(second, f"can be mistaken for {first} ({ours}): O reads as 0, I and L as 1"))
    return faults


def _policy_fault(item: ErrorDetails) -> FieldError:
    name = ".".join(map(str, item["loc"]))
    if item["type"] == "extra_forbidden":
        return FieldError(name, f"not a policy.{did_you_mean(name, Policies.model_fields)}".rstrip("."))
    form = (
        "three capital letters are expected (ISO 4217), such as USD"
        if name == "currency"
        else "2 to 8 capital letters or digits are expected"
    )
    return FieldError(name, in_words(item, pattern=form))


def biller_values(biller: Biller) -> dict[str, Any]:
    """What the change log keeps of a biller."""
    return {
        "bid": biller.bid,
        "slug": biller.slug,
        "dba": biller.dba,
        "origin": biller.origin,
        "time_zone": biller.time_zone,
        "locale": biller.locale,
        "sso_login_url": biller.sso_login_url,
        "disabled": biller.disabled,
        "policies": biller.policies.model_dump(),
        "column_map": None if biller.column_map is None else dict(biller.column_map),
    }
