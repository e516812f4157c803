"""What the database says about rows that collide, in our words: upserts, and the reason behind an IntegrityError.

On PostgreSQL an IntegrityError ends the transaction: whoever gets one of these reasons leaves the `with self._begin()` block;
a verb that can do better with what is there now (Raced) begins again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Index, Insert, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import PrimaryKeyConstraint

from hub.storage.work import Work
from idp.errors import HubError

Unique = Index | UniqueConstraint | PrimaryKeyConstraint


class Upsert:
    """INSERT ... ON CONFLICT (key) DO UPDATE of the named columns (none: DO NOTHING), for both dialects."""

    def __init__(self, table: Table, *, key: Collection[str], update: Collection[str] | Mapping[str, Any] = ()) -> None:
        onto: list[postgresql.Insert | sqlite.Insert] = [postgresql.insert(table), sqlite.insert(table)]
        self._postgres, self._sqlite = (self._on_conflict(each, key, update) for each in onto)

    def on(self, work: Work) -> Insert:
        """The statement for the database at hand."""
        return self._postgres if work.is_postgres else self._sqlite

    @staticmethod
    def _on_conflict(
        insert: postgresql.Insert | sqlite.Insert, key: Collection[str], update: Collection[str] | Mapping[str, Any]
    ) -> Insert:
        if not update:
            return insert.on_conflict_do_nothing(index_elements=list(key))
        if isinstance(update, Mapping):
            changes = {name: change(insert.excluded) for name, change in update.items()}
        else:
            changes = {name: insert.excluded[name] for name in update}
        return insert.on_conflict_do_update(index_elements=list(key), set_=changes)


@contextmanager
def broken_means(reason: type[HubError], detail: str, *rules: Unique) -> Iterator[None]:
    """Turn the break of one of these unique rules into its reason; any other IntegrityError goes through."""
    try:
        yield
    except IntegrityError as error:
        if any(_is_broken(rule, error) for rule in rules):
            raise reason(detail) from error
        raise


def primary_key(table: Table) -> PrimaryKeyConstraint:
    """The primary key of a table, as a rule."""
    return table.primary_key


def unique_rule(table: Table, *names: str) -> UniqueConstraint:
    """The unique constraint of a table over exactly these columns. KeyError when there is none."""
    for rule in table.constraints:
        if isinstance(rule, UniqueConstraint) and tuple(rule.columns.keys()) == names:
            return rule
    raise KeyError(f"{table.name} has no unique rule over {names}")


def _is_broken(rule: Unique, error: IntegrityError) -> bool:
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is not None:
        return bool(diagnosis.constraint_name == rule.name)
    # SQLite names no constraint, but the columns of the index: "UNIQUE constraint failed: users.bid, users.user_name_key".
    named = ", ".join(str(column) for column in rule.columns)
    return str(error.orig) == f"UNIQUE constraint failed: {named}"
