"""`idhub destinations`: the RedirectID table of a biller."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.arguments import biller_option
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, print_record, print_rows
from sso_connect.redirects import DESTINATIONS, DestinationSetting


@click.group()
def group() -> None:
    """Destinations: which page of the portal a RedirectID opens, and whether the biller shows it."""


@group.command("list")
@biller_option
@json_option
@pass_operator
def list_(operator: Operator, bid: int, as_json: bool) -> None:
    """List all eleven as the biller has them."""
    table = operator.destinations.table(operator.staff, operator.request_id, bid)
    columns = {"redirect_id": "RedirectID", "page": "Page", "title": "Own title", "off": "Off"}
    print_rows([_shown(each) for each in table.values()], columns, as_json=as_json)


@group.command()
@biller_option
@click.option("--redirect-id", type=click.IntRange(1, 11), required=True, help="Which one.")
@click.option("--off/--on", "off", default=None, help="Switch it off or on. A redirect to one that is off says so to the payer.")
@click.option("--title", help="The biller's own title, at most 60 characters; an empty text gives ours back.")
@json_option
@pass_operator
def change(operator: Operator, bid: int, redirect_id: int, off: bool | None, title: str | None, as_json: bool) -> None:
    """Change what is named, and leave the rest."""
    changed = operator.destinations.change(operator.staff, operator.request_id, bid, redirect_id, off=off, title=title)
    print_record(_shown(changed), as_json=as_json)


def _shown(setting: DestinationSetting) -> dict[str, Any]:
    return {
        "redirect_id": setting.redirect_id,
        "page": DESTINATIONS[setting.redirect_id].slug,
        "title": setting.title,
        "off": setting.off,
    }
