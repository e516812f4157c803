"""One-time links: what a mail lets somebody do who is not signed in, once.

    make     in the transaction of whatever it is about: a row with the digest of a 256-bit secret. Older ones of the same kind
             about the same thing are void
    look     what stands behind a secret. Spends nothing, so that mail scanners, prefetches and previews do no harm
    spend    takes it: exactly one caller gets True

    open ──spend──> spent        void: by a newer one, or because what it was made for is no longer as it was

A link is bound to what it was made for (`binding`, a text that its maker writes and compares): whoever spends it makes sure that
this still holds. The secret stands in the fragment of the address, which no browser sends to any server, and no proxy or log sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

from idp.clock import Clock
from idp.directory.billers import Biller
from idp.opaque import Digest, digest, new_id, new_secret
from idp.transaction import Begin

_MOST_SECRET = 100
_KEPT_FOR = timedelta(days=7)
"""So long a link that is over is still told as expired."""


class LinkKind(StrEnum):
    """What a link does, and the last part of its page's address."""

    OBJECTION = "objection"


@dataclass(frozen=True, slots=True)
class LinkRule:
    """What holds for every link of a kind."""

    lifetime: timedelta


KINDS: Mapping[LinkKind, LinkRule] = MappingProxyType({LinkKind.OBJECTION: LinkRule(timedelta(days=30))})


@dataclass(frozen=True, slots=True)
class OneTimeLink:
    """A link, as stored. `subject`: what it is about (`registration:{id}`)."""

    bid: int
    id: UUID
    digest: Digest
    kind: LinkKind
    subject: str
    binding: str
    created_at: datetime
    expires_at: datetime
    spent_at: datetime | None = None
    void_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether it can still be spent, as far as the link itself goes."""
        return self.spent_at is None and self.void_at is None and self.expires_at > now


class OneTimeLinkStore(Protocol):
    """One-time links in the database."""

    def add_link(self, link: OneTimeLink) -> None:
        """Insert."""
        ...

    def find_link(self, bid: int, secret: Digest) -> OneTimeLink | None:
        """By the digest of the secret."""
        ...

    def spend_link(self, bid: int, link_id: UUID, at: datetime) -> bool:
        """Use one that is neither spent nor void, and in time. Exactly one caller gets True."""
        ...

    def void_links(self, bid: int, kind: LinkKind, subject: str, at: datetime) -> None:
        """Whatever is open of a kind about a subject is void."""
        ...

    def bind_links(self, bid: int, kind: LinkKind, subject: str, binding: str) -> None:
        """Whatever is open of a kind about a subject is bound to this from now on."""
        ...

    def purge_links(self, before: datetime, limit: int) -> int:
        """Remove those that were over before `before`. How many."""
        ...


class LinkStores(Protocol):
    """The slice of stores that links work with."""

    @property
    def one_time_links(self) -> OneTimeLinkStore: ...


class OneTimeLinks:
    """Makes, shows and spends links, in the transactions of whoever they are about."""

    def __init__(self, begin: Begin[LinkStores], clock: Clock) -> None:
        self._begin = begin
        self._clock = clock

    def make(self, stores: LinkStores, biller: Biller, kind: LinkKind, *, subject: str, binding: str) -> str:
        """The address of a fresh link."""
        now = self._clock.now()
        stores.one_time_links.void_links(biller.bid, kind, subject, now)
        secret = new_secret()
        stores.one_time_links.add_link(
            OneTimeLink(biller.bid, new_id(), digest(secret), kind, subject, binding, now, now + KINDS[kind].lifetime)
        )
        return f"{biller.base_url}/{kind}#{secret}"

    def look(self, stores: LinkStores, bid: int, kind: LinkKind, secret: str) -> OneTimeLink | None:
        """The open link behind a secret. None for everything else: unknown, of another kind or biller, spent, void, over."""
        if not secret or len(secret) > _MOST_SECRET or not secret.isascii():
            return None
        found = stores.one_time_links.find_link(bid, digest(secret))
        opens = found is not None and found.kind.value == kind.value and found.is_open(self._clock.now())
        return found if opens else None

    def spend(self, stores: LinkStores, link: OneTimeLink) -> bool:
        """Take it. False where somebody else was first."""
        return stores.one_time_links.spend_link(link.bid, link.id, self._clock.now())

    def void(self, stores: LinkStores, bid: int, kind: LinkKind, subject: str) -> None:
        """Links about a subject are good for nothing any more."""
        stores.one_time_links.void_links(bid, kind, subject, self._clock.now())

    def bind(self, stores: LinkStores, bid: int, kind: LinkKind, subject: str, binding: str) -> None:
        """What links about a subject are bound to has changed, and they stay good."""
        stores.one_time_links.bind_links(bid, kind, subject, binding)

    def purge(self, limit: int = 1000) -> int:
        """Remove what was over a week ago. How many."""
        with self._begin() as stores:
            return stores.one_time_links.purge_links(self._clock.now() - _KEPT_FOR, limit)
