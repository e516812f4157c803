"""Ways out of a frame: a ticket is good once, for half an hour, at its biller, and only as long as its session lives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from idp.errors import MalformedRequest, SessionRequired
from idp.login.sessions import FULL_PAGE, NEW_TAB
from idp.secrets import Secrets
from sso_connect.ways_out import LIFETIME, WaysOut
from tests.contracts.sql_stores import BIRCHWOOD
from tests.idp.login import signed_in as houses
from tests.idp.login.signed_in import SignedIn
from tests.idp.test_secrets import DataKeys

signed_in = houses.signed_in


@pytest.fixture
def ways_out(signed_in: SignedIn) -> WaysOut:
    return WaysOut(signed_in.kv, signed_in.sessions, Secrets((b"1" * 32,), DataKeys()), signed_in.clock)


def test_a_ticket_opens_a_child_of_the_frames_session_on_a_page_of_its_own(signed_in: SignedIn, ways_out: WaysOut) -> None:
    parent = signed_in.session(signed_in.open())
    ticket = ways_out.ticket(parent)
    child = signed_in.session(ways_out.take(signed_in.oakdale, ticket, NEW_TAB, "r"))
    assert (child.facts.family, child.facts.view_mode, child.token) == (parent.facts.family, NEW_TAB, parent.token)
    assert not child.facts.framed
    assert child.key not in ticket


def test_it_is_good_once_and_a_second_use_ends_nothing(signed_in: SignedIn, ways_out: WaysOut) -> None:
    opening = signed_in.open()
    ticket = ways_out.ticket(signed_in.session(opening))
    child = ways_out.take(signed_in.oakdale, ticket, NEW_TAB, "r")
    for _ in range(2):
        with pytest.raises(SessionRequired):
            ways_out.take(signed_in.oakdale, ticket, NEW_TAB, "r")
    assert signed_in.lives(opening)
    assert signed_in.lives(child)


def test_of_many_uses_at_once_one_counts(signed_in: SignedIn, ways_out: WaysOut) -> None:
    ticket = ways_out.ticket(signed_in.session(signed_in.open()))

    def use(_: int) -> bool:
        try:
            ways_out.take(signed_in.oakdale, ticket, NEW_TAB, "r")
        except SessionRequired:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(use, range(8))) == 1


def test_each_page_has_a_ticket_of_its_own(signed_in: SignedIn, ways_out: WaysOut) -> None:
    parent = signed_in.session(signed_in.open())
    one, two = ways_out.ticket(parent), ways_out.ticket(parent)
    assert one != two
    for ticket in (one, two):
        assert signed_in.lives(ways_out.take(signed_in.oakdale, ticket, NEW_TAB, "r"))


def test_it_is_too_old_after_half_an_hour_though_the_session_lives(signed_in: SignedIn, ways_out: WaysOut) -> None:
    opening = signed_in.open()
    late, in_time = ways_out.ticket(signed_in.session(opening)), ""
    for _ in range(3):
        signed_in.later(minutes=10)
        in_time = in_time or ways_out.ticket(signed_in.session(opening))
        signed_in.session(opening)
    assert signed_in.clock.now() == houses.START + LIFETIME
    with pytest.raises(SessionRequired):
        ways_out.take(signed_in.oakdale, late, NEW_TAB, "r")
    assert signed_in.lives(ways_out.take(signed_in.oakdale, in_time, NEW_TAB, "r"))


@pytest.mark.parametrize("over", ["idle", "signed out", "revoked"])
def test_it_is_over_with_its_session(signed_in: SignedIn, ways_out: WaysOut, over: str) -> None:
    token = signed_in.token()
    session = signed_in.session(signed_in.open(token))
    ticket = ways_out.ticket(session)
    match over:
        case "idle":
            signed_in.later(minutes=16)
        case "signed out":
            signed_in.sessions.end(session)
        case "revoked":
            signed_in.end_token(token)
    with pytest.raises(SessionRequired):
        ways_out.take(signed_in.oakdale, ticket, NEW_TAB, "r")


def test_at_another_biller_it_is_none_and_is_not_spent_by_trying(signed_in: SignedIn, ways_out: WaysOut) -> None:
    there = signed_in.session(signed_in.open(signed_in.token(BIRCHWOOD)))
    ticket = ways_out.ticket(there)
    with pytest.raises(MalformedRequest):
        ways_out.take(signed_in.oakdale, ticket, NEW_TAB, "r")
    assert ways_out.take(signed_in.birchwood, ticket, NEW_TAB, "r").facts.family == there.facts.family


def test_a_forged_or_changed_one_is_none(signed_in: SignedIn, ways_out: WaysOut) -> None:
    session = signed_in.session(signed_in.open())
    other = signed_in.session(signed_in.open(view_mode=FULL_PAGE))
    key, end, nonce, mac = ways_out.ticket(session).split(".")
    forged = (
        f"{other.key}.{end}.{nonce}.{mac}",
        f"{key}.{int(end) + 60}.{nonce}.{mac}",
        f"{key}.{end}.{'x' * len(nonce)}.{mac}",
        f"{key}.{end}.{nonce}.{'0' * len(mac)}",
        f"{key}.{end}.{nonce}",
        f"{key}.{end}.{nonce}.{mac}.",
        f"{key}.{end}.{nonce}.{mac}Ж",
        f"{key}.{end}.{'n' * 300}.{mac}",
        "",
        "...",
    )
    for ticket in forged:
        with pytest.raises(MalformedRequest):
            ways_out.take(signed_in.oakdale, ticket, NEW_TAB, "r")
    assert signed_in.lives(ways_out.take(signed_in.oakdale, f"{key}.{end}.{nonce}.{mac}", NEW_TAB, "r"))
