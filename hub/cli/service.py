"""`idhub serve`, `idhub worker`, `idhub migrate`, `idhub openapi`: the processes of a hub, and what they need."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any

import click

from hub.cli.context import Operator, pass_operator
from hub.cli.faults import Refusal, start_line, why
from hub.cli.output import note, print_json
from idp.settings import Settings, SettingsError

KILL_SECONDS = 30
"""Longer than any request may last: what is in flight at SIGTERM is finished."""

_RESPAWN_SECONDS = 3.5
_FEWEST_CONNECTIONS = 512
_CONNECTIONS_PER_THREAD = 32
_THROUGH_OURS: Mapping[str, Any] = {
    "handlers": {},
    "formatters": {},
    "loggers": {"_granian": {"handlers": [], "propagate": True}, "granian.access": {"handlers": [], "propagate": False}},
}
"""The server's own few lines go the way of ours (hub.logs)."""


@click.command()
@pass_operator
def migrate(operator: Operator) -> None:
    """Update the database schema to this version. Processes of the previous version keep working meanwhile."""
    from hub.storage.migrations import head
    from hub.storage.migrations import migrate as run

    try:
        run(operator.settings.database_url)
    except ValueError as fault:
        raise SettingsError(f"IDHUB_DATABASE_URL: {fault}") from fault
    note(f"The database is at revision {head()}.")


@click.command()
@pass_operator
def serve(operator: Operator) -> None:
    """Serve the customer portals and the partner API until SIGTERM or Ctrl-C.

    Runs startup checks first and reports all failures: settings, database and its migrations, key-value store, master key, an
    origin for each biller, enough connections. On exit, requests in progress have 30 seconds to finish.
    """
    from hub.start import listen_address

    host, port = listen_address(operator.settings)
    _check(operator)
    # Workers are forked and wire a hub of their own: nothing that is open here may go with them.
    operator.close()
    if operator.settings_file is not None:
        os.environ["IDHUB_SETTINGS"] = str(operator.settings_file.absolute())
    _run_granian(operator.settings, host, port)


@click.command()
@pass_operator
def worker(operator: Operator) -> None:
    """Run background jobs until SIGTERM or Ctrl-C: mail, imports, events, purges.

    Any number of workers may run; they share the work. If one is killed, another gets its jobs within two minutes.
    """
    from hub.logs import configure

    _check(operator)
    configure(operator.settings)
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
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file (default: standard output).")
def openapi(out: Path | None) -> None:
    """Print the OpenAPI 3.1 document of the partner API as JSON. Needs no settings."""
    from sso_connect.api.openapi import openapi_document

    if out is None:
        print_json(openapi_document())
        return
    try:
        out.write_text(json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as fault:
        raise Refusal(f"{out} cannot be written: {why(fault)}.") from fault


def _check(operator: Operator) -> None:
    from hub.start import check_start

    if faults := check_start(operator.wired):
        raise Refusal(*(start_line(each, operator.settings) for each in faults))


def _run_granian(settings: Settings, host: str, port: int) -> None:
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels

    from hub.logs import configure

    configure(settings)
    # Its advice against many threads is for work that computes; ours waits for the database most of the time.
    logging.getLogger("_granian").addFilter(lambda record: "seems quite high" not in record.getMessage())
    os.register_at_fork(after_in_child=_forget_signals_of_parent)
    Granian(
        target="hub.wsgi:create",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=settings.workers,
        blocking_threads=settings.threads,
        # Connections and not requests are counted, and those that browsers and proxies keep open do nothing most of the time.
        backpressure=max(_FEWEST_CONNECTIONS, _CONNECTIONS_PER_THREAD * settings.threads),
        # An access log has query strings in it, and those have tokens.
        log_access=False,
        log_level=LogLevels(settings.log_level),
        log_dictconfig=dict(_THROUGH_OURS),
        respawn_failed_workers=True,
        respawn_interval=_RESPAWN_SECONDS,
        workers_kill_timeout=KILL_SECONDS,
    ).serve()


def _forget_signals_of_parent() -> None:
    """In a worker, a moment after its fork. The parent's handlers came along and would swallow a SIGTERM until the worker has its
    own: a hub that is stopped while it starts would go on for KILL_SECONDS."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
