"""Claim sets are checked when saved; evaluate() says the same in preview, test and issuance, and never raises."""

from __future__ import annotations

import ast
import sys
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import claims
from claims.facts import CATALOGUE, Account, Biller, Facts, Payer, Session, ValueType, list_facts
from claims.mapping import (
    LONGEST_NAME,
    LONGEST_TEXT,
    MOST_RULES,
    RESERVED,
    Because,
    ClaimRule,
    ClaimSet,
    FaultCode,
    Fixed,
    FromFact,
    LeftOut,
    NameFormat,
    Purpose,
    Refused,
    Released,
    SamlName,
    Source,
    When,
    check,
    evaluate,
    is_reserved,
)
from tests.claims.people import ANN, BO, MARKUP, any_facts, any_set, everything, sound_sets

EMAIL = FromFact("payer.email")


def _set(*rules: ClaimRule) -> ClaimSet:
    return ClaimSet("AquaHawk", rules)


def _released(
    claim_set: ClaimSet, facts: Facts = ANN, purpose: Purpose = Purpose.ID_TOKEN, requested: Any = frozenset()
) -> Released:
    result = evaluate(claim_set, facts, purpose, requested)
    assert isinstance(result, Released)
    return result


def _codes(*rules: ClaimRule, role_code_field: int = 58) -> list[FaultCode]:
    return [fault.code for fault in check(_set(*rules), role_code_field=role_code_field)]


# --- check -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [fact.name for fact in list_facts()])
def test_every_fact_can_be_claimed_in_its_own_type(name: str) -> None:
    claim_set = _set(ClaimRule("x", FromFact(name), CATALOGUE[name].type, required=True))
    assert check(claim_set) == []
    assert list(_released(claim_set)) == ["x"]


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_what_the_protocols_write_is_written_by_no_rule(name: str) -> None:
    assert _codes(ClaimRule(name, EMAIL)) == [FaultCode.RESERVED_NAME]
    assert _codes(ClaimRule(name.upper(), EMAIL)) == [FaultCode.RESERVED_NAME]
    assert evaluate(_set(ClaimRule(name, EMAIL)), ANN, Purpose.ID_TOKEN) == Refused(Because.FAULTY_SET, name, "payer.email")


def test_the_seven_names_of_the_contract_are_reserved() -> None:
    assert {"act", "sub", "iss", "aud", "sid", "cnf", "amr"} <= RESERVED


def test_an_unknown_fact_is_told_with_the_one_that_was_meant() -> None:
    [fault] = check(_set(ClaimRule("mail", EMAIL), ClaimRule("number", FromFact("account.acount_number"))))
    assert (fault.code, fault.rule, fault.name) == (FaultCode.UNKNOWN_FACT, 1, "number")
    assert fault.message == "there is no fact 'account.acount_number'; did you mean 'account.account_number'?"


def test_the_field_of_role_codes_is_an_unknown_fact_at_its_own_biller() -> None:
    rule = ClaimRule("code", FromFact("account.custom58"))
    assert _codes(rule) == [FaultCode.UNKNOWN_FACT]
    assert _codes(rule, role_code_field=12) == []
    assert _codes(ClaimRule("code", FromFact("account.custom12")), role_code_field=12) == [FaultCode.UNKNOWN_FACT]


def test_a_type_that_a_fact_cannot_have_is_told() -> None:
    [fault] = check(_set(ClaimRule("when", EMAIL, ValueType.INSTANT)))
    assert (fault.code, fault.message) == (FaultCode.WRONG_TYPE, "payer.email is text and cannot be sent as instant")


def test_check_and_evaluate_agree_about_every_pair_of_fact_and_type() -> None:
    for fact, kind in product(list_facts(), ValueType):
        claim_set = _set(ClaimRule("x", FromFact(fact.name), kind))
        assert bool(check(claim_set)) == isinstance(evaluate(claim_set, ANN, Purpose.SAML), Refused), (fact.name, kind)


@pytest.mark.parametrize("name", ["", "a b", "a\n", "a\x00", "a" * (LONGEST_NAME + 1), "\ud800", "\u200b"])
def test_a_name_that_cannot_stand_in_a_document_is_told(name: str) -> None:
    assert FaultCode.BAD_NAME in _codes(ClaimRule(name, EMAIL))
    assert _codes(ClaimRule("x", EMAIL, saml=SamlName(name))) == [FaultCode.BAD_NAME]


