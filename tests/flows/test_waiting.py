"""A registration without proof beside others waits: from the outside, by a partner's program and a browser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import Client

from idp.actor import Staff
from idp.directory.api_keys import KeyPolicies
from idp.directory.rights import LoginType
from idp.opaque import new_id
from sso_connect.redirects import DESTINATIONS
from tests.flows.partner import PartnerProgram
from tests.flows.test_links import follow
from tests.flows.visitor import FRAME, FULL, Answer
from tests.flows.world import ACTOR, AMOUNTS, BACK, DOMAIN, HARBORLIGHT, PRAIRIE, RIVERBEND, World
from tests.mailbox import letters

REMOTE = "/remote-authentication"
HOLDER = "riverbend customer 1001-01"
"""The name on the account that nobody may see who only waits."""
STAFF = Staff("anna", "admin", RIVERBEND)


def register(world: World, name: str = "mallory", *numbers: str, key: str = "session", **more: Any) -> dict[str, Any]:
    """Register with nothing but account numbers (avery's first); the first item of the answer."""
    accounts = [{"AccountNumber": number} for number in numbers or ("1001-01",)]
    body = {"UserName": name, "EmailAddress": f"{name}@example.net", "Accounts": accounts, **more}
    item = PartnerProgram(world, key).told(f"{REMOTE}/register-accounts", body)["Results"][0]
    assert isinstance(item, dict)
    return item


def shows_nothing(page: Answer, *also: str) -> None:
    """The page of somebody who waits: it says so, and nothing of the account but its number."""
    assert page.status == 200
    assert "Waiting for approval" in page.text
    for hidden in (AMOUNTS[RIVERBEND], HOLDER, "Avery", "avery", "INV-", "Due ", *also):
        assert hidden not in page.text


def user_id(world: World, name: str = "mallory") -> Any:
    with world.hub.database.read() as stores:
        found = stores.users.find_by_user_name(RIVERBEND, name)
    assert found is not None
    return found.id


def approve(world: World, name: str = "mallory", login_type: LoginType = LoginType.GUEST) -> None:
    world.hub.approvals.approve(STAFF, "r", world.biller(), user_id(world, name), "1001-01", login_type)


# --- the attack ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        {},
        *({"LoginTypeID": number} for number in (1, 2, 3, 4)),
        *({"RoleCode": prefix} for prefix in ("O100", "C200", "OS300", "G500")),
    ],
)
def test_whoever_has_only_an_account_number_waits_and_sees_nothing_of_it(world: World, asked: dict[str, Any]) -> None:
    item = register(world, **asked)
    assert (item["Status"], item["LoginTypeID"], item["Pending"], item["Note"]) == ("Registered", 4, True, "GuestUntilApproved")
    visitor, url = world.full_page("mallory")
    shows_nothing(visitor.get(url))
    mailed = [letter for letter in letters(world.hub) if letter.to == "avery@example.com"]
    assert len(mailed) == 1
    assert "1001-01" in mailed[0].subject
    assert "mallory" in mailed[0].body


@pytest.mark.parametrize("number", DESTINATIONS)
@pytest.mark.parametrize("dest", [FULL, FRAME])
def test_the_same_page_stands_at_every_redirect_id(world: World, number: int, dest: str) -> None:
    register(world)
    if dest == FRAME:
        _, page = world.first_page("mallory", RedirectID=str(number))
    else:
        visitor, url = world.full_page("mallory", RedirectID=str(number))
        page = visitor.get(url)
    shows_nothing(page)
    assert "1001-01" in page.text, "the number that the payer gave"
    assert page.links() == [link for link in page.links() if link.endswith(f"/{DESTINATIONS[number].slug}")], "no way on"


def test_no_other_address_of_the_portal_shows_more(world: World) -> None:
    register(world)
    visitor, url = world.full_page("mallory")
    for destination in DESTINATIONS.values():
        shows_nothing(visitor.get(url.replace("/bills", f"/{destination.slug}")))
    shows_nothing(visitor.get(f"{url}?cursor=x"))
    _, avery = world.full_page("avery")
    assert visitor.get(avery).status == 404, "a handle of somebody else's for the same account"


def test_no_answer_of_the_api_that_rests_on_the_registration_has_more_than_the_number_that_was_sent(world: World) -> None:
    register(world)
    program = PartnerProgram(world)
    named = {"UserName": "mallory"}
    token = program.told(f"{REMOTE}/authenticate", named)
    assert token["Accounts"] == []
    assert program.told(f"{REMOTE}/retrieve-user-accounts", named)["Accounts"] == []
    assert program.told("/customer-portal/retrieve-customer-guid", named) == {"CustomerGUID": None, "Customers": []}
    customer = str(world.prepared.customers[RIVERBEND, "1001-01"])
    assert program.refused(f"{REMOTE}/retrieve-user-accounts", {**named, "CustomerGUID": customer}) == (404, "CustomerNotFound")
    assert program.told(f"{REMOTE}/retrieve-users", named)["Results"] == []
    (seen,) = program.told(f"{REMOTE}/retrieve-users", {**named, "AccountNumbers": ["1001-01"]})["Results"]
    assert (seen["IsRegistered"], seen["IsRegisteredToUser"]) == (True, False)
    assert [(user["UserName"], user["Pending"]) for user in seen["Users"] if user["UserName"] == "mallory"] == [("mallory", True)]
    bound = program.told(f"{REMOTE}/authenticate", {**named, "AccountNumber": "1001-01"})
    assert bound["Accounts"] == []
    again = register(world, LoginTypeID=2)
    assert (again["Status"], again["Pending"], again["Note"]) == ("AlreadyRegistered", True, "GuestUntilApproved")


