"""Schemathesis against the OpenAPI document: whatever a client makes of it, each answer is one that the document promises.

Bounded: a few examples for each operation, the same in each run. Two keys: strict and compat.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hub.storage.migrations import migrate
from sso_connect.api.operations import OPERATIONS, PREFIX
from tests.sso_connect.api.world import ALL, ORIGIN, World, open_world

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 12


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all examples: they may do to it what they like."""
    folder = tmp_path_factory.mktemp("schemathesis")
    template = folder / "template.db"
    migrate(f"sqlite:///{template}")
    opened = open_world(Path(shutil.copy(template, folder / "hub.db")))
    policies = replace(ALL, rate_per_second=100_000, burst=1_000_000)
    opened.add_key("strict", opened.riverbend, "one", policies)
    opened.add_key("compat", opened.riverbend, "one", replace(policies, strictness="compat"))
    opened.login_guid("pat", "1001-01")
    yield opened
    opened.hub.close()


@pytest.fixture(scope="module")
def document(world: World) -> schemathesis.BaseSchema:
    """The document as a client fetches it, and the application behind it."""
    return schemathesis.openapi.from_wsgi(f"{PREFIX}/openapi.json", app=world.app)


@pytest.mark.parametrize("key", ["strict", "compat"])
@pytest.mark.parametrize("name", [operation.name for operation in OPERATIONS])
def test_every_answer_is_one_that_the_document_promises(
    document: schemathesis.BaseSchema, world: World, name: str, key: str
) -> None:
    operation = next(each for each in OPERATIONS if each.name == name)
    described = document[operation.path][operation.method]
    headers = {"X-Api-Key": world.keys[key].secret, "Host": ORIGIN.removeprefix("https://")}
    seen: list[int] = []

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=described.as_strategy())
    def ask(case: schemathesis.Case[Any]) -> None:
        answer = case.call(headers={**dict(case.headers or {}), **headers})
        case.validate_response(answer, checks=CHECKS)
        seen.append(answer.status_code)

    ask()
    assert seen
    assert max(seen) < 500
