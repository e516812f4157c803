"""Partners (of the installation), what each holds at a biller, and which users it may speak for."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from hub.storage.tables.columns import Json, KeyText, UtcTime, metadata

partners = Table(
    "partners",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("slug", KeyText, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("bid", Integer, ForeignKey("billers.bid"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("partner_id", Uuid, ForeignKey("partners.id"), nullable=False, index=True),
    Column("label", Text, nullable=False),
    Column("scopes", Json, nullable=False),
    Column("strictness", Text, nullable=False),
    Column("authenticate", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("users", Text, nullable=False),
    Column("account_proof", Json, nullable=False),
    Column("csr_user", Text, nullable=False),
    Column("rate_per_second", Integer, nullable=False),
    Column("burst", Integer, nullable=False),
    Column("redirect_ids", Json, nullable=False),
    Column("frame_origins", Json, nullable=False),
    Column("return_places", Json, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
    # Scopes that a program one version back does not know: it reads `scopes` and stops at a word that is new to it.
    Column("more_scopes", Json, nullable=False, server_default=text("'[]'")),
    CheckConstraint("strictness IN ('compat', 'strict')", name="strictness"),
    CheckConstraint("authenticate IN ('trusted', 'password')", name="authenticate"),
    CheckConstraint("token IN ('session', 'single_use')", name="token"),
    CheckConstraint("users IN ('own', 'all')", name="users"),
    CheckConstraint("csr_user IN ('owner', 'choose')", name="csr_user"),
    CheckConstraint("rate_per_second >= 1 AND burst >= 1", name="rate"),
)

api_key_secrets = Table(
    "api_key_secrets",
    metadata,
    Column("digest", KeyText, primary_key=True),
    Column("key_id", Uuid, nullable=False),
    Column("bid", Integer, nullable=False),
    Column("hint", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    ForeignKeyConstraint(["key_id", "bid"], ["api_keys.id", "api_keys.bid"]),
    Index(None, "bid", "key_id"),
)

partner_users = Table(
    "partner_users",
    metadata,
    # In this order: a payer is read with all partners that may speak for it.
    Column("bid", Integer, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("partner_id", Uuid, ForeignKey("partners.id"), primary_key=True),
    Column("partner_user_id", KeyText),
    Column("since", UtcTime, nullable=False),
    ForeignKeyConstraint(["user_id", "bid"], ["users.id", "users.bid"]),
)

_NAMED = "partner_user_id IS NOT NULL"

one_partner_user_id = Index(
    "uq_partner_users_name",
    partner_users.c.bid,
    partner_users.c.partner_id,
    partner_users.c.partner_user_id,
    unique=True,
    postgresql_where=text(_NAMED),
    sqlite_where=text(_NAMED),
)
"""A partner's own id of a user names one user of a biller."""

themes = Table(
    "themes",
    metadata,
    Column("bid", Integer, ForeignKey("billers.bid"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("css_url", KeyText, nullable=False),
    Column("partner_id", Uuid, ForeignKey("partners.id")),
    Column("state", Text, nullable=False),
    # The custom properties that were taken over; NULL until the first good copy.
    Column("properties", Json),
    Column("digest", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("approved_at", UtcTime),
    Column("fetched_at", UtcTime),
    Column("checked_at", UtcTime),
    Column("fault", Text, nullable=False),
    UniqueConstraint("bid", "css_url"),
    CheckConstraint("state IN ('awaiting', 'approved', 'refused')", name="state"),
)
"""Stylesheets that partners ask for (CSSUrl), and what of them a biller has approved."""
