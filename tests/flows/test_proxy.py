"""The shipped nginx configuration (docs/nginx.conf) in front of two real hubs on PostgreSQL and Redis: what it lets through and
what it keeps back, what slow senders and clients with odd requests get, and what becomes of calls while hubs are restarted.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

import psycopg
import pytest

from hub.wiring import Hub, wire
from idp.actor import System
from idp.directory.api_keys import DEFAULT_SCOPES, KeyPolicies, Scope
from idp.settings import load
from tests.nginx import CONFIGURATION, Nginx, start_nginx
from tests.processes import Process, Run, clean_environment, free_port
from tests.servers import RedisServer, require
from tests.wire import PATIENCE, Answer, Wire, request

ACTOR = System("test")
PARTNER = "https://portal.harborlight.example"
FORM = "Content-Type: application/x-www-form-urlencoded"
JSON = "Content-Type: application/json"
AUTHENTICATE = "/api/v1/remote-authentication/authenticate"
SENDERS = 200
CALLERS = 8
FAIL_SECONDS = 3
"""docs/operations.md: longer than `fail_timeout`, in which nginx leaves out a hub that was restarted."""


@dataclass
class Front:
    """nginx, the two hubs behind it by port, and a key and a registered `avery` at each biller."""

    hub: Hub
    nginx: Nginx
    keys: Mapping[str, str]
    database_url: str
    start: Callable[[int], Process]
    hubs: dict[int, Process] = field(default_factory=dict)

    @property
    def api(self) -> str:
        """The host of the API."""
        return f"api.hub.localhost:{self.nginx.port}"

    def host(self, slug: str = "riverbend") -> str:
        """A biller's host."""
        return f"{slug}.hub.localhost:{self.nginx.port}"

    def get(self, target: str, host: str = "", *lines: str, source: str = "127.0.0.1") -> Answer:
        """A GET of its own connection."""
        return self.nginx.ask(request("GET", target, host or self.host(), *lines), source=source)

    def call(self, path: str, body: bytes, *lines: str, key: str = "riverbend") -> bytes:
        """The bytes of a POST to the API."""
        return request("POST", path, self.api, f"X-Api-Key: {self.keys[key]}", JSON, *lines, body=body)

    def token(self, key: str = "riverbend") -> str:
        """A token for avery; by the key `once`, one for a single use."""
        answer = self.nginx.ask(self.call(AUTHENTICATE, b'{"UserName": "avery"}', key=key))
        assert answer.status == 200, answer.text
        return str(json.loads(answer.text)["RemoteAuthenticationToken"])

    def issued(self) -> int:
        """How many tokens were ever issued, by the change log."""
        with psycopg.connect(self.database_url.replace("+psycopg", "")) as connection:
            row = connection.execute("SELECT count(*) FROM change_log WHERE action = 'token.issue'").fetchone()
        return 0 if row is None else int(row[0])

    def restart(self, port: int) -> None:
        """As an operator does: SIGTERM, wait for the end, start again, wait until it is ready."""
        self.hubs[port].stop(60)
        self.hubs[port] = self.start(port)
        self.hubs[port].wait_ready(f"http://127.0.0.1:{port}/readyz")
        time.sleep(FAIL_SECONDS)


@pytest.fixture(scope="module")
def front(run: Run, module_postgres_url: str, redis_server: RedisServer) -> Iterator[Front]:
    redis_server.flush()
    ports, port = (free_port(), free_port()), free_port()
    settings = {
        "IDHUB_DATABASE_URL": module_postgres_url,
        "IDHUB_KEYVALUE_URL": redis_server.url,
        "IDHUB_MASTER_KEY": base64.b64encode(b"made-up-key-of-32-bytes-for-test").decode(),
        "IDHUB_PORTAL_DOMAIN": f"hub.localhost:{port}",
        "IDHUB_TRUSTED_PROXIES": "127.0.0.1/32",
        "IDHUB_LOG_LEVEL": "warning",
    }

    def start(hub_port: int) -> Process:
        environment = clean_environment(settings | {"IDHUB_LISTEN": f"127.0.0.1:{hub_port}"})
        return run.start(f"hub-{hub_port}", [sys.executable, "-m", "hub.cli", "serve"], environment=environment)

    hub = wire(load(settings))
    keys = _fill(hub)
    processes = {each: start(each) for each in ports}
    nginx = start_nginx(run, require("nginx"), ports, port)
    made = Front(hub, nginx, keys, module_postgres_url, start, processes)
    try:
        for each, process in processes.items():
            process.wait_ready(f"http://127.0.0.1:{each}/readyz")
        yield made
    finally:
        for process in (nginx.process, *made.hubs.values()):
            process.stop()
            run.processes.remove(process)
        hub.close()


