"""Register Accounts and Retrieve Users: the two calls that a portal begins with."""

from __future__ import annotations

from typing import Any

import pytest

from idp.directory.api_keys import KeyPolicies
from tests.sso_connect.api.world import EVERY_SCOPE, MAKER, World, body_of, code_of, fields_of

SEE = "/remote-authentication/retrieve-users"
REGISTER = "/remote-authentication/register-accounts"


def seen(world: World, key: str = "all", **body: Any) -> list[dict[str, Any]]:
    """The results of Retrieve Users."""
    results = body_of(world.post(SEE, body, key))["Results"]
    assert isinstance(results, list)
    return results


# --- register ------------------------------------------------------------------------------------------------------------


def test_each_account_is_answered_by_itself_in_the_order_sent(world: World) -> None:
    body = body_of(world.register("pat", "1001-01", "7777-77", "9009-09", "1001-01", "1001-02"))
    assert [(each["AccountNumber"], each["Status"]) for each in body["Results"]] == [
        ("1001-01", "Registered"),
        ("7777-77", "NotFound"),
        ("9009-09", "NotFound"),
        ("1001-01", "AlreadyRegistered"),
        ("1001-02", "Registered"),
    ]
    assert body["Results"][1] == {**body["Results"][2], "AccountNumber": "7777-77"}


def test_a_call_that_ties_nothing_makes_no_user(world: World) -> None:
    body = body_of(world.register("pat", "7777-77"))
    assert body["LoginGUID"] is None
    assert code_of(world.authenticate(UserName="pat")) == (404, "UserNotFound")


def test_a_key_that_may_state_proof_says_that_it_has_none_this_time(world: World) -> None:
    body_of(world.register("pat", "1001-01"))
    item = body_of(world.register("kim", "1001-01", AccountProof=[]))["Results"][0]
    assert (item["Pending"], item["LoginTypeID"], item["Note"]) == (True, 4, "GuestUntilApproved")
    body = {"UserName": "kim", "AccountProof": [], "Accounts": [{"AccountNumber": "1001-01"}]}
    item = body_of(world.post("/remote-authentication/link-accounts", body))["Results"][0]
    assert (item["Pending"], item["LoginTypeID"]) == (True, 4)
    proved = body_of(world.register("kim", "1001-01"))["Results"][0]
    assert (proved["Pending"], proved["LoginTypeID"]) == (False, 2)


def test_the_second_owner_with_proof_is_co_owner_and_without_a_pending_guest(world: World) -> None:
    world.register("pat", "1001-01")
    proved = body_of(world.register("kim", "1001-01", AccountProof=["cis"]))["Results"][0]
    assert (proved["LoginTypeID"], proved["LoginType"], proved["Pending"], proved["Note"]) == (
        2,
        "Co-owner",
        False,
        "OwnerSeatTaken",
    )
    unproved = body_of(world.register("lee", "1001-01", key="own"))["Results"][0]
    assert (unproved["LoginTypeID"], unproved["LoginType"], unproved["Pending"]) == (4, "Guest", True)


def test_a_login_type_of_an_account_goes_before_that_of_the_call(world: World) -> None:
    accounts = [{"AccountNumber": "1001-01"}, {"AccountNumber": "1001-02", "LoginTypeID": 4}]
    body = body_of(world.register("pat", LoginTypeID=3, Accounts=accounts))
    assert [each["LoginTypeID"] for each in body["Results"]] == [3, 4]


def test_proof_that_the_key_may_not_state_is_refused_by_name(world: World) -> None:
    named = fields_of(world.register("pat", "1001-01", AccountProof=["cis", "zip"]))
    assert list(named) == ["AccountProof.1"]
    assert list(fields_of(world.register("pat", "1001-01", key="own", AccountProof=["cis"]))) == ["AccountProof.0"]
    assert list(fields_of(world.register("pat", "1001-01", AccountProof=["blood"]))) == ["AccountProof.0"]


def test_a_user_of_another_partner_is_a_credentials_mismatch(world: World) -> None:
    world.login_guid("pat", "1001-01")
    body = body_of(world.register("pat", "1001-02", key="own"))
    assert body["LoginGUID"] is None
    assert [each["Status"] for each in body["Results"]] == ["CredentialsMismatch"]
    assert seen(world, AccountNumbers=["1001-02"])[0]["IsRegistered"] is False


