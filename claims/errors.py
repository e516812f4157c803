"""What this package raises: mistakes of its caller, never a reason to tell a payer.

    ClaimsError
    ├── UnknownFact       a name that the catalogue does not have
    └── MalformedFacts    a snapshot that cannot be: an instant without a zone, a custom field 61

What is expected to say no does not raise: `check` returns faults, `evaluate` returns `Refused`.
"""

from __future__ import annotations


class ClaimsError(Exception):
    """Any of the reasons below."""


class UnknownFact(ClaimsError):
    """A fact was asked for by a name that the catalogue does not have; `name` is it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no fact {name!r}")
        self.name = name


class MalformedFacts(ClaimsError):
    """A snapshot was made from values that cannot be. The message names the field, never the value."""
