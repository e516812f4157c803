"""Where the servers and programs of tests and benchmarks are, and how they come onto a fresh machine.

Standard library only: it runs before `.venv` exists. The one question is `find(thing)`; tests, benchmarks and `make` all ask it.

    1. its own variable (IDHUB_TEST_POSTGRES_BIN=/folder, IDHUB_TEST_REDIS_SERVER=/file, ...): it is right, or it is an error
    2. the PATH, then the known folders of Debian
    3. `python tools/provision.py test` installs ALL that is missing with one `apt-get install`, as root or through sudo,
       makes no database cluster and starts no daemon
    4. else one line that names the thing and the command, and exit status 1

`IDHUB_TEST_ALLOW_MISSING=chromium,...` lets a test run go on without a thing; its tests are then skipped, counted and named.

    python tools/provision.py test | bench      find, install what is missing, say where everything is
    python tools/provision.py where THING       print the path, or fail
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ALLOW_MISSING = "IDHUB_TEST_ALLOW_MISSING"
OLDEST_POSTGRES = 14

_POLICY = Path("/usr/sbin/policy-rc.d")
_CREATE_CLUSTER = Path("/etc/postgresql-common/createcluster.conf")


class Unfit(Exception):
    """A variable names something that cannot be used; the message says what and why in one line."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A program that the project needs and does not carry."""

    name: str
    variable: str
    """Environment variable that names the file, or for PostgreSQL the folder of its programs."""
    programs: tuple[str, ...]
    """Any of these names; for PostgreSQL all of them in one folder."""
    folders: tuple[str, ...]
    """Known places off the PATH, as globs."""
    packages: tuple[str, ...]
    """Debian packages."""
    is_folder: bool = False


POSTGRESQL = Thing(
    "postgresql",
    "IDHUB_TEST_POSTGRES_BIN",
    ("initdb", "postgres"),
    ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin"),
    ("postgresql",),
    is_folder=True,
)
REDIS = Thing("redis", "IDHUB_TEST_REDIS_SERVER", ("redis-server",), ("/usr/bin", "/usr/local/bin"), ("redis-server",))
PGBOUNCER = Thing("pgbouncer", "IDHUB_TEST_PGBOUNCER", ("pgbouncer",), ("/usr/sbin", "/usr/bin", "/usr/local/bin"), ("pgbouncer",))
NGINX = Thing("nginx", "IDHUB_TEST_NGINX", ("nginx",), ("/usr/sbin", "/usr/bin", "/usr/local/sbin"), ("nginx-light",))
CHROMIUM = Thing("chromium", "IDHUB_TEST_CHROMIUM", ("chromium", "chromium-browser"), ("/usr/bin",), ("chromium",))
WEBKIT = Thing("webkit", "IDHUB_TEST_WEBKIT", ("WebKitWebDriver",), ("/usr/bin", "/usr/local/bin"), ("webkit2gtk-driver",))
XVFB = Thing("xvfb", "IDHUB_TEST_XVFB", ("Xvfb",), ("/usr/bin", "/usr/local/bin"), ("xvfb",))
DOCKER_COMPOSE = Thing(
    "docker-compose", "IDHUB_TEST_DOCKER_COMPOSE", ("docker-compose",), ("/usr/bin", "/usr/local/bin"), ("docker-compose",)
)
CURL = Thing("curl", "IDHUB_TEST_CURL", ("curl",), ("/usr/bin", "/usr/local/bin"), ("curl",))
WRK = Thing("wrk", "IDHUB_BENCH_WRK", ("wrk",), ("/usr/bin", "/usr/local/bin"), ("wrk",))

THINGS: Mapping[str, Thing] = {
    thing.name: thing for thing in (POSTGRESQL, REDIS, PGBOUNCER, NGINX, CHROMIUM, WEBKIT, XVFB, DOCKER_COMPOSE, CURL, WRK)
}
NEEDS: Mapping[str, tuple[str, ...]] = {
    "test": ("postgresql", "redis", "pgbouncer", "nginx", "chromium", "webkit", "xvfb", "docker-compose", "curl"),
    "bench": ("postgresql", "redis", "wrk"),
}


def find(name: str, environment: Mapping[str, str] | None = None) -> Path | None:
    """The program's file (for `postgresql` the folder with initdb and postgres), or None where the machine has none.

    Raises Unfit when the thing's variable is set and wrong: what was asked for by name is never replaced in silence.
    """
    thing = THINGS[name]
    source = os.environ if environment is None else environment
    if chosen := source.get(thing.variable):
        path = Path(chosen)
        if not _is_fit(thing, path):
            wanted = f"a folder with {' and '.join(thing.programs)}" if thing.is_folder else "a program"
            raise Unfit(f"{thing.variable}={chosen} is not {wanted}")
        return path.absolute()
    candidates = (*_on_path(thing, source.get("PATH", os.defpath)), *_in_known_folders(thing))
    return next((path for path in candidates if _is_fit(thing, path)), None)


def missing_hint(name: str) -> str:
    """One line that names the thing and what to do about it."""
    thing = THINGS[name]
    return (
        f"{name} is missing; run: sudo apt-get install -y --no-install-recommends {' '.join(thing.packages)} "
        f"(or set {thing.variable}, or {ALLOW_MISSING}={name} to skip its tests)"
    )


def allowed_missing(environment: Mapping[str, str] | None = None) -> frozenset[str]:
    """What a test run may go without. Raises Unfit for a name that is no thing."""
    source = os.environ if environment is None else environment
    names = frozenset(part.strip() for part in source.get(ALLOW_MISSING, "").split(",") if part.strip())
    if unknown := sorted(names - set(THINGS)):
        raise Unfit(f"{ALLOW_MISSING}: there is no {', '.join(unknown)}; known: {', '.join(THINGS)}")
    return names


