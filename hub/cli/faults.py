"""What the command line says when something is refused: plain lines on standard error, and exit code 1. Never a traceback.

Where a fault names a field and the command has an option of that name, the line names the option; where it names a store, the line
names its setting; what a library says is said in our words.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from io import StringIO
from typing import IO, Any, Final

import click

from hub.cli import streams
from hub.cli.streams import StandardOutputClosed, clean
from idp.errors import HubError, Kind, MalformedRequest, StoreUnavailable
from idp.settings import Settings, SettingsError

_OURS: Final = frozenset({Kind.INTERNAL, Kind.UNAVAILABLE})
_STOPPED: Final = "Stopped."


class Refusal(click.ClickException):
    """A refusal, a line per fault."""

    exit_code = 1

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the lines on standard error."""
        for line in self.lines:
            click.echo(clean(line), file=file, err=True)


def refusal_of(fault: HubError | SettingsError, context: click.Context | None = None, settings: Settings | None = None) -> Refusal:
    """The lines of a fault: each field with what is wrong with it; else the reason and what to do about it.

    `context`: the command that was refused; `settings`: to name the files of its stores. An operator at the machine may read
    `detail`, which no caller over the network does: where the fault is ours, it IS the reason.
    """
    if isinstance(fault, SettingsError):
        return Refusal(*str(fault).splitlines())
    if fault.fields:
        options = _options(context)
        lines = []
        for each in fault.fields:
            named = options.get(_folded(each.field), each.field)
            lines.append(f"{named}: {each.message}" if named else each.message)
        return Refusal(*lines)
    if isinstance(fault, MalformedRequest) and fault.detail:  # its fix is about JSON
        return Refusal(f"cannot be used: {fault.detail}")
    if isinstance(fault, StoreUnavailable) and fault.detail:
        return Refusal(store_line(fault.detail, settings))
    if fault.kind in _OURS and fault.detail:
        return Refusal(" ".join(fault.detail.split()))
    return Refusal(" ".join(f"{fault.public.rstrip('.')}. {fault.fix}".split()))


def _options(context: click.Context | None) -> dict[str, str]:
    """The options and arguments that were given, by their bare names: `timezone` -> `--time-zone`."""
    if context is None:
        return {}
    found: dict[str, str] = {}
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE
        if isinstance(parameter, click.Option) and given:
            found |= {_folded(name): name for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("--")}
        elif given:
            found[_folded(parameter.name or "")] = parameter.human_readable_name
    return found


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_DRIVER: Final = re.compile(r"^(?P<store>database|Redis|SQLite key-value store): (?P<kind>\w+): (?P<words>.*)$", re.DOTALL)
_SQLITE_WORDS: Final = (
    (
        "unable to open database file",
        "The database {path} cannot be opened: its folder is missing, or may not be used by this user.",
    ),
    ("file is not a database", "{path} is not a database of the hub."),
    ("database disk image is malformed", "The database {path} is damaged: restore a backup."),
    (
        "attempt to write a readonly database",
        "The database {path} cannot be written: check its permissions and those of its folder.",
    ),
    ("database is locked", "The database {path} is busy: another process has been writing to it for too long. Try again."),
    ("database or disk is full", "The database {path} cannot grow: the disk is full."),
    ("disk i/o error", "The database {path} cannot be read or written: the disk reports an error."),
)


def store_line(detail: str, settings: Settings | None = None) -> str:
    """What keeps a store from answering, in one line that names the file (where `settings` tell it) or the setting."""
    words = " ".join(detail.split())
    found = _DRIVER.match(words)
    if found is None:
        return words[:1].upper() + words[1:] + ("" if words.endswith((".", "?")) else ".")
    is_database = found["store"] == "database"
    setting = "IDHUB_DATABASE_URL" if is_database else "IDHUB_KEYVALUE_URL"
    url = "" if settings is None else settings.database_url if is_database else settings.keyvalue_url
    path = url.partition(":///")[2].partition("?")[0]
    for sign, line in _SQLITE_WORDS:
        if sign in found["words"].lower():
            if not is_database:
                line = line.replace("The database", "The key-value file")
            return line.format(path=path or f"that {setting} names")
    what = "database" if is_database else "key-value store"
    return f"The {what} ({setting}) does not answer: {_without_names(found['words'])}."


def start_line(fault: str, settings: Settings) -> str:
    """A fault of `hub.start` (`database: ...`), with what a driver says in our words."""
    detail = fault.partition(": ")[2]
    return store_line(detail, settings) if _DRIVER.match(detail) else fault


def _without_names(words: str) -> str:
    """A driver's sentence without its error numbers, class names and the hints for programmers."""
    words = re.sub(r"\b(?:\w+\.)*\w*(?:Error|Exception)\b:? ?", "", words)
    words = re.sub(r"^\d+ ", "", words.strip())
    words = re.sub(r"\s*Is the server running on that host.*$", "", words)
    words = re.sub(r"Multiple connection attempts failed.*$", "", words)
    return words.strip(" .:") or "no answer"


class PlainGroup(click.Group):
    """A group that turns what the services refuse into a `Refusal`, and whatever else ends a command into one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (HubError, SettingsError) as fault:
            raise self.refusal(ctx, fault) from fault
        except StandardOutputClosed as closed:
            raise Refusal(str(closed)) from closed

    def refusal(self, ctx: click.Context, fault: HubError | SettingsError) -> Refusal:
        """The refusal of the command that ran in this context."""
        from hub.cli.context import Operator

        operator = ctx.find_object(Operator)
        if operator is None:
            return refusal_of(fault, ctx)
        return refusal_of(fault, operator.command, operator.known_settings)

    def main(self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        """As click's, with our lines and exit codes. (Its two overloads tell whether it returns; ours may do either.)"""
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        try:
            code = super().main(args, standalone_mode=False, **extra)
        except click.ClickException as fault:
            told = StringIO()
            fault.show(told)
            # What was typed is repeated by some of them.
            click.echo(streams.clean_lines(told.getvalue().rstrip("\n")), err=True)
            code = fault.exit_code
        except click.Abort:
            click.echo(f"\n{_STOPPED}", err=True)
            code = 1
        except OSError as fault:
            click.echo(clean(os_line(fault)), err=True)
            if fault.filename is None:
                streams.give_up_output()
            code = 1
        raise SystemExit(code if isinstance(code, int) else 0)


def os_line(fault: OSError) -> str:
    """A fault of the operating system, with its path."""
    reason = why(fault)
    if fault.filename is None:
        return f"Standard output cannot be written: {reason}."
    return f"{os.fsdecode(fault.filename)} cannot be read or written: {reason}."


def why(fault: OSError) -> str:
    """The reason of a fault of the operating system, in lower case."""
    match fault.errno:
        case errno.ENOENT:
            return "no such file or folder"
        case errno.EISDIR:
            return "it is a folder"
        case errno.ENOTDIR:
            return "part of the path is not a folder"
        case _:
            return (fault.strerror or type(fault).__name__).lower()
