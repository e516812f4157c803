"""Values without meaning: ids, bearer secrets and their digests.

A bearer secret has 256 random bits, is shown once and stored as its SHA-256 digest only: with that much entropy a slow hash
adds nothing. Secrets that people choose (passwords, role codes) are hashed elsewhere, with a key or slowly.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from typing import NewType

import uuid_utils

Digest = NewType("Digest", str)
"""SHA-256 of a bearer secret, lower-case hex."""

_REFERENCE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""No letter or digit that is misread on the telephone (0/O, 1/I/L, U/V)."""


def new_id() -> uuid.UUID:
    """A fresh UUIDv7 (RFC 9562 5.7): ordered by time, so that indexes grow at one end."""
    return uuid.UUID(int=uuid_utils.uuid7().int)


def new_secret(prefix: str = "") -> str:
    """256 random bits, base64url, behind an optional prefix that lets scanners and people recognise the kind."""
    return prefix + secrets.token_urlsafe(32)


def new_reference() -> str:
    """Ten characters that can be read out on the telephone (49 bits): what a refusal page shows."""
    return "".join(secrets.choice(_REFERENCE_ALPHABET) for _ in range(10))


def digest(secret: str) -> Digest:
    """What is stored of a bearer secret."""
    return Digest(hashlib.sha256(secret.encode()).hexdigest())


def same(left: str, right: str) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
