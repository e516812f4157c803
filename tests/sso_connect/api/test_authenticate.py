"""Remote Authentication: whom it takes, what it answers, what it refuses."""

from __future__ import annotations

from datetime import timedelta

import pytest

from idp.directory.api_keys import KeyPolicies, Scope
from tests.sso_connect.api.world import (
    ALL,
    MAKER,
    OWN,
    START,
    World,
    body_of,
    code_of,
    fields_of,
    same_refusal,
    unknown_guid,
)

ROUTE = "/remote-authentication/authenticate"


def test_the_answer_has_token_lifetime_bare_connect_address_and_accounts(world: World) -> None:
    guid = world.login_guid("pat", "1001-01", "1001-02")
    body = body_of(world.authenticate(UserName="PAT", AccountNumber="1001-02", SessionReference="s-1", AuthMethods=["pwd", "otp"]))
    assert body["LoginGUID"] == guid
    assert body["ExpiresAt"] == "2031-05-04T13:30:00Z"
    assert body["ConnectUrl"] == "https://riverbend.hub.example.com/b/riverbend/sso/connect"
    assert body["RemoteAuthenticationToken"].startswith("idht_")
    assert [(each["AccountNumber"], each["LoginTypeID"], each["LoginType"], each["IsDefault"]) for each in body["Accounts"]] == [
        ("1001-01", 1, "Owner", True),
        ("1001-02", 1, "Owner", False),
    ]


def test_the_token_says_who_how_and_when(world: World) -> None:
    guid = world.login_guid("pat", "1001-01")
    token = world.token(LoginGUID=guid, SessionReference="s-1", AuthTime="2031-05-04T14:00:00+02:00", AuthMethods=["pwd"])
    found = world.hub.tokens.find(token)
    assert found is not None
    facts = found[0]
    assert (facts.bid, str(facts.user_id), facts.session_reference, facts.auth_methods) == (101, guid, "s-1", ("pwd",))
    assert facts.auth_time == int((START - timedelta(minutes=30)).timestamp())


def test_a_single_use_key_gets_a_token_for_twenty_minutes(world: World) -> None:
    world.login_guid("pat", "1001-01")
    world.add_key("once", world.riverbend, "one", KeyPolicies(users="all", token="single_use"))
    body = body_of(world.authenticate("once", UserName="pat"))
    assert body["RemoteAuthenticationToken"].startswith("idho_")
    assert body["ExpiresAt"] == "2031-05-04T12:50:00Z"


@pytest.mark.parametrize("name", ["LoginGUID", "PartnerUserID", "UserName", "EmailAddress", "RemoteAuthenticationToken"])
def test_a_user_is_named_by_any_of_its_names(world: World, name: str) -> None:
    guid = world.login_guid("pat", "1001-01", PartnerUserID="u-1")
    names = {
        "LoginGUID": guid,
        "PartnerUserID": "u-1",
        "UserName": "Pat",
        "EmailAddress": "PAT@example.com",
        "RemoteAuthenticationToken": world.token(UserName="pat"),
    }
    assert body_of(world.authenticate(**{name: names[name]}))["LoginGUID"] == guid


def test_all_names_must_fit_one_user(world: World) -> None:
    guid = world.login_guid("pat", "1001-01")
    world.login_guid("kim", "1001-02")
    assert code_of(world.authenticate(LoginGUID=guid, UserName="kim")) == (404, "UserNotFound")


def test_names_of_another_biller_are_unknown_names(world: World) -> None:
    foreign = world.login_guid("lee", "9009-09", key="lake", PartnerUserID="u-9")
    token = world.token("lake", UserName="lee")
    unknown = world.authenticate(LoginGUID=unknown_guid())
    assert code_of(unknown) == (404, "UserNotFound")
    for body in (
        {"LoginGUID": foreign},
        {"UserName": "lee"},
        {"EmailAddress": "lee@example.com"},
        {"PartnerUserID": "u-9"},
        {"RemoteAuthenticationToken": token},
        {"RemoteAuthenticationToken": "idht_" + "x" * 43},
        {"RemoteAuthenticationToken": "nonsense"},
    ):
        assert same_refusal(world.authenticate(**body), unknown), body


def test_a_token_of_another_partner_names_nobody(world: World) -> None:
    world.login_guid("pat", "1001-01")
    token = world.token(UserName="pat")
    assert code_of(world.authenticate("own", RemoteAuthenticationToken=token)) == (404, "UserNotFound")


