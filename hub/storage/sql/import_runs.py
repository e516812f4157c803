"""Runs of imports and their reports (contract: sso_connect.imports.runs.ImportRunStore)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, literal, select, tuple_

from hub.storage.sql.dialects import per_dialect
from hub.storage.sql.rows import columns, values
from hub.storage.tables.diagnostics import import_rows, import_runs
from hub.storage.work import Work
from sso_connect.imports.runs import LOST, ImportRun, RowReport

_COLUMNS = columns(ImportRun, import_runs)

_PUT = per_dialect(
    lambda insert_into: (putting := insert_into(import_runs)).on_conflict_do_update(
        index_elements=[import_runs.c.id],
        set_={column.key: putting.excluded[column.key] for column in _COLUMNS if column.key not in {"id", "bid"}},
        where=import_runs.c.bid == putting.excluded.bid,
    )
)
_FIND = select(*_COLUMNS).where(import_runs.c.bid == bindparam("of_bid"), import_runs.c.id == bindparam("wanted"))
_OF_BILLER = (
    select(*_COLUMNS)
    .where(import_runs.c.bid == bindparam("of_bid"))
    .order_by(import_runs.c.started_at.desc(), import_runs.c.id.desc())
    .limit(bindparam("most"))
)
_LIST = {
    False: _OF_BILLER,
    True: _OF_BILLER.where(
        tuple_(import_runs.c.started_at, import_runs.c.id)
        < tuple_(bindparam("last_start", type_=import_runs.c.started_at.type), bindparam("last_id", type_=import_runs.c.id.type))
    ),
}
"""From the newest; from one on."""
_RUNNING = select(*_COLUMNS).where(import_runs.c.state == literal("running", literal_execute=True))
_LIST_RUNNING = (
    _RUNNING.where(import_runs.c.started_at < bindparam("before_time")).order_by(import_runs.c.started_at).limit(bindparam("most"))
)
_LIST_RUNNING_OF = _RUNNING.where(import_runs.c.bid == bindparam("of_bid"))
_COUNT_LOST = (
    select(func.count())
    .select_from(import_runs)
    .where(
        import_runs.c.bid == bindparam("of_bid"),
        import_runs.c.file_digest == bindparam("digest"),
        import_runs.c.state == "interrupted",
        import_runs.c.reason == LOST,
        import_runs.c.started_at >= bindparam("since"),
    )
)
_OVER = (
    select(import_runs.c.bid, import_runs.c.id)
    .where(import_runs.c.started_at < bindparam("before_time"))
    .order_by(import_runs.c.started_at)
    .limit(bindparam("most"))
)
_rows_of_run = (
    select(import_rows.c.n)
    .where(import_rows.c.bid == bindparam("of_bid"), import_rows.c.run_id == bindparam("of_run"))
    .limit(bindparam("most"))
    .cte("picked")
)
# Counted by RETURNING, because sqlite3 has no row count for a statement that begins with WITH.
_PURGE_ROWS = delete(import_rows).where(import_rows.c.n.in_(select(_rows_of_run.c.n))).returning(import_rows.c.n)
_PURGE_RUN = delete(import_runs).where(import_runs.c.bid == bindparam("of_bid"), import_runs.c.id == bindparam("of_run"))
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

    def list_runs(self, bid: int, before: tuple[datetime, UUID] | None, limit: int) -> list[ImportRun]:
        """Newest first, from the one before `before` (its start and id)."""
        wanted = {"of_bid": bid, "most": limit}
        if before is not None:
            wanted |= {"last_start": before[0], "last_id": before[1]}  # type: ignore[dict-item]
        return [ImportRun(*row) for row in self._work.connection.execute(_LIST[before is not None], wanted)]

    def list_running(self, before: datetime, limit: int) -> list[ImportRun]:
        """Those of all billers that started before `before` and have no end yet, oldest first."""
        return [ImportRun(*row) for row in self._work.connection.execute(_LIST_RUNNING, {"before_time": before, "most": limit})]

    def list_running_of(self, bid: int) -> list[ImportRun]:
        """Those of a biller that have no end yet."""
        return [ImportRun(*row) for row in self._work.connection.execute(_LIST_RUNNING_OF, {"of_bid": bid})]

    def count_lost(self, bid: int, file_digest: str, since: datetime) -> int:
        """How many runs of this file were killed since then."""
        wanted = {"of_bid": bid, "digest": file_digest, "since": since}
        return int(self._work.connection.execute(_COUNT_LOST, wanted).scalar_one())

    def purge_runs(self, before: datetime, limit: int) -> int:
        """Remove runs that started before `before`: rows first, at most `limit` of both together. How many."""
        execute = self._work.connection.execute
        left = limit
        for run in execute(_OVER, {"before_time": before, "most": limit}).all():
            of_run = {"of_bid": run.bid, "of_run": run.id}
            left -= len(execute(_PURGE_ROWS, {**of_run, "most": left}).all())
            if left <= 0:
                break
            execute(_PURGE_RUN, of_run)
            left -= 1
        return limit - left
