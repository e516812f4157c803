"""A conversation of a partner's server (and its payer's browser) with the hub, written down so that it can be kept and compared.

    Conversation    asks the API and the portal of a wired hub, and writes down each request and answer
    golden          compares what was written down with the file of that name; IDHUB_TEST_GOLDEN=write writes it anew

What differs from run to run (ids, tokens, instants, references, handles) becomes a numbered word: the same value is the same word
through the whole conversation, so a golden file also shows what refers to what.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from werkzeug.test import Client

from tests.flows.visitor import FRAME, Answer, Visitor
from tests.flows.world import DOMAIN, World

_FOLDER = Path(__file__).parent / "golden"
_API = f"https://api.{DOMAIN}/api/v1"
_VARYING = (
    ("guid", re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")),
    ("token", re.compile(r"idh[tol]_[\w-]{43}")),
    ("instant", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")),
    ("reference", re.compile(r"(?<![0-9A-Z])[2-9A-HJ-NP-Z]{10}(?![0-9A-Z])")),
    ("handle", re.compile(r"(?<=/a/)[0-9a-f]{20}(?=/)")),
)
_TOLD = ("X-Warning", "Deprecation", "Link", "Location", "WWW-Authenticate")


@dataclass(slots=True)
class Conversation:
    """One partner talks. `basic`: the key goes as HTTP Basic, as partners are used to; `old`: under the old names."""

    world: World
    secret: str
    basic: bool = False
    written: list[dict[str, Any]] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)

    def ask(self, title: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A call of the partner's server; the answer's body ({} where there is none)."""
        secret = self.secret
        headers = {"Accept": "application/json"}
        if self.basic:
            headers["Authorization"] = "Basic " + b64encode(f"{secret}:".encode()).decode()
        else:
            headers["X-Api-Key"] = secret
        answer = _call(self.world, method, f"{_API}{path}", body, headers)
        came = json.loads(answer.text) if answer.text else {}
        assert isinstance(came, dict)
        self._write(title, f"{method} {path}", body, answer, came)
        return came

    def redirect(self, title: str, token: str, *, get: bool, bid: int, **params: str) -> Answer:
        """The payer's browser follows the partner into the frame."""
        url = f"{self.world.biller(bid).base_url}/sso/connect"
        form = {"RemoteAuthenticationToken": token, "ViewMode": "1", "RedirectID": "1"} | params
        visitor = Visitor(self.world.app, FRAME)
        answer = visitor.get(f"{url}?{urlencode(form)}") if get else visitor.post(url, form, origin=None)
        self._write_page(title, f"{'GET' if get else 'POST'} {url}", form, answer)
        if " data-post-on>" in answer.text:  # what the script of the page does
            (action,) = re.findall(r'<form[^>]* action="([^"]+)"', answer.text)
            fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', answer.text))
            origin = self.world.biller(bid).origin
            answer = visitor.post(f"{origin}{action}", fields, origin=origin)
            self._write_page("and on", f"POST {origin}{action}", dict.fromkeys(fields, "<carried>"), answer)
        return answer

    def _write_page(self, title: str, line: str, form: Mapping[str, str], answer: Answer) -> None:
        title_of_page = re.search(r"<title>(.*?)</title>", answer.text)
        amount = re.search(r'class="amount">([^<]*)', answer.text)
        shown = {"Title": title_of_page[1] if title_of_page else None, "Amount": amount[1] if amount else None}
        self._write(title, line, form, answer, {"Page": shown})

    def check(self, name: str) -> None:
        """AssertionError where the conversation is not the one in the golden file."""
        path = _FOLDER / f"{name}.json"
        text = json.dumps(self.written, indent=2, ensure_ascii=False) + "\n"
        if os.environ.get("IDHUB_TEST_GOLDEN") == "write":
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert json.loads(path.read_text(encoding="utf-8")) == self.written

    def _write(self, title: str, line: str, sent: Mapping[str, Any] | None, answer: Answer, came: Mapping[str, Any]) -> None:
        headers = {name: answer.headers[name] for name in _TOLD if name in answer.headers}
        exchange = {"Step": title, "Request": line, "Sent": sent, "Status": answer.status, "Headers": headers, "Came": came}
        self.written.append(json.loads(self._steady(json.dumps(exchange))))

    def _steady(self, text: str) -> str:
        for kind, pattern in _VARYING:
            text = pattern.sub(lambda match, kind=kind: self._word(kind, match[0]), text)  # type: ignore[misc]
        return text

    def _word(self, kind: str, value: str) -> str:
        known = sum(word.startswith(f"<{kind} ") for word in self.words.values())
        return self.words.setdefault(value, f"<{kind} {known + 1}>")


def _call(world: World, method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Answer:
    client = Client(world.app, use_cookies=False)
    raw = None if body is None else json.dumps(body).encode()
    kind = {} if raw is None else {"Content-Type": "application/json"}
    parts = urlsplit(url)
    answer = client.open(
        parts.path, method=method, query_string=parts.query, data=raw, headers={**headers, **kind},
        base_url=f"{parts.scheme}://{parts.netloc}",
    )  # fmt: skip
    return Answer(answer.status_code, answer.headers, answer.get_data(as_text=True), {})
