"""The only table of who may do what on an account. Pages, API, links and CSR sessions ask it; nobody else decides.

| action                              | Owner | Co-owner | Oversight | Guest |
| see bills and history, pay          | yes   | yes      | yes       | yes   |
| own methods, own default method     | yes   | yes      | yes       | yes   |
| own autopay, paperless, pay by text | yes   | yes      | yes       | yes   |
| link or leave accounts of one's own | yes   | yes      | yes       | yes   |
| see, invite, change, remove users   | yes   | yes      | no        | no    |

Owner and Co-owner have the same rights; payers read "Full access" for both. Only the seat differs: see `registrations`.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from idp.actor import Actor, Payer, Rep


class LoginType(IntEnum):
    """What a user may do on a customer; the number is the wire's LoginTypeID."""

    OWNER = 1
    CO_OWNER = 2
    OVERSIGHT = 3
    GUEST = 4

    @property
    def wire(self) -> str:
        """The wire's LoginType."""
        return {1: "Owner", 2: "Co-owner", 3: "Oversight", 4: "Guest"}[self.value]


FULL_ACCESS = frozenset({LoginType.OWNER, LoginType.CO_OWNER})
_EVERYBODY = frozenset(LoginType)


class AccountAction(StrEnum):
    """What can be done on an account."""

    SEE_BILLS = "see_bills"
    PAY = "pay"
    OWN_METHODS = "own_methods"
    OWN_AUTOPAY = "own_autopay"
    OWN_PAPERLESS = "own_paperless"
    OWN_PAY_BY_TEXT = "own_pay_by_text"
    OWN_PROFILE = "own_profile"
    OWN_ACCOUNTS = "own_accounts"
    SEE_USERS = "see_users"
    MANAGE_USERS = "manage_users"


_BY_LOGIN_TYPE = {
    AccountAction.SEE_BILLS: _EVERYBODY,
    AccountAction.PAY: _EVERYBODY,
    AccountAction.OWN_METHODS: _EVERYBODY,
    AccountAction.OWN_AUTOPAY: _EVERYBODY,
    AccountAction.OWN_PAPERLESS: _EVERYBODY,
    AccountAction.OWN_PAY_BY_TEXT: _EVERYBODY,
    AccountAction.OWN_PROFILE: _EVERYBODY,
    AccountAction.OWN_ACCOUNTS: _EVERYBODY,
    AccountAction.SEE_USERS: FULL_ACCESS,
    AccountAction.MANAGE_USERS: FULL_ACCESS,
}

_BY_REP = frozenset(
    {
        AccountAction.SEE_BILLS,
        AccountAction.PAY,
        AccountAction.OWN_METHODS,
        AccountAction.OWN_AUTOPAY,
        AccountAction.OWN_PAPERLESS,
        AccountAction.OWN_PAY_BY_TEXT,
    }
)


def may(actor: Actor, login_type: LoginType, action: AccountAction) -> bool:
    """Whether the actor may do this on an account where the payer holds `login_type`.

    A rep has the intersection of the payer's rights and the rows that a rep may ever use. Staff, partners and the system do not
    act on accounts through this table: they have permissions and scopes of their own.
    """
    match actor:
        case Payer():
            return login_type in _BY_LOGIN_TYPE[action]
        case Rep():
            return action in _BY_REP and login_type in _BY_LOGIN_TYPE[action]
        case _:
            return False
