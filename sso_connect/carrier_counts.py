"""Counts of carriers: by which way the browsers of frames bring their sessions back, per key, browser and day.

Counted once per framed session, with its second page: that is when it shows. Labels come from closed sets (idp.login.devices).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol
from uuid import UUID

from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.transaction import Begin

KEPT_FOR = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class CarrierCount:
    """So many framed sessions of a key, on a day (UTC), in a kind of browser, came back by this carrier."""

    bid: int
    key_id: UUID
    day: date
    browser: str
    carrier: str
    times: int = 1


class CarrierCountStore(Protocol):
    """Counts in the database."""

    def add_carrier(self, count: CarrierCount) -> None:
        """Add to what is there."""
        ...

    def list_carriers(self, bid: int, since: date) -> Sequence[CarrierCount]:
        """From a day on, summed over days: the newest `day` of each."""
        ...

    def purge_carriers(self, before: date, limit: int) -> int:
        """Remove those of days before. How many."""
        ...


class CarrierCountStores(Protocol):
    """The slice of stores that this service works with."""

    @property
    def carrier_counts(self) -> CarrierCountStore: ...


class CarrierCounts:
    """Counts, and tells."""

    def __init__(self, begin: Begin[CarrierCountStores], clock: Clock) -> None:
        self._begin = begin
        self._clock = clock

    def count(self, key: ApiKey, browser: str, carrier: str) -> None:
        """One more framed session."""
        with self._begin() as stores:
            stores.carrier_counts.add_carrier(CarrierCount(key.bid, key.id, self._clock.now().date(), browser, carrier))

    def list_recent(self, bid: int, days: int = 30) -> Sequence[CarrierCount]:
        """Of the last days, by key, browser and carrier."""
        with self._begin() as stores:
            return stores.carrier_counts.list_carriers(bid, self._clock.now().date() - timedelta(days=days))

    def purge(self, limit: int = 1000) -> int:
        """Remove what is past its time. How many."""
        with self._begin() as stores:
            return stores.carrier_counts.purge_carriers(self._clock.now().date() - KEPT_FOR, limit)
