"""What the browser tests stand on: a hub as its own process, a partner's site on its own origin, and Chromium.

    Stage       the running hub with the demo's data (both sample invoice files), the partner's API clients, the partner's pages
    Window      one tab: what its console said, what its CSP stopped, and screenshots
    Chromium    a browser with a profile of its own: cookies of other sites allowed or blocked, or no cookies at all

`partner.localhost` and `*.hub.localhost` are different sites to Chromium, and it trusts both without TLS.
"""

from __future__ import annotations

import html
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Frame, Page, Playwright
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from examples.partner_client import PartnerClient
from hub.cli.demo_site import DemoSite, Prepared
from idp.opaque import new_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SCREENSHOTS = "IDHUB_TEST_SCREENSHOTS"
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
Cookies = Literal["allowed", "blocked", "off"]
"""Of other sites allowed or blocked; `off`: none at all, and then this browser keeps no storage either."""

_PREFERENCES: Mapping[Cookies, Mapping[str, Any]] = {
    "allowed": {"cookie_controls_mode": 0, "block_third_party_cookies": False},
    "blocked": {"cookie_controls_mode": 1, "block_third_party_cookies": True},
    "off": {"default_content_setting_values": {"cookies": 2}},
}

PAY = ".due-action :is(a, button)"
"""The way from the bills to Make a Payment: a link, or a button where the session travels in forms."""

_LISTENER = "<script>heard=[];addEventListener('message',e=>heard.push({origin:e.origin,...e.data}))</script>"
_WATCH = "addEventListener('securitypolicyviolation',e=>console.error('CSP stopped '+e.violatedDirective+' '+e.blockedURI))"
_CONTROL = "__Secure-control"
_PATIENCE = 30_000
"""Milliseconds until a wait gives up: every wait is for a condition, so only a failure takes so long, or a very busy machine."""


class PartnerSite:
    """A partner's web server: whatever pages a test puts there, on any host under localhost."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._pages: dict[str, str] = {}
        for path in ("/", "/back"):
            self.show(path, "<h1>At the partner</h1>")
        self._server = make_server("127.0.0.1", port, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def origin(self, name: str = "partner") -> str:
        return f"http://{name}.localhost:{self.port}"

    def show(self, path: str, body: str, *, host: str = "partner") -> str:
        """Put a page there, and give its address."""
        self._pages[path] = f"<!doctype html><html lang=en><title>Partner</title><body>{body}</body></html>"
        return f"{self.origin(host)}{path}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._respond(Request(environ))(environ, start_response)

    def _respond(self, request: Request) -> Response:
        if request.path == "/control":
            # An ordinary third-party cookie: tells whether this browser really allows or blocks them.
            response = Response(f"came: {request.cookies.get(_CONTROL, 'none')}", mimetype="text/html")
            response.set_cookie(_CONTROL, "cookie", secure=True, samesite="None")
            return response
        if request.path == "/favicon.ico":
            return Response(status=204)
        page = self._pages.get(request.path, "")
        return Response(page, status=200 if page else 404, mimetype="text/html")


@dataclass(frozen=True, slots=True)
class Stage:
    """The running hub, and what a partner does about it."""

    demo: DemoSite
    prepared: Prepared
    partner: PartnerSite
    clients: Mapping[str, PartnerClient]
    log: Callable[[], str] = str
    """Everything that the hub's process has logged so far."""

    def origin(self, slug: str = "riverbend") -> str:
        return self.prepared.billers[slug].origin

    def authenticate(self, user: str = "avery", slug: str = "riverbend") -> dict[str, Any]:
        """The answer of Remote Authentication."""
        return self.clients[slug].call("POST", "/remote-authentication/authenticate", {"UserName": user})

    def revoke(self, answer: Mapping[str, Any], slug: str = "riverbend") -> None:
        """End a token and its sessions, as a partner does."""
        body = {"RemoteAuthenticationToken": answer["RemoteAuthenticationToken"]}
        self.clients[slug].call("POST", "/remote-authentication/revoke", body)

    def add_old_bills(self, slug: str, account: str, count: int = 14) -> None:
        """Bills of the years before, a month apart; the newest one stays what it is."""
        hub = self.demo.wire()
        try:
            biller = self.prepared.billers[slug]
            customer = hub.customers.get_by_account(biller, account)
            newest = hub.invoices.list_page(biller.bid, customer.id, None, 1).invoices[0]
            with hub.database.begin() as stores:
                for age in range(1, count + 1):
                    earlier = timedelta(days=31 * age)
                    old = replace(
                        newest,
                        id=new_id(),
                        number=f"OLD-{age:03}",
                        issued_on=newest.issued_on - earlier,
                        due_on=newest.due_on - earlier,
                    )
                    stores.invoices.put_invoice(old)
        finally:
            hub.close()

    def form(self, answer: Mapping[str, Any], *, name: str, target: str = "", method: str = "post", **params: str) -> str:
        """A form that hands off; a test submits it."""
        values = {"RemoteAuthenticationToken": answer["RemoteAuthenticationToken"], "RedirectID": "1", **params}
        fields = "".join(f'<input type=hidden name="{key}" value="{html.escape(value)}">' for key, value in values.items())
        aim = f' target="{target}"' if target else ""
        action = answer["ConnectUrl"]
        return f'<form id="{name}" method={method} action="{action}"{aim}>{fields}<button>Show my bills</button></form>'

    def frame_page(
        self,
        *frames: tuple[str, Mapping[str, Any]],
        host: str = "partner",
        method: str = "post",
        relaunch: str = "",
        script: str = "",
        head: str = "",
        width: str = "1000",
        **params: str,
    ) -> str:
        """The address of a partner's page with a frame (by name) for each answer, handed off at once.

        The page loads our script for partners from each biller. `relaunch`: its data-relaunch-url; `script`: the page's own;
        `head`: what stands before everything else; `width`: of the frames.
        """
        body = head + _LISTENER
        again = f' data-relaunch-url="{relaunch}"' if relaunch else ""
        for name, answer in frames:
            body += f'<script src="{answer["ConnectUrl"].removesuffix("connect")}partner.js"></script>'
            body += f'<iframe name="{name}" title="{name}" width={width} height=700{again}></iframe>'
            body += self.form(answer, name=f"form-{name}", target=name, method=method, ViewMode="1", **params)
        body += f"<script>{script}</script><script>for (const form of document.forms) form.submit()</script>"
        return self.partner.show(f"/frame-{len(frames)}", body, host=host)

    def full_page(self, answer: Mapping[str, Any], *, mode: str = "0", method: str = "post", **params: str) -> str:
        """The address of a partner's page with a button that hands off to a full page, or to a new tab (mode 2)."""
        target = "_blank" if mode == "2" else ""
        return self.partner.show("/full", self.form(answer, name="full", target=target, method=method, ViewMode=mode, **params))


