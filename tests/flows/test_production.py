"""The hub as operators run it: several worker processes on PostgreSQL and Redis, and one for jobs, all started as programs.

What one process does must count on all of them with the next click; a Redis that lost its data begins a new epoch; everything that
was accepted is in the change log.
"""

from __future__ import annotations

import base64
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest

from examples.partner_client import ApiRefused, PartnerClient, Visitor
from hub.wiring import Hub, wire
from idp.actor import System
from idp.directory.api_keys import KeyPolicies
from idp.settings import load
from idp.verification import Verdict, verify
from tests.conftest import StartProcess
from tests.processes import clean_environment, free_port
from tests.servers import RedisServer

DATA = Path(__file__).resolve().parents[2] / "examples" / "data"
ACTOR = System("test")
FRAME = {"Sec-Fetch-Dest": "iframe"}
WORKERS = 2
CLICKS = 12
"""So many requests, each over a connection of its own, reach every worker."""
PATIENCE = 60.0


@dataclass(frozen=True)
class Production:
    """Two billers on real stores, served by `WORKERS` processes. `hub` is one more process: this one."""

    hub: Hub
    port: int
    keys: dict[str, str]
    browsers: list[Visitor] = field(default_factory=list)

    def browser(self) -> Visitor:
        """One that has kept nothing yet; closed after the test."""
        self.browsers.append(Visitor())
        return self.browsers[-1]

    def token(self, slug: str, user: str) -> str:
        """A token, by a connection of its own."""
        client = PartnerClient(f"http://api.hub.localhost:{self.port}", self.keys[slug])
        try:
            answer = client.call("POST", "/remote-authentication/authenticate", {"UserName": user})
        finally:
            client.close()
        return str(answer["RemoteAuthenticationToken"])

    def enter(self, slug: str, user: str) -> tuple[Visitor, str]:
        """A browser with a session in a frame, and the address of one of its pages."""
        return self.enter_with(slug, self.token(slug, user))

    def enter_with(self, slug: str, token: str) -> tuple[Visitor, str]:
        """The same, with a token that is there already."""
        form = {"RemoteAuthenticationToken": token, "ViewMode": "1", "RedirectID": "6"}
        host = f"http://{slug}.hub.localhost:{self.port}"
        browser = self.browser()
        page = browser.post(f"{host}/b/{slug}/sso/connect", form, FRAME)
        assert page.status_code == 200
        found = re.search(rf'="(/b/{slug}/a/[^"]+/bills)"', page.text)
        assert found
        fields = dict(re.findall(r'<input type="hidden" name="(csrf_token|frame_token)" value="([^"]+)"', page.text))
        shown = browser.post(host + found[1], fields, {**FRAME, "Origin": host})  # the first click lets the cookie count
        assert shown.status_code == 200
        return browser, host + found[1]

    def clicks(self, browser: Visitor, url: str) -> set[int]:
        """The statuses of `CLICKS` requests for a page, over connections of their own."""
        return {browser.get(url, {**FRAME, "Connection": "close"}).status_code for _ in range(CLICKS)}


@pytest.fixture(scope="module")
def production(module_postgres_url: str, redis_server: RedisServer, start_module_process: StartProcess) -> Iterator[Production]:
    redis_server.flush()
    port = free_port()
    settings = {
        "IDHUB_DATABASE_URL": module_postgres_url,
        "IDHUB_KEYVALUE_URL": redis_server.url,
        "IDHUB_MASTER_KEY": base64.b64encode(b"production-like-key-of-32-bytes!").decode(),
        "IDHUB_PORTAL_DOMAIN": f"hub.localhost:{port}",
        "IDHUB_PUBLIC_SCHEME": "http",
        "IDHUB_ALLOW_LOOPBACK_ORIGINS": "true",
        "IDHUB_LISTEN": f"127.0.0.1:{port}",
        "IDHUB_WORKERS": str(WORKERS),
        "IDHUB_THREADS": "4",
        "IDHUB_DATABASE_POOL": "6",
        "IDHUB_LOG_LEVEL": "warning",
    }
    hub = wire(load(settings))
    keys = _fill(hub)
    environment, program = clean_environment(settings), [sys.executable, "-m", "hub.cli"]
    start_module_process("serve", [*program, "serve"], environment=environment, ready_url=f"http://127.0.0.1:{port}/readyz")
    start_module_process("worker", [*program, "worker"], environment=environment)
    yield Production(hub, port, keys)
    hub.close()