def test_a_disabled_user_is_not_registered_again(world: World) -> None:
    world.login_guid("pat", "1001-01")
    with world.hub.database.read() as stores:
        found = stores.users.find_by_user_name(101, "pat")
    assert found is not None
    world.hub.users.change(MAKER, "r", 101, found.id, disabled=True)
    assert code_of(world.register("pat", "1001-02")) == (403, "UserDisabled")


def test_a_partner_user_id_names_one_user(world: World) -> None:
    guid = world.login_guid("pat", "1001-01", PartnerUserID="u-1")
    assert body_of(world.register("kim", "1001-02", PartnerUserID="u-1"))["Results"][0]["Status"] == "CredentialsMismatch"
    assert body_of(world.authenticate(PartnerUserID="u-1"))["LoginGUID"] == guid
    # Another partner's u-1 is another user; another biller's too.
    other = world.login_guid("lee", "1002-01", key="own", PartnerUserID="u-1")
    there = world.login_guid("pat", "9009-09", key="lake", PartnerUserID="u-1")
    assert len({guid, other, there}) == 3


def test_a_biller_that_requires_role_codes_says_so_per_account(world: World) -> None:
    world.change_biller(world.riverbend, policies={"role_codes": "required"})
    assert body_of(world.register("pat", "1001-01"))["Results"][0]["Status"] == "RoleCodeRequired"
    body = body_of(world.register("pat", "1001-01", key="lake"))
    assert body["Results"][0]["Status"] == "Registered"


def test_a_biller_of_single_users_says_so_per_account(world: World) -> None:
    world.change_biller(world.riverbend, policies={"multi_user": False})
    world.register("pat", "1001-01")
    assert body_of(world.register("kim", "1001-01"))["Results"][0]["Status"] == "AccountAlreadyRegistered"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"UserName": ""}, "UserName"),
        ({"UserName": "a\u0007b"}, "UserName"),
        ({"UserName": "pat\u2028"}, "UserName"),
        ({"EmailAddress": "nobody"}, "EmailAddress"),
        ({"EmailVerified": "true"}, "EmailVerified"),
        ({"Accounts": []}, "Accounts"),
        ({"Accounts": [{"AccountNumber": "1"}] * 101}, "Accounts"),
        ({"Accounts": ["1001-01"]}, "Accounts.0"),
        ({"Accounts": "1001-01"}, "Accounts"),
        ({"Accounts": [{}]}, "Accounts.0.AccountNumber"),
        ({"Password": "hunter2\n"}, "Password"),
        ({"Password": ""}, "Password"),
        ({"Password": "hunter2" * 100}, "Password"),
        ({"RoleCode": "O100" * 60}, "RoleCode"),
        ({"RoleCode": "O100\t"}, "RoleCode"),
        ({"Atomic": "yes"}, "Atomic"),
        ({"Accounts": [{"AccountNumber": "1001-01", "RoleCode": 7}]}, "Accounts.0.RoleCode"),
    ],
)
def test_a_wrong_field_is_named_and_nobody_is_made(world: World, change: dict[str, Any], field: str) -> None:
    answer = world.register("pat", "1001-01", **change)
    assert list(fields_of(answer)) == [field]
    assert "hunter2" not in answer.text
    assert seen(world, AccountNumbers=["1001-01"])[0]["IsRegistered"] is False


# --- retrieve users ----------------------------------------------------------------------------------------------------------


def test_accounts_are_answered_as_they_were_asked_and_foreign_ones_are_not_there(world: World) -> None:
    world.register("pat", "1001-01")
    world.register("lee", "9009-09", key="lake")
    results = seen(world, AccountNumbers=["9009-09", "1001-01", "nothing", "1001-02", "1001-01"])
    assert [(each["AccountNumber"], each["Status"], each["Exists"], each["IsRegistered"]) for each in results] == [
        ("9009-09", "NotFound", False, False),
        ("1001-01", "Registered", True, True),
        ("nothing", "NotFound", False, False),
        ("1001-02", "NotRegistered", True, False),
        ("1001-01", "Registered", True, True),
    ]
    assert {each["IsRegisteredToUser"] for each in results} == {None}
    assert results[0]["Users"] == []


