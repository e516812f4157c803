"""`idhub` as a process: odd encodings, narrow and dumb terminals, pipes that close, closed streams, questions, Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hub.cli.conftest import BILLER, Idhub

IDHUB = Path(sys.executable).parent / "idhub"
PATIENCE = 120.0
EVIL = "\x1b[2J\x9b2J\u202egnp.exe\r\nroot"
NAME = "Zoë Łukasz 水道"


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs `idhub` with the settings of a database that has a biller with an odd name."""

    environment: dict[str, str]
    folder: Path

    def run(self, *words: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
        """Into pipes."""
        command = [str(IDHUB), *map(str, words)]
        return subprocess.run(command, env=self.environment | environment, capture_output=True, timeout=PATIENCE, cwd=self.folder)

    def sh(self, line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        """A line of bash in which `idhub` is ours."""
        line = f'idhub() {{ {shlex.quote(str(IDHUB))} "$@"; }}; {line}'
        return subprocess.run(
            ["bash", "-c", line], env=self.environment | environment, capture_output=True, timeout=PATIENCE, cwd=self.folder
        )

    def at_terminal(self, *words: object, **environment: str) -> str:
        """At a terminal: what would appear on it."""
        leader, follower = pty.openpty()
        command = [str(IDHUB), *map(str, words)]
        process = subprocess.Popen(
            command, env={"TERM": "xterm"} | self.environment | environment, stdin=follower, stdout=follower, stderr=follower,
            cwd=self.folder, start_new_session=True,
        )  # fmt: skip
        os.close(follower)
        seen = bytearray()
        with suppress(OSError):
            while part := os.read(leader, 65536):
                seen += part
        os.close(leader)
        process.wait(PATIENCE)
        return seen.decode(errors="replace").replace("\r\n", "\n")


@pytest.fixture
def shell(idhub: Idhub) -> Shell:
    idhub.json("billers", "create", BILLER, "--slug", "riverbend", "--dba", NAME)
    idhub.sql("UPDATE billers SET dba = ? WHERE bid = 9001", NAME + EVIL)
    kept = {name: value for name, value in os.environ.items() if name.startswith("IDHUB_") or name == "PATH"}
    return Shell(kept | {"LANG": "C.UTF-8"}, idhub.folder)


def safe(text: str) -> bool:
    """Nothing in it moves a cursor, clears a screen or turns a direction."""
    return all(character.isprintable() or character in "\n\t" for character in text)


def one_line(result: subprocess.CompletedProcess[bytes], code: int = 1) -> str:
    """The one line on standard error of a command that ends with this code, and printed nothing."""
    assert (result.returncode, result.stdout) == (code, b""), (result.returncode, result.stdout, result.stderr)
    lines = result.stderr.decode(errors="replace").splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
        {"LANG": "C", "LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LANG": "en_US.ISO-8859-1"},
        {"TERM": "dumb", "COLUMNS": "20"},
        {"COLUMNS": "0"},
        {"COLUMNS": "many", "LINES": "-1"},
        {"NO_COLOR": "1", "FORCE_COLOR": "1"},
    ],
    ids=lambda each: "_".join(each),
)
@pytest.mark.parametrize("words", [("billers", "list"), ("billers", "show", BILLER), ("billers", "list", "--json"), ("--help",)])
def test_every_encoding_and_terminal_gets_its_output_and_no_traceback(
    shell: Shell, words: tuple[str, ...], environment: dict[str, str]
) -> None:
    result = shell.run(*words, **environment)
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"\x1b" not in result.stdout
    if "--json" in words:
        (found,) = json.loads(result.stdout.decode(environment.get("PYTHONIOENCODING", "utf-8")))
        assert found["dba"] == NAME + EVIL


def test_a_name_from_outside_drives_no_terminal(shell: Shell) -> None:
    for words in (("billers", "list"), ("billers", "show", BILLER), ("billers", "list", "--json")):
        shown = shell.at_terminal(*words, COLUMNS="200")
        assert "Łukasz" in shown
        assert safe(shown), shown
    assert safe(shell.run("billers", "list").stdout.decode())
    assert len(shell.run("billers", "list").stdout.splitlines()) == 2, "a heading and a row"


