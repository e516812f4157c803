"""`idhub themes`: stylesheets that partners ask for, and which of them payers see."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.arguments import biller_option
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, print_record, print_rows
from sso_connect.themes import Theme

_url = click.argument("css_url", metavar="CSSURL")


@click.group()
def group() -> None:
    """Approve and refuse partners' stylesheets.

    A partner asks for a theme by the address of a stylesheet (CSSUrl). Payers see it once it is approved. Only its colors, font,
    corner radius and spacing are used.
    """


@group.command("list")
@biller_option
@json_option
@pass_operator
def list_(operator: Operator, bid: int, as_json: bool) -> None:
    """List all themes with their state."""
    rows = [_shown(theme) for theme in operator.themes.list_all(operator.staff, operator.request_id, bid)]
    columns = {"css_url": "CSSUrl", "state": "State", "checked_at": "Checked", "fault": "Problem"}
    print_rows(rows, columns, as_json=as_json)


@group.command()
@_url
@biller_option
@json_option
@pass_operator
def request(operator: Operator, css_url: str, bid: int, as_json: bool) -> None:
    """Request a theme on behalf of a partner."""
    print_record(_shown(operator.themes.request(operator.staff, operator.request_id, bid, css_url)), as_json=as_json)


@group.command()
@_url
@biller_option
@json_option
@pass_operator
def approve(operator: Operator, css_url: str, bid: int, as_json: bool) -> None:
    """Fetch a stylesheet now and show it to payers. Fails if it cannot be read."""
    print_record(_shown(operator.themes.approve(operator.staff, operator.request_id, bid, css_url)), as_json=as_json)


@group.command()
@_url
@biller_option
@json_option
@pass_operator
def refuse(operator: Operator, css_url: str, bid: int, as_json: bool) -> None:
    """Refuse a theme, or stop showing it."""
    print_record(_shown(operator.themes.refuse(operator.staff, operator.request_id, bid, css_url)), as_json=as_json)


def _shown(theme: Theme) -> dict[str, Any]:
    return {
        "css_url": theme.css_url,
        "state": theme.state,
        "approved_at": theme.approved_at,
        "checked_at": theme.checked_at,
        "fault": theme.fault,
        "properties": None if theme.properties is None else theme.properties.as_dict(),
    }
