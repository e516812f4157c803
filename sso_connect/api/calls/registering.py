"""Tying users to accounts."""

from __future__ import annotations

from typing import Any

from idp.accounts.register import AccountWanted, Item, Register, Wanted
from idp.directory.rights import LoginType
from idp.errors import FieldError, InvalidFields
from sso_connect.api.calls.caller import Call, Caller
from sso_connect.api.models import registering as models


def register_accounts(register: Register) -> Call:
    """Register Accounts."""

    def call(caller: Caller, body: models.RegisterAccounts) -> dict[str, Any]:
        may_state = caller.key.policies.account_proof
        unproved = [
            FieldError(f"AccountProof.{index}", "this key may not state it (Ping shows what it may)")
            for index, kind in enumerate(body.account_proof or ())
            if kind not in may_state
        ]
        if unproved:
            raise InvalidFields(fields=unproved)
        wanted = Wanted(
            user_name=body.user_name,
            email=body.email_address,
            accounts=tuple(AccountWanted(each.account_number, _login_type(each.login_type_id)) for each in body.accounts),
            login_type=LoginType(body.login_type_id),
            email_verified=body.email_verified,
            partner_user_id=body.partner_user_id,
        )
        done = register.register(caller.actor, caller.request_id, caller.biller, wanted, caller.key)
        return {
            "LoginGUID": None if done.user is None else str(done.user.id),
            "Results": [_registered(item) for item in done.items],
        }

    return call


def _registered(item: Item) -> dict[str, Any]:
    return {
        "AccountNumber": item.account_number,
        "Status": item.status,
        "LoginTypeID": None if item.login_type is None else item.login_type.value,
        "LoginType": None if item.login_type is None else item.login_type.wire,
        "Pending": item.pending,
        "Note": item.note,
    }


def _login_type(number: int | None) -> LoginType | None:
    return None if number is None else LoginType(number)