@pytest.mark.parametrize(
    "name", ["email", "https://claims.example.com/account", "urn:oid:0.9.2342.19200300.100.1.3", "<b>&\"'", "año"]
)
def test_a_name_may_be_a_uri_and_may_hold_markup(name: str) -> None:
    assert _codes(ClaimRule(name, EMAIL)) == []


def test_a_friendly_name_must_be_printable() -> None:
    assert _codes(ClaimRule("x", EMAIL, saml=SamlName("y", friendly_name="Account number"))) == []
    assert _codes(ClaimRule("x", EMAIL, saml=SamlName("y", friendly_name="a\x07"))) == [FaultCode.BAD_NAME]


def test_a_name_may_be_used_once_in_each_protocol() -> None:
    assert _codes(ClaimRule("x", EMAIL), ClaimRule("x", EMAIL)) == [FaultCode.DUPLICATE_NAME]
    assert _codes(ClaimRule("x", EMAIL), ClaimRule("y", EMAIL, saml=SamlName("x"))) == [FaultCode.DUPLICATE_NAME]
    assert _codes(ClaimRule("x", EMAIL), ClaimRule("y", EMAIL, saml=SamlName("x", NameFormat.URI))) == []


def test_a_fixed_text_is_checked() -> None:
    assert _codes(ClaimRule("x", Fixed("utility")), ClaimRule("y", Fixed("utility"), ValueType.TEXTS)) == []
    assert _codes(ClaimRule("x", Fixed("1"), ValueType.INTEGER)) == [FaultCode.WRONG_TYPE]
    for text in ("", "a" * (LONGEST_TEXT + 1), "a\x00", "\udc00"):
        assert _codes(ClaimRule("x", Fixed(text))) == [FaultCode.BAD_TEXT]


def test_all_faults_are_told_at_once() -> None:
    rules = [ClaimRule(f"claim{number}", EMAIL) for number in range(MOST_RULES)]
    assert _codes(*rules) == []
    assert _codes(*rules, ClaimRule("sub", FromFact("x"))) == [
        FaultCode.TOO_MANY,
        FaultCode.RESERVED_NAME,
        FaultCode.UNKNOWN_FACT,
    ]


# --- evaluate ----------------------------------------------------------------------------------------------------------------


def test_claims_come_in_the_order_of_the_rules_with_typed_values() -> None:
    released = _released(
        _set(
            ClaimRule("zip", Fixed("00000")),
            ClaimRule("account", FromFact("account.account_number"), required=True),
            ClaimRule("verified", FromFact("payer.email_verified"), ValueType.BOOLEAN),
            ClaimRule("verified_text", FromFact("payer.email_verified")),
            ClaimRule("bid", FromFact("biller.bid"), ValueType.INTEGER),
            ClaimRule("bid_text", FromFact("biller.bid")),
            ClaimRule("since", FromFact("registration.registered_at"), ValueType.INSTANT),
            ClaimRule("since_number", FromFact("registration.registered_at"), ValueType.INTEGER),
            ClaimRule("since_text", FromFact("registration.registered_at")),
            ClaimRule("meters", FromFact("account.meters"), ValueType.TEXTS),
            ClaimRule("mails", EMAIL, ValueType.TEXTS),
        )
    )
    assert list(released.items()) == [
        ("zip", "00000"),
        ("account", "1001-01"),
        ("verified", True),
        ("verified_text", "true"),
        ("bid", 9001),
        ("bid_text", "9001"),
        ("since", 1795014300),
        ("since_number", 1795014300),
        ("since_text", "2026-11-18T15:05:00Z"),
        ("meters", ("M-77012", "M-77013")),
        ("mails", ("ann@example.com",)),
    ]
    assert released.left_out == ()


def test_one_set_says_of_each_payer_what_is_theirs() -> None:
    claim_set = _set(ClaimRule("bid", FromFact("biller.bid"), ValueType.INTEGER), ClaimRule("email", EMAIL))
    assert dict(_released(claim_set, ANN)) == {"bid": 9001, "email": "ann@example.com"}
    other = _released(claim_set, BO)
    assert (dict(other), other.left_out) == ({"bid": 9002}, (LeftOut("email", Because.NO_VALUE),))


def test_a_required_claim_without_a_value_refuses_and_names_itself() -> None:
    meter = ClaimRule("meter", FromFact("account.meters"), ValueType.TEXTS, required=True)
    refused = evaluate(_set(ClaimRule("mail", EMAIL), meter), BO, Purpose.SAML)
    assert refused == Refused(Because.NO_VALUE, "meter", "account.meters")
    assert isinstance(refused, Refused)
    assert refused.reason == "The required claim 'meter' has no value: account.meters."


