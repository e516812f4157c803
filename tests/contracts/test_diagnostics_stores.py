"""Refusals and import runs in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from hub.storage.kv_sqlite import SqliteKeyValue
from hub.storage.stores import Stores
from hub.storage.tables.diagnostics import refusals, refusals_not_kept
from idp.directory.api_keys import ApiKey
from idp.errors import ReferenceNotFound
from idp.opaque import new_id, new_reference
from sso_connect.checks import MOST_CHECKS, MOST_NAME, MOST_TEXT, Check
from sso_connect.diagnostics import KEPT_FOR, MOST_ENTRIES, Diagnostics, Refusal
from sso_connect.imports.runs import ImportRun, RowReport
from sso_connect.refusal_limits import OF_A_KEY, OF_A_PAYER, OF_NOBODY, OF_NOBODY_ANYWHERE, WRITTEN_EVERY
from tests import databases
from tests.contracts.sql_stores import sample_biller, sample_key, sample_partner
from tests.databases import START, SqlCase

sql = databases.sql

OAKDALE, BIRCHWOOD = 101, 202
MINUTE = timedelta(minutes=1)


def refusal(bid: int = OAKDALE, after: timedelta = timedelta(0), reference: str | None = None) -> Refusal:
    checks = (Check("token", held=True), Check("origin", False, "https://a.example.com", "https://b.example.com", "add it"))
    return Refusal(reference or new_reference(), START + after, bid, "OriginRefused", "authenticate", checks, "req-1")


def test_a_refusal_is_found_again_by_its_reference_as_it_was_read_out(sql: SqlCase) -> None:
    diagnostics = Diagnostics(sql.begin, sql.kv, sql.clock)
    kept = replace(
        refusal(reference="AB23CD45EF"), key_id=new_id(), partner_id=new_id(), user_id=new_id(), session_reference="s-17"
    )
    diagnostics.record(kept)
    assert diagnostics.get(OAKDALE, " ab23 cd45 ef ") == kept


def test_a_refusal_is_found_again_by_the_id_of_its_request(sql: SqlCase) -> None:
    diagnostics = Diagnostics(sql.begin, sql.kv, sql.clock)
    kept = replace(refusal(), request_id="01a1fbd6-2a0b-734b-938f-dc7b99844ae4")
    diagnostics.record(kept)
    assert diagnostics.get(OAKDALE, kept.request_id.upper()) == kept
    with pytest.raises(ReferenceNotFound):
        diagnostics.get(BIRCHWOOD, kept.request_id)


@pytest.fixture
def standing(sql: SqlCase, tmp_path: Path) -> Iterator[Diagnostics]:
    """Diagnostics over a store in which no time passes, so that no bucket fills up again."""
    kv = SqliteKeyValue(tmp_path / "standing.db", clock=sql.clock)
    yield Diagnostics(sql.begin, kv, sql.clock)
    kv.close()


def of_call(bid: int, key: ApiKey) -> Refusal:
    return replace(refusal(bid), key_id=key.id, partner_id=key.partner.id)


def of_redirect(bid: int, key: ApiKey, user: UUID) -> Refusal:
    return replace(of_call(bid, key), user_id=user)


def keys(sql: SqlCase) -> tuple[ApiKey, ApiKey, ApiKey]:
    """Keys of two partners at one biller, and one of the first at another."""
    first, second = sample_partner("aquabill"), sample_partner("payright")
    made = (sample_key(OAKDALE, first), sample_key(OAKDALE, second), sample_key(BIRCHWOOD, first))
    with sql.begin() as stores:
        for bid, slug in ((OAKDALE, "oakdale"), (BIRCHWOOD, "birchwood")):
            stores.billers.add_biller(sample_biller(bid, slug))
        for partner in (first, second):
            stores.partners.add_partner(partner)
        for key in made:
            stores.api_keys.put_key(key)
    return made


def kept(diagnostics: Diagnostics, key: ApiKey) -> int:
    """How many refusals a partner reads of its own."""
    page = diagnostics.list_for(key, limit=MOST_ENTRIES)
    count = len(page.entries)
    while page.cursor is not None:
        page = diagnostics.list_for(key, page.cursor, limit=MOST_ENTRIES)
        count += len(page.entries)
    return count


def test_what_a_stranger_is_refused_costs_no_partner_any_of_its_own_diagnostics(sql: SqlCase, standing: Diagnostics) -> None:
    own, other, elsewhere = keys(sql)
    for _ in range(1500):
        standing.record(refusal())
    for key, bid in ((own, OAKDALE), (other, OAKDALE), (elsewhere, BIRCHWOOD)):
        standing.record(of_call(bid, key))
        standing.record(of_redirect(bid, key, new_id()))
        assert kept(standing, key) == 2
    assert len(standing.list_recent(OAKDALE, limit=2000)) == OF_NOBODY[1] + 4


def test_strangers_at_many_billers_write_no_more_than_the_bucket_of_all(sql: SqlCase, standing: Diagnostics) -> None:
    for bid in range(300, 300 + OF_NOBODY_ANYWHERE[1] // OF_NOBODY[1] + 5):
        for _ in range(OF_NOBODY[1]):
            standing.record(refusal(bid))
    with sql.engine.begin() as connection:
        assert connection.execute(select(func.count()).select_from(refusals)).scalar_one() == OF_NOBODY_ANYWHERE[1]


def test_in_thirty_days_a_stranger_writes_thousands_of_rows_and_not_millions() -> None:
    (per_second, burst), (of_all, burst_of_all) = OF_NOBODY, OF_NOBODY_ANYWHERE
    seconds = KEPT_FOR.total_seconds()
    assert burst + per_second * seconds < 50_000
    assert burst_of_all + of_all * seconds < 1_500_000


def test_what_a_flood_of_one_key_or_payer_uses_up_is_nobody_elses(sql: SqlCase, standing: Diagnostics) -> None:
    own, other, elsewhere = keys(sql)
    flooding, calm = new_id(), new_id()
    for _ in range(OF_A_PAYER[1] + 50):
        standing.record(of_redirect(OAKDALE, own, flooding))
    assert kept(standing, own) == OF_A_PAYER[1]
    standing.record(of_redirect(OAKDALE, own, calm))
    standing.record(of_call(OAKDALE, own))
    assert kept(standing, own) == OF_A_PAYER[1] + 2
    for _ in range(OF_A_KEY[1] + 50):
        standing.record(of_call(OAKDALE, own))
    assert kept(standing, own) == OF_A_PAYER[1] + 1 + OF_A_KEY[1]
    for key, bid in ((other, OAKDALE), (elsewhere, BIRCHWOOD)):
        standing.record(of_call(bid, key))
        assert kept(standing, key) == 1


def test_what_was_not_kept_is_counted_and_told_to_the_partner_and_to_staff(sql: SqlCase, standing: Diagnostics) -> None:
    own, other, elsewhere = keys(sql)
    for _ in range(OF_A_KEY[1] + 7):
        standing.record(of_call(OAKDALE, own))
    for _ in range(OF_NOBODY[1] + 3):
        standing.record(refusal())
    assert [standing.list_for(key).not_kept for key in (own, other, elsewhere)] == [7, 0, 0]
    assert [standing.count_not_kept(bid) for bid in (OAKDALE, BIRCHWOOD)] == [(7, 3), (0, 0)]
    sql.clock.advance(KEPT_FOR + timedelta(days=2))
    assert standing.list_for(own).not_kept == 0
    assert standing.purge() > 0
    with sql.engine.begin() as connection:
        assert connection.execute(select(func.count()).select_from(refusals_not_kept)).scalar_one() == 0


def test_counts_of_two_processes_add_up_and_are_written_when_a_process_ends(sql: SqlCase, tmp_path: Path) -> None:
    own, _, _ = keys(sql)
    kv = SqliteKeyValue(tmp_path / "standing.db", clock=sql.clock)
    first, second = Diagnostics(sql.begin, kv, sql.clock), Diagnostics(sql.begin, kv, sql.clock)
    for _ in range(OF_A_KEY[1] + 4):
        first.record(of_call(OAKDALE, own))
    for _ in range(5):
        second.record(of_call(OAKDALE, own))
    first.flush()
    second.flush()
    assert Diagnostics(sql.begin, kv, sql.clock).list_for(own).not_kept == 9
    kv.close()


def test_a_flood_costs_a_write_in_ten_seconds_and_not_one_a_refusal(sql: SqlCase, tmp_path: Path) -> None:
    kv = SqliteKeyValue(tmp_path / "standing.db", clock=sql.clock)
    begun: list[int] = []

    def begin() -> AbstractContextManager[Stores]:
        begun.append(1)
        return sql.begin()

    diagnostics = Diagnostics(begin, kv, sql.clock)
    for _ in range(OF_NOBODY[1]):
        diagnostics.record(refusal())
    begun.clear()
    for _ in range(300):
        diagnostics.record(refusal())
    assert len(begun) == 1
    sql.clock.advance(WRITTEN_EVERY)
    diagnostics.record(refusal(BIRCHWOOD))
    assert len(begun) == 3
    assert diagnostics.count_not_kept(OAKDALE) == (0, 300)
    kv.close()


def test_a_row_is_bounded_and_holds_nothing_that_a_database_cannot(sql: SqlCase, standing: Diagnostics) -> None:
    odd = Check("n" * 5000, held=False, expected="e" * 5000, came="a\x00b\ud800\u202e" + "c" * 5000, fix="f" * 5000)
    standing.record(replace(refusal(reference="AB23CD45EF"), checks=(odd,) * 300))
    found = standing.get(OAKDALE, "AB23CD45EF")
    assert len(found.checks) == MOST_CHECKS
    check = found.checks[0]
    assert (len(check.name), len(check.expected), len(check.came), len(check.fix)) == (MOST_NAME, MOST_TEXT, MOST_TEXT, MOST_TEXT)
    assert check.came.startswith("a\ufffdb\ufffd\ufffdc")


def test_a_row_of_another_version_is_read_with_what_it_has(sql: SqlCase, standing: Diagnostics) -> None:
    standing.record(refusal(reference="AB23CD45EF"))
    written = [{"name": "token", "held": True, "severity": 7}, {"name": "x"}, {}]
    with sql.engine.begin() as connection:
        connection.execute(update(refusals).values(checks=written))
    assert standing.get(OAKDALE, "AB23CD45EF").checks == (Check("token", held=True), Check("x", held=False), Check("", held=False))


def test_a_check_that_was_not_evaluated_is_told_from_one_that_failed_after_it_was_kept(sql: SqlCase, standing: Diagnostics) -> None:
    standing.record(
        replace(refusal(reference="AB23CD45EF"), checks=(Check.unevaluated("account"), Check("x", held=False, came="y")))
    )
    checks = standing.get(OAKDALE, "AB23CD45EF").checks
    assert [(each.held, each.evaluated, each.failed) for each in checks] == [(False, False, False), (False, True, True)]


def test_a_refusal_of_another_biller_is_not_found(sql: SqlCase) -> None:
    diagnostics = Diagnostics(sql.begin, sql.kv, sql.clock)
    kept = refusal(OAKDALE)
    diagnostics.record(kept)
    with pytest.raises(ReferenceNotFound):
        diagnostics.get(BIRCHWOOD, kept.reference)
    assert diagnostics.list_recent(BIRCHWOOD) == []


def test_refusals_are_listed_newest_first_and_no_more_than_asked_for(sql: SqlCase) -> None:
    diagnostics = Diagnostics(sql.begin, sql.kv, sql.clock)
    first, second, third = (refusal(after=number * MINUTE) for number in range(3))
    for each in (second, third, first, refusal(BIRCHWOOD)):
        diagnostics.record(each)
    assert diagnostics.list_recent(OAKDALE) == [third, second, first]
    assert diagnostics.list_recent(OAKDALE, limit=1) == [third]


def test_refusals_are_purged_in_batches_when_their_time_is_over(sql: SqlCase) -> None:
    diagnostics = Diagnostics(sql.begin, sql.kv, sql.clock)
    kept = refusal(after=MINUTE)
    for each in (refusal(), refusal(BIRCHWOOD), kept):
        diagnostics.record(each)
    assert diagnostics.purge() == 0
    sql.clock.advance(KEPT_FOR + MINUTE)
    assert [diagnostics.purge(limit=1), diagnostics.purge(limit=1), diagnostics.purge(limit=1)] == [1, 1, 0]
    assert diagnostics.list_recent(OAKDALE) == [kept]


def run(bid: int = OAKDALE) -> ImportRun:
    return ImportRun(new_id(), bid, "bif", "bills.csv", "0" * 64, False, "running", START, "staff:ann")


def test_a_run_is_kept_and_updated(sql: SqlCase) -> None:
    begun = run()
    done = replace(begun, state="done", finished_at=START + MINUTE, read=9, created=1, changed=2, unchanged=3, left_out=3)
    with sql.begin() as stores:
        stores.import_runs.put_run(begun)
        assert stores.import_runs.find_run(OAKDALE, begun.id) == begun
        stores.import_runs.put_run(done)
        assert stores.import_runs.find_run(OAKDALE, begun.id) == done


def test_a_run_is_neither_seen_nor_changed_by_another_biller(sql: SqlCase) -> None:
    begun = run(OAKDALE)
    with sql.begin() as stores:
        stores.import_runs.put_run(begun)
        stores.import_runs.put_run(replace(begun, bid=BIRCHWOOD, state="failed"))
        assert stores.import_runs.find_run(BIRCHWOOD, begun.id) is None
        assert stores.import_runs.find_run(OAKDALE, begun.id) == begun


def test_the_report_comes_by_line_and_goes_on_after_one(sql: SqlCase) -> None:
    begun = run()
    rows = [RowReport(line, "Email", f"reason {line}") for line in range(1, 8)]
    with sql.begin() as stores:
        stores.import_runs.put_run(begun)
        stores.import_runs.add_rows(OAKDALE, begun.id, rows[4:])
        stores.import_runs.add_rows(OAKDALE, begun.id, rows[:4])
        stores.import_runs.add_rows(OAKDALE, begun.id, ())
        assert stores.import_runs.list_rows(OAKDALE, begun.id, 0, 3) == rows[:3]
        assert stores.import_runs.list_rows(OAKDALE, begun.id, 3, 3) == rows[3:6]
        assert stores.import_runs.list_rows(OAKDALE, begun.id, 6, 3) == rows[6:]
        assert stores.import_runs.list_rows(OAKDALE, begun.id, 7, 3) == []


def test_a_line_with_several_reasons_is_not_cut_in_two(sql: SqlCase) -> None:
    begun = run()
    rows = [RowReport(1, "", "a"), RowReport(2, "x", "b"), RowReport(2, "y", "c"), RowReport(3, "", "d")]
    with sql.begin() as stores:
        stores.import_runs.put_run(begun)
        stores.import_runs.add_rows(OAKDALE, begun.id, rows)
        assert stores.import_runs.list_rows(OAKDALE, begun.id, 0, 2) == rows[:3]
        assert stores.import_runs.list_rows(OAKDALE, begun.id, 2, 2) == rows[3:]


def test_a_report_is_read_by_its_biller_only_and_by_its_run(sql: SqlCase) -> None:
    begun, other = run(OAKDALE), run(OAKDALE)
    with sql.begin() as stores:
        stores.import_runs.put_run(begun)
        stores.import_runs.put_run(other)
        stores.import_runs.add_rows(OAKDALE, begun.id, [RowReport(1, "", "a")])
        assert stores.import_runs.list_rows(BIRCHWOOD, begun.id, 0, 10) == []
        assert stores.import_runs.list_rows(OAKDALE, other.id, 0, 10) == []
