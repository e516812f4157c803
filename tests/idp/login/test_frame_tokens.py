"""Frame tokens: the current one, the one before for 30 seconds, an older one for nothing; and that none of them ends anything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from idp.login.frame_tokens import PREFIX, FrameTokens
from tests.contracts.sql_stores import BIRCHWOOD
from tests.idp.login import signed_in as houses
from tests.idp.login.signed_in import SignedIn

signed_in = houses.signed_in


@pytest.fixture
def tokens(signed_in: SignedIn) -> FrameTokens:
    return FrameTokens(signed_in.kv)


def went_on(tokens: FrameTokens, token: str) -> str:
    """The token of the next page."""
    carried = tokens.find(token)
    assert carried is not None
    return carried.next_token


def test_the_first_token_of_a_frame_leads_to_its_session_and_to_the_next_token(signed_in: SignedIn, tokens: FrameTokens) -> None:
    opening = signed_in.open()
    other = signed_in.open(signed_in.token(BIRCHWOOD))
    assert opening.frame_token.startswith(PREFIX)
    carried = tokens.find(opening.frame_token)
    assert carried is not None
    assert (carried.session.key, carried.session.token.bid, carried.state) == (opening.key, 101, "first")
    assert len({opening.frame_token, carried.next_token, other.frame_token}) == 3
    following = tokens.find(carried.next_token)
    assert following is not None
    assert (following.session.key, following.state) == (opening.key, "current")


def test_the_one_before_is_good_for_thirty_seconds_from_its_first_use_however_often_it_comes(
    signed_in: SignedIn, tokens: FrameTokens
) -> None:
    opening = signed_in.open()
    went_on(tokens, opening.frame_token)
    for _ in range(2):
        signed_in.later(seconds=14)
        again = tokens.find(opening.frame_token)
        assert again is not None
        assert again.state == "previous"
        assert went_on(tokens, again.next_token), "Back, and on from there"
    signed_in.later(seconds=2)
    assert tokens.find(opening.frame_token) is None


def test_an_older_one_is_refused_and_the_session_goes_on(signed_in: SignedIn, tokens: FrameTokens) -> None:
    opening = signed_in.open()
    second = went_on(tokens, opening.frame_token)
    signed_in.later(seconds=20)
    third = went_on(tokens, second)
    signed_in.later(seconds=11)
    assert tokens.find(opening.frame_token) is None
    assert tokens.find(second) is not None, "the one before, within its time"
    assert tokens.find(third) is not None
    assert signed_in.lives(opening)


def test_a_token_is_good_for_five_minutes_and_its_time_does_not_slide_with_peeks(signed_in: SignedIn, tokens: FrameTokens) -> None:
    opening = signed_in.open()
    token = went_on(tokens, opening.frame_token)
    signed_in.later(minutes=4, seconds=59)
    peeked = tokens.peek(token)
    assert peeked is not None
    assert peeked.next_token == ""
    signed_in.later(seconds=1)
    assert tokens.find(token) is None
    assert signed_in.lives(opening), "its cookie, where there is one, goes on"


def test_a_peek_changes_no_token(signed_in: SignedIn, tokens: FrameTokens) -> None:
    token = went_on(tokens, signed_in.open().frame_token)
    for _ in range(3):
        signed_in.later(seconds=40)
        peeked = tokens.peek(token)
        assert peeked is not None
        assert peeked.state == "current"
    carried = tokens.find(token)
    assert carried is not None
    assert carried.state == "current"


def test_a_navigation_and_a_peek_prolong_the_session_and_a_refresh_does_not(signed_in: SignedIn, tokens: FrameTokens) -> None:
    opening = signed_in.open()
    idle = timedelta(minutes=signed_in.oakdale.policies.session_idle_minutes)
    token = opening.frame_token
    for _ in range(3):  # every four minutes: 12 of its 15 minutes
        signed_in.later(minutes=4)
        renewed = tokens.refresh(token)
        assert renewed is not None
        token = renewed.next_token
    assert renewed is not None
    assert renewed.session.idle_until == houses.START + idle
    signed_in.later(minutes=2)
    peeked = tokens.peek(token)
    assert peeked is not None
    assert peeked.session.idle_until == signed_in.clock.now() + idle
    moved = tokens.find(token)
    assert moved is not None
    assert moved.session.idle_until == signed_in.clock.now() + idle


def test_a_page_that_only_renews_its_token_is_over_with_the_session(signed_in: SignedIn, tokens: FrameTokens) -> None:
    token = signed_in.open().frame_token
    for _ in range(3):
        signed_in.later(minutes=4)
        renewed = tokens.refresh(token)
        assert renewed is not None
        token = renewed.next_token
    signed_in.later(minutes=3, seconds=1)
    assert tokens.refresh(token) is None
    assert tokens.find(token) is None


def test_the_token_before_a_refresh_is_good_for_thirty_seconds_too(signed_in: SignedIn, tokens: FrameTokens) -> None:
    token = went_on(tokens, signed_in.open().frame_token)
    renewed = tokens.refresh(token)
    assert renewed is not None
    signed_in.later(seconds=29)
    assert tokens.find(token) is not None, "a click that was under way"
    signed_in.later(seconds=2)
    assert tokens.find(token) is None
    assert tokens.find(renewed.next_token) is not None


def test_it_dies_with_its_family_and_with_the_partners_token(signed_in: SignedIn, tokens: FrameTokens) -> None:
    partner_token = signed_in.token()
    ended, revoked, bystander = signed_in.open(), signed_in.open(partner_token), signed_in.open(signed_in.token(BIRCHWOOD))
    signed_in.sessions.end(signed_in.session(ended))
    signed_in.end_token(partner_token)
    for opening in (ended, revoked):
        assert tokens.find(opening.frame_token) is None
        assert tokens.peek(opening.frame_token) is None
        assert tokens.refresh(opening.frame_token) is None
    assert tokens.find(bystander.frame_token) is not None


def test_whose_it_was_is_known_for_an_hour_after_and_opens_nothing(signed_in: SignedIn, tokens: FrameTokens) -> None:
    opening = signed_in.open()
    signed_in.later(minutes=6)
    assert tokens.find(opening.frame_token) is None
    assert tokens.session_key_of(opening.frame_token) == opening.key
    signed_in.later(hours=1, minutes=1)
    assert tokens.session_key_of(opening.frame_token) is None


def test_a_further_first_page_gets_a_first_token_of_its_own(signed_in: SignedIn, tokens: FrameTokens) -> None:
    opening = signed_in.open()
    further = tokens.issue(signed_in.session(opening))
    carried = tokens.find(further)
    assert carried is not None
    assert (carried.session.key, carried.state) == (opening.key, "first")
    assert tokens.find(opening.frame_token) is not None


@pytest.mark.parametrize(
    "token", ["", "x", PREFIX, f"{PREFIX}{'A' * 43}", f"{PREFIX}{'A' * 42}", "idht_" + "A" * 43, f"{PREFIX}{'Ж' * 43}"]
)
def test_what_is_no_token_of_ours_opens_nothing(signed_in: SignedIn, tokens: FrameTokens, token: str) -> None:
    signed_in.open()
    assert tokens.find(token) is None
    assert tokens.refresh(token) is None
    assert tokens.peek(token) is None
    assert tokens.session_key_of(token) is None


def test_the_store_holds_no_token(signed_in: SignedIn, tokens: FrameTokens) -> None:
    opening = signed_in.open()
    following = went_on(tokens, opening.frame_token)
    held = b"".join(path.read_bytes() for path in signed_in.folder.glob("kv.db*"))
    for secret in (opening.frame_token, following, opening.secret):
        assert secret.encode() not in held


def test_requests_at_the_same_time_all_get_through(signed_in: SignedIn, tokens: FrameTokens) -> None:
    token = went_on(tokens, signed_in.open().frame_token)
    with ThreadPoolExecutor(8) as threads:
        carried = list(threads.map(lambda _: tokens.find(token), range(8)))
    following = {each.next_token for each in carried if each is not None}
    assert len(following) == 8
    assert all(tokens.find(each) is not None for each in following)
