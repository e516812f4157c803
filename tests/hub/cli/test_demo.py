"""`idhub demo --check`: a whole instance with its processes, gone through as partners and browsers do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli import demo_site
from hub.cli.commands import idhub
from hub.cli.demo_site import DemoFailedError, DemoSite
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
        "keeps no cookies", "asked first", "prefetch", "21 minutes ago", "a single-use token twice", "the change log",
    )  # fmt: skip
    for flow in flows:
        assert flow in told, flow
    for secret in ("idht_", "idhl_", "idhf_", "idhk_", "idho_"):
        assert secret not in done.stdout + done.stderr


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
    with DemoSite(tmp_path, 1, 2, said.append) as site, pytest.raises(DemoFailedError) as caught:
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
