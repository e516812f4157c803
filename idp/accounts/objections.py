"""Objections: the contact on record hears of a registration that nobody has proved, and can put it on hold.

    ask      who registers on an account that nobody is registered on gets what it asks for, without proof. So the contact on record
             is mailed, with a link that works once, for 30 days. The contact is an address that the registering partner did not
             write itself (idp.directory.provenance); where there is none, the biller is told by an alarm
    find     what the page behind the link shows. Spends nothing
    object   the registration gives nothing from now on, and every token and session of its user ends; the biller and whoever else
             has full access are told. The biller decides what becomes of it (idp.accounts.approvals): restore, or end

The link is void once the registration has ended or gives something else than it gave then: somebody proved it, or staff changed it.
What gives more without proof (a bare code, `still_unproved`) leaves the link good: else who registered could make it void.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from idp import actor as actors
from idp.accounts.one_time_links import LinkKind, LinkStores, OneTimeLink, OneTimeLinks
from idp.accounts.ties import Ties, TieStores
from idp.alarms import AlarmKind, Alarms
from idp.changelog import Action, Change
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.customers import Customer, CustomerStore
from idp.directory.registrations import Registration, RegistrationState
from idp.directory.rights import FULL_ACCESS, LoginType
from idp.directory.users import User, UserStore
from idp.messages.mail import MailStores
from idp.messages.notices import Notices
from idp.transaction import Begin

OBJECTOR = actors.System("objection")
"""Whoever holds the link of a mail: we know the mailbox, and not the person."""


class AskingStores(LinkStores, MailStores, Protocol):
    """The slice of stores that asking takes."""


class ObjectionStores(AskingStores, TieStores, Protocol):
    """The slice of stores that objecting takes."""

    @property
    def customers(self) -> CustomerStore: ...

    @property
    def users(self) -> UserStore: ...


@dataclass(frozen=True, slots=True)
class Question:
    """What the page of a link shows: who was registered, and on which account."""

    user_name: str
    account_number: str


@dataclass(frozen=True, slots=True)
class _Case:
    """A link with the rows that it rests on, locked."""

    link: OneTimeLink
    customer: Customer
    user: User
    tie: Registration


def ask_contact(
    stores: AskingStores, links: OneTimeLinks, notices: Notices, biller: Biller, key: ApiKey, customer: Customer, user: User,
    tie: Registration,
) -> bool:  # fmt: skip
    """Mail the contact on record, in the transaction of the registration. False where nobody but the user itself is asked.

    An address that is also the user's is mailed all the same: who registers writes down the user's address, and could keep the
    contact from being asked by writing down theirs.
    """
    address = customer.contact(key.partner.id)
    if not address:
        return False
    link = links.make(stores, biller, LinkKind.OBJECTION, subject=_subject(tie), binding=_binding(tie))
    notices.registered_unproved(stores, biller, address, customer.account_number, user, key.partner.name, link, key_id=key.id)
    return address.lower() != user.email_key


def still_unproved(stores: AskingStores, links: OneTimeLinks, tie: Registration) -> None:
    """The registration gives something else now, and nobody has proved it: whoever was asked can still object."""
    links.bind(stores, tie.bid, LinkKind.OBJECTION, _subject(tie), _binding(tie))


class Objections:
    """Shows and takes objections."""

    def __init__(self, begin: Begin[ObjectionStores], links: OneTimeLinks, notices: Notices, alarms: Alarms) -> None:
        self._begin = begin
        self._links = links
        self._notices = notices
        self._alarms = alarms

    def find(self, biller: Biller, secret: str) -> Question | None:
        """What a link asks; None where it asks nothing any more. Changes nothing."""
        with self._begin() as stores:
            case = self._case(stores, biller, secret, lock=False)
        return None if case is None else Question(case.user.user_name, case.customer.account_number)

    def object(self, request_id: str, biller: Biller, secret: str) -> Question | None:
        """Put the registration on hold, once. None where the link is good for nothing any more."""
        with self._begin() as stores:
            case = self._case(stores, biller, secret, lock=True)
            if case is None or not self._links.spend(stores, case.link):
                return None
            on_hold = replace(
                case.tie,
                state=RegistrationState.OBJECTED,
                login_type=LoginType.GUEST,
                held_login_type=case.tie.login_type,
            )
            ties = Ties(stores, OBJECTOR, request_id)
            ties.change(case.customer, case.user, case.tie, on_hold, Action.REGISTRATION_OBJECT)
            if case.tie.login_type is LoginType.OWNER:
                ties.owner_changed(case.customer, case.user, before=case.user, after=None)
            stores.users.put_user(replace(case.user, generation=case.user.generation + 1))
            stores.changelog.append(Change(biller.bid, Action.USER_REVOKE, OBJECTOR, request_id, user_id=case.user.id))
            self._tell(stores, biller, case)
        detail = (
            "the contact on record objected to a registration; the user has no access until `idhub registrations restore` or `end`"
        )
        self._alarms.sound(biller.bid, AlarmKind.REGISTRATION_OBJECTED, f"registration:{case.tie.id}", detail)
        return Question(case.user.user_name, case.customer.account_number)

    def _tell(self, stores: ObjectionStores, biller: Biller, case: _Case) -> None:
        """Whoever else has full access."""
        others = stores.registrations.list_of_customers(biller.bid, [case.customer.id]).get(case.customer.id, [])
        ids = [tie.user_id for tie in others if tie.login_type in FULL_ACCESS and tie.user_id != case.user.id]
        for user in stores.users.list_by_ids(biller.bid, ids).values():
            if not user.disabled:
                self._notices.somebody_objected(stores, biller, user, case.customer.account_number, case.user)

    def _case(self, stores: ObjectionStores, biller: Biller, secret: str, *, lock: bool) -> _Case | None:
        """The registration behind a link, if it is still as it was. `lock`: customer, then user, as all who change it do."""
        if biller.disabled:
            return None
        link = self._links.look(stores, biller.bid, LinkKind.OBJECTION, secret)
        if link is None:
            return None
        _, customer_id, user_id = (UUID(part) for part in link.subject.split(":")[1:])
        customer = stores.customers.find_customer(biller.bid, customer_id, lock=lock)
        user = stores.users.find_user(biller.bid, user_id, lock=lock)
        if customer is None or user is None:
            return None
        ties = stores.registrations.list_of_user(biller.bid, user_id)
        tie = next((each for each in ties if _subject(each) == link.subject), None)
        if tie is None or _binding(tie) != link.binding:
            return None
        return _Case(link, customer, user, tie)


def _subject(tie: Registration) -> str:
    return f"registration:{tie.id}:{tie.customer_id}:{tie.user_id}"


def _binding(tie: Registration) -> str:
    """What the registration gives."""
    return f"{tie.state}:{tie.login_type.value}"
