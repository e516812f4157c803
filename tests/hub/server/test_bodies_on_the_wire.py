"""What arrives of a body, and what becomes of one that is too large, too slow, broken off or crumbled; by the real server."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.server.bodies import FREE_CHUNKS, SHORT
from tests.conftest import StartProcess
from tests.hub.server.conftest import Echo, start_echo
from tests.hub.server.echo import MOST, THREADS
from tests.wire import PATIENCE, Answer, Wire, ask, request

CHUNKED = "Transfer-Encoding: chunked"
LONG = MOST - 10


def chunks(body: bytes, size: int) -> bytes:
    """A body in chunks, whole."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def until(holds: Callable[[], bool]) -> None:
    """Wait for it; AssertionError when it never happens."""
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.01)


def told(answer: Answer) -> dict[str, Any]:
    """What the application says of a request that came through."""
    assert answer.status == 200, answer.text
    found: dict[str, Any] = json.loads(answer.text)
    return found


def code(answer: Answer) -> tuple[int, str]:
    """Status and code of a refusal, which closes the connection."""
    assert answer.header("connection") == "close"
    return answer.status, json.loads(answer.text)["code"]


@pytest.mark.parametrize("size", [1, 1000, SHORT, SHORT + 1, LONG])
@pytest.mark.parametrize("chunk", [None, 700, 9000])
@pytest.mark.parametrize("path", ["/call", "/file"])
def test_a_body_arrives_as_it_was_sent(echo: Echo, path: str, size: int, chunk: int | None) -> None:
    body = os.urandom(size)
    whole = request("POST", path, "h", body=body)
    sent = whole if chunk is None else request("POST", path, "h", CHUNKED) + chunks(body, chunk)
    found = told(ask(echo.port, sent))
    assert (found["size"], found["digest"]) == (size, hashlib.sha256(body).hexdigest())


def test_a_body_that_arrives_byte_by_byte_arrives(echo: Echo) -> None:
    with Wire(echo.port, request("POST", "/call", "h", length=20)) as wire:
        for _ in range(20):
            wire.send(b"x")
            time.sleep(0.005)
        assert told(wire.answer())["size"] == 20


@pytest.mark.parametrize("size", [100, SHORT + 1])
def test_a_connection_is_kept_for_the_next_request_when_the_whole_body_was_read(echo: Echo, size: int) -> None:
    with Wire(echo.port) as wire:
        for _ in range(3):
            wire.send(request("POST", "/call", "h", body=b"x" * size))
            answer = wire.answer()
            assert told(answer)["size"] == size
            assert answer.header("connection") == ""
        wire.send(request("GET", "/call", "h"))
        assert told(wire.answer())["size"] == 0


@pytest.mark.parametrize("path", ["/page", "/call", "/file"])
@pytest.mark.parametrize("method", ["POST", "GET", "HEAD", "OPTIONS", "DELETE"])
def test_a_body_is_held_to_its_limit_whatever_the_method(echo: Echo, path: str, method: str) -> None:
    most = SHORT if path == "/page" else MOST
    is_head = method == "HEAD"
    over = ask(echo.port, request(method, path, "h", body=b"x", length=most + 1), head=is_head)
    assert (over.status, over.header("connection")) == (413, "close")
    chunked = ask(echo.port, request(method, path, "h", CHUNKED) + chunks(b"x" * (most + 1), 9000), head=is_head)
    assert (chunked.status, chunked.header("connection")) == (413, "close")


