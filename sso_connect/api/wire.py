"""How JSON becomes a model, and how a fault is told. The rules that hold for every body of the partner API:

names     match without regard to case, nested ones too; answers use the one spelling of the document
types     are strict: a number is no text, "1" is no number, 1 is no flag. GUIDs come as text
texts     are bounded, are not blank, and hold no control characters; "" is allowed only where it can mean "nothing known"
unknown   fields are refused by name; for a compat key they are ignored and told, and numbers and flags may come as text
empty     a field that cannot be "" or null counts as left out when a compat key sends it so
faults    one FieldError each, under the wire path (`Accounts.0.AccountNumber`), in plain words, never with what was sent
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Generic, TypeVar, cast
from uuid import UUID

from babel.numbers import get_currency_precision
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic import model_validator as _model_validator
from pydantic_core import ErrorDetails

from idp.errors import FieldError, InvalidFields
from idp.web.request import Folded

MOST_FAULTS = 50
"""So many faults are listed; the first are enough to go on with."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_WHOLE_WORDS = MappingProxyType({"id": "ID", "guid": "GUID", "bid": "BID", "cc": "CC", "ach": "ACH"})
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_SECONDS = re.compile(r"[0-9]{1,12}")
_MOST_NAME = 60
_COMPAT = "compat"
"""Under this name validators find out whether a compat key is being read."""

M = TypeVar("M", bound="Wire")


def wire_name(name: str) -> str:
    """The wire's spelling of one of our names: `login_type_id` is LoginTypeID."""
    return "".join(_WHOLE_WORDS.get(word, word.capitalize()) for word in name.split("_"))


class Wire(BaseModel):
    """What travels: our names inside, wire names outside."""

    model_config = ConfigDict(
        strict=True, frozen=True, alias_generator=wire_name, populate_by_name=False, str_strip_whitespace=False
    )

    @_model_validator(mode="before")
    @classmethod
    def _fold(cls, value: Any) -> Any:
        """Wire names in any case become wire names. `LogInTypeID` is LoginTypeID by this, too."""
        if not isinstance(value, dict):
            return value
        names = folded_names(cls)
        return {names.get(name.lower(), name) if isinstance(name, str) else name: each for name, each in value.items()}


