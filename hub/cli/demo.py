"""`idhub demo`: the whole hub on this machine, with two utilities, two partners in one portal, and payers.

`--check` proves the main flows without a browser (demo_check).
"""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
import time
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.table import Table

from hub.cli import demo_meters
from hub.cli.demo_check import run_checks
from hub.cli.demo_people import PAYERS
from hub.cli.demo_site import OWN_NAME, DemoFailedError, DemoSite, Prepared

_PORT = click.IntRange(1, 65535)


@click.command("demo")
@click.option("--check", is_flag=True, help="Run the main flows against a fresh instance, print each step, and exit.")
@click.option("--port", type=_PORT, default=8080, show_default=True, envvar="IDHUB_DEMO_PORT", help="Port of the hub.")
@click.option(
    "--partner-port",
    type=_PORT,
    default=8090,
    show_default=True,
    envvar="IDHUB_DEMO_PARTNER_PORT",
    help="Port of the partner portal.",
)
@click.option(
    "--own-port",
    type=_PORT,
    envvar="IDHUB_DEMO_OWN_PORT",
    help="Port on partner.localhost for a page of your own; nothing of the demo listens there (default: partner port + 1).",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("var/demo"),
    show_default=True,
    help="Data folder. It is emptied first.",
)
def command(check: bool, port: int, partner_port: int, own_port: int | None, folder: Path) -> None:
    """Run the hub with sample data, a worker and an example partner portal on this machine, until Ctrl-C."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        if check:
            raise SystemExit(_check(console))
        _serve(console, folder, port, partner_port, own_port)
    except DemoFailedError as fault:
        raise click.ClickException(str(fault)) from None


def _check(console: Console) -> int:
    waiting = Console(highlight=False, soft_wrap=True, stderr=True)
    with (
        tempfile.TemporaryDirectory(prefix="idhub-demo-") as folder,
        DemoSite(Path(folder), _free_port(), _free_port(), say=waiting.print, kept=False) as site,
    ):
        prepared = site.prepare()
        site.start_all()
        return 0 if run_checks(site, prepared, console.print) else 1


def _serve(console: Console, folder: Path, port: int, partner_port: int, own_port: int | None) -> None:
    own_port = partner_port + 1 if own_port is None else own_port
    if len({port, partner_port, own_port}) < 3:
        raise click.ClickException("--port, --partner-port and --own-port must be three different ports")
    for number, option, variable in (
        (port, "--port", "IDHUB_DEMO_PORT"),
        (partner_port, "--partner-port", "IDHUB_DEMO_PARTNER_PORT"),
    ):
        if fault := _why_not(number):
            raise click.ClickException(f"port {number} {fault}: choose another with {option}, or {variable} for make demo")
    if folder.exists() and not (folder / "master.key").exists() and any(folder.iterdir()):
        raise click.ClickException(f"{folder} holds something else than an earlier demo: choose another with --dir")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise click.ClickException(f"{folder}: {fault.strerror}: choose another folder with --dir") from None
    # A shell starts what runs in the background with SIGINT ignored, and `kill` sends SIGTERM: both stop the demo.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with DemoSite(folder.resolve(), port, partner_port, own_port, say=console.print, kept=True) as site:
        console.print(
            "Setting up: two utilities from their invoice files, two partners with their keys, payers with their bills ..."
        )
        prepared = site.prepare()
        console.print("Starting: hub, worker, partner portal ...")
        site.start_all()
        _tell(console, site, prepared)
        try:
            while not site.dead():
                time.sleep(0.5)
        except KeyboardInterrupt:
            console.print("\nStopping ...")
            return
        raise DemoFailedError("\n".join(f"The {name} ended by itself. {site.tail(name)}" for name in site.dead()))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _tell(console: Console, site: DemoSite, prepared: Prepared) -> None:
    console.print()
    console.print(f"[bold]Open {site.partner_origin}/[/bold] and pick a payer: the partner portal signs in with one click.")
    console.print(f"  {site.partner_origin}/register  registers somebody new, for example account 1006-01 with code O100-2041-7766")
    console.print(
        f"  {site.partner_origin}/access    is {demo_meters.NAME}, in its own colours: account {demo_meters.ACCOUNT},"
        f" user name {demo_meters.USER_NAME}, password {demo_meters.PASSWORD}"
    )
    console.print()
    payers = Table("payer", "user name", "utility", "accounts", "", box=None, pad_edge=False, header_style="dim")
    for payer in PAYERS:
        few = len(payer.accounts) <= 2
        accounts = ", ".join(payer.accounts) if few else f"{payer.accounts[0]} to {payer.accounts[-1]}"
        payers.add_row(payer.name, payer.user_name, payer.slug, accounts, payer.note)
    console.print(payers)
    console.print()
    for slug, biller in prepared.billers.items():
        console.print(f"{biller.dba} (BID {biller.bid}): {biller.base_url}")
        console.print(f"  API key of Harborlight: {prepared.secrets[slug]}", soft_wrap=True)
        if slug == "riverbend":
            console.print(f"  API key of {demo_meters.NAME} (compat, shows passwords): {prepared.meters.secret}", soft_wrap=True)
        console.print(f"  API key of {OWN_NAME} (all payers), for a page of your own: {prepared.own[slug]}", soft_wrap=True)
    console.print()
    console.print(f"A page of your own on {site.own_origin} may frame the bills and hand payers over (partner guide, section 12).")
    console.print(f"API: {site.api}/api/v1  (readable: {site.api}/api/v1/docs, guide: {site.api}/api/v1/guide)", soft_wrap=True)
    console.print(f"Data, logs and mails: {site.folder}")
    console.print(f"idhub commands beside the demo: export IDHUB_SETTINGS={site.settings_file}", soft_wrap=True)
    console.print("Ctrl-C stops everything.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _why_not(port: int) -> str:
    """Why nothing can listen on a port, "" when it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return "needs root"
        except OSError:
            return "is in use"
        return ""
