"""The OpenAPI 3.1 document, made by flask-openapi3 from the operations table and the models that validate.

The library serves nothing here: an application of its own is filled with a stub per operation, asked for the document, and dropped.
What it cannot say is written in afterwards: the headers that every answer has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask_openapi3.models.info import Info
from flask_openapi3.models.server import Server
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.types import ResponseDict
from pydantic import BaseModel

from idp.errors import HubError
from sso_connect.api.models.problem import Problem
from sso_connect.api.operations import OPERATIONS, PREFIX, Operation
from sso_connect.api.request import FILE_TYPES, KEY_HEADER

VERSION = "1.0.0"
_SECURITY = "ApiKey"
_BASIC = "BasicKey"
_DESCRIPTION = """\
The partner API of Identity Hub: register payers, authenticate them, and hand them over to the customer portal.

Names match without regard to case; unknown fields are refused. Accounts and users of another biller are unknown: 404.
Errors are `application/problem+json` (RFC 9457); `Code` is stable and explained at `type`. Every answer carries `X-Request-Id`.
"""
_TAGS = {
    "Key": "What a key is and may do.",
    "Customers": "Utility accounts.",
    "Invoice files": "Files with many invoices, taken over in the background.",
    "Customer portal": "From what a partner knows to the GUIDs of users and accounts.",
    "Remote authentication": "From a payer at the partner to a token for the customer portal.",
    "SSO Connect": "Redirects to the customer portal: explained, and as links.",
    "Diagnostics": "What was refused and what was warned of, check by check.",
}
_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {"description": "The id of this request in every log.", "schema": {"type": "string", "format": "uuid"}},
    "RateLimit-Limit": {"description": "The burst that the key may make.", "schema": {"type": "integer"}},
    "RateLimit-Remaining": {"description": "How much of it is left.", "schema": {"type": "integer"}},
    "RateLimit-Reset": {"description": "Seconds until it is whole again.", "schema": {"type": "integer"}},
}
_IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Repeats are answered as the first request was, for 24 hours. Make a fresh one for each new request.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_BYTES = {"type": "string", "format": "binary"}
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


def openapi_document(api_origin: str = "") -> dict[str, Any]:
    """The document. `api_origin` "": servers are relative, for a file that stands anywhere."""
    app = OpenAPI(
        __name__,
        info=Info(title="Identity Hub partner API", version=VERSION, description=_DESCRIPTION),
        security_schemes={
            _SECURITY: {"type": "apiKey", "in": "header", "name": KEY_HEADER},
            _BASIC: {"type": "http", "scheme": "basic", "description": "The key as user name, an empty password."},
        },
        servers=[Server(url=f"{api_origin}{PREFIX}")],
        doc_ui=False,
        validation_error_model=Problem,
    )
    for operation in OPERATIONS:
        _add(app, operation)
    document: dict[str, Any] = app.api_doc
    for operation in OPERATIONS:
        told = document["paths"][operation.path][operation.method.lower()]
        if parameters := _parameters(operation):
            told["parameters"] = parameters
        if operation.file is not None:
            told["requestBody"] = {"required": True, "content": {kind: {"schema": _BYTES} for kind in FILE_TYPES}}
        answers = told["responses"]
        if 422 not in {reason.http for reason in operation.all_refusals}:
            del answers["422"]  # the library gives one to everything
        for status, answer in answers.items():
            answer["headers"] = _HEADERS | (_RETRY if status in {"409", "429", "503"} else {})
    return document


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    """Of path, query and header, from the operation's query model."""
    schema = {} if operation.query is None else operation.query.model_json_schema()
    required = set(schema.get("required", ()))
    parameters = [
        {
            "name": name,
            "in": "path" if f"{{{name}}}" in operation.path else "query",
            "required": name in required,
            "description": each.pop("description", ""),
            "schema": each,
        }
        for name, each in schema.get("properties", {}).items()
    ]
    return [*parameters, _IDEMPOTENCY_KEY] if operation.takes_key else parameters


def _add(app: OpenAPI, operation: Operation) -> None:
    register = {"GET": app.get, "POST": app.post, "PATCH": app.patch}[operation.method]
    register(
        operation.rule.removeprefix(PREFIX),
        endpoint=operation.name,
        operation_id=operation.name,
        tags=[Tag(name=operation.group, description=_TAGS[operation.group])],
        summary=operation.summary,
        description=_described(operation),
        security=[{_SECURITY: []}, {_BASIC: []}],
        responses=_answers(operation),
    )(_stub(operation.request))


def _stub(body: type[BaseModel] | None) -> Callable[..., None]:
    """What the library reads a request's model from."""

    def stub() -> None: ...

    stub.__annotations__ = {} if body is None else {"body": body}
    return stub


def _described(operation: Operation) -> str:
    scope = "Any live key." if operation.scope is None else f"Scope: `{operation.scope.value}`."
    return f"{operation.description}\n\n{scope}"


def _answers(operation: Operation) -> ResponseDict:
    by_status: dict[int, list[type[HubError]]] = {}
    for reason in operation.all_refusals:
        by_status.setdefault(reason.http, []).append(reason)
    answers: ResponseDict = {str(status): answer for status, answer in ((operation.status, operation.answer), *operation.others)}
    for status, reasons in sorted(by_status.items()):
        answers[str(status)] = _refused(reasons)
    return answers


def _refused(reasons: Sequence[type[HubError]]) -> dict[str, Any]:
    return {
        "description": "; ".join(f"{reason.code}: {reason.public}" for reason in reasons),
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {reason.code: {"value": example_of(reason)} for reason in reasons},
            }
        },
    }


def example_of(reason: type[HubError]) -> dict[str, Any]:
    """A refusal for this reason, as it travels."""
    example: dict[str, Any] = {
        "type": f"{PREFIX}/problems/{reason.code}",
        "title": reason.public,
        "status": reason.http,
        "detail": reason.fix,
        "instance": "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
        "Code": reason.code,
    }
    if reason.http == 422:
        example["Errors"] = [{"Field": "Accounts.0.AccountNumber", "Message": "is required"}]
    return example
