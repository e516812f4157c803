"""Themes: asked for, approved, refreshed, refused, shown. The other side is a fetch that answers what a test wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from admin.history import ChangeFilter
from idp.actor import Staff, System
from idp.alarms import AlarmKind, Alarms
from idp.errors import HubError, InvalidFields, StoreUnavailable, ThemeNotFound, Unreachable
from idp.versions import biller_stamp
from sso_connect.stylesheets import MOST_BYTES
from sso_connect.themes import CHECKED_EVERY, Theme, Themes, check_css_urls
from tests.contracts import sql_stores
from tests.contracts.sql_stores import BIRCHWOOD, OAKDALE, START, DirectoryCase

directory = sql_stores.directory
URL, OTHER_URL = "https://portal.example.com/theme.css", "https://portal.example.com/dark.css"
STAFF = Staff("ada", "operator")
TEAL, PLUM = "#0b6b61", "#6a1b6a"


def sheet(accent: str) -> bytes:
    return f":root {{ --accent: {accent}; --radius: 8px }} .amount {{ display: none }}".encode()


@dataclass
class Web:
    """What is at each address: a stylesheet, or the fault of fetching it."""

    pages: dict[str, bytes | HubError] = field(default_factory=lambda: {URL: sheet(TEAL), OTHER_URL: sheet(PLUM)})
    asked: list[str] = field(default_factory=list)

    def __call__(self, url: str, *, most_bytes: int, deadline: timedelta) -> bytes:
        assert most_bytes == MOST_BYTES
        assert deadline == timedelta(seconds=10)
        self.asked.append(url)
        page = self.pages[url]
        if isinstance(page, HubError):
            raise page
        return page


@dataclass(frozen=True)
class House:
    """The service on a database, the web that it fetches from, and what it leaves behind."""

    directory: DirectoryCase
    themes: Themes
    web: Web
    alarms: Alarms

    def approve(self, bid: int = OAKDALE, url: str = URL) -> Theme:
        self.themes.request(STAFF, "r", bid, url)
        return self.themes.approve(STAFF, "r", bid, url)

    def shown(self, bid: int = OAKDALE, url: str = URL) -> Theme | None:
        """As a page looks it up: by the stamps that a session brought along just now."""
        name = biller_stamp(bid)
        return self.themes.shown(bid, url, {name: self.directory.kv.look(name)})

    def accent(self, bid: int = OAKDALE) -> str:
        found = self.shown(bid)
        return "" if found is None or found.properties is None else found.properties.light.accent

    def stored(self, bid: int = OAKDALE, url: str = URL) -> Theme:
        return next(each for each in self.themes.list_all(bid) if each.css_url == url)

    def log(self, bid: int = OAKDALE) -> list[tuple[str, Any, Any]]:
        """Of a biller: what, before and after; oldest first."""
        found = self.directory.get(lambda stores: stores.change_history.list_changes(ChangeFilter(bid), 100))
        rows = [each for each in reversed(found) if each.row.action.startswith("theme.")]
        return [(each.row.action, *each.before_and_after()) for each in rows]


@pytest.fixture
def house(directory: DirectoryCase) -> House:
    database, web = directory.database, Web()
    alarms = Alarms(database.begin, directory.kv, directory.clock)
    themes = Themes(database.begin, database.read, directory.kv, directory.clock, web, alarms)
    return House(directory, themes, web, alarms)


# --- asked for, approved, refused ----------------------------------------------------------------------------------------------


def test_a_stylesheet_that_is_asked_for_awaits_approval_is_not_fetched_and_not_shown(house: House) -> None:
    made = house.themes.request(STAFF, "r", OAKDALE, URL, house.directory.partner.id)
    assert (made.state, made.partner_id, made.created_at) == ("awaiting", house.directory.partner.id, START)
    assert house.shown() is None
    assert house.web.asked == []
    assert house.log() == [("theme.request", None, {"css_url": URL})]


def test_asking_again_answers_the_theme_that_stands_and_writes_nothing(house: House) -> None:
    first = house.approve()
    assert house.themes.request(STAFF, "r", OAKDALE, URL).id == first.id
    assert [what for what, _, _ in house.log()] == ["theme.request", "theme.approve"]
    assert house.shown() == first


def test_an_approved_stylesheet_is_fetched_read_logged_and_shown_at_its_biller_only(house: House) -> None:
    house.themes.request(STAFF, "r", BIRCHWOOD, URL)
    assert house.shown() is None, "now it is cached that there is none"
    done = house.approve()
    assert house.web.asked == [URL]
    assert (done.state, done.approved_at, done.checked_at, done.fault) == ("approved", START, START, "")
    assert house.shown() == done
    assert house.shown(BIRCHWOOD) is None
    what, before, after = house.log()[-1]
    assert (what, before["state"], before["properties"]) == ("theme.approve", "awaiting", None)
    assert (after["state"], after["properties"]["light"]["accent"]) == ("approved", TEAL)


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (Unreachable("certificate of 10.0.0.7"), "The address could not be reached."),
        (b".amount { display: none }", "no custom property that we take"),
        (b":root { --accent: #fefefe }", "4.5 is needed"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_what_cannot_be_had_or_used_is_not_approved_and_says_why_without_a_map_of_our_network(
    house: House, page: bytes | HubError, told: str
) -> None:
    house.themes.request(STAFF, "r", OAKDALE, URL)
    house.web.pages[URL] = page
    with pytest.raises(InvalidFields) as refused:
        house.themes.approve(STAFF, "r", OAKDALE, URL)
    (fault,) = refused.value.fields
    assert fault.field == "CSSUrl"
    assert told in fault.message
    assert "10.0.0.7" not in fault.message
    assert house.stored().state == "awaiting"
    assert [what for what, _, _ in house.log()] == ["theme.request"]


def test_why_a_stylesheet_could_not_be_fetched_is_in_our_log_without_its_path(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.themes.request(STAFF, "r", OAKDALE, URL)
    house.web.pages[URL] = Unreachable("status 404, text/html")
    with pytest.raises(InvalidFields):
        house.themes.approve(STAFF, "r", OAKDALE, URL)
    (record,) = [each for each in caplog.records if each.name == "sso_connect.themes"]
    assert (record.msg, record.__dict__["host"], record.__dict__["cause"]) == (
        "stylesheet not fetched", "portal.example.com", "status 404, text/html"
    )  # fmt: skip


def test_a_store_that_is_away_is_no_fault_of_the_stylesheet(house: House) -> None:
    house.themes.request(STAFF, "r", OAKDALE, URL)
    house.web.pages[URL] = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        house.themes.approve(STAFF, "r", OAKDALE, URL)


def test_a_theme_that_is_refused_is_gone_from_the_next_page_on_and_may_be_approved_again(house: House) -> None:
    first = house.approve()
    assert house.shown() is not None
    house.themes.refuse(STAFF, "r", OAKDALE, URL)
    assert house.shown() is None
    assert house.themes.css(OAKDALE, first.digest, restrained=False) is None
    what, before, after = house.log()[-1]
    assert (what, before["state"], after["state"]) == ("theme.refuse", "approved", "refused")
    again = house.themes.approve(STAFF, "r", OAKDALE, URL)
    assert house.shown() == again


@pytest.mark.parametrize("verb", ["approve", "refuse"])
def test_a_theme_that_the_biller_does_not_have_is_not_found_though_another_one_has_it(house: House, verb: str) -> None:
    house.approve(BIRCHWOOD)
    house.web.asked.clear()
    call: Callable[..., Theme] = getattr(house.themes, verb)
    with pytest.raises(ThemeNotFound):
        call(STAFF, "r", OAKDALE, URL)
    assert house.web.asked == []
    assert house.accent(BIRCHWOOD) == TEAL
    assert house.log() == []


# --- the daily look ------------------------------------------------------------------------------------------------------------


def test_within_a_day_nobody_looks_again(house: House) -> None:
    house.approve()
    house.web.asked.clear()
    house.directory.clock.advance(CHECKED_EVERY)
    assert house.themes.refresh() == 0
    house.directory.clock.advance(timedelta(seconds=1))
    assert [house.themes.refresh(), house.themes.refresh()] == [1, 0]
    assert house.web.asked == [URL]


def test_a_change_that_passes_goes_live_under_another_address_and_is_logged(house: House) -> None:
    first = house.approve()
    house.approve(BIRCHWOOD, OTHER_URL)
    assert house.accent() == TEAL
    house.web.pages[URL] = sheet(PLUM)
    house.directory.clock.advance(CHECKED_EVERY * 2)
    assert house.themes.refresh() == 2
    assert house.accent() == PLUM
    assert house.stored().digest != first.digest
    assert house.themes.css(OAKDALE, first.digest, restrained=False) is None
    what, before, after = house.log()[-1]
    assert (what, before["properties"]["light"]["accent"], after["properties"]["light"]["accent"]) == ("theme.refresh", TEAL, PLUM)
    assert [what for what, _, _ in house.log(BIRCHWOOD)] == ["theme.request", "theme.approve"]


def test_a_stylesheet_that_is_as_before_is_not_logged_again(house: House) -> None:
    house.approve()
    rows = house.log()
    house.web.pages[URL] = sheet(TEAL) + b" /* a comment */ .x { color: red }"
    house.directory.clock.advance(CHECKED_EVERY * 2)
    house.themes.refresh()
    assert house.log() == rows
    assert house.stored().checked_at == house.directory.clock.now()


@pytest.mark.parametrize("page", [Unreachable("it is down"), b"", b":root { --accent: #ffffff }"])
def test_one_that_fails_keeps_the_last_good_copy_tells_why_and_sounds_an_alarm(house: House, page: bytes | HubError) -> None:
    good = house.approve()
    house.approve(BIRCHWOOD)
    house.web.pages[URL] = page
    house.directory.clock.advance(CHECKED_EVERY * 2)
    house.themes.refresh()
    kept = house.stored()
    assert (kept.state, kept.properties, kept.digest, kept.fetched_at) == ("approved", good.properties, good.digest, START)
    assert kept.checked_at == house.directory.clock.now()
    assert kept.fault
    assert house.accent() == TEAL
    for bid in (OAKDALE, BIRCHWOOD):
        (alarm,) = house.alarms.list_recent(bid)
        assert (alarm.kind, alarm.subject, alarm.detail) == (
            AlarmKind.THEME_UNUSABLE, URL, f"the last good copy stays: {kept.fault}"
        )  # fmt: skip


def test_one_that_can_be_read_again_has_no_fault_any_more(house: House) -> None:
    house.approve()
    house.web.pages[URL] = Unreachable("for a while")
    house.directory.clock.advance(CHECKED_EVERY * 2)
    house.themes.refresh()
    house.web.pages[URL] = sheet(TEAL)
    house.directory.clock.advance(CHECKED_EVERY * 2)
    house.themes.refresh()
    assert house.stored().fault == ""


def test_what_is_refused_while_it_is_fetched_stays_refused(house: House) -> None:
    house.approve()
    fetched = house.web.__call__

    def meanwhile(url: str, *, most_bytes: int, deadline: timedelta) -> bytes:
        house.themes.refuse(STAFF, "r", OAKDALE, URL)
        return fetched(url, most_bytes=most_bytes, deadline=deadline)

    database, kv, clock = house.directory.database, house.directory.kv, house.directory.clock
    clock.advance(CHECKED_EVERY * 2)
    assert Themes(database.begin, database.read, kv, clock, meanwhile, house.alarms).refresh() == 1
    assert house.stored().state == "refused"
    assert house.shown() is None


def test_many_are_looked_at_in_turns_the_longest_ago_first(house: House) -> None:
    house.approve(OAKDALE)
    house.directory.clock.advance(timedelta(minutes=1))
    house.approve(BIRCHWOOD, OTHER_URL)
    house.web.asked.clear()
    house.directory.clock.advance(CHECKED_EVERY * 2)
    assert [house.themes.refresh(limit=1), house.themes.refresh(limit=1), house.themes.refresh(limit=1)] == [1, 1, 0]
    assert house.web.asked == [URL, OTHER_URL]


# --- what is served --------------------------------------------------------------------------------------------------------------


def test_what_is_served_holds_the_properties_and_nothing_else_of_the_stylesheet(house: House) -> None:
    digest = house.approve().digest
    whole = house.themes.css(OAKDALE, digest, restrained=False)
    restrained = house.themes.css(OAKDALE, digest, restrained=True)
    assert whole is not None
    assert restrained is not None
    assert f"--accent: {TEAL}" in whole
    assert "--radius" in whole
    assert "display" not in whole
    assert f"--accent: {TEAL}" in restrained
    assert "--radius" not in restrained
    assert house.themes.css(BIRCHWOOD, digest, restrained=False) is None


def test_a_page_that_asks_for_no_theme_asks_nobody(house: House) -> None:
    assert house.themes.shown(OAKDALE, "", {}) is None


@pytest.mark.parametrize(
    "url",
    ["http://portal.example.com/a.css", "https://user@portal.example.com/a.css", "https://portal.example.com/a.css#x", "/a.css",
     "https://portal.example.com/a.css#", f"https://portal.example.com/{'a' * 500}", "", "javascript:alert(1)"],
)  # fmt: skip
def test_what_can_be_no_css_url_is_told_as_such(house: House, url: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        house.themes.request(System("test"), "r", OAKDALE, url)
    assert [each.field for each in refused.value.fields] == ["CSSUrl"]
    assert house.themes.list_all(OAKDALE) == []


def test_each_url_that_can_be_none_is_named() -> None:
    with pytest.raises(InvalidFields) as refused:
        check_css_urls(["http://a.example.com/x.css", URL, "ftp://b.example.com/y.css"])
    assert [each.message.partition(": ")[0] for each in refused.value.fields] == [
        "http://a.example.com/x.css", "ftp://b.example.com/y.css"
    ]  # fmt: skip


def test_a_stylesheet_is_found_in_whatever_spelling_of_its_host_a_partner_sends(house: House) -> None:
    shown = house.approve()
    host, _, path = URL.removeprefix("https://").partition("/")
    assert house.shown(url=f"https://{host.upper()}:443/{path}") == shown
    for other in (
        f"https://{host}:444/{path}",
        f"https://{host}/{path.upper()}",
        f"https://{host}./{path}",
        f"http://{host}/{path}",
    ):
        assert house.shown(url=other) is None
