"""What Alembic runs: the steps, on the connection and in the transaction of `hub.storage.migrations.migrate`."""

from __future__ import annotations

from alembic import context

from hub.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
