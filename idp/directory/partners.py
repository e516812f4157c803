"""Partners: the software companies whose portals call the hub. What one may do at a biller is its API key (`api_keys`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from idp.actor import Actor
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.hosts import check_slug, parse_address, trusted_origin
from idp.directory.names import check_shown
from idp.errors import FieldError, InvalidFields, PartnerNotFound
from idp.opaque import new_id
from idp.transaction import Begin


@dataclass(frozen=True, slots=True)
class Partner:
    """A software company whose portal calls the hub. `url` is where payers find its portal, or ""."""

    id: UUID
    slug: str
    name: str
    url: str
    disabled: bool
    created_at: datetime

    @property
    def trusted_origins(self) -> frozenset[str]:
        """The origins of its own address whose pages may send payers; none while that is plain http."""
        origin = trusted_origin(self.url)
        return frozenset() if origin is None else frozenset({origin})


class PartnerStore(Protocol):
    """Partners in the database. Changing one renews the stamps of all its keys."""

    def find_partner(self, partner_id: UUID) -> Partner | None:
        """By id."""
        ...

    def find_partner_by_slug(self, slug: str, *, lock: bool = False) -> Partner | None:
        """By slug; `lock` keeps the row for this transaction, for whoever writes back what it read."""
        ...

    def list_partners(self) -> list[Partner]:
        """By slug."""
        ...

    def add_partner(self, partner: Partner) -> None:
        """Insert. AlreadyExists when the slug is taken."""
        ...

    def put_partner(self, partner: Partner) -> None:
        """Update name, url and state."""
        ...


class PartnerStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""

    @property
    def partners(self) -> PartnerStore: ...


class Partners:
    """Create, change and find partners."""

    def __init__(self, begin: Begin[PartnerStores], clock: Clock, *, allow_loopback_origins: bool = False) -> None:
        self._begin = begin
        self._clock = clock
        self._allow_loopback = allow_loopback_origins

    def create(self, actor: Actor, request_id: str, *, slug: str, name: str, url: str = "") -> Partner:
        """Make a partner. InvalidFields, AlreadyExists."""
        made = self._checked(Partner(new_id(), slug, name.strip(), url, disabled=False, created_at=self._clock.now()))
        with self._begin() as stores:
            stores.partners.add_partner(made)
            stores.changelog.append(
                Change(0, Action.PARTNER_CREATE, actor, request_id, subject=f"partner:{made.id}", after=_partner_values(made))
            )
        return made

    def change(self, actor: Actor, request_id: str, slug: str, **changes: Any) -> Partner:
        """Change name, url or disabled. PartnerNotFound, InvalidFields."""
        with self._begin() as stores:
            before = stores.partners.find_partner_by_slug(slug, lock=True)
            if before is None:
                raise PartnerNotFound(slug)
            after = self._checked(replace(before, **changes), before.url)
            if after != before:
                stores.partners.put_partner(after)
                stores.changelog.append(
                    Change(
                        0, Action.PARTNER_CHANGE, actor, request_id, subject=f"partner:{after.id}",
                        before=_partner_values(before), after=_partner_values(after),
                    )
                )  # fmt: skip
        return after

    def get(self, partner_id: UUID) -> Partner:
        """By id. PartnerNotFound."""
        with self._begin() as stores:
            found = stores.partners.find_partner(partner_id)
        if found is None:
            raise PartnerNotFound(str(partner_id))
        return found

    def get_by_slug(self, slug: str) -> Partner:
        """By slug. PartnerNotFound."""
        with self._begin() as stores:
            found = stores.partners.find_partner_by_slug(slug)
        if found is None:
            raise PartnerNotFound(slug)
        return found

    def list_all(self) -> list[Partner]:
        """By slug."""
        with self._begin() as stores:
            return stores.partners.list_partners()

    def _checked(self, partner: Partner, kept_url: str = "") -> Partner:
        """A partner whose address is in its one spelling; `kept_url`, from before, stays. InvalidFields with every fault."""
        faults = list(_faults_of(partner))
        try:
            checked = partner if partner.url == kept_url else replace(partner, url=self.parse_url(partner.url))
        except InvalidFields as fault:
            raise InvalidFields(fields=[*faults, *fault.fields]) from None
        if faults:
            raise InvalidFields(fields=faults)
        return checked

    def parse_url(self, url: str) -> str:
        """An address of a partner as it is stored; "" for none. InvalidFields."""
        try:
            return parse_address(url, allow_loopback=self._allow_loopback) if url else ""
        except ValueError as fault:
            raise InvalidFields(fields=[FieldError("Url", str(fault))]) from None


def _partner_values(partner: Partner) -> dict[str, Any]:
    return {"slug": partner.slug, "name": partner.name, "url": partner.url, "disabled": partner.disabled}


def _faults_of(partner: Partner) -> Iterator[FieldError]:
    try:
        check_slug(partner.slug)
    except ValueError as fault:
        yield FieldError("Slug", str(fault))
    if not 0 < len(partner.name) <= 120:
        yield FieldError("Name", "1 to 120 characters")
    try:
        check_shown(partner.name)
    except ValueError as fault:
        yield FieldError("Name", str(fault))
