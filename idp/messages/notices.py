"""Notices: the mails that the hub writes to payers, one function each, in the payer's language.

Plain text from the catalogue (`mails.{template}.subject`, `.body`, and `.line` for a summary), posted in the transaction of the
change that it tells of. A link is alone on its line; never a password in a mail. What payers, partners and files wrote is quoted
(idp.messages.quoting), so that none of it can pose as ours. A mail with a link is a question, any other a notice: what becomes of
them when a mailbox gets too many is in idp.messages.mail_caps.
"""

from __future__ import annotations

from uuid import UUID

from idp.directory.billers import Biller
from idp.directory.users import User
from idp.messages.mail import Mails, MailStores
from idp.messages.quoting import one_line, quoted
from idp.texts import LOCALES, Texts

_OURS = frozenset({"link", "email"})
"""Values that are shown as they are: our own addresses, and e-mail addresses, which went through idp.directory.names."""


class Notices:
    """Writes and posts them."""

    def __init__(self, mails: Mails) -> None:
        self._mails = mails

    def ask_for_password(
        self, stores: MailStores, biller: Biller, user: User, to: str, partner: str, link: str, *, key_id: UUID | None = None
    ) -> None:
        """May `partner` manage the password? To the mailbox that may answer (idp.accounts.confirmations)."""
        self._post(stores, biller, user, "confirm_password", to, key_id, partner=partner, link=link)

    def ask_for_address(
        self,
        stores: MailStores,
        biller: Biller,
        user: User,
        to: str,
        partner: str,
        email: str,
        link: str,
        *,
        key_id: UUID | None = None,
    ) -> None:
        """Is `email` the new address, as `partner` says? To the mailbox that may answer."""
        self._post(stores, biller, user, "confirm_address", to, key_id, partner=partner, email=email, link=link)

    def password_changed(self, stores: MailStores, biller: Biller, user: User, partner: str, *, key_id: UUID | None = None) -> None:
        """The password was set by `partner`."""
        self._tell(stores, biller, user, "password_changed", key_id=key_id, partner=partner)

    def address_changed(self, stores: MailStores, biller: Biller, before: User, email: str, *, key_id: UUID | None = None) -> None:
        """To the old addresses: there is a new one. It is masked: the old mailbox may be somebody else's."""
        for to in before.mailboxes:
            if to.lower() != email.lower():
                self._post(stores, biller, before, "address_changed", to, key_id, email=masked(email))

    def address_set(self, stores: MailStores, biller: Biller, user: User) -> None:
        """To the new address: the biller's staff set it."""
        self._post(stores, biller, user, "address_set", user.email, None)

    def account_address_changed(
        self, stores: MailStores, biller: Biller, account_number: str, old: str, email: str, *, key_id: UUID | None = None
    ) -> None:
        """As address_changed, for an account that no user is registered on."""
        values = {"account": account_number, "email": masked(email)}
        self._post(stores, biller, None, "account_address_changed", old, key_id, **values)

    def seat_moved(
        self, stores: MailStores, biller: Biller, account_number: str, *, gained: User, lost: User, key_id: UUID | None = None
    ) -> None:
        """Somebody took over the Owner's seat of an account: to both."""
        self._tell(stores, biller, gained, "seat_gained", key_id=key_id, account=account_number)
        self._tell(stores, biller, lost, "seat_lost", key_id=key_id, account=account_number)

    def somebody_waits(
        self, stores: MailStores, biller: Biller, user: User, account_number: str, who: User, *, key_id: UUID | None = None
    ) -> None:
        """Somebody registered on an account without proof and waits for approval: to a user with full access."""
        self._tell(stores, biller, user, "somebody_waits", key_id=key_id, account=account_number, who=who.user_name)

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
        self,
        stores: MailStores,
        biller: Biller,
        address: str,
        account_number: str,
        who: User,
        partner: str,
        link: str,
        *,
        key_id: UUID | None = None,
    ) -> None:
        """A user was registered on an account without proof: to the contact on record, who can object."""
        values = {"account": account_number, "who": who.user_name, "partner": partner, "link": link}
        self._post(stores, biller, None, "registered_unproved", address, key_id, **values)

    def somebody_objected(self, stores: MailStores, biller: Biller, user: User, account_number: str, who: User) -> None:
        """The contact on record objected to a registration of the account: to a user with full access."""
        self._tell(stores, biller, user, "somebody_objected", account=account_number, who=who.user_name)

    def registration_restored(self, stores: MailStores, biller: Biller, user: User, account_number: str) -> None:
        """The biller decided about an objection: the user has access again."""
        self._tell(stores, biller, user, "registration_restored", account=account_number)

    def registration_ended(self, stores: MailStores, biller: Biller, user: User, account_number: str) -> None:
        """The biller decided about an objection: the registration is over."""
        self._tell(stores, biller, user, "registration_ended", account=account_number)

    def _tell(
        self, stores: MailStores, biller: Biller, user: User, template: str, *, key_id: UUID | None = None, **values: str
    ) -> None:
        """To the present address, and to the last one that no partner set: a partner moves the first at most."""
        for to in user.mailboxes:
            self._post(stores, biller, user, template, to, key_id, **values)

    def _post(
        self,
        stores: MailStores,
        biller: Biller,
        user: User | None,
        template: str,
        to: str,
        key_id: UUID | None,
        **values: str,
    ) -> None:
        locale = biller.locale if user is None else user.locale or biller.locale
        locale = locale if locale in LOCALES else LOCALES[0]
        texts = Texts(locale, biller.time_zone)
        if user is not None:
            values["user_name"] = user.user_name
        shown = {name: one_line(value) if name in _OURS else quoted(value) for name, value in values.items()}
        shown["biller"] = one_line(biller.dba)
        line = f"mails.{template}.line"
        self._mails.post(
            stores,
            biller.bid,
            None if user is None else user.id,
            template,
            to,
            texts.get(f"mails.{template}.subject", **shown),
            f"{texts.get(f'mails.{template}.body', **shown)}\n\n{texts.get('mails.foot', **shown)}\n",
            key_id=key_id,
            handling="question" if "link" in values else "notice",
            line=texts.get(line, **shown) if texts.has(line) else "",
            locale=locale,
        )


def masked(email: str) -> str:
    """An address as its owner knows it and a stranger does not: `n***@example.com`."""
    local, at, domain = email.rpartition("@")
    return f"{local[:1]}***{at}{domain}"
