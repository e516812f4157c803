"""One hub to a port. Its workers each listen on a socket of their own (SO_REUSEPORT), and so would those of a second hub: the
kernel would share the requests between the two.

So the first process of a hub reserves the port, before any worker, and holds it as long as it lives: also while the only worker is
replaced, and while the last requests are finished. The kernel decides (no file, no look before the leap), so it holds between
users, between 0.0.0.0 and 127.0.0.1, and between IPv6 and IPv4.

    bind      with SO_REUSEADDR, because connections of the hub before may linger for a minute; two may get this far
    listen    checked again by the kernel: of two that are bound, one gets this far
    mark      the socket stops sharing with later reservations, and shares with our workers
    shut      it listens no more, so no connection ever waits on it; the port stays bound

Linux; the order matters, and tests/hub/test_port.py holds it.
"""

from __future__ import annotations

import errno
import socket


class PortUnavailable(Exception):
    """Nobody can listen here; the message says why, in one line with address and port."""


def reserve(host: str, port: int) -> socket.socket:
    """Keep the port for the workers of this process until the socket is closed. PortUnavailable."""
    held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host, port))
        held.listen(1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.shutdown(socket.SHUT_RDWR)
    except OSError as fault:
        held.close()
        raise PortUnavailable(_reason(host, port, fault)) from fault
    return held


def _reason(host: str, port: int, fault: OSError) -> str:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    match fault.errno:
        case errno.EADDRINUSE:
            return f"{place} is in use by another hub or program: stop it, or set IDHUB_LISTEN to another port"
        case errno.EADDRNOTAVAIL:
            return f"{place}: {host} is not an address of this machine; set IDHUB_LISTEN to one that is"
        case errno.EACCES:
            return f"{place}: ports below 1024 need CAP_NET_BIND_SERVICE; set IDHUB_LISTEN to a higher port behind a proxy"
        case _:
            return f"{place}: cannot listen here: {fault.strerror}"
