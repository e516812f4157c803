"""API keys and their secrets (idp.directory.api_keys). `find_held_key` is a hot path: one constant statement."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, insert, or_, select, update

from hub.storage.sql.billers import read_biller
from hub.storage.sql.conflicts import Upsert
from hub.storage.sql.rows import columns, values
from hub.storage.tables.directory import billers
from hub.storage.tables.partners import api_key_secrets, api_keys, partners
from hub.storage.work import Work
from idp.directory.api_keys import ApiKey, ApiKeySecret, HeldKey, KeyPolicies, Scope
from idp.directory.hosts import Place
from idp.directory.partners import Partner
from idp.opaque import Digest
from idp.versions import key_stamp

_MORE = frozenset({Scope.ROLE_CODES_WRITE})
"""Scopes that a program one version back does not know: in a column that it does not read."""

_PARTNER = [column.label(f"partner_{column.name}") for column in partners.c]
_SECRET = [column.label(f"secret_{column.name}") for column in api_key_secrets.c]
_BILLER = [column.label(f"biller_{column.name}") for column in billers.c]

_KEYS = select(*(column for column in api_keys.c if column.name != "partner_id"), *_PARTNER).select_from(
    api_keys.join(partners, partners.c.id == api_keys.c.partner_id)
)
_BY_ID = _KEYS.where(api_keys.c.bid == bindparam("bid"), api_keys.c.id == bindparam("key_id"))
_BY_ID_LOCKED = _BY_ID.with_for_update(key_share=True)
"""Keeps its partner's row too, as `put_key` does anyway."""
_OF_BILLER = _KEYS.where(api_keys.c.bid == bindparam("bid")).order_by(api_keys.c.created_at, api_keys.c.id)
_HELD = (
    _KEYS.add_columns(*_SECRET, *_BILLER)
    .join(
        api_key_secrets,
        (api_key_secrets.c.bid == api_keys.c.bid) & (api_key_secrets.c.key_id == api_keys.c.id),
    )
    .join(billers, billers.c.bid == api_keys.c.bid)
    .where(api_key_secrets.c.digest == bindparam("digest"))
)
# Two changes of one partner's keys take turns, and a change of the partner waits for both: it must know every key there is.
_LOCK_PARTNER = select(partners.c.id).where(partners.c.id == bindparam("partner_id")).with_for_update(key_share=True)
_PUT = Upsert(
    api_keys, key=("bid", "id"), update=[each.name for each in api_keys.c if each.name not in {"bid", "id", "created_at"}]
)
_ADD_SECRET = insert(api_key_secrets)
_OF_KEY = (api_key_secrets.c.bid == bindparam("this_bid"), api_key_secrets.c.key_id == bindparam("this_key"))
_END_SECRETS = (
    update(api_key_secrets)
    .where(*_OF_KEY, or_(api_key_secrets.c.expires_at.is_(None), api_key_secrets.c.expires_at > bindparam("at")))
    .values(expires_at=bindparam("at"))
)
_SECRETS = (
    select(*columns(ApiKeySecret, api_key_secrets)).where(*_OF_KEY).order_by(api_key_secrets.c.created_at, api_key_secrets.c.digest)
)


class SqlApiKeyStore:
    """Satisfies ApiKeyStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def find_held_key(self, secret: Digest) -> HeldKey | None:
        row = self._work.connection.execute(_HELD, {"digest": secret}).one_or_none()
        if row is None:
            return None
        stored = row._asdict()
        return HeldKey(
            _key(row),
            ApiKeySecret(**{column.name: stored[f"secret_{column.name}"] for column in api_key_secrets.c}),
            read_biller({column.name: stored[f"biller_{column.name}"] for column in billers.c}),
        )

    def find_key(self, bid: int, key_id: UUID, *, lock: bool = False) -> ApiKey | None:
        statement = _BY_ID_LOCKED if lock else _BY_ID
        row = self._work.connection.execute(statement, {"bid": bid, "key_id": key_id}).one_or_none()
        return None if row is None else _key(row)

    def list_keys(self, bid: int) -> list[ApiKey]:
        return [_key(row) for row in self._work.connection.execute(_OF_BILLER, {"bid": bid})]

    def put_key(self, key: ApiKey) -> None:
        self._work.touch(key_stamp(key.id))
        self._work.connection.execute(_LOCK_PARTNER, {"partner_id": key.partner.id})
        self._work.connection.execute(_PUT.on(self._work), _key_values(key))

    def add_secret(self, secret: ApiKeySecret) -> None:
        self._work.touch(key_stamp(secret.key_id))
        self._work.connection.execute(_ADD_SECRET, values(secret))

    def end_secrets(self, bid: int, key_id: UUID, at: datetime) -> None:
        self._work.touch(key_stamp(key_id))
        self._work.connection.execute(_END_SECRETS, {"this_bid": bid, "this_key": key_id, "at": at})

    def list_secrets(self, bid: int, key_id: UUID) -> list[ApiKeySecret]:
        rows = self._work.connection.execute(_SECRETS, {"this_bid": bid, "this_key": key_id})
        return [ApiKeySecret(*row) for row in rows]


def _key_values(key: ApiKey) -> dict[str, Any]:
    policies = key.policies
    return {
        "bid": key.bid,
        "id": key.id,
        "partner_id": key.partner.id,
        "label": key.label,
        **values(policies),
        "scopes": sorted(policies.scopes - _MORE),
        "more_scopes": sorted(policies.scopes & _MORE),
        "account_proof": list(policies.account_proof),
        "redirect_ids": sorted(policies.redirect_ids),
        "frame_origins": list(key.frame_origins),
        "return_places": [[place.origin, place.path_prefix] for place in key.return_places],
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }


def _scopes(*words: str) -> frozenset[Scope]:
    """Those that this program knows."""
    known = {scope.value: scope for scope in Scope}
    return frozenset(known[word] for word in words if word in known)


def _key(row: Row[Any]) -> ApiKey:
    stored = row._asdict()
    return ApiKey(
        id=stored["id"],
        bid=stored["bid"],
        partner=Partner(**{column.name: stored[f"partner_{column.name}"] for column in partners.c}),
        label=stored["label"],
        policies=KeyPolicies(
            scopes=_scopes(*stored["scopes"], *stored["more_scopes"]),
            strictness=stored["strictness"],
            authenticate=stored["authenticate"],
            token=stored["token"],
            users=stored["users"],
            account_proof=tuple(stored["account_proof"]),
            csr_user=stored["csr_user"],
            rate_per_second=stored["rate_per_second"],
            burst=stored["burst"],
            redirect_ids=frozenset(stored["redirect_ids"]),
        ),
        frame_origins=tuple(stored["frame_origins"]),
        return_places=tuple(Place(*place) for place in stored["return_places"]),
        created_at=stored["created_at"],
        revoked_at=stored["revoked_at"],
    )
