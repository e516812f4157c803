"""What becomes of tokens and sessions after a restore: all are void.

They are newer than the database that came back. A session would name users who are not there yet, and what was spent or revoked
since the backup would have to be known. So a SQLite file is removed, and Redis begins a new epoch (idp.kv): payers sign in again.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from hub.storage.backups import sqlite
from hub.storage.backups.manifest import BackupRefused
from hub.storage.kv_redis import RedisKeyValue
from hub.storage.presence import sqlite_file
from idp.errors import StoreUnavailable


class KeyValueStore:
    """The key-value store of the settings, as a restore sees it."""

    def __init__(self, url: str) -> None:
        self._file = sqlite_file(url)
        if self._file is None and urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
            raise BackupRefused("IDHUB_KEYVALUE_URL: sqlite:///PATH, redis://..., rediss://... or unix://PATH")
        self._url = url

    def check(self) -> None:
        """It can be made void now. BackupRefused: Redis does not answer."""
        if self._file is None:
            store = self._redis()
            try:
                store.check()
            except StoreUnavailable as fault:
                raise BackupRefused(
                    f"tokens and sessions must end with a restore, and the key-value store fails: {fault.detail}"
                ) from fault
            finally:
                store.close()

    def void(self) -> None:
        """End every token and session. StoreUnavailable, OSError."""
        if self._file is not None:
            sqlite.remove(self._file)
            return
        store = self._redis()
        try:
            store.begin_epoch()
        finally:
            store.close()

    def _redis(self) -> RedisKeyValue:
        return RedisKeyValue(self._url, max_connections=1)
