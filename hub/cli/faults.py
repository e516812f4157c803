"""What the command line says when something is refused: plain lines on standard error, and exit code 1. Never a traceback."""

from __future__ import annotations

from typing import IO, Any

import click

from idp.errors import HubError, Kind, MalformedRequest
from idp.settings import SettingsError

_OURS = frozenset({Kind.INTERNAL, Kind.UNAVAILABLE})


class Refusal(click.ClickException):
    """A refusal, a line per fault."""

    exit_code = 1

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the lines on standard error."""
        for line in self.lines:
            click.echo(line, file=file, err=True)


def refusal_of(fault: HubError | SettingsError) -> Refusal:
    """The lines of a fault: each field with what is wrong with it; else the reason and what to do about it.

    An operator at the machine may read `detail`, which no caller over the network does: where the fault is ours, it IS the reason.
    """
    if isinstance(fault, SettingsError):
        return Refusal(*str(fault).splitlines())
    if fault.fields:
        return Refusal(*(f"{each.field}: {each.message}" if each.field else each.message for each in fault.fields))
    if isinstance(fault, MalformedRequest) and fault.detail:  # its fix is about JSON
        return Refusal(f"cannot be used: {fault.detail}")
    if fault.kind in _OURS and fault.detail:
        return Refusal(" ".join(fault.detail.split()))
    return Refusal(" ".join(f"{fault.public.rstrip('.')}. {fault.fix}".split()))


class PlainGroup(click.Group):
    """A group that turns what the services refuse into a `Refusal`."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (HubError, SettingsError) as fault:
            raise refusal_of(fault) from fault
