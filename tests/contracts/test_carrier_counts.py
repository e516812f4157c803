"""Counts of carriers, on both databases."""

from __future__ import annotations

from datetime import timedelta

from sso_connect.carrier_counts import KEPT_FOR, CarrierCounts
from tests.contracts.sql_stores import BIRCHWOOD, OAKDALE, DirectoryCase, sample_key


def test_counts_add_up_per_key_browser_and_carrier_and_stay_with_their_biller(directory: DirectoryCase) -> None:
    here, there = sample_key(OAKDALE, directory.partner), sample_key(BIRCHWOOD, directory.partner)
    directory.add(here, there)
    counts = CarrierCounts(directory.database.begin, directory.clock)
    for key, browser, carrier in ((here, "safari", "token"), (here, "safari", "token"), (here, "chrome", "cookie")):
        counts.count(key, browser, carrier)
    counts.count(there, "safari", "token")
    directory.clock.advance(timedelta(days=1))
    counts.count(here, "safari", "token")
    assert [(each.key_id, each.browser, each.carrier, each.times) for each in counts.list_recent(OAKDALE)] == [
        (here.id, "chrome", "cookie", 1),
        (here.id, "safari", "token", 3),
    ]
    assert [each.times for each in counts.list_recent(BIRCHWOOD)] == [1]


def test_counts_of_long_ago_are_not_listed_and_are_purged(directory: DirectoryCase) -> None:
    key = sample_key(OAKDALE, directory.partner)
    directory.add(key)
    counts = CarrierCounts(directory.database.begin, directory.clock)
    counts.count(key, "safari", "token")
    directory.clock.advance(timedelta(days=31))
    counts.count(key, "chrome", "cookie")
    assert [each.browser for each in counts.list_recent(OAKDALE)] == ["chrome"]
    assert counts.purge() == 0
    directory.clock.advance(KEPT_FOR - timedelta(days=30))
    assert [counts.purge(), counts.purge()] == [1, 0]
    assert [each.browser for each in counts.list_recent(OAKDALE, days=1000)] == ["chrome"]
