"""Mail caps: how many mails one mailbox gets and one key causes, so that nobody makes a weapon of what the hub mails.

| what                                                        | at most                                        |
| to one mailbox, by one biller                               | 5 an hour, 20 a day                            |
| to one mailbox, by all billers together                     | 10 an hour, 40 a day                           |
| caused by one key                                           | 1,000 an hour                                  |
| of one kind, to one mailbox, about one user                 | 1 in 10 minutes (questions have their own rule) |

A mail that must wait is held. A notice is never dropped: what was held is sent when there is room again, several of them as one
summary. A question with a link is sent by itself, and given up when it was held for a day; the one to the contact on record, which
nobody asks again, after 30 days. The mailbox is one person's, whoever writes, so all billers count together; but no biller, and no
partner of one, can use up alone what another biller's notices need. Source: docs/adr/0038.

Counted is what was sent (the moment its place was taken), by the clock of the workers; what seems to come from the future, because
a clock was set back, does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

PER_HOUR, PER_DAY = 5, 20
"""To one mailbox, by one biller."""
ALL_PER_HOUR, ALL_PER_DAY = 10, 40
"""To one mailbox, by all billers together."""
KEY_PER_HOUR = 1000
SAME_KIND_WITHIN = timedelta(minutes=10)
QUESTION_HELD_FOR = timedelta(days=1)
CONTACT_HELD_FOR = timedelta(days=30)
"""The question to the contact on record: as long as its link is good, because nobody asks it again."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CLOCKS_MAY_DIFFER = timedelta(minutes=5)

SUMMARY = "summary"
"""The kind of a mail that tells of several notices."""

CONTACT_ASKED = "registered_unproved"
"""The kind of that question."""

Handling = Literal["notice", "question"]
Reason = Literal["", "same_kind", "mailbox", "key"]
"""Why a mail has to wait; "": it has not."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that went, or is going, to the same mailbox: by which biller, of which kind, about whom, when its place was taken."""

    bid: int
    template: str
    user_id: UUID | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """A mail that wants to go."""

    bid: int
    template: str
    user_id: UUID | None
    handling: Handling


def must_wait(wanted: Wanted, taken: Sequence[Taken], by_key: int, now: datetime) -> Reason:
    """Whether a mail must wait, and why. `taken`: those of the last day; `by_key`: how many its key caused within the hour."""
    counted = [each for each in taken if now - DAY < each.at <= now + CLOCKS_MAY_DIFFER]
    if wanted.handling == "notice" and any(_is_same(wanted, each) and each.at > now - SAME_KIND_WITHIN for each in counted):
        return "same_kind"
    own = [each for each in counted if each.bid == wanted.bid]
    for those, an_hour, a_day in ((own, PER_HOUR, PER_DAY), (counted, ALL_PER_HOUR, ALL_PER_DAY)):
        if len(those) >= a_day or sum(each.at > now - HOUR for each in those) >= an_hour:
            return "mailbox"
    return "key" if by_key >= KEY_PER_HOUR else ""


def held_for(template: str) -> timedelta:
    """How long a question may wait before it is given up."""
    return CONTACT_HELD_FOR if template == CONTACT_ASKED else QUESTION_HELD_FOR


def _is_same(wanted: Wanted, other: Taken) -> bool:
    """A summary is of every kind and about everybody: what comes right after it waits for the next one."""
    if wanted.bid != other.bid:
        return False
    return SUMMARY in (wanted.template, other.template) or (wanted.template, wanted.user_id) == (other.template, other.user_id)