def test_an_argument_that_holds_escape_sequences_is_told_without_them(shell: Shell) -> None:
    for words in (("billers", "show", EVIL), (EVIL,), ("billers", EVIL), ("users", "show", "--biller", BILLER, EVIL)):
        result = shell.run(*words)
        assert result.returncode in (1, 2)
        assert safe(result.stderr.decode()), result.stderr
        assert b"Traceback" not in result.stderr


def test_a_pipe_gets_plain_rows_with_columns_that_a_script_can_cut(shell: Shell) -> None:
    assert shell.sh("idhub billers list | cut -f 1,2", COLUMNS="20").stdout == b"BID\tSlug\n9001\triverbend\n"
    assert shell.sh("idhub billers show riverbend | grep ^slug", COLUMNS="20").stdout == b"slug\triverbend\n"
    assert shell.sh("idhub billers show riverbend | grep currency").stdout == b"policies.currency\tUSD\n"
    assert shell.sh("idhub partners list").stdout == b"Slug\tName\tPortal\tDisabled\n"


def test_at_a_terminal_ids_and_times_never_wrap_and_what_is_too_wide_is_shown_vertically(shell: Shell) -> None:
    idhub_key = shell.run("partners", "create", "portalworks", "--name", "Portalworks")
    assert idhub_key.returncode == 0, idhub_key.stderr
    made = json.loads(shell.run("api-keys", "create", "--biller", "riverbend", "--partner", "portalworks", "--json").stdout)
    for columns in ("30", "60", "100", "400"):
        shown = shell.at_terminal("api-keys", "list", "--biller", "riverbend", COLUMNS=columns)
        assert made["id"] in shown
        record = shell.at_terminal("api-keys", "show", "--biller", "riverbend", made["id"], COLUMNS=columns)
        assert made["id"] in record
        assert made["created_at"] in record
        assert not {*"─━│┃╭"} & {*shown, *record}
    wide = shell.at_terminal("api-keys", "list", "--biller", "riverbend", COLUMNS="400").splitlines()
    assert len(wide) == 2
    assert len(shell.at_terminal("api-keys", "list", "--biller", "riverbend", COLUMNS="60").splitlines()) > 4


def test_a_reader_that_leaves_early_is_no_fault_of_anybody(shell: Shell) -> None:
    result = shell.sh("idhub openapi | head -1")
    assert (result.stdout, result.stderr) == (b"{\n", b"")


@pytest.mark.parametrize("line", ["idhub billers list >&-", "idhub billers list --json >&-", "idhub billers list >/dev/full"])
def test_output_that_cannot_be_written_is_one_line(shell: Shell, line: str) -> None:
    assert "standard output" in one_line(shell.sh(line)).lower()


def test_nothing_is_changed_where_the_secret_could_not_be_shown(shell: Shell) -> None:
    shell.run("partners", "create", "portalworks", "--name", "Portalworks")
    one_line(shell.sh("idhub api-keys create --biller riverbend --partner portalworks >&-"))
    assert json.loads(shell.run("api-keys", "list", "--biller", "riverbend", "--json").stdout) == []


def test_closed_standard_input_and_error_are_borne(shell: Shell) -> None:
    assert shell.sh("idhub billers list <&-").returncode == 0
    assert shell.sh("idhub billers list 2>&-").returncode == 0
    assert shell.sh("idhub billers show 77 2>&-").returncode == 1


def test_a_question_that_nobody_answers_is_told_by_its_option(shell: Shell) -> None:
    words = ["users", "revoke", "--biller", BILLER, "avery"]
    result = subprocess.run(
        [str(IDHUB), *words], env=shell.environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE
    )
    assert result.returncode == 1
    assert "--yes" in result.stderr.decode()
    assert b"Traceback" not in result.stderr


