"""A search among a payer's accounts, as the server does it; the page's script must find the same (tests/browser)."""

from __future__ import annotations

import pytest

from sso_connect.portal.finding import finds

TEXT = "2007-01 Zoë's Cedar Court, Unit 7 1207 Cedar Ct Apt 7, Riverbend"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "  ",
        "2007",
        "2007-01",
        "200701",
        "cedar",
        "CEDAR unit",
        "apt 7",
        "zoe",
        "Zoë",
        "zoe\u0308",
        "ｃｅｄａｒ",
        "unit7",
        "riverbend 2007",
    ],
)
def test_every_word_of_a_query_may_be_anywhere_in_number_name_or_address(query: str) -> None:
    assert finds(query, TEXT)


@pytest.mark.parametrize("query", ["2008", "cedar maple", "zoey", "<script>", "2007-02", "%", "_"])
def test_a_word_that_is_nowhere_finds_nothing(query: str) -> None:
    assert not finds(query, TEXT)
