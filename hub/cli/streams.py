"""The three standard streams as an operator's shell, a service manager or a cron job hands them over.

encodings   a name that the terminal's encoding lacks is printed as an escape, never as a traceback
closed      a stream that was closed (`>&-`) is opened on the null device, so that no database file gets its number; a command
            that has something to print says so before it does anything
text        what comes from files, partners and payers is cleaned before it is shown: it must not move the cursor, clear the
            screen, turn the direction of writing or pose as another line
"""

from __future__ import annotations

import os
import re
import sys
from io import TextIOWrapper
from typing import Final

_NO_OUTPUT: Final = "Standard output is closed. Redirect it to a file or to /dev/null."
_UNPRINTABLE: Final = "\N{REPLACEMENT CHARACTER}"


class StandardOutputClosed(Exception):
    """There is no place to print to."""

    def __init__(self) -> None:
        super().__init__(_NO_OUTPUT)


def prepare() -> None:
    """Make the streams safe to use: once, before anything is opened."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    # Python leaves None in place of a stream whose descriptor was closed.
    for stream, errors in ((sys.stdout, "backslashreplace"), (sys.stderr, "backslashreplace"), (sys.stdin, "replace")):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=errors)


def check_output() -> None:
    """StandardOutputClosed where nothing can be printed."""
    if sys.stdout is None:
        raise StandardOutputClosed


def give_up_output() -> None:
    """What is left to print goes nowhere: Python would complain once more when it closes the stream."""
    if sys.stdout is sys.__stdout__ and sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def clean(text: str) -> str:
    """One line without anything that a terminal would obey."""
    return "".join(_shown(character) for character in text)


def clean_lines(text: str) -> str:
    """As `clean`, for a text of several lines that we wrote."""
    return "\n".join(map(clean, text.split("\n")))


def escaped_json(text: str) -> str:
    """JSON in which every character that a terminal would obey is an escape: a program reads the same value."""
    return re.sub(r"[^\x20-\x7e\n]", _escape, text)


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() and character not in "\r\n\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029" else _UNPRINTABLE


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable() and _is_encodable(character):
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))


def _is_encodable(character: str) -> bool:
    try:
        character.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
