"""What a SQL store works with: a connection, the time, and the stamps of the rows that it changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from idp.versions import directory_stamp, user_stamp

MOST_STAMPS = 500
"""Above this many changed users in one transaction, the biller's directory stamp is renewed instead of each user's."""


@dataclass(slots=True)
class Work:
    """One transaction, or one single statement."""

    connection: Connection
    now: datetime
    single: bool = False
    """Each statement commits by itself: no place for a change of rows that are cached."""
    touched: set[str] = field(default_factory=set)
    _users: dict[int, set[UUID]] = field(default_factory=dict)

    @property
    def is_postgres(self) -> bool:
        return self.connection.dialect.name == "postgresql"

    def touch(self, *stamps: str) -> None:
        """Note, BEFORE the statement, that rows change: their stamps are renewed around the commit (idp.kv, Stamps).

        Without stamps, when only the statement shows which ones: a RuntimeError where nothing can be renewed.
        """
        self._check_renewable()
        self.touched.update(stamps)

    def touch_users(self, bid: int, user_ids: Iterable[UUID]) -> None:
        """As touch, for rows that users rest on."""
        self._check_renewable()
        self._users.setdefault(bid, set()).update(user_ids)

    def stamps(self) -> tuple[str, ...]:
        """Everything to renew, each once."""
        stamps = set(self.touched)
        for bid, users in self._users.items():
            if len(users) > MOST_STAMPS:
                stamps.add(directory_stamp(bid))
            else:
                stamps.update(map(user_stamp, users))
        return tuple(sorted(stamps))

    def _check_renewable(self) -> None:
        if self.single:
            raise RuntimeError("cached rows are changed in a transaction: Database.begin, not Database.read")
