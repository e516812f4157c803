"""Claim sets: how facts become claims.

    ClaimRule   one claim: name, where its value comes from, type, when it is sent, whether it is required
    ClaimSet    a named list of rules; their order is the order of the claims
    check       every fault of a set, for whoever saves it
    evaluate    a set and facts -> Released | Refused: the ONE function behind preview, test and issuance

A value comes from a `Source`: `FromFact` or `Fixed`. A further kind of source (an expression) is one more member of that union,
with one more case in `_check_source` and in `_source`; nothing else looks inside.

`evaluate` raises nothing, whatever the set and the facts: a set that was never checked is refused like any other (FAULTY_SET).
It looks at required claims of the whole protocol, not only of the artefact at hand: what would refuse UserInfo refuses the
id_token before it, so that a launch stops at its beginning and not half way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType
from typing import cast

from claims.facts import CATALOGUE, ROLE_CODE_FIELD, Facts, FactValue, Record, ValueType, holds_role_codes

MOST_RULES = 100
LONGEST_NAME = 256
LONGEST_TEXT = 1000
MOST_INTEGER = 2**53 - 1
"""Beyond this, JSON readers disagree about an integer (RFC 7493 2.2)."""

RESERVED = frozenset(
    (
        *("act", "sub", "iss", "aud", "sid", "cnf", "amr"),
        *("acr", "auth_time", "azp", "exp", "iat", "jti", "nbf", "nonce", "at_hash", "c_hash", "s_hash"),
        *("client_id", "scope", "events", "may_act", "_claim_names", "_claim_sources"),
    )
)
"""Claims that the protocols write (RFC 7519, OIDC Core, RFC 7800, RFC 8693, RFC 9068). A rule that wrote one would forge it."""

Value = str | bool | int | tuple[str, ...] | tuple[Record, ...]
"""A released value, by ValueType: text, boolean, integer, instant (seconds since 1970), texts, records."""


# --- the set -----------------------------------------------------------------------------------------------------------------


class When(StrEnum):
    """In which artefact a claim is sent. SAML has one artefact: there, `id_token` and `userinfo` claims are left out."""

    ALWAYS = "always"
    ID_TOKEN = "id_token"  # noqa: S105  # no password
    USERINFO = "userinfo"
    ON_REQUEST = "on_request"
    """Only when the relying party names it (OIDC `claims` parameter, SAML RequestedAttribute)."""


class Purpose(StrEnum):
    """What is being made."""

    ID_TOKEN = "id_token"  # noqa: S105  # no password
    USERINFO = "userinfo"
    SAML = "saml"


class NameFormat(StrEnum):
    """NameFormat of a SAML attribute (SAML 2.0 core 8.2)."""

    UNSPECIFIED = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"
    BASIC = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
    URI = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"


@dataclass(frozen=True, slots=True)
class FromFact:
    """The value of a fact, by its name in the catalogue."""

    fact: str


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same text for everybody. An empty one is no value."""

    text: str


Source = FromFact | Fixed
"""Where a value comes from."""


@dataclass(frozen=True, slots=True)
class SamlName:
    """How a claim is called in SAML, where that differs from its own name in the basic format."""

    name: str
    name_format: NameFormat = NameFormat.BASIC
    friendly_name: str = ""


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """One claim. `required`: without a value nothing at all is released."""

    name: str
    source: Source
    type: ValueType = ValueType.TEXT
    when: When = When.ALWAYS
    required: bool = False
    saml: SamlName | None = None


@dataclass(frozen=True, slots=True)
class ClaimSet:
    """A named list of rules. What does not depend on facts is worked out once, when the set is made: keep it and use it often."""

    name: str
    rules: tuple[ClaimRule, ...]
    plan: _Plan = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(self.rules))
        object.__setattr__(self, "plan", _planned(self.rules))


# --- checking ----------------------------------------------------------------------------------------------------------------


