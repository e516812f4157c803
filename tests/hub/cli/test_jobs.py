"""`idhub jobs`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from hub.wiring import wire
from idp.actor import Partner
from idp.errors import JobNotFound, JobNotRepeatable, JobRunning
from idp.jobs import Job
from idp.opaque import new_id
from idp.settings import load
from tests.hub.cli.conftest import BILLER, OTHER, Idhub
from tests.sso_connect.imports.bif_files import RIVERBEND
from tests.sso_connect.imports.import_house import bills, one


@pytest.fixture
def billers(idhub: Idhub) -> Idhub:
    idhub.make_biller(BILLER, "--guid", str(RIVERBEND))
    idhub.make_biller(OTHER)
    return idhub


def queue(idhub: Idhub, *jobs: Job) -> None:
    with closing(wire(load())) as hub, hub.database.begin() as stores:
        for each in jobs:
            stores.jobs.add_job(each)


def job(bid: str = BILLER, kind: str = "mail.send") -> Job:
    return Job(new_id(), int(bid), kind, str(new_id()), datetime.now(UTC))


def kill(idhub: Idhub, *jobs: Job) -> None:
    for each in jobs:
        idhub.sql("UPDATE jobs SET state = 'dead', tries = 12, error = 'OSError' WHERE id = ?", each.id.hex)


def logged(idhub: Idhub) -> list[tuple[str, int, str]]:
    with closing(sqlite3.connect(idhub.folder / "hub.sqlite3")) as connection:
        rows = connection.execute("SELECT action, bid, subject FROM change_log WHERE action LIKE 'job.%' ORDER BY id")
        return [tuple(row) for row in rows]


def test_jobs_are_listed_with_their_state_of_all_billers_or_of_one(billers: Idhub) -> None:
    waiting, running, dead, other = job(), job(), job(), job(OTHER, "of.tomorrow")
    queue(billers, waiting, running, dead, other)
    kill(billers, dead)
    later = (datetime.now(UTC) + timedelta(minutes=2)).strftime("%Y-%m-%d %H:%M:%S.%f")
    billers.sql("UPDATE jobs SET leased_until = ?, worker = 'w' WHERE id = ?", later, running.id.hex)
    assert {each["id"]: each["state"] for each in billers.json("jobs", "list")} == {
        str(waiting.id): "waiting", str(running.id): "running", str(dead.id): "dead", str(other.id): "waiting"
    }  # fmt: skip
    assert [each["kind"] for each in billers.json("jobs", "list", "--biller", OTHER)] == ["of.tomorrow"]
    (found,) = billers.json("jobs", "list", "--dead")
    assert (found["id"], found["tries"], found["error"], found["bid"]) == (str(dead.id), 12, "OSError", 9001)
    first = billers.json("jobs", "list", "--limit", 2)
    assert [each["id"] for each in billers.json("jobs", "list", "--after", first[-1]["id"])] == sorted(
        {str(each.id) for each in (waiting, running, dead, other)} - {each["id"] for each in first}
    )
    assert waiting.payload not in billers.text("jobs", "list", "--json"), "what a job is about is nobody's to read here"


def test_a_dead_job_is_retried_as_if_it_had_never_been_tried_and_that_is_logged(billers: Idhub) -> None:
    dead, other = job(), job(OTHER)
    queue(billers, dead, other)
    kill(billers, dead, other)
    assert billers.text("jobs", "retry", "--biller", BILLER, dead.id) == "1 job will run again.\n"
    (found,) = billers.json("jobs", "list", "--biller", BILLER)
    assert (found["state"], found["tries"], found["workers_lost"]) == ("waiting", 0, 0)
    assert billers.json("jobs", "list", "--biller", OTHER)[0]["state"] == "dead"
    assert logged(billers) == [("job.retry", 9001, f"job:{dead.id}")]


def test_all_dead_jobs_of_a_biller_or_of_one_kind_are_retried(billers: Idhub) -> None:
    mails, others, theirs = [job() for _ in range(3)], [job(kind="of.tomorrow")], [job(OTHER)]
    queue(billers, *mails, *others, *theirs)
    kill(billers, *mails, *others, *theirs)
    assert billers.text("jobs", "retry", "--biller", BILLER, "--all", "--kind", "mail.send") == "3 jobs will run again.\n"
    assert [each["kind"] for each in billers.json("jobs", "list", "--biller", BILLER, "--dead")] == ["of.tomorrow"]
    assert billers.text("jobs", "retry", "--biller", BILLER, "--all") == "1 job will run again.\n"
    assert billers.text("jobs", "retry", "--biller", BILLER, "--all") == "0 jobs will run again.\n"
    assert [each["bid"] for each in billers.json("jobs", "list", "--dead")] == [9002]


def test_a_job_that_is_not_dead_of_another_biller_or_nowhere_is_not_retried_and_one_such_leaves_all_as_they_are(
    billers: Idhub,
) -> None:
    dead, waiting, theirs = job(), job(), job(OTHER)
    queue(billers, dead, waiting, theirs)
    kill(billers, dead, theirs)
    for wrong in (waiting.id, theirs.id, new_id()):
        assert billers.refused("jobs", "retry", "--biller", BILLER, dead.id, wrong)[0].startswith(JobNotFound.public)
    assert "--all" in billers.misread("jobs", "retry", "--biller", BILLER)
    assert "--all" in billers.misread("jobs", "retry", "--biller", BILLER, dead.id, "--all")
    assert "--all" in billers.misread("jobs", "retry", "--biller", BILLER, dead.id, "--kind", "mail.send")


def test_a_job_is_dropped_by_its_biller_once_it_is_confirmed_and_not_while_it_runs(billers: Idhub) -> None:
    dead, running, theirs = job(), job(), job(OTHER)
    queue(billers, dead, running, theirs)
    kill(billers, dead)
    later = (datetime.now(UTC) + timedelta(minutes=2)).strftime("%Y-%m-%d %H:%M:%S.%f")
    billers.sql("UPDATE jobs SET leased_until = ?, worker = 'w' WHERE id = ?", later, running.id.hex)
    assert billers.refused("jobs", "drop", "--biller", BILLER, dead.id, given="n\n")[-1].endswith("Nothing was changed.")
    assert billers.refused("jobs", "drop", "--biller", BILLER, running.id, "--yes")[0].startswith(JobRunning.public)
    assert billers.refused("jobs", "drop", "--biller", BILLER, theirs.id, "--yes")[0].startswith(JobNotFound.public)
    billers.text("jobs", "drop", "--biller", BILLER, dead.id, "--yes")
    assert {each["id"] for each in billers.json("jobs", "list")} == {str(running.id), str(theirs.id)}
    assert logged(billers) == [("job.drop", 9001, f"job:{dead.id}")]


def test_the_job_of_an_uploaded_file_is_not_retried_and_dropping_it_fails_the_file_and_wakes_the_next(billers: Idhub) -> None:
    billers.make_key()
    with closing(wire(load())) as hub:
        key = hub.api_keys.list_all(9001)[0]
        biller = hub.billers.get(9001)
        sent = [
            hub.invoice_files.receive(
                Partner(key.id, key.partner.id), "r", biller, key, bills(*one(number=f"A-{n}"), count=1), "bills.bif"
            )
            for n in range(2)
        ]
        kill(billers, Job(sent[0].id, 9001, "", "", datetime.now(UTC)))
        assert billers.refused("jobs", "retry", "--biller", BILLER, sent[0].id)[0].startswith(JobNotRepeatable.public)
        assert billers.text("jobs", "retry", "--biller", BILLER, "--all") == "0 jobs will run again.\n"
        billers.text("jobs", "drop", "--biller", BILLER, sent[0].id, "--yes")
        states = [hub.invoice_files.show(9001, key.partner.id, each.id).upload for each in sent]
        assert [(each.state, each.reason) for each in states] == [("failed", "given up by the operator"), ("waiting", "")]
        (left,) = billers.json("jobs", "list")
        assert left["id"] == str(sent[1].id)
        assert datetime.fromisoformat(left["run_at"]) <= datetime.now(UTC)
