"""The audit chain: dense seals whatever transactions do, and every way of tampering that it promises to find."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from hub.storage.tables.log import change_checkpoints, change_log, change_values
from idp.actor import Rep
from idp.changelog import GENESIS, Action, Change, Checkpoint, Sealer, next_link, values_text
from idp.opaque import digest, new_id
from idp.verification import Fault, Trust, Verdict, verify
from tests import databases
from tests.databases import SqlCase

sql = databases.sql
postgres_sql = databases.postgres_sql

OAKDALE, BIRCHWOOD = 101, 202


def sign(claims: Mapping[str, Any]) -> str:
    """A signature for tests of the chain; the real one is tested in tests/hub/storage/test_sealer.py."""
    text = json.dumps(dict(claims), sort_keys=True)
    return f"{text}|{digest('key' + text)}"


def check(token: str) -> Mapping[str, Any] | None:
    text, _, signature = token.rpartition("|")
    claims: Mapping[str, Any] | None = json.loads(text) if signature == digest("key" + text) else None
    return claims


def sealer(sql: SqlCase, every: int = 1000) -> Sealer:
    return Sealer(sql.begin, sql.clock, sign, every)


def change(bid: int, number: int, *, values: bool = False) -> Change:
    """A change in which every column says something."""
    made = Change(bid, Action.USER_CHANGE, Rep("r-1", "Ann", new_id()), f"req-{number}", new_id(), new_id(), f"row:{number}")
    return replace(made, before={"name": "Ann"}, after={"name": "Bea"}) if values else made


def append(sql: SqlCase, count: int, *, values: bool = False) -> None:
    """Changes of both billers in turn."""
    with sql.begin() as stores:
        for number in range(count):
            stores.changelog.append(change((OAKDALE, BIRCHWOOD)[number % 2], number, values=values))
    sql.settle()


TRUST = Trust(check, lambda _: False)
"""Nothing is erased here: that is tests/idp/test_erasure.py."""


def verified(sql: SqlCase, *exported: str) -> Verdict:
    with sql.begin() as stores:
        return verify(stores.seals, stores.erasures, TRUST, exported)


def findings(sql: SqlCase, *exported: str) -> list[tuple[Fault, int]]:
    return [(finding.fault, finding.seal) for finding in verified(sql, *exported).findings]


def alter(sql: SqlCase, seal: int, /, **columns: Any) -> None:
    with sql.engine.begin() as connection:
        connection.execute(update(change_log).where(change_log.c.seal == seal).values(**columns))


def remove(sql: SqlCase, *seals: int) -> None:
    with sql.engine.begin() as connection:
        gone = select(change_log.c.id).where(change_log.c.seal.in_(seals))
        connection.execute(delete(change_values).where(change_values.c.change_id.in_(gone)))
        connection.execute(delete(change_log).where(change_log.c.seal.in_(seals)))


# --- sealing -------------------------------------------------------------------------------------------------------------


def test_an_empty_log_is_sound(sql: SqlCase) -> None:
    assert sealer(sql).run() == 0
    assert verified(sql) == Verdict(sealed=0, unsealed=0, checkpoints=0, findings=())


def test_rows_of_all_billers_get_dense_seals_in_one_chain_in_the_order_of_their_ids(sql: SqlCase) -> None:
    append(sql, 5, values=True)
    assert sealer(sql).run() == 5
    with sql.begin() as stores:
        rows = [row for row, _ in stores.seals.iter_sealed()]
    assert [row.seal for row in rows] == [1, 2, 3, 4, 5]
    assert [row.id for row in rows] == sorted(row.id for row in rows)
    assert {row.bid for row in rows} == {OAKDALE, BIRCHWOOD}
    link = GENESIS
    for row in rows:
        link = next_link(link, row)
        assert row.link == link
    assert verified(sql) == Verdict(sealed=5, unsealed=0, checkpoints=0, findings=())


def test_a_run_seals_no_more_than_its_limit_and_the_next_goes_on(sql: SqlCase) -> None:
    append(sql, 5)
    assert [sealer(sql).run(2), sealer(sql).run(2), sealer(sql).run(2), sealer(sql).run(2)] == [2, 2, 1, 0]
    assert verified(sql) == Verdict(sealed=5, unsealed=0, checkpoints=0, findings=())


def test_rows_that_are_not_sealed_yet_are_counted_and_not_faulted(sql: SqlCase) -> None:
    append(sql, 2)
    sealer(sql).run()
    append(sql, 3)
    assert verified(sql) == Verdict(sealed=2, unsealed=3, checkpoints=0, findings=())


def test_a_change_that_was_rolled_back_leaves_no_gap(sql: SqlCase) -> None:
    append(sql, 1)
    with suppress(LookupError), sql.begin() as stores:
        stores.changelog.append(change(OAKDALE, 0, values=True))
        raise LookupError
    append(sql, 1)
    assert sealer(sql).run() == 2
    assert verified(sql) == Verdict(sealed=2, unsealed=0, checkpoints=0, findings=())


def test_a_late_commit_and_a_roll_back_among_others_leave_no_gap(postgres_sql: SqlCase) -> None:
    sql = postgres_sql
    append(sql, 1)
    written, may_end = [Event(), Event()], [Event(), Event()]

    def hold(number: int, *, fail: bool) -> None:
        with suppress(LookupError), sql.begin() as stores:
            stores.changelog.append(change(BIRCHWOOD, 100 + number, values=True))
            written[number].set()
            may_end[number].wait(60)
            if fail:
                raise LookupError

    late, failing = sql.run_beside(hold, 0, fail=False), sql.run_beside(hold, 1, fail=True)
    assert all(each.wait(60) for each in written)
    with sql.begin() as stores:
        stores.changelog.append(change(OAKDALE, 50))

    # The row that was committed in between waits: of an open transaction nobody knows yet what it leaves.
    assert sealer(sql).run() == 1
    assert verified(sql).unsealed == 1
    may_end[1].set()
    failing.result(60)
    assert sealer(sql).run() == 0
    may_end[0].set()
    late.result(60)
    sql.settle()
    assert sealer(sql).run() == 2
    assert verified(sql) == Verdict(sealed=3, unsealed=0, checkpoints=0, findings=())
    with sql.begin() as stores:
        subjects = [row.subject for row, _ in stores.seals.iter_sealed()]
    assert subjects == ["row:0", "row:100", "row:50"]


def test_sealers_that_run_at_once_under_load_keep_one_sound_chain(sql: SqlCase) -> None:
    writers, rows = 3, 40

    def write(bid: int) -> None:
        for number in range(rows):
            with suppress(LookupError), sql.begin() as stores:
                stores.changelog.append(change(bid, number, values=number % 3 == 0))
                if number % 5 == 0:
                    raise LookupError

    def seal() -> int:
        done = 0
        while any(not each.done() for each in writing):
            done += sealer(sql).run(7)
        return done

    writing = [sql.run_beside(write, (OAKDALE, BIRCHWOOD)[number % 2]) for number in range(writers)]
    sealing = [sql.run_beside(seal) for _ in range(2)]
    for each in writing:
        each.result(60)
    done = sum(each.result(60) for each in sealing)
    sql.settle()
    while sealed := sealer(sql).run():
        done += sealed
    left = writers * rows * 4 // 5
    assert done == left
    assert verified(sql) == Verdict(sealed=left, unsealed=0, checkpoints=0, findings=())


# --- tampering -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("bid", BIRCHWOOD + 1),
        ("action", "user.create"),
        ("actor_kind", "payer"),
        ("actor_id", "r-2"),
        ("on_behalf_of", new_id()),
        ("user_id", None),
        ("customer_id", new_id()),
        ("subject", ""),
        ("request_id", "req-x"),
        ("commitment", ""),
        ("link", "0" * 64),
    ],
)
def test_a_row_in_which_any_column_was_altered_is_found(sql: SqlCase, column: str, value: object) -> None:
    append(sql, 3, values=True)
    sealer(sql).run()
    alter(sql, 2, **{column: value})
    assert (Fault.ALTERED, 2) in findings(sql)
    assert {seal for _, seal in findings(sql)} <= {2, 3}


def test_a_time_that_was_altered_by_a_microsecond_is_found(sql: SqlCase) -> None:
    append(sql, 3)
    sealer(sql).run()
    alter(sql, 2, at=sql.clock.now() + timedelta(microseconds=1))
    assert findings(sql) == [(Fault.ALTERED, 2)]


def test_an_altered_row_is_one_finding_and_not_all_that_follow(sql: SqlCase) -> None:
    append(sql, 6)
    sealer(sql).run()
    alter(sql, 2, subject="x")
    alter(sql, 5, subject="x")
    assert findings(sql) == [(Fault.ALTERED, 2), (Fault.ALTERED, 5)]


def test_no_more_findings_are_listed_than_asked_for_and_the_others_are_counted(sql: SqlCase) -> None:
    append(sql, 6)
    sealer(sql).run()
    with sql.engine.begin() as connection:
        connection.execute(update(change_log).values(subject="x"))
    with sql.begin() as stores:
        verdict = verify(stores.seals, stores.erasures, TRUST, most=4)
    assert (len(verdict.findings), verdict.hidden) == (4, 2)


@pytest.mark.parametrize("gone", [(1,), (2,), (2, 3), (1, 2, 3, 4)])
def test_rows_that_were_removed_are_found_at_the_first_of_them(sql: SqlCase, gone: tuple[int, ...]) -> None:
    append(sql, 5, values=True)
    sealer(sql).run()
    remove(sql, *gone)
    assert findings(sql) == [(Fault.MISSING, gone[0])]


def test_rows_that_changed_places_are_found(sql: SqlCase) -> None:
    append(sql, 3)
    sealer(sql).run()
    with sql.begin() as stores:
        links = {row.seal: row.link for row, _ in stores.seals.iter_sealed()}
    for seal, to in ((1, 10), (2, 1), (10, 2)):
        alter(sql, seal, seal=to, link=links.get(to))
    assert {(Fault.ALTERED, 1), (Fault.ALTERED, 2)} <= set(findings(sql))


def test_a_sealed_row_that_was_made_to_look_new_is_found_missing(sql: SqlCase) -> None:
    append(sql, 3)
    sealer(sql).run()
    alter(sql, 2, seal=None, link=None, subject="x")
    sql.settle()
    sealer(sql).run()
    assert (Fault.MISSING, 2) in findings(sql)


def test_values_that_were_altered_are_found(sql: SqlCase) -> None:
    append(sql, 3, values=True)
    sealer(sql).run()
    with sql.engine.begin() as connection:
        second = select(change_log.c.id).where(change_log.c.seal == 2).scalar_subquery()
        forged = values_text({"name": "Ann"}, {"name": "Cia"})
        connection.execute(update(change_values).where(change_values.c.change_id == second).values(content=forged))
    assert findings(sql) == [(Fault.VALUES_ALTERED, 2)]


def test_values_that_were_given_to_a_row_without_any_are_found(sql: SqlCase) -> None:
    append(sql, 1)
    sealer(sql).run()
    with sql.engine.begin() as connection:
        row = connection.execute(select(change_log.c.id)).scalar_one()
        connection.execute(change_values.insert().values(change_id=row, salt="x", content="{}"))
    assert findings(sql) == [(Fault.VALUES_ALTERED, 1)]


def test_values_that_were_deleted_without_an_erasing_row_are_found(sql: SqlCase) -> None:
    append(sql, 4, values=True)
    sealer(sql).run()
    with sql.engine.begin() as connection:
        of_oakdale = select(change_log.c.id).where(change_log.c.bid == OAKDALE)
        connection.execute(delete(change_values).where(change_values.c.change_id.in_(of_oakdale)))
    assert findings(sql) == [(Fault.VALUES_MISSING, 1), (Fault.VALUES_MISSING, 3)]


# --- checkpoints ---------------------------------------------------------------------------------------------------------


def test_there_is_no_checkpoint_of_an_empty_chain(sql: SqlCase) -> None:
    assert sealer(sql).checkpoint() is None


def test_a_checkpoint_says_where_the_chain_stands_and_is_kept(sql: SqlCase) -> None:
    append(sql, 3)
    sealer(sql).run()
    made = sealer(sql).checkpoint()
    assert made is not None
    with sql.begin() as stores:
        assert stores.seals.list_checkpoints() == [made]
        assert stores.seals.last_sealed() == (made.seal, made.link)
    assert check(made.token) == {"seal": 3, "link": made.link, "iat": int(sql.clock.now().timestamp())}
    assert verified(sql) == Verdict(sealed=3, unsealed=0, checkpoints=1, findings=())


def test_a_checkpoint_is_made_whenever_so_many_rows_were_sealed(sql: SqlCase) -> None:
    append(sql, 10)
    working = sealer(sql, every=4)
    while working.run(3):
        pass
    with sql.begin() as stores:
        assert [made.seal for made in stores.seals.list_checkpoints()] == [6, 9]
    assert verified(sql) == Verdict(sealed=10, unsealed=0, checkpoints=2, findings=())


def test_a_checkpoint_that_was_kept_elsewhere_covers_the_chain_up_to_it_and_one_that_is_kept_here_nothing(sql: SqlCase) -> None:
    append(sql, 3)
    sealer(sql).run()
    exported = _exported(sql)
    append(sql, 2)
    sealer(sql).run()
    sealer(sql).checkpoint()
    assert (verified(sql).exported, verified(sql, exported).exported) == (0, 3)
    assert findings(sql, exported) == []


def _exported(sql: SqlCase) -> str:
    made = sealer(sql).checkpoint()
    assert made is not None
    return made.token


def test_a_tail_that_was_cut_off_with_its_checkpoints_is_found_with_an_exported_one_only(sql: SqlCase) -> None:
    append(sql, 5)
    sealer(sql).run()
    exported = _exported(sql)
    remove(sql, 4, 5)
    with sql.engine.begin() as connection:
        connection.execute(delete(change_checkpoints))
    assert findings(sql) == []
    assert findings(sql, exported) == [(Fault.MISSING, 5)]
    assert (verified(sql).exported, verified(sql, exported).exported) == (0, 0)


def test_a_tail_that_was_cut_off_is_found_by_the_checkpoint_that_was_left_behind(sql: SqlCase) -> None:
    append(sql, 5)
    sealer(sql).run()
    sealer(sql).checkpoint()
    remove(sql, 5)
    assert findings(sql) == [(Fault.MISSING, 5)]


def test_a_chain_that_was_written_anew_is_found_with_an_exported_checkpoint_only(sql: SqlCase) -> None:
    append(sql, 5)
    sealer(sql).run()
    exported = _exported(sql)
    alter(sql, 2, subject="x")
    with sql.begin() as stores:
        rows = [row for row, _ in stores.seals.iter_sealed()]
    link = GENESIS
    for row in rows:
        link = next_link(link, row)
        assert row.seal is not None
        alter(sql, row.seal, link=link)
    with sql.engine.begin() as connection:
        connection.execute(delete(change_checkpoints))
    assert findings(sql) == []
    assert findings(sql, exported) == [(Fault.CHECKPOINT, 5)]
    assert verified(sql, exported).exported == 0


def test_a_checkpoint_that_was_forged_is_found_and_proves_nothing(sql: SqlCase) -> None:
    append(sql, 2)
    sealer(sql).run()
    with sql.begin() as stores:
        stores.seals.add_checkpoint(Checkpoint(2, "x", sql.clock.now(), '{"iat": 1, "link": "x", "seal": 2}|forged'))
    assert findings(sql) == [(Fault.CHECKPOINT, 0)]
    assert findings(sql, '{"iat": 1, "link": "x", "seal": 9}|forged') == [(Fault.CHECKPOINT, 0), (Fault.CHECKPOINT, 0)]
