"""The application that granian serves: one site per kind of host, each a Flask application of its own.

    api.{portal_domain}                      the partner API: problem+json
    a biller's host                          the customer portal: HTML
    any host, /healthz and /readyz           is the process alive; can it serve

Sites share services, not request hooks: an error handler of the API can never answer a page, nor the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, Response, jsonify, request

import sso_connect.portal
from hub.logs import configure
from hub.storage.stores import load_all
from hub.wiring import Hub, wire
from idp.errors import HubError, SessionRequired
from idp.settings import load
from idp.web import problems
from idp.web.confirming import ConfirmPages
from idp.web.confirming import blueprint as confirm_blueprint
from idp.web.forwarded import Forwarded
from idp.web.headers import plain, secure
from idp.web.pages import Pages, statics_blueprint
from idp.web.request import HubRequest
from idp.web.templating import StaticFiles, Templates
from sso_connect import web
from sso_connect.api import routes as api_routes
from sso_connect.api.refusals import Refusals
from sso_connect.portal import pages as portal_pages
from sso_connect.portal.chrome import Chrome
from sso_connect.portal.entrance import Entrance
from sso_connect.portal.jar import Jar
from sso_connect.portal.session_pages import SessionPages
from sso_connect.portal.session_pages import blueprint as session_blueprint
from sso_connect.ways_out import WaysOut

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def create() -> WSGIApplication:
    """What a worker process of granian loads."""
    settings = load()
    configure(settings)
    load_all()
    hub = wire(settings)
    hub.warnings.keep_writing()
    return application(hub)


def application(hub: Hub) -> WSGIApplication:
    """All sites of a wired hub, behind the rule for forwarding headers."""
    return Forwarded(
        Sites(portal=portal_site(hub), api=api_site(hub), health=health_site(hub), api_host=f"api.{hub.settings.portal_domain}"),
        hub.settings.trusted_proxies,
    )


class Sites:
    """Sends a request to the site of its host."""

    def __init__(self, *, portal: WSGIApplication, api: WSGIApplication, health: WSGIApplication, api_host: str) -> None:
        self._portal = portal
        self._api = api
        self._health = health
        self._api_host = api_host

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") in {"/healthz", "/readyz"}:
            return self._health(environ, start_response)
        if str(environ.get("HTTP_HOST", "")).lower() == self._api_host:
            return self._api(environ, start_response)
        return self._portal(environ, start_response)


def portal_site(hub: Hub) -> Flask:
    """The customer portal on the billers' hosts."""
    app = _flask("portal")
    statics = StaticFiles()
    pages = Pages(Templates(Path(sso_connect.portal.__file__).parent / "templates", statics=statics))
    jar = Jar(hub.carriers)
    ways_out = WaysOut(hub.kv, hub.sessions, hub.secrets, hub.clock)
    chrome = Chrome(hub.handles, hub.destinations, hub.themes, ways_out, hub.csrf)
    portal = portal_pages.Portal(
        chrome, pages, hub.invoices, hub.members, hub.partners, hub.advanced_settings, hub.visits, hub.clock
    )
    entrance = Entrance(hub.visits, hub.sessions, jar, pages, hub.csrf)
    doors = web.Doors(
        hub.billers,
        hub.tokens,
        hub.handoff,
        entrance,
        chrome,
        portal.show,
        jar,
        pages,
        hub.csrf,
        hub.settings.portal_domain,
    )
    session_pages = SessionPages(hub.billers, hub.visits, entrance, hub.frame_tokens, ways_out, chrome, jar, pages, hub.csrf)
    app.register_blueprint(web.blueprint(doors, current_request))
    app.register_blueprint(session_blueprint(session_pages, current_request))
    app.register_blueprint(
        portal_pages.blueprint(
            portal, entrance, jar, hub.themes, hub.billers, hub.carrier_counts, hub.handles, hub.csrf, current_request
        )
    )
    confirming = ConfirmPages(hub.billers, hub.confirmations, pages, hub.csrf)
    app.register_blueprint(confirm_blueprint(confirming, current_request))
    app.register_blueprint(statics_blueprint(statics, current_request))

    def translate(error: HubError) -> Response:
        slug = (request.view_args or {}).get("slug")
        if isinstance(error, SessionRequired) and slug:
            return session_pages.session_over(current_request(), slug)
        return pages.problem(current_request(), error)

    problems.install(app, translate, current_request)
    https = hub.settings.public_scheme == "https"
    app.after_request(lambda response: secure(response, current_request(), https=https))
    return app


def api_site(hub: Hub) -> Flask:
    """The partner API on its host."""
    origin = hub.settings.api_origin
    routes = api_routes.blueprint(
        admission=hub.admission,
        tokens=hub.tokens,
        payers=hub.payers,
        register=hub.register,
        unregister=hub.unregister,
        customers=hub.customers,
        users=hub.users,
        members=hub.members,
        look_up=hub.look_up,
        invoices=hub.invoices,
        invoice_files=hub.invoice_files,
        look_up_limits=hub.look_up_limits,
        update_password=hub.update_password,
        update_email=hub.update_email,
        receipts=hub.receipts,
        explain=hub.explain,
        links=hub.links,
        diagnostics=hub.diagnostics,
        clock=hub.clock,
        api_origin=origin,
    )
    return api_routes.api_app(routes, Refusals(hub.diagnostics, hub.clock), hub.warnings, api_origin=origin)


def health_site(hub: Hub) -> Flask:
    """Is the process alive, and can it serve. Answers on any host; says nothing that is worth reading to a stranger."""
    app = _flask("health")

    @app.get("/healthz")
    def alive() -> Response:
        return jsonify(status="alive")

    @app.get("/readyz")
    def ready() -> Response:
        parts = {
            "database": hub.database.check,
            "keyvalue": hub.kv.check,
            "keys": hub.secrets.check,
        }
        states: dict[str, str] = {}
        for name, check in parts.items():
            try:
                check()
                states[name] = "ok"
            except HubError:
                states[name] = "unavailable"
        good = all(state == "ok" for state in states.values())
        response = jsonify(status="ready" if good else "unavailable", **states)
        response.status_code = 200 if good else 503
        return response

    app.after_request(lambda response: plain(response, current_request(), https=False))
    return app


def current_request() -> HubRequest:
    """The request being answered, with its type."""
    # The object itself: the proxy looks it up again at every attribute.
    return cast(HubRequest, cast(Any, request)._get_current_object())


def _flask(name: str) -> Flask:
    app = Flask(f"hub.{name}", static_folder=None, template_folder=None)
    app.request_class = HubRequest
    return app
