"""Stops everything that a test run started, whatever becomes of the run.

The run starts it with a pipe on its standard input and a folder. When the pipe closes (the run ended, was interrupted, or was
killed), it stops every process recorded in FOLDER/pids and removes FOLDER. So there is one way of ending, and a run that is
killed leaves nothing behind. A record is a file named by the process id, and says when that process started: an id that the
system has given to another process since is left alone.

    python -I tests/reaper.py FOLDER        standard library only
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

PATIENCE = 10.0
"""Seconds between the polite signal and the last one."""


def started_at(pid: int) -> str | None:
    """When the process started, in clock ticks since boot; None when it is gone, or a zombie that nobody has collected."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def record(folder: Path, pid: int, polite: signal.Signals) -> None:
    """Remember a process that leads its own group; `polite` is the signal that asks it to end."""
    pids = folder / "pids"
    pids.mkdir(exist_ok=True)
    (pids / str(pid)).write_text(f"{started_at(pid)} {int(polite)}", encoding="ascii")


def reap(folder: Path, patience: float = PATIENCE) -> None:
    """Stop every recorded process: first politely and all at once, then for good with its group. Then remove the folder."""
    alive: dict[int, str] = {}
    for entry in sorted((folder / "pids").glob("*")):
        pid = int(entry.name)
        since, polite = entry.read_text(encoding="ascii").split()
        if started_at(pid) == since:
            alive[pid] = since
            with suppress(ProcessLookupError):
                os.kill(pid, int(polite))
    deadline = time.monotonic() + patience
    while alive and time.monotonic() < deadline:
        time.sleep(0.02)
        alive = {pid: since for pid, since in alive.items() if started_at(pid) == since}
    for pid in alive:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def main(folder: Path) -> None:
    """Wait for the end of the run, then reap."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    parent = os.getppid()
    # The pipe may be held open by a child that a test forked; then the death of the parent tells.
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], 1.0)
        if readable and not os.read(sys.stdin.fileno(), 1):
            break
    reap(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
