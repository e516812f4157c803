"""An example partner portal ("Harborlight"): its own process, its own origin, the public API, nothing else.

    python -m examples.partner_portal --port 8090 --config demo.json

    /            its payers sign in with one click          /register   a new payer: account number, name, role code (as Util360)
    /access      user name and password of the payer, checked by the hub, then the accounts are synced (as MyMeter)
    /dashboard   the hub's pages in an iFrame: the token travels in a form POST into the frame, never in an address; also on a full
                 page with a way back
    /link        an SSO link, opened in a new tab            /sign-out   ends it here, and by Revoke at the hub

It holds one token for each payer who is signed in, uses it for every page, and asks for another when that one is over or a frame
says `relaunchNeeded`. The configuration: {"api": "...", "connections": [{"partner", "biller", "key", "entrance": "click" or
"password", "css_url", "payers": [{"name", "user_name", "email", "account", "note"}]}]}.
"""

from __future__ import annotations

import argparse
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flask
from werkzeug.serving import make_server

from examples.partner_client import ApiRefused, Applicant, NotTied, PartnerClient

PAGES = {
    1: "Bills",
    6: "Make a payment",
    7: "Payment history",
    8: "Scheduled",
    3: "AutoPay",
    2: "Paperless",
    11: "Pay by text",
    5: "Payment options",
    4: "Profile",
    9: "Accounts",
    10: "People",
}
WHY_NOT = {
    "NotFound": "The utility has no account with this number.",
    "RoleCodeInvalid": "That code does not fit this account. It is printed on the bill.",
    "RoleCodeRequired": "This utility asks for the code that is printed on the bill.",
    "CredentialsMismatch": "Somebody has this user name already, with another password.",
    "AccountAlreadyRegistered": "Somebody is registered on this account already.",
    "Throttled": "Too many wrong codes. Wait a few minutes.",
}
_MOST_SEATS = 1000


@dataclass(frozen=True)
class Connection:
    """A key at one utility. `entrance`: whether payers are known here ("click") or show the hub's password."""

    partner: str
    biller: str
    key: str
    entrance: str
    css_url: str
    payers: tuple[Applicant, ...]
    notes: Mapping[str, str] = field(default_factory=dict)
    """User name -> why somebody might pick this payer."""


@dataclass
class Seat:
    """Somebody who is signed in here, and the answer of Remote Authentication that all pages use."""

    connection: Connection
    payer: Applicant
    answer: dict[str, Any] | None = None


