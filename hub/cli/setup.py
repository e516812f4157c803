"""Setting up on one machine: `init` and `new-master-key`."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import click

from hub.cli.faults import Refusal, why
from hub.cli.output import note
from idp.private_files import create, make_folder

_SETTINGS = """\
# Identity Hub on one machine. All settings: docs/operations.md
IDHUB_DATABASE_URL=sqlite:///{folder}/hub.sqlite3
IDHUB_KEYVALUE_URL=sqlite:///{folder}/keyvalue.sqlite3
IDHUB_MASTER_KEY_FILE={folder}/master.key
IDHUB_MAILBOX_DIR={folder}/mailbox
IDHUB_PORTAL_DOMAIN={portal_domain}
IDHUB_LISTEN={listen}
"""
_FOR_TRYING_OUT = """\
IDHUB_PUBLIC_SCHEME=http
IDHUB_ALLOW_LOOPBACK_ORIGINS=true
IDHUB_LOG_FORMAT=text
"""
"""Where the portal domain is a loopback name: nobody else can come, and no certificate is needed."""


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var"),
    show_default=True,
    help="Folder for data, master key and settings.",
)
@click.option(
    "--portal-domain",
    metavar="DOMAIN[:PORT]",
    help="Billers are at {slug}.DOMAIN and the API at api.DOMAIN (default: hub.localhost with the port of --listen)."
    " Any domain but localhost is served under https, by a proxy in front of the hub.",
)
@click.option("--listen", metavar="ADDRESS:PORT", default="127.0.0.1:8080", show_default=True, help="Where the hub listens.")
def init(folder: Path, portal_domain: str | None, listen: str) -> None:
    """Create a folder with settings and a master key for one machine.

    Creates DIR/hub.env and DIR/master.key, readable only by you, and prints the path of hub.env. Existing files are never
    overwritten. Keep a copy of master.key: without it, encrypted data in the database cannot be read.
    """
    home = folder.absolute()
    key, settings = home / "master.key", home / "hub.env"
    there = [path for path in (key, settings, home / "hub.sqlite3") if path.exists()]
    if there:
        raise Refusal(*(f"{path} is there already: nothing was written" for path in there))
    if not str(home).isprintable():
        raise Refusal("The name of the folder has a line break or another control character.")
    text = _settings_of(home, portal_domain, listen)
    try:
        with make_folder(home) as opened:
            _write_private(opened, key.name, _fresh_key() + "\n")
            _write_private(opened, settings.name, text)
    except OSError as fault:
        raise Refusal(f"{fault.filename or home} cannot be written: {why(fault)}.") from fault
    click.echo(str(settings))
    note(f"Next:  export IDHUB_SETTINGS={settings}")
    note("       idhub migrate")
    note("       idhub serve    (and in another terminal: idhub worker)")


def _settings_of(home: Path, domain: str | None, listen: str) -> str:
    """The text of the settings file. Refusal that names the option, where the hub would not start with it."""
    from hub.start import listen_address
    from idp.settings import SettingsError, is_loopback_name, load

    portal_domain = domain or f"hub.localhost:{listen.rpartition(':')[2]}"
    text = _SETTINGS.format(folder=home, portal_domain=portal_domain, listen=listen)
    if is_loopback_name(portal_domain.rsplit(":", 1)[0]):
        text += _FOR_TRYING_OUT
    if not (portal_domain + listen).isprintable():
        raise Refusal("--portal-domain and --listen may hold no control characters.")
    try:
        listen_address(load(dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))))
    except SettingsError as fault:
        told = (
            str(fault)
            .replace("IDHUB_PORTAL_DOMAIN", "--portal-domain" if domain else "--listen")
            .replace("IDHUB_LISTEN", "--listen")
        )
        raise Refusal(*told.splitlines()) from fault
    return text


@click.command()
def new_master_key() -> None:
    """Print a new master key: 32 random bytes in base64.

    Use it as IDHUB_MASTER_KEY, or put it into a file (mode 0600) that IDHUB_MASTER_KEY_FILE names.
    """
    click.echo(_fresh_key())


def _fresh_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _write_private(folder: int, name: str, text: str) -> None:
    # What appeared in the meantime is not overwritten, and a planted link is not followed.
    with os.fdopen(create(name, 0o600, folder=folder), "w", encoding="utf-8") as file:
        file.write(text)
