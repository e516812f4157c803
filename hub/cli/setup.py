"""Setting up on one machine: `init` and `new-master-key`."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import click

from hub.cli.faults import Refusal
from hub.cli.output import note

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

    Writes DIR/master.key (mode 0600) and DIR/hub.env, and prints the path of hub.env. What is there already is never overwritten.
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
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_private(key, _fresh_key() + "\n")
        _write_private(settings, _SETTINGS.format(folder=home))
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


def _write_private(path: Path, text: str) -> None:
    # O_EXCL: what appeared in the meantime is not overwritten, and a planted link is not followed.
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
