"""Backups of the database: made whole and checked, or not made; put back whole, or not at all.

    manifest     what a backup says of itself, sealed under the master key: version, revision, time, checksums
    folder       a backup is a folder (0700, files 0600) that appears under its name when it is whole
    sqlite       SQLite: the online backup, and the swap of files
    postgres     PostgreSQL: pg_dump, and pg_restore in one transaction; `programs` finds them
    key_value    what becomes of tokens and sessions: all are void after a restore
    verbs        back_up and restore: the steps in their order

The master key is in no backup: whoever has both can read everything.
"""

from __future__ import annotations

from hub.storage.backups.manifest import BackupRefused

__all__ = ["BackupRefused"]
