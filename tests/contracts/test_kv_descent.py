"""Records that rest on others (idp.kv.Put.parent), on every key-value store: how long they last, what they inherit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from idp.kv import Gone, Mark, Put, Read, Take
from tests.contracts.kv_stores import Case, gone, record, went_through
from tests.contracts.test_kv import HOUR, MINUTE, SOON, put


def test_within_counts_from_the_making_of_the_parent_and_not_from_now(case: Case) -> None:
    case.kv.transact(Put("token", "t", HOUR, absolute=HOUR))
    made = record(case.kv.transact(Read("token"))).created_at
    case.until(lambda: went_through(case.kv.transact(Read("token", slide=True))).stop is None, SOON)
    case.kv.transact(Read("token"), Put("session", "s", HOUR, absolute=HOUR, parent=0, within=HOUR))
    assert record(case.kv.transact(Read("session"))).expires_at == made + HOUR
    slid = record(case.kv.transact(Read("session", slide=True)))
    assert slid.expires_at == made + HOUR
    assert slid.created_at > made


def test_within_a_long_time_changes_nothing(case: Case) -> None:
    case.kv.transact(put("token"))
    case.kv.transact(Read("token"), Put("session", "s", MINUTE, absolute=HOUR, parent=0, within=24 * HOUR))
    found = record(case.kv.transact(Read("session")))
    assert found.expires_at == found.created_at + MINUTE


def test_after_the_time_that_within_allows_a_record_is_over_however_often_it_slid(case: Case) -> None:
    case.kv.transact(put("token"))
    case.kv.transact(Read("token"), Put("session", "s", HOUR, absolute=HOUR, parent=0, within=SOON, linger=HOUR))
    case.until(lambda: case.kv.transact(Read("session", slide=True)).stop == Gone(value="s", parent="v"), SOON)


def test_a_bounded_record_ends_with_its_parent_however_young_it_is(case: Case) -> None:
    case.kv.transact(Put("frame", "f", MINUTE, absolute=2 * MINUTE))
    end = record(case.kv.transact(Read("frame"))).created_at + 2 * MINUTE
    case.until(lambda: case.kv.transact(Read("frame")).stop is None, SOON)
    case.kv.transact(Read("frame"), Put("page", "p", HOUR, absolute=HOUR, parent=0, bounded=True))
    case.kv.transact(Read("page"), Put("grandchild", "g", HOUR, absolute=HOUR, parent=0, bounded=True))
    for key in ("page", "grandchild"):
        assert record(case.kv.transact(Read(key, slide=True))).expires_at == end


def test_a_bounded_record_has_an_idle_time_of_its_own(case: Case) -> None:
    case.kv.transact(Put("frame", "f", SOON, absolute=HOUR))
    case.kv.transact(Read("frame"), Put("page", "p", MINUTE, absolute=HOUR, parent=0, bounded=True))
    case.until(lambda: isinstance(case.kv.transact(Read("frame")).stop, Gone), SOON)
    assert record(case.kv.transact(Read("page"))).value == "p"


def test_an_origin_takes_the_place_of_the_parents_value_and_the_rest_is_inherited(case: Case) -> None:
    case.kv.transact(put("token", "old", unless=("token-over",), watch=("user",)))
    case.kv.transact(Read("token"), Put("session", "s", HOUR, unless=("family",), parent=0, origin="new"))
    found = record(case.kv.transact(Read("session")))
    assert found.parent == "new"
    assert set(found.stamps) == {"user"}
    case.kv.transact(Mark("token-over", HOUR))
    assert gone(case.kv.transact(Read("session"))).ended_by == "token-over"


def test_a_mark_that_was_shed_ends_the_parent_and_not_the_child(case: Case) -> None:
    case.kv.transact(put("old", unless=("token-over", "family")))
    case.kv.transact(Read("old"), Put("new", "n", HOUR, unless=("family-2",), parent=0, shed=("family",)), Mark("family", HOUR))
    assert gone(case.kv.transact(Read("old"))).ended_by == "family"
    assert record(case.kv.transact(Read("new"))).value == "n"
    case.kv.transact(Mark("token-over", HOUR))
    assert gone(case.kv.transact(Read("new"))).ended_by == "token-over"


def test_a_spent_record_is_read_as_a_parent_only_by_who_asks_for_it(case: Case) -> None:
    case.kv.transact(Put("token", "t", SOON, unless=("over",), watch=("user",)))
    case.kv.transact(Take("token", HOUR))
    case.until(lambda: gone(case.kv.transact(Read("token"))).spent, SOON)
    again = case.kv.transact(Read("token", spent=True), Put("session", "s", HOUR, parent=0))
    assert record(again).value == "t"
    found = record(case.kv.transact(Read("session")))
    assert (found.parent, set(found.stamps)) == ("t", {"user"})
    assert gone(case.kv.transact(Take("token", HOUR))).spent, "it stays spent"
    case.kv.transact(Mark("over", HOUR))
    assert gone(case.kv.transact(Read("token", spent=True))).ended_by == "over"
    assert gone(case.kv.transact(Read("session"))).ended_by == "over"


def test_asking_for_a_spent_record_too_finds_a_live_one_and_no_expired_one(case: Case) -> None:
    case.kv.transact(put("live"), Put("short", "v", SOON, linger=HOUR))
    assert record(case.kv.transact(Read("live", spent=True))).value == "v"
    case.until(lambda: case.kv.transact(Read("short", spent=True)).stop == Gone(value="v"), SOON)


def test_a_tombstone_outlives_no_read_of_it(case: Case) -> None:
    case.kv.transact(Put("token", "t", HOUR, absolute=HOUR))
    case.kv.transact(Take("token", SOON))
    case.kv.transact(Read("token", slide=True, spent=True))
    case.until(lambda: case.kv.transact(Read("token", spent=True)).stop == Gone(), SOON)


@pytest.mark.parametrize("change", [{"within": HOUR}, {"bounded": True}, {"origin": "o"}, {"shed": ("m",)}])
def test_what_needs_a_parent_is_refused_without_one(case: Case, change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="parent"):
        case.kv.transact(Put("k", "v", HOUR, **change))  # type: ignore[arg-type]  # one of four fields


def test_no_time_of_a_parent_is_longer_than_the_sum_of_its_parts(case: Case) -> None:
    """What a session rests on is judged by the store's clock alone, whatever a worker believes the time to be."""
    eight = 8 * HOUR
    case.kv.transact(Put("token", "t", HOUR, absolute=eight))
    case.kv.transact(Read("token"), Put("frame", "f", HOUR, absolute=eight, parent=0, within=eight))
    case.kv.transact(Read("frame"), Put("page", "p", eight, absolute=timedelta(days=2), parent=0, bounded=True))
    token, page = record(case.kv.transact(Read("token"))), record(case.kv.transact(Read("page", slide=True)))
    assert page.expires_at == token.created_at + eight
