"""A partner's side of the API, with an ordinary HTTP client (httpx).

`*.localhost` names are not resolved by Python, so the transport maps them to 127.0.0.1 and keeps the name in the Host header; a
partner in the real world needs none of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


class NotTied(Exception):
    """User and account were not tied. `status` is that of the account: NotFound, RoleCodeInvalid, CredentialsMismatch ..."""

    def __init__(self, status: str, note: str) -> None:
        super().__init__(status)
        self.status = status
        self.note = note


@dataclass(frozen=True)
class Applicant:
    """A payer as the partner knows it. `name`, `role_code` ("": none) and `verified` (the portal knows that the account is the
    payer's, for example from the CIS) are for a registration only."""

    user_name: str
    email: str
    account: str
    name: str = ""
    role_code: str = ""
    verified: bool = True


@dataclass(frozen=True)
class Access:
    """What a portal with passwords of its own learns of a payer: the token to redirect with, and the accounts to show."""

    answer: dict[str, Any]
    customers: list[dict[str, Any]]
    accounts: list[dict[str, Any]]


class PartnerClient:
    """Calls the partner API of one biller with one key. `calls` says what was asked, and what status came."""

    def __init__(self, api: str, key: str) -> None:
        self.calls: list[tuple[str, int]] = []
        self._http = httpx.Client(
            base_url=f"{api}/api/v1", headers={"X-Api-Key": key}, transport=LoopbackTransport(), timeout=10.0, trust_env=False
        )

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One call; its JSON. ApiRefused for everything over 399."""
        return self._answer(method, path, self._http.request(method, path, json=body))

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """Upload an invoice file; 202 and where to ask what became of it."""
        path = "/invoice-files"
        sent = self._http.post(path, params={"FileName": name}, content=content, headers={"Content-Type": "text/plain"})
        return self._answer("POST", path, sent)

    def _answer(self, method: str, path: str, response: httpx.Response) -> dict[str, Any]:
        self.calls.append((f"{method} {path}", response.status_code))
        if response.status_code >= 400:
            raise ApiRefused(response.status_code, response.json())
        return response.json() if response.content else {}

    def ping(self) -> dict[str, Any]:
        """Who the key is for, and what it may do."""
        return self.call("GET", "/ping")

    def hand_over(self, user_name: str, email: str, account: str) -> dict[str, Any]:
        """`register` for a payer without more to tell."""
        return self.register(Applicant(user_name, email, account))

    def register(self, who: Applicant) -> dict[str, Any]:
        """As Util360 does: Retrieve Users; Create Customer Record where the account is missing; Register Accounts where the user is
        not on it; Remote Authentication. Its answer. NotTied, ApiRefused."""
        asked = {"AccountNumbers": [who.account], "UserName": who.user_name}
        found = self.call("POST", "/remote-authentication/retrieve-users", asked)["Results"][0]
        if not found["Exists"]:
            record = {"AccountNumber": who.account, "CustomerName": who.name or who.user_name, "EmailAddress": who.email}
            self.call("POST", "/customers", record)
        if not found["IsRegisteredToUser"]:
            self._tie({"UserName": who.user_name, "EmailAddress": who.email, "LoginTypeID": 1}, who)
        return self.call("POST", "/remote-authentication/authenticate", {"UserName": who.user_name})

    def access(self, who: Applicant, password: str) -> Access:
        """As MyMeter does: Retrieve Users, Remote Authentication with the password; where that fails Register Accounts and once
        more; then Retrieve CustomerGUID and Retrieve User Accounts, both by the token. NotTied, ApiRefused."""
        asked = {"AccountNumbers": [who.account], "UserName": who.user_name}
        self.call("POST", "/remote-authentication/retrieve-users", asked)
        shown = {"UserName": who.user_name, "Password": password}
        try:
            answer = self.call("POST", "/remote-authentication/authenticate", shown)
        except ApiRefused as refused:
            if refused.problem.get("Code") != "CredentialsRefused" or not who.email:
                raise
            self._tie({**shown, "EmailAddress": who.email, "LoginTypeID": 1}, who)
            answer = self.call("POST", "/remote-authentication/authenticate", shown)
        token = {"RemoteAuthenticationToken": answer["RemoteAuthenticationToken"]}
        customers = self.call("POST", "/customer-portal/retrieve-customer-guid", token)["Customers"]
        accounts = self.call("POST", "/remote-authentication/retrieve-user-accounts", token)["Accounts"]
        return Access(answer, customers, accounts)

    def is_active(self, token: str) -> bool:
        """Whether a redirect with the token would be let in."""
        return bool(self.call("POST", "/remote-authentication/introspect", {"RemoteAuthenticationToken": token})["Active"])

    def revoke(self, token: str) -> None:
        """End a token, and every session that it began."""
        self.call("POST", "/remote-authentication/revoke", {"RemoteAuthenticationToken": token})

    def _tie(self, user: Mapping[str, Any], who: Applicant) -> None:
        account = {"AccountNumber": who.account} | ({"RoleCode": who.role_code} if who.role_code else {})
        # Without AccountProof the key's own policy counts. Whoever typed an account number into a form has proved nothing by it.
        proof: dict[str, Any] = {} if who.verified else {"AccountProof": []}
        item = self.call("POST", "/remote-authentication/register-accounts", {**user, **proof, "Accounts": [account]})["Results"][0]
        if item["Status"] not in {"Registered", "AlreadyRegistered"}:
            raise NotTied(item["Status"], item["Note"])

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

    def head(self, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """A HEAD with this host's cookies."""
        return self._send("HEAD", url, None, headers)

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
