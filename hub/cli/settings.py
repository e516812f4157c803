"""`idhub settings`: the numbered advanced settings of a biller."""

from __future__ import annotations

import sys

import click

from hub.cli.arguments import biller_option
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, note, print_rows
from idp.directory.advanced_settings import CATALOGUE


@click.group()
def group() -> None:
    """Show and set a biller's advanced settings.

    Advanced settings are numbered. The integrations with the biller's CIS use them.
    """


@group.command()
@biller_option
@json_option
@pass_operator
def show(operator: Operator, bid: int, as_json: bool) -> None:
    """Show all settings. Secrets are shown as (set)."""
    values = operator.billers.show_settings(operator.staff, operator.request_id, bid)
    rows = [
        {"number": number, "name": CATALOGUE[number].name if number in CATALOGUE else "", "value": value}
        for number, value in values.items()
    ]
    print_rows(rows, {"number": "Number", "name": "Name", "value": "Value"}, as_json=as_json)


@group.command("set")
@biller_option
@click.argument("number", type=int)
@click.argument("value")
@pass_operator
def set_(operator: Operator, bid: int, number: int, value: str) -> None:
    """Set setting NUMBER to VALUE. An empty VALUE restores the default.

    For a secret, give - as VALUE and send the secret on standard input. Other users of this machine can read command lines.
    """
    secret = number in CATALOGUE and CATALOGUE[number].kind == "secret"
    if value == "-":
        value = sys.stdin.readline().rstrip("\r\n")
    elif secret and value:
        raise click.UsageError(f"Setting {number} is a secret: give - as VALUE and send the secret on standard input.")
    operator.billers.put_setting(operator.staff, operator.request_id, bid, number, value)
    note(f"Setting {number} of biller {bid} is " + ("set." if value else "back to its default."))
