"""The partner API whole: passwords, confirmations, receipts, uploads, warnings, alarms, themes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# As hub.storage.tables.columns had them then: a migration never changes with the program.
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Forward only: a database goes back by restoring a backup."""
    _create_credentials()
    _create_requests()
    _create_reports()
    _create_themes()


def _create_credentials() -> None:
    """What payers know, and what they are asked."""
    op.create_table(
        "passwords",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("set_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("bid", "user_id", name="pk_passwords"),
        sa.ForeignKeyConstraint(["user_id", "bid"], ["users.id", "users.bid"], name="fk_passwords_user_id"),
    )
    op.create_table(
        "confirmations",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", KEY, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("new_email", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("answered_at", TIME),
        sa.Column("spent_at", TIME),
        sa.PrimaryKeyConstraint("bid", "id", name="pk_confirmations"),
        sa.UniqueConstraint("digest", name="uq_confirmations_digest"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name="fk_confirmations_partner_id"),
        sa.ForeignKeyConstraint(["user_id", "bid"], ["users.id", "users.bid"], name="fk_confirmations_user_id"),
        sa.ForeignKeyConstraint(["key_id", "bid"], ["api_keys.id", "api_keys.bid"], name="fk_confirmations_key_id"),
    )
    op.create_index("ix_confirmations_bid_user_id", "confirmations", ["bid", "user_id"])
    op.create_index("ix_confirmations_expires_at", "confirmations", ["expires_at"])


def _create_requests() -> None:
    """What the partner API remembers of requests."""
    op.create_table(
        "receipts",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("claim", sa.Uuid(), nullable=False),
        sa.Column("claimed_until", TIME, nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("answer", sa.Text()),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("bid", "name", name="pk_receipts"),
    )
    op.create_index("ix_receipts_expires_at", "receipts", ["expires_at"])
    op.create_table(
        "uploads",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid()),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("run_id", sa.Uuid()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("bid", "id", name="pk_uploads"),
        sa.ForeignKeyConstraint(["key_id", "bid"], ["api_keys.id", "api_keys.bid"], name="fk_uploads_key_id"),
    )
    op.create_index("ix_uploads_bid_digest", "uploads", ["bid", "digest"])
    op.create_index("ix_uploads_created_at", "uploads", ["created_at"])
    op.create_table(
        "upload_chunks",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("bid", "upload_id", "n", name="pk_upload_chunks"),
        sa.ForeignKeyConstraint(
            ["upload_id", "bid"], ["uploads.id", "uploads.bid"], name="fk_upload_chunks_upload_id", ondelete="CASCADE"
        ),
    )


def _create_reports() -> None:
    """What partners are warned of, and what operators are."""
    op.create_table(
        "warnings",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("place", KEY, nullable=False),
        sa.Column("code", KEY, nullable=False),
        sa.Column("subject", KEY, nullable=False),
        sa.Column("checks", JSON, nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bid", "key_id", "place", "code", "subject", name="pk_warnings"),
        sa.ForeignKeyConstraint(["key_id", "bid"], ["api_keys.id", "api_keys.bid"], name="fk_warnings_key_id"),
    )
    op.create_index("ix_warnings_bid_last_at", "warnings", ["bid", "last_at"])
    op.create_index("ix_warnings_last_at", "warnings", ["last_at"])
    op.create_table(
        "alarms",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("bid", "id", name="pk_alarms"),
    )
    op.create_index("ix_alarms_bid_at", "alarms", ["bid", "at"])
    op.create_index("ix_alarms_at", "alarms", ["at"])


def _create_themes() -> None:
    """Stylesheets that partners ask for."""
    op.create_table(
        "themes",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("css_url", KEY, nullable=False),
        sa.Column("partner_id", sa.Uuid()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("properties", JSON),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("approved_at", TIME),
        sa.Column("fetched_at", TIME),
        sa.Column("checked_at", TIME),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('awaiting', 'approved', 'refused')", name="ck_themes_state"),
        sa.PrimaryKeyConstraint("bid", "id", name="pk_themes"),
        sa.UniqueConstraint("bid", "css_url", name="uq_themes_bid_css_url"),
        sa.ForeignKeyConstraint(["bid"], ["billers.bid"], name="fk_themes_bid"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name="fk_themes_partner_id"),
    )
