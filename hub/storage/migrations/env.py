"""What Alembic runs: the steps, on the connection and in the transaction of `hub.storage.migrations.migrate`."""

from __future__ import annotations

from alembic import context

# No target_metadata: its naming convention would rename what the steps name in full.
context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
