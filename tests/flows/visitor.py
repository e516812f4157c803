"""A browser that is none, for the flows: keeps every cookie as it was set, and says of itself what Chromium would.

Visitor    one browser: sends `Sec-Fetch-Dest`, `Sec-Fetch-Site`, `Origin` and the cookies of the host; follows nothing
Answer     what came, with the few things that tests look at
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import Morsel, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

FULL, FRAME, SILENT = "document", "iframe", ""
"""What a browser says it loads for; SILENT: one without Fetch Metadata."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came over the wire. `cookies` holds the Set-Cookie lines, read."""

    status: int
    headers: Headers
    text: str
    cookies: Mapping[str, Morsel[str]]

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")

    @property
    def csp(self) -> dict[str, str]:
        """The Content-Security-Policy by directive."""
        parts = (part.strip().partition(" ") for part in self.headers.get("Content-Security-Policy", "").split(";"))
        return {name: value for name, _, value in parts}

    @property
    def reference(self) -> str:
        """The reference on a refusal or problem page, "" when there is none."""
        found = re.search(r'data-reference="([^"]+)"', self.text)
        return found[1] if found else ""

    @property
    def csrf(self) -> str:
        """The form token of a portal page."""
        found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', self.text)
        assert found, "no form on this page"
        return found[1]

    @property
    def own_path(self) -> str:
        """The address that a framed page calls its own."""
        found = re.search(r'data-url="([^"]+)"', self.text)
        assert found, "no page of the portal in a frame"
        return found[1]

    def links(self) -> list[str]:
        """The portal pages that this one leads to, each once, in order."""
        return list(dict.fromkeys(re.findall(r'(?:href|action)="(/b/[^"]+/a/[^"]+)"', self.text)))

    @property
    def fields(self) -> dict[str, str]:
        """The hidden fields of a page that shows one form."""
        return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', self.text))

    @property
    def frame_token(self) -> str:
        """The frame token that the buttons of a page carry, "" where it has links."""
        found = re.search(r'name="frame_token" value="([^"]+)"', self.text)
        return found[1] if found else ""


@dataclass(slots=True)
class Visitor:
    """One browser. `dest` is what it says it loads for; `peer` is the address that it comes from."""

    app: WSGIApplication
    dest: str = FULL
    peer: str = "203.0.113.7"
    jars: dict[str, dict[str, str]] = field(default_factory=dict)

    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """A GET, with the cookies of the host."""
        return self._send("GET", url, None, None, headers)

    def head(self, url: str) -> Answer:
        """A HEAD, with the cookies of the host."""
        return self._send("HEAD", url, None, None, None)

    def post(
        self,
        url: str,
        form: Mapping[str, str] | list[tuple[str, str]],
        *,
        origin: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A form POST from a page of `origin` (None: a client that says nothing)."""
        return self._send("POST", url, form, origin, headers)

    def ask(self, method: str, url: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Any other method, without a body."""
        return self._send(method, url, None, None, headers)

    def framed(self) -> Visitor:
        """The same browser, with the same cookies, loading a frame."""
        return Visitor(self.app, FRAME, self.peer, self.jars)

    def cookie(self, url: str, name: str) -> str | None:
        """What the browser holds under a name."""
        return self.jars.get(urlsplit(url).netloc, {}).get(name)

    def _send(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | list[tuple[str, str]] | None,
        origin: str | None,
        headers: Mapping[str, str] | None,
    ) -> Answer:
        parts = urlsplit(url)
        jar = self.jars.setdefault(parts.netloc, {})
        sent = Headers({"Host": parts.netloc})
        if self.dest:
            sent["Sec-Fetch-Dest"] = self.dest
            sent["Sec-Fetch-Site"] = _site(parts.netloc, method, origin, (headers or {}).get("Referer"))
        if origin is not None:
            sent["Origin"] = origin
        if jar:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        for name, value in (headers or {}).items():
            if value:
                sent[name] = value
            else:  # a browser that does not send it
                sent.pop(name, None)
        pairs = list(form.items()) if isinstance(form, Mapping) else form or []
        builder = EnvironBuilder(
            path=parts.path,
            base_url=f"http://{parts.netloc}",
            query_string=parts.query,
            method=method,
            headers=sent,
            data=urlencode(pairs) if method == "POST" else None,
            content_type=sent.get("Content-Type", "application/x-www-form-urlencoded") if method == "POST" else None,
            environ_base={"REMOTE_ADDR": self.peer},
        )
        try:
            body, status, answered = run_wsgi_app(self.app, builder.get_environ())
            text = b"".join(body).decode()
        finally:
            builder.close()
        cookies: dict[str, Morsel[str]] = {}
        for line in answered.getlist("Set-Cookie"):
            # http.cookies of Python 3.11 does not know Partitioned; it is looked at in the raw line.
            for name, morsel in SimpleCookie(line.replace("; Partitioned", "")).items():
                cookies[name] = morsel
                jar[name] = morsel.value
                if morsel["max-age"] == "0" or not morsel.value:
                    del jar[name]
        return Answer(int(status.split()[0]), answered, text, cookies)


def _site(host: str, method: str, origin: str | None, referrer: str | None) -> str:
    """What Chromium would say of the sending page. A GET that no page sent was typed; a POST without Origin hides its page."""
    sender = urlsplit(origin if origin not in (None, "null") else referrer or "").netloc
    if not sender:
        return "none" if method == "GET" and origin is None else "cross-site"
    if sender == host:
        return "same-origin"
    return "same-site" if sender.split(".")[-3:] == host.split(".")[-3:] else "cross-site"
