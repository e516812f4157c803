"""Cursors: where a list goes on, as an opaque text that the caller sends back unchanged.

    base64url(JSON [whose, ...position])     whose = 16 hex digits of SHA-256 over the list's name

The name says which list it is, of which biller, and of whom (`diagnostics/9001/{partner}`), so a cursor is good for one list. A
caller can craft one, and only moves within its own list by it; whatever the list could not have given itself is none of ours.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Sequence

from idp.errors import FieldError, InvalidFields

Part = str | int | None
"""What a position is made of."""

MOST_CHARACTERS = 2000
_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")
_MOST_NUMBER = 2**53


def cursor_for(name: str, position: Sequence[Part]) -> str:
    """The cursor of a list at a position."""
    text = json.dumps([_whose(name), *position], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def position_in(name: str, cursor: str, parts: int) -> list[Part] | None:
    """The position that a cursor of this list says, of so many parts; None for everything else."""
    if len(cursor) > MOST_CHARACTERS or not cursor.isascii():
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        said = json.loads(raw.decode())
    except (binascii.Error, ValueError, RecursionError):
        return None
    if not isinstance(said, list) or len(said) != parts + 1 or said[0] != _whose(name):
        return None
    return said[1:] if all(map(_is_part, said[1:])) else None


def not_ours() -> InvalidFields:
    """The refusal of a cursor that is none of this list's."""
    return InvalidFields(
        fields=[FieldError("Cursor", "is not a cursor of this list; send the Cursor of the previous page unchanged")]
    )


def _is_part(each: object) -> bool:
    match each:
        case None:
            return True
        case bool():
            return False
        case int():
            return abs(each) < _MOST_NUMBER
        case str():
            return _UNKEEPABLE.search(each) is None
        case _:
            return False


def _whose(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