class FaultCode(StrEnum):
    """What is wrong with a set."""

    TOO_MANY = "too_many"
    BAD_NAME = "bad_name"
    RESERVED_NAME = "reserved_name"
    DUPLICATE_NAME = "duplicate_name"
    UNKNOWN_FACT = "unknown_fact"
    WRONG_TYPE = "wrong_type"
    BAD_TEXT = "bad_text"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that keeps a set from being saved. `rule`: its place in the set from 0, None for the set itself."""

    code: FaultCode
    rule: int | None
    name: str
    """Of the claim."""
    message: str


def check(claim_set: ClaimSet, *, role_code_field: int = ROLE_CODE_FIELD) -> list[Fault]:
    """Every fault of a set, in the order of its rules; none: it may be saved.

    `role_code_field`: the biller's policy; that custom field is no fact.
    """
    faults: list[Fault] = []
    if len(claim_set.rules) > MOST_RULES:
        faults.append(Fault(FaultCode.TOO_MANY, None, "", f"at most {MOST_RULES} claims"))
    names: set[str] = set()
    saml_names: set[tuple[str, NameFormat]] = set()
    for index, rule in enumerate(claim_set.rules):
        saml = _saml_name(rule)
        found = [*_check_name(rule.name), *_check_saml_name(saml), *_check_source(rule, role_code_field)]
        if rule.name in names:
            found.append((FaultCode.DUPLICATE_NAME, "another claim has this name"))
        elif (saml.name, saml.name_format) in saml_names:
            found.append((FaultCode.DUPLICATE_NAME, f"another claim has the SAML name {saml.name!r}"))
        names.add(rule.name)
        saml_names.add((saml.name, saml.name_format))
        faults.extend(Fault(code, index, rule.name, message) for code, message in found)
    return faults


_Found = Iterator[tuple[FaultCode, str]]


def is_reserved(name: str) -> bool:
    """Whether the protocols write this claim themselves. Case is ignored, because some relying parties ignore it too."""
    return name.casefold() in RESERVED


def _check_name(name: str) -> _Found:
    if not _fits_as_name(name):
        yield FaultCode.BAD_NAME, f"1 to {LONGEST_NAME} printable characters without blanks"
    if is_reserved(name):
        yield FaultCode.RESERVED_NAME, f"{name!r} is written by the protocol and by no rule"


def _check_saml_name(saml: SamlName) -> _Found:
    if not _fits_as_name(saml.name):
        yield FaultCode.BAD_NAME, f"SAML name: 1 to {LONGEST_NAME} printable characters without blanks"
    if len(saml.friendly_name) > LONGEST_NAME or not saml.friendly_name.isprintable():
        yield FaultCode.BAD_NAME, f"friendly name: at most {LONGEST_NAME} printable characters"


def _fits_as_name(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME and name.isprintable() and " " not in name


def _check_source(rule: ClaimRule, role_code_field: int) -> _Found:
    match rule.source:
        case FromFact(name):
            fact = CATALOGUE.get(name)
            if fact is None or holds_role_codes(name, role_code_field):
                yield FaultCode.UNKNOWN_FACT, f"there is no fact {name!r}{_meant(name)}"
            elif (fact.type, rule.type) not in _TURNS:
                yield FaultCode.WRONG_TYPE, f"{name} is {fact.type.value} and cannot be sent as {rule.type.value}"
        case Fixed(text):
            if (ValueType.TEXT, rule.type) not in _TURNS:
                yield FaultCode.WRONG_TYPE, f"a fixed text cannot be sent as {rule.type.value}"
            if not text or len(text) > LONGEST_TEXT or not _fits_as_text(text):
                yield FaultCode.BAD_TEXT, f"1 to {LONGEST_TEXT} characters, no control characters"


def _meant(name: str) -> str:
    near = get_close_matches(name, CATALOGUE, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


# --- evaluating --------------------------------------------------------------------------------------------------------------


class Because(StrEnum):
    """Why a claim was left out, or why nothing is released."""

    NO_VALUE = "no_value"
    UNWRITABLE = "unwritable"
    """The value holds what neither JSON nor XML can carry."""
    NOT_HERE = "not_here"
    """`when` names another artefact."""
    NOT_REQUESTED = "not_requested"
    FAULTY_SET = "faulty_set"
    """`check` has a fault for this rule: only where a set was not checked, or the catalogue has changed since."""


@dataclass(frozen=True, slots=True, repr=False)
class Claim:
    """One released claim."""

    name: str
    type: ValueType
    value: Value
    saml: SamlName


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A claim that is not released, and why."""

    name: str
    because: Because


