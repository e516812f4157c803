"""The WSGI application behind the server (hub.server): one site per kind of host, each a Flask application of its own.

    api.{portal_domain}                      the partner API: problem+json
    a biller's host                          the customer portal: HTML
    any host, /healthz and /readyz           is the process alive; can it serve

Sites share services, not request hooks: an error handler of the API can never answer a page, nor the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, Response, request

import sso_connect.portal
from hub.body_rules import BodyRules
from hub.server.health import HealthAnswer, Probe, Readiness, answer_alive, answer_ready
from hub.wiring import Hub
from idp.errors import HubError, SessionRequired
from idp.kv import Count
from idp.origins import bare_host
from idp.settings import Network
from idp.web import problems
from idp.web.confirming import ConfirmPages
from idp.web.confirming import blueprint as confirm_blueprint
from idp.web.forwarded import Forwarded, read_asked
from idp.web.headers import secure
from idp.web.heads import answer_heads
from idp.web.objecting import ObjectionPages
from idp.web.objecting import blueprint as objection_blueprint
from idp.web.pages import Pages, statics_blueprint
from idp.web.request import HubRequest
from idp.web.templating import StaticFiles, Templates
from sso_connect import web
from sso_connect.api import routes as api_routes
from sso_connect.api.misses import Misses
from sso_connect.api.refusals import Refusals
from sso_connect.link_senders import LinkSenders
from sso_connect.listeners import Listeners
from sso_connect.portal import pages as portal_pages
from sso_connect.portal.chrome import Chrome
from sso_connect.portal.entrance import Entrance
from sso_connect.portal.front import Front
from sso_connect.portal.front import blueprint as front_blueprint
from sso_connect.portal.jar import Jar
from sso_connect.portal.session_pages import SessionPages
from sso_connect.portal.session_pages import blueprint as session_blueprint
from sso_connect.ways_out import WaysOut

_PROBE_LIFE = timedelta(seconds=10)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


_SAME_FOR_EVERYBODY = frozenset({"statics.static_file", "portal.theme", "connect.partner_script"})
"""Endpoints of the portal that answer HEAD as they answer GET: files, which spend and open nothing."""


def application(hub: Hub, readiness: Readiness | None = None) -> Application:
    """All sites of a wired hub, behind the rule for forwarding headers. `readiness`: by default one that asks the hub's stores."""
    portal, api, api_host = portal_site(hub), api_site(hub), f"api.{hub.settings.portal_domain}"
    health = health_site(readiness or Readiness(probes(hub)))
    trusted, scheme = hub.settings.trusted_proxies, hub.settings.public_scheme
    rules = BodyRules(portal=portal, api=api, api_host=api_host, host_of=lambda environ: read_asked(environ, trusted, scheme).host)
    return Application(Sites(portal=portal, api=api, health=health, api_host=api_host), rules, trusted, scheme)


def probes(hub: Hub) -> Mapping[str, Probe]:
    """What /readyz asks, by the name that it tells. Both stores are written to: one that can only be read serves nobody."""

    def keyvalue() -> None:
        hub.kv.check()
        hub.kv.transact(Count("write-probe", _PROBE_LIFE))

    return {"database": lambda: hub.database.probe(), "keyvalue": keyvalue, "keys": lambda: hub.secrets.check()}


class Application(Forwarded):
    """The WSGI application, and what holds for the bodies that are sent to it."""

    def __init__(self, sites: Sites, rules: BodyRules, trusted: tuple[Network, ...], public_scheme: str) -> None:
        super().__init__(sites, trusted, public_scheme)
        self.rules = rules


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
        if bare_host(environ.get("HTTP_HOST", ""), environ["wsgi.url_scheme"]) == self._api_host:
            return self._api(environ, start_response)
        return self._portal(environ, start_response)


def portal_site(hub: Hub) -> Flask:
    """The customer portal on the billers' hosts."""
    app = _flask("portal")
    statics = StaticFiles()
    pages = Pages(Templates(Path(sso_connect.portal.__file__).parent / "templates", statics=statics))
    jar = Jar(hub.carriers)
    ways_out = WaysOut(hub.kv, hub.sessions, hub.secrets, hub.clock)
    chrome = Chrome(hub.handles, hub.destinations, hub.themes, ways_out, hub.csrf, hub.clock)
    portal = portal_pages.Portal(
        chrome, pages, hub.invoices, hub.members, hub.partners, hub.advanced_settings, hub.places, hub.clock
    )
    entrance = Entrance(hub.visits, hub.sessions, jar, pages, hub.csrf)
    listeners = Listeners(hub.api_keys)
    doors = web.Doors(
        hub.billers,
        hub.tokens,
        hub.handoff,
        LinkSenders(hub.kv, hub.secrets, hub.clock),
        entrance,
        chrome,
        portal.show,
        jar,
        pages,
        hub.csrf,
        listeners,
        hub.settings.portal_domain,
    )
    session_pages = SessionPages(
        hub.billers, hub.visits, hub.places, entrance, hub.frame_tokens, ways_out, chrome, jar, pages, hub.csrf, listeners
    )
    front = Front(hub.billers, entrance, chrome, pages)
    app.register_blueprint(front_blueprint(front, current_request))
    app.register_blueprint(web.blueprint(doors, current_request))
    app.register_blueprint(session_blueprint(session_pages, current_request))
    app.register_blueprint(
        portal_pages.blueprint(
            portal, entrance, jar, hub.themes, hub.billers, hub.carrier_counts, hub.handles, hub.csrf, current_request
        )
    )
    confirming = ConfirmPages(hub.billers, hub.confirmations, pages, hub.csrf)
    app.register_blueprint(confirm_blueprint(confirming, current_request))
    objecting = ObjectionPages(hub.billers, hub.objections, pages, hub.csrf)
    app.register_blueprint(objection_blueprint(objecting, current_request))
    app.register_blueprint(statics_blueprint(statics, current_request))

    def translate(error: HubError) -> Response:
        slug = (request.view_args or {}).get("slug")
        try:
            if isinstance(error, SessionRequired) and slug:
                return session_pages.session_over(current_request(), slug)
        except HubError as second:  # the biller is not there, or no store answers: then that is what is told
            error = second
        return front.problem(current_request(), error)

    problems.install(app, translate, current_request)
    answer_heads(app, current_request, as_get=_SAME_FOR_EVERYBODY.__contains__)
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
        role_code_field=hub.role_code_field,
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
    refusals, misses = Refusals(hub.diagnostics, hub.clock), Misses(hub.look_up_limits)
    return api_routes.api_app(routes, refusals, misses, hub.warnings, api_origin=origin)


def health_site(readiness: Readiness) -> Flask:
    """Is the process alive, and can it serve: for servers that do not answer this themselves (hub.server does)."""
    app = _flask("health")

    @app.get("/healthz")
    def alive() -> Response:
        return _as_response(answer_alive(request.method))

    @app.get("/readyz")
    def ready() -> Response:
        return _as_response(answer_ready(request.method, readiness.states()))

    return app


def _as_response(answer: HealthAnswer) -> Response:
    return Response(answer.body, answer.status, list(answer.headers))


def current_request() -> HubRequest:
    """The request being answered, with its type."""
    # The object itself: the proxy looks it up again at every attribute.
    return cast(HubRequest, cast(Any, request)._get_current_object())


def _flask(name: str) -> Flask:
    app = Flask(f"hub.{name}", static_folder=None, template_folder=None)
    app.request_class = HubRequest
    return app
