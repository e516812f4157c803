"""What each operation does once its key is admitted and its body read: a function per operation, given what it needs.

    ping  create_customer  retrieve_users  register_accounts  retrieve_user_accounts  revoke

Each makes a `Call`: (caller, body) -> the answer as wire names, or None for 204. Remote Authentication has a file of its own
(`authenticate`), because it admits its key in the same step that mints the token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from idp import actor as actors
from idp.accounts.look_up import AccountSeen, LookUp, Person
from idp.accounts.members import Members
from idp.accounts.register import AccountWanted, Item, Register, Wanted
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.customers import Customers
from idp.directory.payers import Account, PayerRecord, UserNames
from idp.directory.rights import LoginType
from idp.directory.users import Users
from idp.errors import AmbiguousUser, CustomerNotFound, FieldError, InvalidFields, UserNotFound
from sso_connect.api import models
from sso_connect.api.customer_models import CustomerFields
from sso_connect.api.names import NameUser
from sso_connect.tokens import Tokens

CONNECT_PATH = "/sso/connect"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: an admitted key, and its biller."""

    key: ApiKey
    biller: Biller
    request_id: str

    @property
    def actor(self) -> actors.Partner:
        """For the change log."""
        return actors.Partner(self.key.id, self.key.partner.id)


Call = Callable[[Caller, Any], dict[str, Any] | None]


def ping(caller: Caller, _body: None) -> dict[str, Any]:
    """What the key is and may do: never a secret, nothing of other keys."""
    key, biller, policies = caller.key, caller.biller, caller.key.policies
    return {
        "Biller": {
            "BID": biller.bid,
            "BillerGUID": str(biller.guid),
            "Name": biller.dba,
            "Slug": biller.slug,
            "TimeZone": biller.time_zone,
        },
        "Partner": key.partner.name,
        "Policies": {
            "Authenticate": policies.authenticate,
            "Token": policies.token,
            "Users": policies.users,
            "AccountProof": list(policies.account_proof),
            "CsrUser": policies.csr_user,
            "RatePerSecond": policies.rate_per_second,
            "Burst": policies.burst,
        },
        "Strictness": policies.strictness,
        "Scopes": sorted(scope.value for scope in policies.scopes),
        "FrameOrigins": list(key.frame_origins),
        "ReturnUrls": [place.text() for place in key.return_places],
        "RedirectIDs": sorted(policies.redirect_ids),
        "ConnectUrl": f"{biller.base_url}{CONNECT_PATH}",
    }


def create_customer(customers: Customers) -> Call:
    """Create Customer Record."""

    def call(caller: Caller, body: CustomerFields) -> dict[str, Any]:
        made = customers.create(caller.actor, caller.request_id, caller.biller, body.account_number, **body.values())
        return {"CustomerGUID": str(made.id)}

    return call


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


def retrieve_user_accounts(name_user: NameUser, customers: Customers, members: Members) -> Call:
    """Retrieve User Accounts."""

    def call(caller: Caller, body: models.RetrieveUserAccounts) -> dict[str, Any]:
        customer_guid = body.customer_guid
        if customer_guid is None or name_user.is_named(body):
            payer = name_user.get(caller.key, body)
            accounts = payer.accounts
            if customer_guid is not None:
                one = payer.account(customer_guid)
                if one is None:
                    raise CustomerNotFound("not an account of the user")
                accounts = (one,)
        else:
            customer = customers.get(caller.key.bid, customer_guid)
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


def revoke(name_user: NameUser, tokens: Tokens, users: Users) -> Call:
    """Revoke: by token, which never tells whether there was one, or by a name of a user."""

    def call(caller: Caller, body: models.Revoke) -> None:
        token = body.remote_authentication_token
        if token is None:
            payer = name_user.get(caller.key, body)
            users.revoke(caller.actor, caller.request_id, caller.key.bid, payer.user.id)
            return
        if name_user.is_named_otherwise(body):
            raise InvalidFields(fields=[FieldError("RemoteAuthenticationToken", "send either a token or a name of a user")])
        tokens.revoke(caller.key, token, caller.request_id)

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
    registered = bool(account.people)
    return {
        "AccountNumber": account.account_number,
        "Status": "NotFound" if not account.exists else "Registered" if registered else "NotRegistered",
        "Exists": account.exists,
        "IsRegistered": registered,
        "IsRegisteredToUser": account.has_named,
        "Users": [_person(person) for person in account.people],
    }


def _person(person: Person) -> dict[str, Any]:
    return {
        "LoginGUID": str(person.user_id),
        "UserName": person.user_name,
        "EmailAddress": person.email,
        "LoginTypeID": person.login_type.value,
        "LoginType": person.login_type.wire,
        "Pending": person.pending,
    }


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
