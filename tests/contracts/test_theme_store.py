"""Themes, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from idp.opaque import new_id
from idp.versions import biller_stamp
from sso_connect.stylesheets import Palette, Properties
from sso_connect.themes import Theme
from tests.contracts.sql_stores import BIRCHWOOD, OAKDALE, START, DirectoryCase, later

URL, OTHER_URL = "https://portal.example.com/theme.css", "https://portal.example.com/dark.css"
PROPERTIES = Properties(Palette(accent="#0b6b61"), Palette(text="#e3f1ee"), font='"Verdana", sans-serif', space="1.05")


def theme(bid: int, css_url: str = URL, **changes: Any) -> Theme:
    return replace(Theme(bid, new_id(), css_url, None, "awaiting", START), **changes)


def approved(bid: int, css_url: str = URL, **changes: Any) -> Theme:
    made = theme(bid, css_url, state="approved", approved_at=START, properties=PROPERTIES, digest="d1", fetched_at=START)
    return replace(made, **({"checked_at": START} | changes))


def add(directory: DirectoryCase, *themes: Theme) -> list[bool]:
    return directory.put(lambda stores: [stores.themes.add_theme(each) for each in themes])


def test_a_theme_is_one_of_its_biller_by_its_url_whoever_asks_first(directory: DirectoryCase) -> None:
    first, other, there = theme(OAKDALE), theme(OAKDALE, OTHER_URL, partner_id=directory.partner.id), theme(BIRCHWOOD)
    assert add(directory, first, other, theme(OAKDALE), there) == [True, True, False, True]
    assert directory.get(lambda stores: stores.themes.find_theme(OAKDALE, URL)) == first
    assert directory.get(lambda stores: stores.themes.find_theme(OAKDALE, OTHER_URL)) == other
    assert directory.get(lambda stores: stores.themes.find_theme(BIRCHWOOD, URL)) == there
    assert directory.get(lambda stores: stores.themes.find_theme(BIRCHWOOD, OTHER_URL)) is None


def test_all_of_a_biller_come_oldest_first_and_none_of_another(directory: DirectoryCase) -> None:
    newer, older = theme(OAKDALE, created_at=later(1)), theme(OAKDALE, OTHER_URL)
    add(directory, newer, older, theme(BIRCHWOOD))
    assert directory.get(lambda stores: stores.themes.list_themes(OAKDALE)) == [older, newer]


def test_what_is_put_is_found_again_and_the_theme_of_another_biller_stays(directory: DirectoryCase) -> None:
    here, there = theme(OAKDALE), theme(BIRCHWOOD)
    add(directory, here, there)
    after = approved(OAKDALE, id=here.id, fault="it could not be read")
    directory.put(lambda stores: stores.themes.put_theme(after))
    # The id alone is not enough to change what is another biller's.
    directory.put(lambda stores: stores.themes.put_theme(replace(after, bid=OAKDALE, id=there.id)))
    assert directory.get(lambda stores: stores.themes.find_theme(OAKDALE, URL)) == after
    assert directory.get(lambda stores: stores.themes.find_theme(BIRCHWOOD, URL)) == there


def test_changing_a_theme_renews_the_stamp_of_its_biller_alone(directory: DirectoryCase) -> None:
    made = theme(OAKDALE)
    add(directory, made)
    assert directory.renewed_by(lambda stores: stores.themes.put_theme(approved(OAKDALE, id=made.id))) == {biller_stamp(OAKDALE)}


def test_approved_ones_that_were_not_looked_at_come_the_longest_ago_first_of_all_billers(directory: DirectoryCase) -> None:
    oldest, older = approved(BIRCHWOOD), approved(OAKDALE, checked_at=later(1))
    fresh = approved(OAKDALE, "https://portal.example.com/fresh.css", checked_at=later(5))
    add(directory, fresh, older, oldest, theme(OAKDALE, OTHER_URL))
    add(directory, approved(BIRCHWOOD, OTHER_URL, state="refused"))
    due = later(5)
    assert directory.get(lambda stores: stores.themes.list_unchecked(due, 10)) == [oldest, older]
    assert directory.get(lambda stores: stores.themes.list_unchecked(due, 1)) == [oldest]
    assert directory.get(lambda stores: stores.themes.list_unchecked(due + timedelta(seconds=1), 10)) == [oldest, older, fresh]


def test_of_many_who_ask_for_the_same_one_at_once_one_adds_it(directory: DirectoryCase) -> None:
    answers = directory.race(*(lambda: add(directory, theme(OAKDALE))[0] for _ in range(8)))
    assert sorted(answers, key=str) == [False] * 7 + [True]
    assert len(directory.get(lambda stores: stores.themes.list_themes(OAKDALE))) == 1


def test_whoever_writes_back_what_it_read_waits_for_the_other(postgres_only: DirectoryCase) -> None:
    made = approved(OAKDALE)
    add(postgres_only, made)

    def note(word: str) -> None:
        with postgres_only.database.begin() as stores:
            read = stores.themes.find_theme(OAKDALE, URL, lock=True)
            assert read is not None
            stores.themes.put_theme(replace(read, fault=f"{read.fault}{word}"))

    with postgres_only.database.begin() as stores:
        read = stores.themes.find_theme(OAKDALE, URL, lock=True)
        assert read is not None
        beside = postgres_only.run_beside(lambda: note("two"))
        postgres_only.wait_for_lock()
        stores.themes.put_theme(replace(read, fault="one"))
    beside.result(60)
    found = postgres_only.get(lambda stores: stores.themes.find_theme(OAKDALE, URL))
    assert found is not None
    assert found.fault == "onetwo"