def _fill(hub: Hub) -> dict[str, str]:
    hub.partners.create(ACTOR, "r", slug="harborlight", name="Harborlight")
    policies = KeyPolicies(
        account_proof=("cis",), rate_per_second=10_000, burst=10_000, scopes=DEFAULT_SCOPES | {Scope.FILES}, users="all"
    )
    for bid, slug, account in ((9001, "riverbend", "1001-01"), (9002, "prairie", "20001")):
        biller = hub.billers.create(ACTOR, "r", bid=bid, slug=slug, dba=slug.capitalize())
        hub.customers.create(ACTOR, "r", biller, account, name=f"Customer of {slug}")

    def issue(bid: int, policies: KeyPolicies) -> str:
        return hub.api_keys.issue(
            ACTOR, "r", bid=bid, partner_slug="harborlight", policies=policies, frame_origins=[PARTNER]
        ).secret

    once = replace(policies, token="single_use")
    return {"riverbend": issue(9001, policies), "prairie": issue(9002, policies), "once": issue(9001, once)}


@pytest.fixture(scope="module")
def registered(front: Front) -> Front:
    """avery on an account of each biller."""
    for slug, account in (("riverbend", "1001-01"), ("prairie", "20001")):
        user = {
            "UserName": "avery",
            "EmailAddress": "avery@example.com",
            "LoginTypeID": 1,
            "Accounts": [{"AccountNumber": account}],
        }
        sent = front.call("/api/v1/remote-authentication/register-accounts", json.dumps(user).encode(), key=slug)
        assert front.nginx.ask(sent).status == 200
    return front


def _redirect(front: Front, token: str, method: str, *lines: str, source: str = "127.0.0.1") -> Answer:
    form = urlencode({"RemoteAuthenticationToken": token, "ViewMode": "0", "RedirectID": "1"})
    path, sender = "/b/riverbend/sso/connect", f"Origin: {PARTNER}"
    if method == "POST":
        sent = request("POST", path, front.host(), FORM, sender, *lines, body=form.encode())
        return front.nginx.ask(sent, source=source)
    return front.nginx.ask(request(method, f"{path}?{form}", front.host(), sender, *lines), head=method == "HEAD", source=source)


def _until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.05)


# --- what goes through -------------------------------------------------------------------------------------------------------


def test_pages_and_calls_of_both_billers_are_answered_over_tls(registered: Front) -> None:
    assert json.loads(registered.get("/healthz").text) == {"status": "alive"}
    for method in ("GET", "POST"):
        answer = _redirect(registered, registered.token(), method)
        assert answer.status == 303
        assert "secure" in answer.header("set-cookie").lower(), "the hub has to know that TLS ends at the proxy"
        assert answer.header("strict-transport-security")
    assert "Prairie" in registered.get("/b/prairie/", registered.host("prairie")).text
    assert registered.get("/b/riverbend/", registered.host("prairie")).status == 404
    ping = registered.get("/api/v1/ping", registered.api, f"X-Api-Key: {registered.keys['prairie']}")
    assert json.loads(ping.text)["ConnectUrl"] == f"https://{registered.host('prairie')}/b/prairie/sso/connect"


def test_a_head_stays_a_head_and_spends_nothing(registered: Front) -> None:
    token = registered.token("once")
    answer = _redirect(registered, token, "HEAD")
    assert answer.status < 400
    assert answer.body == b""
    assert not answer.header("set-cookie")
    assert _redirect(registered, token, "GET").status == 303


def test_plain_http_leads_to_the_front_page_over_tls_and_drops_what_was_sent(registered: Front) -> None:
    with Wire(
        registered.nginx.plain_port,
        request("GET", "/b/riverbend/sso/connect?RemoteAuthenticationToken=x", "riverbend.hub.localhost"),
    ) as wire:
        answer = wire.answer()
    assert (answer.status, answer.header("location")) == (301, "https://riverbend.hub.localhost/")


