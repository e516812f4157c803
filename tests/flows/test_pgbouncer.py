"""The whole hub behind PgBouncer in transaction mode: clients share two connections of the server, statement by statement."""

from __future__ import annotations

import base64
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from examples.partner_client import PartnerClient, Visitor
from hub.start import check_start
from hub.storage.engines import open_engines
from hub.storage.migrations import migrate, migrations_pending
from hub.wiring import wire
from idp.actor import System
from idp.directory.api_keys import KeyPolicies
from idp.settings import load
from tests.conftest import StartProcess
from tests.processes import clean_environment, free_port
from tests.servers import PgBouncer, PostgresCluster, RedisServer

DATA = Path(__file__).resolve().parents[2] / "examples" / "data"
ACTOR = System("test")
FRAME = {"Sec-Fetch-Dest": "iframe"}
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Pooled:
    """A hub that serves behind PgBouncer, with the settings of its processes."""

    settings: dict[str, str]
    port: int
    keys: dict[str, str]
    direct: str


@pytest.fixture(scope="module")
def pooled(
    postgres_cluster: PostgresCluster, pgbouncer: PgBouncer, redis_server: RedisServer, start_module_process: StartProcess
) -> Pooled:
    """Everything by way of PgBouncer, from the first migration on."""
    redis_server.flush()
    database = postgres_cluster.create()
    direct, port = postgres_cluster.url(database), free_port()
    settings = {
        "IDHUB_DATABASE_URL": pgbouncer.url(direct),
        "IDHUB_KEYVALUE_URL": redis_server.url,
        "IDHUB_MASTER_KEY": base64.b64encode(b"behind-pgbouncer-key-of-32-bytes").decode(),
        "IDHUB_PORTAL_DOMAIN": f"hub.localhost:{port}",
        "IDHUB_PUBLIC_SCHEME": "http",
        "IDHUB_ALLOW_LOOPBACK_ORIGINS": "true",
        "IDHUB_LISTEN": f"127.0.0.1:{port}",
        "IDHUB_WORKERS": "2",
        "IDHUB_THREADS": "4",
        "IDHUB_DATABASE_POOL": "6",
        "IDHUB_LOG_LEVEL": "warning",
    }
    migrate(settings["IDHUB_DATABASE_URL"])
    keys = _fill(settings)
    environment, program = clean_environment(settings), [sys.executable, "-m", "hub.cli"]
    start_module_process("serve", [*program, "serve"], environment=environment, ready_url=f"http://127.0.0.1:{port}/readyz")
    start_module_process("worker", [*program, "worker"], environment=environment)
    return Pooled(settings, port, keys, direct)


def _fill(settings: dict[str, str]) -> dict[str, str]:
    hub = wire(load(settings))
    try:
        hub.partners.create(ACTOR, "r", slug="harborlight", name="Harborlight")
        guid = UUID("d99eda17-2af5-5ac0-ae88-9a0d9422bc15")
        riverbend = hub.billers.create(ACTOR, "r", bid=9001, slug="riverbend", dba="Riverbend", guid=guid)
        with (DATA / "9001_11202026.bif").open("rb") as file:
            assert hub.invoice_import.run(ACTOR, "r", riverbend, file, "9001_11202026.bif").state == "done"
        prairie = hub.billers.create(ACTOR, "r", bid=9002, slug="prairie", dba="Prairie")
        hub.customers.create(ACTOR, "r", prairie, "20001", name="Prairie Rose Diner")
        policies = KeyPolicies(account_proof=("cis",))
        origins = ["http://partner.localhost:8090"]
        return {
            each.slug: hub.api_keys.issue(
                ACTOR, "r", bid=each.bid, partner_slug="harborlight", policies=policies, frame_origins=origins
            ).secret
            for each in (riverbend, prairie)
        }
    finally:
        hub.close()


