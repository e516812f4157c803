"""Setting up on one machine: `init` and `new-master-key`."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import click

from hub.cli.faults import Refusal
from hub.cli.output import note
from idp.private_files import create, make_folder

_SETTINGS = """\
# Identity Hub on this machine alone, for trying it out. Every setting: docs/operations.md
IDHUB_DATABASE_URL=sqlite:///{folder}/hub.sqlite3
IDHUB_KEYVALUE_URL=sqlite:///{folder}/keyvalue.sqlite3
IDHUB_MASTER_KEY_FILE={folder}/master.key
IDHUB_MAILBOX_DIR={folder}/mailbox
IDHUB_PORTAL_DOMAIN=hub.localhost:8080
IDHUB_PUBLIC_SCHEME=http
IDHUB_ALLOW_LOOPBACK_ORIGINS=true
IDHUB_LISTEN=127.0.0.1:8080
IDHUB_LOG_FORMAT=text
"""


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var"),
    show_default=True,
    help="Folder for data, master key and settings.",
)
def init(folder: Path) -> None:
    """Make a folder with a master key and settings for one machine.

    Writes DIR/master.key and DIR/hub.env (mode 0600, DIR 0700), and prints the path of hub.env. Never overwrites a file.
    Keep master.key: without it nothing that is encrypted in the database can be read again.
    """
    home = folder.absolute()
    key, settings = home / "master.key", home / "hub.env"
    there = [path for path in (key, settings, home / "hub.sqlite3") if path.exists()]
    if there:
        raise Refusal(*(f"{path} is there already: nothing was written" for path in there))
    if "\n" in str(home):
        raise Refusal("the folder's name has a line break")
    try:
        with make_folder(home) as opened:
            _write_private(opened, key.name, _fresh_key() + "\n")
            _write_private(opened, settings.name, _SETTINGS.format(folder=home))
    except OSError as fault:
        raise Refusal(f"{fault.filename or home}: {fault.strerror}") from fault
    click.echo(str(settings))
    note(f"next:  export IDHUB_SETTINGS={settings}")
    note("       idhub migrate")
    note("       idhub serve    (and in another terminal: idhub worker)")


@click.command()
def new_master_key() -> None:
    """Print a fresh master key: 32 random bytes in base64.

    For IDHUB_MASTER_KEY, or a file (mode 0600) that IDHUB_MASTER_KEY_FILE names.
    """
    click.echo(_fresh_key())


def _fresh_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _write_private(folder: int, name: str, text: str) -> None:
    # What appeared in the meantime is not overwritten, and a planted link is not followed.
    with os.fdopen(create(name, 0o600, folder=folder), "w", encoding="utf-8") as file:
        file.write(text)
