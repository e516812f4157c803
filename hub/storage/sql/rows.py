"""From dataclass to row and back: a table has a column for each field, under the field's name.

Columns are selected in the order of the fields, so that a row becomes a value by `User(*row)`. What is stored in another form
than its field (JSON columns, mostly) is the business of the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import ColumnElement, Table, bindparam

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

MOST_IN_LIST = 500
"""So many values go into one IN list: each length of a list is a statement of its own for the database."""


def columns(kind: type[DataclassInstance], table: Table) -> list[ColumnElement[Any]]:
    """The columns of a table in the order of a dataclass's fields."""
    return [table.c[each.name] for each in fields(kind)]


def values(row: DataclassInstance) -> dict[str, Any]:
    """The fields of a value by name, as they are."""
    return {each.name: getattr(row, each.name) for each in fields(row)}


def given(table: Table, *names: str) -> dict[str, ColumnElement[Any]]:
    """`{column: parameter of its name}`, for the VALUES of an INSERT or the SET of an UPDATE."""
    return {name: bindparam(name, type_=table.c[name].type) for name in names}


def batches(wanted: Iterable[T]) -> Iterator[list[T]]:
    """Each value once, in lists that fit into a statement. Values keep their order."""
    once = list(dict.fromkeys(wanted))
    for start in range(0, len(once), MOST_IN_LIST):
        yield once[start : start + MOST_IN_LIST]