def _hand_off(pooled: Pooled, slug: str, user: str, account: str) -> int:
    """Register, authenticate, redirect, and click through the bills. How many pages were good."""
    client = PartnerClient(f"http://api.hub.localhost:{pooled.port}", pooled.keys[slug])
    browser = Visitor()
    try:
        client.hand_over(user, f"{user}@example.com", account)
        good = 0
        for _ in range(8):
            answer = client.call("POST", "/remote-authentication/authenticate", {"UserName": user})
            form = {"RemoteAuthenticationToken": str(answer["RemoteAuthenticationToken"]), "ViewMode": "1", "RedirectID": "6"}
            host = f"http://{slug}.hub.localhost:{pooled.port}"
            page = browser.post(f"{host}/b/{slug}/sso/connect", form, FRAME)
            found = re.search(rf'="(/b/{slug}/a/[^"]+/bills)"', page.text)
            assert page.status_code == 200, page.text
            assert found
            hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
            sent = {name: hidden[name] for name in ("frame_token", "csrf_token")}
            good += browser.post(host + found[1], sent, {**FRAME, "Origin": host, "Connection": "close"}).status_code == 200
        return good
    finally:
        client.close()
        browser.close()


def test_hand_offs_of_two_billers_at_once_meet_no_statement_of_another_client(pooled: Pooled) -> None:
    with ThreadPoolExecutor(4) as threads:
        payers = [("riverbend", "avery", "1001-01"), ("prairie", "avery", "20001"), ("riverbend", "zoe", "1002-01")]
        done = [threads.submit(_hand_off, pooled, *payer) for payer in payers]
        assert [each.result() for each in done] == [8, 8, 8]


def test_an_import_and_the_worker_go_through_it(pooled: Pooled) -> None:
    hub = wire(load(pooled.settings))
    try:
        with (DATA / "9001_11202026.bif").open("rb") as file:
            assert hub.invoice_import.run(ACTOR, "r", hub.billers.get(9001), file, "again.bif").state == "done"
        give_up = time.monotonic() + PATIENCE
        while True:
            with hub.database.read() as stores:
                waiting = stores.seals.count_unsealed()
            if not waiting:
                break
            assert time.monotonic() < give_up, f"{waiting} rows are not sealed"
            time.sleep(0.1)
    finally:
        hub.close()


def test_the_start_finds_no_fault_though_the_pools_are_larger_than_the_server_allows(pooled: Pooled) -> None:
    """PgBouncer has a limit of its own for clients, and shares few connections of the server among them."""
    hub = wire(load(pooled.settings | {"IDHUB_WORKERS": "50", "IDHUB_DATABASE_POOL": "20"}))
    try:
        assert check_start(hub) == []
    finally:
        hub.close()


def test_a_migration_goes_through_it(pooled: Pooled, pgbouncer: PgBouncer) -> None:
    url = pgbouncer.url(pooled.direct)
    migrate(url)
    assert not migrations_pending(url)


def test_nothing_of_ours_stays_with_a_connection_that_others_get_next(pooled: Pooled) -> None:
    engines = open_engines(pooled.settings["IDHUB_DATABASE_URL"], 6)
    try:
        for _ in range(20):
            with engines.reading.connect() as connection:
                connection.execute(text("SELECT 1"))
            with engines.writing.begin() as connection:
                connection.execute(text("SELECT 2"))
    finally:
        engines.dispose()
    seen: set[tuple[Any, ...]] = set()
    url = pooled.settings["IDHUB_DATABASE_URL"].replace("+psycopg", "")
    for _ in range(8):
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as other:
            row = other.execute(
                "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('search_path'),"
                " (SELECT count(*) FROM pg_prepared_statements)"
            ).fetchone()
            assert row is not None
            seen.add(row)
    assert seen == {("0", "0", '"$user", public', 0)}


@pytest.mark.parametrize(("through", "given", "threshold"), [(True, "", None), (True, "?prepare_threshold=7", 7), (False, "", 5)])
def test_statements_are_prepared_only_where_no_pooler_is_or_where_the_url_says_so(
    pooled: Pooled, through: bool, given: str, threshold: int | None
) -> None:
    url = pooled.settings["IDHUB_DATABASE_URL"] + given if through else pooled.direct
    engines = open_engines(url, 2)
    try:
        for engine in (engines.reading, engines.writing):
            with engine.connect() as connection:
                driver: Any = connection.connection.driver_connection
                assert driver.prepare_threshold == threshold
    finally:
        engines.dispose()
