"""What the demo's checks share: telling a step, and what a browser says of itself and reads on a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from examples.partner_client import ApiRefused, PartnerClient, Visitor

if TYPE_CHECKING:
    import httpx

Say = Callable[[str], None]
FRAME = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"}
FULL = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"}


class Checks:
    """Tells steps and counts those that failed."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.steps = 0
        self.failed = 0

    def step(self, sent: str, came: str, good: bool) -> None:
        """One step. `came` is what came, in words."""
        self.steps += 1
        self.failed += not good
        mark = "[green]ok[/green]" if good else "[red]NOT OK[/red]"
        self._say(f"{self.steps:3}. {sent}  ->  {came}  {mark}")

    def refused(self, sent: str, code: str, call: Callable[[], object]) -> None:
        """A call that must be refused with this code."""
        try:
            call()
        except ApiRefused as refusal:
            came = f"{refusal.status} {refusal.problem.get('Code')}"
            self.step(sent, came, refusal.problem.get("Code") == code)
        else:
            self.step(sent, f"was let through instead of {code}", False)


def authenticate(client: PartnerClient, user_name: str, **more: str) -> dict[str, Any]:
    """The answer of Remote Authentication."""
    return client.call("POST", "/remote-authentication/authenticate", {"UserName": user_name, **more})


def redirect_form(answer: dict[str, Any], **params: str) -> dict[str, str]:
    """The form of a redirect with that token."""
    return {"RemoteAuthenticationToken": answer["RemoteAuthenticationToken"], **params}


def links(page: str) -> list[str]:
    """The addresses of the other pages of the account, each once: of links, and of buttons that post."""
    return sorted(set(re.findall(r'(?:href|action)="(/b/[a-z-]+/a/[0-9a-f]+/[a-z]+)"', page)))


def absolute(connect_url: str, path: str) -> str:
    """An address on the host of the biller."""
    return connect_url.split("/b/")[0] + path


def press(browser: Visitor, connect_url: str, page: str, path: str) -> httpx.Response:
    """Press a button of a framed page: the way on while nobody knows yet how the browser carries its session."""
    own = {"Origin": connect_url.split("/b/")[0], "Sec-Fetch-Site": "same-origin"}
    return browser.post(absolute(connect_url, path), hidden(page), FRAME | own)


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page's forms, by name."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
