"""Each operation as the page about the API shows it: made from the OpenAPI document, the table of operations and the old names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from idp.errors import HubError
from sso_connect.api.aliases import OLD_NAMES
from sso_connect.api.fields import FieldRow, field_rows, parameter_row
from sso_connect.api.openapi import example_of
from sso_connect.api.operations import OPERATIONS, Operation
from sso_connect.api.request import FILE_TYPES
from sso_connect.api.tries import TRIES

_MEANS = {200: "OK", 201: "Created", 202: "Accepted", 204: "No content"}


@dataclass(frozen=True, slots=True)
class Body:
    """What goes in or comes out: its purpose, fields, and an example ("" for none)."""

    about: str
    fields: tuple[FieldRow, ...]
    example: str


@dataclass(frozen=True, slots=True)
class Answered:
    """One way of success. `body` None: no body."""

    status: str
    body: Body | None


@dataclass(frozen=True, slots=True)
class Told:
    """One problem: its code leads to its page."""

    code: str
    status: int
    title: str


@dataclass(frozen=True, slots=True)
class OperationPage:
    """One operation, whole."""

    name: str
    title: str
    method: str
    path: str
    description: str
    scope: str
    old_names: tuple[str, ...]
    parameters: tuple[FieldRow, ...]
    media_types: tuple[str, ...]
    request: Body | None
    answers: tuple[Answered, ...]
    problems: tuple[Told, ...]
    problem_example: str
    command: str


@dataclass(frozen=True, slots=True)
class Group:
    """Operations of one area. `about`: the document's words for it."""

    name: str
    about: str
    operations: tuple[OperationPage, ...]

    @property
    def anchor(self) -> str:
        return self.name.lower().replace(" ", "-")


def describe(document: Mapping[str, Any]) -> tuple[Group, ...]:
    """Everything, in the order of the document."""
    about = {tag["name"]: tag.get("description", "") for tag in document["tags"]}
    return tuple(
        Group(name, about.get(name, ""), tuple(_described(document, operation) for operation in operations))
        for name, operations in groupby(sorted(OPERATIONS, key=_place(about)), key=lambda operation: operation.group)
    )


def answered_by() -> dict[str, tuple[Operation, ...]]:
    """Code of a problem -> the operations that may answer it."""
    asked: dict[str, list[Operation]] = {}
    for operation in OPERATIONS:
        for reason in operation.all_refusals:
            asked.setdefault(reason.code, []).append(operation)
    return {code: tuple(operations) for code, operations in asked.items()}


def _place(about: Mapping[str, str]) -> Any:
    order = list(about)
    return lambda operation: order.index(operation.group)


def _described(document: Mapping[str, Any], operation: Operation) -> OperationPage:
    schemas = document["components"]["schemas"]
    told = document["paths"][operation.path][operation.method.lower()]
    answers = ((operation.status, operation.answer), *operation.others)
    request = None if operation.request is None else _body(schemas, operation.request.__name__)
    return OperationPage(
        name=operation.name,
        title=operation.summary,
        method=operation.method,
        path=operation.path,
        description=operation.description,
        scope="any live key" if operation.scope is None else operation.scope.value,
        old_names=tuple(old for old, meant in OLD_NAMES.items() if meant == operation.name),
        parameters=tuple(parameter_row(each, schemas) for each in told.get("parameters", ())),
        media_types=("application/json",) if operation.request is not None else FILE_TYPES if operation.file is not None else (),
        request=request,
        answers=tuple(
            Answered(f"{status} {_MEANS[status]}", None if answer is None else _body(schemas, answer.__name__))
            for status, answer in answers
        ),
        problems=tuple(_told(reason) for reason in sorted(operation.all_refusals, key=lambda each: (each.http, each.code))),
        problem_example=_pretty(example_of(_telling(operation))),
        command=TRIES[operation.name],
    )


def _body(schemas: Mapping[str, Any], name: str) -> Body:
    schema = schemas[name]
    return Body(" ".join(schema.get("description", "").split()), field_rows(schema, schemas), _pretty(schema.get("example")))


def _telling(operation: Operation) -> type[HubError]:
    """The problem that says most about the operation: the first of its own, else the first of all."""
    return (*operation.refusals, *operation.all_refusals)[0]


def _told(reason: type[HubError]) -> Told:
    return Told(reason.code, reason.http, reason.public)


def _pretty(value: Any) -> str:
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)
