"""`idhub themes` and `idhub carriers`."""

from __future__ import annotations

import json
import os
import re
from datetime import timedelta
from typing import Any

import pytest

from hub.wiring import Hub, wire
from idp.fetch import Fetched
from idp.settings import load
from tests.hub.cli.conftest import BILLER, OTHER, Idhub

URL = "https://portal.example.com/theme.css"
TEAL = "#0b6b61"


class Web:
    """Stands for the guarded client: the partner's web server is the one thing that is not there."""

    body = f":root {{ --accent: {TEAL} }}".encode()
    status = 200
    content_type = "text/css"

    def __init__(self, _resolver: object, *, private_hosts: object) -> None:
        assert not private_hosts

    def get(self, url: str, *, accept: tuple[str, ...], most_bytes: int, deadline: timedelta) -> Fetched:
        assert (url, accept) == (URL, ("text/css",))
        assert most_bytes > 0
        assert deadline > timedelta(0)
        return Fetched(self.status, self.content_type, self.body, url)


@pytest.fixture
def billers(idhub: Idhub, monkeypatch: pytest.MonkeyPatch) -> Idhub:
    """Two billers, and a web with one stylesheet on it."""
    monkeypatch.setattr("hub.wiring.Fetcher", Web)
    idhub.make_biller(BILLER)
    idhub.make_biller(OTHER)
    return idhub


def theme(idhub: Idhub, verb: str, bid: str = BILLER, url: str = URL) -> Any:
    return idhub.json("themes", verb, url, "--bid", bid)


def changes(idhub: Idhub, bid: str = BILLER) -> list[str]:
    found = idhub.json("audit", "show", "--bid", bid)
    return [each["action"] for each in reversed(found) if each["action"].startswith("theme.")]


def test_a_theme_goes_from_asked_for_to_approved_to_refused_and_is_logged_at_each_step(billers: Idhub) -> None:
    assert billers.json("themes", "list", "--bid", BILLER) == []
    assert (theme(billers, "request")["state"], theme(billers, "request")["state"]) == ("awaiting", "awaiting")
    approved = theme(billers, "approve")
    assert (approved["state"], approved["properties"]["light"]["accent"], approved["fault"]) == ("approved", TEAL, "")
    (listed,) = billers.json("themes", "list", "--bid", BILLER)
    assert (listed["css_url"], listed["state"]) == (URL, "approved")
    assert theme(billers, "refuse")["state"] == "refused"
    assert changes(billers) == ["theme.request", "theme.approve", "theme.refuse"]


def test_a_theme_is_one_of_its_biller(billers: Idhub) -> None:
    theme(billers, "request")
    theme(billers, "approve")
    assert billers.json("themes", "list", "--bid", OTHER) == []
    for verb in ("approve", "refuse"):
        assert "no such theme" in "".join(billers.refused("themes", verb, URL, "--bid", OTHER))
    assert changes(billers, OTHER) == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": 404, "body": b""}, "could not be reached"),
        ({"content_type": "text/html", "body": b""}, "could not be reached"),
        ({"body": b"body { color: red }"}, "no custom property"),
        ({"body": b"\xff"}, "not UTF-8"),
    ],
)
def test_what_cannot_be_used_is_not_approved_and_said_in_one_line(
    billers: Idhub, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], told: str
) -> None:
    theme(billers, "request")
    for name, value in answer.items():
        monkeypatch.setattr(Web, name, value)
    assert told in "\n".join(billers.refused("themes", "approve", URL, "--bid", BILLER))
    assert changes(billers) == ["theme.request"]


@pytest.mark.parametrize("url", ["http://portal.example.com/theme.css", "theme.css", "https://portal.example.com/theme.css#a"])
def test_what_is_no_css_url_is_refused(billers: Idhub, url: str) -> None:
    assert billers.refused("themes", "request", url, "--bid", BILLER)[0].startswith("CSSURL: ")


def test_the_list_says_what_is_wrong_with_a_stylesheet_for_people(billers: Idhub, monkeypatch: pytest.MonkeyPatch) -> None:
    theme(billers, "request")
    theme(billers, "approve")
    billers.sql("UPDATE themes SET checked_at = '2020-01-01 00:00:00.000000'")
    monkeypatch.setattr(Web, "body", b"gone")
    with_hub(lambda hub: hub.themes.refresh())
    told = billers.text("themes", "list", "--bid", BILLER)
    assert URL in told
    assert "no custom property" in re.sub(r"\s+", " ", told)
    assert billers.json("themes", "list", "--bid", BILLER)[0]["properties"]["light"]["accent"] == TEAL
    (alarm,) = billers.json("alarms", "list", "--bid", BILLER)
    assert (alarm["kind"], alarm["subject"]) == ("theme.unusable", URL)


def test_carriers_are_counted_by_key_browser_and_carrier_at_their_biller(billers: Idhub) -> None:
    keys = {bid: billers.make_key(bid)["id"] for bid in (BILLER, OTHER)}
    assert billers.json("carriers", "--bid", BILLER) == []

    def count(hub: Hub) -> None:
        for bid, browser, carrier in ((BILLER, "safari", "token"), (BILLER, "safari", "token"), (BILLER, "chrome", "cookie"),
                                      (OTHER, "chrome", "cookie")):  # fmt: skip
            key = next(each for each in hub.api_keys.list_all(int(bid)) if str(each.id) == keys[bid])
            hub.carrier_counts.count(key, browser, carrier)

    with_hub(count)
    assert billers.json("carriers", "--bid", BILLER) == [
        {"key_id": keys[BILLER], "browser": "chrome", "carrier": "cookie", "times": 1},
        {"key_id": keys[BILLER], "browser": "safari", "carrier": "token", "times": 2},
    ]
    assert [each["times"] for each in billers.json("carriers", "--bid", OTHER)] == [1]
    assert "safari" in billers.text("carriers", "--bid", BILLER, "--days", "1")
    assert "--days" in billers.misread("carriers", "--bid", BILLER, "--days", "0")


def with_hub(act: Any) -> None:
    """Do something as the running hub would."""
    hub = wire(load(dict(os.environ)))
    try:
        act(hub)
    finally:
        hub.close()


def test_an_unknown_biller_has_no_themes_and_no_carriers(billers: Idhub) -> None:
    for words in (("themes", "list"), ("themes", "request", URL), ("themes", "approve", URL)):
        assert billers.refused(*words, "--bid", "7777")
    assert json.loads(billers.text("carriers", "--bid", BILLER, "--json")) == []