def test_a_body_over_the_default_size_arrives_where_files_are_uploaded_and_nowhere_else(registered: Front) -> None:
    body = b"FH|" + b"x" * (5 * 1024 * 1024)
    lines = (registered.api, f"X-Api-Key: {registered.keys['riverbend']}", "Content-Type: text/plain")
    answer = registered.nginx.ask(request("POST", "/api/v1/invoice-files?FileName=large.bif", *lines, body=body))
    assert answer.status == 202, answer.text
    status_url = json.loads(answer.text)["StatusUrl"]
    assert registered.get(status_url.partition(registered.api)[2], *lines[:2]).status == 200
    assert registered.nginx.ask(request("POST", "/api/v1/customers", *lines, body=body)).status == 413
    assert registered.nginx.ask(request("POST", "/b/riverbend/sso/connect", registered.host(), FORM, body=body)).status == 413


def test_bodies_over_the_hubs_own_limits_are_refused_in_its_own_words(registered: Front) -> None:
    form = request("POST", "/b/riverbend/sso/connect", registered.host(), FORM, body=b"a=" + b"x" * 20_000)
    assert "Riverbend" in registered.nginx.ask(form).text
    large = registered.nginx.ask(registered.call("/api/v1/customers", b" " * (1024 * 1024 + 1)))
    assert (large.status, json.loads(large.text)["Code"]) == (413, "BodyTooLarge")


def test_no_token_by_get_is_in_any_log_neither_as_query_nor_as_referer(registered: Front) -> None:
    token = registered.token()
    query = f"RemoteAuthenticationToken={token}&ViewMode=0&RedirectID=1"
    assert (
        _redirect(registered, token, "GET", f"Referer: https://{registered.host()}/b/riverbend/sso/connect?{query}").status == 303
    )
    registered.get(f"/nothing?{query}", "", f"Referer: https://{registered.host()}/?{query}")
    registered.nginx.ask(request("GET", f"/b/riverbend/sso/connect?{query}", registered.host(), "Transfer-Encoding: nonsense"))
    registered.nginx.ask(request("GET", f"/{'x' * 70_000}?{query}", registered.host()))
    _until(lambda: '"path":"/nothing"' in registered.nginx.logs())
    logs = registered.nginx.logs()
    assert '"path":"/b/riverbend/sso/connect"' in logs
    assert token not in logs
    assert "RemoteAuthenticationToken" not in logs


def test_each_line_of_the_log_names_the_reference_of_the_hubs_answer(registered: Front) -> None:
    reference = registered.get("/nothing-to-find").header("x-request-id")
    assert reference
    _until(lambda: reference in registered.nginx.logs())
    line = next(line for line in registered.nginx.logs().splitlines() if reference in line)
    assert json.loads(line) | {"path": "/nothing-to-find", "status": "404", "client": "127.0.0.1"} == json.loads(line)


# --- clients with ideas of their own -----------------------------------------------------------------------------------------


def test_what_a_client_says_of_forwarding_is_replaced(registered: Front) -> None:
    key = f"X-Api-Key: {registered.keys['riverbend']}"
    for lines in (
        (f"X-Forwarded-Host: {registered.host('prairie')}",),
        (f"X-Forwarded-Host: {registered.host('prairie')}, {registered.api}",),
        (f"X-Forwarded-Host: {registered.host('prairie')}", f"X-Forwarded-Host: {registered.api}"),
        (f"Forwarded: host={registered.host('prairie')};proto=http",),
        ("X-Forwarded-Proto: http", "X-Forwarded-Port: 80", "X-Forwarded-Prefix: /x", "X-Forwarded-Ssl: off"),
        ("X-Forwarded-For: 203.0.113.7", "X-Forwarded-For: 203.0.113.8"),
    ):
        answer = registered.get("/b/riverbend/nothing", "", *lines)
        assert (answer.status, "Riverbend" in answer.text) == (404, True), lines
        assert answer.header("strict-transport-security"), lines
        assert registered.get("/api/v1/ping", registered.api, key, *lines).status == 200, lines


