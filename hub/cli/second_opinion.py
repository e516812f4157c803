"""A second opinion on what we sign: python-jose reads it, which shares no code with the library that signed.

The only module that knows python-jose. An error that both libraries have in common would have to be made twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jose import jws
from jose.exceptions import JOSEError

_MOST_CHARACTERS = 8192
_ALGORITHM = "ES256"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What python-jose makes of a token. `reason` says why it does not hold."""

    holds: bool
    reason: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def look_at(token: str, public_keys: Sequence[Mapping[str, Any]]) -> Opinion:
    """Check a compact JWS (RFC 7515 7.1) against the public JWK that its `kid` names. Never raises."""
    if len(token) > _MOST_CHARACTERS:
        return Opinion(False, "longer than a token of ours", {}, {})
    try:
        header: dict[str, Any] = jws.get_unverified_header(token)
        named = [key for key in public_keys if key.get("kid") == header.get("kid")]
        if len(named) != 1:
            return Opinion(False, "its kid names no key of ours", header, {})
        claims = json.loads(jws.verify(token, dict(named[0]), algorithms=[_ALGORITHM]))
    except (JOSEError, ValueError, TypeError, AttributeError) as fault:
        return Opinion(False, str(fault) or type(fault).__name__, {}, {})
    if not isinstance(claims, dict):
        return Opinion(False, "its payload is no JSON object", header, {})
    return Opinion(True, "", header, claims)
