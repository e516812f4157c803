"""How the secret of a role code was read when it was stored: what is there was read in the first form."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a database goes back by restoring a backup."""
    op.add_column("role_codes", sa.Column("form", sa.Integer(), nullable=False, server_default=sa.text("1")))