def test_headers_with_underscores_do_not_come_through(registered: Front) -> None:
    key = registered.keys["riverbend"]
    assert registered.get("/api/v1/ping", registered.api, f"X_Api_Key: {key}").status == 401
    lines = (f"X-Api-Key: {key}", "X_Api_Key: nonsense", f"X_Forwarded_Host: {registered.host('prairie')}")
    assert registered.get("/api/v1/ping", registered.api, *lines).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param("GET /healthz HTTP/1.1\r\nHost:\r\n\r\n", id="an empty Host"),
        pytest.param("GET /healthz HTTP/1.1\r\n\r\n", id="no Host"),
        pytest.param("GET /healthz HTTP/1.1\r\nHost: {river}\r\nHost: {prairie}\r\n\r\n", id="two hosts"),
        pytest.param("GET /healthz HTTP/1.1\r\nHost: {river}\r\nHost : {prairie}\r\n\r\n", id="a blank before the colon"),
        pytest.param("GET /healthz HTTP/1.1\r\nHost: {river}/b\r\n\r\n", id="a host with a path"),
        pytest.param(
            "POST /healthz HTTP/1.1\r\nHost: {river}\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", id="two lengths"
        ),
        pytest.param(
            "POST /healthz HTTP/1.1\r\nHost: {river}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="length and chunks",
        ),
        pytest.param(
            "POST /healthz HTTP/1.1\r\nHost: {river}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="an unknown coding"
        ),
        pytest.param(
            "POST /healthz HTTP/1.1\r\nHost: {river}\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", id="a hidden coding"
        ),
        pytest.param("GET /healthz HTTP/1.1\r\nHost: {river}\r\nX-Api-Key: a\x00b\r\n\r\n", id="a NUL in a header"),
    ],
)
def test_a_request_that_could_be_read_in_two_ways_is_refused_and_the_connection_closed(registered: Front, sent: str) -> None:
    text = sent.format(river=registered.host(), prairie=registered.host("prairie"))
    with registered.nginx.open(text.encode("latin-1") + request("GET", "/smuggled", registered.host())) as wire:
        assert wire.answer().status in {400, 501}
        assert wire.is_closed()
    assert "/smuggled" not in registered.nginx.logs()


def test_a_request_line_that_names_a_host_counts_and_the_header_beside_it_does_not(registered: Front) -> None:
    """RFC 9112 3.2.2: for nginx and hub alike, so nobody gets the limits of one host and the pages of another."""
    answer = registered.get(f"https://{registered.host('prairie')}/b/prairie/nothing", registered.host())
    assert (answer.status, "Prairie" in answer.text) == (404, True)
    assert registered.get(f"https://{registered.host('prairie')}/b/riverbend/", registered.host()).status == 404


@pytest.mark.parametrize("host", ["riverbend.hub.localhost.", "RIVERBEND.hub.localhost"])
def test_a_trailing_dot_and_capitals_are_the_same_host(registered: Front, host: str) -> None:
    assert "Riverbend" in registered.get("/b/riverbend/nothing", f"{host}:{registered.nginx.port}").text


@pytest.mark.parametrize(
    "host", ["[::1]", "127.0.0.1", "nobody.example:65536", "riverbend.hub.localhost.evil.example", "nobody.example:0"]
)
def test_hosts_that_are_no_billers_get_nothing_of_one(registered: Front, host: str) -> None:
    answer = registered.get("/b/riverbend/", host)
    assert answer.status in {400, 404}
    assert "Riverbend" not in answer.text


# --- slow senders ------------------------------------------------------------------------------------------------------------


def _slow(front: Front) -> list[bytes]:
    form = request("POST", "/b/riverbend/sso/connect", front.host(), FORM, body=b"a=b", length=1000)
    return [
        form,
        request("POST", AUTHENTICATE, front.api, f"X-Api-Key: {front.keys['riverbend']}", JSON, body=b'{"U', length=1000),
        request("POST", "/api/v1/invoice-files", front.api, "Content-Type: text/plain", body=b"FH|", length=10**7),
        form[:40],
        b"GET /healthz HTTP/1.1\r\n",
    ]


@pytest.mark.parametrize("addresses", [1, 20], ids=["from one address", "from twenty"])
def test_health_redirects_and_calls_answer_beside_200_slow_senders(registered: Front, addresses: int) -> None:
    opened: list[Wire] = []
    try:
        for number, kind in zip(range(SENDERS), itertools.cycle(_slow(registered)), strict=False):
            opened.append(registered.nginx.open(kind, source=f"127.0.1.{1 + number % addresses}"))
        for _ in range(3):
            assert registered.get("/healthz").status == 200
            assert registered.get("/readyz").status == 200
            for method in ("GET", "POST"):
                assert _redirect(registered, registered.token(), method).status == 303
    finally:
        for wire in opened:
            wire.close()


