"""Rows of the change log, written in the transaction of the change (contract: idp.changelog.ChangeLogStore)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert

from hub.storage.tables.log import change_log, change_values
from hub.storage.work import Work
from idp.changelog import Change, ChangeValues, values_text

_SALT_BYTES = 16
"""128 bits: without them a commitment over a name or an address could be found by trying."""

# inline(): no RETURNING. The hot path is one statement and one round trip, on a connection in AUTOCOMMIT too.
_APPEND = insert(change_log).inline()
_APPEND_FOR_VALUES = insert(change_log).returning(change_log.c.id)
_APPEND_FOR_VALUES_IN_ORDER = insert(change_log).returning(change_log.c.id, sort_by_parameter_order=True)
_ADD_VALUES = insert(change_values).inline()


class SqlChangeLogStore:
    """Appends. A change with before or after takes two statements and so a transaction (RuntimeError without one)."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def append_all(self, changes: Sequence[Change]) -> None:
        """As append, for many changes, in their order."""
        rows, contents = zip(*map(self._row, changes), strict=True) if changes else ((), ())
        if not any(contents):
            if rows:
                self._work.connection.execute(_APPEND, rows)
            return
        self._check_transaction()
        ids = self._work.connection.execute(_APPEND_FOR_VALUES_IN_ORDER, rows).scalars().all()
        added = [{"change_id": row_id, **content} for row_id, content in zip(ids, contents, strict=True) if content]
        self._work.connection.execute(_ADD_VALUES, added)

    def append(self, change: Change) -> None:
        """Add one row, with its values in the side table when it has any. The time is the transaction's."""
        row, content = self._row(change)
        if not content:
            self._work.connection.execute(_APPEND, row)
            return
        self._check_transaction()
        change_id = self._work.connection.execute(_APPEND_FOR_VALUES, row).scalar_one()
        self._work.connection.execute(_ADD_VALUES, {"change_id": change_id, **content})

    def _row(self, change: Change) -> tuple[dict[str, Any], dict[str, str]]:
        """The row, and what goes into the side table (nothing for a change without values)."""
        content: dict[str, str] = {}
        commitment = ""
        if change.before is not None or change.after is not None:
            content = {"salt": secrets.token_hex(_SALT_BYTES), "content": values_text(change.before, change.after)}
            commitment = ChangeValues(0, content["salt"], content["content"]).commitment()
        row = {
            "at": self._work.now,
            "bid": change.bid,
            "action": change.action.value,
            "actor_kind": change.actor.kind,
            "actor_id": change.actor.id,
            "on_behalf_of": change.on_behalf_of,
            "user_id": change.user_id,
            "customer_id": change.customer_id,
            "subject": change.subject,
            "request_id": change.request_id,
            "commitment": commitment,
        }
        return row, content

    def _check_transaction(self) -> None:
        if self._work.single:
            raise RuntimeError("before and after are written in a transaction: Database.begin, not Database.read")
