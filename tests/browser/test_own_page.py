"""A page of one's own against the demo: the guide's portals in Python and in Node, run as printed, show bills in a frame."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import playwright as playwright_package
import pytest

from examples.partner_client import PartnerClient
from tests.browser.stage import Stage, Window
from tests.conftest import StartProcess

_GUIDE = Path(__file__).resolve().parents[2] / "docs" / "partner-guide.md"
_NODE = Path(playwright_package.__file__).parent / "driver" / "node"
"""The Node that Playwright brings along: a fresh machine has no other."""


def _program(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", _GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.parametrize(("language", "name"), [("python", "portal.py"), ("js", "portal.mjs")])
def test_a_portal_as_the_guide_prints_it_shows_the_bills_in_its_frame(
    window: Window,
    stage: Stage,
    start_process: StartProcess,
    tmp_path: Path,
    language: str,
    name: str,
) -> None:
    file = tmp_path / name
    file.write_text(_program(language), encoding="utf-8")
    program = [sys.executable, str(file)] if language == "python" else [str(_NODE), str(file)]
    port = stage.demo.own_port
    environment = {"API": f"{stage.demo.api}/api/v1", "KEY": stage.prepared.own["riverbend"], "PORT": str(port)}
    start_process(name, program, environment=environment, ready_url=f"http://127.0.0.1:{port}/")
    window.page.goto(f"{stage.demo.own_origin}/")
    frame = window.frame("bills", ".due")
    assert "$84.17" in frame.inner_text(".due")
    assert "Avery Brandt" in frame.inner_text(".who")
    window.shoot(f"own page {language}")
    assert [fault for fault in window.faults if "404" not in fault] == [], "but for the icon that this portal does not have"


def test_the_key_of_that_page_is_good_for_no_other_origin(window: Window, stage: Stage) -> None:
    client = PartnerClient(stage.demo.api, stage.prepared.own["riverbend"])
    answer = client.call("POST", "/remote-authentication/authenticate", {"UserName": "avery"})
    client.close()
    window.page.goto(stage.frame_page(("hub", answer)))
    assert "This link does not work from here" in window.frame().inner_text("main")
