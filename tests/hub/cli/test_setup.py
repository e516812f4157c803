"""`idhub init`, `new-master-key`, `migrate`, and what is said when settings are wrong."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli.commands import _SECTIONS, idhub
from hub.wiring import wire
from idp.settings import decode_master_key, load


def _run(*arguments: object) -> Result:
    result = CliRunner().invoke(idhub, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(autouse=True)
def _clean(clean_environment: pytest.MonkeyPatch) -> None:
    """No settings."""


def test_init_makes_what_a_hub_on_one_machine_needs_for_the_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "new" / "var"
    result = _run("init", "--dir", home)
    assert result.exit_code == 0
    assert result.stdout == f"{home}/hub.env\n"
    assert {each.name: stat.S_IMODE(each.stat().st_mode) for each in home.iterdir()} == {"hub.env": 0o600, "master.key": 0o600}
    settings = load({"IDHUB_SETTINGS": f"{home}/hub.env"})
    assert settings.embedded
    assert len(settings.master_keys()[0]) == 32
    assert _run("--settings", home / "hub.env", "migrate").exit_code == 0
    made = _run("--settings", home / "hub.env", "billers", "create", 9001, "--slug", "riverbend", "--dba", "Riverbend")
    assert made.exit_code == 0, made.output


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022])
def test_init_and_all_that_follows_are_for_the_owner_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    home = tmp_path / "there"
    home.mkdir()
    home.chmod(0o755)
    before = os.umask(umask)
    try:
        assert _run("init", "--dir", home).exit_code == 0
        settings = ("--settings", home / "hub.env")
        assert _run(*settings, "migrate").exit_code == 0
        assert _run(*settings, "billers", "create", 9001, "--slug", "riverbend", "--dba", "Riverbend").exit_code == 0
        hub = wire(load({"IDHUB_SETTINGS": f"{home}/hub.env"}))
        hub.kv.check()
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in home.iterdir()}
        hub.close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {"master.key", "hub.env", "hub.sqlite3", "keyvalue.sqlite3", "keyvalue.sqlite3-wal"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_init_refuses_a_folder_that_others_can_write_or_that_a_link_names(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for name, reason in (
        ("open", "can be written by others"),
        ("link", "part of the path is not a folder"),
    ):
        result = _run("init", "--dir", tmp_path / name)
        assert (result.exit_code, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"{tmp_path / name} cannot be written: {reason}")
    assert [*(tmp_path / "open").iterdir(), *(tmp_path / "mine").iterdir()] == []


def test_a_document_or_report_is_not_written_through_a_link(tmp_path: Path) -> None:
    victim, link, out = tmp_path / "victim", tmp_path / "link", tmp_path / "out.json"
    victim.write_text("theirs", encoding="ascii")
    link.symlink_to(victim)
    refused = _run("openapi", "--out", link)
    assert refused.exit_code == 2
    assert "is a link" in refused.stderr
    assert victim.read_text(encoding="ascii") == "theirs"
    out.write_text("x" * 10_000_000, encoding="ascii")
    assert _run("openapi", "--out", out).exit_code == 0
    assert json.loads(out.read_text(encoding="utf-8")) == json.loads(_run("openapi", "--out", "-").stdout)


def test_init_takes_a_portal_domain_and_a_listen_address(tmp_path: Path) -> None:
    assert _run("init", "--dir", tmp_path / "a", "--portal-domain", "pay.example.com", "--listen", "0.0.0.0:9000").exit_code == 0
    public = load({"IDHUB_SETTINGS": f"{tmp_path}/a/hub.env"})
    assert (public.portal_domain, public.listen, public.public_scheme) == ("pay.example.com", "0.0.0.0:9000", "https")
    assert not public.allow_loopback_origins
    assert _run("init", "--dir", tmp_path / "b", "--listen", "127.0.0.1:8181").exit_code == 0
    local = load({"IDHUB_SETTINGS": f"{tmp_path}/b/hub.env"})
    assert (local.portal_domain, local.listen, local.public_scheme) == ("hub.localhost:8181", "127.0.0.1:8181", "http")
    assert local.allow_loopback_origins


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--portal-domain", "pay_.example.com"),
        ("--portal-domain", "pay.example.com/portal"),
        ("--portal-domain", "a\nIDHUB_WORKERS=9"),
        ("--listen", "8080"),
        ("--listen", "127.0.0.1:99999"),
        ("--listen", "127.0.0.1:1\nIDHUB_WORKERS=9"),
    ],
)
def test_init_refuses_an_address_that_the_hub_would_not_start_with_and_writes_nothing(
    tmp_path: Path, option: str, value: str
) -> None:
    result = _run("init", "--dir", tmp_path / "new", option, value)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert option in line
    assert not (tmp_path / "new").exists()


def test_init_never_overwrites(tmp_path: Path) -> None:
    _run("init", "--dir", tmp_path)
    before = (tmp_path / "master.key").read_bytes()
    result = _run("init", "--dir", tmp_path)
    assert result.exit_code == 1
    assert [line.endswith("is there already: nothing was written") for line in result.stderr.splitlines()] == [True, True]
    assert (tmp_path / "master.key").read_bytes() == before


def test_init_says_where_it_may_not_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="ascii")
    result = _run("init", "--dir", tmp_path / "file" / "var")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def test_each_new_master_key_is_another_one() -> None:
    one, other = _run("new-master-key").stdout, _run("new-master-key").stdout
    assert len(decode_master_key(one)) == len(decode_master_key(other)) == 32
    assert one != other


def test_wrong_settings_are_told_all_at_once_without_a_value(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("IDHUB_WORKERS", "many")
    clean_environment.setenv("IDHUB_SHOE", "1")
    clean_environment.setenv("IDHUB_MASTER_KEY", "not-a-key-at-all")
    result = _run("billers", "list")
    assert result.exit_code == 1
    assert sorted(line.partition(":")[0] for line in result.stderr.splitlines()) == [
        "IDHUB_MASTER_KEY",
        "IDHUB_SHOE",
        "IDHUB_WORKERS",
    ]
    assert "not-a-key-at-all" not in result.stderr


def test_without_a_master_key_nothing_runs_and_one_line_says_why(tmp_path: Path, clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("IDHUB_DATABASE_URL", f"sqlite:///{tmp_path}/hub.sqlite3")
    result = _run("billers", "list")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == ["IDHUB_MASTER_KEY or IDHUB_MASTER_KEY_FILE is needed; `idhub new-master-key` makes one"]


def test_a_settings_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = _run("--settings", tmp_path / "none.env", "billers", "list")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [f"The settings file {tmp_path}/none.env cannot be read: no such file."]


def test_a_database_that_was_never_migrated_is_one_line(tmp_path: Path) -> None:
    _run("init", "--dir", tmp_path)
    for words in (["serve"], ["worker"]):
        result = _run("--settings", tmp_path / "hub.env", *words)
        assert result.exit_code == 1
        assert result.stderr.splitlines() == ["database: the database is at revision none: run `idhub migrate`"]
    result = _run("--settings", tmp_path / "hub.env", "billers", "list")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == ["The database is at revision none: run `idhub migrate`."]


def test_help_lists_every_command_in_its_section_and_each_has_words_of_its_own() -> None:
    shown = _run("--help").stdout
    for title, section in _SECTIONS.items():
        assert f"{title}:" in shown
        for name in section:
            helped = _run(name, "--help")
            assert helped.exit_code == 0
            assert f"\n  {name} " in shown


def test_an_unknown_command_is_a_usage_error() -> None:
    assert _run("shoe").exit_code == 2
    assert _run("billers", "shoe").exit_code == 2
