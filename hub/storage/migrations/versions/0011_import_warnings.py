"""Warnings in the report of an import: the invoice went in, without the value that the row is about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a database goes back by restoring a backup."""
    op.add_column("import_runs", sa.Column("warnings", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("import_rows", sa.Column("severity", sa.String(), nullable=False, server_default=sa.text("'error'")))
