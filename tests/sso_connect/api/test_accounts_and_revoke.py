"""Retrieve User Accounts and Revoke."""

from __future__ import annotations

import pytest

from tests.sso_connect.api.world import World, body_of, code_of, fields_of, same_refusal, unknown_guid

ACCOUNTS = "/remote-authentication/retrieve-user-accounts"
REVOKE = "/remote-authentication/revoke"


def guid_of(world: World, number: str) -> str:
    """The CustomerGUID of a riverbend account."""
    return str(world.hub.customers.get_by_account(world.riverbend, number).id)


# --- retrieve user accounts ------------------------------------------------------------------------------------------------


def test_a_user_by_any_name_gives_its_accounts_oldest_first(world: World) -> None:
    guid = world.login_guid("pat", "1001-02", "1001-01", PartnerUserID="u-1")
    token = world.token(UserName="pat")
    for body in (
        {"LoginGUID": guid}, {"UserName": "pat"}, {"EmailAddress": "pat@example.com"}, {"PartnerUserID": "u-1"},
        {"RemoteAuthenticationToken": token}, {"RemoteAuthenticationToken": token, "UserName": "pat", "LoginGUID": guid},
    ):  # fmt: skip
        answer = body_of(world.post(ACCOUNTS, body))
        assert answer["LoginGUID"] == guid
        assert [(each["AccountNumber"], each["IsDefault"]) for each in answer["Accounts"]] == [
            ("1001-02", True),
            ("1001-01", False),
        ]


def test_a_customer_guid_alone_means_its_owner(world: World) -> None:
    world.login_guid("kim", "1001-01", LoginTypeID=3)
    pat = world.login_guid("pat", "1001-02")
    world.register("kim", "1001-02")
    answer = body_of(world.post(ACCOUNTS, {"CustomerGUID": guid_of(world, "1001-02")}))
    assert answer["LoginGUID"] == pat


def test_a_customer_guid_without_owner_means_its_only_user(world: World) -> None:
    kim = world.login_guid("kim", "1001-01", "1002-01", LoginTypeID=3)
    answer = body_of(world.post(ACCOUNTS, {"CustomerGUID": guid_of(world, "1001-01")}))
    assert (answer["LoginGUID"], len(answer["Accounts"])) == (kim, 2)
    world.register("lee", "1001-01", LoginTypeID=4)
    assert code_of(world.post(ACCOUNTS, {"CustomerGUID": guid_of(world, "1001-01")})) == (409, "AmbiguousUser")


def test_a_customer_guid_and_a_name_mean_that_one_account(world: World) -> None:
    world.register("pat", "1001-01", "1001-02")
    answer = body_of(world.post(ACCOUNTS, {"UserName": "pat", "CustomerGUID": guid_of(world, "1001-02")}))
    assert [(each["AccountNumber"], each["IsDefault"]) for each in answer["Accounts"]] == [("1001-02", False)]


def test_another_billers_customer_is_an_unknown_customer(world: World) -> None:
    world.login_guid("pat", "1001-01")
    world.register("lee", "9009-09", key="lake")
    foreign = str(world.hub.customers.get_by_account(world.lakeside, "9009-09").id)
    for extra in ({}, {"UserName": "pat"}):
        unknown = world.post(ACCOUNTS, {"CustomerGUID": unknown_guid(), **extra})
        assert code_of(unknown) == (404, "CustomerNotFound")
        assert same_refusal(world.post(ACCOUNTS, {"CustomerGUID": foreign, **extra}), unknown)
    assert body_of(world.post(ACCOUNTS, {"CustomerGUID": foreign}, "lake"))["Accounts"][0]["AccountNumber"] == "9009-09"


def test_a_customer_without_users_or_with_somebody_elses_gives_no_user(world: World) -> None:
    assert code_of(world.post(ACCOUNTS, {"CustomerGUID": guid_of(world, "1002-01")})) == (404, "UserNotFound")
    world.register("pat", "1001-01")
    assert code_of(world.post(ACCOUNTS, {"CustomerGUID": guid_of(world, "1001-01")}, "own")) == (404, "UserNotFound")