def _on_path(thing: Thing, search: str) -> Iterator[Path]:
    for program in thing.programs:
        if found := shutil.which(program, path=search):
            # A link on the PATH leads to the folder where the other programs of the server are.
            yield Path(found).resolve().parent if thing.is_folder else Path(found)


def _in_known_folders(thing: Thing) -> Iterator[Path]:
    for pattern in thing.folders:
        folders = sorted(Path("/").glob(pattern.lstrip("/")), key=_by_version, reverse=True)
        for folder in folders:
            if thing.is_folder:
                yield folder
            else:
                yield from (folder / program for program in thing.programs)


def _by_version(folder: Path) -> tuple[int, ...]:
    """15 before 9.6 when sorted in reverse."""
    return tuple(int(number) for number in re.findall(r"\d+", str(folder)))


def _is_fit(thing: Thing, path: Path) -> bool:
    if not thing.is_folder:
        return path.is_file() and os.access(path, os.X_OK)
    if not all(os.access(path / program, os.X_OK) for program in thing.programs):
        return False
    told = subprocess.run([path / "postgres", "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"(\d+)", told.stdout)
    return version is not None and int(version.group(1)) >= OLDEST_POSTGRES


# --- installing ----------------------------------------------------------------------------------------------------------


def provide(purpose: str) -> int:
    """Find everything that `purpose` (test, bench) needs, install what is missing, say where it is. The exit status."""
    excused = allowed_missing() if purpose == "test" else frozenset()
    missing = [name for name in NEEDS[purpose] if find(name) is None and name not in excused]
    if missing and not _install(missing):
        for name in missing:
            _say(missing_hint(name), error=True)
        return 1
    status = 0
    for name in NEEDS[purpose]:
        path = find(name)
        if path is None and name not in excused:
            _say(missing_hint(name), error=True)
            status = 1
        else:
            _say(f"{name}: {path or f'not here; its tests are skipped ({ALLOW_MISSING})'}")
    return status


def _install(names: Sequence[str]) -> bool:
    """One apt-get for all, as root or through sudo. False where that cannot be done or did not work."""
    if not shutil.which("apt-get"):
        return False
    packages = [package for name in names for package in THINGS[name].packages]
    command = [sys.executable, str(Path(__file__).resolve()), "apt", *packages]
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            return False
        command = ["sudo", *([] if sys.stdin.isatty() else ["-n"]), *command]
    _say(f"installing Debian packages (no cluster is made, no daemon started): {' '.join(packages)}")
    return subprocess.run(command, check=False).returncode == 0


def apt_install(packages: Sequence[str]) -> int:
    """As root: install the packages and leave the machine's own configuration as it was. The exit status of apt-get."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "UCF_FORCE_CONFFOLD": "1", "LC_ALL": "C.UTF-8"}
    options = ("-q", "-o", "DPkg::Lock::Timeout=300")
    with _interruptible(), _no_daemon_starts(), _no_cluster_is_made():
        # A mirror that is down must not matter when the package lists at hand are good enough: the install decides.
        subprocess.run(["apt-get", *options, "update"], env=environment, check=False)
        install = ["apt-get", *options, "install", "-y", "--no-install-recommends", *packages]
        return subprocess.run(install, env=environment, check=False).returncode


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that what is put aside below comes back."""

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _no_daemon_starts() -> Iterator[None]:
    """Debian asks policy-rc.d before a package may start a service; 101 means: not allowed."""
    with _replaced(_POLICY, "#!/bin/sh\nexit 101\n", 0o755):
        yield


@contextmanager
def _no_cluster_is_made() -> Iterator[None]:
    fresh = not _CREATE_CLUSTER.exists()
    old = "" if fresh else _CREATE_CLUSTER.read_text(encoding="utf-8")
    kept = [line for line in old.splitlines() if not re.match(r"\s*create_main_cluster\b", line)]
    with _replaced(_CREATE_CLUSTER, "\n".join([*kept, "create_main_cluster = false", ""]), 0o644):
        yield
    # The package put its own file beside ours, because ours was there first.
    packaged = _CREATE_CLUSTER.with_name(f"{_CREATE_CLUSTER.name}.ucf-dist")
    if fresh and packaged.exists():
        packaged.replace(_CREATE_CLUSTER)


@contextmanager
def _replaced(path: Path, text: str, mode: int) -> Iterator[None]:
    """The file with other content for a while; afterwards the old one, or none where there was none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.before-identity-hub")
    # One that is still there was left by a run that was killed: it is the machine's own, the present one is not.
    if path.exists() and not aside.exists():
        path.rename(aside)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if aside.exists():
            aside.rename(path)


def _say(text: str, *, error: bool = False) -> None:
    stream = sys.stderr if error else sys.stdout
    stream.write(f"provision: {text}\n")
    stream.flush()


def main(arguments: Sequence[str]) -> int:
    """The command line of the module's docstring."""
    try:
        match arguments:
            case ["test" | "bench" as purpose]:
                return provide(purpose)
            case ["where", name] if name in THINGS:
                path = find(name)
                if path is None:
                    _say(missing_hint(name), error=True)
                    return 1
                sys.stdout.write(f"{path}\n")
                return 0
            case ["apt", *packages] if packages:
                return apt_install(packages)
            case _:
                sys.stderr.write(f"usage: provision.py test | bench | where {'|'.join(THINGS)}\n")
                return 2
    except Unfit as fault:
        _say(str(fault), error=True)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
