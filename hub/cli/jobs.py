"""`idhub jobs`: background jobs that wait, run or were given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from hub.cli.arguments import biller_option, confirmed, limit_option, optional_biller_option
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, note, print_record, print_rows, say

if TYPE_CHECKING:
    from admin.jobs import JobState, StoredJob

_COLUMNS: Final = {
    "id": "ID",
    "bid": "BID",
    "kind": "Kind",
    "state": "State",
    "tries": "Tries",
    "run_at": "Due",
    "error": "Last error",
}


@click.group()
def group() -> None:
    """List, retry and drop background jobs.

    A job is dead after twelve failures, or after five workers in a row were killed while running it. Dead jobs raise an alarm and
    are kept for 90 days.
    """


@group.command("list")
@optional_biller_option("Only jobs of this biller: its BID or slug.")
@click.option("--dead", "dead_only", is_flag=True, help="Only dead jobs.")
@click.option("--after", type=click.UUID, metavar="ID", help="Start after this job.")
@limit_option
@json_option
@pass_operator
def list_(operator: Operator, bid: int | None, dead_only: bool, after: UUID | None, limit: int, as_json: bool) -> None:
    """List jobs, oldest first. Jobs that are done are not kept."""
    found = operator.jobs.list_page(operator.staff, operator.request_id, bid, dead_only=dead_only, after=after, limit=limit)
    print_rows([_shown(job, state) for job, state in found], _COLUMNS, as_json=as_json)
    if len(found) == limit:
        note(f"There may be more: --after {found[-1][0].id}")


@group.command()
@click.argument("job_ids", metavar="[ID]...", type=click.UUID, nargs=-1)
@biller_option
@click.option("--all", "every", is_flag=True, help="Retry every dead job of the biller.")
@click.option("--kind", help="With --all: only jobs of this kind, for example mail.send.")
@pass_operator
def retry(operator: Operator, job_ids: tuple[UUID, ...], bid: int, every: bool, kind: str | None) -> None:
    """Run dead jobs again.

    A job that imports an uploaded file cannot be retried: its file has been deleted. The partner must send it again.
    """
    if every == bool(job_ids) or (kind is not None and not every):
        raise click.UsageError("Give the IDs of the jobs, or --all (with or without --kind).")
    if every:
        count = operator.jobs.retry_all(operator.staff, operator.request_id, bid, kind)
    else:
        count = len(operator.jobs.retry(operator.staff, operator.request_id, bid, job_ids))
    say(f"{count} job{'' if count == 1 else 's'} will run again.")


@group.command()
@click.argument("job_id", metavar="ID", type=click.UUID)
@biller_option
@confirmed("The work of this job will not be done. Drop it?")
@json_option
@pass_operator
def drop(operator: Operator, job_id: UUID, bid: int, as_json: bool) -> None:
    """Remove a job that is dead or waiting. Its work is not done."""
    dropped = operator.jobs.drop(operator.staff, operator.request_id, bid, job_id)
    print_record(_shown(dropped, "dead" if dropped.state == "dead" else "waiting"), as_json=as_json)


def _shown(job: StoredJob, state: JobState) -> dict[str, Any]:
    return {
        "id": str(job.id),
        "bid": job.bid,
        "kind": job.kind,
        "state": state,
        "tries": job.tries,
        "workers_lost": job.lost,
        "run_at": job.run_at,
        "error": job.error,
        "created_at": job.created_at,
    }
