"""`idhub registrations`: who waits for approval, and what was objected to."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import click

from hub.cli.arguments import biller_option, confirmed, limit_option
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, note, print_record, print_rows
from idp.accounts.approvals import Undecided
from idp.directory.registrations import Grant
from idp.directory.rights import LoginType

_LOGIN_TYPES = {str(each.value): each for each in LoginType} | {each.wire.lower(): each for each in LoginType}
_COLUMNS = {
    "user_name": "User name", "account_number": "Account", "state": "State", "since": "Since", "until": "Until", "id": "Id",
}  # fmt: skip


_user = click.argument("user")
_account = click.option("--account", "number", required=True, metavar="NUMBER", help="Account number.")


@click.group()
def group() -> None:
    """Registrations that need a decision. USER is a LoginGUID or a user name.

    waiting: registered without proof on an account that has users. Approve or decline; expires after 30 days.
    objected: registered without proof, and the contact on record objected. Restore or end.
    """


@group.command("list")
@biller_option
@click.option("--after", type=click.UUID, metavar="ID", help="Continue after this registration.")
@limit_option
@json_option
@pass_operator
def list_(operator: Operator, bid: int, after: UUID | None, limit: int, as_json: bool) -> None:
    """List the registrations that need a decision."""
    found = operator.registrations.list_page(operator.staff, operator.request_id, bid, after, limit)
    print_rows([_row(each) for each in found], _COLUMNS, as_json=as_json)
    if len(found) == limit:
        note(f"there may be more: --after {found[-1].registration.id}")


@group.command()
@biller_option
@_user
@_account
@click.option(
    "--login-type", type=click.Choice(sorted(_LOGIN_TYPES), case_sensitive=False), default="guest", show_default=True,
    help="Access to give: 1 Owner (Co-owner if the account has other users), 2 Co-owner, 3 Oversight, 4 Guest.",
)  # fmt: skip
@json_option
@pass_operator
def approve(operator: Operator, bid: int, user: str, number: str, login_type: str, as_json: bool) -> None:
    """Give USER access to an account. USER is told by email."""
    wanted = _LOGIN_TYPES[login_type.lower()]
    given = operator.registrations.approve(operator.staff, operator.request_id, bid, user, number, wanted)
    _tell(user, number, "approved", given, as_json=as_json)


@group.command()
@biller_option
@_user
@_account
@json_option
@pass_operator
def decline(operator: Operator, bid: int, user: str, number: str, as_json: bool) -> None:
    """Decline USER's request for an account. USER is told by email."""
    operator.registrations.decline(operator.staff, operator.request_id, bid, user, number)
    _tell(user, number, "declined", None, as_json=as_json)


@group.command()
@biller_option
@_user
@_account
@json_option
@pass_operator
def restore(operator: Operator, bid: int, user: str, number: str, as_json: bool) -> None:
    """Dismiss the objection: USER gets the same access again and is told by email."""
    given = operator.registrations.restore(operator.staff, operator.request_id, bid, user, number)
    _tell(user, number, "restored", given, as_json=as_json)


@group.command()
@biller_option
@_user
@_account
@confirmed("This ends the user's registration on the account. Continue?")
@json_option
@pass_operator
def end(operator: Operator, bid: int, user: str, number: str, as_json: bool) -> None:
    """Uphold the objection: end USER's registration. USER is told by email."""
    operator.registrations.end(operator.staff, operator.request_id, bid, user, number)
    _tell(user, number, "ended", None, as_json=as_json)


def _tell(user: str, number: str, done: str, given: Grant | None, *, as_json: bool) -> None:
    record = {"user": user, "account_number": number, "done": done}
    if given is not None:
        record |= {"login_type": given.login_type.wire, "note": given.note}
    print_record(record, as_json=as_json)


def _row(each: Undecided) -> dict[str, Any]:
    tie = each.registration
    return {
        "id": str(tie.id),
        "user_name": each.user.user_name,
        "login_guid": str(each.user.id),
        "account_number": each.customer.account_number,
        "customer_guid": str(each.customer.id),
        "state": tie.state.value,
        "since": tie.registered_at,
        "until": tie.waits_until,
        "held_login_type": None if tie.held_login_type is None else tie.held_login_type.wire,
    }
