"""Diagnostics."""

from __future__ import annotations

from typing import Any

from sso_connect.api.calls.authenticate import instant
from sso_connect.api.calls.caller import Call, Caller
from sso_connect.api.models import diagnostics as models
from sso_connect.checks import Check
from sso_connect.diagnostics import Diagnostics, Entry


def diagnose(diagnostics: Diagnostics) -> Call:
    """What stands behind a reference or request id."""

    def call(caller: Caller, _body: None) -> dict[str, Any]:
        wanted: models.DiagnosticsReference = caller.where
        return _entry_told(diagnostics.get_for(caller.key, wanted.reference))

    return call


def recent(diagnostics: Diagnostics) -> Call:
    """The newest, page by page."""

    def call(caller: Caller, _body: None) -> dict[str, Any]:
        wanted: models.DiagnosticsPage = caller.where
        page = diagnostics.list_for(caller.key, wanted.cursor, wanted.limit)
        return {"Results": [_entry_told(entry) for entry in page.entries], "Cursor": page.cursor, "NotKept": page.not_kept}

    return call


def check_told(check: Check) -> dict[str, Any]:
    """A check, as it travels."""
    return {
        "Check": check.name,
        "Held": check.held,
        "Evaluated": check.evaluated,
        "Expected": check.expected,
        "Came": check.came,
        "Fix": check.fix,
    }


def _entry_told(entry: Entry) -> dict[str, Any]:
    return {
        "Kind": entry.kind,
        "Reference": entry.reference,
        "RequestID": entry.request_id,
        "At": instant(entry.at),
        "FirstAt": instant(entry.first_at),
        "Times": entry.times,
        "Code": entry.code,
        "Where": entry.where,
        "SessionReference": entry.session_reference,
        "Checks": [check_told(check) for check in entry.checks],
    }
