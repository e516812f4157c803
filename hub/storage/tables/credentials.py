"""Passwords as hashes, what payers are asked to confirm by mail, and links that work once."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Index, Integer, String, Table, Text, Uuid

from hub.storage.tables.columns import KeyText, UtcTime, metadata

passwords = Table(
    "passwords",
    metadata,
    Column("bid", Integer, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    # With scheme, parameters and salt in it, as Argon2 writes it.
    Column("hash", Text, nullable=False),
    Column("set_at", UtcTime, nullable=False),
    ForeignKeyConstraint(["user_id", "bid"], ["users.id", "users.bid"]),
)

confirmations = Table(
    "confirmations",
    metadata,
    Column("bid", Integer, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("digest", KeyText, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("partner_id", Uuid, ForeignKey("partners.id"), nullable=False),
    Column("key_id", Uuid, nullable=False),
    # The address that is asked for; "" where the confirmation is not about one.
    Column("new_email", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("answer", String, nullable=False),
    Column("answered_at", UtcTime),
    Column("spent_at", UtcTime),
    # Where the question went; "" in rows of versions before this column.
    Column("mailbox", Text, nullable=False, server_default=""),
    ForeignKeyConstraint(["user_id", "bid"], ["users.id", "users.bid"]),
    ForeignKeyConstraint(["key_id", "bid"], ["api_keys.id", "api_keys.bid"]),
)
Index("ix_confirmations_bid_user_id", confirmations.c.bid, confirmations.c.user_id)
Index("ix_confirmations_expires_at", confirmations.c.expires_at)

one_time_links = Table(
    "one_time_links",
    metadata,
    Column("bid", Integer, ForeignKey("billers.bid"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("digest", KeyText, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("subject", KeyText, nullable=False),
    Column("binding", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("spent_at", UtcTime),
    Column("void_at", UtcTime),
)
Index("ix_one_time_links_subject", one_time_links.c.bid, one_time_links.c.kind, one_time_links.c.subject)
Index("ix_one_time_links_expires_at", one_time_links.c.expires_at)
