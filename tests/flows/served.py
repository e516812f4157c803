"""A hub with two billers, served by `idhub serve` on embedded stores: for what only a real server shows."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from examples.partner_client import PartnerClient
from hub.storage.migrations import migrate
from hub.wiring import Hub, wire
from idp.actor import System
from idp.directory.api_keys import KeyPolicies
from idp.settings import load
from tests.conftest import StartProcess
from tests.processes import Process, clean_environment, free_port
from tests.wire import Answer, ask, request

ACTOR = System("test")
PARTNER = "http://partner.localhost:8090"
FORM = "Content-Type: application/x-www-form-urlencoded"
JSON = "Content-Type: application/json"
SLUGS = ("riverbend", "prairie")
AUTHENTICATE = "/api/v1/remote-authentication/authenticate"


@dataclass(frozen=True)
class Served:
    """The server, this process's own hub on the same stores, and a key and a registered `avery` at each biller."""

    hub: Hub
    port: int
    keys: Mapping[str, str]
    process: Process
    settings: Mapping[str, str]

    @property
    def api(self) -> str:
        """The host of the API."""
        return f"api.hub.localhost:{self.port}"

    def host(self, slug: str = "riverbend") -> str:
        """A biller's host."""
        return f"{slug}.hub.localhost:{self.port}"

    def call(self, path: str, body: bytes, *lines: str, slug: str = "riverbend", kind: str = JSON) -> Answer:
        """A POST to the API."""
        return ask(self.port, request("POST", path, self.api, f"X-Api-Key: {self.keys[slug]}", kind, *lines, body=body))

    def token(self, slug: str = "riverbend") -> str:
        """A token for avery."""
        client = PartnerClient(f"http://{self.api}", self.keys[slug])
        try:
            return str(
                client.call("POST", "/remote-authentication/authenticate", {"UserName": "avery"})["RemoteAuthenticationToken"]
            )
        finally:
            client.close()

    def redirect(self, token: str, method: str = "POST", slug: str = "riverbend") -> Answer:
        """A redirect on a full page, by POST or GET."""
        form = urlencode({"RemoteAuthenticationToken": token, "ViewMode": "0", "RedirectID": "1"})
        path, sender = f"/b/{slug}/sso/connect", f"Origin: {PARTNER}"
        if method == "GET":
            return ask(self.port, request("GET", f"{path}?{form}", self.host(slug), sender))
        return ask(self.port, request("POST", path, self.host(slug), FORM, sender, body=form.encode()))

    def get(self, path: str, host: str | None = None) -> Answer:
        """A GET."""
        return ask(self.port, request("GET", path, host or self.host()))


@contextmanager
def serve(folder: Path, start: StartProcess, **more: str) -> Iterator[Served]:
    """Start it, with further settings by name."""
    port = free_port()
    settings = {
        "IDHUB_DATABASE_URL": f"sqlite:///{folder}/hub.sqlite3",
        "IDHUB_KEYVALUE_URL": f"sqlite:///{folder}/keyvalue.sqlite3",
        "IDHUB_MASTER_KEY": base64.b64encode(b"made-up-key-of-32-bytes-for-test").decode(),
        "IDHUB_PORTAL_DOMAIN": f"hub.localhost:{port}",
        "IDHUB_PUBLIC_SCHEME": "http",
        "IDHUB_ALLOW_LOOPBACK_ORIGINS": "true",
        "IDHUB_LISTEN": f"127.0.0.1:{port}",
        "IDHUB_MAILBOX_DIR": f"{folder}/mailbox",
        "IDHUB_LOG_LEVEL": "warning",
        **{f"IDHUB_{name.upper()}": value for name, value in more.items()},
    }
    if settings["IDHUB_DATABASE_URL"].startswith("sqlite"):
        migrate(settings["IDHUB_DATABASE_URL"])
    hub = wire(load(settings))
    try:
        keys = _fill(hub)
        process = start(
            "serve",
            [sys.executable, "-m", "hub.cli", "serve"],
            environment=clean_environment(settings),
            ready_url=f"http://127.0.0.1:{port}/readyz",
        )
        served = Served(hub, port, keys, process, settings)
        for slug, account in zip(SLUGS, ("1001-01", "20001"), strict=True):
            client = PartnerClient(f"http://{served.api}", keys[slug])
            client.hand_over("avery", "avery@example.com", account)
            client.close()
        yield served
    finally:
        hub.close()


def _fill(hub: Hub) -> dict[str, str]:
    hub.partners.create(ACTOR, "r", slug="harborlight", name="Harborlight")
    keys = {}
    for bid, slug, account in ((9001, "riverbend", "1001-01"), (9002, "prairie", "20001")):
        biller = hub.billers.create(ACTOR, "r", bid=bid, slug=slug, dba=slug.capitalize())
        hub.customers.create(ACTOR, "r", biller, account, name=f"Customer of {slug}")
        keys[slug] = hub.api_keys.issue(
            ACTOR,
            "r",
            bid=bid,
            partner_slug="harborlight",
            policies=KeyPolicies(account_proof=("cis",)),
            frame_origins=[PARTNER],
        ).secret
    return keys
