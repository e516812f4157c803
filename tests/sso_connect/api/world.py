"""Two billers, two partners, four keys, and the API in front of them, on SQLite files.

riverbend   accounts 1001-01, 1001-02, 1002-01; keys: `all` (users=all, proof by cis; partner one), `own` (users=own; partner two)
lakeside    accounts 1001-01, 9009-09; keys: `lake` (partner one), `other` (users=own; partner two)
"""

from __future__ import annotations

import json
import re
import sqlite3
from base64 import b64encode
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hub.wiring import Hub, wire
from hub.wsgi import api_site
from idp.actor import System
from idp.clock import FixedClock
from idp.directory.api_keys import IssuedKey, KeyPolicies, Scope
from idp.directory.billers import Biller
from idp.directory.customers import Customer
from idp.opaque import new_id
from idp.settings import load
from sso_connect.api.operations import OPERATIONS, PREFIX, Operation
from sso_connect.api.wire import Wire

DOMAIN = "hub.example.com"
ORIGIN = f"https://api.{DOMAIN}"
START = datetime(2031, 5, 4, 12, 30, tzinfo=UTC)
MAKER = System("test")
EVERY_SCOPE = frozenset(Scope)

ALL = KeyPolicies(scopes=EVERY_SCOPE, users="all", account_proof=("cis",), rate_per_second=1000, burst=1000)
OWN = KeyPolicies(scopes=EVERY_SCOPE, rate_per_second=1000, burst=1000)


@dataclass(frozen=True, slots=True)
class World:
    """Everything behind the API, and ways to ask it."""

    path: Path
    clock: FixedClock
    hub: Hub
    app: Flask
    client: FlaskClient
    riverbend: Biller
    lakeside: Biller
    keys: dict[str, IssuedKey] = field(default_factory=dict)

    def add_key(self, name: str, biller: Biller, partner: str, policies: KeyPolicies) -> IssuedKey:
        """A key, found again in `keys` by its name."""
        self.keys[name] = self.hub.api_keys.issue(MAKER, "r", bid=biller.bid, partner_slug=partner, policies=policies)
        return self.keys[name]

    def add_customer(self, biller: Biller, number: str, **values: Any) -> Customer:
        """An account, made without the API."""
        return self.hub.customers.create(MAKER, "r", biller, number, **values)

    def change_biller(self, biller: Biller, **changes: Any) -> None:
        """Change a biller without the API."""
        self.hub.billers.change(MAKER, "r", biller.bid, **changes)

    def post(self, path: str, body: Any, key: str | None = "all", **headers: str) -> TestResponse:
        """POST JSON with a key of `keys`."""
        return self.send("POST", path, json.dumps(body).encode(), key, **headers)

    def get(self, path: str, key: str | None = "all", **headers: str) -> TestResponse:
        """GET with a key of `keys`."""
        return self.send("GET", path, None, key, **headers)

    def send(self, method: str, path: str, raw: bytes | None, key: str | None, **headers: str) -> TestResponse:
        """Any request. What comes back is held against what every answer promises."""
        sent: dict[str, str] = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["X-Api-Key"] = self.keys[key].secret
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
        answer = self.client.open(f"{PREFIX}{path}", method=method, data=raw, headers=sent, base_url=ORIGIN)
        check_answer(method, path, answer)
        return answer

    def register(self, user_name: str, *numbers: str, key: str = "all", **others: Any) -> TestResponse:
        """Register Accounts."""
        body = {
            "UserName": user_name,
            "EmailAddress": f"{user_name}@example.com",
            "Accounts": [{"AccountNumber": number} for number in numbers],
            **others,
        }
        return self.post("/remote-authentication/register-accounts", body, key)

    def login_guid(self, user_name: str, *numbers: str, key: str = "all", **others: Any) -> str:
        """Register, and give the LoginGUID."""
        guid = body_of(self.register(user_name, *numbers, key=key, **others))["LoginGUID"]
        assert isinstance(guid, str)
        return guid

    def authenticate(self, key: str = "all", **body: Any) -> TestResponse:
        """Remote Authentication."""
        return self.post("/remote-authentication/authenticate", body, key)

    def token(self, key: str = "all", **body: Any) -> str:
        """Authenticate, and give the token."""
        token = body_of(self.authenticate(key, **body))["RemoteAuthenticationToken"]
        assert isinstance(token, str)
        return token

    def stored(self, *, but: str = "") -> str:
        """Every row of the database, as SQL; without those of the table `but`."""
        with closing(sqlite3.connect(self.path)) as connection:
            return "\n".join(line for line in connection.iterdump() if not but or f'INSERT INTO "{but}"' not in line)


