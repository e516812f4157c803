"""Passwords and addresses, set."""

from __future__ import annotations

from idp.accounts.update_email import AddressUpdate, NewAddress, UpdateEmail
from idp.accounts.update_password import NewPassword, Updated, UpdatePassword
from idp.directory.payers import UserNames
from idp.errors import FieldError, InvalidFields
from idp.receipts import Answer
from sso_connect.api.calls.caller import Call, Caller
from sso_connect.api.models import credentials as models
from sso_connect.api.names import NameUser

_PENDING = Answer(202, {"Status": "PendingConfirmation"})


def update_password(name_user: NameUser, verb: UpdatePassword) -> Call:
    """Update Password."""

    def answer(done: Updated) -> Answer:
        return Answer(204, None) if done == "set" else _PENDING

    def call(caller: Caller, body: models.UpdatePassword) -> Answer:
        names = name_user.settle(caller.key, body)
        wanted = NewPassword(names, body.new_password, body.current_password)
        return answer(verb.update(caller.actor, caller.request_id, caller.biller, caller.key, wanted, caller.keep(answer)))

    return call


def update_email_address(name_user: NameUser, verb: UpdateEmail) -> Call:
    """Update E-mail Address. A name goes before AccountNumber, and that before ExpectedEmailAddress."""

    def answer(done: AddressUpdate) -> Answer:
        if done.status == "PendingConfirmation":
            return _PENDING
        return Answer(200, {"Status": done.status, "LoginGUID": None if done.user_id is None else str(done.user_id)})

    def call(caller: Caller, body: models.UpdateEmailAddress) -> Answer:
        wanted = NewAddress(body.email_address, body.email_verified, body.expected_email_address, body.current_password)
        who = caller.actor, caller.request_id, caller.biller, caller.key
        also = caller.keep(answer)
        names = UserNames(body.login_guid, body.partner_user_id, body.user_name)
        named = names.given() or body.remote_authentication_token is not None
        if not named and body.account_number is not None:
            return answer(verb.of_account(*who, body.account_number, wanted, also))
        if not named:
            if body.expected_email_address is None:
                raise InvalidFields(fields=[FieldError("LoginGUID", "name a user, an AccountNumber or the ExpectedEmailAddress")])
            names = UserNames(email=body.expected_email_address)
        settled = name_user.settle_names(caller.key, names, body.remote_authentication_token)
        return answer(verb.of_user(*who, settled, wanted, also, account_number=body.account_number))

    return call
