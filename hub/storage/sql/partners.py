"""Partners (idp.directory.partners)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, insert, select, update

from hub.storage.sql.conflicts import broken_means, unique_rule
from hub.storage.sql.rows import columns, given, values
from hub.storage.tables.partners import api_keys, partners
from hub.storage.work import Work
from idp.directory.partners import Partner
from idp.errors import AlreadyExists
from idp.versions import key_stamp

_SELECT = select(*columns(Partner, partners))
_BY_ID = _SELECT.where(partners.c.id == bindparam("partner_id"))
_BY_SLUG = _SELECT.where(partners.c.slug == bindparam("slug"))
_BY_SLUG_LOCKED = _BY_SLUG.with_for_update(key_share=True)
_ALL = _SELECT.order_by(partners.c.slug)
_INSERT = insert(partners)
_UPDATE = update(partners).where(partners.c.id == bindparam("partner_id")).values(given(partners, "name", "url", "disabled"))
_KEYS = select(api_keys.c.id).where(api_keys.c.partner_id == bindparam("partner_id"))
_SLUG = unique_rule(partners, "slug")


class SqlPartnerStore:
    """Satisfies PartnerStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def find_partner(self, partner_id: UUID) -> Partner | None:
        row = self._work.connection.execute(_BY_ID, {"partner_id": partner_id}).one_or_none()
        return None if row is None else Partner(*row)

    def find_partner_by_slug(self, slug: str, *, lock: bool = False) -> Partner | None:
        statement = _BY_SLUG_LOCKED if lock else _BY_SLUG
        row = self._work.connection.execute(statement, {"slug": slug}).one_or_none()
        return None if row is None else Partner(*row)

    def list_partners(self) -> list[Partner]:
        return [Partner(*row) for row in self._work.connection.execute(_ALL)]

    def add_partner(self, partner: Partner) -> None:
        with broken_means(AlreadyExists, partner.slug, _SLUG):
            self._work.connection.execute(_INSERT, values(partner))

    def put_partner(self, partner: Partner) -> None:
        self._work.touch()
        execute = self._work.connection.execute
        changes = {"name": partner.name, "url": partner.url, "disabled": partner.disabled}
        execute(_UPDATE, {"partner_id": partner.id, **changes})
        # After the update, which keeps SqlApiKeyStore.put_key from adding another key until the commit.
        self._work.touch(*(key_stamp(row.id) for row in execute(_KEYS, {"partner_id": partner.id})))