def test_ctrl_c_at_a_question_is_one_line(shell: Shell) -> None:
    process = subprocess.Popen(
        [str(IDHUB), "users", "revoke", "--biller", BILLER, "avery"], env=shell.environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    seen = b""
    while b"[y/N]" not in seen:
        part = os.read(process.stderr.fileno(), 4096)
        assert part, seen
        seen += part
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert told.decode().strip().splitlines()[-1] == "Stopped."
    assert b"Traceback" not in told


def test_settings_that_cannot_be_read_are_one_line_with_the_path_and_the_reason(shell: Shell, tmp_path: Path) -> None:
    def run(file: object) -> str:
        environment = {name: value for name, value in shell.environment.items() if not name.startswith("IDHUB_")}
        return one_line(Shell(environment, shell.folder).run("--settings", file, "billers", "list"))

    assert run(tmp_path / "none.env") == f"The settings file {tmp_path}/none.env cannot be read: no such file."
    (tmp_path / "closed.env").write_text("")
    (tmp_path / "closed.env").chmod(0)
    if os.geteuid() != 0:
        assert run(tmp_path / "closed.env") == f"The settings file {tmp_path}/closed.env cannot be read: permission denied."
    (tmp_path / "raw.env").write_bytes(b"IDHUB_WORKERS=\xff\n")
    assert run(tmp_path / "raw.env") == f"The settings file {tmp_path}/raw.env cannot be read: it is not UTF-8 text."
    assert b"is a directory" in shell.run("--settings", tmp_path, "billers", "list").stderr


def _unwritable(folder: Path) -> Path:
    """A place where nothing can be made, also by root: its parent is a file."""
    (folder / "file").write_text("")
    return folder / "file" / "below"


@pytest.mark.parametrize(
    "words",
    [
        ("init", "--dir", "{place}"),
        ("openapi", "--out", "{place}/openapi.json"),
        ("audit", "checkpoint", "--out", "{place}/checkpoint"),
    ],
)
def test_a_place_that_cannot_be_written_is_one_line_with_the_path(shell: Shell, tmp_path: Path, words: tuple[str, ...]) -> None:
    place = _unwritable(tmp_path)
    result = shell.run(*(word.format(place=place) for word in words))
    assert result.returncode in (1, 2)
    assert b"Traceback" not in result.stderr
    if "checkpoint" not in words:
        assert str(place) in result.stderr.decode()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"IDHUB_DATABASE_URL": "sqlite:////nowhere/at/all/hub.db"}, "/nowhere/at/all/hub.db"),
        ({"IDHUB_DATABASE_URL": "sqlite:///{folder}/plain.txt"}, "{folder}/plain.txt is not a database"),
        ({"IDHUB_DATABASE_URL": "postgresql+psycopg://hub@127.0.0.1:1/hub"}, "127.0.0.1"),
        ({"IDHUB_DATABASE_URL": "mysql://127.0.0.1/hub"}, "IDHUB_DATABASE_URL"),
        ({"IDHUB_DATABASE_URL": "not a url"}, "IDHUB_DATABASE_URL"),
        ({"IDHUB_WORKERS": "many"}, "IDHUB_WORKERS: a whole number is expected"),
        ({"IDHUB_WORKRES": "2"}, "IDHUB_WORKRES: there is no such setting. Did you mean IDHUB_WORKERS?"),
        ({"IDHUB_MASTER_KEY_FILE": "/nowhere/key", "IDHUB_MASTER_KEY": ""}, "/nowhere/key"),
    ],
)
def test_what_libraries_say_is_said_in_our_words_with_the_path_or_the_setting(
    shell: Shell, settings: Mapping[str, str], told: str
) -> None:
    (shell.folder / "plain.txt").write_text("not a database " * 100)
    given = {name: value.format(folder=shell.folder) for name, value in settings.items()}
    environment = {name: value for name, value in shell.environment.items() if given.get(name) != ""}
    line = one_line(Shell(environment, shell.folder).run("billers", "list", **{name: each for name, each in given.items() if each}))
    assert told.format(folder=shell.folder) in line
    for word in ("Error:", "OperationalError", "sqlalchemy", "psycopg", "ValueError", "Input should", "unable to parse"):
        assert word not in line, line


def test_a_key_value_store_that_does_not_answer_is_one_line_for_a_command_that_needs_it(shell: Shell) -> None:
    line = one_line(shell.run("billers", "change", BILLER, "--dba", "X", IDHUB_KEYVALUE_URL="redis://127.0.0.1:1/0"))
    assert "IDHUB_KEYVALUE_URL" in line
    assert "127.0.0.1:1" in line
    assert "Error" not in line
    assert shell.run("billers", "list", IDHUB_KEYVALUE_URL="redis://127.0.0.1:1/0").returncode == 0, "a list does not need it"


def test_a_settings_file_that_others_may_read_is_no_reason_to_stop(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "hub.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in shell.environment.items() if name.startswith("IDHUB_")))
    file.chmod(0o644)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert shell.run("--settings", file, "billers", "list").returncode == 0
