"""The hand-off whole: how the browsers of frames carry their sessions; whose session at the partner was refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a database goes back by restoring a backup."""
    op.create_table(
        "carrier_counts",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("browser", sa.String(), nullable=False),
        sa.Column("carrier", sa.String(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bid", "key_id", "day", "browser", "carrier", name="pk_carrier_counts"),
        sa.ForeignKeyConstraint(["key_id", "bid"], ["api_keys.id", "api_keys.bid"], name="fk_carrier_counts_key_id"),
    )
    op.add_column("refusals", sa.Column("session_reference", sa.String()))
    op.create_index("ix_carrier_counts_day", "carrier_counts", ["day"])
