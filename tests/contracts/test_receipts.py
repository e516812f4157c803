"""Receipts of repeated requests, on both databases: first answers, twins, takeovers, and that change and answer commit together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from hub.storage.stores import Stores
from idp.actor import System
from idp.changelog import Action, Change
from idp.errors import IdempotencyInProgress, IdempotencyKeyReused, StoreUnavailable
from idp.receipts import CLAIMED_FOR, HELD_AT_MOST, KEPT_FOR, RENEWED_EVERY, Answer, Receipt, Receipts
from idp.secrets import Secrets
from tests import databases
from tests.databases import SqlCase

sql = databases.sql
postgres_sql = databases.postgres_sql

OAKDALE, BIRCHWOOD = 101, 202
WHO = ("key-1", "CreateCustomer", None)
BODY = '{"AccountNumber": "1"}'
DONE = Answer(201, {"CustomerGUID": "01890a5d", "Name": "Zoë"})


@dataclass(frozen=True, slots=True)
class Desk:
    """Receipts on a database under test."""

    sql: SqlCase
    receipts: Receipts

    def open(self, key: str = "k", *, bid: int = OAKDALE, body: str = BODY, who: tuple[object, ...] = WHO) -> Receipt | Answer:
        return self.receipts.open(bid, who, key, body)

    def claim(self, key: str = "k", *, bid: int = OAKDALE) -> Receipt:
        claimed = self.open(key, bid=bid)
        assert isinstance(claimed, Receipt)
        return claimed

    def rows(self) -> int:
        """Rows of the change log: what stands for the change here."""
        with self.sql.engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT count(*) FROM change_log").scalar_one())

    def change_and_keep(self, claimed: Receipt, answer: Answer = DONE) -> None:
        with self.sql.begin() as stores:
            stores.changelog.append(Change(claimed.bid, Action.CUSTOMER_CREATE, System("test"), "r"))
            self.receipts.keep(stores, claimed, answer)


def receipts_on(sql: SqlCase) -> Receipts:
    return Receipts(sql.begin, sql.clock, Secrets((b"1" * 32,), sql.database.data_keys))


def dead_claim(desk: Desk, key: str = "k", *, bid: int = OAKDALE) -> Receipt:
    """A claim of a process that is dead by now: nobody renews it."""
    dead = Desk(desk.sql, receipts_on(desk.sql))
    claimed = dead.claim(key, bid=bid)
    dead.receipts.close()
    return claimed


@pytest.fixture
def postgres_desk(postgres_sql: SqlCase) -> Iterator[Desk]:
    made = Desk(postgres_sql, receipts_on(postgres_sql))
    yield made
    made.receipts.close()


@pytest.fixture
def desk(sql: SqlCase) -> Iterator[Desk]:
    made = Desk(sql, receipts_on(sql))
    yield made
    made.receipts.close()


def test_the_same_request_again_gets_the_first_answer(desk: Desk) -> None:
    desk.change_and_keep(desk.claim())
    assert desk.open() == desk.open() == DONE
    assert desk.rows() == 1


def test_an_answer_without_a_body_is_kept_as_one(desk: Desk) -> None:
    desk.change_and_keep(desk.claim(), Answer(204, None))
    assert desk.open() == Answer(204, None)


def test_another_body_under_the_same_key_is_refused_before_and_after_the_answer(desk: Desk) -> None:
    claimed = desk.claim()
    with pytest.raises(IdempotencyKeyReused):
        desk.open(body="{}")
    desk.change_and_keep(claimed)
    with pytest.raises(IdempotencyKeyReused):
        desk.open(body="{}")


def test_a_twin_in_progress_is_told_so(desk: Desk) -> None:
    desk.claim()
    with pytest.raises(IdempotencyInProgress):
        desk.open()


def test_keys_of_other_billers_api_keys_and_operations_are_other_keys(desk: Desk) -> None:
    desk.change_and_keep(desk.claim())
    assert isinstance(desk.open(bid=BIRCHWOOD), Receipt)
    assert isinstance(desk.open(who=("key-2", *WHO[1:])), Receipt)
    assert isinstance(desk.open(who=("key-1", "Other", None)), Receipt)
    assert isinstance(desk.open("K"), Receipt)
    assert desk.open() == DONE


def test_a_refused_request_may_be_tried_again(desk: Desk) -> None:
    desk.receipts.drop(desk.claim())
    assert isinstance(desk.open(body="{}"), Receipt)


def test_a_drop_after_the_answer_takes_nothing_back(desk: Desk) -> None:
    claimed = desk.claim()
    desk.change_and_keep(claimed)
    desk.receipts.drop(claimed)
    assert desk.open() == DONE


def test_a_change_that_is_rolled_back_takes_its_answer_along(desk: Desk) -> None:
    claimed = desk.claim()

    def fail() -> None:
        with desk.sql.begin() as stores:
            stores.changelog.append(Change(OAKDALE, Action.CUSTOMER_CREATE, System("test"), "r"))
            desk.receipts.keep(stores, claimed, DONE)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert desk.rows() == 0
    with pytest.raises(IdempotencyInProgress):
        desk.open()


def test_the_claim_of_a_dead_worker_is_taken_over_and_its_late_change_is_rolled_back(desk: Desk) -> None:
    dead = dead_claim(desk)
    desk.sql.clock.advance(CLAIMED_FOR)
    living = desk.claim()
    with pytest.raises(IdempotencyInProgress):
        desk.change_and_keep(dead, Answer(201, {"late": True}))
    assert desk.rows() == 0
    desk.change_and_keep(living)
    with pytest.raises(IdempotencyInProgress):
        desk.change_and_keep(dead)
    assert desk.open() == DONE
    assert desk.rows() == 1


def test_a_twin_in_progress_is_told_when_to_ask_again(desk: Desk) -> None:
    dead_claim(desk)
    for left in range(6, 0, -1):
        with pytest.raises(IdempotencyInProgress) as told:
            desk.open()
        assert told.value.retry_after == timedelta(seconds=left)
        desk.sql.clock.advance(timedelta(seconds=1))
    assert isinstance(desk.open(), Receipt)


def test_a_retry_after_a_crash_is_let_in_within_seconds(desk: Desk) -> None:
    dead_claim(desk)
    desk.sql.clock.advance(timedelta(seconds=6))
    assert isinstance(desk.open(), Receipt)


def test_a_slow_request_keeps_its_claim_for_as_long_as_it_works(desk: Desk) -> None:
    slow = desk.claim()
    for _ in range(20):
        desk.sql.clock.advance(RENEWED_EVERY)
        assert desk.receipts.beat()
        with pytest.raises(IdempotencyInProgress):
            desk.open()
    desk.change_and_keep(slow)
    desk.receipts.release(slow)
    assert desk.open() == DONE
    assert desk.rows() == 1
    assert not desk.receipts.beat()


def test_a_request_that_hangs_loses_its_claim(desk: Desk) -> None:
    desk.claim()
    desk.sql.clock.advance(HELD_AT_MOST)
    assert not desk.receipts.beat()
    assert isinstance(desk.open(), Receipt)


def test_a_claim_that_was_taken_over_or_answered_is_not_renewed(desk: Desk) -> None:
    late, other = dead_claim(desk), dead_claim(desk, "other", bid=BIRCHWOOD)
    desk.sql.clock.advance(CLAIMED_FOR)
    living = desk.claim()
    desk.change_and_keep(other)
    with desk.sql.begin() as stores:
        before = [stores.receipts.find_receipt(each.bid, each.name) for each in (living, other)]
        stores.receipts.renew_claims([late, other], desk.sql.clock.now() + timedelta(hours=1))
        assert [stores.receipts.find_receipt(each.bid, each.name) for each in (living, other)] == before


def test_a_renewal_does_not_wait_for_an_answer_that_is_being_written(postgres_sql: SqlCase, postgres_desk: Desk) -> None:
    sql, desk = postgres_sql, postgres_desk
    writing, waiting = desk.claim("a"), desk.claim("b")
    sql.clock.advance(RENEWED_EVERY)
    with sql.begin() as stores:
        desk.receipts.keep(stores, writing, DONE)
        assert sql.run_beside(desk.receipts.beat).result(60)
        with sql.begin() as beside:
            renewed = beside.receipts.find_receipt(waiting.bid, waiting.name)
            assert renewed is not None
            assert renewed.claimed_until == sql.clock.now() + CLAIMED_FOR
    assert desk.open("a") == DONE


def test_a_twin_that_finds_a_stale_claim_whose_answer_is_just_being_committed_gets_that_answer(
    postgres_sql: SqlCase, postgres_desk: Desk
) -> None:
    sql, desk = postgres_sql, postgres_desk
    slow = desk.claim()
    with sql.begin() as stores:
        desk.receipts.keep(stores, slow, DONE)
        sql.clock.advance(CLAIMED_FOR)
        twin = sql.run_beside(desk.open)
        sql.wait_until(lambda: sql.waiting_for_locks() == 1)
    assert twin.result(60) == DONE


def test_a_claim_that_an_outage_left_behind_is_dropped_when_the_database_is_back(desk: Desk) -> None:
    away = False

    def begin() -> AbstractContextManager[Stores]:
        if away:
            raise StoreUnavailable("told to be away")
        return desk.sql.begin()

    mine = Receipts(begin, desk.sql.clock, Secrets((b"1" * 32,), desk.sql.database.data_keys))
    claimed = mine.open(OAKDALE, WHO, "k", BODY)
    assert isinstance(claimed, Receipt)
    away = True
    mine.drop(claimed)
    assert mine.beat()
    away = False
    assert not mine.beat()
    assert isinstance(desk.open(), Receipt)
    mine.close()


def test_a_heartbeat_renews_and_drops_by_itself(desk: Desk) -> None:
    claimed = desk.claim()
    desk.sql.clock.advance(timedelta(seconds=5))

    def until() -> datetime:
        with desk.sql.begin() as stores:
            found = stores.receipts.find_receipt(claimed.bid, claimed.name)
        assert found is not None
        return found.claimed_until

    desk.sql.wait_until(lambda: until() == desk.sql.clock.now() + CLAIMED_FOR)
    desk.receipts.close()


def test_a_clock_that_was_set_back_keeps_no_key_claimed_until_it_has_caught_up(desk: Desk) -> None:
    dead_claim(desk)
    desk.sql.clock.advance(timedelta(hours=-5))
    assert isinstance(desk.open(), Receipt)


def test_an_answer_is_forgotten_after_a_day(desk: Desk) -> None:
    desk.change_and_keep(desk.claim())
    desk.sql.clock.advance(KEPT_FOR - timedelta(seconds=1))
    assert desk.open() == DONE
    desk.sql.clock.advance(timedelta(seconds=1))
    assert isinstance(desk.open(body="{}"), Receipt)


def test_what_is_over_is_purged_in_batches_and_nothing_else(desk: Desk) -> None:
    for key in "abc":
        desk.change_and_keep(desk.claim(key))
    desk.sql.clock.advance(KEPT_FOR + timedelta(seconds=1))
    desk.change_and_keep(desk.claim("young", bid=BIRCHWOOD))
    assert [desk.receipts.purge(2) for _ in range(3)] == [2, 1, 0]
    assert desk.open("young", bid=BIRCHWOOD) == DONE


def test_nothing_of_key_body_or_answer_can_be_read_in_the_table(desk: Desk) -> None:
    desk.change_and_keep(desk.claim("very-secret-key"))
    with desk.sql.engine.connect() as connection:
        stored = str(connection.exec_driver_sql("SELECT * FROM receipts").all())
    for text in ("very-secret-key", "AccountNumber", "01890a5d", "Zoë", "CreateCustomer"):
        assert text not in stored


def test_of_many_twins_at_once_exactly_one_works(desk: Desk) -> None:
    desk.receipts.drop(desk.claim("warm"))  # the biller's data key is made once, before the race

    def try_it() -> bool:
        try:
            return isinstance(desk.open(), Receipt)
        except IdempotencyInProgress:
            return False

    outcomes = [each.result() for each in [desk.sql.run_beside(try_it) for _ in range(32)]]
    assert outcomes.count(True) == 1
