"""Set e-mail: the biller's staff give a user another address, because the old mailbox is dead, or never was the payer's.

What staff set is an address that no partner set: the payer is asked there from now on. Old addresses and the new one are told, what
was asked before is void, and the change is in the log like any other. Source: docs/adr/0028.
"""

from __future__ import annotations

from uuid import UUID

from idp.accounts.addresses import AddressStores, move_address
from idp.actor import Staff
from idp.directory.billers import Biller
from idp.directory.names import normal_email
from idp.directory.users import User
from idp.errors import FieldError, InvalidFields, UserNotFound
from idp.messages.notices import Notices
from idp.transaction import Begin


class SetEmail:
    """Sets addresses for staff."""

    def __init__(self, begin: Begin[AddressStores], notices: Notices) -> None:
        self._begin = begin
        self._notices = notices

    def set(self, staff: Staff, request_id: str, biller: Biller, user_id: UUID, email: str, *, verified: bool = False) -> User:
        """The user after it. An address that it had already is vouched for, and nobody is told. InvalidFields, UserNotFound."""
        try:
            address = normal_email(email)
        except ValueError as fault:
            raise InvalidFields(fields=[FieldError("EmailAddress", str(fault))]) from None
        with self._begin() as stores:
            before = stores.users.find_user(biller.bid, user_id, lock=True)
            if before is None:
                raise UserNotFound(str(user_id))
            after = move_address(stores, self._notices, staff, request_id, biller, before, address, verified=verified, trusted=True)
            if after.email_key != before.email_key:
                self._notices.address_set(stores, biller, after)
        return after