def test_a_token_that_was_ended_with_its_user_names_nobody(world: World) -> None:
    guid = world.login_guid("pat", "1001-01")
    token = world.token(UserName="pat")
    world.post("/remote-authentication/revoke", {"LoginGUID": guid})
    assert code_of(world.authenticate(RemoteAuthenticationToken=token)) == (404, "UserNotFound")


def test_a_key_for_its_own_users_cannot_assert_somebody_elses(world: World) -> None:
    guid = world.login_guid("pat", "1001-01")
    for body in ({"LoginGUID": guid}, {"UserName": "pat"}, {"EmailAddress": "pat@example.com"}):
        assert code_of(world.authenticate("own", **body)) == (404, "UserNotFound")
    own = world.login_guid("kim", "1001-02", key="own")
    assert body_of(world.authenticate("own", UserName="kim"))["LoginGUID"] == own


def test_a_key_for_its_own_users_selects_by_a_verified_address_only(world: World) -> None:
    world.login_guid("pat", "1001-01", key="own")
    world.login_guid("kim", "1001-02", key="own", EmailVerified=True)
    assert code_of(world.authenticate("own", EmailAddress="pat@example.com")) == (404, "UserNotFound")
    body_of(world.authenticate("own", EmailAddress="kim@example.com"))


def test_a_shared_address_is_ambiguous(world: World) -> None:
    world.register("pat", "1001-01", EmailAddress="home@example.com")
    world.register("kim", "1001-02", EmailAddress="home@example.com")
    assert code_of(world.authenticate(EmailAddress="home@example.com")) == (409, "AmbiguousUser")
    body_of(world.authenticate(EmailAddress="home@example.com", UserName="kim"))


def test_an_account_must_be_the_users_and_unknown_and_foreign_look_the_same(world: World) -> None:
    world.login_guid("pat", "1001-01")
    unknown = world.authenticate(UserName="pat", AccountNumber="7777-77")
    assert code_of(unknown) == (404, "CustomerNotFound")
    for number in ("1001-02", "9009-09"):
        assert same_refusal(world.authenticate(UserName="pat", AccountNumber=number), unknown)
    assert "token.issue" not in world.stored()


def test_a_disabled_user_is_refused_at_once(world: World) -> None:
    guid = world.login_guid("pat", "1001-01")
    body_of(world.authenticate(UserName="pat"))
    user = body_of(world.authenticate(LoginGUID=guid))
    with world.hub.database.read() as stores:
        found = stores.users.find_by_user_name(101, "pat")
    assert found is not None
    assert user["LoginGUID"] == str(found.id)
    world.hub.users.change(MAKER, "r", 101, found.id, disabled=True)
    assert code_of(world.authenticate(UserName="pat")) == (403, "UserDisabled")


@pytest.mark.parametrize(
    "moment",
    ["2031-05-04T12:30:00Z", "2031-05-04T12:30:59.5Z", "2031-05-03T12:30:00Z", int(START.timestamp()), int(START.timestamp()) + 60],
)
def test_a_sign_in_of_the_last_day_is_taken(world: World, moment: str | int) -> None:
    world.login_guid("pat", "1001-01")
    body_of(world.authenticate(UserName="pat", AuthTime=moment))


