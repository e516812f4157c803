"""Counts of refusals that were not kept, by key and day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a database goes back by restoring a backup."""
    op.create_table(
        "refusals_not_kept",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bid", "key_id", "day", name="pk_refusals_not_kept"),
    )
    op.create_index("ix_refusals_not_kept_day", "refusals_not_kept", ["day"])
