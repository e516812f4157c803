"""Slow senders: bodies that never end cost nobody else anything, and are ended with 408.

The real server with its default threads. 200 connections stay open, each with a request that is not whole: forms, JSON, an invoice
file, chunks without a length, hosts and paths that nobody knows, with and without a key.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import StartProcess
from tests.flows.served import AUTHENTICATE, FORM, JSON, SLUGS, Served, serve
from tests.wire import PATIENCE, Wire, ask, request

SENDERS = 200
THREE_BYTES = b"a=b"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, start_module_process: StartProcess) -> Iterator[Served]:
    """One server with default settings for the module."""
    with serve(tmp_path_factory.mktemp("served"), start_module_process) as made:
        yield made


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _kinds(served: Served) -> dict[str, bytes]:
    """A request of each kind that stays unfinished."""
    key = f"X-Api-Key: {served.keys['riverbend']}"
    chunked = "Transfer-Encoding: chunked"
    connect = "/b/riverbend/sso/connect"
    return {
        "form": request("POST", connect, served.host(), FORM, body=THREE_BYTES, length=1000),
        "link": request("POST", "/b/prairie/sso/link", served.host("prairie"), FORM, body=THREE_BYTES, length=1000),
        "chunked form": request("POST", connect, served.host(), FORM, chunked) + _chunk(THREE_BYTES),
        "unknown host": request("POST", connect, "nobody.example", FORM, body=THREE_BYTES, length=1000),
        "GET with a body": request("GET", "/b/riverbend/sso/link", served.host(), FORM, body=THREE_BYTES, length=1000),
        "JSON": request("POST", AUTHENTICATE, served.api, key, JSON, body=b'{"U', length=1000),
        "large JSON": request("POST", "/api/v1/customers", served.api, key, JSON, body=b'{"U', length=100_000),
        "chunked JSON": request("POST", AUTHENTICATE, served.api, key, JSON, chunked) + _chunk(b'{"U'),
        "invoice file": request(
            "POST", "/api/v1/invoice-files", served.api, key, "Content-Type: text/plain", body=b"FH|", length=10**7
        ),
        "health": request("POST", "/healthz", served.api, body=b"x", length=1000),
    }


@pytest.fixture
def senders(served: Served) -> Iterator[Callable[..., list[Wire]]]:
    """Opens unfinished requests, which are hung up after the test."""
    opened: list[Wire] = []

    def start(kind: str, count: int) -> list[Wire]:
        sent = _kinds(served)[kind]
        mine = [Wire(served.port, sent) for _ in range(count)]
        opened.extend(mine)
        return mine

    yield start
    for wire in opened:
        wire.close()


def _until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.05)


def _check_everybody_is_served(served: Served) -> None:
    assert json.loads(served.get("/healthz").text) == {"status": "alive"}
    assert served.get("/readyz").status == 200
    for slug in SLUGS:
        token = served.token(slug)
        assert served.redirect(token, "GET", slug).status == 303
        assert served.redirect(token, "POST", slug).status == 303


def test_health_and_redirects_and_authenticate_answer_beside_eight_slow_forms(
    served: Served, senders: Callable[..., list[Wire]]
) -> None:
    senders("form", 8)
    _check_everybody_is_served(served)


def test_health_and_redirects_and_authenticate_answer_beside_200_slow_senders_of_every_kind(
    served: Served, senders: Callable[..., list[Wire]]
) -> None:
    kinds = list(_kinds(served))
    for kind in kinds:
        senders(kind, SENDERS // len(kinds))
    for _ in range(3):
        _check_everybody_is_served(served)


def test_a_slow_form_is_ended_with_a_page_408_and_the_connection_closed(served: Served, senders: Callable[..., list[Wire]]) -> None:
    slow = [*senders("form", 20), *senders("chunked form", 20)]
    for wire in slow:
        answer = wire.answer()
        assert (answer.status, answer.header("connection")) == (408, "close")
        assert answer.header("content-type") == "text/html; charset=utf-8"
        assert answer.header("x-request-id") in answer.text
        assert wire.is_closed()


def test_slow_json_is_ended_with_a_problem_408_and_the_connection_closed(
    served: Served, senders: Callable[..., list[Wire]]
) -> None:
    for wire in [*senders("JSON", 3), *senders("large JSON", 3), *senders("chunked JSON", 3)]:
        answer = wire.answer()
        assert (answer.status, answer.header("connection")) == (408, "close")
        assert answer.header("content-type") == "application/problem+json"
        assert json.loads(answer.text)["Code"] == "BodyTooSlow"
        assert wire.is_closed()


def test_what_needs_no_body_is_answered_before_the_body_is_there(served: Served, senders: Callable[..., list[Wire]]) -> None:
    """An address that is not there, a method that it does not take, a call without a key, a body that is too large."""
    api, portal = served.api, served.host()
    for sent, status in (
        (request("POST", "/nothing", portal, FORM, body=b"a", length=1000), 404),
        (request("POST", "/api/v1/nothing", api, JSON, body=b"a", length=1000), 404),
        (request("POST", "/api/v1/ping", api, JSON, body=b"a", length=1000), 405),
        (request("POST", AUTHENTICATE, api, JSON, body=b"a", length=1000), 401),
        (request("POST", "/api/v1/invoice-files", api, "Content-Type: text/plain", body=b"a", length=10**7), 401),
        (request("POST", "/b/riverbend/sso/connect", portal, FORM, body=b"a", length=16 * 1024 + 1), 413),
        (request("POST", AUTHENTICATE, api, "X-Api-Key: nobody", JSON, body=b"a", length=2**20 + 1), 413),
    ):
        answer = ask(served.port, sent)
        assert (answer.status, answer.header("connection")) == (status, "close"), sent


def test_a_sender_that_is_refused_early_gets_the_answer_though_it_goes_on_sending(served: Served) -> None:
    body = b"a" * 200_000
    for sent, status in (
        (request("POST", "/b/riverbend/sso/connect", served.host(), FORM, body=body), 413),
        (request("POST", "/nothing", served.host(), FORM, body=body), 404),
        (request("POST", "/api/v1/customers", served.api, JSON, body=body), 401),
    ):
        assert ask(served.port, sent).status == status
