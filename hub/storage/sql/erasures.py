"""Values of the change log, as far as they are erased (contract: idp.erasure.ErasureStore)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import bindparam, delete, func, select

from hub.storage.sql.rows import batches, columns
from hub.storage.tables.log import change_log, change_values
from hub.storage.work import Work
from idp.changelog import Action, ChangeRow, ChangeValues
from idp.erasure import Subject

_ROW = columns(ChangeRow, change_log)
_SPAN = select(func.min(change_log.c.id), func.max(change_log.c.id))
_WITH_VALUES = (
    select(change_log.c.id)
    .select_from(change_log.join(change_values, change_values.c.change_id == change_log.c.id))
    .where(change_log.c.bid == bindparam("of_bid"), change_log.c.action != Action.VALUES_ERASE.value)
    .order_by(change_log.c.id)
)
_BETWEEN = _WITH_VALUES.where(change_log.c.id > bindparam("above"), change_log.c.id <= bindparam("up_to"))
_OF_USER = _BETWEEN.where(change_log.c.user_id == bindparam("of_user"))
_OF_CUSTOMER = _BETWEEN.where(change_log.c.customer_id == bindparam("of_customer"))
_BY_ID = _WITH_VALUES.where(change_log.c.id.in_(bindparam("rows", expanding=True)))
_ERASE = (
    delete(change_values)
    .where(
        change_values.c.change_id.in_(
            select(change_log.c.id).where(
                change_log.c.id.in_(bindparam("rows", expanding=True)),
                change_log.c.bid == bindparam("of_bid"),
                change_log.c.action != Action.VALUES_ERASE.value,
            )
        )
    )
    .returning(change_values.c.change_id)
)
_STILL = select(change_values.c.change_id).where(change_values.c.change_id.in_(bindparam("rows", expanding=True)))
_UNSEALED = (
    select(*_ROW, change_values.c.salt, change_values.c.content)
    .select_from(change_log.outerjoin(change_values, change_values.c.change_id == change_log.c.id))
    .where(change_log.c.seal.is_(None), change_log.c.action == Action.VALUES_ERASE.value)
    .order_by(change_log.c.id)
)


class SqlErasureStore:
    """Satisfies ErasureStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def span(self) -> tuple[int, int]:
        """The first and last id of the log; (1, 0) while it is empty."""
        first, last = self._work.connection.execute(_SPAN).one()
        return (1, 0) if first is None else (first, last)

    def list_erasable(self, bid: int, subject: Subject, after: int, to: int) -> list[int]:
        """Ids of the subject's rows with values, above `after` and up to `to`, in order. By id: those of `subject.rows`."""
        wanted: dict[str, object] = {"of_bid": bid}
        if subject.rows:
            found = [
                row
                for batch in batches(subject.rows)
                for row in self._work.connection.execute(_BY_ID, wanted | {"rows": batch}).scalars()
            ]
            return sorted(row for row in found if after < row <= to)
        wanted |= {"above": after, "up_to": to}
        if subject.user_id is not None:
            return list(self._work.connection.execute(_OF_USER, wanted | {"of_user": subject.user_id}).scalars())
        return list(self._work.connection.execute(_OF_CUSTOMER, wanted | {"of_customer": subject.customer_id}).scalars())

    def erase_values(self, bid: int, rows: Sequence[int]) -> int:
        """Delete the values of these rows of a biller. How many had any."""
        return sum(len(self._work.connection.execute(_ERASE, {"of_bid": bid, "rows": batch}).all()) for batch in batches(rows))

    def list_with_values(self, rows: Sequence[int]) -> set[int]:
        """Which of these rows, whoever's, have values now."""
        return {row for batch in batches(rows) for row in self._work.connection.execute(_STILL, {"rows": batch}).scalars()}

    def iter_unsealed_erasing(self) -> Iterator[tuple[ChangeRow, ChangeValues | None]]:
        """Erasing rows that wait for their seal."""
        for row in self._work.connection.execute(_UNSEALED).all():
            values = None if row.salt is None else ChangeValues(row.id, row.salt, row.content)
            yield ChangeRow(*row[: len(_ROW)]), values
