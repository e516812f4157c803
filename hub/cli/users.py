"""`idhub users`: the payers' logins at a biller."""

from __future__ import annotations

import sys
from typing import Any

import click

from hub.cli.arguments import biller_option, confirmed, limit_option
from hub.cli.context import Operator, pass_operator
from hub.cli.faults import Refusal
from hub.cli.output import json_option, note, print_json, print_record, print_rows
from idp.accounts.batch import DONE
from idp.accounts.register import AccountWanted, Batch, Item, Wanted
from idp.directory.payers import Account, WaitingAccount
from idp.directory.rights import LoginType
from idp.directory.users import user_values

_COLUMNS = {"account_number": "Account", "status": "Status", "login_type": "Login type", "pending": "Pending", "note": "Note"}
_user = click.argument("user")


class _Account(click.ParamType[AccountWanted]):
    """`NUMBER` or `NUMBER:LOGINTYPE` with 1 to 4, or a word of the glossary."""

    name = "number[:logintype]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> AccountWanted:
        """Split at the last colon, where a login type stands behind it."""
        if isinstance(value, AccountWanted):
            return value
        number, colon, word = str(value).rpartition(":")
        if not colon:
            return AccountWanted(str(value))
        for each in LoginType:
            if word.strip().lower() in (str(each.value), each.wire.lower()):
                return AccountWanted(number, each)
        return self.fail(f"{word!r} is not a login type: use 1 Owner, 2 Co-owner, 3 Oversight or 4 Guest", param, ctx)


@click.group()
def group() -> None:
    """Register, update and list payers' logins.

    A user is a payer's login at one biller, with access to accounts. USER is a LoginGUID or a user name.
    """