def until(place: Page | Frame, expression: str) -> None:
    """Until this holds there. Asked from outside: our Content-Security-Policy lets no script of Playwright's poll in a page."""
    give_up = time.monotonic() + 30
    while not _holds(place, expression):
        assert time.monotonic() < give_up, expression
        time.sleep(0.05)


def _holds(place: Page | Frame, expression: str) -> bool:
    try:
        return bool(place.evaluate(expression))
    except Error as fault:
        if "context was destroyed" not in str(fault):  # it is being loaded
            raise
        return False


@dataclass(slots=True)
class Window:
    """One tab, with everything that went wrong in it."""

    page: Page
    faults: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, context: BrowserContext) -> Window:
        window = cls(context.new_page())
        window.page.on("console", lambda message: window._said(message))
        window.page.on("pageerror", lambda fault: window.faults.append(f"script: {fault}"))
        window.page.on("requestfailed", lambda request: window.faults.append(f"failed: {request.url} {request.failure}"))
        return window

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"{message.type}: {message.text}")

    def frame(self, name: str = "hub", selector: str = "h1") -> Frame:
        """A frame by its name, once it shows something."""
        give_up = time.monotonic() + 30
        while True:
            frame = self.page.wait_for_selector(f"iframe[name={name}]", state="attached").content_frame()  # type: ignore[union-attr]
            if frame is not None:
                frame.wait_for_selector(selector)
                return frame
            # It moves to another process of the browser: from an empty page to one of another site.
            assert time.monotonic() < give_up, f"no frame {name}"
            time.sleep(0.05)

    def heard(self, kind: str) -> dict[str, Any]:
        """The first message of a kind that reached the partner's page."""
        self.page.wait_for_function("kind => heard.some(each => each.type === kind)", arg=kind)
        found: dict[str, Any] = next(each for each in self.page.evaluate("heard") if each["type"] == kind)
        return found

    def wait_for_fault(self, words: str) -> None:
        """Until the console has said something with these words."""
        if not any(words in fault for fault in self.faults):
            self.page.wait_for_event("console", lambda message: words in message.text)

    def shoot(self, name: str) -> None:
        """Keep a picture of this state, where the run asks for pictures."""
        folder = os.environ.get(SCREENSHOTS)
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(Path(folder) / f"{re.sub('[^a-z0-9]+', '-', name.lower())}.png"), full_page=True)


@contextmanager
def open_chromium(
    playwright: Playwright, program: Path, profile: Path, cookies: Cookies, **options: Any
) -> Iterator[BrowserContext]:
    """Debian's Chromium with a fresh profile."""
    preferences = {"profile": _PREFERENCES[cookies]}
    (profile / "Default").mkdir(parents=True)
    (profile / "Default" / "Preferences").write_text(json.dumps(preferences), encoding="utf-8")
    context = playwright.chromium.launch_persistent_context(
        str(profile), executable_path=str(program), headless=True, args=list(ARGUMENTS), **options
    )
    try:
        context.set_default_timeout(_PATIENCE)
        context.add_init_script(_WATCH)
        yield context
    finally:
        context.close()