@dataclass
class Seats:
    """Who is signed in, by an id that only the browser's session knows."""

    _taken: dict[str, Seat] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, seat: Seat) -> str:
        """Sign somebody in; the one who came first leaves when there are too many."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._taken[name] = seat
            while len(self._taken) > _MOST_SEATS:
                del self._taken[next(iter(self._taken))]
        return name

    def find(self, name: str) -> Seat | None:
        """Who it is."""
        return self._taken.get(name)

    def leave(self, name: str) -> Seat | None:
        """Sign somebody out."""
        with self._lock:
            return self._taken.pop(name, None)


def load(config: Path) -> tuple[str, list[Connection]]:
    """The API's address and the portal's connections."""
    raw: dict[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    connections = [
        Connection(
            each["partner"],
            each["biller"],
            each["key"],
            each["entrance"],
            each["css_url"],
            tuple(Applicant(payer["user_name"], payer["email"], payer["account"], payer["name"]) for payer in each["payers"]),
            {payer["user_name"]: payer.get("note", "") for payer in each["payers"]},
        )
        for each in raw["connections"]
    ]
    return raw["api"], connections


class Portal:
    """The portal's pages."""

    def __init__(self, api: str, connections: list[Connection], origin: str) -> None:
        self._api = api
        self._clicks = [each for each in connections if each.entrance == "click"]
        self._passwords = [each for each in connections if each.entrance == "password"]
        self._back = f"{origin}/back"
        self._seats = Seats()

    def home(self) -> str:
        return self._show("home.html", connections=self._clicks, with_access=bool(self._passwords))

    def sign_in(self) -> Any:
        number, _, place = flask.request.form["payer"].partition(".")
        connection = self._clicks[int(number)]
        self._sit(Seat(connection, connection.payers[int(place)]))
        return flask.redirect("/dashboard/1", 303)

    def register(self) -> Any:
        """A payer registers: the form, and what becomes of it."""
        given = _given("biller", "account", "user_name", "email", "name", "role_code")
        if flask.request.method == "GET":
            return self._show("register.html", given=given, connections=self._clicks)
        connection = self._clicks[int(given["biller"] or 0)]
        who = Applicant(given["user_name"], given["email"], given["account"], given["name"], given["role_code"], verified=False)
        with self._client(connection) as client:
            try:
                answer = client.register(who)
            except (ApiRefused, NotTied) as fault:
                told = _told(fault)
                return self._show("register.html", given=given, connections=self._clicks, fault=told, calls=client.calls), 422
            self._sit(Seat(connection, who, answer))
            waits = who.account not in {each["AccountNumber"] for each in answer["Accounts"]}
            title = "Waiting for approval" if waits else "You are registered"
            return self._show("entered.html", title=title, waits=waits, accounts=answer["Accounts"], calls=client.calls)

    def access(self) -> Any:
        """A payer shows the password that the hub knows: the form, and the accounts that are synced."""
        given = _given("account", "user_name", "email")
        if not self._passwords:
            flask.abort(404)
        (connection, *_) = self._passwords
        if flask.request.method == "GET":
            return self._show("access.html", given=given, connection=connection)
        who = Applicant(given["user_name"], given["email"], given["account"], verified=False)
        with self._client(connection) as client:
            try:
                found = client.access(who, flask.request.form.get("password", ""))
            except (ApiRefused, NotTied) as fault:
                told = _told(fault)
                return self._show("access.html", given=given, connection=connection, fault=told, calls=client.calls), 422
            self._sit(Seat(connection, who, found.answer))
            waits = not found.accounts
            synced = f"{len(found.accounts)} account{'' if len(found.accounts) == 1 else 's'} synced"
            title = "Waiting for approval" if waits else synced
            return self._show("entered.html", title=title, waits=waits, accounts=found.accounts, calls=client.calls)

    def dashboard(self, page: int) -> Any:
        """A page of the hub in a frame."""
        seat = self._seat()
        if seat is None or page not in PAGES:
            return flask.redirect("/", 303)
        with self._client(seat.connection) as client:
            try:
                if seat.answer is None or not client.is_active(seat.answer["RemoteAuthenticationToken"]):
                    if seat.connection.entrance == "password":
                        return flask.redirect("/access", 303)  # nobody's password is kept here
                    seat.answer = client.register(seat.payer)
            except (ApiRefused, NotTied) as fault:
                return self._show("refused.html", fault=_told(fault)), 502
        hub = seat.answer["ConnectUrl"].split("/b/")[0]
        numbers = {each["AccountNumber"] for each in seat.answer["Accounts"]}
        account = seat.payer.account if seat.payer.account in numbers else ""
        return self._show(
            "dashboard.html",
            answer=seat.answer,
            account=account,
            pages=PAGES,
            page=page,
            hub=hub,
            back=self._back,
            connection=seat.connection,
        )

    def relaunch(self) -> Any:
        """A frame asks for a new hand-off."""
        seat, page = self._seat(), flask.request.form.get("page", 1, int)
        if seat is not None:
            seat.answer = None
        return flask.redirect(f"/dashboard/{page}", 303)

    def link(self) -> Any:
        """A page of the hub in a new tab, by an SSO link: the page that offers it, and the way there."""
        seat = self._seat()
        if seat is None:
            return flask.redirect("/", 303)
        if flask.request.method == "GET":
            return self._show("link.html", pages=PAGES, can=seat.connection.entrance == "click")
        body = {
            "UserName": seat.payer.user_name,
            "RedirectID": flask.request.form.get("page", 1, int),
            "ViewMode": 2,
            "AccountNumber": seat.payer.account,
            "ReturnUrl": self._back,
            "CustomReturnSiteName": seat.connection.partner,
        }
        with self._client(seat.connection) as client:
            try:
                return flask.redirect(client.call("POST", "/sso-connect/links", body)["Url"], 303)
            except ApiRefused as fault:
                return self._show("refused.html", fault=_told(fault)), 502

    def sign_out(self) -> Any:
        """End it here and at the hub."""
        seat = self._seats.leave(flask.session.get("seat", ""))
        flask.session.clear()
        if seat is not None and seat.answer is not None:
            with self._client(seat.connection) as client:
                try:
                    client.revoke(seat.answer["RemoteAuthenticationToken"])
                except ApiRefused as fault:
                    return self._show("refused.html", fault=_told(fault)), 502
        return flask.redirect("/", 303)

    def back(self) -> str:
        return self._show("back.html")

    def _sit(self, seat: Seat) -> None:
        self._seats.leave(flask.session.get("seat", ""))
        flask.session["seat"] = self._seats.take(seat)

    def _seat(self) -> Seat | None:
        return self._seats.find(flask.session.get("seat", ""))

    def _show(self, template: str, **more: Any) -> str:
        return flask.render_template(template, seat=self._seat(), **more)

    @contextmanager
    def _client(self, connection: Connection) -> Iterator[PartnerClient]:
        client = PartnerClient(self._api, connection.key)
        try:
            yield client
        finally:
            client.close()


