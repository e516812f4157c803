"""Sessions: listed, opened as children, ended by family, and known for a while after they are over."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from idp.errors import SessionRequired
from idp.login.sessions import FULL_PAGE, MOST_SHOWN, NEW_TAB, LastKnown, Opening, Session, SessionFacts, TokenFacts
from idp.opaque import new_id
from tests.contracts.sql_stores import BIRCHWOOD
from tests.idp.login import signed_in as houses
from tests.idp.login.signed_in import SignedIn

signed_in = houses.signed_in


def listed(signed_in: SignedIn, token_ids: list[str]) -> list[Session]:
    return list(signed_in.sessions.list_of(token_ids).sessions)


# --- listed --------------------------------------------------------------------------------------------------------------------


def test_the_sessions_of_tokens_are_listed_oldest_first_and_those_of_no_other_token(signed_in: SignedIn) -> None:
    one, two, there = signed_in.token(), signed_in.token(), signed_in.token(BIRCHWOOD)
    first = signed_in.open(one)
    signed_in.later(seconds=1)
    second = signed_in.open(two, FULL_PAGE)
    signed_in.later(seconds=1)
    third = signed_in.open(one)
    signed_in.open(there)
    found = listed(signed_in, [two.id, one.id])
    assert [session.key for session in found] == [first.key, second.key, third.key]
    assert listed(signed_in, []) == []
    assert listed(signed_in, ["nobodys"]) == []


def test_a_look_at_the_list_prolongs_no_session(signed_in: SignedIn) -> None:
    token = signed_in.token()
    opening = signed_in.open(token)
    signed_in.later(minutes=14)
    (seen,) = listed(signed_in, [token.id])
    assert seen.began_at == houses.START
    signed_in.later(minutes=1, seconds=1)
    assert listed(signed_in, [token.id]) == []
    assert not signed_in.lives(opening)


def test_a_session_that_ended_is_not_listed(signed_in: SignedIn) -> None:
    token = signed_in.token()
    ended, going_on = signed_in.open(token), signed_in.open(token)
    signed_in.sessions.end(signed_in.session(ended))
    assert [session.key for session in listed(signed_in, [token.id])] == [going_on.key]
    signed_in.end_token(token)
    assert listed(signed_in, [token.id]) == []


def test_several_families_end_at_once_and_no_other(signed_in: SignedIn) -> None:
    openings = [signed_in.open() for _ in range(3)]
    signed_in.sessions.end_families([openings[0].facts.family, openings[1].facts.family])
    assert [signed_in.lives(each) for each in openings] == [False, False, True]


def test_a_list_says_when_it_holds_more_than_it_shows(signed_in: SignedIn) -> None:
    token = signed_in.token()
    for _ in range(MOST_SHOWN):
        signed_in.open(token, FULL_PAGE)
    found = signed_in.sessions.list_of([token.id])
    assert (len(found.sessions), found.cut) == (MOST_SHOWN, False)
    signed_in.later(seconds=1)
    newest = signed_in.open(token, FULL_PAGE)
    found = signed_in.sessions.list_of([token.id])
    assert (len(found.sessions), found.cut) == (MOST_SHOWN, True)
    assert found.sessions[-1].key == newest.key


# --- children ------------------------------------------------------------------------------------------------------------------


def test_a_child_is_of_the_same_family_and_token_with_a_secret_of_its_own(signed_in: SignedIn) -> None:
    token = signed_in.token()
    parent = signed_in.open(token, account_number="1001-01", css_url="https://portal.example.com/theme.css", browser="safari")
    child = signed_in.sessions.open_child(signed_in.oakdale, signed_in.session(parent), NEW_TAB, "request")
    opened = signed_in.session(child)
    before = signed_in.session(parent)
    assert (opened.facts.family, opened.token) == (before.facts.family, token)
    assert (opened.facts.view_mode, opened.facts.request_id) == (NEW_TAB, "request")
    kept = ("account_number", "css_url", "browser", "redirect_id", "return_url")
    assert [getattr(opened.facts, name) for name in kept] == [getattr(before.facts, name) for name in kept]
    assert opened.facts.id != before.facts.id
    assert child.secret != parent.secret
    assert {session.key for session in listed(signed_in, [token.id])} == {parent.key, child.key}


@pytest.mark.parametrize("ends", ["parent", "child", "token"])
def test_parent_and_child_end_together(signed_in: SignedIn, ends: str) -> None:
    token = signed_in.token()
    parent = signed_in.open(token)
    child = signed_in.sessions.open_child(signed_in.oakdale, signed_in.session(parent), NEW_TAB, "r")
    other = signed_in.open()
    if ends == "token":
        signed_in.end_token(token)
    else:
        signed_in.sessions.end(signed_in.session(parent if ends == "parent" else child))
    assert (signed_in.lives(parent), signed_in.lives(child), signed_in.lives(other)) == (False, False, True)


def test_each_has_an_idle_time_of_its_own(signed_in: SignedIn) -> None:
    parent = signed_in.open()
    child = signed_in.sessions.open_child(signed_in.oakdale, signed_in.session(parent), NEW_TAB, "r")
    signed_in.later(minutes=10)
    signed_in.session(child)
    signed_in.later(minutes=10)
    assert (signed_in.lives(parent), signed_in.lives(child)) == (False, True)


@pytest.mark.parametrize("over", ["idle", "ended", "token"])
def test_a_session_that_is_over_gives_birth_to_nothing(signed_in: SignedIn, over: str) -> None:
    token = signed_in.token()
    opening = signed_in.open(token)
    parent = signed_in.session(opening)
    match over:
        case "idle":
            signed_in.later(minutes=15, seconds=1)
        case "ended":
            signed_in.sessions.end(parent)
        case "token":
            signed_in.end_token(token)
    with pytest.raises(SessionRequired):
        signed_in.sessions.open_child(signed_in.oakdale, parent, NEW_TAB, "r")
    assert listed(signed_in, [token.id]) == []


@pytest.mark.parametrize("generations", [1, 3])
def test_a_child_ends_with_its_parent_at_the_latest_however_busy_it_is(signed_in: SignedIn, generations: int) -> None:
    opening = signed_in.open()
    end = houses.START + timedelta(minutes=signed_in.oakdale.policies.session_absolute_minutes)
    keep_busy(signed_in, [opening], end - timedelta(minutes=10))
    last = opening
    for _ in range(generations):
        last = signed_in.sessions.open_child(signed_in.oakdale, signed_in.session(last), NEW_TAB, "r")
        signed_in.later(seconds=1)
    keep_busy(signed_in, [last], end - timedelta(seconds=1))
    assert signed_in.session(last).idle_until == end
    signed_in.later(seconds=1)
    assert not signed_in.lives(last)


def keep_busy(signed_in: SignedIn, openings: list[Opening], until: datetime) -> None:
    """A click every ten minutes."""
    while signed_in.clock.now() < until:
        signed_in.clock.advance(min(timedelta(minutes=10), until - signed_in.clock.now()))
        for opening in openings:
            signed_in.session(opening)


def test_a_session_ends_at_the_latest_eight_hours_after_its_tokens_issue(signed_in: SignedIn) -> None:
    token = signed_in.token()
    signed_in.later(hours=7, minutes=50)
    opening = signed_in.open(token)
    signed_in.later(minutes=9, seconds=59)
    assert signed_in.session(opening).idle_until == houses.START + timedelta(hours=8)
    signed_in.later(seconds=1)
    assert not signed_in.lives(opening)


# --- a new secret --------------------------------------------------------------------------------------------------------------


def test_a_renewed_session_is_the_same_with_a_new_secret_family_and_generation_and_the_old_end(signed_in: SignedIn) -> None:
    token = signed_in.token()
    old = signed_in.open(token, account_number="1001-01")
    signed_in.later(minutes=10)
    before = signed_in.session(old)
    new = signed_in.sessions.renew(signed_in.oakdale, before, 7)
    after = signed_in.session(new)
    assert after.token == replace(token, generation=7)
    assert (after.facts.account_number, after.facts.view_mode) == ("1001-01", before.facts.view_mode)
    assert len({old.secret, new.secret}) == len({before.facts.family, after.facts.family}) == 2
    assert set(after.stamps) == set(before.stamps)
    keep_busy(signed_in, [new], houses.START + timedelta(hours=7, minutes=59))
    assert signed_in.session(new).idle_until == houses.START + timedelta(hours=8)


def test_a_renewed_session_ends_with_its_token_and_not_with_the_old_family(signed_in: SignedIn) -> None:
    token = signed_in.token()
    old = signed_in.open(token)
    new = signed_in.sessions.renew(signed_in.oakdale, signed_in.session(old), 2)
    signed_in.sessions.end(signed_in.session(old))
    assert (signed_in.lives(old), signed_in.lives(new)) == (False, True)
    signed_in.end_token(token)
    assert not signed_in.lives(new)


def test_a_session_that_is_over_is_not_renewed(signed_in: SignedIn) -> None:
    opening = signed_in.open()
    session = signed_in.session(opening)
    signed_in.sessions.end(session)
    with pytest.raises(SessionRequired):
        signed_in.sessions.renew(signed_in.oakdale, session, 2)


# --- afterwards ----------------------------------------------------------------------------------------------------------------


def test_what_a_session_was_is_known_for_an_hour_after_it_is_over(signed_in: SignedIn) -> None:
    token = signed_in.token(BIRCHWOOD)
    opening = signed_in.open(token, redirect_id=7)
    signed_in.later(minutes=16)
    assert signed_in.sessions.find(opening.secret) is None
    known = signed_in.sessions.last_known(opening.key)
    assert known == LastKnown(opening.facts, token, "timed_out")
    signed_in.later(hours=1)
    assert signed_in.sessions.last_known(opening.key) is None


def test_what_an_ended_session_was_is_known_too_and_nobody_knows_of_one_that_never_was(signed_in: SignedIn) -> None:
    opening = signed_in.open()
    signed_in.sessions.end(signed_in.session(opening))
    known = signed_in.sessions.last_known(opening.key)
    assert known is not None
    assert (known.facts, known.state) == (opening.facts, "ended")
    assert signed_in.sessions.last_known("0" * 64) is None


@pytest.mark.parametrize("how", ["live", "idle", "absolute", "signed out", "token"])
def test_how_a_session_ended_is_known_by_whoever_has_its_key(signed_in: SignedIn, how: str) -> None:
    token = signed_in.token()
    opening = signed_in.open(token)
    match how:
        case "idle":
            signed_in.later(minutes=15, seconds=1)
        case "absolute":
            for _ in range(8 * 5):
                assert signed_in.sessions.find(opening.secret) is not None
                signed_in.later(minutes=12)
        case "signed out":
            signed_in.sessions.end(signed_in.session(opening))
        case "token":
            signed_in.end_token(token)
    known = signed_in.sessions.last_known(opening.key)
    assert known is not None
    expected = {"live": "live", "idle": "timed_out", "absolute": "timed_out", "signed out": "ended", "token": "ended"}
    assert known.state == expected[how]


def test_the_facts_of_a_token_are_read_as_they_were_written() -> None:
    whole = TokenFacts(
        "t", 1, new_id(), new_id(), new_id(), 3, "link", "s-1", 1700000000, ("pwd", "otp"), {"viewmode": "0"}, new_id()
    )
    bare = TokenFacts("t", 1, new_id(), new_id(), new_id(), 3, "session", "", None, ())
    for facts in (whole, bare):
        assert TokenFacts.parse(facts.text()) == facts


def test_a_record_of_the_version_after_is_read_and_one_without_new_facts_is_as_before() -> None:
    facts = SessionFacts("s", "f", FULL_PAGE, 1, "", "", "", "r")
    assert SessionFacts.parse(facts.text()) == facts
    assert "beside" not in json.loads(facts.text())
    assert SessionFacts.parse(replace(facts, beside="b").text()).place == "b"
    assert SessionFacts.parse(json.dumps({**json.loads(facts.text()), "of_later": 1})) == facts
