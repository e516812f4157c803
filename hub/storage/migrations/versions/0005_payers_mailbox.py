"""Where payers are asked: the last address of a user that no partner set, and the mailbox that a question went to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a database goes back by restoring a backup."""
    op.add_column("users", sa.Column("trusted_email", sa.Text(), nullable=False, server_default=""))
    op.add_column("confirmations", sa.Column("mailbox", sa.Text(), nullable=False, server_default=""))
    # Of the past we know who made a user and who changed it. A user that a partner registered, or whose address one changed, has
    # none: its staff set it when the payer must be asked (docs/adr/0028).
    op.execute(
        """
        UPDATE users SET trusted_email = email
        WHERE id IN (
            SELECT id FROM users
            EXCEPT
            SELECT user_id FROM change_log
            WHERE actor_kind IN ('partner', 'cis') AND action IN ('user.create', 'user.change')
        )
        """
    )
