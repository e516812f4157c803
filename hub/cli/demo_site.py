"""The demo's world: two made-up utilities with their invoice files, two partners, their keys, a few payers, and the processes.

Everything lives in one folder and on loopback; nothing of it is meant to be kept.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import urllib3
import yaml

from hub.cli import demo_meters
from hub.storage.database import migrate
from hub.wiring import Hub, wire
from idp.accounts.register import AccountWanted, Wanted
from idp.actor import System
from idp.directory.api_keys import DEFAULT_SCOPES, ApiKey, KeyPolicies, Scope
from idp.directory.billers import Biller
from idp.opaque import new_id
from idp.settings import Settings, load
from sso_connect.imports.runs import ImportRun

DATA = Path(__file__).resolve().parents[2] / "examples" / "data"
ACTOR = System("demo")
_READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class DemoBiller:
    """A made-up utility and its files."""

    bid: int
    guid: UUID
    slug: str
    dba: str
    time_zone: str
    file: str
    columns: str | None
    policies: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DemoPayer:
    """A made-up payer: registered by the partner before the demo begins when `accounts` names more than one."""

    slug: str
    name: str
    user_name: str
    email: str
    accounts: tuple[str, ...]


BILLERS = (
    DemoBiller(
        9001,
        UUID("D99EDA17-2AF5-5AC0-AE88-9A0D9422BC15"),
        "riverbend",
        "Riverbend Water & Light",
        "America/Detroit",
        "9001_11202026.bif",
        None,
        {},
    ),
    DemoBiller(
        9002,
        UUID("3F0E7D1C-5C0B-5B59-9C3B-1B5D0C5E9002"),
        "prairie",
        "Prairie Electric Cooperative",
        "America/Chicago",
        "9002_11192026.bif",
        "9002_columns.yaml",
        {"account_profile": "digits_only"},
    ),
)
PAYERS = (
    DemoPayer("riverbend", "Avery Brandt", "avery", "avery.brandt@example.com", ("1001-01", "1001-02")),
    DemoPayer("riverbend", "Zoë Lindqvist", "zoe", "zoe.lindqvist@example.com", ("1002-01",)),
    DemoPayer("riverbend", "Harbor View Rentals", "harbor", "office@harborview.example", ("1003-01", "1004-01")),
    DemoPayer("riverbend", "Riley Okafor", "tenant1003", "tenant.1003@example.com", ("1003-01",)),
    DemoPayer("prairie", "June Takahashi", "june", "june.t@example.com", ("20003",)),
    DemoPayer("prairie", "Hollis Grain Elevator", "hollis", "accounts@hollisgrain.example", ("20002",)),
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was set up: billers and, by slug, the key and its secret of the partner who is at both; the second partner."""

    billers: Mapping[str, Biller]
    keys: Mapping[str, ApiKey]
    secrets: Mapping[str, str]
    runs: Mapping[str, ImportRun]
    meters: demo_meters.Meters


