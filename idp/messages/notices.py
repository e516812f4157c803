"""Notices: the mails that the hub writes to payers, one function each, in the payer's language.

Plain text from the catalogue (`mails.{template}.subject` and `.body`), posted in the transaction of the change that it tells of. A
link stands alone on its line; never a password in a mail. Names come from partners and files: each is put on one line, so that none
can pose as a line of ours.
"""

from __future__ import annotations

from uuid import UUID

from idp.directory.billers import Biller
from idp.directory.users import User
from idp.messages.mail import Mails, MailStores
from idp.texts import LOCALES, Texts


class Notices:
    """Writes and posts them."""

    def __init__(self, mails: Mails) -> None:
        self._mails = mails

    def ask_for_password(self, stores: MailStores, biller: Biller, user: User, partner: str, link: str) -> None:
        """May `partner` manage the password? To the stored address."""
        self._tell(stores, biller, user, "confirm_password", partner=partner, link=link)

    def ask_for_address(self, stores: MailStores, biller: Biller, user: User, partner: str, email: str, link: str) -> None:
        """Is `email` the new address, as `partner` says? To the stored address."""
        self._tell(stores, biller, user, "confirm_address", partner=partner, email=email, link=link)

    def password_changed(self, stores: MailStores, biller: Biller, user: User, partner: str) -> None:
        """The password was set by `partner`."""
        self._tell(stores, biller, user, "password_changed", partner=partner)

    def address_changed(self, stores: MailStores, biller: Biller, before: User, email: str) -> None:
        """To the old address: there is a new one. It is masked: the old mailbox may be somebody else's."""
        self._tell(stores, biller, before, "address_changed", email=masked(email))

    def account_address_changed(self, stores: MailStores, biller: Biller, account_number: str, old: str, email: str) -> None:
        """As address_changed, for an account that no user is registered on."""
        self._post(stores, biller, None, "account_address_changed", old, biller.locale, account=account_number, email=masked(email))

    def seat_moved(self, stores: MailStores, biller: Biller, account_number: str, *, gained: User, lost: User) -> None:
        """Somebody took over the Owner's seat of an account: to both."""
        self._tell(stores, biller, gained, "seat_gained", account=account_number)
        self._tell(stores, biller, lost, "seat_lost", account=account_number)

    def somebody_waits(self, stores: MailStores, biller: Biller, user: User, account_number: str, who: User) -> None:
        """Somebody registered on an account without proof and waits for approval: to a user with full access."""
        self._tell(stores, biller, user, "somebody_waits", account=account_number, who=who.user_name)

    def registration_approved(self, stores: MailStores, biller: Biller, user: User, account_number: str) -> None:
        """The wait is over: the user has access to the account."""
        self._tell(stores, biller, user, "registration_approved", account=account_number)

    def registration_declined(self, stores: MailStores, biller: Biller, user: User, account_number: str) -> None:
        """The wait is over: the user gets no access to the account."""
        self._tell(stores, biller, user, "registration_declined", account=account_number)

    def registration_expired(self, stores: MailStores, biller: Biller, user: User, account_number: str) -> None:
        """The wait is over: nobody approved it in time."""
        self._tell(stores, biller, user, "registration_expired", account=account_number)

    def registered_unproved(
        self, stores: MailStores, biller: Biller, address: str, account_number: str, who: User, partner: str, link: str
    ) -> None:
        """A user was registered on an account without proof: to the contact on record, who can object."""
        self._post(
            stores, biller, None, "registered_unproved", address, biller.locale, account=account_number, who=who.user_name,
            partner=partner, link=link,
        )  # fmt: skip

    def somebody_objected(self, stores: MailStores, biller: Biller, user: User, account_number: str, who: User) -> None:
        """The contact on record objected to a registration of the account: to a user with full access."""
        self._tell(stores, biller, user, "somebody_objected", account=account_number, who=who.user_name)

    def registration_restored(self, stores: MailStores, biller: Biller, user: User, account_number: str) -> None:
        """The biller decided about an objection: the user has access again."""
        self._tell(stores, biller, user, "registration_restored", account=account_number)

    def registration_ended(self, stores: MailStores, biller: Biller, user: User, account_number: str) -> None:
        """The biller decided about an objection: the registration is over."""
        self._tell(stores, biller, user, "registration_ended", account=account_number)

    def _tell(self, stores: MailStores, biller: Biller, user: User, template: str, **values: str) -> None:
        self._post(stores, biller, user.id, template, user.email, user.locale or biller.locale, user_name=user.user_name, **values)

    def _post(
        self, stores: MailStores, biller: Biller, user_id: UUID | None, template: str, to: str, locale: str, **values: str
    ) -> None:
        texts = Texts(locale if locale in LOCALES else LOCALES[0], biller.time_zone)
        shown = {name: " ".join(value.split()) for name, value in (values | {"biller": biller.dba}).items()}
        subject = texts.get(f"mails.{template}.subject", **shown)
        body = texts.get(f"mails.{template}.body", **shown)
        self._mails.post(stores, biller.bid, user_id, template, to, subject, f"{body}\n\n{texts.get('mails.foot', **shown)}\n")


def masked(email: str) -> str:
    """An address as its owner knows it and a stranger does not: `n***@example.com`."""
    local, at, domain = email.rpartition("@")
    return f"{local[:1]}***{at}{domain}"
