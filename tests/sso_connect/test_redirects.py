"""Destinations: eleven numbers, what a biller made of them, and whom a page is open to."""

from __future__ import annotations

from itertools import product

import pytest

from idp.actor import Payer
from idp.directory.api_keys import ALL_REDIRECT_IDS
from idp.directory.rights import LoginType
from idp.errors import InvalidFields
from idp.kv import Look, Seen
from idp.opaque import new_id
from idp.versions import biller_stamp
from sso_connect.redirects import BY_SLUG, DESTINATIONS, Destinations, DestinationSetting, is_open
from tests.idp.directory import house as houses
from tests.idp.directory.house import BIRCHWOOD, MAKER, OAKDALE, House

sql, house = houses.sql, houses.house
PAYER = Payer(new_id())


def table(house: House) -> Destinations:
    """Destinations as one process has them."""
    return Destinations(house.sql.begin, house.sql.database.read, house.sql.kv)


def stamps(house: House, bid: int) -> dict[str, str]:
    seen = house.sql.kv.transact(Look((biller_stamp(bid),))).results[0]
    assert isinstance(seen, Seen)
    return dict(seen.stamps)


def test_there_are_eleven_each_with_a_place_of_its_own() -> None:
    assert set(DESTINATIONS) == ALL_REDIRECT_IDS == set(range(1, 12))
    assert len(BY_SLUG) == 11
    assert all(BY_SLUG[each.slug] is each for each in DESTINATIONS.values())


@pytest.mark.parametrize(("number", "login_type"), [*product(DESTINATIONS, LoginType)])
def test_every_page_is_open_to_everybody_but_that_of_the_users(number: int, login_type: LoginType) -> None:
    full_access = login_type in {LoginType.OWNER, LoginType.CO_OWNER}
    assert is_open(DestinationSetting(OAKDALE, number), PAYER, login_type) is (number != 10 or full_access)
    assert not is_open(DestinationSetting(OAKDALE, number, off=True), PAYER, login_type)


def test_a_change_is_the_billers_own_and_logged_once(house: House) -> None:
    destinations, log = table(house), len(house.actions())
    for _ in range(2):
        destinations.put(MAKER, "r", DestinationSetting(OAKDALE, 3, off=True, title="Auto"))
    assert destinations.table(OAKDALE)[3] == DestinationSetting(OAKDALE, 3, off=True, title="Auto")
    assert destinations.table(BIRCHWOOD)[3] == DestinationSetting(BIRCHWOOD, 3)
    assert house.actions(after=log) == ["destination.change"]


def test_a_change_in_another_process_is_seen_with_the_stamps_of_the_next_request(house: House) -> None:
    here, there = table(house), table(house)
    assert not here.as_of(OAKDALE, stamps(house, OAKDALE))[3].off
    there.put(MAKER, "r", DestinationSetting(OAKDALE, 3, off=True))
    assert here.as_of(OAKDALE, stamps(house, OAKDALE))[3].off
    assert not here.as_of(BIRCHWOOD, stamps(house, BIRCHWOOD))[3].off


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        (DestinationSetting(OAKDALE, 0), "RedirectID"),
        (DestinationSetting(OAKDALE, 12), "RedirectID"),
        (DestinationSetting(OAKDALE, 1, title="x" * 61), "Title"),
    ],
)
def test_another_number_or_too_long_a_title_is_refused_by_name(house: House, setting: DestinationSetting, field: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        table(house).put(MAKER, "r", setting)
    assert [each.field for each in refused.value.fields] == [field]
