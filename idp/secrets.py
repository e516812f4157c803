"""Secrets at rest: envelope encryption, and keys derived for one purpose each.

    master key (environment or file)
      └─ HKDF label "wrap"       -> wraps one random data key per biller (row in `data_keys`; BID 0 is the installation's)
           └─ data key           -> AES-256-GCM over a value, bound to (biller, table, row, column)
                └─ HKDF label    -> HMAC keys of one purpose: role codes, CSRF, links, names

A ciphertext moved to another row, column or biller does not open. Its text is `v1.{data key id}.{base64url(nonce + sealed)}`.
Changing the master key re-wraps the data keys only (`idhub secrets rotate`). A database that was written under another master
key is told at the start, in one line, by the canary in the installation's data key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from idp.errors import DamagedCiphertext
from idp.opaque import new_id

INSTALLATION = 0
"""The BID under which the installation's own secrets are kept."""

Label = Literal["role-code", "csrf", "link", "name", "frame", "code", "pairwise", "idempotency", "erasure", "cursor"]
"""What a derived key is for. One purpose, one key."""

_OTHER_MASTER_KEY = (
    "the database was written under another master key: start with that one, or name it in IDHUB_PREVIOUS_MASTER_KEYS"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ciphertext lives: opening it anywhere else fails."""

    bid: int
    table: str
    row: str
    column: str

    def associated(self) -> bytes:
        return "\x1f".join((str(self.bid), self.table, self.row, self.column)).encode()


@dataclass(frozen=True, slots=True)
class DataKey:
    """A biller's data key, wrapped under a master key."""

    id: UUID
    bid: int
    wrapped: str


class DataKeyStore(Protocol):
    """Rows of wrapped data keys, committed on their own."""

    def find_data_key(self, bid: int) -> DataKey | None:
        """The biller's data key."""
        ...

    def add_data_key(self, key: DataKey) -> DataKey:
        """Store a new one, unless another worker was first: answers the one that stands."""
        ...

    def list_data_keys(self) -> list[DataKey]:
        """All of them, for re-wrapping."""
        ...

    def replace_wrapping(self, key: DataKey) -> None:
        """Store a key under its new wrapping."""
        ...


class Secrets:
    """Seals and opens values, and derives keys. Safe for threads; unwrapped data keys stay in the process."""

    def __init__(self, master_keys: tuple[bytes, ...], store: DataKeyStore) -> None:
        self._wrappers = tuple(AESGCM(_derive(master, "wrap")) for master in master_keys)
        self._store = store
        self._data_keys: dict[int, tuple[UUID, bytes]] = {}
        self._derived: dict[tuple[int, Label], bytes] = {}
        self._lock = threading.Lock()

    def seal(self, place: Place, value: str) -> str:
        """Encrypt a text for one place."""
        key_id, key = self._data_key(place.bid)
        nonce = os.urandom(12)
        return f"v1.{key_id}.{_encode(nonce + AESGCM(key).encrypt(nonce, value.encode(), place.associated()))}"

    def open(self, place: Place, sealed: str) -> str:
        """Decrypt. DamagedCiphertext when it was altered, moved, or written under another key."""
        version, _, rest = sealed.partition(".")
        named, _, body = rest.partition(".")
        key_id, key = self._data_key(place.bid)
        if version != "v1" or named != str(key_id):
            raise DamagedCiphertext(f"{place.table}.{place.column}: unknown version or data key")
        try:
            raw = _decode(body)
            return AESGCM(key).decrypt(raw[:12], raw[12:], place.associated()).decode()
        except (InvalidTag, ValueError) as fault:
            raise DamagedCiphertext(f"{place.table}.{place.column} does not open") from fault

    def derive(self, bid: int, label: Label) -> bytes:
        """32 bytes for one biller and one purpose; the same for ever, whatever the master key does."""
        known = self._derived.get((bid, label))
        if known is None:
            known = _derive(self._data_key(bid)[1], label)
            self._derived[bid, label] = known
        return known

    def mac(self, bid: int, label: Label, message: str) -> str:
        """HMAC-SHA256 in hex under the derived key."""
        return hmac.new(self.derive(bid, label), message.encode(), hashlib.sha256).hexdigest()

    def check(self) -> None:
        """Open the installation's data key (making it on a new database). DamagedCiphertext: this is another master key."""
        self._data_key(INSTALLATION)

    def prepare(self, bid: int) -> None:
        """Make the biller's data key now: making one inside a transaction of SQLite would wait for that transaction."""
        self._data_key(bid)

    def rewrap(self) -> int:
        """Put every data key under the present master key. How many were changed."""
        changed = 0
        for key in self._store.list_data_keys():
            if not self._opens_with_present(key):
                self._store.replace_wrapping(self._wrap(key.id, key.bid, self._unwrap(key)))
                changed += 1
        return changed

    def _data_key(self, bid: int) -> tuple[UUID, bytes]:
        known = self._data_keys.get(bid)
        if known is None:
            with self._lock:
                row = self._store.find_data_key(bid)
                if row is None:
                    row = self._store.add_data_key(self._wrap(new_id(), bid, os.urandom(32)))
                known = (row.id, self._unwrap(row))
                self._data_keys[bid] = known
        return known

    def _wrap(self, key_id: UUID, bid: int, raw: bytes) -> DataKey:
        nonce = os.urandom(12)
        return DataKey(key_id, bid, _encode(nonce + self._wrappers[0].encrypt(nonce, raw, _key_place(key_id, bid))))

    def _unwrap(self, key: DataKey) -> bytes:
        for wrapper in self._wrappers:
            if (raw := _try_unwrap(wrapper, key)) is not None:
                return raw
        raise DamagedCiphertext(_OTHER_MASTER_KEY)

    def _opens_with_present(self, key: DataKey) -> bool:
        return _try_unwrap(self._wrappers[0], key) is not None


def check_data_keys(master_keys: tuple[bytes, ...], keys: Iterable[DataKey]) -> None:
    """Open every data key, writing nothing. DamagedCiphertext when one was wrapped under another master key."""
    wrappers = tuple(AESGCM(_derive(master, "wrap")) for master in master_keys)
    for key in keys:
        if all(_try_unwrap(wrapper, key) is None for wrapper in wrappers):
            raise DamagedCiphertext(_OTHER_MASTER_KEY)


def master_key_id(master_key: bytes) -> str:
    """A name for a master key that says nothing about it: 16 hex digits."""
    return _derive(master_key, "id").hex()[:16]


def derive_for_backups(master_key: bytes) -> bytes:
    """The key that seals a backup's manifest."""
    return _derive(master_key, "backup")


def _try_unwrap(wrapper: AESGCM, key: DataKey) -> bytes | None:
    raw = _decode(key.wrapped)
    try:
        return wrapper.decrypt(raw[:12], raw[12:], _key_place(key.id, key.bid))
    except InvalidTag:
        return None


def _key_place(key_id: UUID, bid: int) -> bytes:
    return f"data-key\x1f{bid}\x1f{key_id}".encode()


def _derive(key: bytes, label: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"idhub/{label}".encode()).derive(key)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
