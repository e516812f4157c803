"""Refusals that are found again by their reference, warnings, alarms, counts, and runs of imports with the report of their rows."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    Uuid,
    false,
    text,
)

from hub.storage.tables.columns import BigId, Json, KeyText, UtcTime, metadata

refusals = Table(
    "refusals",
    metadata,
    Column("reference", String, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("bid", Integer, nullable=False),
    Column("code", String, nullable=False),
    Column("place", String, nullable=False),
    Column("checks", Json, nullable=False),
    Column("request_id", String, nullable=False),
    Column("key_id", Uuid),
    Column("partner_id", Uuid),
    Column("user_id", Uuid),
    Column("session_reference", String),
)
Index("ix_refusals_bid_at", refusals.c.bid, refusals.c.at)
Index("ix_refusals_at", refusals.c.at)
Index("ix_refusals_bid_request_id", refusals.c.bid, refusals.c.request_id)

# No foreign key: refusals of nobody known count under a key that is none.
refusals_not_kept = Table(
    "refusals_not_kept",
    metadata,
    Column("bid", Integer, primary_key=True),
    Column("key_id", Uuid, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("times", BigInteger, nullable=False),
)
Index("ix_refusals_not_kept_day", refusals_not_kept.c.day)

warnings = Table(
    "warnings",
    metadata,
    Column("bid", Integer, primary_key=True),
    Column("key_id", Uuid, primary_key=True),
    Column("place", KeyText, primary_key=True),
    Column("code", KeyText, primary_key=True),
    Column("subject", KeyText, primary_key=True),
    Column("checks", Json, nullable=False),
    Column("request_id", String, nullable=False),
    Column("first_at", UtcTime, nullable=False),
    Column("last_at", UtcTime, nullable=False),
    Column("times", BigInteger, nullable=False),
    ForeignKeyConstraint(["key_id", "bid"], ["api_keys.id", "api_keys.bid"]),
)
Index("ix_warnings_bid_last_at", warnings.c.bid, warnings.c.last_at)
Index("ix_warnings_last_at", warnings.c.last_at)

alarms = Table(
    "alarms",
    metadata,
    Column("bid", Integer, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("detail", Text, nullable=False),
)
Index("ix_alarms_bid_at", alarms.c.bid, alarms.c.at)
Index("ix_alarms_at", alarms.c.at)

carrier_counts = Table(
    "carrier_counts",
    metadata,
    Column("bid", Integer, primary_key=True),
    Column("key_id", Uuid, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("browser", String, primary_key=True),
    Column("carrier", String, primary_key=True),
    Column("times", BigInteger, nullable=False),
    ForeignKeyConstraint(["key_id", "bid"], ["api_keys.id", "api_keys.bid"]),
)
Index("ix_carrier_counts_day", carrier_counts.c.day)

import_runs = Table(
    "import_runs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("bid", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("file_name", String, nullable=False),
    Column("file_digest", String, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("state", String, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("actor", String, nullable=False),
    Column("finished_at", UtcTime),
    Column("read", Integer, nullable=False),
    Column("created", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("left_out", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("warnings", Integer, nullable=False, server_default=text("0")),
    # Role codes of the file were passed over, because the key that sent it may not set any.
    Column("role_codes_left_out", Boolean, nullable=False, server_default=false()),
)
Index("ix_import_runs_bid_started_at", import_runs.c.bid, import_runs.c.started_at, import_runs.c.id)
Index("ix_import_runs_started_at", import_runs.c.started_at)
Index(
    "ix_import_runs_running",
    import_runs.c.started_at,
    postgresql_where=text("state = 'running'"),
    sqlite_where=text("state = 'running'"),
)

import_rows = Table(
    "import_rows",
    metadata,
    Column("n", BigId, primary_key=True, autoincrement=True),
    Column("bid", Integer, nullable=False),
    Column("run_id", Uuid, ForeignKey("import_runs.id"), nullable=False),
    Column("line", Integer, nullable=False),
    Column("column_name", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("severity", String, nullable=False, server_default=text("'error'")),
)
Index("ix_import_rows_run_id_line_n", import_rows.c.run_id, import_rows.c.line, import_rows.c.n)
