"""Frame tokens: the current one, the one before for 30 seconds, an older one for nothing; and a fork, which ends the family."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from hub.storage.kv_sqlite import SqliteKeyValue
from idp.alarms import AlarmKind
from idp.kv import Put
from idp.login.frame_tokens import PREFIX, FrameTokens
from idp.login.sessions import FULL_PAGE, NEW_TAB, family_mark
from idp.opaque import digest
from tests.contracts.sql_stores import BIRCHWOOD
from tests.idp.login import signed_in as houses
from tests.idp.login.signed_in import SignedIn

signed_in = houses.signed_in


@dataclass
class Bells:
    """Alarms that sounded."""

    sounded: list[tuple[int, AlarmKind, str, str]] = field(default_factory=list)

    def sound(self, bid: int, kind: AlarmKind, subject: str, detail: str) -> None:
        self.sounded.append((bid, kind, subject, detail))


@pytest.fixture
def bells() -> Bells:
    return Bells()


@pytest.fixture
def tokens(signed_in: SignedIn, bells: Bells) -> FrameTokens:
    return FrameTokens(signed_in.kv, bells)


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
        further = again.next_token
    assert went_on(tokens, further), "Back, and on from there"
    signed_in.later(seconds=2)
    assert tokens.find(opening.frame_token) is None
    assert signed_in.lives(opening)


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


def test_a_session_that_was_made_without_one_gets_a_first_token(signed_in: SignedIn, tokens: FrameTokens) -> None:
    opening = signed_in.open(view_mode=FULL_PAGE)
    carried = tokens.find(tokens.issue(opening.key, opening.facts.family))
    assert carried is not None
    assert (carried.session.key, carried.state) == (opening.key, "first")


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


# --- forks -------------------------------------------------------------------------------------------------------------------


def test_requests_at_the_same_time_all_get_through_and_one_of_their_successors_goes_on(
    signed_in: SignedIn, tokens: FrameTokens, bells: Bells
) -> None:
    opening = signed_in.open()
    token = went_on(tokens, opening.frame_token)
    with ThreadPoolExecutor(8) as threads:
        carried = list(threads.map(lambda _: tokens.find(token), range(8)))
    following = {each.next_token for each in carried if each is not None}
    assert len(following) == 8
    token = following.pop()
    for _ in range(5):
        token = went_on(tokens, token)
    assert signed_in.lives(opening)
    assert bells.sounded == []


@pytest.mark.parametrize("first", ["find", "refresh", "peek"])
@pytest.mark.parametrize("second", ["find", "refresh", "peek"])
def test_using_a_second_successor_of_one_token_ends_the_family_and_sounds_an_alarm_without_any_token(
    signed_in: SignedIn, tokens: FrameTokens, bells: Bells, first: str, second: str
) -> None:
    opening, bystander = signed_in.open(), signed_in.open()
    there = signed_in.open(signed_in.token(BIRCHWOOD))
    payers, copied = went_on(tokens, opening.frame_token), went_on(tokens, opening.frame_token)
    assert getattr(tokens, first)(payers) is not None
    facts = signed_in.session(opening).token
    assert getattr(tokens, second)(copied) is None
    assert not signed_in.lives(opening)
    for token in (opening.frame_token, payers, copied):
        assert tokens.find(token) is None
    ((bid, kind, subject, detail),) = bells.sounded
    assert (bid, kind, subject) == (101, AlarmKind.FRAME_TOKEN_COPIED, f"user:{facts.user_id}")
    assert str(facts.key_id) in detail
    assert str(facts.user_id) in detail
    for secret in (opening.frame_token, payers, copied, opening.secret):
        assert secret[5:] not in subject + detail
    assert signed_in.lives(bystander)
    assert signed_in.lives(there)


def test_a_copy_that_goes_on_beside_the_payer_is_found_with_the_next_click_of_the_slower_one(
    signed_in: SignedIn, tokens: FrameTokens, bells: Bells
) -> None:
    opening = signed_in.open()
    copied = went_on(tokens, opening.frame_token)
    signed_in.later(minutes=3)
    one = went_on(tokens, copied)
    for _ in range(3):
        one = went_on(tokens, one)
    signed_in.later(seconds=20)
    other = went_on(tokens, copied)
    # Whoever came first used a successor already; the other one is found out by its first click, whoever it is.
    assert tokens.find(other) is None
    assert tokens.find(one) is None
    assert not signed_in.lives(opening)
    assert len(bells.sounded) == 1


def test_a_fork_ends_a_page_that_came_out_of_the_frame_too(signed_in: SignedIn, tokens: FrameTokens) -> None:
    opening = signed_in.open()
    child = signed_in.sessions.open_child(signed_in.oakdale, signed_in.session(opening), NEW_TAB, "r")
    one, other = went_on(tokens, opening.frame_token), went_on(tokens, opening.frame_token)
    went_on(tokens, one)
    assert tokens.find(other) is None
    assert not signed_in.lives(child)


def test_a_successor_that_is_presented_again_is_no_fork(signed_in: SignedIn, tokens: FrameTokens, bells: Bells) -> None:
    opening = signed_in.open()
    token = went_on(tokens, opening.frame_token)
    tokens.peek(token)
    answers = [tokens.find(token) for _ in range(4)]
    assert all(answers)
    tokens.refresh(token)
    assert signed_in.lives(opening)
    assert bells.sounded == []


def test_a_refresh_whose_answer_was_lost_is_asked_for_again_without_a_fork(
    signed_in: SignedIn, tokens: FrameTokens, bells: Bells
) -> None:
    opening = signed_in.open()
    token = went_on(tokens, opening.frame_token)
    for _ in range(4):
        tokens.refresh(token)  # the answer never arrived
        signed_in.later(seconds=5)
        again = tokens.refresh(token)
        assert again is not None
        token = again.next_token
        signed_in.later(seconds=240)
        peeked = tokens.peek(token)
        assert peeked is not None
    assert bells.sounded == []


def test_two_frames_of_one_partners_page_are_two_sessions_and_no_fork(
    signed_in: SignedIn, tokens: FrameTokens, bells: Bells
) -> None:
    partner_token = signed_in.token()
    one, other = signed_in.open(partner_token), signed_in.open(partner_token)
    held = [one.frame_token, other.frame_token]
    for _ in range(4):
        held = [went_on(tokens, token) for token in held]
    assert bells.sounded == []


def test_of_two_successors_used_at_the_same_moment_on_two_workers_one_is_a_fork(signed_in: SignedIn, bells: Bells) -> None:
    for _ in range(10):
        opening = signed_in.open()
        stores = [SqliteKeyValue(signed_in.folder / "kv.db", clock=signed_in.clock) for _ in range(2)]
        workers = [FrameTokens(store, bells) for store in stores]
        pair = [went_on(workers[0], opening.frame_token) for _ in range(2)]
        together = threading.Barrier(2)

        def use(
            number: int, pair: list[str] = pair, workers: list[FrameTokens] = workers, gate: threading.Barrier = together
        ) -> bool:
            gate.wait(30)
            return workers[number].find(pair[number]) is not None

        with ThreadPoolExecutor(2) as threads:
            used = list(threads.map(use, range(2)))
        assert used.count(True) <= 1
        assert not signed_in.lives(opening)
        for store in stores:
            store.close()
    assert len(bells.sounded) == 10


def test_a_fork_of_a_session_that_is_over_sounds_nothing(signed_in: SignedIn, tokens: FrameTokens, bells: Bells) -> None:
    opening = signed_in.open()
    one, other = went_on(tokens, opening.frame_token), went_on(tokens, opening.frame_token)
    went_on(tokens, one)
    signed_in.sessions.end(signed_in.session(opening))
    assert tokens.find(other) is None
    assert bells.sounded == []


def test_once_the_cookie_came_back_no_copy_of_a_frame_token_opens_anything(
    signed_in: SignedIn, tokens: FrameTokens, bells: Bells
) -> None:
    opening = signed_in.open()
    copied = went_on(tokens, opening.frame_token)
    tokens.settle(signed_in.session(opening))
    for token in (opening.frame_token, copied):
        assert tokens.find(token) is None
        assert tokens.peek(token) is None
        assert tokens.refresh(token) is None
    assert signed_in.lives(opening), "the cookie goes on"
    assert bells.sounded == []


def test_a_token_that_an_older_version_wrote_goes_on(signed_in: SignedIn, tokens: FrameTokens) -> None:
    opening = signed_in.open()
    token = PREFIX + "B" * 43
    value = json.dumps({"session": opening.key, "family": opening.facts.family, "state": "current"})
    signed_in.kv.transact(Put(f"frame:{digest(token)}", value, timedelta(minutes=5), unless=(family_mark(opening.facts.family),)))
    assert went_on(tokens, went_on(tokens, token))
