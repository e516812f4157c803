"""The sealer with its real parts: a SQL database, signing keys sealed at rest, checkpoints that another library checks."""

from __future__ import annotations

import json

import pytest
from jose import jws as second_opinion
from sqlalchemy import delete, insert, select

from hub.storage.sql.data_keys import SqlDataKeyStore
from hub.storage.tables.log import change_checkpoints, change_log
from idp.actor import System
from idp.changelog import Action, Change, Sealer
from idp.keys import SigningKeys
from idp.secrets import Secrets
from idp.verification import Fault, Trust, Verdict, verify
from tests import databases
from tests.databases import SqlCase

sql = databases.sql

OAKDALE, BIRCHWOOD = 101, 202


def signing_keys(sql: SqlCase) -> SigningKeys:
    """Signing keys of a process that has just started."""
    secrets = Secrets((b"1" * 32,), SqlDataKeyStore(sql.single))
    secrets.check()
    return SigningKeys(sql.begin, sql.clock, secrets)


def sealer(sql: SqlCase, keys: SigningKeys, every: int = 1000) -> Sealer:
    return Sealer(sql.begin, sql.clock, lambda claims: keys.sign("checkpoint", claims), every)


def append(sql: SqlCase, count: int) -> None:
    with sql.begin() as stores:
        for number in range(count):
            bid = (OAKDALE, BIRCHWOOD)[number % 2]
            stores.changelog.append(Change(bid, Action.TOKEN_ISSUE, System("worker"), f"req-{number}"))
    sql.settle()


def verified(sql: SqlCase, keys: SigningKeys, *exported: str) -> Verdict:
    with sql.begin() as stores:
        tokens = {each.token for each in stores.seals.list_checkpoints()} | set(exported)
    # Checked before the walk: on SQLite a transaction inside another one would wait for it.
    claims = {token: keys.check("checkpoint", token) for token in tokens}
    with sql.begin() as stores:
        return verify(stores.seals, stores.erasures, Trust(claims.__getitem__, lambda _: False), exported)


def test_the_first_checkpoint_of_an_installation_is_made_while_rows_are_sealed(sql: SqlCase) -> None:
    keys = signing_keys(sql)
    append(sql, 5)
    assert sealer(sql, keys, every=2).run() == 5
    assert verified(sql, keys) == Verdict(sealed=5, unsealed=0, checkpoints=1, findings=())


def test_a_checkpoint_is_good_for_python_jose_too_and_says_seal_link_and_time(sql: SqlCase) -> None:
    keys = signing_keys(sql)
    append(sql, 3)
    working = sealer(sql, keys)
    working.run()
    made = working.checkpoint()
    assert made is not None
    (public,) = keys.public_keys("checkpoint")
    said = json.loads(second_opinion.verify(made.token, public, algorithms=["ES256"]))
    assert said == {"seal": 3, "link": made.link, "iat": int(sql.clock.now().timestamp())}
    assert verified(sql, keys, made.token) == Verdict(sealed=3, unsealed=0, checkpoints=2, findings=(), exported=3)


def test_a_checkpoint_of_another_installation_is_not_ours(sql: SqlCase) -> None:
    keys = signing_keys(sql)
    append(sql, 2)
    working = sealer(sql, keys)
    working.run()
    made = working.checkpoint()
    assert made is not None
    with sql.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM signing_keys")
    verdict = verified(sql, signing_keys(sql))
    assert [finding.fault for finding in verdict.findings] == [Fault.CHECKPOINT]


def test_a_chain_that_was_cut_off_is_found_by_a_worker_that_never_saw_it_whole(sql: SqlCase) -> None:
    append(sql, 4)
    working = sealer(sql, signing_keys(sql))
    working.run()
    exported = working.checkpoint()
    assert exported is not None
    with sql.engine.begin() as connection:
        connection.execute(delete(change_log).where(change_log.c.seal > 2))
        connection.execute(delete(change_checkpoints))
    verdict = verified(sql, signing_keys(sql), exported.token)
    assert [(finding.fault, finding.seal) for finding in verdict.findings] == [(Fault.MISSING, 4)]


@pytest.mark.parametrize("rows", [2_500])
def test_a_backlog_is_sealed_in_runs_and_verified_in_batches(sql: SqlCase, rows: int) -> None:
    keys = signing_keys(sql)
    row = {
        "at": sql.clock.now(), "action": "token.issue", "actor_kind": "system", "actor_id": "worker", "subject": "",
        "request_id": "req", "commitment": "",
    }  # fmt: skip
    with sql.engine.begin() as connection:
        connection.execute(insert(change_log), [row | {"bid": (OAKDALE, BIRCHWOOD)[n % 2]} for n in range(rows)])
    sql.settle()
    working = sealer(sql, keys)
    runs = []
    while sealed := working.run():
        runs.append(sealed)
    assert runs == [1000, 1000, 500]
    assert verified(sql, keys) == Verdict(sealed=rows, unsealed=0, checkpoints=2, findings=())
    with sql.engine.connect() as connection:
        seals = connection.execute(select(change_log.c.seal).order_by(change_log.c.id)).scalars().all()
    assert list(seals) == list(range(1, rows + 1))
