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
    """Advanced settings of a biller, by number; its CIS integrations use them."""


@group.command()
@biller_option
@json_option
@pass_operator
def show(operator: Operator, bid: int, as_json: bool) -> None:
    """Show all settings. A secret shows as (set)."""
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
    """Set setting NUMBER to VALUE; an empty VALUE puts it back to its default.

    A password must not stand on a command line, which others on the machine can read: give `-` and send it on standard input.
    """
    secret = number in CATALOGUE and CATALOGUE[number].kind == "secret"
    if value == "-":
        value = sys.stdin.readline().rstrip("\r\n")
    elif secret and value:
        raise click.UsageError(f"setting {number} is a secret: give - and send it on standard input")
    operator.billers.put_setting(operator.staff, operator.request_id, bid, number, value)
    note(f"setting {number} of biller {bid} is " + ("set" if value else "back to its default"))
