"""`idhub serve`, `idhub worker`, `idhub migrate`, `idhub openapi`: the processes of a hub, and what they need."""

from __future__ import annotations

import json
import logging
import os
import signal
from contextlib import closing
from threading import Event
from types import FrameType
from typing import TextIO

import click

from hub.cli.arguments import OutFile
from hub.cli.context import Operator, pass_operator
from hub.cli.faults import Refusal, start_line
from hub.cli.output import note, print_json
from idp.settings import SettingsError


@click.command()
@pass_operator
def migrate(operator: Operator) -> None:
    """Update the database schema to this version. Processes of the previous version keep working meanwhile.

    Where a master key is set, makes the installation's own keys as well, so that every backup has them.
    """
    from hub.storage.migrations import head
    from hub.storage.migrations import migrate as run

    settings = operator.settings
    try:
        run(settings.database_url)
    except ValueError as fault:
        raise SettingsError(f"IDHUB_DATABASE_URL: {fault}") from fault
    note(f"The database is at revision {head()}.")
    if settings.master_key is not None or settings.master_key_file is not None:
        operator.parts.signing_keys.prepare("checkpoint")


@click.command()
@pass_operator
def serve(operator: Operator) -> None:
    """Serve the customer portals and the partner API until SIGTERM or Ctrl-C.

    Runs startup checks first and reports all failures: settings, that no other hub has the port, database and its migrations,
    key-value store, master key, an origin for each biller, enough connections. On exit, requests in progress have 30 seconds to
    finish.
    """
    from hub.port import PortUnavailable, reserve
    from hub.start import listen_address
    from hub.storage.presence import join

    host, port = listen_address(operator.settings)
    try:
        reserved = reserve(host, port)
    except PortUnavailable as fault:
        raise Refusal(str(fault)) from fault
    # Both are held as long as this process lives, so also while its only worker is being replaced.
    with reserved, closing(join(operator.settings.database_url)):
        _serve(operator, host, port)


def _serve(operator: Operator, host: str, port: int) -> None:
    from hub.logs import configure
    from hub.server import run
    from hub.start import listen_warnings

    _check(operator)
    for line in listen_warnings(operator.settings):
        note(f"warning: {line}")
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
    """Run background jobs until SIGTERM or Ctrl-C: mail, imports, events, purges.

    Any number of workers may run; they share the work. If one is killed, another gets its jobs within two minutes.
    """
    from hub.logs import configure

    log = logging.getLogger("hub.worker")
    stop = Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    # Before anything else: a supervisor may stop what it has just started.
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        _check(operator)
        configure(operator.settings)
        operator.wired.epochs.begin()
        log.info("worker started", extra={"worker_pid": os.getpid()})
        operator.wired.worker().run(stop)
        log.info("worker stopped")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@click.command()
@click.option("--out", type=OutFile(0o644), help="Write to this file (default: standard output).")
def openapi(out: TextIO | None) -> None:
    """Print the OpenAPI 3.1 document of the partner API as JSON. Needs no settings."""
    from sso_connect.api.openapi import openapi_document

    if out is None:
        print_json(openapi_document())
        return
    out.write(json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n")


def _check(operator: Operator) -> None:
    from hub.start import check_start, start_warnings

    if faults := check_start(operator.wired):
        raise Refusal(*(start_line(each, operator.settings) for each in faults))
    for line in start_warnings(operator.wired):
        note(f"warning: {line}")
