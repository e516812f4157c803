"""The partner's documents with curl alone: every command is run in order against a fresh demo, every answer is what is shown.

    ```sh             a command block; all of them run in one shell, so that variables carry over
    ```json answer    what the block before it prints: compared as JSON
    ```text answer    the same, compared line by line

Ids, tokens, instants, references, ports and what is left of a rate differ from run to run; everything else must not.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.cli.demo_site import DemoSite
from sso_connect.api.operations import OPERATIONS, Operation
from tests.conftest import StartProcess
from tests.processes import clean_environment, free_port
from tests.servers import require

_DOCS = Path(__file__).resolve().parents[2] / "docs"
_DOCUMENTS = ("partner-guide.md", "partner-reference.md", "partner-flows.md")
"""In the order in which a partner reads them, and in one shell."""

_FENCE = re.compile(r"^```(?P<kind>[a-z]+(?: answer)?)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(r"{\w+}")
_END = "\x1e"
_VARYING = (
    (re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"), "GUID"),
    (re.compile(r"idh[tok]_(?:\.\.\.|[\w-]{43})"), "SECRET"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "INSTANT"),
    (re.compile(r"(hub|partner)\.localhost:\d+"), r"\1.localhost:PORT"),
    (re.compile(r'data-reference="[0-9A-Z]{10}"'), "REFERENCE"),
    (re.compile(r"/a/[0-9a-f]{20}/"), "/a/HANDLE/"),
    (re.compile(r"(ratelimit-(?:remaining|reset)): \d+"), r"\1: N"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """A command block, and what the document says that it prints ("" where it says nothing). `place`: where it begins."""

    place: str
    command: str
    kind: str = ""
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Followed:
    """The guide after it was followed: its steps, what each printed, and how the shell ended."""

    steps: tuple[Step, ...]
    printed: tuple[str, ...]
    status: int
    complaint: str


def _steps() -> tuple[Step, ...]:
    return tuple(step for name in _DOCUMENTS for step in _steps_of(name))


def _steps_of(name: str) -> list[Step]:
    text = (_DOCS / name).read_text(encoding="utf-8")
    steps: list[Step] = []
    for fence in _FENCE.finditer(text):
        if fence["kind"] == "sh":
            line = text.count("\n", 0, fence.start()) + 1
            steps.append(Step(f"{name}:{line}", fence["text"]))
        elif fence["kind"].endswith(" answer"):
            last = steps[-1]
            assert not last.kind, f"{last.place}: two answers to one command"
            steps[-1] = Step(last.place, last.command, fence["kind"].partition(" ")[0], fence["text"])
    return steps


def _steady(text: str) -> str:
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return text.strip()


@pytest.fixture(scope="module")
def followed(start_module_process: StartProcess, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    """A fresh demo's hub, and the guide followed on it: with its address and its key where the guide has placeholders."""
    curl = require("curl")
    site = DemoSite(tmp_path_factory.mktemp("guide"), free_port(), free_port())
    prepared = site.prepare()
    serve = [sys.executable, "-m", "hub.cli", "serve"]
    start_module_process("hub", serve, environment=site.environment(), ready_url=f"http://127.0.0.1:{site.port}/readyz")
    steps = _steps()
    script = f"\nprintf '{_END}'\n".join(step.command for step in steps)
    for placeholder, value in (
        ("API=http://api.hub.localhost:8080/api/v1\n", f"API={site.api}/api/v1\n"),
        ("\nKEY=idhk_...\n", f"\nKEY={prepared.secrets['riverbend']}\n"),
        ("METERS=idhk_...\n", f"METERS={prepared.meters.secret}\n"),
        ("http://partner.localhost:8090/", f"{site.partner_origin}/"),
    ):
        assert placeholder in script
        script = script.replace(placeholder, value)
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=tmp_path_factory.mktemp("shell"),
        env=clean_environment({"PATH": f"{curl.parent}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}),
        capture_output=True,
        text=True,
        check=False,
    )
    return Followed(steps, tuple(done.stdout.split(_END)), done.returncode, done.stderr)


def test_every_command_of_the_guide_succeeds_in_the_order_of_the_guide(followed: Followed) -> None:
    last = followed.steps[len(followed.printed) - 1]
    assert followed.status == 0, f"{last.place}:\n{last.command}{followed.printed[-1]}\n{followed.complaint}"
    assert len(followed.printed) == len(followed.steps)


def test_every_command_prints_what_the_guide_shows(followed: Followed) -> None:
    for step, printed in zip(followed.steps, followed.printed, strict=True):
        shown, came = _steady(step.shown), _steady(printed)
        if step.kind == "json":
            assert json.loads(came) == json.loads(shown), step.place
        else:
            assert came == shown, step.place


def test_following_the_guide_with_curl_alone_ends_on_the_portal_page(followed: Followed) -> None:
    (redirect,) = [
        printed for step, printed in zip(followed.steps, followed.printed, strict=True) if "> bills.html" in step.command
    ]
    assert "<title>Recent bills – Riverbend Water &amp; Light</title>" in redirect
    assert "$66.66" in redirect, "the amount of the account's bill in the invoice file"


def test_every_operation_of_the_api_is_in_the_guide_as_a_command() -> None:
    commands = "".join(step.command for step in _steps())

    def is_shown(operation: Operation) -> bool:
        path = _PLACE.sub(r'[^"/?]+', operation.path)
        return re.search(rf'"\$API{path}(?:\?[^"]*)?"', commands) is not None

    assert [operation.path for operation in OPERATIONS if not is_shown(operation)] == []


def test_the_guide_uses_no_program_but_curl_and_those_of_every_unix() -> None:
    commands = "".join(step.command for step in _steps())
    first_words = re.findall(r"(?:^|\| |\$\()([a-z]+)\b", commands, flags=re.MULTILINE)
    assert set(first_words) <= {"curl", "echo", "grep", "sed", "tr"}
