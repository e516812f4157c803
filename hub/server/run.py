"""granian: sockets, worker processes, and what a connection may cost before anything of a request is known.

    connections    4,096 in each worker, or what the open files allow; beyond that new ones wait in the system's queue
    headers        10 seconds from the first look to the last line, and as long between two requests; 64 KiB, 100 lines
    bodies         hub.server.bridge

What this cannot do, a proxy in front does: limit the connections of one address, and buffer answers for slow readers
(docs/operations.md).
"""

from __future__ import annotations

import logging
import os
import resource
import signal
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

HEADER_SECONDS: Final = 10
KILL_SECONDS: Final = 30
"""Longer than any request may last: what is in flight at SIGTERM is finished."""

MOST_CONNECTIONS: Final = 4096
_OTHER_FILES = 256
"""Open files of a worker that are no client's: stores, logs, libraries."""

_HEADER_BYTES = 64 * 1024
_BACKLOG = 1024
_RESPAWN_SECONDS = 3.5
_THROUGH_OURS: Mapping[str, Any] = MappingProxyType(
    {
        "handlers": {},
        "formatters": {},
        "loggers": {"_granian": {"handlers": [], "propagate": True}, "granian.access": {"handlers": [], "propagate": False}},
    }
)
"""The server's own few lines go the way of ours (hub.logs)."""


def serve(target: str, *, host: str, port: int, workers: int, log_level: str) -> None:
    """Serve what the factory `module:function` makes in each worker process, until SIGTERM or Ctrl-C."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    os.register_at_fork(after_in_child=_forget_signals_of_parent)
    Granian(
        target=target,
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=_HEADER_BYTES),
        websockets=False,
        workers=workers,
        backlog=_BACKLOG,
        # Connections and not requests are counted, and those that browsers and proxies keep open do nothing most of the time.
        backpressure=_allow_connections(),
        # An access log has query strings in it, and those have tokens.
        log_access=False,
        log_level=LogLevels(log_level),
        log_dictconfig=dict(_THROUGH_OURS),
        respawn_failed_workers=True,
        respawn_interval=_RESPAWN_SECONDS,
        workers_kill_timeout=KILL_SECONDS,
    ).serve()


def _allow_connections() -> int:
    """How many connections a worker may have; raises the soft limit of open files for them as far as the hard one allows."""
    wanted = MOST_CONNECTIONS + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST_CONNECTIONS
    allowed = max(64, soft - _OTHER_FILES)
    logging.getLogger(__name__).warning("few open files are allowed", extra={"limit": soft, "connections": allowed})
    return allowed


def _forget_signals_of_parent() -> None:
    """In a worker, a moment after its fork. The parent's handlers came along and would swallow a SIGTERM until the worker has its
    own: a hub that is stopped while it starts would go on for KILL_SECONDS."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
