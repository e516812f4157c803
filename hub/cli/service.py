"""`idhub serve`, `idhub worker`, `idhub migrate`, `idhub openapi`: the processes of a hub, and what they need."""

from __future__ import annotations

import json
import logging
import os
import signal
from pathlib import Path
from threading import Event
from types import FrameType

import click

from hub.cli.context import Operator, pass_operator
from hub.cli.faults import Refusal
from hub.cli.output import note, print_json


@click.command()
@pass_operator
def migrate(operator: Operator) -> None:
    """Bring the database to the newest version. Processes of the version before go on working meanwhile."""
    from hub.storage.migrations import head
    from hub.storage.migrations import migrate as run

    run(operator.settings.database_url)
    note(f"the database is at revision {head()}")


@click.command()
@pass_operator
def serve(operator: Operator) -> None:
    """Serve the customer portals and the partner API until SIGTERM or Ctrl-C.

    Checks first: settings, database and its migrations, key-value store, master key, an origin for each biller, room for
    connections. A fault stops the start, a line each. At the end requests in flight are finished, for up to 30 seconds.
    """
    from hub.logs import configure
    from hub.server import run
    from hub.start import listen_address

    host, port = listen_address(operator.settings)
    _check(operator)
    configure(operator.settings)
    operator.wired.epochs.begin()
    # Workers are forked and wire a hub of their own: nothing that is open here may go with them.
    operator.close()
    if operator.settings_file is not None:
        os.environ["IDHUB_SETTINGS"] = str(operator.settings_file.absolute())
    run.serve(
        "hub.server.process:create", host=host, port=port, workers=operator.settings.workers, log_level=operator.settings.log_level
    )


@click.command()
@pass_operator
def worker(operator: Operator) -> None:
    """Run jobs until SIGTERM or Ctrl-C: mails, events for the CIS, seals of the change log, purges.

    Any number may run; they share the work. One that dies loses its lease, and another takes over.
    """
    from hub.logs import configure

    _check(operator)
    configure(operator.settings)
    operator.wired.epochs.begin()
    log = logging.getLogger("hub.worker")
    stop = Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        log.info("worker started", extra={"worker_pid": os.getpid()})
        operator.wired.worker().run(stop)
        log.info("worker stopped")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file for it (default: standard output).")
def openapi(out: Path | None) -> None:
    """Print the OpenAPI 3.1 document of the partner API, as JSON. Needs no settings."""
    from sso_connect.api.openapi import openapi_document

    if out is None:
        print_json(openapi_document())
        return
    try:
        out.write_text(json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as fault:
        raise Refusal(f"{out}: {fault.strerror}") from fault


def _check(operator: Operator) -> None:
    from hub.start import check_start

    if faults := check_start(operator.wired):
        raise Refusal(*faults)
