"""The iFrames of the partner guide, as printed: whatever is in them, nothing is cut off, on a phone and on a desk."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser.stage import Stage, Window, until

_GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "partner-guide.md").read_text(encoding="utf-8")
_SNIPPETS = [block for block in re.findall(r"^```html\n(.*?)^```$", _GUIDE, re.MULTILINE | re.DOTALL) if "<iframe" in block]
_FRAMES = re.findall(r"<iframe[^>]*>", _GUIDE)
_SCRIPT = "https://riverbend.example.com/b/riverbend/sso/partner.js"


def test_every_iframe_of_the_guide_has_a_width_a_least_height_and_our_script() -> None:
    assert len(_FRAMES) == 4
    assert all("width: 100%" in frame and "min-height: 480px" in frame for frame in _FRAMES)
    assert len(_SNIPPETS) == 2
    assert all(_SCRIPT in snippet for snippet in _SNIPPETS)


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("state", ["bills", "refused", "refused, without our script"])
@pytest.mark.parametrize("number", [0, 1])
def test_nothing_is_cut_off(window: Window, stage: Stage, number: int, state: str, width: int) -> None:
    answer = stage.authenticate()
    script = answer["ConnectUrl"].removesuffix("connect") + "partner.js"
    snippet = _SNIPPETS[number].replace(_SCRIPT, script if state != "refused, without our script" else "about:blank")
    for name in ("ConnectUrl", "RemoteAuthenticationToken"):
        snippet = snippet.replace(f"{{{name}}}", answer[name])
    snippet = re.sub(r"<script>.*?</script>", "", snippet)
    form = "" if "<form" in snippet else stage.form(answer, name="connect", target="bills", ViewMode="1")
    token = "" if state == "bills" else "document.forms[0].RemoteAuthenticationToken.value = 'idht_' + 'x'.repeat(43);"
    send = f"addEventListener('load', () => {{ {token} document.forms[0].submit() }})"
    window.page.set_viewport_size({"width": width, "height": 800})
    phone = "<meta name=viewport content='width=device-width'>"
    window.page.goto(stage.partner.show("/snippet", f"{phone}{snippet}{form}<script>{send}</script>"))
    frame = window.frame("bills", ".due" if state == "bills" else "[data-reference]")
    until(frame, "innerHeight >= Math.ceil(document.documentElement.getBoundingClientRect().height)")
    assert frame.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert window.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    window.shoot(f"guide snippet {number} {state} {width}")
