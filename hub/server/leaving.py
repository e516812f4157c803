"""How a worker leaves at SIGTERM without losing a request that a proxy has begun to send.

The server closes its socket at once, and with it two kinds of connections on which a request is on its way: those that the kernel
has taken and the server has not, and those on which nothing was read yet. A proxy cannot know that nothing was done, so it cannot
send a POST to another hub. So a worker first takes no new connections, and for a moment longer serves the ones that are there.

    SIGTERM    the kernel drops requests for new connections (SYN); the proxy asks again after a second, and is then refused
    later      SIGINT to ourselves: the server's own way to stop, in which it finishes what is in flight

Linux: a filter on the listening sockets, which needs no rights. Where the system has none, the server stops at once.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

LEAVE_SECONDS: Final = 0.5
"""Longer than a proxy needs from the connection to the first bytes of the request."""

_SO_ATTACH_FILTER = 26
_DROP_SYN = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte of the TCP header that has the flags
        (0x45, 0, 1, 0x02),  # SYN?
        (0x06, 0, 0, 0),  # drop
        (0x06, 0, 0, 0xFFFFFFFF),  # keep
    )
)


def leave_gently(loop: asyncio.AbstractEventLoop) -> None:
    """In a worker, once the server has set its signal handlers: come before it at SIGTERM."""
    loop.add_signal_handler(signal.SIGTERM, _leave, loop)


def _leave(loop: asyncio.AbstractEventLoop) -> None:
    loop.add_signal_handler(signal.SIGTERM, lambda: None)  # it is under way
    for listening in _listening_sockets():
        with closing(listening), suppress(OSError):
            _take_no_more(listening)
    loop.call_later(LEAVE_SECONDS, signal.raise_signal, signal.SIGINT)


def _listening_sockets() -> Iterator[socket.socket]:
    """Duplicates of this process's own: the server keeps its sockets to itself."""
    for file in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found = socket.socket(fileno=os.dup(int(file.name)))
            if found.family in {socket.AF_INET, socket.AF_INET6} and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                yield found
            else:
                found.close()


def _take_no_more(listening: socket.socket) -> None:
    program = ctypes.create_string_buffer(_DROP_SYN, len(_DROP_SYN))
    described = struct.pack("@HP", len(_DROP_SYN) // 8, ctypes.addressof(program))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
