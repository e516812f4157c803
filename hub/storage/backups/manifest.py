"""What a backup says of itself: `manifest.json`, sealed under the master key.

The seal is an HMAC over everything else in the file, checksums included. So a backup that was cut off, damaged, put together from
two, or changed by somebody without the master key is refused before anything is touched; and so is another hub's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal

from idp.secrets import derive_for_backups, master_key_id

FORMAT = 1
NAME = "manifest.json"
_MOST_BYTES = 65_536
_BLOCK = 1 << 20

Kind = Literal["sqlite", "postgresql"]


class BackupRefused(Exception):
    """A backup or a restore cannot be done, and nothing was changed; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup. `created_at` RFC 3339; `file`: the name of its one data file; `server`: PostgreSQL's major version, or 0."""

    created_at: str
    version: str
    revision: str
    database: Kind
    server: int
    schema: str
    file: str
    size: int
    sha256: str
    master_key_id: str
    format: int = FORMAT

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.created_at)


def write(folder: Path, manifest: Manifest, master_key: bytes) -> None:
    """Write the manifest, readable by its owner only, and make sure that it is on the disk."""
    content = asdict(manifest) | {"seal": _seal(manifest, master_key)}
    descriptor = os.open(folder / NAME, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path, master_keys: Sequence[bytes]) -> Manifest:
    """The manifest of a backup that one of our master keys sealed. BackupRefused."""
    try:
        with _open(folder / NAME) as file:
            content = json.loads(file.read(_MOST_BYTES))
    except FileNotFoundError:
        raise BackupRefused(f"{folder} is not a backup: it has no {NAME}") from None
    except (OSError, ValueError, RecursionError) as fault:
        raise BackupRefused(f"{folder / NAME} cannot be read: {getattr(fault, 'strerror', None) or 'it is damaged'}") from fault
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise BackupRefused(f"{folder / NAME} is damaged")
    if content["format"] > FORMAT:
        raise BackupRefused(f"{folder} was made by a newer version of the hub ({content.get('version')}): restore it with that one")
    seal = content.pop("seal", "")
    try:
        made = Manifest(**content)
    except TypeError:
        raise BackupRefused(f"{folder / NAME} is damaged") from None
    if not all(type(getattr(made, field.name)).__name__ == _type_name(field.type) for field in fields(Manifest)):
        raise BackupRefused(f"{folder / NAME} is damaged")
    key = next((each for each in master_keys if master_key_id(each) == made.master_key_id), None)
    if key is None:
        raise BackupRefused(
            f"{folder} was made under another master key ({made.master_key_id}): start with that one,"
            " or name it in IDHUB_PREVIOUS_MASTER_KEYS"
        )
    if not isinstance(seal, str) or not hmac.compare_digest(seal.encode(), _seal(made, key).encode()):
        raise BackupRefused(f"{folder / NAME} was changed after the backup was made")
    if Path(made.file).name != made.file:
        raise BackupRefused(f"{folder / NAME} is damaged")
    return made


def digest(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    with _open(path) as file:
        return copy(file, lambda _block: None)


def copy_checked(manifest: Manifest, folder: Path, take: Callable[[bytes], object]) -> None:
    """Hand the data file to `take`, block by block. BackupRefused at the end when it is not what the manifest says."""
    path = folder / manifest.file
    try:
        with _open(path) as file:
            found = copy(file, take)
    except FileNotFoundError:
        raise BackupRefused(f"{folder} is not whole: {manifest.file} is missing") from None
    if found != (manifest.size, manifest.sha256):
        what = "is cut off" if found[0] < manifest.size else "is damaged"
        raise BackupRefused(f"{path} {what}: it does not agree with the checksum in {NAME}")


def copy(file: BinaryIO, take: Callable[[bytes], object]) -> tuple[int, str]:
    """Read to the end. Size and SHA-256 of what was read."""
    size, found = 0, hashlib.sha256()
    while block := file.read(_BLOCK):
        size += len(block)
        found.update(block)
        take(block)
    return size, found.hexdigest()


def _open(path: Path) -> BinaryIO:
    # A pipe or a device in the place of a file must not hold us.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    return os.fdopen(descriptor, "rb")


def _seal(manifest: Manifest, master_key: bytes) -> str:
    text = json.dumps(asdict(manifest), sort_keys=True, separators=(",", ":"))
    return hmac.new(derive_for_backups(master_key), text.encode(), hashlib.sha256).hexdigest()


def _type_name(annotation: object) -> str:
    return "str" if annotation == "Kind" else str(annotation)