def test_an_account_with_only_somebody_who_waits_is_registered_to_nobody(world: World) -> None:
    register(world)
    for name in ("avery", "oren", "gail"):
        world.hub.unregister.unregister(ACTOR, "r", world.biller(), world.user_id(name), ["1001-01"], None)
    program = PartnerProgram(world)
    (seen,) = program.told(f"{REMOTE}/retrieve-users", {"AccountNumbers": ["1001-01"]})["Results"]
    assert (seen["Status"], seen["IsRegistered"]) == ("NotRegistered", False)
    customer = str(world.prepared.customers[RIVERBEND, "1001-01"])
    assert program.refused(f"{REMOTE}/retrieve-user-accounts", {"CustomerGUID": customer}) == (404, "UserNotFound")
    found = program.told("/customer-portal/retrieve-login-guid", {"AccountNumber": "1001-01"})
    assert found["LoginGUID"] is None


def test_a_key_that_may_not_speak_for_somebody_who_waits_does_not_see_them(world: World) -> None:
    register(world)
    issued = world.hub.api_keys.issue(ACTOR, str(new_id()), bid=RIVERBEND, partner_slug="meadowline", policies=KeyPolicies())
    answer = Client(world.app).post(
        f"/api/v1{REMOTE}/retrieve-users", json={"AccountNumbers": ["1001-01"]}, headers={"X-Api-Key": issued.secret},
        base_url=f"https://api.{DOMAIN}",
    )  # fmt: skip
    (seen,) = json.loads(answer.data)["Results"]
    assert len(seen["Users"]) == 3


def test_links_and_explain_lead_to_the_waiting_page_too(world: World) -> None:
    register(world)
    program = PartnerProgram(world)
    token = world.token("mallory")
    told = program.explain(RemoteAuthenticationToken=token, ViewMode=0, RedirectID=1, AccountNumber="1001-01")
    assert told["WouldSucceed"] is True
    visitor = world.visitor()
    moved = follow(world, program.link("mallory", RedirectID=6), visitor)
    assert moved.status == 303
    shows_nothing(visitor.get(world.url(moved.location)))


# --- beside other accounts -----------------------------------------------------------------------------------------------------


def test_other_accounts_work_and_the_waiting_one_is_a_number_under_manage_accounts(world: World) -> None:
    register(world, "zoe")
    visitor, url = world.full_page("zoe")
    page = visitor.get(url)
    assert "riverbend customer 1002-01" in page.text
    assert "1001-01" not in page.text
    manage = visitor.get(url.replace("/bills", "/accounts"))
    assert "Account 1001-01" in manage.text
    assert "Waiting for approval" in manage.text
    assert "You can open 1 account." in manage.text
    assert HOLDER not in manage.text


def test_a_hand_off_that_asks_for_the_waiting_one_opens_its_page_with_the_way_to_the_others(world: World) -> None:
    register(world, "zoe")
    visitor, url = world.full_page("zoe", AccountNumber="1001-01")
    page = visitor.get(url)
    shows_nothing(page, "1002-01")
    (way,) = [link for link in page.links() if link.endswith("/accounts")]
    assert visitor.get(world.url(way)).status == 200
    _, framed = world.frame("zoe", AccountNumber=" 1001-01", RedirectID="6")
    shows_nothing(framed, "1002-01")


def test_the_waiting_page_has_sign_out_and_the_way_back_like_every_other(world: World) -> None:
    register(world)
    visitor, url = world.full_page("mallory", ReturnUrl=BACK, CustomReturnSiteName="Harborlight")
    page = visitor.get(url)
    assert "Sign out and Return to Harborlight" in page.text
    out = world.sign_out(visitor, page)
    assert f'href="{BACK}"' in out.text
    assert visitor.get(url).status == 401
    _, framed = world.first_page("mallory")
    assert "Open in a new window" in framed.text
    assert framed.csp["frame-ancestors"] == HARBORLIGHT


# --- how it ends ---------------------------------------------------------------------------------------------------------------


