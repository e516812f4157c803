"""Departures: whoever left an account a little while ago is remembered, so that coming back revives nothing.

Sessions and tokens that were opened for an account end with its registration, by a look at the payer's accounts
(sso_connect.visits). Registered again, the account would be there again, and so would they. So a departure is noted before it
commits, for as long as a session can live, and a return within that time ends everything of the user that is older (docs/adr/0014).
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from idp.kv import KeyValue, Put, Read, Record
from idp.login.sessions import MOST_ABSOLUTE


class Departures:
    """Notes who left which account, and tells whether somebody did."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    def note(self, bid: int, user_id: UUID, customer_ids: Collection[UUID]) -> None:
        """Remember; to be called before the registrations' end is committed. StoreUnavailable."""
        if customer_ids:
            self._kv.transact(*(Put(_key(bid, user_id, customer_id), "", idle=MOST_ABSOLUTE) for customer_id in customer_ids))

    def is_return(self, bid: int, user_id: UUID, customer_ids: Collection[UUID]) -> bool:
        """Whether the user left one of these accounts within the life of a session. StoreUnavailable."""
        if not customer_ids:
            return False
        steps = (Read(_key(bid, user_id, customer_id), optional=True) for customer_id in customer_ids)
        return any(isinstance(result, Record) for result in self._kv.transact(*steps).results)


def _key(bid: int, user_id: UUID, customer_id: UUID) -> str:
    return f"left:{bid}:{user_id}:{customer_id}"
