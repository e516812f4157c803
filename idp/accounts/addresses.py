"""Addresses: giving a user another e-mail address, in the transaction of whoever may: a partner's call, or the payer's own yes."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol
from uuid import UUID

from idp.actor import Actor
from idp.changelog import Action, Change, WithChangeLog
from idp.directory.billers import Biller
from idp.directory.users import PendingConfirmations, User, UserStore, logged_values
from idp.messages.mail import MailStores
from idp.messages.notices import Notices


class AddressStores(WithChangeLog, MailStores, Protocol):
    """The slice of stores that a change of address takes."""

    @property
    def users(self) -> UserStore: ...

    @property
    def confirmations(self) -> PendingConfirmations: ...


def move_address(
    stores: AddressStores,
    notices: Notices,
    actor: Actor,
    request_id: str,
    biller: Biller,
    user: User,
    email: str,
    *,
    verified: bool,
    trusted: bool,
    key_id: UUID | None = None,
) -> User:
    """Set the address of `user`, whose row the caller holds, log it, and tell the old address, and the last trusted one.

    Whatever was asked before is void. `email` is a normal form (idp.directory.names). `trusted`: no partner chose it alone, so the
    payer may be asked there from now on. `key_id`: whose call it is.
    """
    after = replace(
        user,
        email=email,
        email_key=email.lower(),
        email_verified=verified,
        trusted_email=email if trusted else user.trusted_email,
    )
    stores.users.put_user(after)
    stores.confirmations.void_confirmations(user.bid, user.id)
    stores.changelog.append(
        Change(
            user.bid, Action.USER_CHANGE, actor, request_id, user_id=user.id,
            before=logged_values(user), after=logged_values(after),
        )
    )  # fmt: skip
    notices.address_changed(stores, biller, user, email, key_id=key_id)
    return after