WHEN = {
    When.ALWAYS: {Purpose.ID_TOKEN, Purpose.USERINFO, Purpose.SAML},
    When.ID_TOKEN: {Purpose.ID_TOKEN},
    When.USERINFO: {Purpose.USERINFO},
    When.ON_REQUEST: set(),
}


@pytest.mark.parametrize(("when", "purpose"), list(product(When, Purpose)))
def test_a_claim_is_sent_where_its_rule_says(when: When, purpose: Purpose) -> None:
    claim_set = _set(ClaimRule("email", EMAIL, when=when))
    released = _released(claim_set, purpose=purpose)
    assert ("email" in released) == (purpose in WHEN[when])
    reasons = {When.ON_REQUEST: Because.NOT_REQUESTED}
    assert released.left_out == (() if "email" in released else (LeftOut("email", reasons.get(when, Because.NOT_HERE)),))
    if when is When.ON_REQUEST:
        assert dict(_released(claim_set, purpose=purpose, requested={"email", "other"})) == {"email": "ann@example.com"}


@pytest.mark.parametrize("when", [When.ALWAYS, When.ID_TOKEN, When.USERINFO])
def test_a_required_claim_that_userinfo_will_miss_refuses_the_id_token_before_it(when: When) -> None:
    claim_set = _set(ClaimRule("email", EMAIL, when=when, required=True))
    for purpose in (Purpose.ID_TOKEN, Purpose.USERINFO):
        assert evaluate(claim_set, BO, purpose) == Refused(Because.NO_VALUE, "email", "payer.email")
    assert isinstance(evaluate(claim_set, BO, Purpose.SAML), Refused) == (when is When.ALWAYS)


def test_a_required_claim_on_request_refuses_only_when_it_is_requested() -> None:
    claim_set = _set(ClaimRule("email", EMAIL, when=When.ON_REQUEST, required=True))
    assert _released(claim_set, BO).left_out == (LeftOut("email", Because.NOT_REQUESTED),)
    assert isinstance(evaluate(claim_set, BO, Purpose.ID_TOKEN, {"email"}), Refused)


@pytest.mark.parametrize("text", ["a\x00", "\x0b", "\x1b[0m", "\ud800", "a\udfffb", "\ufffe"])
def test_what_no_writer_can_carry_is_left_out_or_refuses(text: str) -> None:
    for name in ("payer.name", "account.meters", "accounts.all", "session.amr"):
        rule = ClaimRule("x", FromFact(name), CATALOGUE[name].type)
        assert _released(_set(rule), everything(text)).left_out == (LeftOut("x", Because.UNWRITABLE),)
        required = ClaimRule("x", FromFact(name), CATALOGUE[name].type, required=True)
        assert evaluate(_set(required), everything(text), Purpose.SAML) == Refused(Because.UNWRITABLE, "x", name)


def test_an_integer_that_readers_disagree_about_is_left_out() -> None:
    for number in (2**53, -(2**53), 10**5000):
        facts = Facts(Payer("x"), Biller(number, "x"))
        for kind in (ValueType.INTEGER, ValueType.TEXT):
            released = _released(_set(ClaimRule("bid", FromFact("biller.bid"), kind)), facts)
            assert released.left_out == (LeftOut("bid", Because.UNWRITABLE),)


@pytest.mark.parametrize(
    "fact", [fact for fact in list_facts() if fact.type in (ValueType.TEXT, ValueType.TEXTS)], ids=lambda fact: fact.name
)
def test_markup_in_every_value_passes_as_data(fact: Any) -> None:
    released = _released(_set(ClaimRule("x", FromFact(fact.name), fact.type)), everything(MARKUP))
    assert released["x"] == (MARKUP if fact.type is ValueType.TEXT else (MARKUP,))


def test_role_codes_are_released_to_nobody_even_by_a_set_that_was_never_checked() -> None:
    facts = Facts(Payer("x"), Biller(9001, "x", role_code_field=58), account=Account("1", custom={58: "O100-4821-3977"}))
    released = _released(_set(ClaimRule("code", FromFact("account.custom58"))), facts)
    assert (dict(released), released.left_out) == ({}, (LeftOut("code", Because.NO_VALUE),))


