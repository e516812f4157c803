"""The partner API as Flask routes: key, parameters, body, receipt, call, answer; the same steps for every operation, in this order.

    key          X-Api-Key or Basic, limited and checked for scope and state in one key-value transaction   401, 429, 403
    parameters   of path and query, as the operation's query model                                          400, 422
    body         JSON, then the operation's model                                                           400, 413, 415, 422
    receipt      of an operation that writes, when an Idempotency-Key was sent (idp.receipts)               409, or the first answer
    call         `calls`, by the operation's name
    answer       JSON, with request id, rate, warnings and no-store; every refusal as problem+json, unknown paths too

Remote Authentication alone does the first three in one go (`calls.authenticate`). Every operation answers under its old names too
(`aliases`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

from flask import Blueprint, Flask, Response, request

from idp.accounts.look_up import LookUp
from idp.accounts.look_up_limits import LookUpLimits
from idp.accounts.members import Members
from idp.accounts.register import Register
from idp.accounts.role_code_field import RoleCodeField
from idp.accounts.unregister import Unregister
from idp.accounts.update_email import UpdateEmail
from idp.accounts.update_password import UpdatePassword
from idp.billing.invoices import Invoices
from idp.clock import Clock
from idp.directory.customers import Customers
from idp.directory.payers import Payers
from idp.directory.users import Users
from idp.errors import HubError, Unauthenticated
from idp.receipts import Answer, Receipts
from idp.web import headers, problems
from idp.web.heads import refuse_heads
from sso_connect.admission import Admission
from sso_connect.api.addresses import check_slash, is_posted, posted
from sso_connect.api.aliases import OLD_NAMES, AnyCase, NoOldName, headers_of, old_rules
from sso_connect.api.calls import connect as connect_calls
from sso_connect.api.calls import credentials as credential_calls
from sso_connect.api.calls import customer_portal as customer_portal_calls
from sso_connect.api.calls import customers as customer_calls
from sso_connect.api.calls import diagnostics as diagnostics_calls
from sso_connect.api.calls import files as file_calls
from sso_connect.api.calls import key as key_calls
from sso_connect.api.calls import registering as registering_calls
from sso_connect.api.calls import tokens as token_calls
from sso_connect.api.calls import users as user_calls
from sso_connect.api.calls.authenticate import Authenticate
from sso_connect.api.calls.caller import Call, Caller
from sso_connect.api.docs import add_pages, is_public
from sso_connect.api.misses import Misses
from sso_connect.api.names import AskUser, NameUser
from sso_connect.api.operations import OPERATIONS, PREFIX, Operation
from sso_connect.api.refusals import Refusals
from sso_connect.api.request import ApiRequest, tell_rate, tell_warnings
from sso_connect.api.wire import NoParameters, read, read_parameters
from sso_connect.diagnostics import Diagnostics
from sso_connect.explain import Explain
from sso_connect.imports.uploads import InvoiceFiles
from sso_connect.links import Links
from sso_connect.tokens import Tokens
from sso_connect.warnings import WarningCode, Warnings

View = Callable[..., Response]

_BLUEPRINT = "partner_api"
_PLACES = ("alone", "in_group")
FILE_ENDPOINTS: Mapping[str, int] = MappingProxyType(
    {
        f"{_BLUEPRINT}.{name}": operation.file
        for operation in OPERATIONS
        if operation.file is not None
        for name in (
            operation.name,
            *(f"{old_name}_{place}" for old_name, meant in OLD_NAMES.items() if meant == operation.name for place in _PLACES),
        )
    }
)
"""Flask's names of the routes whose body is a file, and how many bytes that may have."""


