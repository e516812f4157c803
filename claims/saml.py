"""Released claims as SAML attributes (SAML 2.0 core 2.7.3.1): plain data for an XML library, which escapes it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from claims.facts import ValueType
from claims.mapping import Claim, NameFormat, Released, instant_text


@dataclass(frozen=True, slots=True, repr=False)
class SamlAttribute:
    """One Attribute with its AttributeValues; `friendly_name` "" means none."""

    name: str
    name_format: NameFormat
    friendly_name: str
    values: tuple[str, ...]


def attributes(released: Released) -> tuple[SamlAttribute, ...]:
    """In the order of the rules.

    Booleans and integers are written as XML Schema does, an instant as xs:dateTime in UTC; a list has one value for each member,
    an object is its JSON text.
    """
    return tuple(
        SamlAttribute(claim.saml.name, claim.saml.name_format, claim.saml.friendly_name, _values(claim))
        for claim in released.claims
    )


def _values(claim: Claim) -> tuple[str, ...]:
    match claim.value:
        case bool():
            return ("true" if claim.value else "false",)
        case int():
            return (instant_text(claim.value) if claim.type is ValueType.INSTANT else str(claim.value),)
        case str():
            return (claim.value,)
        case _:
            return tuple(part if isinstance(part, str) else json.dumps(dict(part), ensure_ascii=False) for part in claim.value)
