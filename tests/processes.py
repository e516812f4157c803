"""Processes of a test run: a folder for the run, a recorded pid for everything that is started, ports, readiness, logs.

A run (one `pytest` call, however many workers it has) owns one folder outside the repository. `Run.start` starts a program in
its own process group with its output in a file of that folder and records it, so that tests/reaper.py stops it in any case.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from tests import reaper

_LOG_LINES = 60
_LONGEST_FOLDER = 40
"""Characters; the path of a Unix socket may have 107."""


def free_port() -> int:
    """A loopback port that nobody listens on, below the range that the system hands to outgoing connections."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a program under test: ours without its IDHUB_ settings, with `extra`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IDHUB_")}
    return inherited | {"PYTHONUNBUFFERED": "1"} | dict(extra or {})


class Process:
    """A running program with its output in a file. It leads its own process group; `stop` ends the whole group."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log: Path, *, shown: bool = True) -> None:
        self.name = name
        self.log = log
        self.shown = shown
        self._popen = popen

    @property
    def pid(self) -> int:
        """The process id, which is the id of its group as well."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit status (negative: ended by that signal), or None while it runs."""
        return self._popen.poll()

    def output(self) -> str:
        """Everything that it has written so far, standard output and error together."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def tail(self) -> str:
        """The last lines of its output."""
        return "\n".join(self.output().splitlines()[-_LOG_LINES:])

    def wait_ready(self, url: str, *, host: str | None = None, within: float = 30.0) -> None:
        """Wait until `url` answers 200: ready means that, never that a port is open. AssertionError with the log otherwise.

        `host` is sent as the Host header, because Python does not resolve names under localhost.
        """
        answer = "no connection"
        deadline = time.monotonic() + within
        with urllib3.PoolManager(retries=False, timeout=2.0) as pool:
            while time.monotonic() < deadline:
                if self.returncode is not None:
                    raise AssertionError(f"{self.name} ended with {self.returncode} before it was ready\n{self.tail()}")
                try:
                    response = pool.request("GET", url, headers={"Host": host} if host else None, redirect=False)
                except urllib3.exceptions.HTTPError as fault:
                    answer = type(fault).__name__
                else:
                    if response.status == 200:
                        return
                    answer = f"{response.status} {response.data[:300].decode(errors='replace')}"
                time.sleep(0.05)
        raise AssertionError(f"{self.name} was not ready at {url} within {within} s: {answer}\n{self.tail()}")

    def wait_listening(self, port: int, within: float = 30.0) -> None:
        """Wait until a loopback port takes connections, for programs that answer nothing themselves. AssertionError otherwise."""
        deadline = time.monotonic() + within
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 2.0).close()
            except OSError as fault:
                if self.returncode is not None or time.monotonic() > deadline:
                    raise AssertionError(f"{self.name} does not listen on {port}\n{self.tail()}") from fault
                time.sleep(0.02)
            else:
                return

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program alone."""
        self._popen.send_signal(number)

    def wait(self, within: float = 30.0) -> int:
        """Wait for the end and give the exit status. subprocess.TimeoutExpired when it runs on."""
        return self._popen.wait(within)

    def stop(self, within: float = 15.0) -> int:
        """SIGTERM, and SIGKILL for the group when that is not enough. The exit status; -9 tells that it did not stop."""
        if self.returncode is None:
            self.signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(within)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL for the group, children included. The exit status."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self._popen.wait()


@dataclass(frozen=True, slots=True)
class Run:
    """One call of pytest: its folder, and what this worker of it has started."""

    folder: Path
    processes: list[Process] = field(default_factory=list)

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        working_folder: Path | None = None,
        user: str | None = None,
        polite: signal.Signals = signal.SIGTERM,
        shown: bool = True,
    ) -> Process:
        """Start a program in its own group. `environment` comes on top of `clean_environment`; `user` needs root.

        `polite` is how the reaper asks it to end. `shown`: the log appears under every test that fails while it is there.
        """
        account = pwd.getpwnam(user) if user else None
        log = self.folder / f"{name}-{secrets.token_hex(3)}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=clean_environment(environment),
                cwd=working_folder or self.folder,
                start_new_session=True,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )
        reaper.record(self.folder, popen.pid, polite)
        process = Process(name, popen, log, shown=shown)
        self.processes.append(process)
        return process

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """No other worker of this run is inside the same section."""
        with (self.folder / f"{what}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def open_run() -> tuple[Run, subprocess.Popen[bytes]]:
    """Make the run's folder and start its reaper. For the one process that all workers belong to."""
    folder = Path(tempfile.mkdtemp(prefix="idhub-run-", dir=_base_folder()))
    # PostgreSQL as root runs as another user, who must be able to pass through.
    folder.chmod(0o711)
    reaping = subprocess.Popen(
        [sys.executable, "-I", str(Path(reaper.__file__)), str(folder)], stdin=subprocess.PIPE, start_new_session=True, cwd="/"
    )
    return Run(folder), reaping


def close_run(reaping: subprocess.Popen[bytes]) -> None:
    """Let the reaper stop everything and remove the folder, and wait for it."""
    if reaping.stdin is not None:
        reaping.stdin.close()
    reaping.wait(reaper.PATIENCE + 20)


def _base_folder() -> Path:
    """The system's temporary folder, unless it is too long for sockets or closed to other users (0700 folders of root)."""
    chosen = Path(tempfile.gettempdir()).resolve()
    passable = all(folder.stat().st_mode & 0o001 for folder in (chosen, *chosen.parents))
    return chosen if passable and len(str(chosen)) <= _LONGEST_FOLDER else Path("/tmp")  # noqa: S108