def blueprint(
    *,
    admission: Admission,
    tokens: Tokens,
    payers: Payers,
    register: Register,
    unregister: Unregister,
    customers: Customers,
    role_code_field: RoleCodeField,
    users: Users,
    members: Members,
    look_up: LookUp,
    invoices: Invoices,
    invoice_files: InvoiceFiles,
    look_up_limits: LookUpLimits,
    update_password: UpdatePassword,
    update_email: UpdateEmail,
    receipts: Receipts,
    explain: Explain,
    links: Links,
    diagnostics: Diagnostics,
    clock: Clock,
    api_origin: str,
) -> Blueprint:
    """Every operation, and the public pages. The application's request class must be ApiRequest (`api_app` sees to it)."""
    name_user = NameUser(payers, tokens)
    customer = customer_calls.CustomerCalls(customers, role_code_field, invoices)
    files = file_calls.FileCalls(invoice_files, api_origin)
    ask_user = AskUser(name_user, look_up_limits)
    misses = Misses(look_up_limits)
    by_name: Mapping[str, Call] = {
        "Ping": key_calls.ping,
        "CreateCustomer": customer_calls.create_customer(customers, role_code_field),
        "RetrieveCustomer": customer.retrieve,
        "RetrieveCustomerByNumber": customer.retrieve,
        "UpdateCustomer": customer.update,
        "UpdateCustomerByNumber": customer.update,
        "ListInvoices": customer.list_invoices,
        "UploadInvoiceFile": files.upload,
        "RetrieveInvoiceFile": files.retrieve,
        "RetrieveUsers": user_calls.retrieve_users(look_up),
        "RegisterAccounts": registering_calls.register_accounts(register, look_up, misses),
        "LinkAccounts": registering_calls.link_accounts(name_user, register, look_up, misses),
        "UnregisterAccounts": registering_calls.unregister_accounts(name_user, unregister, look_up, misses),
        "RetrieveCustomerGUID": customer_portal_calls.retrieve_customer_guid(ask_user, look_up),
        "RetrieveLoginGUID": customer_portal_calls.retrieve_login_guid(ask_user, look_up),
        "RetrieveUserAccounts": user_calls.retrieve_user_accounts(name_user, ask_user, look_up, members),
        "Revoke": token_calls.revoke(name_user, tokens, users),
        "Introspect": token_calls.introspect(explain, misses),
        "Explain": connect_calls.explain(explain, misses),
        "CreateLink": connect_calls.create_link(name_user, links, clock),
        "Diagnose": diagnostics_calls.diagnose(diagnostics),
        "RecentDiagnostics": diagnostics_calls.recent(diagnostics),
        "UpdatePassword": credential_calls.update_password(name_user, update_password),
        "UpdateEmailAddress": credential_calls.update_email_address(name_user, update_email),
    }
    authenticate = Authenticate(admission, tokens, name_user, clock)
    api = Blueprint(_BLUEPRINT, __name__, url_prefix=PREFIX)
    views: dict[str, View] = {}
    for operation in OPERATIONS:
        if operation.name == "RemoteAuthentication":
            view = _authenticate_view(operation, authenticate)
        else:
            view = _view(operation, by_name[operation.name], admission, receipts)
        views[operation.name] = view
        rule = operation.rule.removeprefix(PREFIX)
        _add_rule(api, rule, operation.name, view, [operation.method])
    _add_old_names(api, views)
    add_pages(api, _current, api_origin)
    return api


def _add_old_names(api: Blueprint, views: Mapping[str, View]) -> None:
    operations = {operation.name: operation for operation in OPERATIONS}
    for old_name, name in OLD_NAMES.items():
        if name not in operations:
            continue
        operation = operations[name]
        view = _old_name_view(old_name, operation, views[name])
        for rule, place in zip(old_rules(old_name, operation), _PLACES, strict=True):
            _add_rule(api, rule, f"{old_name}_{place}", view, list({operation.method, "POST"}))


def _add_rule(api: Blueprint, rule: str, endpoint: str, view: View, methods: Sequence[str]) -> None:
    # A slash too many at the end leads to the same view, which knows whose it may be (`addresses`).
    api.add_url_rule(rule, endpoint, view, methods=methods, provide_automatic_options=False, strict_slashes=False)


def _old_name_view(old_name: str, operation: Operation, view: View) -> View:
    told = headers_of(old_name, operation)

    def answer(**_parts: str) -> Response:
        current = _current()
        current.old_name, current.ends = old_name, told
        return view()

    return answer


