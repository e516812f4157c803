"""Users and accounts, asked for."""

from __future__ import annotations

from typing import Any

from idp.accounts.look_up import AccountSeen, LookUp, Person
from idp.accounts.members import Members
from idp.directory.payers import Account, PayerRecord, UserNames
from idp.directory.rights import LoginType
from idp.errors import AmbiguousUser, CustomerNotFound, FieldError, InvalidFields, UserNotFound
from sso_connect.api.calls.caller import Call, Caller
from sso_connect.api.models import users as models
from sso_connect.api.names import AskUser, NameUser


def retrieve_users(look_up: LookUp) -> Call:
    """Retrieve Users. With account numbers an item for each; without, every account of the users that the name fits."""

    def call(caller: Caller, body: models.RetrieveUsers) -> dict[str, Any]:
        names = UserNames(user_name=body.user_name, email=body.email_address)
        if body.account_numbers is not None:
            seen = look_up.by_number(caller.key, caller.biller, body.account_numbers, names)
        elif names.given():
            seen = look_up.by_user(caller.key, caller.biller, names)
        else:
            raise InvalidFields(fields=[FieldError("AccountNumbers", "send AccountNumbers, EmailAddress or UserName")])
        return {"Results": [_seen(account) for account in seen]}

    return call


def retrieve_user_accounts(name_user: NameUser, ask_user: AskUser, look_up: LookUp, members: Members) -> Call:
    """Retrieve User Accounts."""

    def call(caller: Caller, body: models.RetrieveUserAccounts) -> dict[str, Any]:
        customer_guid = body.customer_guid
        if customer_guid is None or name_user.is_named(body):
            payer = ask_user.get(caller.key, body)
            accounts = payer.accounts
            if customer_guid is not None:
                one = payer.account(customer_guid)
                if one is None:
                    raise CustomerNotFound("not an account of the user")
                accounts = (one,)
        else:
            customer = look_up.account_with_id(caller.key, caller.biller, customer_guid)
            people = members.list_of(caller.key.bid, customer.id)
            # By login type: the Owner stands first, if there is one.
            if len(people) > 1 and people[0].registration.login_type is not LoginType.OWNER:
                raise AmbiguousUser(f"{len(people)} users and no Owner")
            if not people:
                raise UserNotFound("nobody is registered on the account")
            payer = name_user.get_by_id(caller.key, people[0].user.id)
            accounts = payer.accounts
        return {"LoginGUID": str(payer.user.id), "Accounts": accounts_of(payer, accounts)}

    return call


def accounts_of(payer: PayerRecord, accounts: tuple[Account, ...] | None = None) -> list[dict[str, Any]]:
    """The accounts of a payer, or some of them, as they travel."""
    default = payer.default_account
    return [
        {
            "CustomerGUID": str(account.customer_id),
            "AccountNumber": account.account_number,
            "DisplayAccountNumber": account.display_number,
            "LoginTypeID": account.login_type.value,
            "LoginType": account.login_type.wire,
            "IsDefault": account is default,
            "Pending": account.pending,
        }
        for account in (payer.accounts if accounts is None else accounts)
    ]


def _seen(account: AccountSeen) -> dict[str, Any]:
    registered = account.is_registered
    return {
        "AccountNumber": account.account_number,
        "Status": _status(account),
        "Exists": account.exists,
        "IsRegistered": registered,
        "IsRegisteredToUser": account.has_named,
        "Users": [_person(person) for person in account.people],
    }


def _status(account: AccountSeen) -> str:
    if account.waits:
        return "Throttled"
    if not account.exists:
        return "NotFound"
    return "Registered" if account.is_registered else "NotRegistered"


def _person(person: Person) -> dict[str, Any]:
    return {
        "LoginGUID": str(person.user_id),
        "UserName": person.user_name,
        "EmailAddress": person.email,
        "LoginTypeID": person.login_type.value,
        "LoginType": person.login_type.wire,
        "Pending": person.pending,
    }
