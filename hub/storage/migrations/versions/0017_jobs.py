"""Jobs that kill their worker are counted; import runs are listed; mails, runs and dead jobs are purged by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a database goes back by restoring a backup."""
    op.add_column("jobs", sa.Column("lost", sa.Integer(), nullable=False, server_default="0"))
    _index("ix_jobs_dead", "jobs", "run_at", only="state = 'dead'")
    _index("ix_mails_created_at", "mails", "created_at")
    _index("ix_import_runs_bid_started_at", "import_runs", "bid", "started_at", "id")
    _index("ix_import_runs_started_at", "import_runs", "started_at")
    _index("ix_import_runs_running", "import_runs", "started_at", only="state = 'running'")


def _index(name: str, table: str, *columns: str, only: str | None = None) -> None:
    """An index, partial where `only` says which rows it has."""
    where = None if only is None else sa.text(only)
    op.create_index(name, table, list(columns), postgresql_where=where, sqlite_where=where)
