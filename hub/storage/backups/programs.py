"""Finds pg_dump, pg_restore and psql: of one version, not older than the server, whose dumps an older one cannot read.

1. the folder that IDHUB_POSTGRES_BIN names: it is right, or it is an error
2. the PATH
3. Debian's folders, /usr/lib/postgresql/*/bin, the version nearest to the server's first
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hub.storage.backups.manifest import BackupRefused

NAMES = ("pg_dump", "pg_restore", "psql")
_FOLDERS = "usr/lib/postgresql/*/bin"
_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder with all three, and their major version."""

    folder: Path
    version: int

    def command(self, name: str) -> str:
        return str(self.folder / name)


def find(server: int, chosen: Path | None) -> Programs:
    """Programs for a server of this major version. BackupRefused with what to install."""
    if chosen is not None:
        found = _look_at(chosen)
        if found is None:
            raise BackupRefused(f"IDHUB_POSTGRES_BIN: {chosen} is not a folder with {', '.join(NAMES)}")
        if found.version < server:
            raise BackupRefused(
                f"IDHUB_POSTGRES_BIN: {chosen} is PostgreSQL {found.version}, the server is {server}:"
                f" name a folder of {server} or later"
            )
        return found
    there = [found for folder in _folders() if (found := _look_at(folder)) is not None]
    fit = sorted((each for each in there if each.version >= server), key=lambda each: each.version)
    if fit:
        return fit[0]
    if there:
        newest = max(each.version for each in there)
        raise BackupRefused(
            f"pg_dump here is PostgreSQL {newest}, the server is {server}: install postgresql-client-{server} or later,"
            " or name its folder in IDHUB_POSTGRES_BIN"
        )
    raise BackupRefused(
        f"pg_dump, pg_restore and psql are missing: install postgresql-client-{server} or later,"
        " or name their folder in IDHUB_POSTGRES_BIN"
    )


def _folders() -> Iterator[Path]:
    # What Debian has on the PATH is a wrapper that picks a version by clusters of this machine: take what it stands for.
    if on_path := shutil.which("pg_dump"):
        folder = Path(on_path).resolve().parent
        if folder != Path("/usr/share/postgresql-common"):
            yield folder
    yield from sorted(Path("/").glob(_FOLDERS))


def _look_at(folder: Path) -> Programs | None:
    if not all(os.access(folder / name, os.X_OK) for name in NAMES):
        return None
    try:
        told = subprocess.run(  # noqa: S603  (the operator's own programs)
            [folder / "pg_dump", "--version"], capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"(\d+)(?:\.\d+)?", told.stdout)
    return None if told.returncode or version is None else Programs(folder, int(version[1]))
