"""An example partner portal ("Harborlight"): its own process, its own origin, the public API, nothing else.

    python -m examples.partner_portal --port 8090 --config demo.json

It has its own payers and its own sign-in. A signed-in payer gets a dashboard: the hub's pages in an iFrame (the token travels in a
form POST into the frame, never in an address), or on a full page with a way back. `demo.json`: {"api": "...", "connections":
[{"biller", "key", "payers": [{"name", "user_name", "email", "account"}]}]}.
"""

from __future__ import annotations

import argparse
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask
from werkzeug.serving import make_server

from examples.partner_client import ApiRefused, PartnerClient

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


@dataclass(frozen=True)
class Payer:
    """One of the portal's own customers, at one utility."""

    biller: str
    key: str
    name: str
    user_name: str
    email: str
    account: str


def load(config: Path) -> tuple[str, list[Payer]]:
    """The API's address and the portal's payers."""
    raw: dict[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    payers = [
        Payer(connection["biller"], connection["key"], payer["name"], payer["user_name"], payer["email"], payer["account"])
        for connection in raw["connections"]
        for payer in connection["payers"]
    ]
    return raw["api"], payers


def portal(api: str, payers: list[Payer], origin: str) -> flask.Flask:
    """The portal's application."""
    app = flask.Flask("partner_portal", template_folder=str(Path(__file__).parent / "templates"), static_folder=None)
    app.secret_key = secrets.token_bytes(32)
    app.config.update(SESSION_COOKIE_NAME="harborlight", SESSION_COOKIE_SAMESITE="Lax")

    def current() -> Payer | None:
        number = flask.session.get("payer")
        return payers[number] if isinstance(number, int) and number < len(payers) else None

    @app.get("/")
    def home() -> str:
        return flask.render_template("home.html", payers=list(enumerate(payers)), payer=current())

    @app.post("/sign-in")
    def sign_in() -> Any:
        flask.session["payer"] = int(flask.request.form["payer"])
        return flask.redirect("/dashboard/1", 303)

    @app.post("/sign-out")
    def sign_out() -> Any:
        flask.session.clear()
        return flask.redirect("/", 303)

    @app.get("/dashboard/<int:page>")
    def dashboard(page: int) -> Any:
        payer = current()
        if payer is None or page not in PAGES:
            return flask.redirect("/", 303)
        client = PartnerClient(api, payer.key)
        try:
            answer = client.hand_over(payer.user_name, payer.email, payer.account)
        except ApiRefused as refused:
            return flask.render_template("refused.html", payer=payer, refused=refused), 502
        finally:
            client.close()
        hub = answer["ConnectUrl"].split("/b/")[0]
        return flask.render_template(
            "dashboard.html", payer=payer, answer=answer, pages=PAGES, page=page, hub=hub, back=f"{origin}/back"
        )

    @app.get("/back")
    def back() -> str:
        return flask.render_template("back.html", payer=current())

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    return app


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="An example partner portal.")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args()
    api, payers = load(options.config)
    app = portal(api, payers, f"http://partner.localhost:{options.port}")
    make_server("127.0.0.1", options.port, app, threaded=True).serve_forever()


if __name__ == "__main__":
    main()
