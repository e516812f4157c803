"""Released claims become OIDC members and SAML attributes; markup arrives as it left, through a real JSON and XML writer."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims import oidc, saml
from claims.facts import CATALOGUE, Facts, ValueType, list_facts
from claims.mapping import ClaimRule, ClaimSet, Fixed, FromFact, NameFormat, Purpose, Released, SamlName, evaluate
from claims.saml import SamlAttribute
from tests.claims.people import ANN, MARKUP, any_facts, everything, sound_sets

etree: Any = import_module("lxml.etree")
"""It has no types of its own."""

RULES = (
    ClaimRule("name", FromFact("payer.name"), saml=SamlName("urn:oid:2.16.840.1.113730.3.1.241", NameFormat.URI, "displayName")),
    ClaimRule("verified", FromFact("payer.email_verified"), ValueType.BOOLEAN),
    ClaimRule("bid", FromFact("biller.bid"), ValueType.INTEGER),
    ClaimRule("since", FromFact("registration.registered_at"), ValueType.INSTANT),
    ClaimRule("meters", FromFact("account.meters"), ValueType.TEXTS),
    ClaimRule("accounts", FromFact("accounts.all"), ValueType.RECORDS),
    ClaimRule("kind", Fixed("utility")),
)
EVERY = ClaimSet("every", tuple(ClaimRule(fact.name, FromFact(fact.name), fact.type) for fact in list_facts()))


def _released(claim_set: ClaimSet, facts: Facts, purpose: Purpose) -> Released:
    result = evaluate(claim_set, facts, purpose)
    assert isinstance(result, Released)
    return result


def _as_xml(attributes: tuple[SamlAttribute, ...]) -> bytes:
    root = etree.Element("AttributeStatement")
    for attribute in attributes:
        element = etree.SubElement(root, "Attribute", Name=attribute.name, NameFormat=attribute.name_format.value)
        if attribute.friendly_name:
            element.set("FriendlyName", attribute.friendly_name)
        for value in attribute.values:
            etree.SubElement(element, "AttributeValue").text = value
    return bytes(etree.tostring(root))


def test_oidc_members_are_json_values_in_the_order_of_the_rules() -> None:
    members = oidc.members(_released(ClaimSet("x", RULES), ANN, Purpose.ID_TOKEN))
    assert list(members.items()) == [
        ("name", "Ann Lee"),
        ("verified", True),
        ("bid", 9001),
        ("since", 1795014300),
        ("meters", ["M-77012", "M-77013"]),
        (
            "accounts",
            [
                {
                    "account_number": "1001-01",
                    "display_number": "1001-01",
                    "service_location_id": "SL-2001",
                    "commodity": "water",
                    "role": "Owner",
                },
                {"account_number": "1004-01", "display_number": "1004-01", "commodity": "water", "role": "Guest"},
            ],
        ),
        ("kind", "utility"),
    ]


def test_oidc_members_are_fresh_each_time() -> None:
    released = _released(ClaimSet("x", RULES), ANN, Purpose.ID_TOKEN)
    oidc.members(released)["meters"].append("M-1")
    assert oidc.members(released)["meters"] == ["M-77012", "M-77013"]


def test_saml_attributes_have_name_format_friendly_name_and_values() -> None:
    attributes = saml.attributes(_released(ClaimSet("x", RULES), ANN, Purpose.SAML))
    basic = NameFormat.BASIC
    assert [(item.name, item.name_format, item.friendly_name, item.values) for item in attributes] == [
        ("urn:oid:2.16.840.1.113730.3.1.241", NameFormat.URI, "displayName", ("Ann Lee",)),
        ("verified", basic, "", ("true",)),
        ("bid", basic, "", ("9001",)),
        ("since", basic, "", ("2026-11-18T15:05:00Z",)),
        ("meters", basic, "", ("M-77012", "M-77013")),
        (
            "accounts",
            basic,
            "",
            (
                '{"account_number": "1001-01", "display_number": "1001-01", "service_location_id": "SL-2001", '
                '"commodity": "water", "role": "Owner"}',
                '{"account_number": "1004-01", "display_number": "1004-01", "commodity": "water", "role": "Guest"}',
            ),
        ),
        ("kind", basic, "", ("utility",)),
    ]


def test_false_is_written_as_xml_schema_does() -> None:
    released = _released(ClaimSet("x", (ClaimRule("v", Fixed("x")),)), ANN, Purpose.SAML)
    assert saml.attributes(released)[0].values == ("x",)
    facts = Facts(payer=type(ANN.payer)("x", email_verified=False), biller=ANN.biller)
    rule = ClaimRule("v", FromFact("payer.email_verified"), ValueType.BOOLEAN)
    assert saml.attributes(_released(ClaimSet("x", (rule,)), facts, Purpose.SAML))[0].values == ("false",)


@pytest.mark.parametrize("fact", list_facts(), ids=lambda fact: str(fact.name))
def test_markup_in_every_value_and_name_arrives_as_it_left(fact: object) -> None:
    rules = tuple(
        ClaimRule(f'<{rule.name}&">', rule.source, rule.type)
        for rule in EVERY.rules
        if rule.source == FromFact(getattr(fact, "name", ""))
    )
    facts = everything(MARKUP)
    in_oidc = _released(ClaimSet("x", rules), facts, Purpose.ID_TOKEN)
    in_saml = saml.attributes(_released(ClaimSet("x", rules), facts, Purpose.SAML))
    members = oidc.members(in_oidc)
    assert json.loads(json.dumps(members)) == members
    [attribute] = etree.fromstring(_as_xml(in_saml))
    assert attribute.get("Name") == rules[0].name
    assert [value.text for value in attribute] == list(in_saml[0].values)
    if CATALOGUE[getattr(fact, "name", "")].type is ValueType.TEXT:
        assert (members[rules[0].name], in_saml[0].values) == (MARKUP, (MARKUP,))


@given(any_facts())
def test_whatever_is_released_can_be_written_and_read_back(facts: Facts) -> None:
    released = _released(EVERY, facts, Purpose.ID_TOKEN)
    members = oidc.members(released)
    assert json.loads(json.dumps(members, ensure_ascii=False).encode("utf-8")) == members
    attributes = saml.attributes(released)
    read = etree.fromstring(_as_xml(attributes))
    assert [tuple(value.text or "" for value in attribute) for attribute in read] == [item.values for item in attributes]


@given(sound_sets(), any_facts(), st.sampled_from(Purpose))
def test_both_projections_say_exactly_what_was_released(claim_set: ClaimSet, facts: Facts, purpose: Purpose) -> None:
    result = evaluate(claim_set, facts, purpose)
    if isinstance(result, Released):
        assert list(oidc.members(result)) == list(result) == [item.name for item in saml.attributes(result)]
        assert all(item.values for item in saml.attributes(result))
