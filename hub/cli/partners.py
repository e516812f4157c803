"""`idhub partners`: the software companies whose portals call the hub."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, print_record, print_rows
from hub.cli.partner_setup import legacy_setup, sandbox
from idp.directory.partners import Partner


@click.group()
def group() -> None:
    """Partners: software companies whose portals call the hub. What one may do at a biller is its API key."""


@group.command()
@click.argument("slug")
@click.option("--name", required=True, help="The name that people know.")
@click.option("--url", default="", help="Where payers find its portal.")
@json_option
@pass_operator
def create(operator: Operator, slug: str, name: str, url: str, as_json: bool) -> None:
    """Make the partner SLUG (lower-case letters, digits, dashes)."""
    made = operator.partners.create(operator.staff, operator.request_id, slug=slug, name=name, url=url)
    print_record(_shown(made), as_json=as_json)


@group.command("list")
@json_option
@pass_operator
def list_(operator: Operator, as_json: bool) -> None:
    """List partners by slug."""
    found = operator.partners.list_all(operator.staff, operator.request_id)
    columns = {"slug": "Slug", "name": "Name", "url": "Portal", "disabled": "Disabled"}
    print_rows([_shown(each) for each in found], columns, as_json=as_json)


@group.command()
@click.argument("slug")
@click.option("--name", help="The name that people know.")
@click.option("--url", help="Where payers find its portal; an empty text takes it away.")
@click.option("--disable/--enable", "disabled", default=None, help="Out of service: none of its keys works at any biller.")
@json_option
@pass_operator
def change(operator: Operator, /, slug: str, as_json: bool, **given: Any) -> None:
    """Change what is named, and leave the rest."""
    changes = {name: value for name, value in given.items() if value is not None}
    print_record(_shown(operator.partners.change(operator.staff, operator.request_id, slug, **changes)), as_json=as_json)


group.add_command(legacy_setup)
group.add_command(sandbox)


def _shown(partner: Partner) -> dict[str, Any]:
    return {
        "slug": partner.slug,
        "name": partner.name,
        "url": partner.url,
        "disabled": partner.disabled,
        "id": str(partner.id),
        "created_at": partner.created_at,
    }
