"""Options and their types that several commands share."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

import click

from hub.cli.context import Operator
from hub.cli.faults import Refusal, why
from idp.errors import InvalidFields
from idp.errors.wording import did_you_mean
from idp.private_files import write_over

F = TypeVar("F", bound=Callable[..., Any])

_MOST_BID = 2**31 - 1


class Words(click.Choice[str]):
    """One of several words. A misspelt one is told which it was probably meant to be."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Find the word."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            near = did_you_mean(str(value), map(str, self.choices))
            self.fail(near.strip() or f"{value!r} is none of {', '.join(map(str, self.choices))}.", param, ctx)


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
        except OSError as fault:
            self.fail(f"{value} cannot be read: {why(fault)}", param, ctx)
        except UnicodeDecodeError:
            self.fail(f"{value} is not UTF-8 text", param, ctx)
        except InvalidFields as fault:
            self.fail(f"{value}: " + "; ".join(f"{each.field} {each.message}".strip() for each in fault.fields), param, ctx)


def biller_option(command: F) -> F:
    """`--biller BILLER` (also `--bid`), required: a BID or a slug. As the parameter `bid`, which is the number."""
    return click.option(
        "--biller", "--bid", "bid", required=True, metavar="BILLER", callback=_bid_of, help="The biller: its BID or slug."
    )(command)


def biller_or_installation(command: F) -> F:
    """As `biller_option`, where 0 is the installation itself."""
    text = "The biller: its BID or slug; 0: the installation."
    return click.option("--biller", "--bid", "bid", required=True, metavar="BILLER", callback=_bid_or_0, help=text)(command)


def optional_biller_option(text: str) -> Callable[[F], F]:
    """As `biller_option`, for a command that may do without."""
    return click.option("--biller", "--bid", "bid", metavar="BILLER", callback=_bid_of, help=text)


def one_biller(command: F) -> F:
    """The biller that a command is about: as its argument or as `--biller`, a BID or a slug. As the parameter `bid`."""
    argument = click.argument("bid", metavar="BILLER", required=False, callback=_remember)
    option = click.option(
        "--biller", "--bid", "biller", metavar="BILLER", expose_value=False, callback=_remember,
        help="The biller: its BID or slug. The same as the argument.",
    )  # fmt: skip
    return option(argument(command))


def _remember(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """The BID, from whichever of the two was given. Both pass here; the argument's value is what the command gets."""
    given: dict[str, str] = context.meta.setdefault(f"{__name__}.billers", {})
    seen: set[str] = context.meta.setdefault(f"{__name__}.seen", set())
    seen.add(parameter.name or "")
    if value is not None:
        given[parameter.name or ""] = value
    if len(seen) < 2 or context.resilient_parsing:
        return None
    if len(given) != 1:
        raise click.UsageError("Name one biller, by its BID or slug." if given else "Missing argument 'BILLER'.")
    (named,) = given.values()
    bid = _bid_of(context, parameter, named)
    context.params["bid"] = bid
    return bid


def _bid_or_0(context: click.Context, parameter: click.Parameter, value: str) -> int | None:
    return 0 if value == "0" else _bid_of(context, parameter, value)


def _bid_of(context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    if value is None or context.resilient_parsing:
        return None
    operator = context.find_object(Operator)
    assert operator is not None  # noqa: S101  (made by the top of the tree)
    operator.command = context
    if value.isdecimal() and value.isascii():
        if not 0 < int(value) <= _MOST_BID:
            raise click.BadParameter(f"a BID is a number from 1 to {_MOST_BID}")
        return int(value)
    return operator.bid_of(value)


def key_option(command: F) -> F:
    """`--key ID`, required, as the parameter `key_id`."""
    return click.option("--key", "key_id", type=click.UUID, required=True, metavar="ID", help="The ID of the API key.")(command)


def limit_option(command: F, default: int = 200) -> F:
    """`--limit N`, as the parameter `limit`."""
    return click.option(
        "--limit", type=click.IntRange(1, 1000), metavar="N", default=default, show_default=True, help="Maximum number of rows."
    )(command)


def confirmed(question: str) -> Callable[[F], F]:
    """`--yes` for what cannot be undone; without it, ask on standard error."""

    def ask(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value or context.resilient_parsing:
            return
        click.echo(f"{question} [y/N]: ", nl=False, err=True)
        answer = sys.stdin.readline() if sys.stdin is not None else ""
        if not answer:
            raise Refusal("Not confirmed. To go ahead without a question, add --yes.")
        if answer.strip().lower() not in {"y", "yes"}:
            raise Refusal("Nothing was changed.")

    return click.option(
        "--yes", is_flag=True, expose_value=False, callback=ask, is_eager=False, help="Do not ask for confirmation."
    )


def words_option(*option: str, words: Iterable[object], help: str, **more: Any) -> Callable[[F], F]:  # noqa: A002  (click's word)
    """An option that takes one of several words."""
    return click.option(*option, type=Words([str(each) for each in words]), help=help, **more)
