"""How the server ends: what a client has begun to send is answered, new connections are not taken."""

from __future__ import annotations

import signal
import socket
import time

import pytest

from tests.conftest import StartProcess
from tests.hub.server.conftest import Echo, start_echo
from tests.wire import PATIENCE, Wire, request

CONNECTIONS = 20


def _wait_until_it_stops(echo: Echo) -> None:
    give_up = time.monotonic() + PATIENCE
    while "Shutting down" not in echo.process.output():
        assert time.monotonic() < give_up, echo.process.tail()
        time.sleep(0.001)
    time.sleep(0.05)  # from the first process to its worker


def test_a_request_that_is_sent_on_a_fresh_connection_while_the_server_ends_is_answered(start_process: StartProcess) -> None:
    """A proxy connects, then sends. In between the server was told to stop."""
    echo = start_echo(start_process)
    opened = [Wire(echo.port) for _ in range(CONNECTIONS)]
    echo.process.signal(signal.SIGTERM)
    _wait_until_it_stops(echo)
    for wire in opened:
        wire.send(request("POST", "/call", "riverbend.example", body=b"a" * 100))
    for wire in opened:
        assert wire.answer().status == 200
        wire.close()
    assert echo.process.wait(PATIENCE) == 0
    assert "refused to gracefully stop" not in echo.process.output()


def test_a_server_that_ends_takes_no_new_connections_and_none_is_broken_off(start_process: StartProcess) -> None:
    echo = start_echo(start_process)
    kept = Wire(echo.port, request("GET", "/call", "riverbend.example"))
    assert kept.answer().status == 200
    echo.process.signal(signal.SIGTERM)
    answered = 0
    while True:
        try:
            wire = Wire(echo.port)
        except ConnectionRefusedError:
            break
        with wire:
            wire.send(request("POST", "/call", "riverbend.example", body=b"a"))
            assert wire.answer().status == 200
            answered += 1
    assert kept.is_closed()
    kept.close()
    assert echo.process.wait(PATIENCE) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", echo.port), PATIENCE)


def test_a_second_sigterm_changes_nothing(start_process: StartProcess) -> None:
    echo = start_echo(start_process)
    with Wire(echo.port) as wire:
        for _ in range(3):
            echo.process.signal(signal.SIGTERM)
        wire.send(request("POST", "/call", "riverbend.example", body=b"a"))
        assert wire.answer().status == 200
    assert echo.process.wait(PATIENCE) == 0