@group.command()
@biller_option
@_user
@click.option("--email", help="Email address of a new user. Several users may share one.")
@click.option(
    "--account", "accounts", type=_Account(), multiple=True, required=True,
    help="Account to register, with :1 Owner (default), :2 Co-owner, :3 Oversight or :4 Guest. Repeatable.",
)  # fmt: skip
@click.option("--link", is_flag=True, help="Use an existing user; do not create one.")
@click.option(
    "--role-code", "ask_code", is_flag=True, help="Present a role code: you are prompted, or it is read from standard input."
)
@click.option("--first-name", default="", help="First name.")
@click.option("--last-name", default="", help="Last name.")
@click.option("--phone", default="", help="Phone number.")
@click.option("--email-verified", is_flag=True, help="You have verified that the address belongs to the user.")
@json_option
@pass_operator
def register(
    operator: Operator,
    /,
    bid: int,
    user: str,
    email: str | None,
    accounts: tuple[AccountWanted, ...],
    link: bool,
    ask_code: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Register a user on accounts. Creates the user if the name is new. Staff need no proof.

    The result of each account is shown. The exit code is 1 if any account was refused; the others are registered.
    """
    if link and (email is not None or any(given.values())):
        raise click.UsageError("--link uses an existing user: do not give --email or names with it.")
    if not link and email is None:
        raise click.UsageError("--email is required, unless you give --link for an existing user.")
    code = _role_code() if ask_code else None
    if link:
        registered = operator.users.link(operator.staff, operator.request_id, bid, user, Batch(accounts, role_code=code))
    else:
        wanted = Wanted(user_name=user, email=email or "", accounts=accounts, role_code=code, **given)
        registered = operator.users.create(operator.staff, operator.request_id, bid, wanted)
    told = None if registered.user is None else user_values(registered.user)
    _tell(told, registered.items, as_json=as_json)


group.add_command(register, "create")


@group.command()
@biller_option
@_user
@click.option("--account", "accounts", multiple=True, required=True, metavar="NUMBER", help="Account to leave. Repeatable.")
@confirmed("This ends the user's access to these accounts. Continue?")
@json_option
@pass_operator
def unregister(operator: Operator, bid: int, user: str, accounts: tuple[str, ...], as_json: bool) -> None:
    """End a user's registrations on accounts. The last one ends every token and session.

    The result of each account is shown. The exit code is 1 if any account was refused; the others are ended.
    """
    done = operator.users.unregister(operator.staff, operator.request_id, bid, user, accounts)
    _tell(user_values(done.user), done.items, as_json=as_json)


def _role_code() -> str:
    """From a prompt that shows nothing, or from standard input: a command line can be read by others on the machine."""
    if sys.stdin.isatty():
        return str(click.prompt("Role code", hide_input=True))
    return sys.stdin.readline().strip()


def _tell(user: dict[str, Any] | None, items: tuple[Item, ...], *, as_json: bool) -> None:
    rows = [_item(each) for each in items]
    if as_json:
        print_json({"user": user, "accounts": rows})
    else:
        if user is not None:
            print_record(user, as_json=False)
        print_rows(rows, _COLUMNS, as_json=False)
    refused = [each for each in items if each.status not in DONE]
    if refused:
        raise Refusal(*(f"{each.account_number}: {each.status}" for each in refused))


@group.command("list")
@biller_option
@click.option("--after", default="", metavar="USER_NAME", help="Start after this user.")
@limit_option
@json_option
@pass_operator
def list_(operator: Operator, bid: int, after: str, limit: int, as_json: bool) -> None:
    """List users, ordered by name."""
    found = operator.users.list_page(operator.staff, operator.request_id, bid, after, limit)
    columns = {"user_name": "User name", "email": "Email", "login_guid": "LoginGUID", "disabled": "Disabled"}
    print_rows([user_values(each) for each in found], columns, as_json=as_json)
    if len(found) == limit:
        note(f"There may be more: --after {found[-1].user_name}")


@group.command()
@biller_option
@_user
@json_option
@pass_operator
def show(operator: Operator, bid: int, user: str, as_json: bool) -> None:
    """Show a user, the user's accounts, and who owns the password."""
    found = operator.users.get(operator.staff, operator.request_id, bid, user)
    rows = [*(_account(each) for each in found.accounts), *(_waiting(each) for each in found.waiting)]
    password = operator.users.password_state(operator.staff, operator.request_id, bid, user)
    record = user_values(found.user) | {
        "trusted_email": found.user.trusted_email,
        "password_owner": password.owner,
        "password_set_at": password.set_at,
    }
    if as_json:
        print_json(record | {"accounts": rows})
        return
    print_record(record, as_json=False)
    columns = {"account_number": "Account", "name": "Name", "login_type": "Login type", "state": "State", "since": "Since"}
    print_rows(rows, columns, as_json=False)


@group.command()
@biller_option
@_user
@click.option("--user-name", help="New user name.")
@click.option("--email", help="Email address; the old and the new one are told, as by set-email.")
@click.option("--email-verified/--email-unverified", "email_verified", default=None, help="Whether the address is verified.")
@click.option("--first-name", help="First name.")
@click.option("--last-name", help="Last name.")
@click.option("--phone", help="Phone number.")
@click.option("--locale", type=click.Choice(["en", "es", ""]), help="Language of pages and mail. Empty: the biller's.")
@click.option("--disable/--enable", "disabled", default=None, help="Disable the user and end every token and session.")
@json_option
@pass_operator
def change(operator: Operator, /, bid: int, user: str, as_json: bool, **given: Any) -> None:
    """Update a user. Only the options you give change."""
    changes = {name: value for name, value in given.items() if value is not None}
    print_record(user_values(operator.users.change(operator.staff, operator.request_id, bid, user, **changes)), as_json=as_json)


@group.command()
@biller_option
@_user
@click.option("--email", required=True, help="The new address. Questions to the payer go there from now on.")
@click.option("--email-verified", is_flag=True, help="You have checked that the address is the user's.")
@confirmed("The old and the new address are told, and links that wait for an answer become invalid. Continue?")
@json_option
@pass_operator
def set_email(operator: Operator, bid: int, user: str, email: str, *, email_verified: bool, as_json: bool) -> None:
    """Set the e-mail address of a user whose mailbox is dead, or whose address only a partner has set so far."""
    after = operator.users.set_email(operator.staff, operator.request_id, bid, user, email, verified=email_verified)
    print_record(user_values(after), as_json=as_json)


@group.command()
@biller_option
@_user
@confirmed("This signs the user out everywhere and voids every token. Continue?")
@json_option
@pass_operator
def revoke(operator: Operator, bid: int, user: str, as_json: bool) -> None:
    """Sign a user out everywhere and void every token. The user may sign in again."""
    user_id = operator.users.revoke(operator.staff, operator.request_id, bid, user)
    print_record({"login_guid": str(user_id), "revoked": True}, as_json=as_json)


@group.command()
@biller_option
@_user
@confirmed("The partner that owns this password will have to ask the payer before changing it. Continue?")
@json_option
@pass_operator
def give_password_back(operator: Operator, bid: int, user: str, as_json: bool) -> None:
    """Return the ownership of a user's password to the hub. The password does not change."""
    given = operator.users.give_password_back(operator.staff, operator.request_id, bid, user)
    print_record({"login_guid": str(given.id), "password_owner": "hub"}, as_json=as_json)


def _item(item: Item) -> dict[str, Any]:
    return {
        "account_number": item.account_number,
        "status": item.status,
        "customer_guid": None if item.customer_id is None else str(item.customer_id),
        "login_type": None if item.login_type is None else item.login_type.wire,
        "pending": item.pending,
        "note": item.note,
    }


def _account(account: Account) -> dict[str, Any]:
    return {
        "account_number": account.account_number,
        "customer_guid": str(account.customer_id),
        "name": account.customer_name,
        "login_type": account.login_type.wire,
        "pending": account.pending,
        "state": "until_code" if account.pending else "active",
        "since": account.registered_at,
    }


def _waiting(account: WaitingAccount) -> dict[str, Any]:
    """One that the user has no access to."""
    return {
        "account_number": account.account_number,
        "customer_guid": str(account.customer_id),
        "name": "",
        "login_type": LoginType.GUEST.wire,
        "pending": True,
        "state": account.state.value,
        "since": None,
    }