def _given(*names: str) -> dict[str, str]:
    return {name: flask.request.form.get(name, "").strip() for name in names}


def _told(fault: ApiRefused | NotTied) -> str:
    """In words for the payer; what is for the partner stands in the hub's diagnostics."""
    if isinstance(fault, NotTied):
        return WHY_NOT.get(fault.status, fault.status)
    if fault.problem.get("Code") == "CredentialsRefused":
        return "User name or password is not right. New here? Then tell us your e-mail address, too."
    fields = "; ".join(f"{each['Field']}: {each['Message']}" for each in fault.problem.get("Errors") or ())
    return f"The bill portal says {fault.problem.get('Code')}: {fields or fault.problem.get('detail')}"


def portal(api: str, connections: list[Connection], origin: str) -> flask.Flask:
    """The portal's application."""
    app = flask.Flask("partner_portal", template_folder=str(Path(__file__).parent / "templates"), static_folder=None)
    app.secret_key = secrets.token_bytes(32)
    app.config.update(SESSION_COOKIE_NAME="harborlight", SESSION_COOKIE_SAMESITE="Lax")
    pages = Portal(api, connections, origin)
    for path, view, methods in (
        ("/", pages.home, ["GET"]),
        ("/sign-in", pages.sign_in, ["POST"]),
        ("/register", pages.register, ["GET", "POST"]),
        ("/access", pages.access, ["GET", "POST"]),
        ("/dashboard/<int:page>", pages.dashboard, ["GET"]),
        ("/relaunch", pages.relaunch, ["POST"]),
        ("/link", pages.link, ["GET", "POST"]),
        ("/sign-out", pages.sign_out, ["POST"]),
        ("/back", pages.back, ["GET"]),
        ("/healthz", lambda: "ok", ["GET"]),
    ):
        app.add_url_rule(path, path, view, methods=methods)
    return app


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="An example partner portal.")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args()
    api, connections = load(options.config)
    app = portal(api, connections, f"http://partner.localhost:{options.port}")
    make_server("127.0.0.1", options.port, app, threaded=True).serve_forever()


if __name__ == "__main__":
    main()