def _fill(hub: Hub) -> dict[str, str]:
    hub.partners.create(ACTOR, "r", slug="harborlight", name="Harborlight")
    guid = UUID("d99eda17-2af5-5ac0-ae88-9a0d9422bc15")
    riverbend = hub.billers.create(ACTOR, "r", bid=9001, slug="riverbend", dba="Riverbend", guid=guid)
    with (DATA / "9001_11202026.bif").open("rb") as file:
        assert hub.invoice_import.run(ACTOR, "r", riverbend, file, "9001_11202026.bif").state == "done"
    prairie = hub.billers.create(ACTOR, "r", bid=9002, slug="prairie", dba="Prairie")
    hub.customers.create(ACTOR, "r", prairie, "20001", name="Prairie Rose Diner")
    keys = {}
    for biller in (riverbend, prairie):
        issued = hub.api_keys.issue(
            ACTOR,
            "r",
            bid=biller.bid,
            partner_slug="harborlight",
            policies=KeyPolicies(account_proof=("cis",)),
            frame_origins=["http://partner.localhost:8090"],
        )
        keys[biller.slug] = issued.secret
    return keys


@pytest.fixture
def registered(production: Production) -> Iterator[Production]:
    """avery on an account of each biller: two users of one name who have nothing to do with each other."""
    for slug, account in (("riverbend", "1001-01"), ("prairie", "20001")):
        client = PartnerClient(f"http://api.hub.localhost:{production.port}", production.keys[slug])
        client.hand_over("avery", "avery@example.com", account)
        client.close()
    yield production
    while production.browsers:
        production.browsers.pop().close()


def _user_id(production: Production, bid: int) -> UUID:
    return next(user.id for user in production.hub.users.list_page(bid) if user.user_name == "avery")


def test_a_session_is_good_on_every_worker(registered: Production) -> None:
    for slug in ("riverbend", "prairie"):
        browser, bills = registered.enter(slug, "avery")
        assert registered.clicks(browser, bills) == {200}


def test_revoking_a_user_in_one_process_ends_its_sessions_on_every_worker_and_those_of_no_other_biller(
    registered: Production,
) -> None:
    river, river_bills = registered.enter("riverbend", "avery")
    prairie, prairie_bills = registered.enter("prairie", "avery")
    assert registered.clicks(river, river_bills) == {200}
    registered.hub.users.revoke(ACTOR, "r", 9001, _user_id(registered, 9001))
    assert registered.clicks(river, river_bills) == {401}
    assert registered.clicks(prairie, prairie_bills) == {200}


def test_revoke_by_a_partner_ends_what_its_token_began_on_every_worker_and_the_time_it_took_is_printed(
    registered: Production, record_property: Callable[[str, object], None]
) -> None:
    """Nobody else's end with them. No assertion is about the time: the figure stands in the summary of the run."""
    token = registered.token("riverbend", "avery")
    places = [registered.enter_with("riverbend", token) for _ in range(3)]
    bystander, bystanders_bills = registered.enter("riverbend", "avery")
    prairie, prairie_bills = registered.enter("prairie", "avery")
    for browser, bills in (*places, (bystander, bystanders_bills), (prairie, prairie_bills)):
        assert registered.clicks(browser, bills) == {200}
    client = PartnerClient(f"http://api.hub.localhost:{registered.port}", registered.keys["riverbend"])
    began = time.monotonic()
    client.revoke(token)
    _until(lambda: all(registered.clicks(browser, bills) == {401} for browser, bills in places))
    took = time.monotonic() - began
    clicks = CLICKS * len(places)
    record_property("figure", f"over on {WORKERS} workers, seen by {clicks} clicks, {took * 1000:.0f} ms after the call began")
    client.close()
    assert registered.clicks(bystander, bystanders_bills) == {200}
    assert registered.clicks(prairie, prairie_bills) == {200}


