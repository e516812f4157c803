"""One check of a call or redirect: what was expected, what came, and the fix. What refusals, warnings and explanations are made of.

In words. A check never holds a token, a key, a link's secret, a password or a role code: what came from outside is quoted in part
and without anything that looks like a secret of ours, whoever sent it and wherever it stood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

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

    def without_secrets(self) -> Check:
        """The same check, with whatever looks like a secret of ours cut down to its kind."""
        return replace(
            self, name=without_secrets(self.name), expected=without_secrets(self.expected), came=without_secrets(self.came)
        )


def without_secrets(text: str) -> str:
    """A text with whatever looks like a secret of ours cut down to its kind."""
    return _OUR_SECRET.sub(r"\1...", text)
