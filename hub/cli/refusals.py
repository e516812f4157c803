"""`idhub refusals`: what was refused, found by the reference on the page."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.arguments import biller_option
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, note, print_json, print_record, print_rows
from sso_connect.diagnostics import Refusal


@click.group()
def group() -> None:
    """Show why a payer or a partner was refused.

    A refusal page shows a reference. It leads to every check that was made, and to the fix. Refusals are kept for 30 days.
    """


@group.command()
@biller_option
@click.argument("reference")
@json_option
@pass_operator
def show(operator: Operator, bid: int, reference: str, as_json: bool) -> None:
    """Show the checks behind REFERENCE: what was expected and what was received."""
    found = operator.refusals.get(operator.staff, operator.request_id, bid, reference)
    checks = [
        {
            "check": each.name,
            "held": each.held,
            "evaluated": each.evaluated,
            "expected": each.expected,
            "came": each.came,
            "fix": each.fix,
        }
        for each in found.checks
    ]
    if as_json:
        print_json(_shown(found) | {"checks": checks})
        return
    print_record(_shown(found), as_json=False)
    columns = {"check": "Check", "held": "Passed", "expected": "Expected", "came": "Received", "fix": "Fix"}
    shown = [each if each["evaluated"] else each | {"held": None} for each in checks]
    print_rows(shown, columns, as_json=False)


@group.command("list")
@biller_option
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Maximum number of rows.")
@json_option
@pass_operator
def list_(operator: Operator, bid: int, limit: int, as_json: bool) -> None:
    """List refusals, newest first."""
    found = operator.refusals.list_recent(operator.staff, operator.request_id, bid, limit)
    columns = {"at": "When", "reference": "Reference", "code": "Reason", "where": "Where", "key_id": "API key"}
    print_rows([_shown(each) for each in found], columns, as_json=as_json)
    known, nobodys = operator.refusals.count_not_kept(operator.staff, operator.request_id, bid)
    if known or nobodys:
        note(f"not kept in the last 30 days: {known} further refusals of known keys, {nobodys} of callers that nobody knows")


def _shown(refusal: Refusal) -> dict[str, Any]:
    return {
        "reference": refusal.reference,
        "at": refusal.at,
        "bid": refusal.bid,
        "code": refusal.code,
        "where": refusal.where,
        "request_id": refusal.request_id,
        "key_id": None if refusal.key_id is None else str(refusal.key_id),
        "partner_id": None if refusal.partner_id is None else str(refusal.partner_id),
        "user_id": None if refusal.user_id is None else str(refusal.user_id),
        "session_reference": refusal.session_reference,
    }
