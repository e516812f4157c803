"""Released claims as members of an id_token or a UserInfo answer (OIDC Core 5.1, 5.3.2): plain data for a JSON library."""

from __future__ import annotations

from typing import Any

from claims.mapping import Released, Value


def members(released: Released) -> dict[str, Any]:
    """A fresh dict in the order of the rules: str, bool, int, list of str, list of dict. An instant is a NumericDate.

    The protocol adds its own members (iss, sub, aud, ...) beside these; no released claim has such a name.
    """
    return {claim.name: _json(claim.value) for claim in released.claims}


def _json(value: Value) -> Any:
    if not isinstance(value, tuple):
        return value
    return [part if isinstance(part, str) else dict(part) for part in value]
