"""Two payers at two billers, and any facts at all (hypothesis), for the tests of claims."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from claims.facts import (
    CATALOGUE,
    CUSTOM_FIELDS,
    Account,
    ActingRep,
    Biller,
    Facts,
    LinkedAccount,
    Payer,
    Registration,
    Session,
    ValueType,
)
from claims.mapping import ClaimRule, ClaimSet, Fixed, FromFact, NameFormat, SamlName, When

MARKUP = "<b a=\"1\" b='2'>&amp;]]><!--\r\n\t{{x}} %s \\"

ANN = Facts(
    payer=Payer(
        "0198c2f4-0000-7000-8000-000000000001", "util-1", "ann.lee", "ann@example.com", True, "+15555550100", "Ann Lee", "en-US"
    ),
    biller=Biller(9001, "Riverbend Water & Light"),
    registration=Registration(1, "Owner", datetime(2026, 11, 18, 15, 5, tzinfo=UTC)),
    account=Account(
        "1001-01",
        "1001",
        "01",
        "1001-01",
        "SL-2001",
        "LEE, ANN",
        "12 Mill Lane, Riverbend",
        "water",
        {number: f"custom {number}" for number in CUSTOM_FIELDS},
        ("M-77012", "M-77013"),
        "https://riverbend.example.com/b/riverbend/",
        "https://riverbend.example.com/b/riverbend/pay",
    ),
    accounts=(
        LinkedAccount("1001-01", "Owner", "1001-01", "SL-2001", "water"),
        LinkedAccount("1004-01", "Guest", "1004-01", "", "water"),
    ),
    session=Session(datetime(2026, 11, 20, 9, 0, tzinfo=UTC), "pwd", ("pwd",)),
    actor=ActingRep("rep-17", "Sam Ortiz"),
)
"""Everything is known of her. The biller's role codes stand in custom field 58."""

BO = Facts(
    payer=Payer("0198c2f4-0000-7000-8000-000000000002"), biller=Biller(9002, "Prairie Electric Cooperative", role_code_field=12)
)
"""Next to nothing is known of him. His biller's role codes stand in custom field 12."""


def everything(text: str) -> Facts:
    """A snapshot in which every text is this one."""
    return Facts(
        payer=Payer(text, text, text, text, True, text, text, text),
        biller=Biller(9001, text),
        registration=Registration(1, text, datetime(2026, 11, 18, tzinfo=UTC)),
        account=Account(text, text, text, text, text, text, text, text, dict.fromkeys(CUSTOM_FIELDS, text), (text,), text, text),
        accounts=(LinkedAccount(text, text, text, text, text),),
        session=Session(datetime(2026, 11, 18, tzinfo=UTC), text, (text,)),
        actor=ActingRep(text, text),
    )


_TEXTS = st.text(st.characters(codec=None) | st.characters(categories=["Cc", "Cs"]), max_size=20)
_MOMENTS = st.datetimes(timezones=st.just(UTC))


def any_facts() -> st.SearchStrategy[Facts]:
    """Any snapshot: also with lone surrogates, control characters, huge integers, and with parts missing."""
    many = st.lists(_TEXTS, max_size=4).map(tuple)
    account = st.builds(
        Account,
        *[_TEXTS] * 8,
        st.dictionaries(st.sampled_from(CUSTOM_FIELDS), _TEXTS),
        many,
        _TEXTS,
        _TEXTS,
    )
    return st.builds(
        Facts,
        payer=st.builds(Payer, *[_TEXTS] * 4, st.booleans(), *[_TEXTS] * 3),
        biller=st.builds(Biller, st.integers(), _TEXTS, st.sampled_from(CUSTOM_FIELDS)),
        registration=st.none() | st.builds(Registration, st.integers(), _TEXTS, _MOMENTS),
        account=st.none() | account,
        accounts=st.lists(st.builds(LinkedAccount, *[_TEXTS] * 5), max_size=4).map(tuple),
        session=st.none() | st.builds(Session, _MOMENTS, _TEXTS, many),
        actor=st.none() | st.builds(ActingRep, _TEXTS, _TEXTS),
    )


def any_set(names: st.SearchStrategy[str]) -> st.SearchStrategy[ClaimSet]:
    """Any claim set, sound or not: unknown facts, impossible types, names from the given strategy."""
    sources = st.sampled_from(list(CATALOGUE)).map(FromFact) | _TEXTS.map(FromFact) | _TEXTS.map(Fixed)
    saml = st.none() | st.builds(SamlName, _TEXTS, st.sampled_from(NameFormat), _TEXTS)
    rules = st.builds(ClaimRule, names, sources, st.sampled_from(ValueType), st.sampled_from(When), st.booleans(), saml)
    return st.builds(ClaimSet, st.just("any"), st.lists(rules, max_size=8).map(tuple))


def sound_sets() -> st.SearchStrategy[ClaimSet]:
    """Claim sets without a fault at any biller: no custom field among them, each name once."""
    free = [fact for fact in CATALOGUE.values() if not fact.name.startswith("account.custom")]

    def rule(pair: tuple[int, str], when: When, required: bool) -> ClaimRule:
        return ClaimRule(f"claim{pair[0]}", FromFact(pair[1]), CATALOGUE[pair[1]].type, when, required)

    pairs = st.tuples(st.integers(0, 20), st.sampled_from([fact.name for fact in free]))
    rules = st.lists(st.builds(rule, pairs, st.sampled_from(When), st.booleans()), max_size=8, unique_by=lambda made: made.name)
    return st.builds(ClaimSet, st.just("sound"), rules.map(tuple))