def check_answer(method: str, path: str, answer: TestResponse) -> None:
    """What every answer promises, and that a good one is what its model says."""
    assert answer.headers["X-Request-Id"]
    assert "no-store" in answer.headers["Cache-Control"] or "/docs/assets/" in path
    assert answer.status_code < 500, answer.text
    operation = next((each for each in OPERATIONS if each.method == method and _is_path_of(each, path)), None)
    if answer.status_code >= 400:
        assert answer.content_type == "application/problem+json"
        problem = json.loads(answer.data)
        assert problem["status"] == answer.status_code
        assert problem["type"] == f"{ORIGIN}{PREFIX}/problems/{problem['Code']}"
        assert problem["instance"] == f"urn:uuid:{answer.headers['X-Request-Id']}"
        if operation is not None:
            assert problem["Code"] in {reason.code for reason in operation.all_refusals}
    elif operation is not None:
        promised = {operation.status: operation.answer, **dict(operation.others)}
        assert answer.status_code in promised
        model = promised[answer.status_code]
        if model is None:
            assert answer.data == b""
        else:
            check_model(model, answer)


def _is_path_of(operation: Operation, path: str) -> bool:
    return re.fullmatch(re.sub(r"{\w+}", "[^/]+", operation.path), path.partition("?")[0]) is not None


def check_model(model: type[Wire], answer: TestResponse) -> None:
    """The answer is what the document says: no field more, none less."""
    assert answer.content_type == "application/json"
    sent = json.loads(answer.data)
    model.model_validate(sent, extra="forbid")
    assert set(sent) == {each.alias for each in model.model_fields.values()}


def body_of(answer: TestResponse, status: int = 200) -> dict[str, Any]:
    """The JSON of an answer that has this status."""
    assert answer.status_code == status, answer.text
    body = json.loads(answer.data)
    assert isinstance(body, dict)
    return body


def fields_of(answer: TestResponse) -> dict[str, str]:
    """The fields that a 422 names, with its messages."""
    problem = body_of(answer, 422)
    assert problem["Code"] == "InvalidFields"
    return {each["Field"]: each["Message"] for each in problem["Errors"]}


def code_of(answer: TestResponse) -> tuple[int, str]:
    """Status and Code of a refusal."""
    return answer.status_code, json.loads(answer.data)["Code"]


def same_refusal(left: TestResponse, right: TestResponse) -> bool:
    """Whether two refusals tell the same, the request id aside."""
    bodies: list[Mapping[str, Any]] = [{**json.loads(each.data), "instance": ""} for each in (left, right)]
    return left.status_code == right.status_code and bodies[0] == bodies[1]


def open_world(path: Path, database_url: str = "") -> World:
    """A world on a migrated, empty SQLite file; with `database_url` on that database, `path` then names its folder only."""
    clock = FixedClock(START)
    hub = wire(
        load(
            {
                "IDHUB_DATABASE_URL": database_url or f"sqlite:///{path}",
                "IDHUB_KEYVALUE_URL": f"sqlite:///{path.parent / 'kv.db'}",
                "IDHUB_MASTER_KEY": b64encode(b"1" * 32).decode(),
                "IDHUB_MAILBOX_DIR": str(path.parent / "mailbox"),
                "IDHUB_PORTAL_DOMAIN": DOMAIN,
                "IDHUB_PUBLIC_SCHEME": "https",
            }
        ),
        clock,
    )
    app = api_site(hub)
    world = World(
        path, clock, hub, app, app.test_client(),
        riverbend=hub.billers.create(MAKER, "r", bid=101, slug="riverbend", dba="Riverbend Water"),
        lakeside=hub.billers.create(MAKER, "r", bid=202, slug="lakeside", dba="Lakeside Power"),
    )  # fmt: skip
    hub.partners.create(MAKER, "r", slug="one", name="Portal One")
    hub.partners.create(MAKER, "r", slug="two", name="Portal Two")
    world.add_key("all", world.riverbend, "one", ALL)
    world.add_key("own", world.riverbend, "two", OWN)
    world.add_key("lake", world.lakeside, "one", ALL)
    world.add_key("other", world.lakeside, "two", replace(ALL, users="own"))
    for number in ("1001-01", "1001-02", "1002-01"):
        world.add_customer(world.riverbend, number, name=f"Holder {number}")
    world.add_customer(world.lakeside, "1001-01", name="Lakeside holder")
    world.add_customer(world.lakeside, "9009-09", name="Lakeside only")
    return world


def unknown_guid() -> str:
    """A GUID that nobody has."""
    return str(new_id())
