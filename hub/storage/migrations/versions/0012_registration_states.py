"""Who wrote what, registrations that give nothing yet, links that work once.

Every column is new and has a default, so that a program one version back goes on reading and writing beside this one.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
_WAITS_FOR = timedelta(days=30)


def upgrade() -> None:
    """Forward only: a database goes back by restoring a backup."""
    op.add_column("registrations", sa.Column("state", sa.Text(), nullable=False, server_default="active"))
    op.add_column("registrations", sa.Column("waits_until", TIME))
    op.add_column("registrations", sa.Column("held_login_type", sa.SmallInteger()))
    op.add_column("role_codes", sa.Column("written_by", sa.Text(), nullable=False, server_default=""))
    op.add_column("customers", sa.Column("written_by", JSON, nullable=False, server_default=sa.text("'{}'")))
    op.add_column("invoices", sa.Column("written_by", sa.String(), nullable=False, server_default=""))
    op.add_column("invoices", sa.Column("tells_codes", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("api_keys", sa.Column("more_scopes", JSON, nullable=False, server_default=sa.text("'[]'")))
    op.add_column("uploads", sa.Column("sets_role_codes", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("import_runs", sa.Column("role_codes_left_out", sa.Boolean(), nullable=False, server_default=sa.false()))
    _index_waiting()
    _create_links()
    _settle_pending_guests()
    _let_legacy_keys_set_codes()


def _index_waiting() -> None:
    for name, columns, over in (
        ("ix_registrations_waiting", ["bid", "id"], "pending AND ended_at IS NULL"),
        ("ix_registrations_ended_waiting", ["bid", "customer_id", "ended_at"], "pending AND ended_at IS NOT NULL"),
    ):
        op.create_index(name, "registrations", columns, postgresql_where=sa.text(over), sqlite_where=sa.text(over))


def _create_links() -> None:
    op.create_table(
        "one_time_links",
        sa.Column("bid", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", KEY, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", KEY, nullable=False),
        sa.Column("binding", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("spent_at", TIME),
        sa.Column("void_at", TIME),
        sa.PrimaryKeyConstraint("bid", "id", name="pk_one_time_links"),
        sa.UniqueConstraint("digest", name="uq_one_time_links_digest"),
        sa.ForeignKeyConstraint(["bid"], ["billers.bid"], name="fk_one_time_links_bid"),
    )
    op.create_index("ix_one_time_links_subject", "one_time_links", ["bid", "kind", "subject"])
    op.create_index("ix_one_time_links_expires_at", "one_time_links", ["expires_at"])


def _settle_pending_guests() -> None:
    """A pending guest was one of two: the first on the account, until a role code is shown (sees and pays); or one beside others,
    without proof, who from now on waits. Whoever is or was beside a registered user is the second."""
    ties = sa.table(
        "registrations",
        *(sa.column(name, sa.Uuid()) for name in ("id", "customer_id", "user_id")),
        sa.column("bid", sa.Integer()),
        sa.column("pending", sa.Boolean()),
        sa.column("state", sa.Text()),
        sa.column("registered_at", TIME),
        sa.column("ended_at", TIME),
        sa.column("waits_until", TIME),
    )
    connection = op.get_bind()
    pending = connection.execute(sa.select(ties).where(ties.c.pending, ties.c.ended_at.is_(None))).all()
    if not pending:
        return
    beside: dict[tuple[int, Any], list[Any]] = defaultdict(list)
    customers = sorted({(row.bid, row.customer_id) for row in pending}, key=str)
    for start in range(0, len(customers), 500):
        some = customers[start : start + 500]
        wanted = ties.c.customer_id.in_([customer_id for _, customer_id in some])
        for row in connection.execute(sa.select(ties).where(wanted)):
            beside[row.bid, row.customer_id].append(row)
    until = datetime.now(UTC) + _WAITS_FOR
    until = until.replace(tzinfo=None) if connection.dialect.name == "sqlite" else until
    for row in pending:
        waits = any(_was_there(row, other) for other in beside[row.bid, row.customer_id])
        change = {"state": "waiting", "waits_until": until} if waits else {"state": "until_code"}
        connection.execute(sa.update(ties).where(ties.c.bid == row.bid, ties.c.id == row.id).values(**change))


def _was_there(guest: Any, other: Any) -> bool:
    """Whether another user is registered beside a pending guest, or was when the guest came."""
    if other.user_id == guest.user_id:
        return False
    came_before = (other.registered_at, str(other.id)) < (guest.registered_at, str(guest.id))
    if other.ended_at is None:
        return came_before or not other.pending
    return bool(came_before and other.ended_at > guest.registered_at)


def _let_legacy_keys_set_codes() -> None:
    """Keys as legacy set-up makes them keep feeding role codes: it gives them the scope, and they may state the proof anyway."""
    keys = sa.table(
        "api_keys",
        sa.column("bid", sa.Integer()),
        sa.column("id", sa.Uuid()),
        sa.column("strictness", sa.Text()),
        sa.column("users", sa.Text()),
        sa.column("account_proof", JSON),
        sa.column("more_scopes", JSON),
    )
    connection = op.get_bind()
    found = connection.execute(sa.select(keys).where(keys.c.strictness == "compat", keys.c.users == "all")).all()
    for row in found:
        if "cis" in row.account_proof:
            this = sa.update(keys).where(keys.c.bid == row.bid, keys.c.id == row.id)
            connection.execute(this.values(more_scopes=["role_codes:write"]))