@pytest.mark.parametrize(
    "rules",
    [
        (ClaimRule("x", FromFact("payer.password")),),
        (ClaimRule("x", EMAIL, ValueType.BOOLEAN),),
        (ClaimRule("x", Fixed("1"), ValueType.INTEGER, When.ON_REQUEST),),
        (ClaimRule("x", EMAIL), ClaimRule("x", EMAIL)),
        (ClaimRule("Sub", EMAIL),),
    ],
)
@pytest.mark.parametrize("purpose", Purpose)
def test_a_set_that_was_never_checked_is_refused_whatever_it_is_for(rules: tuple[ClaimRule, ...], purpose: Purpose) -> None:
    refused = evaluate(_set(*rules), ANN, purpose)
    assert isinstance(refused, Refused)
    assert refused.because is Because.FAULTY_SET
    assert refused.claim in refused.reason


# --- for all facts and all sets ----------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["sub", "Sub", "iss", "amr", "email", "account", "x", ""]) | st.text(max_size=5)


@given(any_set(NAMES), any_facts(), st.sampled_from(Purpose), st.frozensets(NAMES, max_size=3))
def test_evaluate_raises_nothing_and_accounts_for_every_rule(
    claim_set: ClaimSet, facts: Facts, purpose: Purpose, requested: frozenset[str]
) -> None:
    result = evaluate(claim_set, facts, purpose, requested)
    names = [rule.name for rule in claim_set.rules]
    if isinstance(result, Refused):
        assert result.claim in names
        assert result.reason
        return
    assert list(result) == [name for name in names if name in result]
    assert sorted([*result, *(left.name for left in result.left_out)]) == sorted(names)
    assert not any(is_reserved(name) for name in result)
    assert evaluate(claim_set, facts, purpose, requested) == result


@given(any_set(NAMES))
def test_check_raises_nothing_and_a_set_without_faults_is_never_refused_as_faulty(claim_set: ClaimSet) -> None:
    faults = check(claim_set)
    assert all(fault.message and (fault.rule is None or claim_set.rules[fault.rule].name == fault.name) for fault in faults)
    result = evaluate(claim_set, ANN, Purpose.ID_TOKEN)
    if not faults and isinstance(result, Refused):
        assert result.because is not Because.FAULTY_SET


@given(sound_sets(), any_facts(), st.frozensets(st.integers(0, 20).map("claim{}".format)))
def test_id_token_and_userinfo_are_refused_together_or_not_at_all(
    claim_set: ClaimSet, facts: Facts, requested: frozenset[str]
) -> None:
    assert check(claim_set) == []
    first, second = (evaluate(claim_set, facts, purpose, requested) for purpose in (Purpose.ID_TOKEN, Purpose.USERINFO))
    if isinstance(first, Refused) or isinstance(second, Refused):
        assert first == second


# --- what it is made of ------------------------------------------------------------------------------------------------------


def test_what_is_released_cannot_be_changed_and_shows_nothing_of_itself_in_a_log() -> None:
    released = _released(_set(ClaimRule("email", EMAIL), ClaimRule("all", FromFact("accounts.all"), ValueType.RECORDS)))
    with pytest.raises(TypeError):
        released["email"] = "other"  # type: ignore[index]
    with pytest.raises(AttributeError):
        released.claims = ()  # type: ignore[misc]
    assert isinstance(hash(released), int)
    assert "example.com" not in repr(released) + repr(released.claims)
    with pytest.raises(KeyError):
        released["other"]


def test_a_set_does_not_follow_the_list_that_it_was_made_from() -> None:
    rules = [ClaimRule("email", EMAIL)]
    claim_set = ClaimSet("x", rules)  # type: ignore[arg-type]  # a careless caller
    rules.append(ClaimRule("sub", EMAIL))
    assert [rule.name for rule in claim_set.rules] == ["email"]


def test_instants_of_any_year_are_written_whole() -> None:
    for year, text in ((1, "0001-01-01T00:00:00Z"), (1969, "1969-01-01T00:00:00Z"), (9999, "9999-01-01T00:00:00Z")):
        facts = Facts(Payer("x"), Biller(1, "x"), session=Session(datetime(year, 1, 1, tzinfo=UTC)))
        assert dict(_released(_set(ClaimRule("at", FromFact("session.auth_time"))), facts)) == {"at": text}


def test_the_sources_are_these() -> None:
    assert set(Source.__args__) == {FromFact, Fixed}


def test_the_package_is_pure() -> None:
    allowed = set(sys.stdlib_module_names) - {"os", "io", "time", "random", "secrets", "socket", "logging", "threading", "pathlib"}
    for path in Path(claims.__path__[0]).rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] in allowed | {"claims"}, (path.name, name)
        for clock in ("now(", "utcnow(", "today(", "open("):
            assert clock not in source, (path.name, clock)
