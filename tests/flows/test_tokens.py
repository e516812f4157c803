"""Tokens: how long they are good, how often, where, and what ends them. Each refusal is found again with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from idp.directory.payers import UserNames
from idp.errors import InvalidApiKey, ReferenceNotFound, UserDisabled
from idp.opaque import new_id
from sso_connect.tokens import Assertion
from tests.flows.visitor import FRAME, Answer
from tests.flows.world import ACTOR, BACK, HARBORLIGHT_AT_PRAIRIE, PRAIRIE, RIVERBEND, World


def hand_off(world: World, token: str, *, bid: int = RIVERBEND, **params: str) -> Answer:
    """In a fresh browser."""
    return world.connect(world.visitor(), token, bid=bid, **params)


def reason(world: World, answer: Answer, status: int, bid: int = RIVERBEND) -> str:
    """The code of a refusal that came with this status."""
    assert answer.status == status, answer.text
    assert answer.cookies == {}
    return world.refusal(answer, bid).code


def test_a_session_token_opens_many_pages_in_many_browsers(shared: World) -> None:
    token = shared.token()
    for number in range(1, 12):
        assert hand_off(shared, token, RedirectID=str(number)).status == 303


def test_a_session_token_slides_sixty_minutes_from_each_redemption(world: World) -> None:
    token = world.token()
    for _ in range(3):
        world.later(minutes=59, seconds=59)
        assert hand_off(world, token).status == 303
    world.later(minutes=60, seconds=1)
    assert reason(world, hand_off(world, token), 410) == "TokenExpired"
    world.later(hours=1)
    assert reason(world, hand_off(world, token), 401) == "TokenUnknown"


def test_a_session_token_ends_after_eight_hours_however_often_it_is_used(world: World) -> None:
    token = world.token()
    for _ in range(15):
        world.later(minutes=32)
        assert hand_off(world, token).status == (303 if world.clock.now().hour < 23 else 410)
    assert reason(world, hand_off(world, token), 410) == "TokenExpired"


def test_a_single_use_token_is_good_for_twenty_minutes(world: World) -> None:
    early, late = world.token(key="single"), world.token(key="single")
    world.later(minutes=19, seconds=59)
    assert hand_off(world, early).status == 303
    world.later(seconds=2)
    assert reason(world, hand_off(world, late), 410) == "TokenExpired"


def test_the_second_use_of_a_single_use_token_is_refused_and_ends_what_came_of_the_first(world: World) -> None:
    token = world.token(key="single")
    bystander, bystander_url = world.full_page(key="single")
    first = world.visitor()
    url = world.url(world.connect(first, token).location)
    assert first.get(url).status == 200
    second = hand_off(world, token)
    assert reason(world, second, 410) == "TokenSpent"
    assert world.refusal(second).user_id == world.user_id("avery")
    assert first.get(url).status == 401
    assert reason(world, hand_off(world, token), 410) == "TokenSpent"
    assert bystander.get(bystander_url).status == 200


def test_a_single_use_token_is_still_known_as_spent_hours_later(world: World) -> None:
    token = world.token(key="single")
    assert hand_off(world, token).status == 303
    world.later(hours=7)
    assert reason(world, hand_off(world, token), 410) == "TokenSpent"


def test_a_single_use_token_is_spent_by_a_hand_off_that_a_rule_refuses(shared: World) -> None:
    token = shared.token(key="single")
    assert reason(shared, hand_off(shared, token, ReturnUrl="https://elsewhere.example/"), 403) == "ReturnUrlRefused"
    assert reason(shared, hand_off(shared, token), 410) == "TokenSpent"


def test_a_session_token_survives_a_hand_off_that_a_rule_refuses(shared: World) -> None:
    token = shared.token()
    assert hand_off(shared, token, AccountNumber="1002-01").status == 403
    assert hand_off(shared, token).status == 303


def test_every_altered_token_is_unknown(shared: World) -> None:
    token = shared.token()
    for place in range(0, len(token), 5):
        other = "A" if token[place] != "A" else "B"
        altered = token[:place] + other + token[place + 1 :]
        assert reason(shared, hand_off(shared, altered), 401) == "TokenUnknown"
    assert reason(shared, hand_off(shared, token.swapcase()), 401) == "TokenUnknown"
    assert reason(shared, hand_off(shared, token.replace("idht_", "idho_")), 401) == "TokenUnknown"
    assert hand_off(shared, token).status == 303


def test_an_api_key_is_no_token(shared: World) -> None:
    assert reason(shared, hand_off(shared, shared.secret("session")), 401) == "TokenUnknown"


@pytest.mark.parametrize(("key", "bid"), [("session", PRAIRIE), ("prairie", RIVERBEND)])
def test_a_token_of_another_biller_is_refused_and_tells_nothing_of_it(shared: World, key: str, bid: int) -> None:
    answer = hand_off(shared, shared.token(key=key), bid=bid)
    assert reason(shared, answer, 403, bid) == "WrongBiller"
    refusal = shared.refusal(answer, bid)
    assert refusal.key_id is None
    assert refusal.user_id is None
    told = answer.text + "".join(check.expected + check.came for check in refusal.checks)
    other = shared.biller(RIVERBEND + PRAIRIE - bid)
    assert str(other.bid) not in told
    assert other.dba.split()[0] not in told
    # And it opens no session: the browser has nothing, and the token is still good at its own biller.
    assert hand_off(shared, shared.token(key=key), bid=other.bid).status == 303


def test_a_refusal_at_one_biller_is_not_found_at_the_other(shared: World) -> None:
    answer = hand_off(shared, "idht_" + "A" * 43)
    assert shared.refusal(answer, RIVERBEND).bid == RIVERBEND
    with pytest.raises(ReferenceNotFound):
        shared.hub.diagnostics.get(PRAIRIE, answer.reference)


END: dict[str, tuple[Callable[[World, str], object], int, str]] = {
    "the token revoked": (lambda world, token: _revoke_token(world, token), 410, "TokenExpired"),
    "the user revoked": (
        lambda world, _: world.hub.users.revoke(ACTOR, str(new_id()), RIVERBEND, world.user_id("avery")),
        410,
        "TokenExpired",
    ),
    "the user disabled": (lambda world, _: _disable_user(world), 403, "UserDisabled"),
    "the key revoked": (
        lambda world, _: world.hub.api_keys.revoke(ACTOR, str(new_id()), RIVERBEND, world.key_id("session")),
        401,
        "InvalidApiKey",
    ),
    "the partner disabled": (
        lambda world, _: world.hub.partners.change(ACTOR, str(new_id()), "harborlight", disabled=True),
        401,
        "InvalidApiKey",
    ),
    "the biller disabled": (lambda world, _: world.change_biller(disabled=True), 410, "TokenExpired"),
}


@pytest.mark.parametrize("what", END)
def test_a_token_ends_at_once_with(world: World, what: str) -> None:
    act, status, code = END[what]
    token = world.token()
    assert hand_off(world, token).status == 303
    act(world, token)
    answer = hand_off(world, token)
    assert reason(world, answer, status) == code
    assert world.refusal(answer).user_id == world.user_id("avery")
    if what != "the partner disabled":
        there = world.token(key="prairie")
        assert world.connect(world.visitor(), there, bid=PRAIRIE, origin=HARBORLIGHT_AT_PRAIRIE).status == 303


def test_the_tokens_of_other_users_and_keys_outlive_a_revoked_one(world: World) -> None:
    mine, zoes, other = world.token(), world.token("zoe"), world.token(key="meadowline")
    _revoke_token(world, mine)
    assert hand_off(world, mine).status == 410
    assert hand_off(world, zoes).status == hand_off(world, other).status == 303
    world.hub.users.revoke(ACTOR, str(new_id()), RIVERBEND, world.user_id("avery"))
    assert hand_off(world, other).status == 410
    assert hand_off(world, zoes).status == 303


def test_another_partners_key_cannot_revoke_a_token(world: World) -> None:
    token = world.token()
    for name in ("meadowline", "prairie"):
        key = world.hub.api_keys.find(world.prepared.keys[name][0], world.key_id(name))
        assert key is not None
        world.hub.tokens.revoke(key, token, str(new_id()))
    assert hand_off(world, token).status == 303


def test_a_token_issued_after_a_revocation_is_good(world: World) -> None:
    world.hub.users.revoke(ACTOR, str(new_id()), RIVERBEND, world.user_id("avery"))
    assert hand_off(world, world.token()).status == 303


def test_no_token_is_issued_for_a_disabled_user_or_by_a_revoked_key(world: World) -> None:
    world.token()
    _disable_user(world)
    with pytest.raises(UserDisabled):
        world.token()
    world.hub.api_keys.revoke(ACTOR, str(new_id()), RIVERBEND, world.key_id("meadowline"))
    with pytest.raises(InvalidApiKey):
        world.hub.tokens.issue(world.secret("meadowline"), Assertion(UserNames(user_name="zoe")), str(new_id()))


def test_a_rotated_key_keeps_its_tokens_and_sessions(world: World) -> None:
    token = world.token()
    visitor, url = world.full_page()
    world.hub.api_keys.rotate(ACTOR, str(new_id()), RIVERBEND, world.key_id("session"))
    assert visitor.get(url).status == 200
    assert hand_off(world, token).status == 303


def test_an_account_that_was_unregistered_is_no_longer_opened_by_an_older_token(world: World) -> None:
    token = world.token()
    framing = world.visitor(FRAME)
    page = world.connect(framing, token, AccountNumber="1001-02")
    assert page.status == 200
    _unregister(world, "1001-02")
    assert reason(world, hand_off(world, token, AccountNumber="1001-02"), 403) == "AccountRefused"
    pay = next(link for link in page.links() if link.endswith("/pay"))
    assert framing.get(world.url(pay)).status == 401, "the session was opened for that account"


def test_a_payer_without_any_account_is_signed_in_and_told_where_to_add_one(world: World) -> None:
    token = world.token()
    for number in ("1001-01", "1001-02"):
        _unregister(world, number)
    visitor = world.visitor()
    moved = world.connect(visitor, token)
    assert moved.status == 303
    assert moved.location == "/b/riverbend/a/none/bills"
    page = visitor.get(world.url(moved.location))
    assert page.status == 200
    assert "1001" not in page.text


def test_a_wrong_return_url_is_refused_however_good_the_token(shared: World) -> None:
    assert reason(shared, hand_off(shared, shared.token(), ReturnUrl=BACK + "x"), 403) == "ReturnUrlRefused"


def _revoke_token(world: World, token: str) -> None:
    key = world.hub.api_keys.find(RIVERBEND, world.key_id("session"))
    assert key is not None
    world.hub.tokens.revoke(key, token, str(new_id()))


def _disable_user(world: World) -> None:
    world.hub.users.change(ACTOR, str(new_id()), RIVERBEND, world.user_id("avery"), disabled=True)


def _unregister(world: World, number: str) -> None:
    """There is no verb for it yet: end the registration as one would."""
    customer_id = world.prepared.customers[RIVERBEND, number]
    with world.hub.database.begin() as stores:
        for tie in stores.registrations.list_of_user(RIVERBEND, world.user_id("avery")):
            if tie.customer_id == customer_id:
                stores.registrations.put_registration(replace(tie, ended_at=world.clock.now()))