def test_a_payer_who_ends_all_other_sessions_ends_them_on_every_worker(registered: Production) -> None:
    phone, phones_bills = registered.enter("riverbend", "avery")
    desk, desks_bills = registered.enter("riverbend", "avery")
    profile = desk.get(desks_bills.replace("/bills", "/profile"), FRAME)
    form = {
        "csrf_token": re.findall(r'name="csrf_token" value="([^"]+)"', profile.text)[0],
        "session": "all",
        "back": desks_bills.partition(str(registered.port))[2],
    }
    host = f"http://riverbend.hub.localhost:{registered.port}"
    done = desk.post(f"{host}/b/riverbend/sessions/end", form, {**FRAME, "Origin": host})
    assert done.status_code == 200
    fields = dict(re.findall(r'<input type="hidden" name="(csrf_token|frame_token)" value="([^"]+)"', done.text))
    assert desk.post(desks_bills, fields, {**FRAME, "Origin": host}).status_code == 200
    assert registered.clicks(phone, phones_bills) == {401}
    assert registered.clicks(desk, desks_bills) == {200}


def test_a_disabled_user_is_refused_by_every_worker_though_each_had_it_cached(registered: Production) -> None:
    for _ in range(CLICKS):
        registered.token("riverbend", "avery")
    user_id = _user_id(registered, 9001)
    registered.hub.users.change(ACTOR, "r", 9001, user_id, disabled=True)
    for _ in range(CLICKS):
        with pytest.raises(ApiRefused) as refused:
            registered.token("riverbend", "avery")
        assert refused.value.problem["Code"] == "UserDisabled"
    registered.hub.users.change(ACTOR, "r", 9001, user_id, disabled=False)
    assert all(registered.token("riverbend", "avery") for _ in range(CLICKS))


def test_a_revoked_key_is_refused_by_every_worker_and_ends_what_it_began(registered: Production) -> None:
    issued = registered.hub.api_keys.issue(
        ACTOR, "r", bid=9001, partner_slug="harborlight", frame_origins=["http://partner.localhost:8090"]
    )
    second = Production(registered.hub, registered.port, {"riverbend": issued.secret}, registered.browsers)
    browser, bills = second.enter("riverbend", "avery")
    assert second.clicks(browser, bills) == {200}
    registered.hub.api_keys.revoke(ACTOR, "r", 9001, issued.key.id)
    assert second.clicks(browser, bills) == {401}
    for _ in range(CLICKS):
        with pytest.raises(ApiRefused) as refused:
            second.token("riverbend", "avery")
        assert refused.value.status == 401


def test_a_redis_that_lost_its_data_signs_everybody_out_and_the_hub_goes_on_by_itself(
    registered: Production, redis_server: RedisServer
) -> None:
    browser, bills = registered.enter("riverbend", "avery")
    redis_server.stop()
    assert registered.clicks(browser, bills) == {503}
    redis_server.start()
    _until(lambda: registered.clicks(browser, bills) == {401})
    again, bills = registered.enter("riverbend", "avery")
    assert registered.clicks(again, bills) == {200}


def test_a_redis_that_was_emptied_under_the_running_hub_signs_everybody_out_and_forgets_every_token(
    registered: Production, redis_server: RedisServer
) -> None:
    token = registered.token("riverbend", "avery")
    river, river_bills = registered.enter_with("riverbend", token)
    prairie, prairie_bills = registered.enter("prairie", "avery")
    redis_server.flush()
    assert registered.clicks(river, river_bills) == {401}
    assert registered.clicks(prairie, prairie_bills) == {401}
    form = {"RemoteAuthenticationToken": token, "ViewMode": "1", "RedirectID": "6"}
    host = f"http://riverbend.hub.localhost:{registered.port}"
    assert registered.browser().post(f"{host}/b/riverbend/sso/connect", form, FRAME).status_code == 401
    again, bills = registered.enter("riverbend", "avery")
    assert registered.clicks(again, bills) == {200}


def test_the_worker_seals_what_every_process_wrote_and_the_chain_is_sound(registered: Production) -> None:
    registered.token("riverbend", "avery")

    def verdict() -> Verdict:
        with registered.hub.database.read() as stores:
            return verify(stores.seals, stores.erasures, registered.hub.trust)

    _until(lambda: verdict().unsealed == 0)
    found = verdict()
    assert found.sealed > 0
    assert found.findings == ()


def _until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.1)
