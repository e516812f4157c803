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
    """Create, update and list partners.

    A partner is a software company whose portal calls the hub. Its API keys say what it may do at a biller.
    """


@group.command()
@click.argument("slug")
@click.option("--name", required=True, help="Name that people know.")
@click.option("--url", default="", help="Address of the partner's portal.")
@json_option
@pass_operator
def create(operator: Operator, slug: str, name: str, url: str, as_json: bool) -> None:
    """Create a partner. SLUG is made of lower-case letters, digits and dashes."""
    made = operator.partners.create(operator.staff, operator.request_id, slug=slug, name=name, url=url)
    print_record(_shown(made), as_json=as_json)


@group.command("list")
@json_option
@pass_operator
def list_(operator: Operator, as_json: bool) -> None:
    """List partners, ordered by slug."""
    found = operator.partners.list_all(operator.staff, operator.request_id)
    columns = {"slug": "Slug", "name": "Name", "url": "Portal", "disabled": "Disabled"}
    print_rows([_shown(each) for each in found], columns, as_json=as_json)


@group.command()
@click.argument("slug")
@click.option("--name", help="Name that people know.")
@click.option("--url", help="Address of the partner's portal. An empty text removes it.")
@click.option("--disable/--enable", "disabled", default=None, help="Disable the partner: its keys stop working at every biller.")
@json_option
@pass_operator
def change(operator: Operator, /, slug: str, as_json: bool, **given: Any) -> None:
    """Update a partner. Only the options you give change."""
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
