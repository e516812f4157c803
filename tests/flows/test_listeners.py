"""Who hears how high a page without a session is: the key's frame origins, else the registered page that asked, else nobody."""

from __future__ import annotations

import re

import pytest

from idp.directory.api_keys import KeyPolicies
from tests.flows.visitor import FRAME, FULL, Answer
from tests.flows.world import ACTOR, HARBORLIGHT, HARBORLIGHT_AT_PRAIRIE, MEADOWLINE, RIVERBEND, World

UNKNOWN = "idht_" + "x" * 43
STRANGER = "https://stranger.example"


def heard_by(page: Answer) -> list[str]:
    """The origins that a page sends its messages to."""
    found = re.search(r'data-parents="([^"]*)"', page.text)
    assert found
    return found[1].split()


def refused(world: World, token: str, origin: str | None, dest: str = FRAME, **params: str) -> Answer:
    answer = world.connect(world.visitor(dest), token, bid=RIVERBEND, origin=origin, **params)
    assert answer.status in {400, 401, 403, 410}
    return answer


@pytest.mark.parametrize("origin", [HARBORLIGHT, MEADOWLINE])
def test_of_an_unknown_token_the_registered_page_that_sent_it_and_no_other_partner(shared: World, origin: str) -> None:
    assert heard_by(refused(shared, UNKNOWN, origin)) == [origin]


@pytest.mark.parametrize("origin", [STRANGER, HARBORLIGHT_AT_PRAIRIE, "null", None, f"{HARBORLIGHT}.evil.example", "*"])
def test_of_an_unknown_token_nobody_whom_no_key_of_this_biller_knows(shared: World, origin: str | None) -> None:
    assert heard_by(refused(shared, UNKNOWN, origin)) == []


def test_of_a_known_token_the_origins_of_its_key_whoever_sent_it(world: World) -> None:
    for origin in (HARBORLIGHT, STRANGER, MEADOWLINE):
        assert heard_by(refused(world, world.token(), origin, AccountNumber="none")) == [HARBORLIGHT]
    assert heard_by(refused(world, world.token(), HARBORLIGHT, RedirectID="99")) == [HARBORLIGHT]


def test_a_full_page_tells_nobody(shared: World) -> None:
    assert heard_by(refused(shared, UNKNOWN, HARBORLIGHT, FULL)) == []


def test_a_revoked_key_vouches_for_no_page(world: World) -> None:
    for name, (bid, key_id, _) in world.prepared.keys.items():
        if bid == RIVERBEND and MEADOWLINE in world.hub.api_keys.find(bid, key_id).frame_origins:  # type: ignore[union-attr]
            world.hub.api_keys.revoke(ACTOR, name, bid, key_id)
    assert heard_by(refused(world, UNKNOWN, MEADOWLINE)) == []
    assert heard_by(refused(world, UNKNOWN, HARBORLIGHT)) == [HARBORLIGHT]


@pytest.mark.parametrize(("referrer", "hears"), [(HARBORLIGHT, [HARBORLIGHT]), (STRANGER, []), ("", [])])
def test_a_frame_that_was_never_signed_in_tells_the_registered_page_around_it(
    shared: World, referrer: str, hears: list[str]
) -> None:
    url = shared.url("/b/riverbend/a/none/bills")
    page = shared.visitor(FRAME).get(url, headers={"Referer": f"{referrer}/"} if referrer else None)
    assert page.status == 401
    assert heard_by(page) == hears


def test_a_no_to_the_question_who_goes_on_tells_the_page_around_it(world: World) -> None:
    world.hub.api_keys.change(
        ACTOR, "r", RIVERBEND, world.key_id("session"), policies=KeyPolicies(users="all", strictness="compat")
    )
    visitor = world.visitor(FRAME)
    asked = world.connect(visitor, world.token(), origin=STRANGER)
    assert "Continue as" in asked.text
    form = asked.fields | {"answer": "no"}
    done = visitor.post(f"{world.biller().base_url}/sso/continue", form, origin=world.biller().origin)
    assert done.status == 200
    assert heard_by(done) == [HARBORLIGHT]
