"""`idhub billers`: the tenants."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import click

from hub.cli.arguments import Assignment, ColumnMapFile, limit_option
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, note, print_record, print_rows
from idp.directory.billers import Biller, Policies, biller_values

_POLICIES = f"A policy, for example role_codes=required. May be given several times. There are: {', '.join(Policies.model_fields)}."
_bid = click.argument("bid", type=click.IntRange(1, 2**31 - 1))
_policy = click.option("--policy", "policies", type=Assignment(), multiple=True, help=_POLICIES)
_columns = click.option(
    "--column-map", type=ColumnMapFile(), help="Column map of its invoice files, YAML or JSON (docs/biller-guide.md)."
)


@click.group()
def group() -> None:
    """Billers: the utilities that are served, each with a host and policies of its own."""


@group.command()
@_bid
@click.option("--slug", required=True, help="A DNS label: the biller lives at {slug}.{portal domain}, under /b/{slug}/.")
@click.option("--dba", required=True, help="The name that payers know.")
@click.option("--guid", type=click.UUID, help="The GUID that its invoice files carry (default: a fresh one).")
@click.option("--host", help="A host of its own instead, with a port where it has one.")
@click.option("--time-zone", default="UTC", show_default=True, help="IANA name, for example America/Detroit.")
@click.option("--locale", default="en", show_default=True, help="Language of its pages: en or es.")
@_policy
@_columns
@json_option
@pass_operator
def create(
    operator: Operator,
    bid: int,
    slug: str,
    dba: str,
    guid: UUID | None,
    host: str | None,
    time_zone: str,
    locale: str,
    policies: tuple[tuple[str, str], ...],
    column_map: dict[str, list[str]] | None,
    as_json: bool,
) -> None:
    """Make the biller with the number BID."""
    made = operator.billers.create(
        operator.staff, operator.request_id, bid=bid, slug=slug, dba=dba, guid=guid, host=host, time_zone=time_zone,
        locale=locale, policies=dict(policies), column_map=column_map,
    )  # fmt: skip
    print_record(shown(made), as_json=as_json)


@group.command("list")
@click.option("--after", type=click.IntRange(0, 2**31 - 1), default=0, help="From the BID after this one.")
@limit_option
@json_option
@pass_operator
def list_(operator: Operator, after: int, limit: int, as_json: bool) -> None:
    """List billers by BID."""
    found = operator.billers.list_page(operator.staff, operator.request_id, after, limit)
    columns = {"bid": "BID", "slug": "Slug", "dba": "Name", "base_url": "Pages", "time_zone": "Time zone", "disabled": "Disabled"}
    print_rows([shown(each) for each in found], columns, as_json=as_json)
    if len(found) == limit:
        note(f"there may be more: --after {found[-1].bid}")


@group.command()
@_bid
@json_option
@pass_operator
def show(operator: Operator, bid: int, as_json: bool) -> None:
    """Show one biller with its policies."""
    print_record(shown(operator.billers.get(operator.staff, operator.request_id, bid)), as_json=as_json)


@group.command()
@_bid
@click.option("--dba", help="The name that payers know.")
@click.option("--host", help="Move its pages to this host. A published issuer stays what it is.")
@click.option("--time-zone", help="IANA name.")
@click.option("--locale", help="en or es.")
@_policy
@_columns
@click.option("--default-columns", is_flag=True, help="Back to the default column order.")
@click.option("--disable/--enable", "disabled", default=None, help="Out of service: no key, token or session of it works.")
@json_option
@pass_operator
def change(
    operator: Operator,
    /,
    bid: int,
    policies: tuple[tuple[str, str], ...],
    column_map: dict[str, list[str]] | None,
    default_columns: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Change what is named, and leave the rest."""
    if column_map is not None and default_columns:
        raise click.UsageError("--column-map or --default-columns, not both")
    changes = {name: value for name, value in given.items() if value is not None}
    if policies:
        changes["policies"] = dict(policies)
    if column_map is not None or default_columns:
        changes["column_map"] = column_map
    changed = operator.billers.change(operator.staff, operator.request_id, bid, **changes)
    print_record(shown(changed), as_json=as_json)


def shown(biller: Biller) -> dict[str, Any]:
    """A biller as `--json` shows it."""
    return biller_values(biller) | {"guid": str(biller.guid), "base_url": biller.base_url, "created_at": biller.created_at}
