"""Billers as staff see and change them: the row with its policies, and the advanced settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from admin.access import Permission, check_may
from idp.actor import Staff
from idp.directory.advanced_settings import AdvancedSettings
from idp.directory.billers import Biller, Billers
from sso_connect.imports.bif_columns import ColumnMap


class BillerAdmin:
    """Creates, changes and shows billers."""

    def __init__(self, billers: Billers, settings: AdvancedSettings) -> None:
        self._billers = billers
        self._settings = settings

    def create(
        self,
        staff: Staff,
        request_id: str,
        *,
        bid: int,
        slug: str,
        dba: str,
        guid: UUID | None = None,
        host: str | None = None,
        time_zone: str = "UTC",
        locale: str = "en",
        policies: Mapping[str, Any] | None = None,
        column_map: Mapping[str, Any] | None = None,
    ) -> Biller:
        """Make a biller; `column_map` as in sso_connect.imports.bif_columns. InvalidFields, AlreadyExists, SharedOriginRefused."""
        check_may(staff, Permission.PLATFORM_BILLERS_CREATE)
        columns = None if column_map is None else ColumnMap.from_mapping(column_map).as_mapping()
        return self._billers.create(
            staff, request_id, bid=bid, slug=slug, dba=dba, guid=guid, host=host, time_zone=time_zone, locale=locale,
            policies=policies, column_map=columns,
        )  # fmt: skip

    def change(self, staff: Staff, request_id: str, bid: int, **changes: Any) -> Biller:
        """Change dba, host, time_zone, locale, policies (those that change), column_map or disabled. BillerNotFound, InvalidFields.

        A biller's own staff cannot move it to another host or switch it off: both are the operator's.
        """
        check_may(staff, Permission.BILLER_BILLERS_CHANGE, bid)
        if changes.keys() & {"host", "disabled"}:
            check_may(staff, Permission.PLATFORM_BILLERS_CHANGE)
        if changes.get("column_map") is not None:
            changes["column_map"] = ColumnMap.from_mapping(changes["column_map"]).as_mapping()
        return self._billers.change(staff, request_id, bid, **changes)

    def get(self, staff: Staff, request_id: str, bid: int) -> Biller:  # noqa: ARG002  (reads will go to the access log)
        """By BID. BillerNotFound."""
        check_may(staff, Permission.BILLER_BILLERS_READ, bid)
        return self._billers.get(bid)

    def list_page(self, staff: Staff, request_id: str, after: int = 0, limit: int = 200) -> list[Biller]:  # noqa: ARG002
        """By BID, from the one after `after`."""
        check_may(staff, Permission.PLATFORM_BILLERS_READ)
        return self._billers.list_page(after, limit)

    def show_settings(self, staff: Staff, request_id: str, bid: int) -> dict[int, str]:  # noqa: ARG002
        """All advanced settings by number; a secret shows as `(set)` or "". BillerNotFound."""
        check_may(staff, Permission.BILLER_SETTINGS_READ, bid)
        self._billers.get(bid)
        return self._settings.show(bid)

    def put_setting(self, staff: Staff, request_id: str, bid: int, number: int, value: str) -> None:
        """Set one advanced setting; "" puts it back to its default. BillerNotFound, InvalidFields."""
        check_may(staff, Permission.BILLER_SETTINGS_CHANGE, bid)
        self._billers.get(bid)
        self._settings.put(staff, request_id, bid, number, value)