class NoParameters(Wire):
    """The query of an operation that takes none: whatever stands there is unknown."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[M]):
    """What was sent, as a model, and the unknown names in it that were ignored (wire paths, as they were sent)."""

    value: M
    ignored: tuple[str, ...] = ()


def read(model: type[M], sent: Mapping[str, Any], *, compat: bool = False) -> Reading[M]:
    """A body as a model. InvalidFields. `compat`: unknown names are ignored, and numbers and flags may come as text."""
    return _read(model, sent, compat=compat, strict=False if compat else None)


def read_parameters(model: type[M], sent: Folded, more: Mapping[str, str], *, compat: bool = False) -> Reading[M]:
    """Query parameters, and those of the path (`more`), as a model. InvalidFields, also for a known one that came twice."""
    names = folded_names(model)
    twice = [FieldError(names[name], "given twice") for name in sorted(sent.twice) if name in names]
    if twice:
        raise InvalidFields(fields=twice)
    return _read(model, {**sent.values, **more}, compat=compat, strict=False)


def _read(model: type[M], sent: Mapping[str, Any], *, compat: bool, strict: bool | None) -> Reading[M]:
    # None: as the model says, strict but for GUIDs. True would make those strict, too.
    context = {_COMPAT: compat}
    try:
        return Reading(model.model_validate(sent, extra="forbid", strict=strict, context=context))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
    if compat and (fewer := _without_empty(sent, faults)) is not None:
        return _read(model, fewer, compat=compat, strict=strict)
    unknown = [fault for fault in faults if fault["type"] == "extra_forbidden"]
    if not compat or len(unknown) < len(faults):
        told = [fault for fault in faults if not compat or fault["type"] != "extra_forbidden"]
        raise InvalidFields(fields=[_told(fault) for fault in told[:MOST_FAULTS]])
    ignored = tuple(_path(fault) for fault in unknown[:MOST_FAULTS])
    return Reading(model.model_validate(sent, extra="ignore", strict=strict, context=context), ignored)


def _without_empty(sent: Mapping[str, Any], faults: Sequence[ErrorDetails]) -> Mapping[str, Any] | None:
    """What was sent, without the fields that are at fault because they are "" or null; None when there are none.

    An unknown field is not among them: it is reported, empty or not. Each round removes at least one field, so `_read` ends.
    """
    fewer: Any = None
    for fault in faults:
        *parents, last = fault["loc"]
        if fault["type"] == "extra_forbidden" or not isinstance(last, str):
            continue
        holder: Any = _at(sent if fewer is None else fewer, parents)
        name = _spelling(holder, last)
        if name is None or holder[name] not in ("", None):
            continue
        if fewer is None:
            fewer = copy.deepcopy(dict(sent))
            holder = _at(fewer, parents)
        del holder[name]
    return cast("Mapping[str, Any] | None", fewer)


def _at(value: Any, path: Sequence[str | int]) -> Any:
    """What stands at a path of names (in any case) and positions; None when nothing does."""
    for part in path:
        if isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        elif (name := _spelling(value, str(part))) is not None:
            value = value[name]
        else:
            return None
    return value


def _spelling(value: Any, name: str) -> str | None:
    """The name as an object spells it; None when it has none."""
    if not isinstance(value, dict):
        return None
    return next((each for each in value if isinstance(each, str) and each.lower() == name.lower()), None)


@cache
def folded_names(model: type[BaseModel]) -> Mapping[str, str]:
    """The wire names of a model, by their lower-case form."""
    names = (each.alias or name for name, each in model.model_fields.items())
    return MappingProxyType({name.lower(): name for name in names})


# --- fields --------------------------------------------------------------------------------------------------------------


def _not_blank(text: str) -> str:
    if text and not text.strip():
        raise ValueError("may not be blank")
    if _CONTROLS.search(text):
        raise ValueError("may not hold control characters")
    return text


def _number_or_moment(value: Any, info: ValidationInfo) -> datetime:
    """Seconds since 1970, or RFC 3339. A compat key may send the seconds as text."""
    if isinstance(value, str) and (info.context or {}).get(_COMPAT) and _SECONDS.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < 2**33:
            raise ValueError("seconds since 1970, or RFC 3339, is expected")
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str) and len(value) <= 40 and _RFC_3339.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise ValueError("seconds since 1970, or RFC 3339 with a zone, is expected")


Guid = Annotated[UUID, Strict(False)]
"""A GUID, as text."""


def _no_controls(text: str) -> str:
    if _CONTROLS.search(text):
        raise ValueError("may not hold control characters")
    return text


AccountNumber = Annotated[str, Field(min_length=1, max_length=50), AfterValidator(_not_blank)]
Text50 = Annotated[str, Field(max_length=50), AfterValidator(_not_blank)]
Text80 = Annotated[str, Field(max_length=80), AfterValidator(_not_blank)]
Text100 = Annotated[str, Field(max_length=100), AfterValidator(_not_blank)]
Text200 = Annotated[str, Field(max_length=200), AfterValidator(_not_blank)]
Text500 = Annotated[str, Field(max_length=500), AfterValidator(_not_blank)]
Text2000 = Annotated[str, Field(max_length=2000), AfterValidator(_not_blank)]
Text4000 = Annotated[str, Field(max_length=4000), AfterValidator(_not_blank)]
Name50 = Annotated[str, Field(min_length=1, max_length=50), AfterValidator(_not_blank)]
Name100 = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_not_blank)]
Name200 = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_not_blank)]
Email = Annotated[str, Field(min_length=3, max_length=254), AfterValidator(_not_blank)]
Password = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_no_controls)]
"""Blanks count, wherever they stand: it is taken as the payer typed it."""

OptionalEmail = Annotated[str, Field(max_length=254), AfterValidator(_not_blank)]
RoleCodeText = Annotated[str, Field(max_length=200), AfterValidator(_no_controls)]
"""A role code as somebody typed it: blanks and dashes do not count, and a blank one is none."""
LoginTypeNumber = Annotated[int, Field(ge=1, le=4)]
Moment = Annotated[
    datetime,
    BeforeValidator(_number_or_moment),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer", "minimum": 0}]}),
]
"""An instant, as RFC 3339 or in seconds since 1970."""


Cursor = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_not_blank)]
"""Where a list goes on: what the page before it gave, opaque."""
LongCursor = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_not_blank)]
"""As Cursor, of a list that goes on in two places at once."""
Limit = Annotated[int, Field(ge=1, le=200)]
"""Items on a page."""


def money(minor: int, currency: str) -> str:
    """An amount as decimal text: 8417 US cents are "84.17"."""
    return str(Decimal(minor).scaleb(-get_currency_precision(currency)))


# --- faults --------------------------------------------------------------------------------------------------------------

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "missing": "is required",
        "extra_forbidden": "is not a field of this operation",
        "string_type": "a text is expected",
        "int_type": "a whole number is expected",
        "int_parsing": "a whole number is expected",
        "int_from_float": "a whole number is expected",
        "bool_parsing": "true or false is expected",
        "int_parsing_size": "a smaller number is expected",
        "bool_type": "true or false is expected",
        "list_type": "a list is expected",
        "model_type": "an object is expected",
        "model_attributes_type": "an object is expected",
        "dict_type": "an object is expected",
        "uuid_type": "a GUID is expected",
        "uuid_parsing": "a GUID is expected",
        "string_too_long": "at most {max_length} characters",
        "too_long": "at most {max_length} items",
        "greater_than_equal": "at least {ge}",
        "less_than_equal": "at most {le}",
        "literal_error": "one of {expected}",
    }
)


def _path(fault: ErrorDetails) -> str:
    return ".".join(str(part)[:_MOST_NAME] for part in fault["loc"])


def _told(fault: ErrorDetails) -> FieldError:
    field = _path(fault)
    context = fault.get("ctx", {})
    match fault["type"]:
        case "value_error":
            return FieldError(field, str(context.get("error", "not a value of this field")))
        case "string_too_short" | "too_short":
            least = context.get("min_length", 1)
            return FieldError(field, "may not be empty" if least == 1 else f"at least {least} characters")
        case kind:
            return FieldError(field, _WORDS.get(kind, "not a value of this field").format_map(context))
