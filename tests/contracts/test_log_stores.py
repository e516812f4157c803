"""The change log in SQL: what an append writes, which rows may be sealed, and that each is sealed once."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import Connection, event, select, update

from hub.storage.tables.log import change_log, change_values
from idp.actor import Actor, Cis, Partner, Payer, Rep, Staff, System
from idp.changelog import GENESIS, Action, Change, Checkpoint
from idp.errors import Raced
from idp.opaque import new_id
from tests import databases
from tests.databases import SqlCase

sql = databases.sql
postgres_sql = databases.postgres_sql

OAKDALE, BIRCHWOOD = 101, 202
WORKER = System("worker")


def issued(bid: int, subject: str = "") -> Change:
    """A change without values, as each request for a token writes one."""
    return Change(bid, Action.TOKEN_ISSUE, WORKER, "req-1", subject=subject)


def renamed(bid: int, subject: str = "") -> Change:
    """A change with values."""
    return Change(bid, Action.USER_CHANGE, WORKER, "req-1", subject=subject, before={"name": "Ann"}, after={"name": "Bea"})


def append(sql: SqlCase, *changes: Change, settle: bool = True) -> None:
    with sql.begin() as stores:
        for change in changes:
            stores.changelog.append(change)
    if settle:
        sql.settle()


def seal_all(sql: SqlCase) -> int:
    """Seal what is ready, with links that name the seal."""
    with sql.begin() as stores:
        seal, _ = stores.seals.last_sealed()
        ready = stores.seals.list_ready(10_000)
        stores.seals.put_seals((row.id, number, f"link-{number}") for number, row in enumerate(ready, seal + 1))
    return len(ready)


def ready_subjects(sql: SqlCase) -> list[str]:
    with sql.begin() as stores:
        return [row.subject for row in stores.seals.list_ready(100)]


def test_a_row_keeps_everything_that_was_said(sql: SqlCase) -> None:
    key, partner, user, customer = new_id(), new_id(), new_id(), new_id()
    append(sql, Change(OAKDALE, Action.USER_CHANGE, Partner(key, partner), "req-7", user, customer, "key:ż"))
    with sql.begin() as stores:
        (row,) = stores.seals.list_ready(10)
    assert (row.at, row.bid, row.action, row.actor_kind, row.actor_id) == (
        sql.clock.now(), OAKDALE, "user.change", "partner", str(key)
    )  # fmt: skip
    assert (row.on_behalf_of, row.user_id, row.customer_id) == (None, user, customer)
    assert (row.subject, row.request_id, row.commitment, row.seal, row.link) == ("key:ż", "req-7", "", None, None)


def test_every_kind_of_actor_can_be_written_and_says_for_whom_it_acts(sql: SqlCase) -> None:
    user = new_id()
    actors: list[Actor] = [
        Payer(user),
        Staff("Ann", "admin", OAKDALE),
        Rep("r-1", "Bea", user),
        Partner(user, user),
        Cis(user),
        WORKER,
    ]
    append(sql, *(Change(OAKDALE, Action.SESSION_OPEN, actor, "req-1") for actor in actors))
    with sql.begin() as stores:
        rows = stores.seals.list_ready(10)
    assert [row.actor_kind for row in rows] == ["payer", "staff", "rep", "partner", "cis", "system"]
    assert [row.on_behalf_of for row in rows] == [user, None, user, None, None, None]


def test_a_time_comes_back_to_the_microsecond_so_that_its_hash_does(sql: SqlCase) -> None:
    sql.clock.advance(timedelta(microseconds=123457))
    append(sql, issued(OAKDALE))
    with sql.begin() as stores:
        (row,) = stores.seals.list_ready(10)
        assert row.at == sql.clock.now()
        before = row.leaf()
    seal_all(sql)
    with sql.begin() as stores:
        ((sealed, _),) = stores.seals.iter_sealed()
    assert sealed.leaf() == before


def test_a_change_without_values_is_one_statement_and_needs_no_transaction(sql: SqlCase) -> None:
    with sql.database.read() as stores:
        said: list[str] = []

        def listen(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
            said.append(statement)

        connection = stores.changelog._work.connection
        event.listen(connection, "before_cursor_execute", listen)
        stores.changelog.append(issued(OAKDALE))
    assert len(said) == 1
    assert "RETURNING" not in said[0]
    sql.settle()
    assert len(ready_subjects(sql)) == 1


def test_a_change_with_values_is_refused_where_there_is_no_transaction(sql: SqlCase) -> None:
    with sql.database.read() as stores, pytest.raises(RuntimeError):
        stores.changelog.append(renamed(OAKDALE))
    assert ready_subjects(sql) == []


def test_values_stand_beside_the_row_under_a_salt_of_their_own(sql: SqlCase) -> None:
    append(sql, renamed(OAKDALE), renamed(OAKDALE))
    seal_all(sql)
    with sql.begin() as stores:
        (first, first_values), (second, second_values) = stores.seals.iter_sealed()
    assert first_values is not None
    assert second_values is not None
    assert json.loads(first_values.values) == {"before": {"name": "Ann"}, "after": {"name": "Bea"}}
    assert (first_values.commitment(), second_values.commitment()) == (first.commitment, second.commitment)
    # The same values twice: without a salt of its own each row would tell that.
    assert first.commitment != second.commitment


def test_a_change_that_is_rolled_back_leaves_neither_row_nor_values(sql: SqlCase) -> None:
    with suppress(LookupError), sql.begin() as stores:
        stores.changelog.append(renamed(OAKDALE))
        raise LookupError
    with sql.engine.connect() as connection:
        assert connection.execute(select(change_log.c.id)).all() == []
        assert connection.execute(select(change_values.c.change_id)).all() == []


def test_the_seal_store_begins_at_genesis_and_goes_on_from_the_newest_seal(sql: SqlCase) -> None:
    with sql.begin() as stores:
        assert stores.seals.last_sealed() == (0, GENESIS)
    append(sql, issued(OAKDALE), issued(BIRCHWOOD))
    assert seal_all(sql) == 2
    with sql.begin() as stores:
        assert stores.seals.last_sealed() == (2, "link-2")


def test_ready_rows_come_oldest_first_and_no_more_than_asked_for(sql: SqlCase) -> None:
    append(sql, issued(OAKDALE, "a"), issued(BIRCHWOOD, "b"), issued(OAKDALE, "c"))
    with sql.begin() as stores:
        assert [row.subject for row in stores.seals.list_ready(2)] == ["a", "b"]
        assert stores.seals.count_unsealed() == 3


def test_a_sealed_row_is_not_ready_again_and_is_not_sealed_again(sql: SqlCase) -> None:
    append(sql, issued(OAKDALE, "a"), issued(OAKDALE, "b"))
    with sql.begin() as stores:
        first, second = stores.seals.list_ready(10)
        stores.seals.put_seals([(first.id, 1, "x")])
    assert ready_subjects(sql) == ["b"]
    with pytest.raises(Raced), sql.begin() as stores:
        stores.seals.put_seals([(first.id, 2, "y"), (second.id, 3, "z")])
    with sql.begin() as stores:
        assert [(row.seal, row.link) for row, _ in stores.seals.iter_sealed()] == [(1, "x")]
        assert stores.seals.count_unsealed() == 1


def test_a_seal_is_given_to_one_row_only(sql: SqlCase) -> None:
    append(sql, issued(OAKDALE), issued(BIRCHWOOD))
    with sql.begin() as stores:
        first, second = stores.seals.list_ready(10)
        stores.seals.put_seals([(first.id, 1, "x")])
    with pytest.raises(Raced), sql.begin() as stores:
        stores.seals.put_seals([(second.id, 1, "y")])


def test_the_walk_over_the_chain_goes_on_past_one_batch(sql: SqlCase) -> None:
    append(sql, *(issued(bid, str(number)) for number in range(600) for bid in (OAKDALE, BIRCHWOOD)))
    assert seal_all(sql) == 1200
    with sql.begin() as stores:
        assert [row.seal for row, _ in stores.seals.iter_sealed()] == list(range(1, 1201))


def test_values_that_were_erased_are_none_and_their_row_stays(sql: SqlCase) -> None:
    append(sql, renamed(OAKDALE), renamed(BIRCHWOOD))
    seal_all(sql)
    with sql.engine.begin() as connection:
        of_oakdale = select(change_log.c.id).where(change_log.c.bid == OAKDALE)
        connection.execute(change_values.delete().where(change_values.c.change_id.in_(of_oakdale)))
    with sql.begin() as stores:
        assert [(row.bid, values is None) for row, values in stores.seals.iter_sealed()] == [(OAKDALE, True), (BIRCHWOOD, False)]


def test_checkpoints_come_oldest_first_and_a_seal_may_have_two(sql: SqlCase) -> None:
    made = [Checkpoint(seal, f"link-{seal}", sql.clock.now(), f"token-{n}") for n, seal in enumerate([5, 5, 9])]
    with sql.begin() as stores:
        for checkpoint in made:
            stores.seals.add_checkpoint(checkpoint)
    with sql.begin() as stores:
        assert stores.seals.list_checkpoints() == made


def test_an_id_is_not_given_out_again_when_the_newest_row_is_removed(sql: SqlCase) -> None:
    append(sql, issued(OAKDALE))
    with sql.begin() as stores:
        (removed,) = stores.seals.list_ready(10)
    with sql.engine.begin() as connection:
        connection.execute(change_log.delete())
    append(sql, issued(OAKDALE))
    with sql.begin() as stores:
        (row,) = stores.seals.list_ready(10)
    assert row.id > removed.id


def test_a_row_waits_while_an_older_transaction_is_open(postgres_sql: SqlCase) -> None:
    sql = postgres_sql
    with sql.begin() as late:
        late.changelog.append(issued(OAKDALE, "late"))
        append(sql, issued(BIRCHWOOD, "early"), settle=False)
        assert ready_subjects(sql) == []
    sql.wait_until(lambda: ready_subjects(sql) == ["late", "early"])


def test_a_row_does_not_wait_for_a_transaction_that_only_reads(postgres_sql: SqlCase) -> None:
    sql = postgres_sql
    with sql.begin() as reading:
        reading.seals.count_unsealed()
        append(sql, issued(OAKDALE, "written"))
        assert ready_subjects(sql) == ["written"]


def test_rows_restored_from_a_cluster_that_counts_higher_or_not_at_all_do_not_wait(postgres_sql: SqlCase) -> None:
    sql = postgres_sql
    append(sql, issued(OAKDALE, "foreign"), issued(BIRCHWOOD, "without"))
    with sql.engine.begin() as connection:
        connection.execute(update(change_log).where(change_log.c.subject == "foreign").values(xid=2**62))
        connection.execute(update(change_log).where(change_log.c.subject == "without").values(xid=None))
    with sql.begin() as open_one:
        open_one.changelog.append(issued(OAKDALE, "open"))
        assert ready_subjects(sql) == ["foreign", "without"]


def test_a_second_sealer_waits_for_the_first_and_goes_on_from_its_seals(postgres_sql: SqlCase) -> None:
    sql = postgres_sql
    append(sql, issued(OAKDALE, "a"), issued(BIRCHWOOD, "b"))
    with sql.begin() as first:
        assert first.seals.last_sealed() == (0, GENESIS)
        second = sql.run_beside(seal_all, sql)
        sql.wait_until(lambda: sql.waiting_for_locks() == 1)
        rows = first.seals.list_ready(10)
        first.seals.put_seals((row.id, number, f"link-{number}") for number, row in enumerate(rows, 1))
    assert second.result(timeout=60) == 0
