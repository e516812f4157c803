"""Invoices."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, Integer, String, Table, UniqueConstraint, Uuid, true

from hub.storage.tables.columns import Json, UtcTime, metadata

invoices = Table(
    "invoices",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("bid", Integer, nullable=False),
    Column("customer_id", Uuid, nullable=False),
    Column("number", String, nullable=False),
    Column("record_type", String, nullable=False),
    Column("format_guid", Uuid, nullable=False),
    Column("invoice_type", String, nullable=False),
    Column("issued_on", Date, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("past_due_minor", BigInteger, nullable=False),
    Column("currency", String, nullable=False),
    Column("customs", Json, nullable=False),
    Column("lines", Json, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    # Who wrote it (idp.directory.provenance); "" where nobody knows any more.
    Column("written_by", String, nullable=False, server_default=""),
    Column("tells_codes", Boolean, nullable=False, server_default=true()),
    UniqueConstraint("bid", "customer_id", "number"),
)

# Read backwards for "newest first": both columns of the order turn round together, so no descending index is needed.
Index("ix_invoices_page", invoices.c.bid, invoices.c.customer_id, invoices.c.issued_on, invoices.c.number)
