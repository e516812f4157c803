"""Approvals: what the biller decides about registrations that give nothing yet, and their end by the clock.

    waiting     approve   it gives its login type (default: Guest)
                decline   it ends
                (time)    it ends after 30 days: for everybody at once by the clock, and tidied away by `expire`
    objected    restore   it gives again what it gave; the Owner's seat only where nobody has taken it since
                end       it ends

Each is a change-log row, an event for the CIS and a mail to the user. Customer, then user are locked, as everybody locks them: of
two decisions at once the second finds nothing to decide (RegistrationNotPending).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar
from uuid import UUID

from idp.accounts.batch import key_of
from idp.accounts.departures import Departures
from idp.accounts.leaving import Leaving, LeavingStores, OnRegistrationEnded
from idp.accounts.ties import CLOCK, Ties
from idp.actor import Actor
from idp.changelog import Action
from idp.clock import Clock
from idp.directory.billers import Biller, BillerStore
from idp.directory.customers import Customer, CustomerStore
from idp.directory.registrations import Grant, Others, Registration, RegistrationState, approved
from idp.directory.rights import LoginType
from idp.directory.users import User
from idp.errors import CustomerNotFound, RegistrationNotPending, UserNotFound
from idp.messages.mail import MailStores
from idp.messages.notices import Notices
from idp.opaque import new_id
from idp.transaction import Begin

T = TypeVar("T")


class ApprovalStores(LeavingStores, MailStores, Protocol):
    """The slice of stores that this service works with."""

    @property
    def billers(self) -> BillerStore: ...

    @property
    def customers(self) -> CustomerStore: ...


@dataclass(frozen=True, slots=True)
class Undecided:
    """A registration that the biller can decide about, with whose it is and where."""

    registration: Registration
    user: User
    customer: Customer


@dataclass(frozen=True, slots=True)
class _Case:
    """A registration to decide about, in its transaction, its rows locked."""

    stores: ApprovalStores
    biller: Biller
    customer: Customer
    user: User
    tie: Registration
    others: Others
    written: Ties


class Approvals:
    """Lists and decides."""

    def __init__(
        self,
        begin: Begin[ApprovalStores],
        clock: Clock,
        departures: Departures,
        notices: Notices,
        on_registration_ended: Sequence[OnRegistrationEnded] = (),
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._departures = departures
        self._notices = notices
        self._on_registration_ended = tuple(on_registration_ended)

    def list_page(self, bid: int, after: UUID | None = None, limit: int = 200) -> list[Undecided]:
        """In the order in which they were made, from the one after `after`; what waited in vain is not among them."""
        with self._begin() as stores:
            ties = stores.waiting.list_waiting(bid, self._clock.now(), after, limit)
            users = stores.users.list_by_ids(bid, {tie.user_id for tie in ties})
            customers = {tie.customer_id: stores.customers.find_customer(bid, tie.customer_id) for tie in ties}
        return [
            Undecided(tie, users[tie.user_id], customer)
            for tie in ties
            if tie.user_id in users and (customer := customers[tie.customer_id]) is not None
        ]

    def approve(
        self, actor: Actor, request_id: str, biller: Biller, user_id: UUID, number: str, login_type: LoginType = LoginType.GUEST
    ) -> Grant:
        """Let somebody in who waits. CustomerNotFound, UserNotFound, RegistrationNotPending, Raced."""

        def carry_out(case: _Case) -> Grant:
            given = approved(login_type, case.others)
            self._give(case, given, Action.REGISTRATION_APPROVE)
            self._notices.registration_approved(case.stores, biller, case.user, case.customer.account_number)
            return given

        return self._decide(actor, request_id, biller, user_id, number, RegistrationState.WAITING, carry_out)

    def decline(self, actor: Actor, request_id: str, biller: Biller, user_id: UUID, number: str) -> None:
        """Send somebody away who waits. Errors as approve's, StoreUnavailable."""

        def carry_out(case: _Case) -> None:
            self._end(case, Action.REGISTRATION_DECLINE)
            self._notices.registration_declined(case.stores, biller, case.user, case.customer.account_number)

        self._decide(actor, request_id, biller, user_id, number, RegistrationState.WAITING, carry_out)

    def restore(self, actor: Actor, request_id: str, biller: Biller, user_id: UUID, number: str) -> Grant:
        """The objection was not right: the registration gives again what it gave. Errors as approve's."""

        def carry_out(case: _Case) -> Grant:
            held = case.tie.held_login_type or LoginType.GUEST
            given = (
                Grant(LoginType.CO_OWNER, note="OwnerSeatTaken") if held is LoginType.OWNER and case.others.owner else Grant(held)
            )
            self._give(case, given, Action.REGISTRATION_RESTORE)
            self._notices.registration_restored(case.stores, biller, case.user, case.customer.account_number)
            return given

        return self._decide(actor, request_id, biller, user_id, number, RegistrationState.OBJECTED, carry_out)

    def end(self, actor: Actor, request_id: str, biller: Biller, user_id: UUID, number: str) -> None:
        """The objection was right: the registration ends. Errors as decline's."""

        def carry_out(case: _Case) -> None:
            self._end(case, Action.REGISTRATION_END)
            self._notices.registration_ended(case.stores, biller, case.user, case.customer.account_number)

        self._decide(actor, request_id, biller, user_id, number, RegistrationState.OBJECTED, carry_out)

    def expire(self, limit: int = 100) -> int:
        """End what waited in vain, at all billers. How many."""
        with self._begin() as stores:
            overdue = stores.waiting.list_overdue(self._clock.now(), limit)
        return sum(self._expire(tie) for tie in overdue)

    def _expire(self, tie: Registration) -> bool:
        with self._begin() as stores:
            customer = stores.customers.find_customer(tie.bid, tie.customer_id, lock=True)
            user = stores.users.find_user(tie.bid, tie.user_id, lock=True)
            biller = stores.billers.find_biller(tie.bid)
            waits = next((each for each in stores.waiting.list_waiting_of_user(tie.bid, tie.user_id) if each.id == tie.id), None)
            if customer is None or user is None or biller is None or waits is None or not waits.is_over(self._clock.now()):
                return False  # decided in the meantime
            written = Ties(stores, CLOCK, str(new_id()))
            self._end(_Case(stores, biller, customer, user, waits, Others(), written), Action.REGISTRATION_EXPIRE)
            self._notices.registration_expired(stores, biller, user, customer.account_number)
        return True

    def _decide(
        self,
        actor: Actor,
        request_id: str,
        biller: Biller,
        user_id: UUID,
        number: str,
        state: RegistrationState,
        carry_out: Callable[[_Case], T],
    ) -> T:
        """Find the registration in this state, lock it, and do what was decided."""
        bid, key = biller.bid, key_of(biller, number)
        with self._begin() as stores:
            customer = stores.customers.find_by_accounts(bid, [key], lock=True).get(key) if key else None
            if customer is None:
                raise CustomerNotFound(number)
            user = stores.users.find_user(bid, user_id, lock=True)
            if user is None:
                raise UserNotFound(str(user_id))
            waiting = stores.waiting.list_waiting_of_customers(bid, [customer.id]).get(customer.id, [])
            tie = next((each for each in waiting if each.user_id == user_id and each.state is state), None)
            if tie is None or tie.is_over(self._clock.now()):
                raise RegistrationNotPending(f"no registration is {state}")
            standing = stores.registrations.list_of_customers(bid, [customer.id]).get(customer.id, [])
            others = Others(len(standing), owner=any(each.login_type is LoginType.OWNER for each in standing))
            return carry_out(_Case(stores, biller, customer, user, tie, others, Ties(stores, actor, request_id)))

    def _give(self, case: _Case, given: Grant, action: Action) -> None:
        after = replace(case.tie, login_type=given.login_type, state=given.state, waits_until=None, held_login_type=None)
        case.written.change(case.customer, case.user, case.tie, after, action)
        if given.login_type is LoginType.OWNER:
            case.written.owner_changed(case.customer, case.user, before=None, after=case.user)

    def _end(self, case: _Case, action: Action) -> None:
        leaving = Leaving(
            case.stores, case.written, case.user, self._departures, self._on_registration_ended, self._clock
        )  # fmt: skip
        leaving.end(case.tie, case.customer, action)
        leaving.let_go([case.customer.id])
