"""The top of the tree. A command's file is loaded when the command is called (or its help is shown), not before: what a server
process never runs must not cost it memory."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from hub.cli.context import Operator
from hub.cli.faults import PlainGroup, Refusal

_SECTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "Set up": {
        "init": "hub.cli.setup:init",
        "new-master-key": "hub.cli.setup:new_master_key",
        "migrate": "hub.cli.service:migrate",
        "demo": "hub.cli.demo:command",
    },
    "Run": {
        "serve": "hub.cli.service:serve",
        "worker": "hub.cli.service:worker",
        "backup": "hub.cli.backup:backup",
        "restore": "hub.cli.backup:restore",
        "openapi": "hub.cli.service:openapi",
    },
    "Billers and partners": {
        "billers": "hub.cli.billers:group",
        "settings": "hub.cli.settings:group",
        "destinations": "hub.cli.destinations:group",
        "themes": "hub.cli.themes:group",
        "partners": "hub.cli.partners:group",
        "api-keys": "hub.cli.api_keys:group",
        "origins": "hub.cli.origins:group",
    },
    "Accounts and people": {
        "import": "hub.cli.imports:group",
        "customers": "hub.cli.customers:group",
        "users": "hub.cli.users:group",
        "registrations": "hub.cli.registrations:group",
    },
    "Look into it": {
        "refusals": "hub.cli.refusals:group",
        "carriers": "hub.cli.carriers:carriers",
        "warnings": "hub.cli.warnings:group",
        "alarms": "hub.cli.alarms:group",
        "mails": "hub.cli.mails:group",
        "audit": "hub.cli.audit:group",
        "verify": "hub.cli.audit:second_look",
        "signing-keys": "hub.cli.keys:group",
        "secrets": "hub.cli.secrets:group",
    },
}


def _is_here(place: str) -> bool:
    """The wheel leaves out the demo, whose sample data and example portals it does not have."""
    return find_spec(place.partition(":")[0]) is not None


class _Tree(PlainGroup):
    """The commands of `_SECTIONS`, loaded one by one, listed by section."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """All names that are part of this installation."""
        return [name for section in _SECTIONS.values() for name, place in section.items() if _is_here(place)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """One command, from its file."""
        for section in _SECTIONS.values():
            if cmd_name in section:
                if not _is_here(section[cmd_name]):
                    raise Refusal(f"{cmd_name} is not part of the installed package: run `make {cmd_name}` in a source checkout")
                module, _, name = section[cmd_name].partition(":")
                found = getattr(import_module(module), name)
                assert isinstance(found, click.Command)  # noqa: S101  (_SECTIONS)
                return found
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each section with its commands and what they do."""
        for title, section in _SECTIONS.items():
            found = [(name, self.get_command(ctx, name)) for name, place in section.items() if _is_here(place)]
            with formatter.section(title):
                formatter.write_dl([(name, each.get_short_help_str(90)) for name, each in found if each is not None])


@click.group(cls=_Tree, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="IDHUB_SETTINGS",
    help="File of IDHUB_* lines; the environment wins over it.",
)
@click.version_option(package_name="identity-hub", prog_name="idhub")
@click.pass_context
def idhub(context: click.Context, settings_file: Path | None) -> None:
    """Identity Hub: identity provider and single-sign-on broker for utility billers.

    Settings come from environment variables IDHUB_* or from a file of them; `idhub init` makes one for this machine.
    Commands that print data take --json.
    """
    operator = Operator(settings_file)
    context.obj = operator
    context.call_on_close(operator.close)
