"""From a JSON schema of the OpenAPI document to rows for people: name, type, required, limits, what it is.

Objects and lists are opened in place: `Accounts`, then `Accounts[].AccountNumber`. Neighbours that differ in their number only are
one row (`Custom1 to Custom60`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

_REF = "#/components/schemas/"
_MOST_DEPTH = 4
_NUMBERED = re.compile(r"(?P<name>\D+)(?P<number>\d+)")
_FORMATS: Mapping[str, str] = MappingProxyType({"uuid": "GUID", "date-time": "date and time", "binary": "file"})
_TYPES: Mapping[str, str] = MappingProxyType(
    {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "object": "object"}
)

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field. `limits` and `description` are "" where there is nothing to say; `required`: of the object that holds it."""

    name: str
    type: str
    required: bool
    limits: str
    description: str


def field_rows(schema: Schema, schemas: Mapping[str, Schema]) -> tuple[FieldRow, ...]:
    """The fields of an object's schema. `schemas`: those that a `$ref` may name."""
    return tuple(_joined(list(_rows(_resolved(schema, schemas), schemas, "", 0))))


def parameter_row(parameter: Schema, schemas: Mapping[str, Schema]) -> FieldRow:
    """A parameter of the document (`in`: path, query or header)."""
    schema = parameter["schema"]
    return FieldRow(
        parameter["name"],
        f"{_type_of(schema, schemas)}, in the {parameter['in']}",
        bool(parameter.get("required")),
        _limits_of(schema),
        parameter.get("description", ""),
    )


def _rows(schema: Schema, schemas: Mapping[str, Schema], prefix: str, depth: int) -> Iterator[FieldRow]:
    required = set(schema.get("required", ()))
    for name, each in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield FieldRow(path, _type_of(each, schemas), name in required, _limits_of(each), each.get("description", ""))
        inner, suffix = _inner(each, schemas)
        if inner is not None and depth < _MOST_DEPTH:
            yield from _rows(inner, schemas, f"{path}{suffix}.", depth + 1)


def _inner(schema: Schema, schemas: Mapping[str, Schema]) -> tuple[Schema | None, str]:
    """The object inside a field, and what its path adds: "[]" for the items of a list."""
    for each in _kinds(schema):
        if each.get("type") == "array":
            item = _resolved(each.get("items", {}), schemas)
            return (item, "[]") if item.get("properties") else (None, "")
        found = _resolved(each, schemas)
        if found.get("properties"):
            return found, ""
    return None, ""


def _type_of(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    words = " or ".join(dict.fromkeys(_word_of(each, schemas) for each in _kinds(schema)))
    return f"{words}, or null" if any(each.get("type") == "null" for each in schema.get("anyOf", ())) else words


def _word_of(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    if "enum" in schema or "const" in schema:
        return "one of " + ", ".join(str(value) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        items = schema.get("items", {})
        item = _resolved(items, schemas)
        return "list of objects" if item.get("properties") else f"list of: {_type_of(items, schemas)}"
    if _resolved(schema, schemas).get("properties"):
        return "object"
    return _FORMATS.get(schema.get("format", ""), _TYPES.get(schema.get("type", ""), "any value"))


def _limits_of(schema: Schema) -> str:
    told: list[str] = []
    for each in _kinds(schema):
        told += [
            _range(each.get("minLength"), each.get("maxLength"), "character"),
            _range(each.get("minItems"), each.get("maxItems"), "item"),
            _range(each.get("minimum"), each.get("maximum"), ""),
        ]
        for item in _kinds(each.get("items", {})):
            if length := _range(item.get("minLength"), item.get("maxLength"), "character"):
                told.append(f"each {length}")
    default = schema.get("default")
    if default is not None:
        told.append(f"default {str(default).lower() if isinstance(default, bool) else default}")
    return ", ".join(part for part in dict.fromkeys(told) if part)


def _range(least: float | None, most: float | None, unit: str) -> str:
    low, high = (None if each is None else int(each) for each in (least, most))
    if high is None:
        return "" if not low else _counted(f"at least {low:,}", low, unit)
    return _counted(f"{low:,} to {high:,}" if low is not None else f"at most {high:,}", high, unit)


def _counted(words: str, count: int, unit: str) -> str:
    if not unit:
        return words
    return f"{words} {unit}" if count == 1 else f"{words} {unit}s"


def _kinds(schema: Schema) -> list[Schema]:
    """What a value may be, null aside."""
    return [each for each in schema.get("anyOf", (schema,)) if each.get("type") != "null"]


def _resolved(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    reference = schema.get("$ref", "")
    return schemas[reference.removeprefix(_REF)] if reference else schema


def _joined(rows: Sequence[FieldRow]) -> Iterator[FieldRow]:
    """Rows whose names differ in their last number only, as one."""
    at = 0
    while at < len(rows):
        end = at + 1
        while end < len(rows) and _follows(rows[end - 1], rows[end]):
            end += 1
        first = rows[at]
        yield first if end == at + 1 else replace(first, name=f"{first.name} to {rows[end - 1].name}")
        at = end


def _follows(one: FieldRow, other: FieldRow) -> bool:
    before, after = _NUMBERED.fullmatch(one.name), _NUMBERED.fullmatch(other.name)
    if before is None or after is None or before["name"] != after["name"] or before["name"] == "Address":
        return False
    return int(after["number"]) == int(before["number"]) + 1 and replace(one, name="") == replace(other, name="")
