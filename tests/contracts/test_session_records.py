"""Sessions and frame tokens as records, on every key-value store: their ends, and what only one of two workers may do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from idp.alarms import AlarmKind
from idp.kv import Mark, Put, Read, Take
from idp.login.frame_tokens import Carried, FrameTokens, first_token
from idp.login.sessions import FRAME, NEW_TAB, Opening, Session, Sessions, TokenFacts
from idp.opaque import new_id
from tests.contracts.kv_stores import Case, record
from tests.contracts.sql_stores import BIRCHWOOD, OAKDALE, sample_biller

EIGHT = timedelta(hours=8)
BILLERS = {OAKDALE: sample_biller(OAKDALE, "oakdale"), BIRCHWOOD: sample_biller(BIRCHWOOD, "birchwood")}


class Bells:
    """Counts alarms."""

    def __init__(self) -> None:
        self.rung: list[tuple[int, str]] = []

    def sound(self, bid: int, kind: AlarmKind, subject: str, detail: str) -> None:  # noqa: ARG002  (the alarm's words)
        self.rung.append((bid, subject))


def token(case: Case, bid: int, *, once: bool) -> TokenFacts:
    """A live token, or one that was used."""
    facts = TokenFacts(str(new_id()), bid, new_id(), new_id(), new_id(), 1, "single_use" if once else "session", "", None, ())
    lifetime = timedelta(minutes=20) if once else timedelta(hours=1)
    case.kv.transact(
        Put(f"token:{facts.id}", facts.text(), lifetime, absolute=None if once else EIGHT, unless=(f"over:{facts.id}",))
    )
    return facts


def open_frame(case: Case, facts: TokenFacts, *, once: bool) -> tuple[Opening, str]:
    """A framed session of a token, and its first frame token."""
    asked = {"view_mode": FRAME, "redirect_id": 1, "account_number": "", "return_url": "", "return_name": "", "request_id": "r"}
    opening = Sessions(case.kv).opening(BILLERS[facts.bid], asked, parent=0)
    frame_token, step = first_token(opening.key, opening.facts.family)
    first = Take(f"token:{facts.id}", EIGHT) if once else Read(f"token:{facts.id}", slide=True)
    assert case.kv.transact(first, opening.step, step).stop is None
    return opening, frame_token


def session(case: Case, opening: Opening) -> Session:
    found = Sessions(case.kv).find(opening.secret)
    assert found is not None
    return found


def last(case: Case, opening: Opening) -> timedelta:
    """How long a session can last from now on: no click moves its idle time beyond it."""
    found = record(case.kv.transact(Read(opening.step.key)))
    probe = Put("probe", "", timedelta(days=2), absolute=timedelta(days=2), parent=0, bounded=True)
    case.kv.transact(Read(opening.step.key), probe)
    return record(case.kv.transact(Read("probe"))).expires_at - found.created_at


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("bid", [OAKDALE, BIRCHWOOD])
def test_whatever_comes_of_a_token_ends_eight_hours_after_it_was_made_by_the_stores_clock(case: Case, bid: int, once: bool) -> None:
    facts = token(case, bid, once=once)
    made = record(case.kv.transact(Read(f"token:{facts.id}"))).created_at
    case.until(lambda: True, timedelta(milliseconds=40))
    opening, _ = open_frame(case, facts, once=once)
    case.until(lambda: True, timedelta(milliseconds=40))
    sessions = Sessions(case.kv)
    child = sessions.open_child(BILLERS[bid], session(case, opening), NEW_TAB, "r")
    case.until(lambda: True, timedelta(milliseconds=40))
    renewed = sessions.renew(BILLERS[bid], session(case, child), 2)
    grandchild = sessions.open_child(BILLERS[bid], session(case, renewed), NEW_TAB, "r")
    for each in (opening, child, renewed, grandchild):
        assert session(case, each).began_at + last(case, each) == made + EIGHT


def test_whatever_comes_of_a_token_ends_with_it(case: Case) -> None:
    facts, other = token(case, OAKDALE, once=False), token(case, BIRCHWOOD, once=False)
    opening, frame_token = open_frame(case, facts, once=False)
    bystander, _ = open_frame(case, other, once=False)
    sessions = Sessions(case.kv)
    renewed = sessions.renew(BILLERS[OAKDALE], session(case, opening), 2)
    child = sessions.open_child(BILLERS[OAKDALE], session(case, renewed), NEW_TAB, "r")
    assert session(case, renewed).token == replace(facts, generation=2)
    case.kv.transact(Mark(f"over:{facts.id}", EIGHT))
    assert [sessions.find(each.secret) for each in (opening, renewed, child)] == [None] * 3
    assert FrameTokens(case.kv, Bells()).find(frame_token) is None
    assert session(case, bystander).token == other


def together(*acts: Callable[[], Carried | None]) -> list[Carried | None]:
    gate = threading.Barrier(len(acts))

    def act(each: Callable[[], Carried | None]) -> Carried | None:
        gate.wait(30)
        return each()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(act, acts))


def test_of_two_successors_of_a_frame_token_used_at_once_by_two_workers_at_most_one_gets_through_and_the_family_ends(
    case: Case,
) -> None:
    other_worker = case.place.open(case.clock)
    bells = Bells()
    for _ in range(10):
        opening, first = open_frame(case, token(case, OAKDALE, once=False), once=False)
        workers = [FrameTokens(case.kv, bells), FrameTokens(other_worker, bells)]
        pair = [found.next_token for found in (workers[0].find(first), workers[1].find(first)) if found is not None]
        answers = together(partial(workers[0].find, pair[0]), partial(workers[1].find, pair[1]))
        assert sum(answer is not None for answer in answers) <= 1
        assert Sessions(case.kv).find(opening.secret) is None
    other_worker.close()
    assert len(bells.rung) == 10
    assert {bid for bid, _ in bells.rung} == {OAKDALE}


def test_many_requests_at_once_by_two_workers_are_no_fork_when_one_of_their_successors_goes_on(case: Case) -> None:
    other_worker = case.place.open(case.clock)
    bells = Bells()
    workers = [FrameTokens(case.kv, bells), FrameTokens(other_worker, bells)]
    opening, held = open_frame(case, token(case, BIRCHWOOD, once=False), once=False)
    for _ in range(5):
        answers = together(*(partial(workers[number % 2].find, held) for number in range(6)))
        found = [answer for answer in answers if answer is not None]
        assert len(found) == 6
        held = found[3].next_token
    other_worker.close()
    assert session(case, opening).token.bid == BIRCHWOOD
    assert bells.rung == []
