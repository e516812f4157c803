"""`idhub backup` and `idhub restore`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import click

from hub.cli.context import Operator, pass_operator
from hub.cli.faults import Refusal
from hub.cli.output import json_option, note, print_record
from idp.clock import SystemClock


@click.command()
@click.option(
    "--to", "target", type=click.Path(path_type=Path), required=True, metavar="FOLDER",
    help="A new folder for the backup. It must not exist yet.",
)  # fmt: skip
@json_option
@pass_operator
def backup(operator: Operator, target: Path, as_json: bool) -> None:
    """Back up the database, also while the hub runs.

    FOLDER appears when the backup is complete and checked; only its owner can read it. The master key is not in it: keep a copy
    somewhere else. Neither is the key-value store: after a restore, payers sign in again.

    SQLite is copied with its online backup. PostgreSQL is dumped with pg_dump of the server's version or later.
    """
    from hub.storage.backups import BackupRefused
    from hub.storage.backups.verbs import back_up

    try:
        made = back_up(operator.settings, target, SystemClock(), version("identity-hub"))
    except BackupRefused as fault:
        raise Refusal(str(fault)) from fault
    row = {"folder": str(target.absolute()), "created_at": made.time, "revision": made.revision, "bytes": made.size}
    print_record(row | {"database": made.database, "master_key_id": made.master_key_id}, as_json=as_json)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask before replacing the database.")
@json_option
@pass_operator
def restore(operator: Operator, folder: Path, yes: bool, as_json: bool) -> None:
    """Replace the database with the backup in FOLDER. Stop the hub (serve and worker) first.

    Checks the backup first, then puts it in place in one step; a fault or a crash before that leaves the database as it was. The
    database that was there is kept aside. All tokens and sessions end, and payers sign in again.
    """
    from hub.storage.backups import BackupRefused
    from hub.storage.backups.manifest import Manifest
    from hub.storage.backups.verbs import restore as run

    def agree(made: Manifest, there: bool) -> None:
        if yes or not there:
            return
        if not sys.stdin.isatty():
            raise Refusal("there is a database already: add --yes to replace it (it is kept aside)")
        made_at = made.created_at.replace("+00:00", "Z")
        question = f"Replace the database with the backup of {made_at}? The present one is kept aside, and all sessions end"
        if not click.confirm(question, err=True):
            raise Refusal("nothing was changed")

    try:
        done = run(operator.settings, folder, SystemClock(), agree)
    except BackupRefused as fault:
        raise Refusal(str(fault)) from fault
    row = {"restored": str(folder.absolute()), "created_at": done.manifest.time, "revision": done.manifest.revision}
    print_record(row | {"before": done.aside, "migration_pending": done.pending}, as_json=as_json)
    note("All tokens and sessions have ended: payers sign in again.")
    if done.aside:
        note(f"The database that was here is kept as {done.aside}. Delete it when you no longer need it.")
    note("Next: idhub migrate" if done.pending else "Next: idhub audit verify, then start the hub.")
