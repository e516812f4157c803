"""Where payers are asked: the last address of a user that no partner set. And how many mails a mailbox gets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# As hub.storage.tables.columns had them then: a migration never changes with the program.
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Forward only: a database goes back by restoring a backup."""
    op.add_column("users", sa.Column("trusted_email", sa.Text(), nullable=False, server_default=""))
    op.add_column("confirmations", sa.Column("mailbox", sa.Text(), nullable=False, server_default=""))
    for column in (
        sa.Column("mailbox", KEY, nullable=False, server_default=""),
        sa.Column("key_id", sa.Uuid()),
        sa.Column("handling", sa.String(), nullable=False, server_default="notice"),
        sa.Column("line", sa.Text(), nullable=False, server_default=""),
        sa.Column("locale", sa.String(), nullable=False, server_default=""),
        sa.Column("state", sa.String(), nullable=False, server_default="queued"),
        sa.Column("reason", sa.String(), nullable=False, server_default=""),
        sa.Column("taken_at", TIME),
    ):
        op.add_column("mails", column)
    op.create_index("ix_mails_mailbox_taken_at", "mails", ["mailbox", "taken_at"])
    op.create_index("ix_mails_key_id_taken_at", "mails", ["key_id", "taken_at"])
    held = sa.text("state = 'held'")
    op.create_index("ix_mails_held", "mails", ["bid", "mailbox", "created_at"], postgresql_where=held, sqlite_where=held)
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
