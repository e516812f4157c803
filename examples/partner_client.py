"""A partner's side of the API, with an ordinary HTTP client (httpx).

`*.localhost` names are not resolved by Python, so the transport maps them to 127.0.0.1 and keeps the name in the Host header; a
partner in the real world needs none of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any

import httpx


class LoopbackTransport(httpx.HTTPTransport):
    """Sends `*.localhost` to this machine."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        if host.endswith(".localhost"):
            request.url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(request)


class ApiRefused(Exception):
    """The hub said no. `problem` is its problem+json (RFC 9457): Code, detail, and Errors by field."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('Code')}: {problem.get('detail')}")
        self.status = status
        self.problem = problem


class PartnerClient:
    """Calls the partner API of one biller with one key."""

    def __init__(self, api: str, key: str) -> None:
        self._http = httpx.Client(
            base_url=f"{api}/api/v1", headers={"X-Api-Key": key}, transport=LoopbackTransport(), timeout=10.0, trust_env=False
        )

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One call; its JSON. ApiRefused for everything over 399."""
        response = self._http.request(method, path, json=body)
        if response.status_code >= 400:
            raise ApiRefused(response.status_code, response.json())
        return response.json() if response.content else {}

    def ping(self) -> dict[str, Any]:
        """Who the key is for, and what it may do."""
        return self.call("GET", "/ping")

    def hand_over(self, user_name: str, email: str, account: str) -> dict[str, Any]:
        """The partner flow: Retrieve Users, Register Accounts where needed, Remote Authentication. Its answer."""
        found = self.call("POST", "/remote-authentication/retrieve-users", {"AccountNumbers": [account], "UserName": user_name})[
            "Results"
        ][0]
        if not found["Exists"]:
            self.call("POST", "/customers", {"AccountNumber": account, "CustomerName": user_name, "EmailAddress": email})
        if not found["IsRegisteredToUser"]:
            self.call(
                "POST",
                "/remote-authentication/register-accounts",
                {"UserName": user_name, "EmailAddress": email, "LoginTypeID": 1, "Accounts": [{"AccountNumber": account}]},
            )
        return self.call("POST", "/remote-authentication/authenticate", {"UserName": user_name})

    def close(self) -> None:
        """Give connections back."""
        self._http.close()


class Visitor:
    """A browser that is no browser: keeps cookies per host (Secure ones too, as Chromium does on *.localhost), follows nothing."""

    def __init__(self) -> None:
        self._http = httpx.Client(transport=LoopbackTransport(), timeout=10.0, trust_env=False, follow_redirects=False)
        self._cookies: dict[str, dict[str, str]] = {}

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """A GET with this host's cookies."""
        return self._send("GET", url, None, headers)

    def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> httpx.Response:
        """A form POST with this host's cookies."""
        return self._send("POST", url, form, headers)

    def close(self) -> None:
        """Give connections back."""
        self._http.close()

    def _send(self, method: str, url: str, form: Mapping[str, str] | None, headers: Mapping[str, str] | None) -> httpx.Response:
        host = httpx.URL(url).netloc.decode()
        jar = self._cookies.setdefault(host, {})
        cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} if jar else {}
        self._http.cookies.clear()
        response = self._http.request(method, url, data=form, headers={**cookie, **(headers or {})})
        for line in response.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line.replace("Partitioned", "")).items():
                jar[name] = morsel.value
                if morsel["max-age"] == "0" or not morsel.value:
                    jar.pop(name, None)
        return response
