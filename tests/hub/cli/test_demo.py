"""`idhub demo --check`: a whole instance with its processes, gone through as partners and browsers do."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from hub.cli import demo_site
from hub.cli.commands import idhub
from hub.cli.demo_history import history_file
from hub.cli.demo_people import BILLERS, CREDIT, HOUSEHOLDS, PAYERS
from hub.cli.demo_site import DATA, DemoFailedError, DemoSite
from idp.directory.rights import LoginType
from sso_connect.imports.bif import ColumnMap, Group, check, groups
from tests.processes import clean_environment, free_port


def test_the_demo_checks_every_flow_against_a_fresh_instance_and_says_each_step() -> None:
    command = [sys.executable, "-m", "hub.cli", "demo", "--check"]
    done = subprocess.run(command, env=clean_environment({}), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    *steps, verdict = [line for line in done.stdout.splitlines() if line.strip()]
    assert "all as it should be" in verdict
    assert all(step.endswith("ok") for step in steps)
    told = "\n".join(steps)
    flows = (
        "invoice file", "register-accounts", "with a code for Owner", "unregister dana", "RolledBack", "Update Password",
        "Update E-mail", "the worker takes it over", "introspect", "explain", "diagnostics", "POST links", "posts it again",
        "a year of bills", "search among them for 201701  ->  1 found", "Credit $12.00, nothing to pay",
        "tess is Oversight, ivo is Guest", "page of one's own", "name and way on", "keeps no cookies", "asked first",
        "prefetch", "21 minutes ago", "a single-use token twice", "the change log",
    )  # fmt: skip
    for flow in flows:
        assert flow in told, flow
    for secret in ("idht_", "idhl_", "idhf_", "idhk_", "idho_"):
        assert secret not in done.stdout + done.stderr


def _demo(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hub.cli", "demo", *options]
    return subprocess.run(command, env=clean_environment({}), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("option", "variable"), [("--port", "IDHUB_DEMO_PORT"), ("--partner-port", "IDHUB_DEMO_PARTNER_PORT")])
def test_a_port_in_use_is_one_line_that_names_the_option_for_another(option: str, variable: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = {"--port": str(free_port()), "--partner-port": str(free_port()), option: str(port)}
        done = _demo("--dir", str(tmp_path / "demo"), *(part for pair in ports.items() for part in pair))
    assert done.returncode == 1
    assert done.stderr == f"Error: port {port} is in use: choose another with {option}, or {variable} for make demo\n"
    assert not (tmp_path / "demo").exists(), "nothing was emptied or written for a demo that cannot start"


def test_ports_that_are_none_or_the_same_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    same = _demo("--dir", str(folder), "--port", "18080", "--partner-port", "18080")
    assert (same.returncode, len(same.stderr.splitlines())) == (1, 1)
    assert "three different ports" in same.stderr
    for wrong in ("0", "65536", "http"):
        done = _demo("--dir", str(folder), "--port", wrong)
        assert done.returncode == 2
        assert "--port" in done.stderr
    assert not folder.exists()


def test_commands_beside_the_demo_work_with_the_settings_file_in_its_folder(tmp_path: Path) -> None:
    site = DemoSite(tmp_path / "demo", free_port(), free_port())
    prepared = site.prepare()
    assert site.settings_file == tmp_path / "demo" / "hub.env"
    assert site.settings_file.stat().st_mode & 0o077 == 0
    environment = clean_environment({"IDHUB_SETTINGS": str(site.settings_file)})
    command = [sys.executable, "-m", "hub.cli", "billers", "list", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path)
    found = yaml.safe_load(done.stdout)
    assert [each["bid"] for each in found] == [9001, 9002]
    assert found[0]["base_url"] == prepared.billers["riverbend"].base_url


# --- the people of the demo ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("biller", BILLERS, ids=lambda biller: biller.slug)
def test_the_earlier_bills_of_the_demo_are_a_good_invoice_file_and_the_same_at_every_start(biller: object) -> None:
    (wanted,) = (each for each in BILLERS if each is biller)
    columns = ColumnMap.default()
    if wanted.columns:
        columns = ColumnMap.from_mapping(yaml.safe_load((DATA / wanted.columns).read_text(encoding="utf-8")))
    file = history_file(wanted, columns, HOUSEHOLDS[wanted.slug])
    assert file == history_file(wanted, columns, HOUSEHOLDS[wanted.slug])
    check(io.BytesIO(file), columns, wanted.guid)
    found = [group for group in groups(io.BytesIO(file), columns) if isinstance(group, Group)]
    assert len(found) == sum(household.months for household in HOUSEHOLDS[wanted.slug])
    for group in found:
        assert sum(line.amount_minor or 0 for line in group.lines) == group.invoice.total_minor
    if wanted.slug == "riverbend":
        credited = [group.invoice.total_minor for group in found if group.customer.account_number == CREDIT]
        assert credited[-1] == -1200
        assert all(amount > 0 for amount in credited[:-1])


def test_every_login_type_has_a_payer_and_one_payer_has_thirty_accounts() -> None:
    assert {payer.login_type for payer in PAYERS} == set(LoginType)
    assert max(len(payer.accounts) for payer in PAYERS) == 30
    assert len({(payer.slug, payer.user_name) for payer in PAYERS}) == len(PAYERS)


@pytest.mark.parametrize("kept", [True, False])
def test_a_process_that_ends_before_it_is_ready_is_told_with_the_end_of_its_log(tmp_path: Path, kept: bool) -> None:
    with DemoSite(tmp_path, 1, 2, kept=kept) as site, pytest.raises(DemoFailedError) as caught:
        site.start("hub", "no_such_module", ready=f"http://127.0.0.1:{free_port()}/readyz")
    said = str(caught.value)
    assert said.startswith("The hub ended with exit code 1. ")
    assert "No module named no_such_module" in said
    assert (str(tmp_path) in said) is kept  # a path that is deleted already helps nobody


def test_a_long_wait_says_what_it_waits_for_and_what_it_got(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    assert demo_site._READY_SECONDS >= 120
    monkeypatch.setattr(demo_site, "_QUIET_SECONDS", 0.0)
    monkeypatch.setattr(demo_site, "_READY_SECONDS", 10.0)
    port = free_port()
    with DemoSite(tmp_path, 1, 2, say=said.append) as site, pytest.raises(DemoFailedError) as caught:
        site.start(
            "hub",
            "http.server",
            "--bind",
            "127.0.0.1",
            "--directory",
            str(tmp_path),
            str(port),
            ready=f"http://127.0.0.1:{port}/readyz",
        )
    assert said[0].startswith(f"Waiting for the hub at http://127.0.0.1:{port}/readyz: ")
    assert any(": 404 " in line for line in said)
    assert str(caught.value).startswith("The hub was not ready within 10 s (404 ")
    assert "File not found" in str(caught.value)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = CliRunner().invoke(
        idhub, ["demo", "--port", str(free_port()), "--partner-port", str(free_port()), "--dir", str(tmp_path / "file" / "demo")]
    )
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "choose another folder with --dir" in result.stderr
