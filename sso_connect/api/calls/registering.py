"""Tying users to accounts, and untying them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from idp.accounts.batch import none_there
from idp.accounts.look_up import LookUp
from idp.accounts.register import AccountWanted, Batch, Item, Register, Registered, Wanted
from idp.accounts.unregister import Unregister, Unregistered
from idp.directory.api_keys import ProofKind
from idp.directory.rights import LoginType
from idp.errors import FieldError, InvalidFields
from idp.receipts import Answer
from sso_connect.api.calls.caller import Call, Caller
from sso_connect.api.misses import Misses
from sso_connect.api.models import registering as models
from sso_connect.api.names import NameUser
from sso_connect.warnings import WarningCode


def register_accounts(register: Register, look_up: LookUp, misses: Misses) -> Call:
    """Register Accounts."""

    def call(caller: Caller, body: models.RegisterAccounts) -> Answer:
        _check_proof(caller, body.account_proof)
        look_up.ask_about(caller.key, caller.biller, [each.account_number for each in body.accounts])
        wanted = Wanted(
            user_name=body.user_name,
            email=body.email_address,
            accounts=_accounts(body.accounts),
            login_type=LoginType(body.login_type_id),
            email_verified=body.email_verified,
            partner_user_id=body.partner_user_id,
            role_code=body.role_code,
            password=body.password,
            atomic=body.atomic,
            unproved=body.account_proof == [],
        )
        done = register.register(caller.actor, caller.request_id, caller.biller, wanted, caller.key, also=caller.keep(_registered))
        misses.items(caller.key, (item.status for item in done.items))
        return _registered(done)

    return call


def link_accounts(name_user: NameUser, register: Register, look_up: LookUp, misses: Misses) -> Call:
    """Link Accounts. Accounts are judged before names: without one of the biller's nothing is told of the user."""

    def call(caller: Caller, body: models.LinkAccounts) -> Answer:
        _check_proof(caller, body.account_proof)
        numbers = [each.account_number for each in body.accounts]
        if not look_up.is_any_there(caller.key, caller.biller, numbers):
            items = none_there(numbers, atomic=body.atomic)
            misses.items(caller.key, (item.status for item in items))
            return _registered(Registered(None, items))
        user_id = name_user.get(caller.key, body).user.id
        batch = Batch(
            _accounts(body.accounts), LoginType(body.login_type_id), body.role_code, body.atomic, body.account_proof == []
        )
        done = register.link(
            caller.actor, caller.request_id, caller.biller, user_id, batch, caller.key, also=caller.keep(_registered)
        )
        misses.items(caller.key, (item.status for item in done.items))
        return _registered(done)

    return call


def unregister_accounts(name_user: NameUser, unregister: Unregister, look_up: LookUp, misses: Misses) -> Call:
    """Unregister Accounts. Accounts are judged before names, as in Link Accounts; a user can leave one that was closed."""

    def call(caller: Caller, body: models.UnregisterAccounts) -> Answer:
        if not look_up.is_any_there(caller.key, caller.biller, body.account_numbers, closed_too=True):
            items = none_there(body.account_numbers, atomic=body.atomic)
            misses.items(caller.key, (item.status for item in items))
            return _unregistered_items(None, items)
        done = unregister.unregister(
            caller.actor,
            caller.request_id,
            caller.biller,
            name_user.get(caller.key, body).user.id,
            body.account_numbers,
            caller.key,
            atomic=body.atomic,
            also=caller.keep(_unregistered),
        )
        misses.items(caller.key, (item.status for item in done.items))
        return _unregistered(done)

    return call


def _check_proof(caller: Caller, stated: Sequence[ProofKind] | None) -> None:
    """A key states only kinds of proof that it may: strict keys are refused by name, compat keys told that it does not count."""
    may_state = caller.key.policies.account_proof
    unproved = [(index, kind) for index, kind in enumerate(stated or ()) if kind not in may_state]
    if unproved and not caller.is_compat:
        refused = "this key may not state it (Ping shows what it may)"
        raise InvalidFields(fields=[FieldError(f"AccountProof.{index}", refused) for index, _ in unproved])
    caller.warn(WarningCode.PROOF_IGNORED, *dict.fromkeys(kind for _, kind in unproved))


def _accounts(sent: Sequence[models.AccountToRegister]) -> tuple[AccountWanted, ...]:
    return tuple(
        AccountWanted(each.account_number, None if each.login_type_id is None else LoginType(each.login_type_id), each.role_code)
        for each in sent
    )


def _registered(done: Registered) -> Answer:
    guid = None if done.user is None else str(done.user.id)
    return Answer(200, {"LoginGUID": guid, "Results": [_item(item) for item in done.items]})


def _item(item: Item) -> dict[str, Any]:
    return {
        "AccountNumber": item.account_number,
        "Status": item.status,
        "LoginTypeID": None if item.login_type is None else item.login_type.value,
        "LoginType": None if item.login_type is None else item.login_type.wire,
        "Pending": item.pending,
        "Note": item.note,
    }


def _unregistered(done: Unregistered) -> Answer:
    return _unregistered_items(str(done.user.id), done.items)


def _unregistered_items(login_guid: str | None, items: Sequence[Item]) -> Answer:
    results = [{"AccountNumber": item.account_number, "Status": item.status} for item in items]
    return Answer(200, {"LoginGUID": login_guid, "Results": results})
