"""Quoting: how mails show what others wrote (user names, names, account numbers, names of partners).

In quotation marks, on one line, at most 40 characters, without characters that nobody sees, and without a web address: a name must
pose neither as our words nor as a link. What was cut ends in an ellipsis. Names are refused such things when they are set
(idp.directory.names); this is for those from before, and for texts that may hold them.
"""

from __future__ import annotations

import re
import unicodedata

MOST_CHARACTERS = 40
_ADDRESS = re.compile(r"\S*(?:://|\bwww\.)\S*|[\w-]+(?:\.[\w-]+)+/\S*", re.IGNORECASE)
_ELLIPSIS = "…"


def quoted(text: str) -> str:
    """`Your bill: pay at https://evil.example` is `"Your bill: pay at …"`."""
    shown = one_line(text).replace('"', "'")
    address = _ADDRESS.search(shown)
    if address is not None:
        shown = shown[: address.start()] + _ELLIPSIS
    if len(shown) > MOST_CHARACTERS:
        shown = shown[: MOST_CHARACTERS - 1].rstrip() + _ELLIPSIS
    return f'"{shown}"'


def one_line(text: str) -> str:
    """On one line, without control characters, marks of direction and others that have no width."""
    visible = "".join(" " if each.isspace() else each for each in text if each.isspace() or not _is_hidden(each))
    return " ".join(visible.split())


def _is_hidden(character: str) -> bool:
    # Cc control, Cf format (bidi, zero width, soft hyphen), Cs surrogate, Co private use, Cn not assigned, Zl and Zp separators.
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
