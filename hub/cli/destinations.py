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
    """Show and update what each RedirectID opens.

    A destination is a page of the customer portal. Partners name it by its RedirectID, 1 to 11.
    """


@group.command("list")
@biller_option
@json_option
@pass_operator
def list_(operator: Operator, bid: int, as_json: bool) -> None:
    """List the eleven destinations of a biller."""
    table = operator.destinations.table(operator.staff, operator.request_id, bid)
    columns = {"redirect_id": "RedirectID", "page": "Page", "title": "Own title", "off": "Off"}
    print_rows([_shown(each) for each in table.values()], columns, as_json=as_json)


@group.command()
@biller_option
@click.option("--redirect-id", type=click.IntRange(1, 11), required=True, metavar="N", help="RedirectID, 1 to 11.")
@click.option("--off/--on", "off", default=None, help="Turn the destination off or on. Payers are told when it is off.")
@click.option("--title", help="Title of the page, up to 60 characters. An empty text restores the default.")
@json_option
@pass_operator
def change(operator: Operator, bid: int, redirect_id: int, off: bool | None, title: str | None, as_json: bool) -> None:
    """Update a destination. Only the options you give change."""
    changed = operator.destinations.change(operator.staff, operator.request_id, bid, redirect_id, off=off, title=title)
    print_record(_shown(changed), as_json=as_json)


def _shown(setting: DestinationSetting) -> dict[str, Any]:
    return {
        "redirect_id": setting.redirect_id,
        "page": DESTINATIONS[setting.redirect_id].slug,
        "title": setting.title,
        "off": setting.off,
    }
