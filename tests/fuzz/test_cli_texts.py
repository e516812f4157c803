"""Whatever text an operator gives to a command, by mistake or by paste, ends in a plain line and never in a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from hub.cli.commands import idhub as root
from hub.storage.migrations import migrate

_MASTER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
_LEFT_OUT = {"serve", "worker", "demo", "migrate", "init", "openapi", "new-master-key"}
"""They run on, or take no text that reaches a store."""

ODD = {  # no NUL: no command line can hold one
    "no UTF-8": "a\udcff",
    "line breaks": "a\r\nb\x1b[31m",
    "too long": "x" * 20_000,
    "too large": "9" * 40,
    "nothing": "",
    "quotes": "' OR 1=1 --",
    "a separator": "\u2028\U0010ffff",
}


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its path."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if found is not None and name not in _LEFT_OUT:
            yield from leaves(found, (*path, name))


COMMANDS = dict(leaves(root))


def usual(parameter: click.Parameter, file: Path) -> str:
    """Something plausible for a parameter."""
    match parameter.type:
        case click.Choice(choices=choices):
            return str(choices[0])
        case click.types.UUIDParameterType():
            return "01890a5d-ac96-774b-bcce-b302099a8057"
        case click.IntRange() | click.types.IntParamType():
            return "9001" if parameter.name == "bid" else "1"
        case click.Path():
            return str(file)
        case _:
            return "a=b" if parameter.type.name == "name=value" else "one"


def line_of(command: click.Command, file: Path, odd: click.Parameter, text: str) -> list[str]:
    """A command line with `text` in one place, and something plausible wherever something is wanted."""
    options: list[str] = []
    arguments: list[str] = []
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.is_flag:
            options += [parameter.opts[0]] if parameter.name == "yes" else []
        elif parameter is odd or parameter.required:
            value = text if parameter is odd else usual(parameter, file)
            if isinstance(parameter, click.Argument):
                arguments.append(value)
            else:
                options += [parameter.opts[0], value]
    return [*options, "--", *arguments]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings of a migrated database of each kind, with a biller and a partner in it."""
    folder = tmp_path_factory.mktemp("cli")
    url = f"sqlite:///{folder}/hub.sqlite3" if request.param == "sqlite" else request.getfixturevalue("module_postgres_url")
    if request.param == "sqlite":
        migrate(url)
    made = {
        "IDHUB_DATABASE_URL": url,
        "IDHUB_KEYVALUE_URL": f"sqlite:///{folder}/keyvalue.sqlite3",
        "IDHUB_MASTER_KEY": _MASTER_KEY,
        "IDHUB_MAILBOX_DIR": f"{folder}/mailbox",
        "IDHUB_PUBLIC_SCHEME": "http",
    }
    for line in (("billers", "create", "9001", "--slug", "one", "--dba", "One"), ("partners", "create", "one", "--name", "One")):
        assert CliRunner().invoke(root, line, env=made).exit_code == 0
    return made


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_any_text_for_any_parameter_of_a_command_is_answered_with_lines(
    environment: dict[str, Any], path: tuple[str, ...], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # some write the file that they are given the name of
    command = COMMANDS[path]
    file = tmp_path / "file"
    file.write_text("{}\n", encoding="utf-8")
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.is_flag:
            continue
        line = [*path, *line_of(command, file, parameter, text)]
        result = CliRunner().invoke(root, line, env=environment, input="n\n")
        assert result.exception is None or isinstance(result.exception, SystemExit), (line, result.exception)
        assert "Traceback" not in result.output
