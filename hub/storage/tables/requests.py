"""What the partner API remembers of requests: answers by Idempotency-Key, uploads that wait for their import."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, Index, Integer, String, Table, Text, Uuid, false

from hub.storage.tables.columns import KeyText, UtcTime, metadata

receipts = Table(
    "receipts",
    metadata,
    Column("bid", Integer, primary_key=True),
    # HMAC over API key, method, path and Idempotency-Key.
    Column("name", KeyText, primary_key=True),
    Column("fingerprint", String, nullable=False),
    # Who works on it, and until when nobody else may; both lose their meaning with the answer.
    Column("claim", Uuid, nullable=False),
    Column("claimed_until", UtcTime, nullable=False),
    Column("status", Integer),
    # Sealed (idp.secrets): it may hold names and addresses.
    Column("answer", Text),
    Column("expires_at", UtcTime, nullable=False),
)
Index("ix_receipts_expires_at", receipts.c.expires_at)

uploads = Table(
    "uploads",
    metadata,
    Column("bid", Integer, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("key_id", Uuid),
    Column("file_name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("digest", String, nullable=False),
    Column("state", String, nullable=False),
    Column("request_id", String, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("run_id", Uuid),
    Column("reason", Text, nullable=False),
    # Whether the key that sent it might set role codes when it did.
    Column("sets_role_codes", Boolean, nullable=False, server_default=false()),
    ForeignKeyConstraint(["key_id", "bid"], ["api_keys.id", "api_keys.bid"]),
)
Index("ix_uploads_bid_digest", uploads.c.bid, uploads.c.digest)
Index("ix_uploads_created_at", uploads.c.created_at)

upload_chunks = Table(
    "upload_chunks",
    metadata,
    Column("bid", Integer, primary_key=True),
    Column("upload_id", Uuid, primary_key=True),
    Column("n", Integer, primary_key=True),
    # Sealed (idp.secrets): an invoice file holds role codes.
    Column("content", Text, nullable=False),
    ForeignKeyConstraint(["upload_id", "bid"], ["uploads.id", "uploads.bid"], ondelete="CASCADE"),
)
