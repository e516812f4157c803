"""The document and the pages of the problems; and that table, routes, models and document are one and the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import validate

from idp.errors import catalogue
from sso_connect.api.aliases import routes_under
from sso_connect.api.docs import PUBLIC_PATHS
from sso_connect.api.openapi import openapi_document
from sso_connect.api.operations import OPERATIONS, PREFIX, Operation
from sso_connect.api.wire import read
from tests.sso_connect.api.world import ORIGIN, World, body_of, code_of


def _named(operation: Operation) -> str:
    return operation.name


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document as the command line gives it."""
    return openapi_document(ORIGIN)


# --- architecture ------------------------------------------------------------------------------------------------------------


def test_every_route_is_an_operation_or_stands_in_the_public_list(world: World) -> None:
    routes = {(method, rule.rule) for rule in world.app.url_map.iter_rules() for method in rule.methods or ()}
    asked = {route for operation in OPERATIONS for route in routes_under(operation)}
    public = {("GET", f"{PREFIX}{path}") for path in PUBLIC_PATHS}
    heads = {("HEAD", rule) for method, rule in asked | public if method == "GET"}
    assert routes == asked | public | heads


def test_every_operation_has_a_scope_and_models() -> None:
    for operation in OPERATIONS:
        assert operation.scope is not None or operation.name == "Ping"
        assert operation.request is not None or operation.method == "GET" or operation.file is not None
        assert (operation.answer is None) == (operation.status == 204)
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=_named)
def test_every_operation_stands_in_the_document_with_all_its_answers(document: dict[str, Any], operation: Operation) -> None:
    told = document["paths"][operation.path][operation.method.lower()]
    assert told["operationId"] == operation.name
    assert told["security"] == [{"ApiKey": []}, {"BasicKey": []}]
    assert ("requestBody" in told) == (operation.request is not None or operation.file is not None)
    assert set(told["responses"]) == {str(operation.status)} | {str(status) for status, _ in operation.others} | {
        str(reason.http) for reason in operation.all_refusals
    }
    for reason in operation.all_refusals:
        problem = told["responses"][str(reason.http)]["content"]["application/problem+json"]
        assert reason.code in problem["examples"]
        assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert all("X-Request-Id" in answer["headers"] for answer in told["responses"].values())


def test_the_document_is_valid_and_has_nothing_else(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert {(method.upper(), path) for path, item in document["paths"].items() for method in item} == {
        (operation.method, operation.path) for operation in OPERATIONS
    }
    assert document["servers"] == [{"url": f"{ORIGIN}{PREFIX}"}]
    assert document["components"]["securitySchemes"]["ApiKey"]["name"] == "X-Api-Key"


@pytest.mark.parametrize("operation", OPERATIONS, ids=_named)
def test_every_field_and_bound_of_a_request_is_told(document: dict[str, Any], operation: Operation) -> None:
    if operation.request is None:
        return
    schema = document["components"]["schemas"][operation.request.__name__]
    assert set(schema["properties"]) == {field.alias for field in operation.request.model_fields.values()}
    read(operation.request, schema["example"])
    assert all(each.get("description") for each in schema["properties"].values()), "what a field is for is told"
    texts = json.dumps(schema["properties"])
    assert texts.count('"type": "string"') <= texts.count("maxLength") + texts.count("format") + texts.count("enum")


@pytest.mark.parametrize("operation", OPERATIONS, ids=_named)
def test_the_example_of_an_answer_is_one(document: dict[str, Any], operation: Operation) -> None:
    if operation.answer is not None:
        example = document["components"]["schemas"][operation.answer.__name__]["example"]
        operation.answer.model_validate(example, extra="forbid")


# --- pages -------------------------------------------------------------------------------------------------------------------


def test_the_document_is_served_without_a_key(world: World, document: dict[str, Any]) -> None:
    assert body_of(world.get("/openapi.json", None)) == document


def test_every_problem_has_a_page_and_a_json_form(world: World) -> None:
    listed = body_of(world.get("/problems", None))["Problems"]
    assert [each["Code"] for each in listed] == [reason.code for reason in catalogue()]
    for reason in catalogue():
        told = body_of(world.get(f"/problems/{reason.code}", None))
        assert (told["Status"], told["Fix"]) == (reason.http, reason.fix)
        page = world.get(f"/problems/{reason.code}", None, Accept="text/html,*/*;q=0.1")
        assert page.content_type == "text/html; charset=utf-8"
        assert reason.code in page.text
        assert "script-src 'nonce-" in page.headers["Content-Security-Policy"]
    assert "<table>" in world.get("/problems", None, Accept="text/html").text
    assert code_of(world.get("/problems/Nothing", None)) == (404, "PageNotFound")
    assert code_of(world.get("/problems/<script>", None, Accept="text/html")) == (404, "PageNotFound")
