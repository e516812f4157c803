"""`idhub warnings`: which API keys still do what will end, and what was ignored for them."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.arguments import biller_option
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, print_rows
from sso_connect.warnings import Standing


@click.group()
def group() -> None:
    """List API keys that use deprecated behavior.

    Compat keys may do what strict keys may not: unknown fields, old names, redirects by GET. A warning is removed 90 days after it
    was last seen.
    """


@group.command("list")
@biller_option
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True, help="Maximum number of rows.")
@json_option
@pass_operator
def list_(operator: Operator, bid: int, limit: int, as_json: bool) -> None:
    """List warnings by API key, most recent first."""
    found = operator.warnings.list_all(operator.staff, operator.request_id, bid, limit)
    columns = {
        "last_at": "Last seen",
        "key_id": "API key",
        "code": "Warning",
        "subject": "Subject",
        "where": "Operation",
        "times": "Times",
    }
    print_rows([_shown(each) for each in found], columns, as_json=as_json)


def _shown(warning: Standing) -> dict[str, Any]:
    return {
        "first_at": warning.first_at,
        "last_at": warning.last_at,
        "bid": warning.bid,
        "key_id": str(warning.key_id),
        "code": warning.code,
        "subject": warning.subject,
        "where": warning.place,
        "times": warning.times,
        "request_id": warning.request_id,
        "fix": " ".join(check.fix for check in warning.checks),
    }