def test_slow_senders_are_ended_and_no_hub_ever_hears_of_them(registered: Front) -> None:
    form = _slow(registered)[0]
    with registered.nginx.open(form) as wire, registered.nginx.open(form[:40]) as headless:
        for each in (wire, headless):
            with pytest.raises(EOFError):
                each.answer()
    _until(lambda: '"status":"408"' in registered.nginx.logs())
    line = next(line for line in registered.nginx.logs().splitlines() if '"status":"408"' in line)
    assert json.loads(line)["hub"] == ""


def test_one_address_with_too_many_requests_at_once_gets_429_and_no_one_else_does(registered: Front) -> None:
    form = _slow(registered)[0]
    opened = [registered.nginx.open(form, source="127.0.2.1") for _ in range(70)]
    try:
        _until(lambda: registered.get("/healthz", source="127.0.2.1").status == 429)
        assert registered.get("/healthz", source="127.0.2.2").status == 200
    finally:
        for wire in opened:
            wire.close()


# --- hubs that come and go ---------------------------------------------------------------------------------------------------


@dataclass
class _Load:
    """Calls from several threads over kept connections, until told to stop."""

    front: Front
    sent: int = 0
    statuses: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """One caller."""
        call = self.front.call(AUTHENTICATE, b'{"UserName": "avery"}')
        wire = self.front.nginx.open()
        while not self.stop.is_set():
            wire.send(call)
            try:
                answer = wire.answer()
            except EOFError as fault:
                with self.lock:
                    self.broken.append(str(fault))
                wire = self.front.nginx.open()
                continue
            with self.lock:
                self.statuses.append(answer.status)
            if answer.header("connection") == "close":
                wire.close()
                wire = self.front.nginx.open()
        wire.close()

    def answered(self, more: int) -> None:
        """Wait until so many more calls were answered."""
        wanted = len(self.statuses) + more
        _until(lambda: len(self.statuses) >= wanted)


def test_posts_through_restarts_of_one_hub_after_the_other_are_all_answered_and_none_is_done_twice(registered: Front) -> None:
    before = registered.issued()
    load = _Load(registered)
    callers = [threading.Thread(target=load.run) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        for port in registered.hubs:
            load.answered(50)
            registered.restart(port)
        load.answered(50)
    finally:
        load.stop.set()
        for caller in callers:
            caller.join()
    assert load.broken == []
    refused = [line for line in registered.nginx.logs().splitlines() if '"status":"502"' in line]
    assert refused == [], refused[:5]
    assert set(load.statuses) == {200}
    assert registered.issued() - before == len(load.statuses)


def test_a_get_over_a_connection_that_the_hub_has_closed_is_answered_by_another(registered: Front) -> None:
    for port in registered.hubs:
        for _ in range(8):
            assert registered.get("/healthz").status == 200
        registered.restart(port)
        for _ in range(8):
            assert registered.get("/healthz").status == 200


def test_without_any_hub_payers_get_a_page_and_partners_a_problem_and_it_heals_by_itself(registered: Front) -> None:
    token = registered.token()
    for process in registered.hubs.values():
        process.stop(60)
    page = _redirect(registered, token, "GET")
    assert (page.status, page.header("retry-after"), page.header("cache-control")) == (503, "5", "no-store")
    assert "try again" in page.text
    for _ in range(3):
        problem = registered.nginx.ask(registered.call(AUTHENTICATE, b'{"UserName": "avery"}'))
        assert (problem.status, problem.header("content-type")) == (502, "application/problem+json")
        assert json.loads(problem.text)["status"] == 502
    for port in registered.hubs:
        registered.hubs[port] = registered.start(port)
        registered.hubs[port].wait_ready(f"http://127.0.0.1:{port}/readyz")
    _until(lambda: registered.get("/readyz").status == 200)
    _until(lambda: _redirect(registered, token, "GET").status == 303)
    assert token not in registered.nginx.logs()


# --- the file ----------------------------------------------------------------------------------------------------------------


def test_no_log_format_of_the_file_has_a_query_string_or_a_referer() -> None:
    text = "\n".join(line for line in CONFIGURATION.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#"))
    formats = re.findall(r"log_format [^;]+;", text)
    assert len(formats) == 1
    for name in ("$request ", '$request"', "$request_uri", "$args", "$query_string", "$http_referer", "$http_cookie", "$arg_"):
        assert name not in formats[0], name
    assert set(re.findall(r"access_log \S+ (\w+);", text)) == {"hub"}
    assert "non_idempotent" not in text
