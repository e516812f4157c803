"""The partner API as Flask routes: key, body, call, answer; the same steps for every operation, in this order.

    key      the X-Api-Key header, limited and checked for scope and state in one key-value transaction     401, 429, 403
    body     JSON, then the operation's model                                                                400, 413, 415, 422
    call     `calls`, by the operation's name
    answer   JSON, with request id, rate, and no-store; every refusal as problem+json, unknown paths too

Remote Authentication alone does the first three in one go (`authenticate`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from flask import Blueprint, Flask, Response, request

from idp.accounts.look_up import LookUp
from idp.accounts.members import Members
from idp.accounts.register import Register
from idp.clock import Clock
from idp.directory.customers import Customers
from idp.directory.payers import Payers
from idp.directory.users import Users
from idp.errors import HubError, Unauthenticated
from idp.web import headers, problems
from sso_connect.api import calls
from sso_connect.api.authenticate import Authenticate
from sso_connect.api.calls import Call, Caller
from sso_connect.api.docs import add_pages
from sso_connect.api.names import NameUser
from sso_connect.api.operations import OPERATIONS, PREFIX, Operation
from sso_connect.api.request import ApiRequest, tell_rate
from sso_connect.api.wire import read
from sso_connect.tokens import Tokens

View = Callable[[], Response]


def blueprint(
    *,
    tokens: Tokens,
    payers: Payers,
    register: Register,
    customers: Customers,
    users: Users,
    members: Members,
    look_up: LookUp,
    clock: Clock,
    api_origin: str,
) -> Blueprint:
    """Every operation, and the public pages. The application's request class must be ApiRequest (`api_app` sees to it)."""
    name_user = NameUser(payers, tokens)
    by_name: Mapping[str, Call] = {
        "Ping": calls.ping,
        "CreateCustomer": calls.create_customer(customers),
        "RetrieveUsers": calls.retrieve_users(look_up),
        "RegisterAccounts": calls.register_accounts(register),
        "RetrieveUserAccounts": calls.retrieve_user_accounts(name_user, customers, members),
        "Revoke": calls.revoke(name_user, tokens, users),
    }
    authenticate = Authenticate(tokens, name_user, clock)
    api = Blueprint("partner_api", __name__, url_prefix=PREFIX)
    for operation in OPERATIONS:
        if operation.name == "RemoteAuthentication":
            view = _authenticate_view(authenticate)
        else:
            view = _view(operation, by_name[operation.name], tokens)
        api.add_url_rule(operation.path, operation.name, view, methods=[operation.method], provide_automatic_options=False)
    add_pages(api, _current, api_origin)
    return api


def api_app(api: Blueprint, *, api_origin: str) -> Flask:
    """The application of the API host: our request class, refusals as problem+json, headers on every answer."""
    app = Flask(__name__, static_folder=None)
    app.request_class = ApiRequest
    app.url_map.merge_slashes = False  # another spelling of a path is another path, and not a redirect
    app.register_blueprint(api)
    https = api_origin.startswith("https://")
    type_base = f"{api_origin}{PREFIX}/problems"

    def translate(error: HubError) -> Response:
        response = problems.problem_json(error, _current().request_id, type_base)
        if isinstance(error, Unauthenticated):
            response.headers["WWW-Authenticate"] = 'ApiKey realm="partner API"'
        return response

    problems.install(app, translate, _current)

    @app.after_request
    def finish(response: Response) -> Response:
        current = _current()
        response.headers.setdefault("Cache-Control", "no-store")
        tell_rate(response, current.rate)
        return headers.plain(response, current, https=https)

    return app


def _view(operation: Operation, call: Call, tokens: Tokens) -> View:
    model, scope, status = operation.request, operation.scope, operation.status

    def view() -> Response:
        current = _current()
        admitted = tokens.admit(current.key_secret(), scope, current.note)
        body = None if model is None else read(model, current.read_json())
        return _answer(call(Caller(admitted.key, admitted.biller, current.request_id), body), status)

    return view


def _authenticate_view(authenticate: Authenticate) -> View:
    def view() -> Response:
        return _answer(authenticate.answer(_current()), 200)

    return view


def _answer(body: dict[str, Any] | None, status: int) -> Response:
    if body is None:
        return Response(status=status)
    return Response(json.dumps(body), status=status, content_type="application/json")


def _current() -> ApiRequest:
    # The object itself: the proxy looks it up again at every attribute.
    return cast("ApiRequest", cast(Any, request)._get_current_object())
