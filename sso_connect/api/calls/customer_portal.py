"""GUIDs, asked for."""

from __future__ import annotations

from typing import Any

from idp.accounts.look_up import LookUp, Person
from idp.directory.payers import PayerRecord
from idp.directory.rights import LoginType
from idp.errors import FieldError, InvalidFields
from sso_connect.api.calls.caller import Call, Caller
from sso_connect.api.models import customer_portal as models
from sso_connect.api.names import AskUser, NameUser


def retrieve_login_guid(ask_user: AskUser, look_up: LookUp) -> Call:
    """Retrieve LoginGUID."""

    def call(caller: Caller, body: models.RetrieveLoginGUID) -> dict[str, Any]:
        by_account = (body.customer_guid, body.account_number)
        if sum((NameUser.is_named(body), *(each is not None for each in by_account))) != 1:
            raise InvalidFields(fields=[FieldError("LoginGUID", "send a name of a user, a CustomerGUID or an AccountNumber")])
        if by_account == (None, None):
            return _of_user(ask_user.get(caller.key, body))
        people = look_up.people_of(caller.key, caller.biller, customer_id=body.customer_guid, number=body.account_number)
        owner = next((person for person in people if person.login_type is LoginType.OWNER), None)
        return {
            "LoginGUID": None if owner is None else str(owner.user_id),
            "Users": [_person(person) for person in people],
        }

    return call


def retrieve_customer_guid(ask_user: AskUser, look_up: LookUp) -> Call:
    """Retrieve CustomerGUID."""

    def call(caller: Caller, body: models.RetrieveCustomerGUID) -> dict[str, Any]:
        number = body.account_number
        if NameUser.is_named(body) == (number is not None):
            raise InvalidFields(fields=[FieldError("AccountNumber", "send an AccountNumber or a name of a user")])
        if number is None:
            return _accounts_of(ask_user.get(caller.key, body))
        customer = look_up.account_numbered(caller.key, caller.biller, number)
        only = {
            "CustomerGUID": str(customer.id),
            "AccountNumber": customer.account_number,
            "DisplayAccountNumber": customer.display_number,
            "IsDefault": True,
        }
        return {"CustomerGUID": only["CustomerGUID"], "Customers": [only]}

    return call


def _of_user(payer: PayerRecord) -> dict[str, Any]:
    user = payer.user
    only = {
        "LoginGUID": str(user.id),
        "UserName": user.user_name,
        "EmailAddress": user.email,
        "LoginTypeID": None,
        "LoginType": None,
        "Pending": False,
    }
    return {"LoginGUID": only["LoginGUID"], "Users": [only]}


def _person(person: Person) -> dict[str, Any]:
    return {
        "LoginGUID": str(person.user_id),
        "UserName": person.user_name,
        "EmailAddress": person.email,
        "LoginTypeID": person.login_type.value,
        "LoginType": person.login_type.wire,
        "Pending": person.pending,
    }


def _accounts_of(payer: PayerRecord) -> dict[str, Any]:
    default = payer.default_account
    return {
        "CustomerGUID": None if default is None else str(default.customer_id),
        "Customers": [
            {
                "CustomerGUID": str(account.customer_id),
                "AccountNumber": account.account_number,
                "DisplayAccountNumber": account.display_number,
                "IsDefault": account is default,
            }
            for account in payer.accounts
        ],
    }
