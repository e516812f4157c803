"""`idhub alarms`: what a person should look at."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.arguments import biller_option
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, print_rows
from idp.alarms import Alarm


@click.group()
def group() -> None:
    """List events that need a person's attention.

    Examples: guessed role codes, API keys that search for accounts, jobs that were given up. Each alarm is raised at most once an
    hour and kept for 90 days.
    """


@group.command("list")
@biller_option
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Maximum number of rows.")
@json_option
@pass_operator
def list_(operator: Operator, bid: int, limit: int, as_json: bool) -> None:
    """List alarms, newest first."""
    found = operator.alarms.list_recent(operator.staff, operator.request_id, bid, limit)
    columns = {"at": "When", "kind": "Alarm", "subject": "Subject", "detail": "Detail"}
    print_rows([_shown(each) for each in found], columns, as_json=as_json)


def _shown(alarm: Alarm) -> dict[str, Any]:
    return {"at": alarm.at, "bid": alarm.bid, "kind": alarm.kind, "subject": alarm.subject, "detail": alarm.detail}
