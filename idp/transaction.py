"""One transaction, shown where it begins: `with self._begin() as stores:`.

The change, its change-log row and its outbox row commit together or not at all. Each service names the slice of stores that it
needs as a small Protocol; `hub.storage` has one object that satisfies them all.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

S = TypeVar("S", covariant=True)


class Begin(Protocol[S]):
    """Opens a transaction. Leaving the block commits; an exception rolls back and goes on.

    Stamps of changed rows (idp.versions) are renewed around the commit by the stores themselves.
    Raises StoreUnavailable when the database does not answer.
    """

    def __call__(self) -> AbstractContextManager[S]:
        """Begin."""
        ...