@pytest.mark.parametrize(
    "moment",
    [
        "2031-05-04T12:31:01Z", "2031-05-03T12:29:59Z", 0, -1, 2**70, int(START.timestamp()) + 61, "2031-05-04T12:30:00",
        "2031-05-04", "yesterday", "", True, 1.5, [], {}, "2031-13-04T12:30:00Z", "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)  # fmt: skip
def test_any_other_auth_time_is_refused_by_name(world: World, moment: object) -> None:
    world.login_guid("pat", "1001-01")
    assert list(fields_of(world.authenticate(UserName="pat", AuthTime=moment))) == ["AuthTime"]


def test_without_a_name_the_field_says_what_to_send(world: World) -> None:
    assert list(fields_of(world.authenticate(AccountNumber="1001-01"))) == ["LoginGUID"]


def test_methods_are_those_of_rfc_8176(world: World) -> None:
    assert list(fields_of(world.authenticate(UserName="pat", AuthMethods=["pwd", "magic"]))) == ["AuthMethods.1"]


def test_a_bad_key_is_told_before_a_bad_body(world: World) -> None:
    for raw in (b"{", b"[]", b'{"UserName": 1}'):
        assert code_of(world.send("POST", ROUTE, raw, None, X_Api_Key="idhk_" + "x" * 43)) == (401, "InvalidApiKey")
    world.add_key("blind", world.riverbend, "one", KeyPolicies(scopes=frozenset({Scope.USERS_READ})))
    assert code_of(world.send("POST", ROUTE, b"{", "blind")) == (403, "ScopeMissing")


def test_a_revoked_key_is_over_with_the_next_call(world: World) -> None:
    world.login_guid("pat", "1001-01")
    body_of(world.authenticate(UserName="pat"))
    world.hub.api_keys.revoke(MAKER, "r", 101, world.keys["all"].key.id)
    assert code_of(world.authenticate(UserName="pat")) == (401, "InvalidApiKey")


def test_a_disabled_biller_takes_no_key(world: World) -> None:
    world.login_guid("pat", "1001-01")
    world.change_biller(world.riverbend, disabled=True)
    assert code_of(world.authenticate(UserName="pat")) == (401, "InvalidApiKey")
    assert body_of(world.get("/ping", "lake"))["Biller"]["BID"] == 202


def test_a_changed_host_is_in_the_next_connect_address(world: World) -> None:
    world.login_guid("pat", "1001-01")
    body_of(world.authenticate(UserName="pat"))
    world.change_biller(world.riverbend, host="pay.riverbend.example.com")
    assert body_of(world.authenticate(UserName="pat"))["ConnectUrl"] == "https://pay.riverbend.example.com/b/riverbend/sso/connect"


def test_a_new_account_is_in_the_next_answer(world: World) -> None:
    world.login_guid("pat", "1001-01")
    assert len(body_of(world.authenticate(UserName="pat"))["Accounts"]) == 1
    world.register("pat", "1001-02")
    assert len(body_of(world.authenticate(UserName="pat"))["Accounts"]) == 2


def test_a_password_key_gets_no_token_without_the_password(world: World) -> None:
    world.login_guid("pat", "1001-01")
    world.add_key("password", world.riverbend, "one", KeyPolicies(users="all", authenticate="password"))
    assert code_of(world.authenticate("password", UserName="pat")) == (401, "CredentialsRefused")
    assert code_of(world.authenticate("password", UserName="nobody")) == (401, "CredentialsRefused")


def test_every_answer_to_a_known_key_tells_its_rate(world: World) -> None:
    world.login_guid("pat", "1001-01")
    world.add_key("slow", world.riverbend, "one", KeyPolicies(users="all", rate_per_second=1, burst=4))
    left: list[str] = []
    for body in ({"UserName": "pat"}, {"UserName": "nobody"}, {"Unknown": 1}):
        answer = world.authenticate("slow", **body)
        assert answer.headers["RateLimit-Limit"] == "4"
        left.append(answer.headers["RateLimit-Remaining"])
    assert left == ["3", "2", "1"]


def test_a_key_over_its_rate_waits_and_then_goes_on(world: World) -> None:
    world.login_guid("pat", "1001-01")
    world.add_key("slow", world.riverbend, "one", KeyPolicies(users="all", rate_per_second=1, burst=2))
    for _ in range(2):
        body_of(world.authenticate("slow", UserName="pat"))
    refused = world.authenticate("slow", UserName="pat")
    assert code_of(refused) == (429, "RateLimited")
    assert refused.headers["Retry-After"] == "1"
    assert (refused.headers["RateLimit-Remaining"], refused.headers["RateLimit-Limit"]) == ("0", "2")
    assert code_of(world.get("/ping", "slow")) == (429, "RateLimited")
    body_of(world.authenticate("all", UserName="pat"))
    world.clock.advance(timedelta(seconds=1))
    body_of(world.authenticate("slow", UserName="pat"))


def test_a_user_of_two_billers_gets_the_one_of_the_key(world: World) -> None:
    here, there = world.login_guid("pat", "1001-01"), world.login_guid("pat", "1001-01", key="lake")
    assert here != there
    assert body_of(world.authenticate("all", UserName="pat"))["LoginGUID"] == here
    answer = body_of(world.authenticate("lake", UserName="pat"))
    assert answer["LoginGUID"] == there
    assert answer["ConnectUrl"].startswith("https://lakeside.")
    assert ALL.users != OWN.users