def test_another_billers_user_is_an_unknown_user(world: World) -> None:
    foreign = world.login_guid("lee", "9009-09", key="lake")
    unknown = world.post(ACCOUNTS, {"LoginGUID": unknown_guid()})
    assert code_of(unknown) == (404, "UserNotFound")
    assert same_refusal(world.post(ACCOUNTS, {"LoginGUID": foreign}), unknown)
    assert same_refusal(world.post(ACCOUNTS, {"RemoteAuthenticationToken": world.token("lake", UserName="lee")}), unknown)


def test_nobody_named_and_no_guid_are_refused_by_field(world: World) -> None:
    assert list(fields_of(world.post(ACCOUNTS, {}))) == ["LoginGUID"]
    assert list(fields_of(world.post(ACCOUNTS, {"CustomerGUID": "no-guid"}))) == ["CustomerGUID"]
    assert list(fields_of(world.post(ACCOUNTS, {"LoginGUID": 5}))) == ["LoginGUID"]


# --- revoke ------------------------------------------------------------------------------------------------------------------


def test_a_revoked_token_is_over_and_others_are_not(world: World) -> None:
    world.login_guid("pat", "1001-01")
    first, second = world.token(UserName="pat"), world.token(UserName="pat")
    assert world.post(REVOKE, {"RemoteAuthenticationToken": first}).status_code == 204
    assert world.hub.tokens.find(first) is None
    assert world.hub.tokens.find(second) is not None
    assert world.post(REVOKE, {"RemoteAuthenticationToken": first}).status_code == 204


@pytest.mark.parametrize("key", ["own", "lake", "other"])
def test_a_token_of_another_partner_or_biller_is_answered_alike_and_lives_on(world: World, key: str) -> None:
    world.login_guid("pat", "1001-01")
    token = world.token(UserName="pat")
    for sent in (token, "idht_" + "x" * 43, "nonsense"):
        answer = world.post(REVOKE, {"RemoteAuthenticationToken": sent}, key)
        assert (answer.status_code, answer.data) == (204, b"")
    assert world.hub.tokens.find(token) is not None


def test_revoking_a_user_ends_all_its_tokens(world: World) -> None:
    guid = world.login_guid("pat", "1001-01")
    token = world.token(UserName="pat")
    assert world.post(REVOKE, {"UserName": "pat"}).status_code == 204
    found = world.hub.tokens.find(token)
    with world.hub.database.read() as stores:
        user = stores.users.find_by_user_name(101, "pat")
    assert user is not None
    assert str(user.id) == guid
    assert found is None or found[0].generation != user.generation
    assert code_of(world.post(ACCOUNTS, {"RemoteAuthenticationToken": token})) == (404, "UserNotFound")
    body_of(world.post(ACCOUNTS, {"RemoteAuthenticationToken": world.token(UserName="pat")}))


def test_an_unknown_user_and_a_foreign_one_cannot_be_revoked(world: World) -> None:
    foreign = world.login_guid("lee", "9009-09", key="lake")
    somebody = world.login_guid("pat", "1001-01")
    unknown = world.post(REVOKE, {"LoginGUID": unknown_guid()})
    assert code_of(unknown) == (404, "UserNotFound")
    assert same_refusal(world.post(REVOKE, {"LoginGUID": foreign}), unknown)
    assert same_refusal(world.post(REVOKE, {"LoginGUID": somebody}, "own"), unknown)


def test_a_token_and_a_name_together_are_refused(world: World) -> None:
    world.login_guid("pat", "1001-01")
    token = world.token(UserName="pat")
    assert list(fields_of(world.post(REVOKE, {"RemoteAuthenticationToken": token, "UserName": "pat"}))) == [
        "RemoteAuthenticationToken"
    ]
    assert list(fields_of(world.post(REVOKE, {}))) == ["LoginGUID"]
    assert world.hub.tokens.find(token) is not None