def test_an_approval_opens_the_very_page_that_waited_and_a_refusal_closes_it(world: World) -> None:
    for name in ("mallory", "morris"):
        register(world, name)
    visitor, url = world.full_page("mallory", AccountNumber="1001-01")
    other, other_url = world.full_page("morris", AccountNumber="1001-01")
    shows_nothing(visitor.get(url))
    approve(world)
    assert AMOUNTS[RIVERBEND] in visitor.get(url).text
    world.hub.approvals.decline(STAFF, "r", world.biller(), user_id(world, "morris"), "1001-01")
    assert other.get(other_url).status == 401, "with its only account everything of the user is over"
    assert {letter.to for letter in letters(world.hub)} >= {"mallory@example.net", "morris@example.net"}


def test_thirty_days_are_over_for_a_token_and_a_session_in_the_middle_of_it(world: World) -> None:
    register(world, "zoe")
    world.later(days=30, hours=-1)
    visitor, url = world.full_page("zoe", AccountNumber="1001-01")
    program = PartnerProgram(world)
    token = program.told(f"{REMOTE}/authenticate", {"UserName": "zoe", "AccountNumber": "1001-01"})["RemoteAuthenticationToken"]
    for _ in range(6):
        world.later(minutes=9)
        shows_nothing(visitor.get(url))
    world.later(minutes=6)
    assert visitor.get(url).status == 401, "it was opened for that account"
    refused = world.connect(world.visitor(), token)
    assert (refused.status, world.refusal(refused).code) == (410, "TokenExpired")
    assert program.refused(f"{REMOTE}/authenticate", {"UserName": "zoe", "AccountNumber": "1001-01"}) == (404, "CustomerNotFound")
    on, on_url = world.full_page("zoe")
    manage = on.get(on_url.replace("/bills", "/accounts"))
    assert "1001-01" not in manage.text


def test_a_payer_whose_only_account_waited_in_vain_is_told_that_there_is_none(world: World) -> None:
    register(world)
    world.later(days=29, hours=23, minutes=55)
    visitor, url = world.full_page("mallory")
    shows_nothing(visitor.get(url))
    world.later(minutes=5)
    page = visitor.get(url)
    assert page.status == 200
    assert "You have no account here yet" in page.text
    assert "1001-01" not in page.text
    world.hub.worker().step()
    assert visitor.get(url).status == 401, "tidied away: the last account is gone"
    assert [letter.subject for letter in letters(world.hub)][-1].endswith('your request for account "1001-01" has expired')


def test_a_partner_that_may_state_proof_lets_the_payer_in(world: World) -> None:
    register(world)
    visitor, url = world.full_page("mallory")
    issued = world.hub.api_keys.issue(
        ACTOR, str(new_id()), bid=RIVERBEND, partner_slug="meadowline", policies=KeyPolicies(users="all", account_proof=("cis",))
    )
    body = {
        "UserName": "mallory",
        "EmailAddress": "mallory@example.net",
        "AccountProof": ["cis"],
        "Accounts": [{"AccountNumber": "1001-01"}],
    }
    answer = Client(world.app).post(
        f"/api/v1{REMOTE}/register-accounts", json=body, headers={"X-Api-Key": issued.secret}, base_url=f"https://api.{DOMAIN}"
    )
    (item,) = json.loads(answer.data)["Results"]
    assert (item["Status"], item["LoginTypeID"], item["Pending"], item["Note"]) == ("AlreadyRegistered", 2, False, "OwnerSeatTaken")
    assert AMOUNTS[RIVERBEND] in visitor.get(url).text


def test_those_with_full_access_see_who_waits_and_nobody_else_does(world: World) -> None:
    register(world)
    visitor, url = world.full_page("avery", RedirectID="10")
    page = visitor.get(url)
    assert "mallory" in page.text
    assert "3 people can open this account." in page.text
    for name in ("oren", "gail", "mallory"):
        other, other_url = world.full_page(name, RedirectID="10")
        assert "mallory@" not in other.get(other_url).text


def test_at_another_biller_nothing_waits(world: World) -> None:
    register(world)
    item = register(world, "mallory", "1001-02", key="prairie")
    assert item["Pending"] is True, "avery of prairie has both"
    assert world.hub.approvals.list_page(PRAIRIE)[0].user.bid == PRAIRIE
    visitor, url = world.full_page("avery", key="prairie")
    assert AMOUNTS[PRAIRIE] in visitor.get(url).text


def test_an_update_of_the_address_by_account_never_means_somebody_who_waits(world: World) -> None:
    world.hub.unregister.unregister(ACTOR, "r", world.biller(), world.user_id("zoe"), ["1002-01"], None)
    register(world, "mallory", "1001-01")
    program = PartnerProgram(world)
    for name in ("avery", "oren", "gail"):
        world.hub.unregister.unregister(ACTOR, "r", world.biller(), world.user_id(name), ["1001-01"], None)
    done = program.told(f"{REMOTE}/update-email-address", {"AccountNumber": "1001-01", "EmailAddress": "new@example.org"})
    assert done == {"Status": "Updated", "LoginGUID": None}
    assert world.hub.users.get(RIVERBEND, user_id(world)).email == "mallory@example.net"