def test_with_a_user_it_says_whether_they_belong_together(world: World) -> None:
    world.register("pat", "1001-01")
    world.register("kim", "1001-02")
    for named in ({"UserName": "PAT"}, {"EmailAddress": "Pat@Example.com"}, {"UserName": "pat", "EmailAddress": "pat@example.com"}):
        results = seen(world, AccountNumbers=["1001-01", "1001-02", "1002-01", "nothing"], **named)
        assert [each["IsRegisteredToUser"] for each in results] == [True, False, False, False]
    both = seen(world, AccountNumbers=["1001-01"], UserName="pat", EmailAddress="kim@example.com")
    assert both[0]["IsRegisteredToUser"] is False


def test_users_are_told_with_name_address_and_login_type(world: World) -> None:
    pat, kim = world.login_guid("pat", "1001-01"), world.login_guid("kim", "1001-01")
    assert seen(world, AccountNumbers=["1001-01"])[0]["Users"] == [
        {
            "LoginGUID": pat, "UserName": "pat", "EmailAddress": "pat@example.com", "LoginTypeID": 1, "LoginType": "Owner",
            "Pending": False,
        },
        {
            "LoginGUID": kim, "UserName": "kim", "EmailAddress": "kim@example.com", "LoginTypeID": 2, "LoginType": "Co-owner",
            "Pending": False,
        },
    ]  # fmt: skip


def test_a_key_for_its_own_users_sees_that_others_are_there_but_not_who(world: World) -> None:
    world.register("pat", "1001-01")
    world.register("kim", "1001-01", key="own")
    others, own = seen(world, "own", AccountNumbers=["1001-01"])[0]["Users"]
    assert (others["UserName"], others["EmailAddress"], others["LoginTypeID"]) == (None, None, 1)
    assert (own["UserName"], own["EmailAddress"]) == ("kim", "kim@example.com")
    for named in ({"UserName": "pat"}, {"EmailAddress": "pat@example.com"}):
        assert seen(world, "own", AccountNumbers=["1001-01"], **named)[0]["IsRegisteredToUser"] is False
        assert seen(world, "own", **named) == []


def test_a_user_alone_lists_all_its_accounts_and_all_users_of_a_shared_address(world: World) -> None:
    world.register("pat", "1001-01", "1001-02", EmailAddress="home@example.com")
    world.register("kim", "1002-01", EmailAddress="home@example.com")
    world.register("lee", "9009-09", key="lake", EmailAddress="home@example.com")
    assert [each["AccountNumber"] for each in seen(world, UserName="pat")] == ["1001-01", "1001-02"]
    results = seen(world, EmailAddress="HOME@example.com")
    assert [each["AccountNumber"] for each in results] == ["1001-01", "1001-02", "1002-01"]
    assert {each["IsRegisteredToUser"] for each in results} == {True}
    assert seen(world, UserName="nobody") == []


def test_something_to_look_for_must_be_sent(world: World) -> None:
    assert list(fields_of(world.post(SEE, {}))) == ["AccountNumbers"]
    assert list(fields_of(world.post(SEE, {"AccountNumbers": []}))) == ["AccountNumbers"]
    assert list(fields_of(world.post(SEE, {"AccountNumbers": ["1"] * 101}))) == ["AccountNumbers"]
    assert list(fields_of(world.post(SEE, {"AccountNumbers": ["1", 2]}))) == ["AccountNumbers.1"]
    assert list(fields_of(world.post(SEE, {"EmailAddress": "nobody"}))) == ["EmailAddress"]
    assert list(fields_of(world.post(SEE, {"AccountNumbers": ["1"], "UserName": "a\u2028b"}))) == ["UserName"]


def test_a_hundred_accounts_fit_into_one_call(world: World) -> None:
    numbers = [f"N-{number}" for number in range(99)]
    results = seen(world, AccountNumbers=[*numbers, "1001-01"])
    assert [each["Exists"] for each in results] == [False] * 99 + [True]


def test_the_account_profile_of_the_biller_says_which_numbers_are_the_same(world: World) -> None:
    world.change_biller(world.lakeside, policies={"account_profile": "digits_only"})
    world.add_key("fresh", world.lakeside, "one", KeyPolicies(scopes=EVERY_SCOPE, users="all"))
    world.add_customer(world.hub.billers.get(202), "77-01")
    assert [each["Exists"] for each in seen(world, "fresh", AccountNumbers=["7701", "77-01", "abc"])] == [True, True, False]
