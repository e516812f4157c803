"""`idhub billers`: the tenants."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import click

from hub.cli.arguments import Assignment, ColumnMapFile, limit_option, one_biller
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, note, print_record, print_rows
from idp.directory.billers import Biller, Policies, biller_values

_POLICIES = f"Policy to set, for example role_codes=required. Repeatable. Policies: {', '.join(Policies.model_fields)}."
_policy = click.option("--policy", "policies", type=Assignment(), multiple=True, help=_POLICIES)
_columns = click.option(
    "--column-map", type=ColumnMapFile(), help="Column map of the biller's invoice files, as YAML or JSON (docs/biller-guide.md)."
)


@click.group()
def group() -> None:
    """Create, update and list billers.

    A biller is a utility. It has its own host, policies, accounts and API keys.
    """


@group.command()
@click.argument("bid", type=click.IntRange(1, 2**31 - 1), required=False)
@click.option("--bid", "number", type=click.IntRange(1, 2**31 - 1), help="The same as the argument BID.")
@click.option("--slug", required=True, help="DNS label. Pages are at {slug}.{portal domain}, under /b/{slug}/.")
@click.option("--dba", required=True, metavar="NAME", help="The name that payers know.")
@click.option("--guid", type=click.UUID, help="BillerGuid of the biller's invoice files (default: a new one).")
@click.option("--host", metavar="HOST[:PORT]", help="The biller's own host, instead of a subdomain of the portal domain.")
@click.option("--time-zone", metavar="ZONE", default="UTC", show_default=True, help="IANA time zone, for example America/Detroit.")
@click.option("--locale", default="en", show_default=True, help="Language of the pages: en or es.")
@_policy
@_columns
@json_option
@pass_operator
def create(
    operator: Operator,
    bid: int | None,
    number: int | None,
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
    """Create a biller with the number BID."""
    if (bid is None) == (number is None):
        raise click.UsageError("Give the number of the new biller once.")
    made = operator.billers.create(
        operator.staff, operator.request_id, bid=bid or number or 0, slug=slug, dba=dba, guid=guid, host=host, time_zone=time_zone,
        locale=locale, policies=dict(policies), column_map=column_map,
    )  # fmt: skip
    print_record(shown(made), as_json=as_json)


@group.command("list")
@click.option("--after", type=click.IntRange(0, 2**31 - 1), default=0, metavar="BID", help="Start after this BID.")
@limit_option
@json_option
@pass_operator
def list_(operator: Operator, after: int, limit: int, as_json: bool) -> None:
    """List billers, ordered by BID."""
    found = operator.billers.list_page(operator.staff, operator.request_id, after, limit)
    columns = {"bid": "BID", "slug": "Slug", "dba": "Name", "base_url": "Pages", "time_zone": "Time zone", "disabled": "Disabled"}
    print_rows([shown(each) for each in found], columns, as_json=as_json)
    if len(found) == limit:
        note(f"There may be more: --after {found[-1].bid}")


@group.command()
@one_biller
@json_option
@pass_operator
def show(operator: Operator, bid: int, as_json: bool) -> None:
    """Show a biller and its policies."""
    print_record(shown(operator.billers.get(operator.staff, operator.request_id, bid)), as_json=as_json)


@group.command()
@one_biller
@click.option("--dba", metavar="NAME", help="The name that payers know.")
@click.option("--host", metavar="HOST[:PORT]", help="Move the pages to this host. A published issuer does not change.")
@click.option("--time-zone", metavar="ZONE", help="IANA time zone, for example America/Detroit.")
@click.option("--locale", help="Language of the pages: en or es.")
@_policy
@_columns
@click.option("--default-columns", is_flag=True, help="Go back to the default column order of invoice files.")
@click.option(
    "--disable/--enable", "disabled", default=None, help="Disable the biller: its keys, tokens and sessions stop working."
)
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
    """Update a biller. Only the options you give change."""
    if column_map is not None and default_columns:
        raise click.UsageError("Give --column-map or --default-columns, not both.")
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
