"""What the hub keeps about its own stores: the epoch of the key-value store, and the rows of write probes."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, String, Table, Uuid

from hub.storage.tables.columns import UtcTime, metadata

key_value_epoch = Table(
    "key_value_epoch",
    metadata,
    # One row at most.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", String, nullable=False),
    Column("beat", BigInteger, nullable=False),
    Column("beaten_at", UtcTime),
    CheckConstraint("id = 1", name="id"),
)

write_probes = Table(
    "write_probes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", UtcTime, nullable=False),
)
