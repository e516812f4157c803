"""Requests with an Idempotency-Key whose process is killed or slow: real processes, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from werkzeug.test import Client, TestResponse

from hub.storage.engines import Engines, open_engines
from hub.storage.migrations import migrate
from hub.storage.tables import metadata
from hub.wiring import wire
from hub.wsgi import api_site
from idp.actor import Staff
from idp.directory.api_keys import KeyPolicies, Scope
from idp.receipts import CLAIMED_FOR
from idp.settings import load
from tests.conftest import StartProcess
from tests.processes import Process

MAKER = Staff("ann", "operator")
PATIENCE = 120.0
BODY = {"AccountNumber": "7001-01", "CustomerName": "Dana Whitfield"}

CHILD = """
import json, os, pathlib, signal, sys, time
from werkzeug.test import Client
from hub.wiring import wire
from hub.wsgi import api_site
from idp.receipts import Receipts
from idp.settings import load

how, headers, body, go_on = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])
keep = Receipts.keep

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def wait_and_keep(*arguments):
    while not go_on.exists():
        time.sleep(0.02)
    keep(*arguments)

if how == "killed before its commit":
    Receipts.keep = die
elif how == "killed between commit and answer":
    Receipts.release = die
else:
    Receipts.open, opened = (lambda *a: (opened(*a), go_on.with_suffix(".begun").touch())[0]), Receipts.open
    # Waits before its transaction begins: on SQLite nobody else could write meanwhile.
    from idp.directory.customers import Customers
    create = Customers.create
    def slow(*arguments, **named):
        while not go_on.exists():
            time.sleep(0.02)
        return create(*arguments, **named)
    Customers.create = slow
answer = Client(api_site(wire(load(dict(os.environ))))).post("/api/v1/customers", data=body, headers=headers)
print(answer.status_code, answer.text)
"""


@dataclass(frozen=True, slots=True)
class Counter:
    """An API in this process, and others beside it on the same stores."""

    client: Client
    engines: Engines
    environment: dict[str, str]
    start: StartProcess
    folder: Path
    headers: dict[str, str]

    def post(self, key: str = "k-1", body: Any = BODY) -> TestResponse:
        return self.client.post("/api/v1/customers", data=json.dumps(body), headers=self.headers | {"Idempotency-Key": key})

    def beside(self, how: str) -> Process:
        sent = self.headers | {"Idempotency-Key": "k-1"}
        command = [sys.executable, "-c", CHILD, how, json.dumps(sent), json.dumps(BODY), str(self.folder / "go")]
        return self.start("request", command, environment=self.environment)

    def customers(self) -> int:
        with self.engines.reading.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(metadata.tables["customers"])).scalar_one())

    def claimed_until(self) -> Any:
        with self.engines.reading.connect() as connection:
            return connection.execute(select(metadata.tables["receipts"].c.claimed_until)).scalar_one()

    def wait_until(self, happened: Callable[[], object], process: Process | None = None) -> None:
        give_up = time.monotonic() + PATIENCE
        while not happened():
            assert process is None or process.returncode is None, process.tail()
            assert time.monotonic() < give_up, "" if process is None else process.tail()
            time.sleep(0.05)


@pytest.fixture(params=["sqlite", "postgres"])
def counter(request: pytest.FixtureRequest, tmp_path: Path, start_process: StartProcess) -> Iterator[Counter]:
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    else:
        url = f"sqlite:///{tmp_path / 'hub.db'}"
        migrate(url)
    environment = {
        "IDHUB_DATABASE_URL": url,
        "IDHUB_KEYVALUE_URL": f"sqlite:///{tmp_path / 'kv.db'}",
        "IDHUB_MASTER_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "IDHUB_MAILBOX_DIR": str(tmp_path / "mailbox"),
        "IDHUB_PORTAL_DOMAIN": "hub.example.com",
    }
    with closing(wire(load(environment))) as hub:
        hub.billers.create(MAKER, "r", bid=9001, slug="riverbend", dba="Riverbend")
        hub.billers.create(MAKER, "r", bid=9002, slug="prairie", dba="Prairie")
        hub.partners.create(MAKER, "r", slug="one", name="One")
        policies = KeyPolicies(scopes=frozenset(Scope), rate_per_second=1000, burst=1000)
        secret = hub.api_keys.issue(MAKER, "r", bid=9001, partner_slug="one", policies=policies).secret
        headers = {"Host": "api.hub.example.com", "X-Api-Key": secret, "Content-Type": "application/json"}
        engines = open_engines(url, 2)
        yield Counter(Client(api_site(hub)), engines, environment, start_process, tmp_path, headers)
        engines.dispose()


def test_a_retry_after_a_kill_between_commit_and_answer_gets_the_first_answer(counter: Counter) -> None:
    process = counter.beside("killed between commit and answer")
    assert process.wait(PATIENCE) == -signal.SIGKILL
    assert counter.customers() == 1
    answer = counter.post()
    assert answer.status_code == 201, answer.text
    assert counter.post().json == answer.json
    assert counter.customers() == 1
    assert (
        counter.client.get(f"/api/v1/customers/{(answer.json or {})['CustomerGUID']}", headers=counter.headers).status_code == 200
    )


def test_a_retry_after_a_kill_before_the_commit_is_told_when_to_come_and_is_then_let_in(counter: Counter) -> None:
    process = counter.beside("killed before its commit")
    assert process.wait(PATIENCE) == -signal.SIGKILL
    assert counter.customers() == 0
    waits: list[int] = []

    def is_in() -> bool:
        answer = counter.post()
        if answer.status_code == 409:
            assert (answer.json or {})["Code"] == "IdempotencyInProgress"
            waits.append(int(answer.headers["Retry-After"]))
            return False
        assert answer.status_code == 201, answer.text
        return True

    counter.wait_until(is_in)
    assert all(1 <= wait <= CLAIMED_FOR.total_seconds() for wait in waits)
    assert counter.customers() == 1


def test_a_twin_of_a_slow_request_waits_for_as_long_as_that_works_and_gets_its_answer(counter: Counter) -> None:
    process = counter.beside("slow")
    counter.wait_until((counter.folder / "go.begun").exists, process)
    first = counter.claimed_until()
    seen: set[int] = set()

    def outlived_its_first_claim_twice() -> bool:
        answer = counter.post()
        seen.add(answer.status_code)
        assert "Retry-After" in answer.headers
        return bool(counter.claimed_until() > first + 2 * CLAIMED_FOR)

    counter.wait_until(outlived_its_first_claim_twice, process)
    assert seen == {409}
    (counter.folder / "go").touch()
    assert process.wait(PATIENCE) == 0
    status, _, body = process.output().strip().splitlines()[-1].partition(" ")
    answer = counter.post()
    assert (answer.status_code, answer.json) == (int(status), json.loads(body))
    assert counter.customers() == 1


def test_the_same_key_at_another_operation_or_with_another_body_is_not_kept_waiting_by_a_claim(counter: Counter) -> None:
    process = counter.beside("slow")
    counter.wait_until((counter.folder / "go.begun").exists, process)
    other = counter.post(body=BODY | {"CustomerName": "Somebody Else"})
    assert (other.json or {})["Code"] == "IdempotencyKeyReused"
    assert counter.post("k-2", BODY | {"AccountNumber": "7002-01"}).status_code == 201
    (counter.folder / "go").touch()
    assert process.wait(PATIENCE) == 0
