"""Stamps of the key-value contract (idp.kv), on every store: first sight, Expect, Renew, holds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from idp.kv import Done, Expect, KeyValue, Look, Put, Read, Renew, Seen, Stale, Stamps
from tests.contracts.kv_stores import Case, look, record, went_through

HOUR = timedelta(hours=1)
SOON = timedelta(milliseconds=60)


def stable(kv: KeyValue, *names: str) -> bool:
    return look(kv, *names) == look(kv, *names)


def stale(kv: KeyValue, stamps: Stamps) -> Stamps:
    outcome = kv.transact(Expect(stamps))
    assert isinstance(outcome.stop, Stale)
    assert outcome.stopped_at == 0
    return outcome.stop.stamps


def test_a_stamp_is_made_on_first_sight_and_stays(case: Case) -> None:
    first = look(case.kv, "biller:1", "biller:2")
    assert list(first) == ["biller:1", "biller:2"]
    assert first["biller:1"] != first["biller:2"]
    assert look(case.kv, "biller:2", "biller:1") == first
    assert went_through(case.kv.transact(Expect(first))).results == (Seen(first),)


def test_an_empty_list_of_stamps_is_never_stale(case: Case) -> None:
    assert went_through(case.kv.transact(Expect({}), Look(()), Renew(()))).results == (Seen({}), Seen({}), Done())


def test_a_stale_cache_is_told_all_present_stamps(case: Case) -> None:
    known = look(case.kv, "a", "b", "c")
    case.kv.transact(Renew(("b",)))
    present = stale(case.kv, known)
    assert set(present) == {"a", "b", "c"}
    assert (present["a"], present["c"]) == (known["a"], known["c"])
    assert present["b"] != known["b"]
    went_through(case.kv.transact(Expect(present)))


def test_what_a_stale_answer_told_is_good_for_the_next_call_even_on_first_sight(case: Case) -> None:
    present = stale(case.kv, {"never": "guessed", "seen": "guessed"})
    went_through(case.kv.transact(Expect(present)))


def test_a_stamp_never_returns_to_an_earlier_version(case: Case) -> None:
    seen = set()
    for _ in range(20):
        seen.add(look(case.kv, "row")["row"])
        case.kv.transact(Renew(("row",)))
    assert len(seen) == 20


def test_reading_a_record_brings_the_present_stamps_of_its_watch_list(case: Case) -> None:
    case.kv.transact(Put("k", "v", HOUR, watch=("user:1", "biller:1")))
    first = record(case.kv.transact(Read("k"))).stamps
    assert first == look(case.kv, "user:1", "biller:1")
    case.kv.transact(Renew(("user:1",)))
    second = record(case.kv.transact(Read("k"))).stamps
    assert second["user:1"] != first["user:1"]
    assert second["biller:1"] == first["biller:1"]


def test_while_held_a_stamp_differs_at_every_read(case: Case) -> None:
    before = look(case.kv, "row", "other")
    case.kv.transact(Put("k", "v", HOUR, watch=("row",)), Renew(("row",), hold=HOUR))
    seen = [before["row"]]
    for _ in range(3):
        seen.append(look(case.kv, "row", "other")["row"])
        seen.append(record(case.kv.transact(Read("k"))).stamps["row"])
        seen.append(stale(case.kv, {"row": seen[-1], "other": before["other"]})["row"])
        seen += [
            result.stamps["row"] for result in case.kv.transact(Look(("row",)), Look(("row",))).results if isinstance(result, Seen)
        ]
    assert len(set(seen)) == len(seen) == 16
    assert look(case.kv, "other")["other"] == before["other"]


def test_the_renewal_after_the_commit_ends_the_hold_with_a_new_version(case: Case) -> None:
    before = look(case.kv, "row")
    case.kv.transact(Renew(("row",), hold=HOUR))
    during = look(case.kv, "row")
    case.kv.transact(Renew(("row",)))
    after = look(case.kv, "row")
    assert stable(case.kv, "row")
    assert len({before["row"], during["row"], after["row"]}) == 3
    went_through(case.kv.transact(Expect(after)))


def test_the_hold_of_a_writer_that_died_runs_out_into_a_new_stable_version(case: Case) -> None:
    before = look(case.kv, "row")
    case.kv.transact(Renew(("row",), hold=SOON))
    case.until(lambda: stable(case.kv, "row"), SOON)
    assert look(case.kv, "row") != before


def test_while_a_second_writer_is_at_work_the_first_ones_renewal_keeps_the_hold(case: Case) -> None:
    case.kv.transact(Renew(("row",), hold=HOUR))
    case.kv.transact(Renew(("row",), hold=HOUR))
    case.kv.transact(Renew(("row",)))
    assert not stable(case.kv, "row")
    case.kv.transact(Renew(("row",)))
    assert stable(case.kv, "row")


def test_a_second_writers_short_hold_does_not_shorten_the_first_ones(case: Case) -> None:
    case.kv.transact(Renew(("row",), hold=HOUR))
    case.kv.transact(Renew(("row",), hold=SOON), Put("probe", "v", SOON))
    case.until(lambda: case.kv.transact(Read("probe")).stop is not None, SOON)
    assert not stable(case.kv, "row")
    case.kv.transact(Renew(("row",)))
    assert stable(case.kv, "row")


def test_a_renewal_is_seen_by_later_steps_of_its_transaction(case: Case) -> None:
    known = look(case.kv, "row")
    outcome = case.kv.transact(Renew(("row",)), Expect(known))
    assert isinstance(outcome.stop, Stale)
    assert look(case.kv, "row") == known


def test_stamps_that_are_read_live_on_and_those_that_nobody_reads_are_forgotten(case: Case) -> None:
    if case.clock is None:
        pytest.skip("a day is too long to wait for; test_kv_redis looks at the lifetimes")
    first = look(case.kv, "read", "unread")
    for _ in range(6):
        case.clock.advance(timedelta(hours=13))
        assert look(case.kv, "read") == {"read": first["read"]}
    assert case.kv.purge(100) == 1
    assert look(case.kv, "unread") != {"unread": first["unread"]}
