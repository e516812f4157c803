"""One check of a call or redirect: what was expected, what came, and the fix. What refusals, warnings and explanations are made of.

In words. A check never holds a token, a key, a link's secret, a password or a role code: what came from outside is quoted in part
and without anything that looks like a secret of ours, whoever sent it and wherever it stood. What is kept is bounded too: anybody
can be refused, and what anybody sends must neither fill the database nor be more than a database can hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

MOST_CHECKS = 60
MOST_NAME = 200
MOST_TEXT = 1000
"""Characters of what was expected and what came, as they are kept."""

_NOT_EVALUATED = "not evaluated"
"""In place of what came. A row of the version before has no other member for it, and shows it as it is."""

_OUR_SECRET = re.compile(r"(idh[a-z]_)[\w-]+", re.IGNORECASE)
"""What every secret that we hand out begins with (idp.opaque.new_secret)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, whether it held, what was expected and what came (in words, without secrets), and the fix."""

    name: str
    held: bool
    expected: str = ""
    came: str = ""
    fix: str = ""

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Check:
        """A check as it was stored, by this version or the one beside it: what is missing is empty, what is unknown is ignored."""
        told = {name: str(stored.get(name, "")) for name in ("name", "expected", "came", "fix")}
        return cls(held=bool(stored.get("held")), **told)

    @classmethod
    def unevaluated(cls, name: str) -> Check:
        """A check that could not be asked, because what it rests on is faulty."""
        return cls(name, held=False, came=_NOT_EVALUATED)

    @property
    def evaluated(self) -> bool:
        """Whether it could be asked; one that could not is neither held nor failed."""
        return self.held or self.came != _NOT_EVALUATED

    @property
    def failed(self) -> bool:
        """Whether it was asked and did not hold."""
        return not self.held and self.evaluated

    def without_secrets(self) -> Check:
        """The same check, with whatever looks like a secret of ours cut down to its kind."""
        return replace(
            self, name=without_secrets(self.name), expected=without_secrets(self.expected), came=without_secrets(self.came)
        )

    def as_kept(self) -> Check:
        """The same check without secrets, each text printable and bounded."""
        return Check(
            shortened(without_secrets(self.name), MOST_NAME),
            self.held,
            shortened(without_secrets(self.expected), MOST_TEXT),
            shortened(without_secrets(self.came), MOST_TEXT),
            shortened(self.fix, MOST_TEXT),
        )


def as_kept(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Checks as they are kept: the first MOST_CHECKS, each as Check.as_kept."""
    return tuple(check.as_kept() for check in list(checks)[:MOST_CHECKS])


def without_secrets(text: str) -> str:
    """A text with whatever looks like a secret of ours cut down to its kind."""
    return _OUR_SECRET.sub(r"\1...", text)


def shortened(text: str, most: int) -> str:
    """A text that every database and every terminal can hold: at most so many characters, what cannot be printed replaced."""
    cut = text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return cut if cut.isprintable() else "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in cut)
