"""What the sealer writes and the verifier reads (contract: idp.changelog.SealStore)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, insert, literal_column, or_, select, update
from sqlalchemy.exc import IntegrityError

from hub.storage.sql.rows import columns, values
from hub.storage.tables.log import change_checkpoints, change_log, change_values
from hub.storage.work import Work
from idp.changelog import GENESIS, ChangeRow, ChangeValues, Checkpoint
from idp.errors import Raced

_SEALER_LOCK = 0x5EA1
"""Number of the advisory lock of the sealer, within the database."""

_BATCH = 1000

_ROW = columns(ChangeRow, change_log)

_LOCK = select(func.pg_advisory_xact_lock(_SEALER_LOCK))
_LAST = (
    select(change_log.c.seal, change_log.c.link).where(change_log.c.seal.is_not(None)).order_by(change_log.c.seal.desc()).limit(1)
)
_UNSEALED = select(*_ROW).where(change_log.c.seal.is_(None)).order_by(change_log.c.id).limit(bindparam("limit"))

# PostgreSQL gives out ids before the commit: row 7 may be there while row 6 still hangs in an open transaction. What was written
# by a transaction below xmin, the oldest one open (in any database of the cluster), has nothing of the kind before it any more.
# Transaction numbers belong to a cluster: a row that is visible and yet not below xmax, the next number to give out, was written
# in another one and came by a restore; so did a row without a number. They have nothing to wait for, and would wait very long.
_OLDEST_OPEN: ColumnElement[int] = literal_column("CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)")
_NEXT: ColumnElement[int] = literal_column("CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT)")
_READY = _UNSEALED.where(or_(change_log.c.xid < _OLDEST_OPEN, change_log.c.xid >= _NEXT, change_log.c.xid.is_(None)))

_SEAL = (
    update(change_log)
    .where(change_log.c.id == bindparam("row_id"), change_log.c.seal.is_(None))
    .values(seal=bindparam("new_seal"), link=bindparam("new_link"))
)
_SEALED = (
    select(*_ROW, change_values.c.salt, change_values.c.content)
    .select_from(change_log.outerjoin(change_values, change_values.c.change_id == change_log.c.id))
    .where(change_log.c.seal > bindparam("after"))
    .order_by(change_log.c.seal)
    .limit(_BATCH)
)
_COUNT_UNSEALED = select(func.count()).select_from(change_log).where(change_log.c.seal.is_(None))
_ADD_CHECKPOINT = insert(change_checkpoints).inline()
_CHECKPOINTS = select(*columns(Checkpoint, change_checkpoints)).order_by(change_checkpoints.c.id)


class SqlSealStore:
    """Seals, checkpoints, and the walk over the chain."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def last_sealed(self) -> tuple[int, str]:
        """(seal, link) of the newest sealed row, or (0, GENESIS). In a transaction, other sealers wait from here to its end.

        The worker's lease keeps sealers apart; this holds when a lease ran out under a sealer that is slow.
        """
        if self._work.is_postgres and not self._work.single:
            self._work.connection.execute(_LOCK)
        row = self._work.connection.execute(_LAST).first()
        return (0, GENESIS) if row is None else (row.seal, row.link or GENESIS)

    def list_ready(self, limit: int) -> list[ChangeRow]:
        """Unsealed rows that no open transaction can precede any more, oldest id first."""
        ready = _READY if self._work.is_postgres else _UNSEALED
        return [ChangeRow(*row) for row in self._work.connection.execute(ready, {"limit": limit})]

    def put_seals(self, seals: Iterable[tuple[int, int, str]]) -> None:
        """Store (row id, seal, link). Raced when a row has a seal already, or a seal a row: nothing may be stored then."""
        rows = [{"row_id": row_id, "new_seal": seal, "new_link": link} for row_id, seal, link in seals]
        if not rows:
            return
        try:
            stored = self._work.connection.execute(_SEAL, rows).rowcount
        except IntegrityError as fault:
            raise Raced("a seal is taken: another sealer was here") from fault
        if stored != len(rows):
            raise Raced(f"{len(rows) - stored} rows were sealed already: another sealer was here")

    def iter_sealed(self) -> Iterator[tuple[ChangeRow, ChangeValues | None]]:
        """All sealed rows by seal, with the values where they were not erased. Reads in batches."""
        after = 0
        while rows := self._work.connection.execute(_SEALED, {"after": after}).all():
            for row in rows:
                yield ChangeRow(*row[: len(_ROW)]), _values_of(row)
            after = rows[-1].seal

    def count_unsealed(self) -> int:
        """How many rows wait for their seal."""
        return self._work.connection.execute(_COUNT_UNSEALED).scalar_one()

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep a signed checkpoint."""
        self._work.connection.execute(_ADD_CHECKPOINT, values(checkpoint))

    def list_checkpoints(self) -> list[Checkpoint]:
        """All checkpoints, oldest first."""
        return [Checkpoint(*row) for row in self._work.connection.execute(_CHECKPOINTS)]


def _values_of(row: Any) -> ChangeValues | None:
    return None if row.salt is None else ChangeValues(row.id, row.salt, row.content)
