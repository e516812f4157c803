"""Imports of invoice files, as staff see them."""

from __future__ import annotations

from uuid import UUID

from admin.access import Permission, check_may
from idp.actor import Staff
from idp.directory.billers import Billers
from idp.errors import ImportRunNotFound
from sso_connect.imports.history import ImportHistory
from sso_connect.imports.runs import ImportRun


class ImportAdmin:
    """Lists and shows runs."""

    def __init__(self, history: ImportHistory, billers: Billers) -> None:
        self._history = history
        self._billers = billers

    def get(self, staff: Staff, request_id: str, bid: int, run_id: UUID) -> ImportRun:  # noqa: ARG002
        """By id. ImportRunNotFound."""
        check_may(staff, Permission.BILLER_IMPORTS_READ, bid)
        found = self._history.find_run(bid, run_id)
        if found is None:
            raise ImportRunNotFound(str(run_id))
        return found

    def list_page(self, staff: Staff, request_id: str, bid: int, before: UUID | None = None, limit: int = 50) -> list[ImportRun]:  # noqa: ARG002
        """Newest first, from the one before `before`. BillerNotFound, ImportRunNotFound."""
        check_may(staff, Permission.BILLER_IMPORTS_READ, bid)
        self._billers.get(bid)
        if before is not None and self._history.find_run(bid, before) is None:
            raise ImportRunNotFound(str(before))
        return self._history.list_runs(bid, before, limit)