def api_app(api: Blueprint, refusals: Refusals, misses: Misses, warnings: Warnings, *, api_origin: str) -> Flask:
    """The application of the API host: our request class, refusals and warnings told and kept, misses counted, headers written."""
    app = Flask(__name__, static_folder=None)
    app.request_class = ApiRequest
    app.url_map.merge_slashes = False  # another spelling of a path is another path, and not a redirect
    app.url_map.converters["any_case"] = AnyCase
    app.url_map.converters["default"] = NoOldName
    app.register_blueprint(api)
    https = api_origin.startswith("https://")
    type_base = f"{api_origin}{PREFIX}/problems"

    def translate(error: HubError) -> Response:
        current = _current()
        refusals.record(current, error)
        misses.refused(current.key, error)
        response = problems.problem_json(error, current.request_id, type_base)
        if isinstance(error, Unauthenticated):
            response.headers["WWW-Authenticate"] = 'ApiKey realm="partner API"'
        return response

    problems.install(app, translate, _current)
    refuse_heads(app, _current, as_get=is_public)

    @app.after_request
    def finish(response: Response) -> Response:
        current = _current()
        response.headers.setdefault("Cache-Control", "no-store")
        tell_rate(response, current.rate)
        response.headers.extend(current.ends)
        caller = current.caller
        if caller is not None and caller.warned and current.operation is not None:
            tell_warnings(response, caller.warned)
            warnings.hear(caller.key, current.operation.place, current.request_id, caller.warned)
        return headers.plain(response, current, https=https)

    return app


def _view(operation: Operation, call: Call, admission: Admission, receipts: Receipts) -> View:
    def view(**parts: str) -> Response:
        current = _current()
        current.operation = operation
        admitted = admission.admit(current.key_secret(), operation.scope, current.note)
        current.claim_body(admitted.key)
        caller = Caller(admitted.key, admitted.biller, current.request_id)
        current.caller = caller
        if current.old_name:
            caller.warn(WarningCode.OLD_NAME, current.old_name)
        check_slash(current, caller)
        by_post = is_posted(current, operation, caller)
        parameters, rest = posted(current, operation) if by_post else (current.folded_query, None)
        asked = read_parameters(operation.query or NoParameters, parameters, parts, compat=caller.is_compat)
        caller.where = asked.value if operation.query is not None else None
        caller.warn(WarningCode.UNKNOWN_PARAMETER, *asked.ignored)
        sent: dict[str, Any] = {}
        body: Any = None
        if operation.request is not None:
            sent = current.read_json() if rest is None else rest
            reading = read(operation.request, sent, compat=caller.is_compat or operation.ignores_unknown)
            body = reading.value
            caller.ignored = reading.ignored
            if not operation.ignores_unknown:
                caller.warn(WarningCode.UNKNOWN_FIELD, *reading.ignored)
        elif rest is not None:
            caller.warn(WarningCode.UNKNOWN_FIELD, *rest)
        elif operation.file is not None:
            caller.stream = current.read_stream(operation.file)
        key = current.idempotency_key() if operation.takes_key and operation.request is not None else None
        if key is None:
            return _answer(_as_answer(operation, call(caller, body)))
        return _answer(_once(operation, call, caller, body, sent, receipts, key))

    return view


def _once(
    operation: Operation, call: Call, caller: Caller, body: Any, sent: Mapping[str, Any], receipts: Receipts, key: str
) -> Answer:
    """The call under an Idempotency-Key: its first answer, now or again."""
    who = (caller.key.id, operation.name, caller.where)
    opened = receipts.open(caller.biller.bid, who, key, json.dumps(sent, sort_keys=True))
    if isinstance(opened, Answer):
        return opened
    caller.receipts, caller.claimed = receipts, opened
    try:
        answer = _as_answer(operation, call(caller, body))
        if not caller.kept:
            receipts.keep_alone(opened, answer)
    except BaseException:
        # Nothing was changed; or the commit was not confirmed, and then an answer that is there after all stays.
        receipts.drop(opened)
        raise
    receipts.release(opened)
    return answer


def _authenticate_view(operation: Operation, authenticate: Authenticate) -> View:
    def view() -> Response:
        current = _current()
        current.operation = operation
        return _answer(Answer(200, authenticate.answer(current)))

    return view


def _as_answer(operation: Operation, given: Answer | dict[str, Any] | None) -> Answer:
    return given if isinstance(given, Answer) else Answer(operation.status, given)


def _answer(answer: Answer) -> Response:
    if answer.body is None:
        return Response(status=answer.status)
    return Response(json.dumps(answer.body), status=answer.status, content_type="application/json")


def _current() -> ApiRequest:
    # The object itself: the proxy looks it up again at every attribute.
    return cast("ApiRequest", cast(Any, request)._get_current_object())
