"""Unregistering ends at once, on every page, what rests on the account, and nothing else."""

from __future__ import annotations

import pytest

from idp.accounts.register import AccountWanted, Batch
from idp.directory.payers import UserNames
from idp.opaque import new_id
from sso_connect.tokens import Assertion
from tests.flows.world import ACTOR, PRAIRIE, RIVERBEND, World


def leave(world: World, *numbers: str, user: str = "avery", bid: int = RIVERBEND) -> None:
    done = world.hub.unregister.unregister(ACTOR, str(new_id()), world.biller(bid), world.user_id(user, bid), numbers, None)
    assert {item.status for item in done.items} == {"Unregistered"}


def come_back(world: World, *numbers: str) -> None:
    batch = Batch(tuple(AccountWanted(number) for number in numbers))
    done = world.hub.register.link(ACTOR, str(new_id()), world.biller(), world.user_id("avery"), batch, None)
    assert {item.status for item in done.items} == {"Linked"}


def test_a_session_that_was_opened_for_the_account_is_over_with_the_next_click(world: World) -> None:
    visitor, url = world.full_page(AccountNumber="1001-01")
    there, there_url = world.full_page(key="prairie", AccountNumber="1001-01")
    beside, beside_url = world.full_page(AccountNumber="1001-02")
    guest, guest_url = world.full_page("gail", AccountNumber="1001-01")
    leave(world, "1001-01")
    assert visitor.get(url).status == 401
    assert [there.get(there_url).status, beside.get(beside_url).status, guest.get(guest_url).status] == [200, 200, 200]
    leave(world, "1001-01", bid=PRAIRIE)
    assert there.get(there_url).status == 401


def test_a_session_for_the_user_goes_on_without_the_account(world: World) -> None:
    visitor, first = world.full_page()
    assert world.full_page()[1] == first
    leave(world, "1001-01")
    assert visitor.get(first).status == 404
    again, second = world.full_page()
    assert second != first
    assert again.get(second).status == 200
    assert visitor.get(second).status == 200


def test_with_the_last_account_every_session_and_token_of_the_user_is_over(world: World) -> None:
    token = world.token()
    visitor, url = world.full_page()
    leave(world, "1001-01", "1001-02")
    assert visitor.get(url).status == 401
    refused = world.connect(world.visitor(), token)
    assert refused.status == 410
    assert world.refusal(refused).code == "TokenExpired"
    assert world.connect(world.visitor(), world.token()).status == 303, "a user without accounts can still sign in"


def test_a_token_for_the_account_opens_nothing_after_it_and_the_diagnostics_say_why(world: World) -> None:
    asked = Assertion(UserNames(user_name="avery"), account_number="1001-01")
    token = world.hub.tokens.issue(world.secret("session"), asked, str(new_id())).token
    visitor = world.visitor()
    url = world.url(world.connect(visitor, token).location)
    leave(world, "1001-01")
    assert visitor.get(url).status == 401
    refused = world.connect(world.visitor(), token)
    assert refused.status == 410
    failed = [check for check in world.refusal(refused).checks if not check.held]
    assert [check.name for check in failed] == ["registration"]


@pytest.mark.parametrize("named", [True, False])
def test_coming_back_to_the_account_revives_no_session_that_was_open_before(world: World, named: bool) -> None:
    visitor, url = world.full_page(**({"AccountNumber": "1001-01"} if named else {}))
    leave(world, "1001-01")
    come_back(world, "1001-01")
    assert visitor.get(url).status == 401
    fresh, fresh_url = world.full_page(AccountNumber="1001-01")
    assert fresh.get(fresh_url).status == 200
