"""Slow senders: connections with a form that is never whole, replaced as the hub ends them."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SENDERS = 200


@contextmanager
def slow_senders(port: int, host: str, path: str) -> Iterator[None]:
    """200 of them as long as the block lasts, each with three bytes of a form of 1000."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n"
    )
    sent = head.encode() + b"a=b"
    stop = threading.Event()
    with selectors.DefaultSelector() as selector:
        for _ in range(SENDERS):
            _open(selector, port, sent)
        keeper = threading.Thread(target=_keep, args=(selector, port, sent, stop))
        keeper.start()
        try:
            yield
        finally:
            stop.set()
            keeper.join()
            for key in list(selector.get_map().values()):
                if isinstance(key.fileobj, socket.socket):
                    key.fileobj.close()


def _open(selector: selectors.BaseSelector, port: int, sent: bytes) -> None:
    connection = socket.create_connection(("127.0.0.1", port), 30.0)
    connection.sendall(sent)
    selector.register(connection, selectors.EVENT_READ)


def _keep(selector: selectors.BaseSelector, port: int, sent: bytes, stop: threading.Event) -> None:
    while not stop.wait(0.1):
        for key, _ in selector.select(0):  # an answer (408), or the end
            selector.unregister(key.fileobj)
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
            _open(selector, port, sent)
