"""Refusals and import runs in SQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hub.storage.kv_sqlite import SqliteKeyValue
from idp.errors import ReferenceNotFound
from idp.opaque import new_id, new_reference
from sso_connect.checks import Check
from sso_connect.diagnostics import BURST, KEPT_FOR, Diagnostics, Refusal
from sso_connect.imports.runs import ImportRun, RowReport
from tests import databases
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


def test_a_flood_of_refusals_at_one_biller_is_kept_in_part_and_costs_no_other_biller_any(sql: SqlCase, tmp_path: Path) -> None:
    standing = SqliteKeyValue(tmp_path / "standing.db", clock=sql.clock)  # no time passes, so no bucket fills up again
    diagnostics = Diagnostics(sql.begin, standing, sql.clock)
    for _ in range(BURST + 100):
        diagnostics.record(refusal())
    other = refusal(BIRCHWOOD)
    diagnostics.record(other)
    assert len(diagnostics.list_recent(OAKDALE, limit=10 * BURST)) == BURST
    assert diagnostics.list_recent(BIRCHWOOD) == [other]
    standing.close()


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
