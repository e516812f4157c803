"""The outbox in SQL: events stand or fall with their change, keep their order, and go in the end."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Row, select

from hub.storage.tables.jobs import outbox
from idp.opaque import new_id
from idp.outbox import SCHEMA_VERSION, Event, EventType, Relay
from tests import databases
from tests.databases import SqlCase

sql = databases.sql
postgres_sql = databases.postgres_sql

OAKDALE, BIRCHWOOD = 101, 202
DAY = timedelta(days=1)


def event(bid: int = OAKDALE, account: str = "1001", event_id: UUID | None = None) -> Event:
    return Event(event_id or new_id(), bid, EventType.REGISTRATION_CREATED, "account", account, None, "ann", None, None, "system")


def append(sql: SqlCase, *events: Event) -> None:
    with sql.begin() as stores:
        for each in events:
            stores.outbox.append(each)


def stored(sql: SqlCase) -> list[Row[tuple[object, ...]]]:
    with sql.engine.connect() as connection:
        return list(connection.execute(select(outbox).order_by(outbox.c.position)).all())


def test_an_event_is_kept_whole(sql: SqlCase) -> None:
    login, key = new_id(), new_id()
    sent = Event(
        new_id(), BIRCHWOOD, EventType.OWNER_CHANGED, "user", "2002", login, "ann", {"a": 1}, {"a": [2, "ż"]}, "partner:x", key
    )
    append(sql, sent)
    (row,) = stored(sql)
    assert (row.id, row.bid, row.type, row.level, row.account_number) == (sent.id, BIRCHWOOD, "owner.changed", "user", "2002")
    assert (row.login_guid, row.user_name, row.before, row.after) == (login, "ann", {"a": 1}, {"a": [2, "ż"]})
    assert (row.actor, row.source_key, row.schema_version) == ("partner:x", key, SCHEMA_VERSION)
    assert (row.state, row.created_at, row.closed_at) == ("waiting", sql.clock.now(), None)


def test_an_event_goes_with_the_change_that_is_rolled_back(sql: SqlCase) -> None:
    with suppress(LookupError), sql.begin() as stores:
        stores.outbox.append(event())
        raise LookupError
    assert stored(sql) == []


def test_events_keep_the_order_in_which_they_were_written_whatever_the_clock_in_their_id_says(sql: SqlCase) -> None:
    older, newer = new_id(), new_id()
    append(sql, event(event_id=newer), event(event_id=older))
    assert [row.id for row in stored(sql)] == [newer, older]


def test_waiting_events_are_closed_as_unrouted_no_more_at_once_than_asked_for(sql: SqlCase) -> None:
    append(sql, event(OAKDALE), event(BIRCHWOOD), event(OAKDALE))
    relay = Relay(sql.begin, sql.clock)
    assert [relay.run(2), relay.run(2), relay.run(2)] == [2, 1, 0]
    assert {(row.state, row.closed_at) for row in stored(sql)} == {("unrouted", sql.clock.now())}


def test_two_relays_never_close_the_same_event(postgres_sql: SqlCase) -> None:
    sql = postgres_sql
    append(sql, *(event(bid) for bid in (OAKDALE, BIRCHWOOD) for _ in range(5)))
    with sql.begin() as stores:
        assert stores.outbox.claim_unrouted(4) == 4
        assert sql.run_beside(Relay(sql.begin, sql.clock).run).result(timeout=60) == 6


def test_only_closed_events_are_purged_and_only_old_ones(sql: SqlCase) -> None:
    relay = Relay(sql.begin, sql.clock)
    append(sql, event(account="old"), event(BIRCHWOOD, account="old"))
    relay.run()
    sql.clock.advance(DAY)
    append(sql, event(account="new"))
    relay.run()
    append(sql, event(account="waiting"))
    before = sql.clock.now()
    with sql.begin() as stores:
        assert stores.outbox.purge(before, 1) == 1
        assert stores.outbox.purge(before, 10) == 1
        assert stores.outbox.purge(before, 10) == 0
    assert [row.account_number for row in stored(sql)] == ["new", "waiting"]
