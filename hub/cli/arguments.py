"""Options and their types that several commands share."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

import click

from idp.errors import InvalidFields
from idp.private_files import write_over

F = TypeVar("F", bound=Callable[..., Any])


class Assignment(click.ParamType[tuple[str, str]]):
    """`NAME=VALUE`, as a pair. The value may be empty and may hold further `=`."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split at the first `=`."""
        if isinstance(value, tuple):
            return value[0], value[1]
        name, equals, text = str(value).partition("=")
        if not equals or not name.strip():
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        return name.strip(), text.strip()


class OutFile(click.ParamType[TextIO]):
    """A file to write; `-`: standard output. Opened at once: a place that cannot be written is told before anything is done.

    A link is not followed: in a folder that others can write, it would lead to a file of their choice.
    """

    name = "file"

    def __init__(self, mode: int) -> None:
        self._mode = mode

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TextIO:
        """Open it."""
        if value == "-":
            return sys.stdout
        if not isinstance(value, str):
            return cast("TextIO", value)
        try:
            file = os.fdopen(write_over(Path(value), self._mode), "w", encoding="utf-8")
        except OSError as fault:
            reason = "is a link" if fault.errno == errno.ELOOP else fault.strerror
            self.fail(f"{value}: {reason}", param, ctx)
        if ctx is not None:
            ctx.call_on_close(file.close)
        return file


class ColumnMapFile(click.ParamType[dict[str, list[str]]]):
    """A file with the column map of a biller's invoice files (YAML or JSON), as plain data."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, list[str]]:
        """Read and check it."""
        from sso_connect.imports.bif_columns import ColumnMap

        if isinstance(value, dict):
            return value
        try:
            return ColumnMap.from_yaml(Path(value).read_text(encoding="utf-8")).as_mapping()
        except (OSError, UnicodeDecodeError):
            self.fail(f"cannot read {value}", param, ctx)
        except InvalidFields as fault:
            self.fail("; ".join(f"{each.field} {each.message}".strip() for each in fault.fields), param, ctx)


def biller_option(command: F) -> F:
    """`--bid N`, required, as the parameter `bid`."""
    return click.option("--bid", type=click.IntRange(1, 2**31 - 1), required=True, metavar="BID", help="The biller.")(command)


def key_option(command: F) -> F:
    """`--key ID`, required, as the parameter `key_id`."""
    return click.option("--key", "key_id", type=click.UUID, required=True, metavar="ID", help="The id of the API key.")(command)


def limit_option(command: F) -> F:
    """`--limit N`, as the parameter `limit`."""
    return click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True, help="At most so many rows.")(
        command
    )


def confirmed(question: str) -> Callable[[F], F]:
    """`--yes` for what cannot be undone; without it, ask."""
    return click.confirmation_option("--yes", prompt=question, help="Do not ask.")
