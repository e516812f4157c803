"""Registrations that wait for the biller's decision, as staff see and decide them."""

from __future__ import annotations

from uuid import UUID

from admin.access import Permission, check_may
from admin.people import UserFinder
from idp.accounts.approvals import Approvals, Undecided
from idp.actor import Staff
from idp.directory.billers import Billers
from idp.directory.registrations import Grant
from idp.directory.rights import LoginType


class RegistrationAdmin:
    """Lists and decides. `named`: a LoginGUID or a user name, as typed."""

    def __init__(self, approvals: Approvals, billers: Billers, finder: UserFinder) -> None:
        self._approvals = approvals
        self._billers = billers
        self._finder = finder

    def list_page(
        self,
        staff: Staff,
        request_id: str,  # noqa: ARG002  (reads will go to the access log)
        bid: int,
        after: UUID | None = None,
        limit: int = 200,
    ) -> list[Undecided]:
        """What waits for a decision, in the order in which it was made. BillerNotFound."""
        check_may(staff, Permission.BILLER_REGISTRATIONS_READ, bid)
        self._billers.get(bid)
        return self._approvals.list_page(bid, after, limit)

    def approve(
        self, staff: Staff, request_id: str, bid: int, named: str, number: str, login_type: LoginType = LoginType.GUEST
    ) -> Grant:
        """Let somebody in who waits. BillerNotFound, UserNotFound, CustomerNotFound, RegistrationNotPending."""
        check_may(staff, Permission.BILLER_REGISTRATIONS_APPROVE, bid)
        return self._approvals.approve(staff, request_id, self._billers.get(bid), self._finder.find(bid, named), number, login_type)

    def decline(self, staff: Staff, request_id: str, bid: int, named: str, number: str) -> None:
        """Send somebody away who waits. Errors as approve's."""
        check_may(staff, Permission.BILLER_REGISTRATIONS_APPROVE, bid)
        self._approvals.decline(staff, request_id, self._billers.get(bid), self._finder.find(bid, named), number)

    def restore(self, staff: Staff, request_id: str, bid: int, named: str, number: str) -> Grant:
        """Give somebody back what an objection took. Errors as approve's."""
        check_may(staff, Permission.BILLER_REGISTRATIONS_APPROVE, bid)
        return self._approvals.restore(staff, request_id, self._billers.get(bid), self._finder.find(bid, named), number)

    def end(self, staff: Staff, request_id: str, bid: int, named: str, number: str) -> None:
        """End a registration that somebody objected to. Errors as approve's."""
        check_may(staff, Permission.BILLER_REGISTRATIONS_APPROVE, bid)
        self._approvals.end(staff, request_id, self._billers.get(bid), self._finder.find(bid, named), number)
