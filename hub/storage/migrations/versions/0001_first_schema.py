"""The first schema: directory, invoices, change log, work, reports."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# As hub.storage.tables.columns had them then: a migration never changes with the program.
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Forward only: a database goes back by restoring a backup."""
    _create_billers()
    _create_partners()
    _create_accounts()
    _create_log()
    _create_work()
    _create_reports()


def _create_billers() -> None:
    """What billers are and decide."""
    op.create_table(
        "billers",
        sa.Column("bid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("guid", sa.Uuid(), nullable=False),
        sa.Column("slug", KEY, nullable=False),
        sa.Column("dba", sa.Text(), nullable=False),
        sa.Column("origin", KEY, nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("policies", JSON, nullable=False),
        sa.Column("column_map", JSON),
        sa.Column("sso_login_url", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("issuer", sa.Text()),
        sa.Column("saml_entity_id", sa.Text()),
        sa.Column("rp_id", sa.Text()),
        sa.CheckConstraint("bid > 0", name="ck_billers_bid"),
        sa.PrimaryKeyConstraint("bid", name="pk_billers"),
        sa.UniqueConstraint("guid", name="uq_billers_guid"),
        sa.UniqueConstraint("slug", name="uq_billers_slug"),
    )
    op.create_index("ix_billers_origin", "billers", ["origin"])
    op.create_table(
        "advanced_settings",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["bid"], ["billers.bid"], name="fk_advanced_settings_bid"),
        sa.PrimaryKeyConstraint("bid", "number", name="pk_advanced_settings"),
    )
    op.create_table(
        "destinations",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("redirect_id", sa.SmallInteger(), nullable=False),
        sa.Column("off", sa.Boolean(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.CheckConstraint("redirect_id BETWEEN 1 AND 11", name="ck_destinations_redirect_id"),
        sa.ForeignKeyConstraint(["bid"], ["billers.bid"], name="fk_destinations_bid"),
        sa.PrimaryKeyConstraint("bid", "redirect_id", name="pk_destinations"),
    )


def _create_partners() -> None:
    """Partners and what each holds at a biller."""
    op.create_table(
        "partners",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_partners"),
        sa.UniqueConstraint("slug", name="uq_partners_slug"),
    )
    op.create_table(
        "api_keys",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("strictness", sa.Text(), nullable=False),
        sa.Column("authenticate", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("users", sa.Text(), nullable=False),
        sa.Column("account_proof", JSON, nullable=False),
        sa.Column("csr_user", sa.Text(), nullable=False),
        sa.Column("rate_per_second", sa.Integer(), nullable=False),
        sa.Column("burst", sa.Integer(), nullable=False),
        sa.Column("redirect_ids", JSON, nullable=False),
        sa.Column("frame_origins", JSON, nullable=False),
        sa.Column("return_places", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME),
        sa.CheckConstraint("authenticate IN ('trusted', 'password')", name="ck_api_keys_authenticate"),
        sa.CheckConstraint("csr_user IN ('owner', 'choose')", name="ck_api_keys_csr_user"),
        sa.CheckConstraint("strictness IN ('compat', 'strict')", name="ck_api_keys_strictness"),
        sa.CheckConstraint("token IN ('session', 'single_use')", name="ck_api_keys_token"),
        sa.CheckConstraint("users IN ('own', 'all')", name="ck_api_keys_users"),
        sa.CheckConstraint("rate_per_second >= 1 AND burst >= 1", name="ck_api_keys_rate"),
        sa.ForeignKeyConstraint(["bid"], ["billers.bid"], name="fk_api_keys_bid"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name="fk_api_keys_partner_id"),
        sa.PrimaryKeyConstraint("bid", "id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_partner_id", "api_keys", ["partner_id"])
    op.create_table(
        "api_key_secrets",
        sa.Column("digest", KEY, nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.ForeignKeyConstraint(["key_id", "bid"], ["api_keys.id", "api_keys.bid"], name="fk_api_key_secrets_key_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_api_key_secrets"),
    )
    op.create_index("ix_api_key_secrets_bid_key_id", "api_key_secrets", ["bid", "key_id"])


def _create_accounts() -> None:
    """Customers, users, and what ties them together."""
    op.create_table(
        "customers",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_key", KEY, nullable=False),
        sa.Column("account_number", sa.Text(), nullable=False),
        sa.Column("display_number", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("address1", sa.Text(), nullable=False),
        sa.Column("address2", sa.Text(), nullable=False),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("zip", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("customs", JSON, nullable=False),
        sa.Column("meters", JSON, nullable=False),
        sa.Column("service_location_id", sa.Text(), nullable=False),
        sa.Column("prepaid", sa.Boolean(), nullable=False),
        sa.Column("protected", sa.Boolean(), nullable=False),
        sa.Column("block_cc", sa.Boolean(), nullable=False),
        sa.Column("block_ach", sa.Boolean(), nullable=False),
        sa.Column("closed_at", TIME),
        sa.ForeignKeyConstraint(["bid"], ["billers.bid"], name="fk_customers_bid"),
        sa.PrimaryKeyConstraint("bid", "id", name="pk_customers"),
        sa.UniqueConstraint("bid", "account_key", name="uq_customers_bid_account_key"),
    )
    op.create_table(
        "users",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("user_name_key", KEY, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_key", KEY, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("email_verified", sa.Boolean(), nullable=False),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("last_name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("password_partner", sa.Uuid()),
        sa.Column("default_customer_id", sa.Uuid()),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["bid"], ["billers.bid"], name="fk_users_bid"),
        sa.ForeignKeyConstraint(
            ["default_customer_id", "bid"], ["customers.id", "customers.bid"], name="fk_users_default_customer_id"
        ),
        sa.ForeignKeyConstraint(["password_partner"], ["partners.id"], name="fk_users_password_partner"),
        sa.PrimaryKeyConstraint("bid", "id", name="pk_users"),
        sa.UniqueConstraint("bid", "user_name_key", name="uq_users_bid_user_name_key"),
    )
    op.create_index("ix_users_bid_email_key", "users", ["bid", "email_key"])
    op.create_table(
        "partner_users",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("partner_user_id", KEY),
        sa.Column("since", TIME, nullable=False),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name="fk_partner_users_partner_id"),
        sa.ForeignKeyConstraint(["user_id", "bid"], ["users.id", "users.bid"], name="fk_partner_users_user_id"),
        sa.PrimaryKeyConstraint("bid", "user_id", "partner_id", name="pk_partner_users"),
    )
    op.create_index(
        "uq_partner_users_name",
        "partner_users",
        ["bid", "partner_id", "partner_user_id"],
        unique=True,
        **_only("partner_user_id IS NOT NULL"),
    )
    op.create_table(
        "registrations",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("login_type", sa.SmallInteger(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("registered_at", TIME, nullable=False),
        sa.Column("key_id", sa.Uuid()),
        sa.Column("ended_at", TIME),
        sa.CheckConstraint("login_type BETWEEN 1 AND 4", name="ck_registrations_login_type"),
        sa.ForeignKeyConstraint(["customer_id", "bid"], ["customers.id", "customers.bid"], name="fk_registrations_customer_id"),
        sa.ForeignKeyConstraint(["key_id", "bid"], ["api_keys.id", "api_keys.bid"], name="fk_registrations_key_id"),
        sa.ForeignKeyConstraint(["user_id", "bid"], ["users.id", "users.bid"], name="fk_registrations_user_id"),
        sa.PrimaryKeyConstraint("bid", "id", name="pk_registrations"),
    )
    op.create_index("ix_registrations_customer", "registrations", ["bid", "customer_id"], **_only("ended_at IS NULL"))
    op.create_index(
        "uq_registrations_owner",
        "registrations",
        ["bid", "customer_id"],
        unique=True,
        **_only("login_type = 1 AND ended_at IS NULL"),
    )
    op.create_index(
        "uq_registrations_tie", "registrations", ["bid", "user_id", "customer_id"], unique=True, **_only("ended_at IS NULL")
    )
    op.create_table(
        "role_codes",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("login_type", sa.SmallInteger(), nullable=False),
        sa.Column("bare", sa.Boolean(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("digest", KEY, nullable=False),
        sa.Column("used_at", TIME),
        sa.ForeignKeyConstraint(["customer_id", "bid"], ["customers.id", "customers.bid"], name="fk_role_codes_customer_id"),
        sa.PrimaryKeyConstraint("bid", "customer_id", "digest", name="pk_role_codes"),
    )
    op.create_table(
        "ghosts",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_key", KEY, nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("email_since", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["customer_id", "bid"], ["customers.id", "customers.bid"], name="fk_ghosts_customer_id"),
        sa.PrimaryKeyConstraint("bid", "customer_id", name="pk_ghosts"),
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("record_type", sa.String(), nullable=False),
        sa.Column("format_guid", sa.Uuid(), nullable=False),
        sa.Column("invoice_type", sa.String(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("past_due_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("customs", JSON, nullable=False),
        sa.Column("lines", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_invoices"),
        sa.UniqueConstraint("bid", "customer_id", "number", name="uq_invoices_bid_customer_id_number"),
    )
    op.create_index("ix_invoices_page", "invoices", ["bid", "customer_id", "issued_on", "number"])


def _create_log() -> None:
    """The change log."""
    op.create_table(
        "change_log",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.String(), nullable=False),
        sa.Column("on_behalf_of", sa.Uuid()),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("commitment", sa.String(), nullable=False),
        sa.Column("xid", sa.BigInteger(), server_default=_writing_transaction()),
        sa.Column("seal", sa.BigInteger()),
        sa.Column("link", sa.String()),
        sa.PrimaryKeyConstraint("id", name="pk_change_log"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_change_log_unsealed", "change_log", ["id"], **_only("seal IS NULL"))
    op.create_index("uq_change_log_seal", "change_log", ["seal"], unique=True, **_only("seal IS NOT NULL"))
    op.create_table(
        "change_values",
        sa.Column("change_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("salt", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["change_id"], ["change_log.id"], name="fk_change_values_change_id"),
        sa.PrimaryKeyConstraint("change_id", name="pk_change_values"),
    )
    op.create_table(
        "change_checkpoints",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("seal", sa.BigInteger(), nullable=False),
        sa.Column("link", sa.String(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_change_checkpoints"),
    )


def _create_work() -> None:
    """What the worker lives on, and keys."""
    op.create_table(
        "outbox",
        sa.Column("position", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("account_number", sa.String(), nullable=False),
        sa.Column("login_guid", sa.Uuid()),
        sa.Column("user_name", sa.String(), nullable=False),
        sa.Column("before", JSON),
        sa.Column("after", JSON),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("source_key", sa.Uuid()),
        sa.Column("schema_version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("closed_at", TIME),
        sa.PrimaryKeyConstraint("position", name="pk_outbox"),
        sa.UniqueConstraint("id", name="uq_outbox_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_closed", "outbox", ["closed_at"], **_only("closed_at IS NOT NULL"))
    op.create_index("ix_outbox_waiting", "outbox", ["bid", "account_number", "position"], **_only("state = 'waiting'"))
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("run_at", TIME, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("worker", sa.String()),
        sa.Column("leased_until", TIME),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_waiting", "jobs", ["run_at", "id"], **_only("state = 'waiting'"))
    op.create_table(
        "leases",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("template", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("sent_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_mails"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(), nullable=False),
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("private", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
    )
    op.create_index("ix_signing_keys_bid_purpose", "signing_keys", ["bid", "purpose"])
    op.create_index("uq_signing_keys_active", "signing_keys", ["bid", "purpose"], unique=True, **_only("state = 'active'"))
    op.create_table(
        "data_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.String(), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_data_keys"),
        sa.UniqueConstraint("bid", name="uq_data_keys_bid"),
    )


def _create_reports() -> None:
    """Refusals and import runs."""
    op.create_table(
        "refusals",
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("checks", JSON, nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("key_id", sa.Uuid()),
        sa.Column("partner_id", sa.Uuid()),
        sa.Column("user_id", sa.Uuid()),
        sa.PrimaryKeyConstraint("reference", name="pk_refusals"),
    )
    op.create_index("ix_refusals_at", "refusals", ["at"])
    op.create_index("ix_refusals_bid_at", "refusals", ["bid", "at"])
    op.create_index("ix_refusals_bid_request_id", "refusals", ["bid", "request_id"])
    op.create_table(
        "import_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("file_digest", sa.String(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("finished_at", TIME),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.Column("created", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_import_runs"),
    )
    op.create_table(
        "import_rows",
        sa.Column("n", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("column_name", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["import_runs.id"], name="fk_import_rows_run_id"),
        sa.PrimaryKeyConstraint("n", name="pk_import_rows"),
    )
    op.create_index("ix_import_rows_run_id_line_n", "import_rows", ["run_id", "line", "n"])


def _only(condition: str) -> dict[str, Any]:
    """The condition of a partial index."""
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def _writing_transaction() -> sa.TextClause:
    """The number of the transaction that writes a row of the change log; SQLite, where writers come one at a time, has none."""
    if op.get_bind().dialect.name != "postgresql":
        return sa.text("NULL")
    return sa.text("CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)")
