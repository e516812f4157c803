"""The waiting list of an account: who may join it, and who hears of it.

Whoever registers beside others without proof waits (idp.directory.registrations). Joining tells people by mail, so it has limits:

    once more    a user whose registration ended while it waited (declined, over, left) waits longer each time: 1, 2, 4 hours
    many         a key has five on one account at a time, those that ended within a day counted

Those with full access are mailed; where nobody has it, only the biller can approve, and is told by an alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from idp.directory.billers import Biller
from idp.directory.customers import Customer
from idp.directory.registrations import Registration, RegistrationState
from idp.directory.rights import FULL_ACCESS
from idp.directory.users import User, UserStore
from idp.messages.mail import MailStores
from idp.messages.mail_caps import CLOCKS_MAY_DIFFER
from idp.messages.notices import Notices

LOOKS_BACK = timedelta(days=30)
"""So long an end, or an objection, is remembered."""

ONCE_MORE_AFTER = timedelta(hours=1)
MOST_OF_A_KEY = 5
_A_DAY = timedelta(days=1)


class TellingStores(MailStores, Protocol):
    """The slice of stores that telling people needs."""

    @property
    def users(self) -> UserStore: ...


def must_hold_off(
    user_id: UUID, key_id: UUID | None, waiting: Iterable[Registration], ended: Sequence[Registration], now: datetime
) -> bool:
    """Whether a user may not join the waiting list of an account now. `ended`: those that ended within LOOKS_BACK."""
    own = [tie.ended_at for tie in ended if tie.user_id == user_id and _waited(tie) and tie.ended_at is not None]
    # What seems to have ended later ended before the clock was set back: nobody waits until the clock has caught up.
    latest = now + CLOCKS_MAY_DIFFER
    if any(now < at + ONCE_MORE_AFTER * 2 ** min(len(own) - 1, 10) for at in own if at <= latest):
        return True
    lately = [tie for tie in ended if tie.ended_at is not None and now - _A_DAY < tie.ended_at <= latest]
    return sum(tie.key_id == key_id and _waited(tie) for tie in (*waiting, *lately)) >= MOST_OF_A_KEY


def is_disputed(waiting: Iterable[Registration], ended: Iterable[Registration]) -> bool:
    """Whether somebody objected to a registration of the account within LOOKS_BACK."""
    return any(tie.state is RegistrationState.OBJECTED for tie in (*waiting, *ended))


def tell_full_access(
    stores: TellingStores,
    notices: Notices,
    biller: Biller,
    customer: Customer,
    who: User,
    standing: Iterable[Registration],
    key_id: UUID | None,
) -> bool:
    """Mail those with full access that somebody waits, by a call of the key. False where there is nobody."""
    ids = [tie.user_id for tie in standing if tie.login_type in FULL_ACCESS and not tie.pending]
    people = [user for user in stores.users.list_by_ids(customer.bid, ids).values() if not user.disabled]
    for user in people:
        notices.somebody_waits(stores, biller, user, customer.account_number, who, key_id=key_id)
    return bool(people)


def _waited(tie: Registration) -> bool:
    return tie.state is RegistrationState.WAITING
