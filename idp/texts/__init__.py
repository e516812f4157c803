"""The message catalogue: every word that a payer reads, in English and Spanish, with money and dates in the same voice.

    en.yaml, es.yaml    nested keys, read as dotted ones ("bills.empty.title"); the same keys and the same placeholders in
                        both (a test says so). `errors.{code}` is the public text of each reason in `idp.errors`.
    Texts               one language and one time zone: get, money, number, date, moment
    choose_locale       the language of a browser, from its Accept-Language header

A message is text with `{placeholders}`, or a mapping of plural forms (`one`, `other`) chosen by `count` after the rules of the
language (CLDR, through Babel). A message never holds markup: pages escape it like any other value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

import yaml
from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal, get_currency_precision

Message = str | Mapping[str, str]
"""One text, or its plural forms by CLDR category."""

Length = Literal["medium", "long"]

LOCALES: tuple[str, ...] = ("en", "es")
"""The languages that exist, the default first."""

_PLURAL_FORMS = frozenset({"zero", "one", "two", "few", "many", "other"})
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
# Utilities here bill in dollars: plain "es" would write 84,17 US$ where a Spanish-speaking customer's bill says $84.17.
_FORMATS: Mapping[str, str] = MappingProxyType({"en": "en_US", "es": "es_US"})
_LANGUAGE_RANGE = re.compile(r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9]{1,8})*\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?")
_LONGEST_HEADER = 500


class UnknownMessage(LookupError):
    """A key that the catalogue does not have, or a message that needs a value it was not given. A bug, never a user's fault."""


class Texts:
    """The catalogue in one language, for readers in one time zone.

    `zone` is the biller's IANA zone: instants are shown and dated in it. Immutable, so one may serve all requests.
    """

    def __init__(self, locale: str, zone: str = "UTC") -> None:
        if locale not in LOCALES:
            raise UnknownMessage(f"no such language: {locale}")
        self.locale = locale
        self._messages = messages(locale)
        self._formats = _formats(locale)
        self._zone = ZoneInfo(zone)

    def get(self, key: str, /, **params: object) -> str:
        """The text under a dotted key, its placeholders filled. Plural forms need `count` (a whole number).

        Raises UnknownMessage when the key or a value for a placeholder is missing: an empty spot on a page is worse than a
        failing test.
        """
        message = self._messages.get(key)
        if message is None:
            raise UnknownMessage(f"no text under {key!r} in {self.locale}")
        if not isinstance(message, str):
            message = self._plural(key, message, params)
        if "{" not in message:
            return message

        def fill(match: re.Match[str]) -> str:
            try:
                value = params[match[1]]
            except KeyError:
                raise UnknownMessage(f"{key!r} needs a value for {match[1]!r}") from None
            return self.number(value) if isinstance(value, int) else str(value)

        return _PLACEHOLDER.sub(fill, message)

    def has(self, key: str) -> bool:
        """Whether the catalogue has a text under this key."""
        return key in self._messages

    def money(self, minor: int, currency: str) -> str:
        """Integer minor units of an ISO 4217 currency as the reader writes it: 8417, USD -> $84.17."""
        return format_currency(Decimal(minor).scaleb(-get_currency_precision(currency)), currency, locale=self._formats)

    def number(self, value: int | Decimal) -> str:
        """A plain number with the reader's separators, no trailing zeros: 1200 -> 1,200."""
        return format_decimal(value, locale=self._formats)

    def date(self, value: date | datetime, length: Length = "medium") -> str:
        """A day: Nov 18, 2026, or (long) November 18, 2026. An instant is dated in the biller's zone; it must be aware."""
        day = self._local(value).date() if isinstance(value, datetime) else value
        return _day(day, length, self._formats)

    def moment(self, value: datetime) -> str:
        """An aware instant, to the minute, in the biller's zone: Nov 18, 2026, 3:05 PM."""
        local = self._local(value)
        return f"{self.date(value)}, {format_time(local, format='short', locale=self._formats)}"

    def _local(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("an instant without a zone cannot be dated")
        return value.astimezone(self._zone)

    def _plural(self, key: str, forms: Mapping[str, str], params: Mapping[str, object]) -> str:
        count = params.get("count")
        if not isinstance(count, int):
            raise UnknownMessage(f"{key!r} needs a whole number as count")
        form = Locale.parse(self.locale).plural_form(count)
        return forms.get(form, forms["other"])


def choose_locale(accept_language: str | None) -> str:
    """The best language that we have for an Accept-Language header (RFC 9110 12.5.4).

    Highest q first, the first named among equals; regions are ignored (es-MX is Spanish), `*` is the default language. What
    cannot be read is skipped, so the answer is always one of LOCALES.
    """
    best, best_quality = LOCALES[0], 0.0
    for part in (accept_language or "")[:_LONGEST_HEADER].split(","):
        match = _LANGUAGE_RANGE.fullmatch(part)
        if match is None:
            continue
        language = LOCALES[0] if match[1] == "*" else match[1].lower()
        quality = float(match[2]) if match[2] else 1.0
        if language in LOCALES and quality > best_quality:
            best, best_quality = language, min(quality, 1.0)
    return best


# Memo of a constant: the files ship with the code and never change while it runs.
@cache
def messages(locale: str) -> Mapping[str, Message]:
    """The whole catalogue of one language: dotted key -> message. Read-only."""
    tree = yaml.safe_load(files("idp.texts").joinpath(f"{locale}.yaml").read_text(encoding="utf-8"))
    return MappingProxyType(dict(_flatten(tree, "")))


def placeholders(message: Message) -> frozenset[str]:
    """The names that a message asks for; of plural forms all together."""
    texts = (message,) if isinstance(message, str) else tuple(message.values())
    return frozenset(name for text in texts for name in _PLACEHOLDER.findall(text))


def _flatten(tree: Mapping[str, object], prefix: str) -> Iterator[tuple[str, Message]]:
    for name, node in tree.items():
        key = f"{prefix}{name}"
        if isinstance(node, str):
            yield key, node
        elif isinstance(node, dict) and "other" in node and node.keys() <= _PLURAL_FORMS:
            yield key, MappingProxyType({form: str(text) for form, text in node.items()})
        elif isinstance(node, dict):
            yield from _flatten(node, f"{key}.")
        else:
            raise UnknownMessage(f"{key!r} is neither text nor a mapping; quote it")


# One amount stands on a page up to three times and formatting is most of a page's cost: pure, so a bounded memo is safe.
@lru_cache(maxsize=4096)
def _money(minor: int, currency: str, formats: Locale) -> str:
    return format_currency(Decimal(minor).scaleb(-get_currency_precision(currency)), currency, locale=formats)


@lru_cache(maxsize=4096)
def _day(day: date, length: Length, formats: Locale) -> str:
    return format_date(day, format=length, locale=formats)


@cache
def _formats(locale: str) -> Locale:
    return Locale.parse(_FORMATS[locale])
