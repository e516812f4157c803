"""Billers and what each of them knows: customers, users, registrations, role codes, ghosts, and its settings.

Keys and foreign keys carry the biller, so that a row of one biller can never point to a row of another.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    text,
)

from hub.storage.tables.columns import Json, KeyText, UtcTime, metadata
from idp.directory.rights import LoginType


class LoginTypeNumber(TypeDecorator[LoginType]):
    """A login type, as its number."""

    impl = SmallInteger
    cache_ok = True

    def process_bind_param(self, value: LoginType | None, dialect: Dialect) -> Any:  # noqa: ARG002  (SQLAlchemy's signature)
        return None if value is None else value.value

    def process_result_value(self, value: Any, dialect: Dialect) -> LoginType | None:  # noqa: ARG002
        return None if value is None else LoginType(value)


billers = Table(
    "billers",
    metadata,
    Column("bid", Integer, primary_key=True, autoincrement=False),
    Column("guid", Uuid, nullable=False, unique=True),
    Column("slug", KeyText, nullable=False, unique=True),
    Column("dba", Text, nullable=False),
    Column("origin", KeyText, nullable=False, index=True),
    Column("time_zone", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("policies", Json, nullable=False),
    Column("column_map", Json),
    Column("sso_login_url", Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("issuer", Text),
    Column("saml_entity_id", Text),
    Column("rp_id", Text),
    CheckConstraint("bid > 0", name="bid"),
)

customers = Table(
    "customers",
    metadata,
    Column("bid", Integer, ForeignKey("billers.bid"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("account_key", KeyText, nullable=False),
    Column("account_number", Text, nullable=False),
    Column("display_number", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("address1", Text, nullable=False),
    Column("address2", Text, nullable=False),
    Column("city", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("zip", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("customs", Json, nullable=False),
    Column("meters", Json, nullable=False),
    Column("service_location_id", Text, nullable=False),
    Column("prepaid", Boolean, nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("block_cc", Boolean, nullable=False),
    Column("block_ach", Boolean, nullable=False),
    Column("closed_at", UtcTime),
    # Field -> who wrote it (idp.directory.provenance).
    Column("written_by", Json, nullable=False, server_default=text("'{}'")),
    UniqueConstraint("bid", "account_key"),
)

users = Table(
    "users",
    metadata,
    Column("bid", Integer, ForeignKey("billers.bid"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("user_name", Text, nullable=False),
    Column("user_name_key", KeyText, nullable=False),
    Column("email", Text, nullable=False),
    Column("email_key", KeyText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("email_verified", Boolean, nullable=False),
    Column("first_name", Text, nullable=False),
    Column("last_name", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("password_partner", Uuid, ForeignKey("partners.id")),
    Column("default_customer_id", Uuid),
    Column("generation", Integer, nullable=False),
    Column("trusted_email", Text, nullable=False, server_default=""),
    UniqueConstraint("bid", "user_name_key"),
    Index(None, "bid", "email_key"),
    ForeignKeyConstraint(["default_customer_id", "bid"], ["customers.id", "customers.bid"]),
)

registrations = Table(
    "registrations",
    metadata,
    Column("bid", Integer, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    Column("customer_id", Uuid, nullable=False),
    Column("login_type", LoginTypeNumber, nullable=False),
    Column("pending", Boolean, nullable=False),
    Column("registered_at", UtcTime, nullable=False),
    Column("key_id", Uuid),
    Column("ended_at", UtcTime),
    # `pending` stays what a program one version back reads and writes; together they say what the state is (sql/registrations.py).
    Column("state", Text, nullable=False, server_default="active"),
    Column("waits_until", UtcTime),
    Column("held_login_type", LoginTypeNumber),
    ForeignKeyConstraint(["user_id", "bid"], ["users.id", "users.bid"]),
    ForeignKeyConstraint(["customer_id", "bid"], ["customers.id", "customers.bid"]),
    ForeignKeyConstraint(["key_id", "bid"], ["api_keys.id", "api_keys.bid"]),
    CheckConstraint("login_type BETWEEN 1 AND 4", name="login_type"),
)

_ACTIVE = "ended_at IS NULL"
_OWNING = "login_type = 1 AND ended_at IS NULL"

one_tie = Index(
    "uq_registrations_tie",
    registrations.c.bid,
    registrations.c.user_id,
    registrations.c.customer_id,
    unique=True,
    postgresql_where=text(_ACTIVE),
    sqlite_where=text(_ACTIVE),
)
"""A user has one active registration per customer."""

one_owner = Index(
    "uq_registrations_owner",
    registrations.c.bid,
    registrations.c.customer_id,
    unique=True,
    postgresql_where=text(_OWNING),
    sqlite_where=text(_OWNING),
)
"""A customer has one Owner."""

Index(
    "ix_registrations_customer",
    registrations.c.bid,
    registrations.c.customer_id,
    postgresql_where=text(_ACTIVE),
    sqlite_where=text(_ACTIVE),
)

_WAITING = "pending AND ended_at IS NULL"
_ENDED_WAITING = "pending AND ended_at IS NOT NULL"

Index(
    "ix_registrations_waiting",
    registrations.c.bid,
    registrations.c.id,
    postgresql_where=text(_WAITING),
    sqlite_where=text(_WAITING),
)
Index(
    "ix_registrations_ended_waiting",
    registrations.c.bid,
    registrations.c.customer_id,
    registrations.c.ended_at,
    postgresql_where=text(_ENDED_WAITING),
    sqlite_where=text(_ENDED_WAITING),
)

role_codes = Table(
    "role_codes",
    metadata,
    Column("bid", Integer, primary_key=True),
    Column("customer_id", Uuid, primary_key=True),
    Column("login_type", LoginTypeNumber, nullable=False),
    Column("bare", Boolean, nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("digest", KeyText, primary_key=True),
    Column("used_at", UtcTime),
    # How its secret was read when it was stored (idp.directory.role_codes).
    Column("form", Integer, nullable=False, server_default=text("1")),
    # Who wrote it (idp.directory.provenance); "" where nobody knows any more.
    Column("written_by", Text, nullable=False, server_default=""),
    ForeignKeyConstraint(["customer_id", "bid"], ["customers.id", "customers.bid"]),
)

ghosts = Table(
    "ghosts",
    metadata,
    Column("bid", Integer, primary_key=True),
    Column("customer_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("email_key", KeyText, nullable=False),
    Column("phone", Text, nullable=False),
    Column("email_since", UtcTime, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    ForeignKeyConstraint(["customer_id", "bid"], ["customers.id", "customers.bid"]),
)

advanced_settings = Table(
    "advanced_settings",
    metadata,
    Column("bid", Integer, ForeignKey("billers.bid"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("value", Text, nullable=False),
)

destinations = Table(
    "destinations",
    metadata,
    Column("bid", Integer, ForeignKey("billers.bid"), primary_key=True),
    Column("redirect_id", SmallInteger, primary_key=True),
    Column("off", Boolean, nullable=False),
    Column("title", Text, nullable=False),
    CheckConstraint("redirect_id BETWEEN 1 AND 11", name="redirect_id"),
)
