"""Ghosts: what is known of a payer whom nobody has claimed yet. One per account.

Made from the e-mail address in an invoice file (and by CSR Connect). A ghost is no login, never holds the Owner's seat, and an
account with only a ghost is not registered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Ghost:
    """The one ghost of an account. `email_since`: when this address was put on record; a later one proves nothing older."""

    bid: int
    customer_id: UUID
    name: str
    email: str
    email_key: str
    phone: str
    email_since: datetime
    created_at: datetime


class GhostStore(Protocol):
    """Ghosts in the database."""

    def find_ghost(self, bid: int, customer_id: UUID) -> Ghost | None:
        """The ghost of a customer."""
        ...

    def put_ghost(self, ghost: Ghost) -> None:
        """Insert or update the one ghost of a customer."""
        ...

    def find_ghosts(self, bid: int, customer_ids: Iterable[UUID]) -> dict[UUID, Ghost]:
        """The ghosts of several customers, by customer."""
        ...

    def put_ghosts(self, ghosts: Sequence[Ghost]) -> None:
        """As put_ghost, for several customers of one biller."""
        ...
