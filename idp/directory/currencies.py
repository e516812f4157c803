"""Which currencies are in use: ISO 4217, from the Unicode CLDR that Babel carries."""

from __future__ import annotations

from functools import cache


def is_currency(code: str) -> bool:
    """Whether this is the code of a currency that is legal tender somewhere today."""
    return code in _in_use()


@cache
def _in_use() -> frozenset[str]:
    from babel.core import get_global  # 30 ms, for those who set a currency

    by_territory = get_global("territory_currencies")
    return frozenset(code for rows in by_territory.values() for code, _start, end, is_tender in rows if end is None and is_tender)
