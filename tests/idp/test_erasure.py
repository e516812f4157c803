"""Erasing values from the change log: who erased what stands in the chain, and nothing else explains values that are gone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update

import idp.erasure as module
from hub.storage.tables.log import change_log, change_values
from idp.actor import Staff
from idp.changelog import Action, Change, ChangeValues, Sealer, values_text
from idp.erasure import Erasing, Erasure, Subject
from idp.errors import InvalidFields, Raced
from idp.opaque import new_id
from idp.secrets import Secrets
from idp.verification import Erased, Fault, Trust, Verdict, verify
from tests import databases
from tests.databases import SqlCase

sql = databases.sql

OAKDALE, BIRCHWOOD = 101, 202
OLGA = Staff("olga", "operator")
AVERY, ZOE = UUID(int=1), UUID(int=2)
HOUSE = UUID(int=9)


def secrets(sql: SqlCase, master: bytes = b"1" * 32) -> Secrets:
    return Secrets((master,), sql.database.data_keys)


def erasure(sql: SqlCase, master: bytes = b"1" * 32) -> Erasure:
    return Erasure(sql.begin, sql.database.read, secrets(sql, master))


def append(sql: SqlCase, *changes: Change) -> None:
    with sql.begin() as stores:
        stores.changelog.append_all(changes)
    sql.settle()


def renamed(bid: int, user: UUID | None, customer: UUID | None = None) -> Change:
    return Change(bid, Action.USER_CHANGE, OLGA, "r", user, customer, before={"name": "Ann"}, after={"name": "Bea"})


def issued(bid: int, user: UUID) -> Change:
    return Change(bid, Action.TOKEN_ISSUE, OLGA, "r", user)


def seal(sql: SqlCase) -> None:
    sql.settle()
    while Sealer(sql.begin, sql.clock, lambda claims: json.dumps(dict(claims)), 1000).run():
        pass


def verified(sql: SqlCase) -> Verdict:
    def claims(token: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(token)
        return found

    made = erasure(sql)
    with sql.database.read() as stores:
        return verify(stores.seals, stores.erasures, Trust(claims, made.is_ours))


def findings(sql: SqlCase) -> list[tuple[Fault, int]]:
    return [(each.fault, each.seal) for each in verified(sql).findings]


def delete_values(sql: SqlCase, *rows: int) -> None:
    """As somebody who can write the database would."""
    with sql.engine.begin() as connection:
        connection.execute(delete(change_values).where(change_values.c.change_id.in_(rows)))


def rows_with_values(sql: SqlCase) -> list[int]:
    with sql.engine.begin() as connection:
        return list(connection.execute(select(change_values.c.change_id).order_by(change_values.c.change_id)).scalars())


def forge(sql: SqlCase, after: Mapping[str, Any], user: UUID | None = None) -> None:
    """An erasing row with a commitment that is right, as somebody who can write the database would make it."""
    append(sql, Change(OAKDALE, Action.VALUES_ERASE, OLGA, "r", user, after=after))


# --- erasing -------------------------------------------------------------------------------------------------------------


def test_the_values_of_a_user_go_and_the_chain_says_by_whom_and_why_and_nobody_elses_go(sql: SqlCase) -> None:
    append(
        sql,
        renamed(OAKDALE, AVERY),
        renamed(OAKDALE, ZOE),
        issued(OAKDALE, AVERY),
        renamed(BIRCHWOOD, AVERY),
        renamed(OAKDALE, AVERY),
    )
    seal(sql)
    assert erasure(sql).erase(OLGA, "req-1", OAKDALE, Subject(user_id=AVERY), "erasure request 17") == 2
    assert rows_with_values(sql) == [2, 4, 6]
    seal(sql)
    verdict = verified(sql)
    assert verdict.findings == ()
    assert verdict.erased == (
        Erased(6, 6, sql.clock.now(), OAKDALE, "staff olga", f"user {AVERY}", "erasure request 17", values=2),
    )


def test_the_values_of_an_account_go_whoever_they_are_about(sql: SqlCase) -> None:
    append(
        sql, renamed(OAKDALE, AVERY, HOUSE), renamed(OAKDALE, ZOE, HOUSE), renamed(OAKDALE, AVERY), renamed(BIRCHWOOD, ZOE, HOUSE)
    )
    assert erasure(sql).erase(OLGA, "r", OAKDALE, Subject(customer_id=HOUSE), "x") == 2
    assert rows_with_values(sql) == [3, 4, 5]


def test_rows_are_erased_by_id_and_all_of_them_or_none(sql: SqlCase) -> None:
    append(sql, renamed(OAKDALE, AVERY), issued(OAKDALE, AVERY), renamed(BIRCHWOOD, AVERY), renamed(OAKDALE, ZOE))
    with pytest.raises(InvalidFields) as refused:
        erasure(sql).erase(OLGA, "r", OAKDALE, Subject(rows=(1, 2, 3, 4, 99)), "x")
    assert [each.field for each in refused.value.fields] == ["row 2", "row 3", "row 99"]
    assert rows_with_values(sql) == [1, 3, 4]
    assert erasure(sql).erase(OLGA, "r", OAKDALE, Subject(rows=(4, 1, 4)), "x") == 2
    assert rows_with_values(sql) == [3, 5]


def test_an_erasing_row_holds_no_personal_value_and_its_own_values_are_never_erased(sql: SqlCase) -> None:
    append(sql, renamed(OAKDALE, AVERY))
    erasure(sql).erase(OLGA, "r", OAKDALE, Subject(user_id=AVERY), "x")
    with sql.engine.begin() as connection:
        (content,) = connection.execute(select(change_values.c.content)).scalars()
    assert set(json.loads(content)["after"]) == {"rows", "reason", "proof"}
    assert "Ann" not in content
    assert erasure(sql).erase(OLGA, "r", OAKDALE, Subject(user_id=AVERY), "again") == 0
    with pytest.raises(InvalidFields):
        erasure(sql).erase(OLGA, "r", OAKDALE, Subject(rows=(2,)), "x")
    assert rows_with_values(sql) == [2]


def test_a_subject_of_many_rows_is_erased_in_batches_that_commit_together(sql: SqlCase, monkeypatch: pytest.MonkeyPatch) -> None:
    append(sql, *(renamed(OAKDALE, AVERY if number % 2 else ZOE) for number in range(20)))
    monkeypatch.setattr(module, "MOST_NAMED", 4)
    monkeypatch.setattr(module, "_WINDOW", 3)
    assert erasure(sql).erase(OLGA, "r", OAKDALE, Subject(user_id=AVERY), "x") == 10
    seal(sql)
    verdict = verified(sql)
    assert verdict.findings == ()
    assert [each.values for each in verdict.erased] == [4, 4, 2]


def test_when_one_batch_fails_nothing_is_erased(sql: SqlCase, monkeypatch: pytest.MonkeyPatch) -> None:
    append(sql, *(renamed(OAKDALE, AVERY) for _ in range(6)))
    monkeypatch.setattr(module, "MOST_NAMED", 4)
    made = erasure(sql)
    found = made._find

    def and_somebody_is_faster(bid: int, subject: Subject) -> list[int]:
        rows = found(bid, subject)
        delete_values(sql, 6)
        return rows

    monkeypatch.setattr(made, "_find", and_somebody_is_faster)
    with pytest.raises(Raced):
        made.erase(OLGA, "r", OAKDALE, Subject(user_id=AVERY), "x")
    assert rows_with_values(sql) == [1, 2, 3, 4, 5]


def test_two_that_erase_the_same_at_once_name_each_row_once(sql: SqlCase) -> None:
    append(sql, *(renamed(OAKDALE, AVERY) for _ in range(8)))
    made = erasure(sql)

    def erase() -> int:
        try:
            return made.erase(OLGA, "r", OAKDALE, Subject(user_id=AVERY), "x")
        except Raced:
            return 0

    assert sorted(each.result(60) for each in [sql.run_beside(erase), sql.run_beside(erase)]) == [0, 8]
    seal(sql)
    assert (verified(sql).findings, [each.values for each in verified(sql).erased]) == ((), [8])


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201, "two\nlines", "\ud800"])
def test_a_reason_is_wanted_that_can_be_printed_on_a_line(sql: SqlCase, reason: str) -> None:
    append(sql, renamed(OAKDALE, AVERY))
    with pytest.raises(InvalidFields):
        erasure(sql).erase(OLGA, "r", OAKDALE, Subject(user_id=AVERY), reason)
    assert rows_with_values(sql) == [1]


@pytest.mark.parametrize(
    "subject", [Subject(), Subject(user_id=AVERY, customer_id=HOUSE), Subject(rows=(0,)), Subject(rows=(2**63,))]
)
def test_one_kind_of_subject_is_wanted(sql: SqlCase, subject: Subject) -> None:
    with pytest.raises(InvalidFields):
        erasure(sql).erase(OLGA, "r", OAKDALE, subject, "x")


# --- what explains values that are gone --------------------------------------------------------------------------------------


def test_a_later_erasure_does_not_cover_what_somebody_deleted_before_it(sql: SqlCase) -> None:
    append(sql, renamed(OAKDALE, AVERY), renamed(OAKDALE, AVERY), renamed(OAKDALE, AVERY))
    seal(sql)
    delete_values(sql, 2)
    assert findings(sql) == [(Fault.VALUES_MISSING, 2)]
    assert erasure(sql).erase(OLGA, "r", OAKDALE, Subject(user_id=AVERY), "x") == 2
    seal(sql)
    assert findings(sql) == [(Fault.VALUES_MISSING, 2)]


def test_values_that_were_erased_a_moment_ago_are_explained_before_their_row_is_sealed(sql: SqlCase) -> None:
    append(sql, renamed(OAKDALE, AVERY))
    seal(sql)
    erasure(sql).erase(OLGA, "r", OAKDALE, Subject(user_id=AVERY), "x")
    verdict = verified(sql)
    assert (verdict.findings, verdict.unsealed) == ((), 1)
    assert [(each.seal, each.values) for each in verdict.erased] == [(None, 1)]


@pytest.mark.parametrize("sealed", [False, True])
def test_an_erasing_row_that_somebody_wrote_into_the_database_explains_nothing(sql: SqlCase, *, sealed: bool) -> None:
    append(sql, renamed(OAKDALE, AVERY), renamed(OAKDALE, AVERY))
    seal(sql)
    erasure(sql).erase(OLGA, "r", OAKDALE, Subject(rows=(2,)), "true")
    seal(sql)
    with sql.engine.begin() as connection:
        (content,) = connection.execute(select(change_values.c.content).where(change_values.c.change_id == 3)).scalars()
    true = json.loads(content)["after"]
    delete_values(sql, 1)
    # With the proof of a true row, with none, with that of another master key.
    forge(sql, {**true, "rows": [1, 2]})
    forge(sql, {"rows": [1], "reason": "forged"})
    said = Erasing(0, None, sql.clock.now(), OAKDALE, "staff", "olga", "r", None, None, (1,), "forged", "")
    forge(sql, {"rows": [1], "reason": "forged", "proof": _foreign(sql, said)})
    if sealed:
        seal(sql)
    verdict = verified(sql)
    forged = [(4, 5, 6) if sealed else (0, 0, 0)][0]
    assert {(each.fault, each.seal) for each in verdict.findings} == {
        (Fault.VALUES_MISSING, 1), *((Fault.ERASURE, seal) for seal in forged),
    }  # fmt: skip
    assert len([each for each in verdict.findings if each.fault is Fault.ERASURE]) == 3
    assert [each.reason for each in verdict.erased] == ["true"]


def _foreign(sql: SqlCase, said: Erasing) -> str:
    """The proof of another installation."""

    class Elsewhere(type(sql.database.data_keys)):  # type: ignore[misc]
        def find_data_key(self, _bid: int) -> None:
            return None

        def add_data_key(self, key: object) -> object:
            return key

    other = Secrets((b"2" * 32,), Elsewhere(sql.single))
    return other.mac(0, "erasure", said.statement())


def test_a_copy_of_a_true_erasing_row_is_found_and_explains_nothing_new(sql: SqlCase) -> None:
    append(sql, renamed(OAKDALE, AVERY), renamed(OAKDALE, AVERY))
    erasure(sql).erase(OLGA, "r", OAKDALE, Subject(rows=(2,)), "true")
    seal(sql)
    with sql.engine.begin() as connection:
        (content,) = connection.execute(select(change_values.c.content).where(change_values.c.change_id == 3)).scalars()
    delete_values(sql, 1)
    forge(sql, json.loads(content)["after"])
    seal(sql)
    assert findings(sql) == [(Fault.ERASURE, 4), (Fault.VALUES_MISSING, 1)]
    assert [each.reason for each in verified(sql).erased] == ["true"]


def test_an_erasing_row_explains_only_rows_before_it(sql: SqlCase) -> None:
    made = erasure(sql)
    said = Erasing(0, None, sql.clock.now(), OAKDALE, "staff", "olga", "r", None, None, (2,), "ahead of time", "")
    forge(sql, {"rows": [2], "reason": said.reason, "proof": made._proof(said.statement())})
    append(sql, renamed(OAKDALE, AVERY))
    seal(sql)
    delete_values(sql, 2)
    assert findings(sql) == [(Fault.VALUES_MISSING, 2)]


@pytest.mark.parametrize("change", [{"rows": [1, 2]}, {"reason": "another"}, {"rows": []}])
def test_an_erasing_row_whose_values_were_altered_explains_nothing(sql: SqlCase, change: Mapping[str, Any]) -> None:
    append(sql, renamed(OAKDALE, AVERY), renamed(OAKDALE, AVERY))
    erasure(sql).erase(OLGA, "r", OAKDALE, Subject(rows=(1,)), "true")
    seal(sql)
    delete_values(sql, 2)
    with sql.engine.begin() as connection:
        (content,) = connection.execute(select(change_values.c.content).where(change_values.c.change_id == 3)).scalars()
        forged = values_text(None, json.loads(content)["after"] | dict(change))
        connection.execute(update(change_values).where(change_values.c.change_id == 3).values(content=forged))
    assert set(findings(sql)) == {(Fault.VALUES_ALTERED, 3), (Fault.VALUES_MISSING, 1), (Fault.VALUES_MISSING, 2)}


def test_an_erasing_row_without_its_values_is_found_with_what_it_explained(sql: SqlCase) -> None:
    append(sql, renamed(OAKDALE, AVERY))
    erasure(sql).erase(OLGA, "r", OAKDALE, Subject(user_id=AVERY), "true")
    seal(sql)
    delete_values(sql, 2)
    assert findings(sql) == [(Fault.VALUES_MISSING, 1), (Fault.VALUES_MISSING, 2)]


@pytest.mark.parametrize("columns", [{"user_id": ZOE}, {"actor_id": "nobody"}, {"bid": BIRCHWOOD}])
def test_an_erasing_row_in_which_any_column_was_altered_explains_nothing(sql: SqlCase, columns: Mapping[str, Any]) -> None:
    append(sql, renamed(OAKDALE, AVERY))
    erasure(sql).erase(OLGA, "r", OAKDALE, Subject(user_id=AVERY), "true")
    seal(sql)
    with sql.engine.begin() as connection:
        connection.execute(update(change_log).where(change_log.c.seal == 2).values(**columns))
    assert set(findings(sql)) == {(Fault.ALTERED, 2), (Fault.ERASURE, 2), (Fault.VALUES_MISSING, 1)}


def test_values_that_came_back_after_they_were_erased_are_found(sql: SqlCase) -> None:
    append(sql, renamed(OAKDALE, AVERY))
    with sql.engine.begin() as connection:
        kept = connection.execute(select(change_values)).one()
    erasure(sql).erase(OLGA, "r", OAKDALE, Subject(user_id=AVERY), "true")
    seal(sql)
    with sql.engine.begin() as connection:
        connection.execute(change_values.insert().values(**kept._mapping))
    assert findings(sql) == [(Fault.ERASURE, 2)]


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "null", '{"after": 5}', '{"after": {"rows": 5}}', '{"after": {"rows": ["x"]}}', '{"after": {"rows": [1e999]}}',
        '{"after": {"rows": [1], "proof": "\\ud800"}}', '{"after": {"rows": [1], "reason": "\\ud800"}}', "[" * 100_000,
    ],
)  # fmt: skip
def test_an_erasing_row_of_any_content_is_a_finding_and_no_failure(sql: SqlCase, content: str) -> None:
    append(sql, renamed(OAKDALE, AVERY))
    seal(sql)
    delete_values(sql, 1)
    values = ChangeValues(2, "salt", content)
    with sql.engine.begin() as connection:
        row = {"at": sql.clock.now(), "bid": OAKDALE, "action": "values.erase", "actor_kind": "staff", "actor_id": "olga"}
        connection.execute(change_log.insert().values(**row, subject="", request_id="r", commitment=values.commitment()))
        connection.execute(change_values.insert().values(change_id=2, salt="salt", content=content))
    assert findings(sql) == [(Fault.ERASURE, 0), (Fault.VALUES_MISSING, 1)]
    seal(sql)
    assert findings(sql) == [(Fault.ERASURE, 2), (Fault.VALUES_MISSING, 1)]


def test_while_somebody_erases_every_look_is_sound(sql: SqlCase) -> None:
    append(sql, *(renamed(OAKDALE, AVERY) for _ in range(30)))
    seal(sql)
    made = erasure(sql)

    def erase() -> None:
        for row in range(1, 31):
            made.erase(OLGA, "r", OAKDALE, Subject(rows=(row,)), "x")

    working = sql.run_beside(erase)
    while not working.done():
        assert verified(sql).findings == ()
    working.result(60)
    seal(sql)
    assert (verified(sql).findings, len(verified(sql).erased)) == ((), 30)


def test_a_new_id_is_no_subject_of_anything(sql: SqlCase) -> None:
    append(sql, renamed(OAKDALE, AVERY))
    assert erasure(sql).erase(OLGA, "r", OAKDALE, Subject(user_id=new_id()), "x") == 0
    assert erasure(sql).erase(OLGA, "r", BIRCHWOOD, Subject(user_id=AVERY), "x") == 0
    assert rows_with_values(sql) == [1]
