"""Back up and restore, step by step, on whichever database the settings name.

    back up    a partial folder -> the data -> checked as a restore would -> manifest, sealed -> the folder gets its name
    restore    the manifest -> a schema and a master key that we know -> nobody uses the database -> the data, checked beside the
               present database -> the swap, all or nothing -> tokens and sessions void

Nothing that is there is touched before everything that can be checked was checked, and what is there goes aside, not away.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from hub.storage.backups import manifest as manifests
from hub.storage.backups import postgres, sqlite
from hub.storage.backups.folder import new_folder
from hub.storage.backups.key_value import KeyValueStore
from hub.storage.backups.manifest import BackupRefused, Manifest
from hub.storage.migrations import head
from hub.storage.presence import claim, join, sqlite_file
from idp.clock import Clock
from idp.errors import DamagedCiphertext
from idp.secrets import DataKey, check_data_keys, master_key_id
from idp.settings import Settings


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did. `aside`: where the data that was there before is now, None: there was none. `pending`: run migrate."""

    manifest: Manifest
    aside: str | None
    pending: bool


def back_up(settings: Settings, target: Path, clock: Clock, version: str) -> Manifest:
    """Make a backup in a new folder while the hub runs. BackupRefused, StoreUnavailable, SettingsError."""
    keys = settings.master_keys()
    file = sqlite_file(settings.database_url)
    with closing(join(settings.database_url)), new_folder(target) as folder:
        now = clock.now().astimezone(UTC)
        if file is not None:
            data = folder / "hub.sqlite3"
            sqlite.copy_live(file, data)
            sqlite.check_whole(data, str(file))
            revision, schema, server = sqlite.revision_of(data), "", 0
            data_keys = sqlite.data_keys_of(data) if revision else []
        else:
            data = folder / "hub.dump"
            dumped = postgres.dump(_direct(settings), settings.postgres_bin, data)
            revision, schema, server, data_keys = dumped.revision, dumped.schema, dumped.server, dumped.data_keys
        if revision is None:
            raise BackupRefused("the database has never been migrated: there is nothing to back up")
        _check_keys(keys, data_keys)
        size, sha256 = manifests.digest(data)
        made = Manifest(
            created_at=now.isoformat(timespec="seconds"),
            version=version,
            revision=revision,
            database="postgresql" if file is None else "sqlite",
            server=server,
            schema=schema,
            file=data.name,
            size=size,
            sha256=sha256,
            master_key_id=master_key_id(keys[0]),
        )
        manifests.write(folder, made, keys[0])
    return made


def restore(settings: Settings, backup: Path, clock: Clock, agree: Callable[[Manifest, bool], None]) -> Restored:
    """Put a backup in the place of the database. BackupRefused, StoreUnavailable, SettingsError.

    `agree` is asked before anything is touched, with whether there is a database already; it raises to stop.
    """
    keys = settings.master_keys()
    made = manifests.read(backup, keys)
    if made.revision > head():
        raise BackupRefused(
            f"{backup} is at revision {made.revision} (version {made.version}), and this program knows revisions up to {head()}:"
            " install that version first"
        )
    file = sqlite_file(settings.database_url)
    if (file is None) != (made.database == "postgresql"):
        raise BackupRefused(f"{backup} is of {made.database}, and IDHUB_DATABASE_URL names another kind of database")
    key_value = KeyValueStore(settings.keyvalue_url)
    key_value.check()
    stamp = clock.now().astimezone(UTC).strftime("%Y%m%dt%H%M%S_%f")
    if file is None:
        aside = _restore_postgres(settings, backup, made, f"{postgres.ASIDE}{stamp}", key_value, agree)
    else:
        aside = _restore_sqlite(settings, file, backup, made, stamp, key_value, agree)
    return Restored(made, aside, made.revision < head())


def _restore_sqlite(
    settings: Settings,
    file: Path,
    backup: Path,
    made: Manifest,
    stamp: str,
    key_value: KeyValueStore,
    agree: Callable[[Manifest, bool], None],
) -> str | None:
    if not file.parent.is_dir():
        raise BackupRefused(f"{file.parent} is not a folder: make it first")
    aside = file.with_name(f"{file.name}.{postgres.ASIDE}{stamp}")
    if os.path.lexists(aside):
        raise BackupRefused(f"{aside} exists already")
    with closing(claim(settings.database_url)) as held:
        agree(made, file.exists())
        restoring = sqlite.new_file_beside(file)
        try:
            with restoring.open("wb") as target:
                manifests.copy_checked(made, backup, target.write)
                target.flush()
                os.fsync(target.fileno())
            sqlite.check_whole(restoring, str(backup / made.file))
            if sqlite.revision_of(restoring) != made.revision:
                raise BackupRefused(f"{backup} is damaged: the file has another revision than the manifest says")
            _check_keys(settings.master_keys(), sqlite.data_keys_of(restoring))
            sqlite.settle(file)
            there = sqlite.swap(held, file, restoring, aside, key_value.void)
        except OSError as fault:
            raise BackupRefused(f"{fault.filename or restoring}: {fault.strerror}") from fault
        finally:
            sqlite.remove(restoring)
    return str(aside) if there else None


def _restore_postgres(
    settings: Settings,
    backup: Path,
    made: Manifest,
    aside: str,
    key_value: KeyValueStore,
    agree: Callable[[Manifest, bool], None],
) -> str | None:
    url = _direct(settings)
    programs = postgres.check_ready(url, settings.postgres_bin, made.schema)
    manifests.copy_checked(made, backup, lambda _block: None)
    agree(made, postgres.revision_of(url) is not None)
    there = postgres.restore(url, programs, backup / made.file, made.revision, made.schema, aside, key_value.void)
    return f"schema {aside}" if there else None


def _direct(settings: Settings) -> str:
    return settings.direct_database_url or settings.database_url


def _check_keys(master_keys: tuple[bytes, ...], data_keys: list[DataKey]) -> None:
    try:
        check_data_keys(master_keys, data_keys)
    except DamagedCiphertext as fault:
        raise BackupRefused(str(fault.detail)) from fault
