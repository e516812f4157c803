"""`idhub carriers`: how the browsers of framed sessions bring their session back."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.arguments import biller_option
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, print_rows
from sso_connect.carrier_counts import CarrierCount


@click.command()
@biller_option
@click.option(
    "--days", type=click.IntRange(1, 400), default=30, show_default=True, metavar="DAYS", help="Count this many past days."
)
@json_option
@pass_operator
def carriers(operator: Operator, bid: int, days: int, as_json: bool) -> None:
    """Count framed sessions by browser and carrier.

    The carrier is how the browser returns the session: a cookie, or a frame token if the browser blocks cookies in frames.
    """
    found = operator.carriers.list_recent(operator.staff, operator.request_id, bid, days)
    columns = {"key_id": "Key", "browser": "Browser", "carrier": "Carrier", "times": "Sessions"}
    print_rows([_shown(each) for each in found], columns, as_json=as_json)


def _shown(count: CarrierCount) -> dict[str, Any]:
    return {"key_id": str(count.key_id), "browser": count.browser, "carrier": count.carrier, "times": count.times}
