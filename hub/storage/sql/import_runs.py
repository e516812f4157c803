"""Runs of imports and their reports (contract: sso_connect.imports.runs.ImportRunStore)."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select

from hub.storage.sql.dialects import per_dialect
from hub.storage.sql.rows import columns, values
from hub.storage.tables.diagnostics import import_rows, import_runs
from hub.storage.work import Work
from sso_connect.imports.runs import ImportRun, RowReport

_COLUMNS = columns(ImportRun, import_runs)

_PUT = per_dialect(
    lambda insert_into: (putting := insert_into(import_runs)).on_conflict_do_update(
        index_elements=[import_runs.c.id],
        set_={column.key: putting.excluded[column.key] for column in _COLUMNS if column.key not in {"id", "bid"}},
        where=import_runs.c.bid == putting.excluded.bid,
    )
)
_FIND = select(*_COLUMNS).where(import_runs.c.bid == bindparam("of_bid"), import_runs.c.id == bindparam("wanted"))
_ADD_ROWS = insert(import_rows).inline()
_after = (
    select(import_rows.c.line, import_rows.c.n)
    .where(
        import_rows.c.bid == bindparam("of_bid"),
        import_rows.c.run_id == bindparam("of_run"),
        import_rows.c.line > bindparam("after_line"),
    )
    .order_by(import_rows.c.line, import_rows.c.n)
    .limit(bindparam("limit"))
    .cte("page")
)
_LIST_ROWS = (
    select(import_rows.c.line, import_rows.c.column_name, import_rows.c.reason, import_rows.c.severity)
    .where(
        import_rows.c.bid == bindparam("of_bid"),
        import_rows.c.run_id == bindparam("of_run"),
        import_rows.c.line > bindparam("after_line"),
        import_rows.c.line <= select(func.max(_after.c.line)).scalar_subquery(),
    )
    .order_by(import_rows.c.line, import_rows.c.n)
)


class SqlImportRunStore:
    """Runs in a SQL database."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def put_run(self, run: ImportRun) -> None:
        """Insert or update; another biller's run with this id stays as it is."""
        self._work.connection.execute(_PUT.on(self._work.connection), values(run))

    def find_run(self, bid: int, run_id: UUID) -> ImportRun | None:
        """By id within a biller."""
        row = self._work.connection.execute(_FIND, {"of_bid": bid, "wanted": run_id}).first()
        return None if row is None else ImportRun(*row)

    def add_rows(self, bid: int, run_id: UUID, rows: Iterable[RowReport]) -> None:
        """Add to the report."""
        added = [
            {
                "bid": bid,
                "run_id": run_id,
                "line": row.line,
                "column_name": row.column,
                "reason": row.reason,
                "severity": row.severity,
            }
            for row in rows
        ]
        if added:
            self._work.connection.execute(_ADD_ROWS, added)

    def list_rows(self, bid: int, run_id: UUID, after_line: int, limit: int) -> list[RowReport]:
        """The report by line, from the one after `after_line`: `limit` rows, and the rest of the last row's line.

        A line is never cut in two, because the next call goes on behind it.
        """
        wanted = {"of_bid": bid, "of_run": run_id, "after_line": after_line, "limit": limit}
        return [RowReport(*row) for row in self._work.connection.execute(_LIST_ROWS, wanted)]
