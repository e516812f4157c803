"""What libraries say about a value, in our words; and what a misspelt word was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "int_parsing": "a whole number is expected",
        "int_type": "a whole number is expected",
        "int_from_float": "a whole number is expected",
        "int_parsing_size": "a smaller number is expected",
        "bool_parsing": "yes or no is expected",
        "bool_type": "yes or no is expected",
        "string_type": "a text is expected",
        "literal_error": "one of {expected} is expected",
        "enum": "one of {expected} is expected",
        "greater_than_equal": "at least {ge} is expected",
        "greater_than": "more than {gt} is expected",
        "less_than_equal": "at most {le} is expected",
        "less_than": "less than {lt} is expected",
        "string_too_long": "at most {max_length} characters are allowed",
        "string_too_short": "at least {min_length} characters are required",
        "missing": "is required",
    }
)


_SHORT = 4
"""In words of so many letters, one that is wrong weighs more."""


def in_words(fault: ErrorDetails, *, pattern: str = "has the wrong form") -> str:
    """A pydantic fault (with its context) as half a sentence that says what is expected. `pattern`: for texts of a fixed form."""
    context = fault.get("ctx", {})
    if fault["type"] == "value_error":
        return str(context.get("error", "is not valid"))
    if fault["type"] == "string_pattern_mismatch":
        return pattern
    return _WORDS.get(fault["type"], "is not valid").format_map(context)


def did_you_mean(word: str, known: Iterable[str], *, before: str = "") -> str:
    """` Did you mean X?`, or "" where nothing is near. `before`: what all of the words begin with besides."""
    from difflib import get_close_matches

    by_folded = {each.casefold(): each for each in known}
    near = get_close_matches(word.casefold()[:100], by_folded, n=1, cutoff=0.6 if len(word) <= _SHORT else 0.7)
    return f" Did you mean {before}{by_folded[near[0]]}?" if near else ""
