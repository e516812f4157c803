"""The catalogue is whole in both languages, and money, days and plurals come out as the reader writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from idp import errors
from idp.texts import LOCALES, Texts, UnknownMessage, choose_locale, messages, placeholders


def test_both_languages_have_the_same_keys() -> None:
    keys = {locale: set(messages(locale)) for locale in LOCALES}
    assert keys["es"] == keys["en"]


@pytest.mark.parametrize("key", sorted(messages("en")))
def test_a_message_asks_for_the_same_values_in_both_languages(key: str) -> None:
    assert placeholders(messages("es")[key]) == placeholders(messages("en")[key])


@pytest.mark.parametrize("locale", LOCALES)
def test_no_message_is_empty_or_holds_markup(locale: str) -> None:
    for key, message in messages(locale).items():
        for text in (message,) if isinstance(message, str) else tuple(message.values()):
            assert text.strip() == text != "", key
            assert not set("<>&") & set(text), key


@pytest.mark.parametrize("locale", LOCALES)
def test_every_plural_has_one_and_other(locale: str) -> None:
    plurals = {key: message for key, message in messages(locale).items() if not isinstance(message, str)}
    assert "account.all" in plurals
    for key, forms in plurals.items():
        assert {"one", "other"} <= set(forms), key


@pytest.mark.parametrize("reason", errors.catalogue(), ids=lambda reason: str(reason.code))
def test_every_reason_has_its_public_text_in_both_languages(reason: type[errors.HubError]) -> None:
    assert Texts("en").get(f"errors.{reason.code}") == reason.public
    assert Texts("es").get(f"errors.{reason.code}")


def test_no_text_is_kept_for_a_reason_that_is_gone() -> None:
    codes = {f"errors.{reason.code}" for reason in errors.catalogue()}
    assert {key for key in messages("en") if key.startswith("errors.")} == codes


def test_a_missing_key_raises() -> None:
    with pytest.raises(UnknownMessage, match=r"bills\.nowhere"):
        Texts("en").get("bills.nowhere")


def test_a_missing_value_raises() -> None:
    with pytest.raises(UnknownMessage, match="biller"):
        Texts("en").get("bills.empty.text")


def test_a_language_that_does_not_exist_raises() -> None:
    with pytest.raises(UnknownMessage):
        Texts("de")


def test_a_value_is_put_in_as_it_is_and_never_read_as_a_placeholder() -> None:
    assert Texts("en").get("account.number", number="{count}<b>") == "Account {count}<b>"


def test_plurals_follow_the_count_and_need_one() -> None:
    english, spanish = Texts("en"), Texts("es")
    assert english.get("due.days", count=1) == "in 1 day"
    assert english.get("due.days", count=19) == "in 19 days"
    assert spanish.get("due.days", count=1) == "en 1 día"
    assert spanish.get("accounts.count", count=1_000_000) == "Usted puede abrir 1,000,000 cuentas."
    with pytest.raises(UnknownMessage, match="count"):
        english.get("due.days")


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (8417, "USD", "$84.17"),
        (183309, "USD", "$1,833.09"),
        (-1250, "USD", "-$12.50"),
        (0, "USD", "$0.00"),
        (500, "JPY", "¥500"),
        (1234, "BHD", "BHD1.234"),
    ],
)
def test_money_is_shown_from_minor_units_with_the_digits_of_its_currency(minor: int, currency: str, shown: str) -> None:
    # Where the space stands is up to the version of the CLDR data.
    assert Texts("en").money(minor, currency).replace("\N{NO-BREAK SPACE}", "") == shown


def test_money_looks_in_spanish_as_on_the_bill() -> None:
    assert Texts("es").money(183309, "USD") == "$1,833.09"


def test_numbers_lose_trailing_zeros() -> None:
    assert Texts("en").number(Decimal("1612.50")) == "1,612.5"


def test_days_are_written_out_in_the_language() -> None:
    day = date(2026, 12, 10)
    assert Texts("en").date(day) == "Dec 10, 2026"
    assert Texts("en").date(day, "long") == "December 10, 2026"
    assert Texts("es").date(day, "long") == "10 de diciembre de 2026"


def test_an_instant_is_dated_in_the_zone_of_its_biller() -> None:
    late = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)
    river, prairie = Texts("en", "America/Detroit"), Texts("en", "Pacific/Auckland")
    assert river.date(late) == "Nov 20, 2026"
    assert prairie.date(late) == "Nov 21, 2026"
    assert river.moment(late).replace("\N{NARROW NO-BREAK SPACE}", " ") == "Nov 20, 2026, 10:30 PM"


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        Texts("en").date(datetime(2026, 11, 21, 3, 30))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        (None, "en"),
        ("", "en"),
        ("es", "es"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("en;q=0.5, ES;q=0.7", "es"),
        ("de-DE,de;q=0.9", "en"),
        ("de, es;q=0.1", "es"),
        ("es;q=0, en;q=0.1", "en"),
        ("es;q=0", "en"),
        ("*", "en"),
        ("en, es", "en"),
        (";;;,es;q=abc,\x00", "en"),
        ("es;q=1.5", "es"),
        ("x" * 100_000, "en"),
    ],
)
def test_the_language_of_a_browser_is_always_one_that_we_have(header: str | None, locale: str) -> None:
    assert choose_locale(header) == locale
