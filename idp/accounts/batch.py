"""What Register, Link and Unregister share: accounts in, an item for each out, in the order sent; all or nothing where that is
asked.

An item that fails does not fail the others, unless the batch is atomic: then one that fails leaves nothing written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from idp.directory.billers import Biller
from idp.directory.names import account_key
from idp.directory.rights import LoginType
from idp.errors import FailedItem, RolledBack

DONE = frozenset({"Registered", "Linked", "AlreadyRegistered", "Unregistered"})
"""The Status words of items that did not fail."""


@dataclass(frozen=True, slots=True)
class AccountWanted:
    """One account to register, with the login type asked for it and the code shown for it (None: that of the call)."""

    account_number: str
    login_type: LoginType | None = None
    role_code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """Accounts to be tied to one user. `role_code` is shown for every account that has none of its own.

    `unproved`: the partner says that it verified nothing this time, whatever its key may state.
    """

    accounts: tuple[AccountWanted, ...]
    login_type: LoginType = LoginType.OWNER
    role_code: str | None = field(default=None, repr=False)
    atomic: bool = False
    unproved: bool = False

    def code_for(self, account: AccountWanted) -> str | None:
        """The code that is shown for an account. A blank one is none."""
        codes = (each for each in (account.role_code, self.role_code) if each is not None and each.strip())
        return next(codes, None)


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one account. `status` and `note` are words of the partner API (docs/partner-reference.md)."""

    account_number: str
    status: str
    customer_id: UUID | None = None
    login_type: LoginType | None = None
    pending: bool = False
    note: str = ""


def none_there(account_numbers: Iterable[str], *, atomic: bool) -> tuple[Item, ...]:
    """The items of a batch in which no account is there. RolledBack, when it is atomic."""
    items = tuple(Item(number, "NotFound") for number in account_numbers)
    if atomic:
        check_whole(items)
    return items


def check_whole(items: Iterable[Item]) -> None:
    """An atomic batch goes through whole. RolledBack, which also undoes the caller's transaction."""
    told = [(item.account_number, item.status) for item in items]
    if any(status not in DONE for _, status in told):
        failed = [FailedItem(number, "RolledBack" if status in DONE else status) for number, status in told]
        raise RolledBack("an item failed", items=failed)


def key_of(biller: Biller, account_number: str) -> str:
    """The canonical account number; "" for what is none."""
    try:
        return account_key(biller.policies.account_profile, account_number)
    except ValueError:
        return ""
