"""What the worker lives on: events that leave the hub, jobs, named leases, mails."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, Integer, String, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from hub.storage.tables.columns import BigId, KeyText, UtcTime, metadata

_JsonOrNull = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

outbox = Table(
    "outbox",
    metadata,
    # Events of an account go out in this order. Not by their UUIDv7: clocks of two workers may differ by seconds.
    Column("position", BigId, primary_key=True, autoincrement=True),
    Column("id", Uuid, nullable=False, unique=True),
    Column("bid", Integer, nullable=False),
    Column("type", String, nullable=False),
    Column("level", String, nullable=False),
    Column("account_number", String, nullable=False),
    Column("login_guid", Uuid),
    Column("user_name", String, nullable=False),
    Column("before", _JsonOrNull),
    Column("after", _JsonOrNull),
    Column("actor", String, nullable=False),
    Column("source_key", Uuid),
    Column("schema_version", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("closed_at", UtcTime),
    sqlite_autoincrement=True,
)
Index(
    "ix_outbox_waiting",
    outbox.c.bid,
    outbox.c.account_number,
    outbox.c.position,
    postgresql_where=text("state = 'waiting'"),
    sqlite_where=text("state = 'waiting'"),
)
Index(
    "ix_outbox_closed",
    outbox.c.closed_at,
    postgresql_where=text("closed_at IS NOT NULL"),
    sqlite_where=text("closed_at IS NOT NULL"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("bid", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("payload", Text, nullable=False),
    Column("run_at", UtcTime, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("worker", String),
    Column("leased_until", UtcTime),
    Column("error", String, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    # Workers in a row that died over it.
    Column("lost", Integer, nullable=False, server_default="0"),
)
Index(
    "ix_jobs_dead",
    jobs.c.run_at,
    postgresql_where=text("state = 'dead'"),
    sqlite_where=text("state = 'dead'"),
)
Index(
    "ix_jobs_waiting",
    jobs.c.run_at,
    jobs.c.id,
    postgresql_where=text("state = 'waiting'"),
    sqlite_where=text("state = 'waiting'"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("worker", String, nullable=False),
    Column("until", UtcTime, nullable=False),
)

mails = Table(
    "mails",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("bid", Integer, nullable=False),
    Column("user_id", Uuid),
    Column("template", String, nullable=False),
    Column("recipient", String, nullable=False),
    Column("subject", String, nullable=False),
    # Sealed (idp.secrets): it may hold a one-time link.
    Column("body", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("sent_at", UtcTime),
    # The canonical address, for counting; "" in rows of versions before the caps.
    Column("mailbox", KeyText, nullable=False, server_default=""),
    Column("key_id", Uuid),
    Column("handling", String, nullable=False, server_default="notice"),
    Column("line", Text, nullable=False, server_default=""),
    Column("locale", String, nullable=False, server_default=""),
    Column("state", String, nullable=False, server_default="queued"),
    Column("reason", String, nullable=False, server_default=""),
    # When its place within the caps was taken; only then it goes.
    Column("taken_at", UtcTime),
)
Index("ix_mails_mailbox_taken_at", mails.c.mailbox, mails.c.taken_at)
Index("ix_mails_key_id_taken_at", mails.c.key_id, mails.c.taken_at)
Index(
    "ix_mails_held",
    mails.c.bid,
    mails.c.mailbox,
    mails.c.created_at,
    postgresql_where=text("state = 'held'"),
    sqlite_where=text("state = 'held'"),
)
Index("ix_mails_created_at", mails.c.created_at)
