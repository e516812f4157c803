"""A search among a payer's accounts. The page's script (hub.js, `fold`) finds the same."""

from __future__ import annotations

import unicodedata

MOST_QUERY = 100
"""Characters of a query; more are cut off."""


def finds(query: str, text: str) -> bool:
    """Whether every word of the query is part of the text: in any case, without accents, with or without the dashes of a number."""
    folded = _fold(text)
    bare = "".join(character for character in folded if character.isalnum())
    return all(word in folded or word in bare for word in _fold(query).split())


def _fold(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text)
    return "".join(character for character in apart if not unicodedata.category(character).startswith("M")).lower()
