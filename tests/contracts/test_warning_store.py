"""Warnings in SQL: one row per key, place, code and subject; counted, paged, purged, and of one biller and partner only."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from hub.storage.stores import Stores
from idp.actor import System
from idp.directory.api_keys import ApiKey, ApiKeys
from idp.directory.billers import Billers
from idp.directory.partners import Partners
from idp.errors import InvalidFields, ReferenceNotFound, StoreUnavailable
from idp.opaque import new_id, new_reference
from idp.secrets import Secrets
from sso_connect.checks import Check
from sso_connect.diagnostics import Diagnostics, Entry, Refusal
from sso_connect.warnings import KEPT_FOR, MOST_OF_A_KEY, OTHERS, WRITTEN_EVERY, Standing, Warned, WarningCode, Warnings
from tests import databases
from tests.databases import START, SqlCase

sql = databases.sql

OAKDALE, BIRCHWOOD = 101, 202
ONE, TWO = "one", "two"
PLACE = "POST /remote-authentication/register-accounts"
MAKER = System("test")
SECOND = timedelta(seconds=1)
COLOUR = Warned(WarningCode.UNKNOWN_FIELD, "Colour")
SIZE = Warned(WarningCode.UNKNOWN_FIELD, "Size")

Keys = dict[tuple[int, str], ApiKey]


@pytest.fixture
def keys(sql: SqlCase) -> Keys:
    """A key of each of two partners at each of two billers."""
    stores = (sql.begin, sql.database.read, sql.kv, sql.clock)
    secrets = Secrets((b"1" * 32,), sql.database.data_keys)
    billers = Billers(*stores, secrets, scheme="https", portal_domain="hub.example.com", share_origins=False)
    partners = Partners(sql.begin, sql.clock)
    api_keys = ApiKeys(*stores, allow_loopback_origins=False)
    for slug in (ONE, TWO):
        partners.create(MAKER, "r", slug=slug, name=slug)
    for bid in (OAKDALE, BIRCHWOOD):
        billers.create(MAKER, "r", bid=bid, slug=f"biller-{bid}", dba="Biller")
    both = [(bid, slug) for bid in (OAKDALE, BIRCHWOOD) for slug in (ONE, TWO)]
    return {(bid, slug): api_keys.issue(MAKER, "r", bid=bid, partner_slug=slug).key for bid, slug in both}


def standing(key: ApiKey, subject: str, at: datetime = START, times: int = 1, request_id: str = "req-1") -> Standing:
    return Standing(key.bid, key.id, PLACE, "UnknownField", subject, (Check("UnknownField", False),), request_id, at, at, times)


def put(sql: SqlCase, *heard: Standing) -> None:
    with sql.begin() as stores:
        stores.warnings.put_warnings(heard)


def listed(sql: SqlCase, bid: int = OAKDALE) -> list[Standing]:
    with sql.begin() as stores:
        return stores.warnings.list_warnings(bid, 1000)


def refusal(key: ApiKey, at: datetime, partner_id: UUID | None = None) -> Refusal:
    checks = (Check("user", False, "a user", "none", "register"),)
    return Refusal(new_reference(), at, key.bid, "UserNotFound", PLACE, checks, str(new_id()), key.id, partner_id or key.partner.id)


# --- the store ---------------------------------------------------------------------------------------------------------------


def test_a_warning_that_comes_again_is_the_same_row_with_a_higher_count_and_the_first_time(sql: SqlCase, keys: Keys) -> None:
    key = keys[OAKDALE, ONE]
    later = START + 5 * SECOND
    put(sql, standing(key, "Colour", times=2))
    put(sql, standing(key, "Colour", later, times=3, request_id="req-2"))
    (row,) = listed(sql)
    assert row == replace(standing(key, "Colour", times=5, request_id="req-2"), last_at=later)


def test_a_count_that_was_seen_earlier_and_written_later_does_not_turn_the_time_back(sql: SqlCase, keys: Keys) -> None:
    key = keys[OAKDALE, ONE]
    put(sql, standing(key, "Colour", START + SECOND), standing(keys[OAKDALE, TWO], "Colour"))
    put(sql, standing(key, "Colour", START))
    assert [(row.key_id, row.last_at, row.times) for row in listed(sql)] == [
        (key.id, START + SECOND, 2),
        (keys[OAKDALE, TWO].id, START, 1),
    ]


def test_no_count_is_lost_when_processes_write_the_same_rows_at_once_in_other_orders(sql: SqlCase, keys: Keys) -> None:
    key = keys[OAKDALE, ONE]
    rows = [standing(key, f"Field{number}") for number in range(20)]
    done = [sql.run_beside(put, sql, *(rows if turn % 2 else reversed(rows))) for turn in range(12)]
    for each in done:
        each.result()
    assert {row.times for row in listed(sql)} == {12}


def test_warnings_are_listed_for_their_biller_only(sql: SqlCase, keys: Keys) -> None:
    put(sql, standing(keys[OAKDALE, ONE], "Colour"), standing(keys[BIRCHWOOD, ONE], "Size"))
    assert [row.subject for row in listed(sql)] == ["Colour"]
    assert [row.subject for row in listed(sql, BIRCHWOOD)] == ["Size"]


def test_warnings_that_were_not_seen_for_their_time_are_purged_in_batches(sql: SqlCase, keys: Keys) -> None:
    service = Warnings(sql.begin, sql.clock)
    old = [standing(keys[bid, ONE], name) for bid in (OAKDALE, BIRCHWOOD) for name in ("Colour", "Size")]
    put(sql, *old, standing(keys[OAKDALE, TWO], "Colour", START + SECOND))
    assert service.purge() == 0
    sql.clock.advance(KEPT_FOR + SECOND / 2)
    assert [service.purge(limit=3), service.purge(limit=3), service.purge(limit=3)] == [3, 1, 0]
    assert [row.key_id for row in listed(sql)] == [keys[OAKDALE, TWO].id]
    assert listed(sql, BIRCHWOOD) == []


# --- hearing -----------------------------------------------------------------------------------------------------------------


def test_a_process_writes_a_warning_at_once_and_then_once_a_minute_with_the_count(sql: SqlCase, keys: Keys) -> None:
    service, key = Warnings(sql.begin, sql.clock), keys[OAKDALE, ONE]
    for number in range(10):
        service.hear(key, PLACE, f"req-{number}", [COLOUR])
    assert [(row.times, row.request_id) for row in listed(sql)] == [(1, "req-0")]
    sql.clock.advance(WRITTEN_EVERY)
    service.hear(key, PLACE, "req-10", [COLOUR, COLOUR])
    (row,) = listed(sql)
    assert (row.times, row.request_id, row.first_at, row.last_at) == (11, "req-10", START, START + WRITTEN_EVERY)
    assert row.checks == (COLOUR.check(),)


def test_what_waits_is_written_by_whoever_comes_next_and_at_the_end(sql: SqlCase, keys: Keys) -> None:
    service = Warnings(sql.begin, sql.clock)
    for _ in range(3):
        service.hear(keys[OAKDALE, ONE], PLACE, "req-1", [COLOUR])
    sql.clock.advance(WRITTEN_EVERY)
    service.hear(keys[BIRCHWOOD, ONE], PLACE, "req-2", [SIZE])
    assert [row.times for row in listed(sql)] == [3]
    service.hear(keys[BIRCHWOOD, ONE], PLACE, "req-3", [SIZE])
    assert [row.times for row in listed(sql, BIRCHWOOD)] == [1]
    service.flush()
    assert [row.times for row in listed(sql, BIRCHWOOD)] == [2]
    service.flush()
    assert [row.times for row in listed(sql, BIRCHWOOD)] == [2]


def test_a_process_that_serves_writes_what_waits_within_seconds_so_that_a_kill_loses_no_more(sql: SqlCase, keys: Keys) -> None:
    service = Warnings(sql.begin, sql.clock)
    service.keep_writing()
    for number in range(10):
        service.hear(keys[OAKDALE, ONE], PLACE, f"req-{number}", [COLOUR])
    sql.wait_until(lambda: [row.times for row in listed(sql)] == [10])
    service.hear(keys[OAKDALE, ONE], PLACE, "req-11", [COLOUR])
    sql.wait_until(lambda: [row.times for row in listed(sql)] == [11])
    service.close()


def test_what_could_not_be_written_is_counted_on_and_written_later(sql: SqlCase, keys: Keys) -> None:
    is_away = True

    def begin() -> AbstractContextManager[Stores]:
        if is_away:
            raise StoreUnavailable("told to be away")
        return sql.begin()

    service = Warnings(begin, sql.clock)
    for number in range(5):
        service.hear(keys[OAKDALE, ONE], PLACE, f"req-{number}", [COLOUR])
    assert not service.flush()
    assert listed(sql) == []
    is_away = False
    assert service.flush()
    assert [row.times for row in listed(sql)] == [5]
    assert service.flush()
    assert [row.times for row in listed(sql)] == [5]


def test_a_key_that_invents_names_fills_neither_the_memory_nor_the_table(sql: SqlCase, keys: Keys) -> None:
    service, key = Warnings(sql.begin, sql.clock), keys[OAKDALE, ONE]
    for number in range(MOST_OF_A_KEY + 50):
        service.hear(key, PLACE, "req-1", [Warned(WarningCode.UNKNOWN_FIELD, f"Field{number}")])
    service.hear(keys[OAKDALE, TWO], PLACE, "req-2", [SIZE])
    service.flush()
    rows = {(row.key_id, row.subject): row.times for row in listed(sql)}
    assert len(rows) == MOST_OF_A_KEY + 2
    assert rows[key.id, OTHERS] == 50
    assert rows[keys[OAKDALE, TWO].id, "Size"] == 1


# --- what a partner reads ----------------------------------------------------------------------------------------------------


def test_a_partner_pages_through_its_refusals_and_warnings_newest_first_without_a_gap_or_a_double(sql: SqlCase, keys: Keys) -> None:
    service, key = Diagnostics(sql.begin, sql.kv, sql.clock), keys[OAKDALE, ONE]
    kept = [refusal(key, START + (number // 3) * SECOND) for number in range(12)]
    for each in (*kept, refusal(keys[OAKDALE, TWO], START), refusal(keys[BIRCHWOOD, ONE], START)):
        service.record(each)
    heard = [standing(key, f"Field{number:02}", START + (number // 4) * SECOND) for number in range(12)]
    put(sql, *heard, standing(keys[OAKDALE, TWO], "Colour"), standing(keys[BIRCHWOOD, ONE], "Colour"))
    for limit in (1, 5, 7, 24, 200):
        entries: list[Entry] = []
        cursor: str | None = None
        while True:
            page = service.list_for(key, cursor, limit)
            assert len(page.entries) <= limit
            entries += page.entries
            cursor = page.cursor
            if cursor is None:
                break
        assert [each.at for each in entries] == sorted((each.at for each in entries), reverse=True)
        assert sorted(each.reference for each in entries if each.reference) == sorted(each.reference for each in kept)
        assert len([each for each in entries if each.kind == "warning"]) == 12
        assert len({(each.kind, each.reference, each.where, each.at, each.checks) for each in entries}) >= 12
    assert len(entries) == 24


@pytest.mark.parametrize("cursor", ["x", "é", "W10", "bnVsbA", "W251bGwsMV0", "WzEsMl0", "W1sibm93IiwiWCJdLG51bGxd", "a" * 1999])
def test_a_cursor_that_is_none_of_ours_is_refused_by_name(sql: SqlCase, keys: Keys, cursor: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        Diagnostics(sql.begin, sql.kv, sql.clock).list_for(keys[OAKDALE, ONE], cursor)
    assert [each.field for each in refused.value.fields] == ["Cursor"]


def test_a_partner_finds_its_own_by_reference_or_request_id_and_nothing_of_others(sql: SqlCase, keys: Keys) -> None:
    service, key = Diagnostics(sql.begin, sql.kv, sql.clock), keys[OAKDALE, ONE]
    own = refusal(key, START)
    service.record(own)
    assert service.get_for(key, f" {own.reference.lower()} ").reference == own.reference
    assert service.get_for(key, own.request_id.upper()).reference == own.reference
    for other in (keys[OAKDALE, TWO], keys[BIRCHWOOD, ONE], keys[BIRCHWOOD, TWO]):
        for name in (own.reference, own.request_id):
            with pytest.raises(ReferenceNotFound):
                service.get_for(other, name)


def test_a_refusal_of_nobody_is_shown_to_whoever_has_its_reference_at_its_biller_and_listed_for_nobody(
    sql: SqlCase, keys: Keys
) -> None:
    service = Diagnostics(sql.begin, sql.kv, sql.clock)
    nobodys = replace(refusal(keys[OAKDALE, ONE], START), key_id=None, partner_id=None)
    service.record(nobodys)
    for slug in (ONE, TWO):
        assert service.get_for(keys[OAKDALE, slug], nobodys.reference).reference == nobodys.reference
        assert service.list_for(keys[OAKDALE, slug]).entries == ()
        with pytest.raises(ReferenceNotFound):
            service.get_for(keys[BIRCHWOOD, slug], nobodys.reference)


def test_the_warnings_of_a_request_are_found_together_by_its_id_and_by_their_partner_only(sql: SqlCase, keys: Keys) -> None:
    service, diagnostics = Warnings(sql.begin, sql.clock), Diagnostics(sql.begin, sql.kv, sql.clock)
    request_id = str(new_id())
    service.hear(keys[OAKDALE, ONE], PLACE, request_id, [COLOUR, SIZE])
    told = diagnostics.get_for(keys[OAKDALE, ONE], request_id.upper())
    assert (told.kind, told.reference, told.code) == ("warning", None, "UnknownField")
    assert sorted(check.came for check in told.checks) == ["Colour", "Size"]
    for other in (keys[OAKDALE, TWO], keys[BIRCHWOOD, ONE]):
        with pytest.raises(ReferenceNotFound):
            diagnostics.get_for(other, request_id)


def test_nothing_that_looks_like_a_secret_of_ours_is_kept_wherever_it_stood(sql: SqlCase, keys: Keys) -> None:
    secrets = [f"idh{kind}_{'Ab-_9' * 9}" for kind in "tokl"]
    service, diagnostics = Warnings(sql.begin, sql.clock), Diagnostics(sql.begin, sql.kv, sql.clock)
    checks = tuple(Check(f"a {each}", False, f"b{each}.", f"https://x.example/?t={each.upper()}&u") for each in secrets)
    kept = replace(refusal(keys[OAKDALE, ONE], START), checks=checks)
    diagnostics.record(kept)
    service.hear(keys[OAKDALE, ONE], PLACE, "req-1", [Warned(WarningCode.UNKNOWN_FIELD, each) for each in secrets])
    told = repr(diagnostics.list_for(keys[OAKDALE, ONE])) + repr(listed(sql))
    assert "idht_..." in told
    for secret in secrets:
        assert secret[5:].lower() not in told.lower()
