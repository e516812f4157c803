"""Two hubs never listen on one port (hub.port); the workers of one hub do."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import hub.port
from hub.port import PortUnavailable, reserve
from tests.processes import free_port

EVERYWHERE = "0.0.0.0"  # noqa: S104  (nothing is served: what is tested is that nobody else gets the port)


def _listen_as_granian_does(host: str, port: int) -> socket.socket:
    """A socket of a worker: SO_REUSEPORT, so that each worker has one of its own."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((host, port))
    made.listen(16)
    return made


def _refused(host: str, port: int) -> str:
    with pytest.raises(PortUnavailable) as caught:
        reserve(host, port)
    return str(caught.value)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("127.0.0.1", "127.0.0.1"),
        (EVERYWHERE, "127.0.0.1"),
        ("127.0.0.1", EVERYWHERE),
        ("::", EVERYWHERE),
        (EVERYWHERE, "::"),
        ("::", "127.0.0.1"),
        ("127.0.0.1", "::"),
        ("::1", "::"),
    ],
)
def test_a_second_hub_is_refused_on_any_address_that_overlaps_before_between_and_after_the_life_of_the_workers(
    first: str, second: str
) -> None:
    port = free_port()
    with closing(reserve(first, port)):
        assert "in use" in _refused(second, port)
        with closing(_listen_as_granian_does(first, port)), closing(_listen_as_granian_does(first, port)):
            _refused(second, port)
        _refused(second, port)  # the only worker died and is not back yet
    reserve(second, port).close()


def test_addresses_that_do_not_overlap_may_share_a_port_number() -> None:
    port = free_port()
    with closing(reserve("127.0.0.1", port)), closing(reserve("127.0.0.2", port)), closing(reserve("::1", port)):
        pass


def test_the_reservation_takes_no_connection_away_from_the_workers() -> None:
    port = free_port()
    with closing(reserve("127.0.0.1", port)), closing(_listen_as_granian_does("127.0.0.1", port)) as worker:
        answering = threading.Thread(target=_answer, args=(worker, 200))
        answering.start()
        for _ in range(200):
            with socket.create_connection(("127.0.0.1", port), 10) as client:
                assert client.recv(1) == b"x"
        answering.join()


def _answer(worker: socket.socket, count: int) -> None:
    for _ in range(count):
        connection, _ = worker.accept()
        with connection:
            connection.sendall(b"x")


def test_of_hubs_that_start_at_the_same_moment_one_starts() -> None:
    for _ in range(50):
        port = free_port()
        hosts = ("127.0.0.1", EVERYWHERE, "::", "127.0.0.1", "::ffff:127.0.0.1")
        together = threading.Barrier(len(hosts))
        got: list[socket.socket] = []

        def start(host: str, port: int = port, together: threading.Barrier = together, got: list[socket.socket] = got) -> None:
            together.wait()
            try:
                got.append(reserve(host, port))
            except PortUnavailable:
                return

        threads = [threading.Thread(target=start, args=(host,)) for host in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1
        got[0].close()


def test_a_port_is_free_again_at_once_though_connections_of_the_hub_before_linger() -> None:
    port = free_port()
    with closing(reserve("127.0.0.1", port)), closing(_listen_as_granian_does("127.0.0.1", port)) as worker:
        client = socket.create_connection(("127.0.0.1", port), 10)
        connection, _ = worker.accept()
        connection.close()  # closed by the server first: its side stays in TIME_WAIT
        client.close()
    reserve("127.0.0.1", port).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_hub_of_another_user_is_refused_as_well() -> None:
    port = free_port()
    script = Path(hub.port.__file__).read_text(encoding="utf-8") + f"\nreserve('127.0.0.1', {port})\n"
    with closing(reserve("127.0.0.1", port)), closing(_listen_as_granian_does("127.0.0.1", port)):
        second = subprocess.run(
            ["/usr/bin/python3", "-I", "-"], input=script, capture_output=True, text=True, check=False, user="nobody", cwd="/"
        )
    assert second.returncode == 1
    assert f"127.0.0.1:{port} is in use" in second.stderr


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (lambda: ("192.0.2.1", free_port()), "is not an address of this machine"),
        (lambda: ("2001:db8::1", free_port()), "is not an address of this machine"),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_one_line_that_names_it(address: Callable[[], tuple[str, int]], said: str) -> None:
    host, port = address()
    line = _refused(host, port)
    assert said in line
    assert (f"[{host}]:{port}" if ":" in host else f"{host}:{port}") in line
    assert "\n" not in line
