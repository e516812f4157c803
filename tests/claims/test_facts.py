"""The catalogue is whole, typed and documents itself; a snapshot is frozen, says nothing of itself and has no role codes."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given

from claims.errors import ClaimsError, MalformedFacts, UnknownFact
from claims.facts import CATALOGUE, Account, Biller, Fact, Facts, Payer, Registration, Session, ValueType, list_facts, table
from tests.claims.people import ANN, BO, any_facts


def _is_of_type(value: object, kind: ValueType) -> bool:
    match kind:
        case ValueType.TEXT:
            return isinstance(value, str)
        case ValueType.BOOLEAN:
            return isinstance(value, bool)
        case ValueType.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        case ValueType.INSTANT:
            return isinstance(value, datetime) and value.tzinfo is UTC
        case ValueType.TEXTS:
            return isinstance(value, tuple) and all(isinstance(part, str) for part in value)
        case ValueType.RECORDS:
            return isinstance(value, tuple) and all(
                isinstance(record, tuple) and all(isinstance(text, str) for member in record for text in member) for record in value
            )


@pytest.mark.parametrize("fact", CATALOGUE.values(), ids=list(CATALOGUE))
def test_every_fact_is_described_with_an_example_of_its_type(fact: Fact) -> None:
    assert CATALOGUE[fact.name] is fact
    assert len(fact.description) > 5
    assert _is_of_type(fact.example, fact.type)
    assert fact.example not in ("", ())


@pytest.mark.parametrize("fact", CATALOGUE.values(), ids=list(CATALOGUE))
def test_every_fact_has_a_value_of_its_type_where_everything_is_known(fact: Fact) -> None:
    value = ANN.value(fact.name)
    if fact.name == "account.custom58":
        assert value is None
    else:
        assert _is_of_type(value, fact.type)


def test_where_next_to_nothing_is_known_most_facts_have_no_value_and_none_raises() -> None:
    assert {name: BO.value(name) for name in CATALOGUE if BO.value(name) is not None} == {
        "payer.login_guid": "0198c2f4-0000-7000-8000-000000000002",
        "payer.email_verified": False,
        "biller.bid": 9002,
        "biller.dba": "Prairie Electric Cooperative",
    }


@given(any_facts())
def test_every_fact_of_any_snapshot_has_no_value_or_one_of_its_type(facts: Facts) -> None:
    for name, fact in CATALOGUE.items():
        value = facts.value(name)
        assert value is None or _is_of_type(value, fact.type)
        assert value not in ("", ())


def test_the_catalogue_has_every_fact_that_the_console_promises() -> None:
    promised = (
        "payer.login_guid payer.partner_user_id payer.username payer.email payer.email_verified payer.phone payer.name "
        "payer.locale registration.login_type registration.role registration.registered_at account.account_number account.base "
        "account.sub account.display_number account.service_location_id account.customer_name account.service_address "
        "account.custom1 account.custom60 account.meters account.portal_url account.pay_url accounts.account_numbers "
        "accounts.all biller.bid biller.dba session.auth_time session.acr session.amr actor.id actor.name"
    )
    assert set(promised.split()) <= set(CATALOGUE)


def test_values_come_from_the_account_in_play_and_from_all_accounts() -> None:
    assert ANN.value("account.account_number") == "1001-01"
    assert ANN.value("accounts.account_numbers") == ("1001-01", "1004-01")
    assert ANN.value("accounts.service_location_ids") == ("SL-2001",)
    assert ANN.value("accounts.all") == (
        (
            ("account_number", "1001-01"),
            ("display_number", "1001-01"),
            ("service_location_id", "SL-2001"),
            ("commodity", "water"),
            ("role", "Owner"),
        ),
        (("account_number", "1004-01"), ("display_number", "1004-01"), ("commodity", "water"), ("role", "Guest")),
    )


def test_false_and_zero_are_values() -> None:
    facts = Facts(Payer("x", email_verified=False), Biller(0, "x"))
    assert facts.value("payer.email_verified") is False
    assert facts.value("biller.bid") == 0


def test_the_field_of_role_codes_is_no_fact_at_its_own_biller_and_one_at_the_other() -> None:
    account = Account("1", custom={12: "twelve", 58: "O100-4821-3977"})
    riverbend = Facts(Payer("x"), Biller(9001, "Riverbend"), account=account)
    prairie = Facts(Payer("x"), Biller(9002, "Prairie", role_code_field=12), account=account)
    assert (riverbend.value("account.custom12"), riverbend.value("account.custom58")) == ("twelve", None)
    assert (prairie.value("account.custom12"), prairie.value("account.custom58")) == (None, "O100-4821-3977")
    assert {"account.custom12"} == {fact.name for fact in list_facts(58)} - {fact.name for fact in list_facts(12)}
    assert "account.custom58" not in {fact.name for fact in list_facts()}
    assert len(list_facts()) == len(CATALOGUE) - 1


@pytest.mark.parametrize("name", ["", "payer", "payer.password", "account.custom0", "account.custom61", "__class__", "Payer.email"])
def test_a_name_that_the_catalogue_does_not_have_raises(name: str) -> None:
    with pytest.raises(UnknownFact) as raised:
        ANN.value(name)
    assert raised.value.name == name
    assert isinstance(raised.value, ClaimsError)


def test_the_catalogue_documents_itself_in_one_table() -> None:
    lines = table().splitlines()
    assert len(lines) == len(CATALOGUE) + 2
    assert all(line.startswith("| ") and line.endswith(" |") and line.count(" | ") == 3 for line in lines[2:])
    assert "| `payer.email_verified` | boolean | Whether the address is confirmed | `true` |" in lines
    assert "| `session.auth_time` | instant | When the payer proved who they are | `2026-11-18T15:05:00Z` |" in lines


def test_a_snapshot_cannot_be_changed_nor_can_what_it_was_made_from_change_it() -> None:
    custom, meters = {1: "one"}, ["M-1"]
    account = Account("1", custom=custom, meters=meters)  # type: ignore[arg-type]  # a careless caller
    facts = Facts(Payer("x"), Biller(1, "x"), account=account, accounts=[])  # type: ignore[arg-type]
    custom[1] = "other"
    meters.append("M-2")
    assert (facts.value("account.custom1"), facts.value("account.meters")) == ("one", ("M-1",))
    with pytest.raises(TypeError):
        account.custom[1] = "other"  # type: ignore[index]
    with pytest.raises(TypeError):
        CATALOGUE["payer.x"] = CATALOGUE["payer.name"]  # type: ignore[index]
    parts: tuple[Any, ...] = (ANN, ANN.payer, ANN.registration, ANN.account, ANN.biller, ANN.session, ANN.actor, *ANN.accounts)
    for part in parts:
        for part_field in fields(part):
            with pytest.raises(FrozenInstanceError):
                setattr(part, part_field.name, "other")


def test_a_snapshot_shows_nothing_of_itself_in_a_log() -> None:
    text = repr(ANN) + repr(ANN.payer) + repr(ANN.account) + str(ANN.accounts) + repr(ANN.session) + repr(ANN.actor)
    for secret in ("Ann", "ann", "1001", "LEE", "Sam", "rep-17"):
        assert secret not in text


def test_instants_are_kept_in_utc() -> None:
    there = timezone(timedelta(hours=-6))
    facts = Facts(
        Payer("x"),
        Biller(1, "x"),
        registration=Registration(1, "Owner", datetime(2026, 1, 1, 18, tzinfo=there)),
        session=Session(datetime(2026, 1, 1, 19, tzinfo=there)),
    )
    assert str(facts.value("registration.registered_at")) == "2026-01-02 00:00:00+00:00"
    assert str(facts.value("session.auth_time")) == "2026-01-02 01:00:00+00:00"


def test_a_snapshot_that_cannot_be_is_refused_without_its_values() -> None:
    bare = datetime(2026, 1, 1)  # noqa: DTZ001  # the mistake
    late = datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))
    for make in (
        lambda: Session(bare),
        lambda: Registration(1, "Owner", bare),
        lambda: Session(late),
        lambda: Account("1", custom={0: "secret"}),
        lambda: Account("1", custom={61: "secret"}),
    ):
        with pytest.raises(MalformedFacts) as raised:
            make()
        assert "secret" not in str(raised.value)