@dataclass(frozen=True, slots=True, repr=False)
class Released(Mapping[str, Value]):
    """What goes out: name -> value in the order of the rules, immutable and hashable; and what does not, with the reason.

    No repr: it would put a payer's data in a log.
    """

    claims: tuple[Claim, ...]
    left_out: tuple[LeftOut, ...] = ()

    def __getitem__(self, name: str) -> Value:
        for claim in self.claims:
            if claim.name == name:
                return claim.value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (claim.name for claim in self.claims)

    def __len__(self) -> int:
        return len(self.claims)


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing goes out. `claim` and `source` are for staff, never for the payer."""

    because: Because
    claim: str
    source: str
    """The name of the fact, or "a fixed text"."""

    @property
    def reason(self) -> str:
        """One sentence for staff."""
        match self.because:
            case Because.NO_VALUE:
                return f"The required claim {self.claim!r} has no value: {self.source}."
            case Because.UNWRITABLE:
                return f"The required claim {self.claim!r} has a value with characters that cannot be sent: {self.source}."
            case _:
                return f"The claim set has a fault at {self.claim!r}: {self.source}. Save it again to see which."


def evaluate(claim_set: ClaimSet, facts: Facts, purpose: Purpose, requested: Set[str] = frozenset()) -> Released | Refused:
    """The claims of a set for these facts.

    `requested`: claim names that the relying party asked for by name. A set with a fault is refused before anything is looked at;
    else Refused names the first required claim, in the order of the rules, that has no value. Raises nothing.
    """
    if claim_set.plan.faulty is not None:
        return _refused(Because.FAULTY_SET, claim_set.plan.faulty)
    claims: list[Claim] = []
    left_out: list[LeftOut] = []
    for step in claim_set.plan.steps[purpose]:
        rule = step.rule
        if step.on_request and rule.name not in requested:
            left_out.append(LeftOut(rule.name, Because.NOT_REQUESTED))
            continue
        if not step.here and not step.needed:
            left_out.append(LeftOut(rule.name, Because.NOT_HERE))
            continue
        given = step.read(facts)
        if given is None or not _is_writable(given):
            why = Because.NO_VALUE if given is None else Because.UNWRITABLE
            if step.needed:
                return _refused(why, rule)
            left_out.append(LeftOut(rule.name, why))
        elif step.here:
            claims.append(Claim(rule.name, rule.type, step.turn(given), step.saml))
        else:
            left_out.append(LeftOut(rule.name, Because.NOT_HERE))
    return Released(tuple(claims), tuple(left_out))


def _refused(because: Because, rule: ClaimRule) -> Refused:
    return Refused(because, rule.name, rule.source.fact if isinstance(rule.source, FromFact) else "a fixed text")


# --- the plan of a set -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Step:
    """One rule for one purpose. `needed`: no value refuses, once the claim is asked for."""

    rule: ClaimRule
    saml: SamlName
    on_request: bool
    here: bool
    needed: bool
    read: Callable[[Facts], FactValue | None]
    turn: Callable[[FactValue], Value]


@dataclass(frozen=True, slots=True)
class _Plan:
    """`faulty`: the first rule that no evaluation can use; then there are no steps."""

    faulty: ClaimRule | None
    steps: Mapping[Purpose, tuple[_Step, ...]]


def _planned(rules: tuple[ClaimRule, ...]) -> _Plan:
    names: set[str] = set()
    steps: dict[Purpose, list[_Step]] = {purpose: [] for purpose in Purpose}
    for rule in rules:
        source = _source(rule)
        if source is None or rule.name in names or is_reserved(rule.name):
            return _Plan(rule, MappingProxyType({}))
        names.add(rule.name)
        for purpose in Purpose:
            here = rule.when in _SENT[purpose]
            needed = rule.required and (here or purpose is not Purpose.SAML)
            steps[purpose].append(_Step(rule, _saml_name(rule), rule.when is When.ON_REQUEST, here, needed, *source))
    return _Plan(None, MappingProxyType({purpose: tuple(planned) for purpose, planned in steps.items()}))


_SENT: Mapping[Purpose, frozenset[When]] = MappingProxyType(
    {
        Purpose.ID_TOKEN: frozenset({When.ALWAYS, When.ON_REQUEST, When.ID_TOKEN}),
        Purpose.USERINFO: frozenset({When.ALWAYS, When.ON_REQUEST, When.USERINFO}),
        Purpose.SAML: frozenset({When.ALWAYS, When.ON_REQUEST}),
    }
)


def _saml_name(rule: ClaimRule) -> SamlName:
    return rule.saml or SamlName(rule.name)


def _source(rule: ClaimRule) -> tuple[Callable[[Facts], FactValue | None], Callable[[FactValue], Value]] | None:
    """How a rule's value is read and turned into its type; None when it cannot be."""
    given: ValueType
    read: Callable[[Facts], FactValue | None]
    match rule.source:
        case FromFact(name):
            fact = CATALOGUE.get(name)
            if fact is None:
                return None
            given, read = fact.type, fact.value_in
        case Fixed(text):
            given, read = ValueType.TEXT, _always(text or None)
    turn = _TURNS.get((given, rule.type))
    return None if turn is None else (read, turn)


