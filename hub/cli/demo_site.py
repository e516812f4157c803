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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self

import urllib3
import yaml

from hub.cli import demo_meters
from hub.cli.demo_history import history_file
from hub.cli.demo_people import BILLERS, HOUSEHOLDS, PAYERS, DemoBiller, DemoPayer
from hub.storage.database import migrate
from hub.wiring import Hub, wire
from idp.accounts.register import AccountWanted, Wanted
from idp.actor import System
from idp.directory.api_keys import DEFAULT_SCOPES, ApiKey, KeyPolicies, Scope
from idp.directory.billers import Biller
from idp.opaque import new_id
from idp.private_files import make_folder, write_whole
from idp.settings import Settings, load
from sso_connect.imports.bif_columns import ColumnMap
from sso_connect.imports.runs import ImportRun

DATA = Path(__file__).resolve().parents[2] / "examples" / "data"
ACTOR = System("demo")
OWN_PARTNER, OWN_NAME = "yours", "Your portal"
_READY_SECONDS = 120.0
_QUIET_SECONDS = 5.0
"""How long a wait may last before it is told."""
_LOG_LINES = 30


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was set up: billers and, by slug, the key and its secret of the partner who is at both; the second partner; your own.

    `runs`: the imports of the sample files; `own`: by slug, the secrets of the keys for pages of one's own.
    """

    billers: Mapping[str, Biller]
    keys: Mapping[str, ApiKey]
    secrets: Mapping[str, str]
    runs: Mapping[str, ImportRun]
    meters: demo_meters.Meters
    own: Mapping[str, str]


class DemoSite:
    """A folder with an embedded instance, and the processes that serve it. A context manager: leaving stops them."""

    def __init__(
        self,
        folder: Path,
        port: int,
        partner_port: int,
        own_port: int | None = None,
        *,
        say: Callable[[str], None] = lambda _: None,
        kept: bool = True,
    ) -> None:
        """`say` is told what is waited for. `kept`: the folder, logs included, is still there afterwards."""
        self.folder = folder
        self._say = say
        self._kept = kept
        self.port = port
        self.partner_port = partner_port
        self.own_port = partner_port + 1 if own_port is None else own_port
        self._processes: list[tuple[str, subprocess.Popen[bytes]]] = []

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

    @property
    def own_origin(self) -> str:
        """Where nothing of ours listens: registered for pages that somebody wants to try against the demo."""
        return f"http://partner.localhost:{self.own_port}"

    @property
    def settings_file(self) -> Path:
        """The settings as a file, for `idhub` commands beside the demo."""
        return self.folder / "hub.env"

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
        with make_folder(self.folder) as folder:
            write_whole(folder, "master.key", base64.b64encode(secrets.token_bytes(32)))
            write_whole(folder, self.settings_file.name, self._settings_text().encode())
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
        self._processes.append((name, process))
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

    def dead(self) -> list[str]:
        """Names of processes that ended by themselves."""
        return [name for name, process in self._processes if process.poll() is not None]

    def stop(self) -> None:
        """Stop every process, politely first."""
        for _, process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for _, process in self._processes:
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
            self._import_history(hub, biller, wanted)
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
        return Prepared(billers, keys, shown, runs, meters, self._issue_own_keys(hub, billers))

    def _import_history(self, hub: Hub, biller: Biller, wanted: DemoBiller) -> None:
        columns = ColumnMap.default() if biller.column_map is None else ColumnMap.from_mapping(biller.column_map)
        file = BytesIO(history_file(wanted, columns, HOUSEHOLDS[wanted.slug]))
        run = hub.invoice_import.run(ACTOR, str(new_id()), biller, file, f"{wanted.bid}_history.bif")
        if run.state != "done" or run.left_out:
            raise DemoFailedError(f"the earlier bills of {wanted.dba} were not imported: {run.reason or run.left_out}")

    def _issue_own_keys(self, hub: Hub, billers: Mapping[str, Biller]) -> dict[str, str]:
        """Keys for pages of one's own: for every payer of the demo, on an origin where nothing of ours listens."""
        hub.partners.create(ACTOR, str(new_id()), slug=OWN_PARTNER, name=OWN_NAME, url=self.own_origin)
        policies = KeyPolicies(scopes=DEFAULT_SCOPES | {Scope.FILES}, account_proof=("cis",), users="all")
        return {
            slug: hub.api_keys.issue(
                ACTOR,
                str(new_id()),
                bid=biller.bid,
                partner_slug=OWN_PARTNER,
                policies=policies,
                frame_origins=[self.own_origin],
                return_places=[self.own_origin],
            ).secret
            for slug, biller in billers.items()
        }

    def _settings_text(self) -> str:
        lines = [
            "# Settings of the running demo. Beside it, in another terminal:",
            f"#   export IDHUB_SETTINGS={self.settings_file}",
            "#   .venv/bin/idhub billers list",
            *(f"{name}={value}" for name, value in self.environment().items()),
        ]
        return "\n".join(lines) + "\n"

    def _register(self, hub: Hub, biller: Biller, key: ApiKey, payer: DemoPayer) -> None:
        first, _, last = payer.name.partition(" ")
        accounts = tuple(AccountWanted(number, payer.login_type) for number in payer.accounts)
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
                    {
                        "name": payer.name,
                        "user_name": payer.user_name,
                        "email": payer.email,
                        "account": payer.accounts[0],
                        "note": payer.note,
                    }
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
        told = json.dumps({"api": self.api, "connections": connections}, indent=2)
        with make_folder(self.folder) as folder:
            write_whole(folder, "partner.json", told.encode())

    def _wait(self, name: str, process: subprocess.Popen[bytes], url: str) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=2.0)
        began = time.monotonic()
        told = began
        answer = "no connection"
        while process.poll() is None and (now := time.monotonic()) < began + _READY_SECONDS:
            try:
                response = pool.request("GET", url)
                if response.status == 200:
                    return
                answer = f"{response.status} {response.data[:200].decode(errors='replace').strip()}"
            except urllib3.exceptions.HTTPError:
                pass
            if now - told >= _QUIET_SECONDS:
                self._say(f"Waiting for the {name} at {url}: {answer} ({now - began:.0f} s of {_READY_SECONDS:.0f} s)")
                told = now
            time.sleep(0.1)
        ended = process.poll()
        state = f"was not ready within {_READY_SECONDS:.0f} s ({answer})" if ended is None else f"ended with exit code {ended}"
        raise DemoFailedError(f"The {name} {state}. {self.tail(name)}")

    def tail(self, name: str) -> str:
        """The last lines of a process's log; its path as well, where it stays."""
        path = self.folder / f"{name}.log"
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:] if path.exists() else []
        where = f" ({path})" if self._kept else ""
        return "\n".join([f"The end of its log{where}:", *lines] if lines else [f"Its log{where} is empty."])


class DemoFailedError(Exception):
    """A process of the demo did not come up."""
