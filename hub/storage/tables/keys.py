"""Signing keys (private half sealed) and the wrapped data keys of the billers."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text, Uuid, func, text

from hub.storage.tables.columns import UtcTime, metadata

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String, primary_key=True),
    Column("bid", Integer, nullable=False),
    Column("purpose", String, nullable=False),
    Column("state", String, nullable=False),
    Column("public", Text, nullable=False),
    Column("private", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)
Index("ix_signing_keys_bid_purpose", signing_keys.c.bid, signing_keys.c.purpose)
Index(
    "uq_signing_keys_active",
    signing_keys.c.bid,
    signing_keys.c.purpose,
    unique=True,
    postgresql_where=text("state = 'active'"),
    sqlite_where=text("state = 'active'"),
)

data_keys = Table(
    "data_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("bid", Integer, nullable=False, unique=True),
    Column("wrapped", String, nullable=False),
    Column("created_at", UtcTime, nullable=False, server_default=func.now()),
)