def _always(text: str | None) -> Callable[[Facts], FactValue | None]:
    return lambda _facts: text


# --- values ------------------------------------------------------------------------------------------------------------------

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What XML 1.0 (2.2) cannot hold in any notation; lone surrogates are what UTF-8 cannot.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def _same(value: FactValue) -> Value:
    return cast(Value, value)


def _seconds(value: FactValue) -> Value:
    return (cast(datetime, value) - _EPOCH) // timedelta(seconds=1)


_TURNS: Mapping[tuple[ValueType, ValueType], Callable[[FactValue], Value]] = MappingProxyType(
    {(kind, kind): _same for kind in ValueType if kind is not ValueType.INSTANT}
    | {
        (ValueType.TEXT, ValueType.TEXTS): lambda value: (cast(str, value),),
        (ValueType.BOOLEAN, ValueType.TEXT): lambda value: "true" if value else "false",
        (ValueType.INTEGER, ValueType.TEXT): str,
        (ValueType.INSTANT, ValueType.INSTANT): _seconds,
        (ValueType.INSTANT, ValueType.INTEGER): _seconds,
        (ValueType.INSTANT, ValueType.TEXT): lambda value: instant_text(cast(int, _seconds(value))),
    }
)
"""(type of the source, type of the claim) -> how. What is not here cannot be sent so."""


def instant_text(seconds: int) -> str:
    """Seconds since 1970 as RFC 3339 and xs:dateTime write an instant: 2026-11-18T15:05:00Z."""
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat() + "Z"


def _fits_as_text(text: str) -> bool:
    return _UNWRITABLE.search(text) is None


def _is_writable(value: object) -> bool:
    if isinstance(value, str):
        return _UNWRITABLE.search(value) is None
    if isinstance(value, tuple):
        return all(_is_writable(part) for part in value)
    return not isinstance(value, int) or abs(value) <= MOST_INTEGER