@pytest.mark.parametrize("path", ["/page", "/call", "/file"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_body_that_does_not_arrive_in_time_is_408(echo: Echo, path: str, method: str) -> None:
    short = request(method, path, "h", length=SHORT, body=b"abc")
    chunked = request(method, path, "h", CHUNKED) + b"3\r\nabc\r\n"
    long = request(method, path, "h", length=LONG, body=b"x" * (SHORT + 100))
    # The first 16 KiB of a file have the ten seconds of a page.
    for sent in {"/page": (short, chunked), "/call": (short, chunked, long), "/file": (long,)}[path]:
        with Wire(echo.port, sent) as wire:
            assert code(wire.answer()) == (408, "BodyTooSlow")
            assert wire.is_closed()


def test_a_file_may_take_as_long_as_it_comes_at_the_least_rate(echo: Echo) -> None:
    with Wire(echo.port, request("POST", "/file", "h", length=LONG)) as wire:
        left, began = LONG, time.monotonic()
        while time.monotonic() - began < 4.5:  # longer than the window, and any deadline
            wire.send(b"x" * 600)
            left -= 600
            time.sleep(0.2)
        wire.send(b"x" * left)
        assert told(wire.answer())["size"] == LONG


def test_a_file_that_falls_below_the_least_rate_is_408(echo: Echo) -> None:
    with Wire(echo.port, request("POST", "/file", "h", length=LONG)) as wire:
        while not wire.has_answer():
            wire.send(b"x" * 60)
            time.sleep(0.2)
        assert code(wire.answer()) == (408, "BodyTooSlow")


def test_time_in_which_the_application_is_behind_is_not_held_against_the_sender(echo: Echo) -> None:
    """The reader takes 1,000 bytes each 10 ms: the sender waits for it longer than its own window."""
    body = b"x" * LONG
    assert told(ask(echo.port, request("POST", "/file", "h", body=body)))["size"] == LONG
    with Wire(echo.port, request("POST", "/sleepy", "h", body=body)) as wire:
        assert told(wire.answer())["size"] == LONG


@pytest.mark.parametrize("path", ["/call", "/file"])
@pytest.mark.parametrize("size", [100, LONG])
def test_a_sender_that_breaks_off_is_never_taken_for_one_that_has_ended(echo: Echo, path: str, size: int) -> None:
    for sent in (
        request("POST", path, "h", body=b"x" * (size - 1), length=size),
        request("POST", path, "h", CHUNKED) + chunks(b"x" * size, 9000).removesuffix(b"0\r\n\r\n"),
    ):
        with Wire(echo.port, sent) as wire:
            wire.half_close()
            try:
                answer = wire.answer()
            except EOFError:
                continue
            assert code(answer) == (400, "MalformedRequest")


def test_a_body_in_crumbs_is_refused_before_it_costs_much(echo: Echo) -> None:
    crumbs = b"1\r\nx\r\n" * (FREE_CHUNKS + 100)
    with Wire(echo.port, request("POST", "/call", "h", CHUNKED) + crumbs) as wire:
        assert code(wire.answer()) == (400, "MalformedRequest")


def test_what_nobody_reads_is_not_waited_for(echo: Echo) -> None:
    with Wire(echo.port, request("POST", "/unread", "h", body=b"abc", length=1000)) as wire:
        answer = wire.answer()
        assert told(answer)["size"] == 0
        assert answer.header("connection") == "close"
        assert wire.is_closed()


@pytest.mark.parametrize("path", ["/page", "/unread"])
def test_a_sender_that_is_answered_early_can_finish_and_read_the_answer(echo: Echo, path: str) -> None:
    for _ in range(5):
        with Wire(echo.port) as wire:
            wire.send(request("POST", path, "h", body=b"x" * 200_000))
            assert wire.answer().status == (413 if path == "/page" else 200)


def test_more_long_bodies_than_may_wait_are_503_and_short_ones_go_on(echo: Echo) -> None:
    whole = request("POST", "/file", "h", body=b"x" * LONG)
    waiting = [Wire(echo.port, request("POST", "/file", "h", body=b"x" * 100, length=LONG)) for _ in range(2 * THREADS)]
    try:
        until(lambda: ask(echo.port, whole).status == 503)
        assert code(ask(echo.port, whole)) == (503, "Overloaded")
        assert told(ask(echo.port, request("POST", "/call", "h", body=b"abc")))["size"] == 3
    finally:
        for wire in waiting:
            wire.close()
    until(lambda: ask(echo.port, whole).status == 200)


def test_one_owner_may_send_so_many_long_bodies_at_once_and_again_when_they_are_over(echo: Echo) -> None:
    whole = request("POST", "/owned", "h", body=b"x" * LONG)
    two = [Wire(echo.port, request("POST", "/owned", "h", body=b"x" * 100, length=LONG)) for _ in range(2)]
    until(lambda: any(wire.has_answer() for wire in two))
    refused = next(wire for wire in two if wire.has_answer())
    assert code(refused.answer()) == (429, "Busy")
    assert code(ask(echo.port, whole)) == (429, "Busy")
    for wire in two:
        wire.close()
    until(lambda: ask(echo.port, whole).status == 200)


def test_health_is_answered_while_every_thread_is_busy(start_process: StartProcess, tmp_path: Path) -> None:
    echo = start_echo(start_process)
    go = tmp_path / "go"
    busy = [Wire(echo.port, request("GET", f"/stuck?{go}", "h")) for _ in range(THREADS + 1)]
    waiting = Wire(echo.port, request("GET", "/call", "h"))
    for _ in range(20):
        assert ask(echo.port, request("GET", "/healthz", "h")).status == 200
        assert ask(echo.port, request("GET", "/readyz", "h")).status == 200
    assert not waiting.has_answer()
    go.touch()
    for wire in (*busy, waiting):
        assert wire.answer().status == 200
        wire.close()


def test_requests_in_flight_are_finished_at_sigterm_and_slow_senders_do_not_keep_the_process(
    start_process: StartProcess, tmp_path: Path
) -> None:
    echo = start_echo(start_process)
    go = tmp_path / "go"
    flying = Wire(echo.port, request("GET", f"/stuck?{go}", "h"))
    slow = [Wire(echo.port, request("POST", "/page", "h", body=b"a", length=100)) for _ in range(20)]
    idle = [Wire(echo.port) for _ in range(20)]
    assert ask(echo.port, request("GET", "/healthz", "h")).status == 200
    echo.process.signal(signal.SIGTERM)
    assert code(slow[0].answer()) == (408, "BodyTooSlow")
    go.touch()
    assert flying.answer().status == 200
    assert echo.process.wait(60) == 0
    assert "refused to gracefully stop" not in echo.process.output()
    for wire in (flying, *slow, *idle):
        wire.close()