class DemoSite:
    """A folder with an embedded instance, and the processes that serve it. A context manager: leaving stops them."""

    def __init__(self, folder: Path, port: int, partner_port: int) -> None:
        self.folder = folder
        self.port = port
        self.partner_port = partner_port
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def portal_domain(self) -> str:
        return f"hub.localhost:{self.port}"

    @property
    def api(self) -> str:
        """Where partners call."""
        return f"http://api.{self.portal_domain}"

    @property
    def partner_origin(self) -> str:
        """Where the example partner's portal lives."""
        return f"http://partner.localhost:{self.partner_port}"

    def environment(self) -> dict[str, str]:
        """The settings of every process of the demo."""
        return {
            "IDHUB_DATABASE_URL": f"sqlite:///{self.folder / 'hub.sqlite3'}",
            "IDHUB_KEYVALUE_URL": f"sqlite:///{self.folder / 'keyvalue.sqlite3'}",
            "IDHUB_MASTER_KEY_FILE": str(self.folder / "master.key"),
            "IDHUB_MAILBOX_DIR": str(self.folder / "mailbox"),
            "IDHUB_PORTAL_DOMAIN": self.portal_domain,
            "IDHUB_PUBLIC_SCHEME": "http",
            "IDHUB_ALLOW_LOOPBACK_ORIGINS": "true",
            "IDHUB_LISTEN": f"127.0.0.1:{self.port}",
            "IDHUB_LOG_FORMAT": "text",
            "IDHUB_LOG_LEVEL": "warning",
        }

    def settings(self) -> Settings:
        """The same, read."""
        return load(self.environment())

    def wire(self) -> Hub:
        """A hub in this process, on the demo's data."""
        return wire(self.settings())

    def prepare(self) -> Prepared:
        """Make the folder, the key, the schema; load both billers from their files; make partner, keys and payers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        key_file = self.folder / "master.key"
        key_file.touch(mode=0o600)
        key_file.write_text(base64.b64encode(secrets.token_bytes(32)).decode(), encoding="ascii")
        migrate(self.settings().database_url)
        hub = self.wire()
        try:
            return self._fill(hub)
        finally:
            hub.close()

    def start(self, name: str, *command: str, ready: str) -> None:
        """Start a process and wait until `ready` (a URL on this machine, or "") answers 200."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("IDHUB_")}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603  (our own programs)
                [sys.executable, "-m", *command], env=clean | self.environment(), stdout=log, stderr=subprocess.STDOUT
            )
        self._processes.append(process)
        if ready:
            self._wait(name, process, ready)

    def start_all(self) -> None:
        """Hub, worker, partner portal."""
        self.start("hub", "hub.cli", "serve", ready=f"http://127.0.0.1:{self.port}/readyz")
        self.start("worker", "hub.cli", "worker", ready="")
        config = str(self.folder / "partner.json")
        self.start(
            "partner",
            "examples.partner_portal",
            "--port",
            str(self.partner_port),
            "--config",
            config,
            ready=f"http://127.0.0.1:{self.partner_port}/healthz",
        )

    def dead(self) -> list[int]:
        """Exit codes of processes that ended by themselves."""
        return [process.returncode for process in self._processes if process.poll() is not None]

    def stop(self) -> None:
        """Stop every process, politely first."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _fill(self, hub: Hub) -> Prepared:
        billers, keys, shown, runs = {}, {}, {}, {}
        hub.partners.create(ACTOR, str(new_id()), slug="harborlight", name="Harborlight", url=self.partner_origin)
        for wanted in BILLERS:
            columns = yaml.safe_load((DATA / wanted.columns).read_text(encoding="utf-8")) if wanted.columns else None
            biller = hub.billers.create(
                ACTOR,
                str(new_id()),
                bid=wanted.bid,
                guid=wanted.guid,
                slug=wanted.slug,
                dba=wanted.dba,
                time_zone=wanted.time_zone,
                policies=wanted.policies,
                column_map=columns,
            )
            hub.advanced_settings.put(ACTOR, str(new_id()), biller.bid, 3, f"{self.partner_origin}/")
            with (DATA / wanted.file).open("rb") as file:
                runs[wanted.slug] = hub.invoice_import.run(ACTOR, str(new_id()), biller, file, wanted.file)
            issued = hub.api_keys.issue(
                ACTOR,
                str(new_id()),
                bid=biller.bid,
                partner_slug="harborlight",
                policies=KeyPolicies(scopes=DEFAULT_SCOPES | {Scope.FILES}, account_proof=("cis",)),
                frame_origins=[self.partner_origin],
                return_places=[f"{self.partner_origin}/back"],
            )
            billers[wanted.slug], keys[wanted.slug], shown[wanted.slug] = biller, issued.key, issued.secret
        for payer in PAYERS:
            self._register(hub, billers[payer.slug], keys[payer.slug], payer)
        loopback = self.settings().allow_loopback_origins
        river = billers["riverbend"]
        meters = demo_meters.set_up(hub, river, self.partner_origin, DATA, allow_loopback_origins=loopback)
        self._write_partner_config(billers, shown, meters)
        return Prepared(billers, keys, shown, runs, meters)

    def _register(self, hub: Hub, biller: Biller, key: ApiKey, payer: DemoPayer) -> None:
        first, _, last = payer.name.partition(" ")
        accounts = tuple(AccountWanted(number) for number in payer.accounts)
        wanted = Wanted(payer.user_name, payer.email, accounts, first_name=first, last_name=last)
        made = hub.register.register(ACTOR, str(new_id()), biller, wanted, key).user
        if made is not None:
            # The biller's staff know these people: where a payer must be asked, it can be.
            hub.users.change(ACTOR, str(new_id()), biller.bid, made.id, email=payer.email)

    def _write_partner_config(self, billers: Mapping[str, Biller], shown: Mapping[str, str], meters: demo_meters.Meters) -> None:
        connections = [
            {
                "partner": "Harborlight",
                "biller": biller.dba,
                "key": shown[slug],
                "entrance": "click",
                "css_url": "",
                "payers": [
                    {"name": payer.name, "user_name": payer.user_name, "email": payer.email, "account": payer.accounts[0]}
                    for payer in PAYERS
                    if payer.slug == slug
                ],
            }
            for slug, biller in billers.items()
        ]
        connections.append(
            {
                "partner": demo_meters.NAME,
                "biller": billers["riverbend"].dba,
                "key": meters.secret,
                "entrance": "password",
                "css_url": demo_meters.CSS_URL,
                "payers": [],
            }
        )
        path = self.folder / "partner.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"api": self.api, "connections": connections}, indent=2), encoding="utf-8")

    def _wait(self, name: str, process: subprocess.Popen[bytes], url: str) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=1.0)
        until = time.monotonic() + _READY_SECONDS
        while time.monotonic() < until:
            if process.poll() is not None:
                break
            try:
                if pool.request("GET", url).status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                pass
            time.sleep(0.1)
        raise DemoFailedError(f"{name} did not get ready; its log is {self.folder / f'{name}.log'}:\n{self._tail(name)}")

    def _tail(self, name: str) -> str:
        text = (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-15:])


class DemoFailedError(Exception):
    """A process of the demo did not come up."""
