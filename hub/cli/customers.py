"""`idhub customers`: the utility accounts of a biller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click

from hub.cli.arguments import Assignment, biller_option, limit_option
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, note, print_record, print_rows
from idp.directory.customers import Commodity, Meter, customer_values
from idp.errors.wording import did_you_mean
from sso_connect.imports.bif_columns import MAX_CUSTOM

F = TypeVar("F", bound=Callable[..., Any])

_TEXTS = {
    "--display-number": "Account number as printed on bills.",
    "--name": "Name on the account.",
    "--address1": "Address, line 1.",
    "--address2": "Address, line 2.",
    "--city": "City.",
    "--state": "State.",
    "--zip": "ZIP code.",
    "--phone": "Phone number.",
    "--email": "Email address.",
    "--service-location-id": "ID of the service location.",
}
_FLAGS = {
    "--prepaid/--not-prepaid": "Whether the account is prepaid.",
    "--protected/--not-protected": "Whether personal data is masked for staff and representatives.",
    "--block-cc/--allow-cc": "Block or allow payment by card.",
    "--block-ach/--allow-ach": "Block or allow payment by bank account.",
}
_account = click.argument("account_number")


class _Custom(click.ParamType[tuple[int, str]]):
    """`NUMBER=TEXT`."""

    name = "number=text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, str]:
        """Split and check the number."""
        number, text = Assignment().convert(value, param, ctx)
        if not number.isdecimal() or not 1 <= int(number) <= MAX_CUSTOM:
            self.fail(f"custom fields are numbered 1 to {MAX_CUSTOM}", param, ctx)
        return int(number), text


class _Meter(click.ParamType[Meter]):
    """`ID:COMMODITY` or `ID:COMMODITY:SERVICE LOCATION`."""

    name = "id:commodity"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Meter:
        """Read one meter."""
        if isinstance(value, Meter):
            return value
        meter_id, _, rest = str(value).partition(":")
        commodity, _, location = rest.partition(":")
        if not meter_id.strip() or commodity.strip() not in get_args(Commodity):
            near = did_you_mean(commodity.strip(), get_args(Commodity))
            self.fail(f"ID:COMMODITY is expected; the commodity is one of {', '.join(get_args(Commodity))}.{near}", param, ctx)
        return Meter(meter_id.strip(), commodity.strip(), location.strip())  # type: ignore[arg-type]


def _values(command: F) -> F:
    """Everything that may be set of an account."""
    options = [click.option(name, help=text) for name, text in _TEXTS.items()]
    options += [click.option(name, default=None, help=text) for name, text in _FLAGS.items()]
    options += [
        click.option(
            "--custom", "customs", type=_Custom(), multiple=True, help="Custom field. Repeatable; replaces the current list."
        ),
        click.option("--meter", "meters", type=_Meter(), multiple=True, help="Meter. Repeatable; replaces the current list."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def group() -> None:
    """Create, update and list utility accounts.

    An account number is unique within its biller.
    """


@group.command()
@biller_option
@_account
@_values
@json_option
@pass_operator
def create(operator: Operator, /, bid: int, account_number: str, as_json: bool, **given: Any) -> None:
    """Create the account ACCOUNT_NUMBER."""
    made = operator.customers.create(operator.staff, operator.request_id, bid, account_number, **_named(given))
    print_record(customer_values(made), as_json=as_json)


@group.command("list")
@biller_option
@click.option("--after", default="", metavar="ACCOUNT_NUMBER", help="Start after this account.")
@limit_option
@json_option
@pass_operator
def list_(operator: Operator, bid: int, after: str, limit: int, as_json: bool) -> None:
    """List accounts, ordered by number."""
    found = operator.customers.list_page(operator.staff, operator.request_id, bid, after, limit)
    columns = {"account_number": "Account", "name": "Name", "email": "Email", "prepaid": "Prepaid", "closed_at": "Closed"}
    print_rows([customer_values(each) for each in found], columns, as_json=as_json)
    if len(found) == limit:
        note(f"There may be more: --after {found[-1].account_number}")


@group.command()
@biller_option
@_account
@json_option
@pass_operator
def show(operator: Operator, bid: int, account_number: str, as_json: bool) -> None:
    """Show an account."""
    found = operator.customers.get(operator.staff, operator.request_id, bid, account_number)
    print_record(customer_values(found), as_json=as_json)


@group.command()
@biller_option
@_account
@_values
@json_option
@pass_operator
def change(operator: Operator, /, bid: int, account_number: str, as_json: bool, **given: Any) -> None:
    """Update an account. Only the options you give change; an empty text removes a value."""
    changed = operator.customers.change(operator.staff, operator.request_id, bid, account_number, **_named(given))
    print_record(customer_values(changed), as_json=as_json)


def _named(given: dict[str, Any]) -> dict[str, Any]:
    """What was named on the command line."""
    values = {name: value for name, value in given.items() if value not in (None, ())}
    if "customs" in values:
        values["customs"] = dict(values["customs"])
    return values
