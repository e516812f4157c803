"""`idhub demo --check`: a whole instance with its processes, gone through as partners and browsers do."""

from __future__ import annotations

import subprocess
import sys

from tests.processes import clean_environment


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
