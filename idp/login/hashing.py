"""Hashing: Argon2id for what people choose, in a small bounded pool.

One hash costs some 40 ms of a core and 19 MiB (OWASP password storage, first profile). So only a few are made at once, a few more
wait, and whoever comes beyond that is told `Busy`: passwords can never take the threads that hand-offs and pages are answered by.
The library lets go of the interpreter while it hashes.
"""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import NewType

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from idp.errors import Busy

PasswordHash = NewType("PasswordHash", str)
"""What is stored of a password: scheme, parameters, salt and hash, as Argon2 writes it. Never logged, never answered."""

_SALT_BYTES = 16
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Profile:
    """What one hash costs: memory in KiB, passes over it, lanes."""

    memory: int
    passes: int
    lanes: int


PROFILE = Profile(memory=19 * 1024, passes=2, lanes=1)


class Hasher:
    """Makes and checks hashes; `at_once` on so many threads, while at most `waiting` more wait for their turn."""

    def __init__(self, *, at_once: int, waiting: int, profile: Profile = PROFILE) -> None:
        self._argon = PasswordHasher(
            profile.passes, profile.memory, profile.lanes, hash_len=_HASH_BYTES, salt_len=_SALT_BYTES, encoding="utf-8"
        )
        self._places = threading.Semaphore(at_once + waiting)
        self._slots = threading.Semaphore(at_once)
        self._nobodys = _unmatched(profile)

    def hash(self, password: str) -> PasswordHash:
        """A fresh hash. Busy."""
        with self._slot():
            return PasswordHash(self._argon.hash(password))

    def matches(self, stored: PasswordHash | None, password: str) -> bool:
        """Whether it is the password. None (there is none) costs the same as any other, and is never right. Busy."""
        with self._slot():
            try:
                self._argon.verify(self._nobodys if stored is None else stored, password)
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None

    def is_outdated(self, stored: PasswordHash) -> bool:
        """Whether it was made with other parameters than hashes are made with today."""
        return self._argon.check_needs_rehash(stored)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise Busy("as many passwords as may wait are waiting", retry_after=timedelta(seconds=1))
        try:
            with self._slots:
                yield
        finally:
            self._places.release()


def _unmatched(profile: Profile) -> PasswordHash:
    """A hash of today's cost that no password has: its bytes are random."""
    salt, made = (_unpadded(secrets.token_bytes(length)) for length in (_SALT_BYTES, _HASH_BYTES))
    return PasswordHash(f"$argon2id$v=19$m={profile.memory},t={profile.passes},p={profile.lanes}${salt}${made}")


def _unpadded(value: bytes) -> str:
    return base64.b64encode(value).rstrip(b"=").decode()
