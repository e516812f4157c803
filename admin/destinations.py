"""Destinations as staff see and change them: the RedirectID table of a biller."""

from __future__ import annotations

from dataclasses import replace

from admin.access import Permission, check_may
from idp.actor import Staff
from idp.directory.billers import Billers
from idp.errors import FieldError, InvalidFields
from sso_connect.redirects import DESTINATIONS, Destinations, DestinationSetting


class DestinationAdmin:
    """Shows and changes the table."""

    def __init__(self, destinations: Destinations, billers: Billers) -> None:
        self._destinations = destinations
        self._billers = billers

    def table(self, staff: Staff, request_id: str, bid: int) -> dict[int, DestinationSetting]:  # noqa: ARG002
        """All eleven, as the biller has them. BillerNotFound."""
        check_may(staff, Permission.BILLER_DESTINATIONS_READ, bid)
        self._billers.get(bid)
        return self._destinations.table(bid)

    def change(
        self, staff: Staff, request_id: str, bid: int, redirect_id: int, *, off: bool | None = None, title: str | None = None
    ) -> DestinationSetting:
        """Switch one off or on, or give it another title ("" = ours); None leaves as is. BillerNotFound, InvalidFields."""
        check_may(staff, Permission.BILLER_DESTINATIONS_CHANGE, bid)
        self._billers.get(bid)
        if redirect_id not in DESTINATIONS:
            raise InvalidFields(fields=[FieldError("RedirectID", "1 to 11")])
        before = self._destinations.table(bid)[redirect_id]
        after = replace(before, off=before.off if off is None else off, title=before.title if title is None else title.strip())
        self._destinations.put(staff, request_id, after)
        return after
