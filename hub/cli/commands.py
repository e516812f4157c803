"""The top of the tree. A command's file is loaded when the command is called (or its help is shown), not before: what a server
process never runs must not cost it memory, and a command must not wait for what others need."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click
from click.exceptions import NoSuchCommand

from hub.cli.context import Operator
from hub.cli.faults import PlainGroup, Refusal

_SECTIONS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "Set up": {
        "init": ("hub.cli.setup:init", "Create a folder with settings and a master key for one machine."),
        "new-master-key": ("hub.cli.setup:new_master_key", "Print a new master key."),
        "migrate": ("hub.cli.service:migrate", "Update the database schema to this version."),
        "demo": ("hub.cli.demo:command", "Run the hub with sample data and an example partner portal."),
    },
    "Run": {
        "serve": ("hub.cli.service:serve", "Serve the customer portals and the partner API."),
        "worker": ("hub.cli.service:worker", "Run background jobs: mail, imports, events, purges."),
        "jobs": ("hub.cli.jobs:group", "List, retry and drop background jobs."),
        "backup": ("hub.cli.backup:backup", "Back up the database while the hub runs."),
        "restore": ("hub.cli.backup:restore", "Restore a backup while nothing uses the database."),
        "openapi": ("hub.cli.service:openapi", "Print the OpenAPI document of the partner API."),
    },
    "Billers and partners": {
        "billers": ("hub.cli.billers:group", "Create, update and list billers."),
        "settings": ("hub.cli.settings:group", "Show and set a biller's advanced settings."),
        "destinations": ("hub.cli.destinations:group", "Show and update what each RedirectID opens."),
        "themes": ("hub.cli.themes:group", "Approve and refuse partners' stylesheets."),
        "partners": ("hub.cli.partners:group", "Create, update and list partners."),
        "api-keys": ("hub.cli.api_keys:group", "Create, update, rotate and revoke API keys."),
        "origins": ("hub.cli.origins:group", "Manage the origins and return URLs of an API key."),
    },
    "Accounts and people": {
        "import": ("hub.cli.imports:group", "Import invoice files and show past imports."),
        "customers": ("hub.cli.customers:group", "Create, update and list utility accounts."),
        "users": ("hub.cli.users:group", "Register, update and list payers' logins."),
        "registrations": ("hub.cli.registrations:group", "Decide on registrations without proof."),
    },
    "Diagnostics": {
        "refusals": ("hub.cli.refusals:group", "Show why a payer or a partner was refused."),
        "carriers": ("hub.cli.carriers:carriers", "Count framed sessions by browser and carrier."),
        "warnings": ("hub.cli.warnings:group", "List API keys that use deprecated behavior."),
        "alarms": ("hub.cli.alarms:group", "List events that need a person's attention."),
        "mails": ("hub.cli.mails:group", "List mails to payers, and those that wait."),
        "audit": ("hub.cli.audit:group", "Show and verify the change log."),
        "verify": ("hub.cli.audit:second_look", "Check signatures with a second library."),
        "signing-keys": ("hub.cli.keys:group", "List the public signing keys."),
        "secrets": ("hub.cli.secrets:group", "Re-encrypt secrets after a master key change."),
    },
}
"""Section -> command -> where it is, and what it does in a few words: known here, so that `idhub --help` loads none of them."""


def _is_here(place: str) -> bool:
    """The wheel leaves out the demo, whose sample data and example portals it does not have."""
    return find_spec(place.partition(":")[0]) is not None


class _Tree(PlainGroup):
    """The commands of `_SECTIONS`, loaded one by one, listed by section."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """All names that are part of this installation."""
        return [name for section in _SECTIONS.values() for name, (place, _) in section.items() if _is_here(place)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """One command, from its file."""
        for section in _SECTIONS.values():
            if cmd_name in section:
                place = section[cmd_name][0]
                if not _is_here(place):
                    raise Refusal(f"{cmd_name} is not part of the installed package: run `make {cmd_name}` in a source checkout")
                module, _, name = place.partition(":")
                found = getattr(import_module(module), name)
                assert isinstance(found, click.Command)  # noqa: S101  (_SECTIONS)
                return found
        return None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, which looks for near names among commands that are loaded already."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand:
            raise NoSuchCommand(args[0], possibilities=self.list_commands(ctx), ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Each section with its commands and what they do."""
        for title, section in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (place, text) in section.items() if _is_here(place)])


@click.group(cls=_Tree, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="IDHUB_SETTINGS",
    help="Settings file with IDHUB_* lines. Environment variables take precedence.",
)
@click.version_option(package_name="identity-hub", prog_name="idhub")
@click.pass_context
def idhub(context: click.Context, settings_file: Path | None) -> None:
    """Identity Hub: identity provider and single sign-on broker for utility billers.

    Settings are environment variables named IDHUB_*, or lines of a settings file. `idhub init` creates one for this machine.

    At a terminal, data is shown as a table or record. In a pipe, columns are separated by tabs. Use --json in programs.

    \b
    Exit codes: 0 success
                1 refused or failed; one line on standard error says why
                2 the command line is wrong
    """
    operator = Operator(settings_file)
    context.obj = operator
    context.call_on_close(operator.close)
