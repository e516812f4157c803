"""Role codes, Link, Unregister, atomic batches and repeats, as a partner sends and sees them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from idp.errors import StoreUnavailable
from idp.receipts import Receipts
from sso_connect.api.models import registering as models
from tests.sso_connect.api.world import ALL, ORIGIN, World, body_of, code_of, fields_of

REGISTER = "/remote-authentication/register-accounts"
LINK = "/remote-authentication/link-accounts"
UNREGISTER = "/remote-authentication/unregister-accounts"
CODE = "O100-4821-3977"


@pytest.fixture
def coded(world: World) -> World:
    """With codes on an account of each biller."""
    for biller, number in ((world.riverbend, "3003-03"), (world.lakeside, "3003-03")):
        world.add_customer(biller, number, customs={58: f"{CODE};G500-3333"})
    return world


def words(answer: Any) -> list[tuple[str, int | None]]:
    return [(each["Status"], each["LoginTypeID"]) for each in body_of(answer)["Results"]]


def test_a_code_decides_the_login_type_and_a_wrong_one_refuses_its_account_alone(coded: World) -> None:
    accounts = [{"AccountNumber": "3003-03", "rolecode": "g500 3333"}, {"AccountNumber": "1001-01", "RoleCode": "O999"}]
    assert words(coded.register("pat", Accounts=accounts)) == [("Registered", 4), ("RoleCodeInvalid", None)]
    body = body_of(coded.register("kim", "3003-03", RoleCode=CODE))
    assert body["Results"][0]["Note"] == ""
    assert words(coded.register("lee", "3003-03", RoleCode=CODE)) == [("RoleCodeInvalid", None)]
    assert words(coded.register("lee", "3003-03", key="lake", RoleCode=CODE)) == [("Registered", 1)]


def test_a_code_or_password_is_in_no_answer_row_or_representation(coded: World) -> None:
    sent = {"UserName": "pat", "EmailAddress": "p@x.org", "Password": "hush-hush", "RoleCode": CODE}
    body = models.RegisterAccounts.model_validate({**sent, "Accounts": [{"AccountNumber": "3003-03", "RoleCode": CODE}]})
    assert "4821" not in repr(body)
    assert "hush" not in repr(body)
    for code in (CODE, "O100-WRONG77"):
        answer = coded.register("pat", "3003-03", RoleCode=code, Password="hush-hush")
        assert code not in answer.text
    stored = coded.stored()
    assert "48213977" not in stored
    assert CODE not in stored
    assert "WRONG77" not in stored
    assert "hush-hush" not in stored


def test_the_sixth_wrong_code_is_throttled_for_its_key_only(coded: World) -> None:
    answers = [words(coded.register("pat", "3003-03", RoleCode=f"O100-{n}"))[0][0] for n in range(6)]
    assert answers == ["RoleCodeInvalid"] * 5 + ["Throttled"]
    assert words(coded.register("pat", "3003-03", key="own", RoleCode=CODE)) == [("Registered", 1)]


# --- passwords at registration -------------------------------------------------------------------------------------------------


def test_the_password_of_a_new_user_is_the_partners_and_is_never_changed_by_registering_again(world: World) -> None:
    world.add_key("password", world.riverbend, "one", replace(ALL, authenticate="password"))
    guid = world.login_guid("pat", "1001-01", Password="first one")
    user = world.hub.users.get(101, UUID(guid))
    assert user.password_partner == world.keys["all"].key.partner.id
    assert body_of(world.register("pat", "1001-02", Password="another"))["Results"][0]["Status"] == "Registered"
    assert body_of(world.authenticate("password", UserName="pat", Password="first one"))["LoginGUID"] == guid
    assert code_of(world.authenticate("password", UserName="pat", Password="another")) == (401, "CredentialsRefused")


def test_a_password_key_with_another_password_is_a_credentials_mismatch_and_nothing_is_linked(world: World) -> None:
    world.add_key("password", world.riverbend, "one", replace(ALL, authenticate="password"))
    world.login_guid("pat", "1001-01", Password="right")
    answer = body_of(world.register("pat", "1001-02", key="password", Password="wrong"))
    assert (answer["LoginGUID"], answer["Results"][0]["Status"]) == (None, "CredentialsMismatch")
    assert words(world.register("pat", "1001-02", key="password", Password="right")) == [("Registered", 1)]


def test_the_right_password_is_proof_for_a_key_that_may_not_speak_for_the_user(world: World) -> None:
    guid = world.login_guid("pat", "1001-01", Password="right")
    for password in ({}, {"Password": "wrong"}):
        answer = body_of(world.register("pat", "1001-02", key="own", **password))
        assert answer["Results"][0]["Status"] == "CredentialsMismatch"
        assert code_of(world.authenticate("own", UserName="pat"))[0] == 404
    assert body_of(world.register("pat", "1001-02", key="own", Password="right"))["LoginGUID"] == guid
    assert body_of(world.authenticate("own", UserName="pat"))["LoginGUID"] == guid


# --- link and unregister ------------------------------------------------------------------------------------------------------


def test_linking_ties_a_user_by_any_of_its_names_and_says_linked(world: World) -> None:
    guid = world.login_guid("pat", "1001-01", PartnerUserID="u-1")
    token = world.token(UserName="pat")
    for named, number in (({"PartnerUserID": "u-1"}, "1001-02"), ({"RemoteAuthenticationToken": token}, "1002-01")):
        body = body_of(world.post(LINK, {**named, "Accounts": [{"AccountNumber": number}, {"AccountNumber": "1001-01"}]}))
        assert body["LoginGUID"] == guid
        assert [each["Status"] for each in body["Results"]] == ["Linked", "AlreadyRegistered"]


@pytest.mark.parametrize("path", [LINK, UNREGISTER])
def test_an_unknown_a_foreign_and_somebody_elses_user_look_the_same(world: World, path: str) -> None:
    guid = world.login_guid("pat", "1001-01")
    there = world.login_guid("kim", "9009-09", key="lake")
    accounts = {"Accounts": [{"AccountNumber": "1001-01"}]} if path == LINK else {"AccountNumbers": ["1001-01"]}
    for key, user in (("all", there), ("own", guid), ("other", guid), ("all", "01890a5d-ac96-774b-bcce-b302099a8057")):
        assert code_of(world.post(path, {"LoginGUID": user, **accounts}, key)) == (404, "UserNotFound")
    assert list(fields_of(world.post(path, accounts))) == ["LoginGUID"]


def test_unregistering_answers_each_account_and_the_old_name_does_too(world: World) -> None:
    guid = world.login_guid("pat", "1001-01", "1001-02")
    body = body_of(world.post(UNREGISTER, {"UserName": "pat", "AccountNumbers": ["1001-01", "1002-01", "9009-09"]}))
    assert body["LoginGUID"] == guid
    assert [each["Status"] for each in body["Results"]] == ["Unregistered", "NotRegistered", "NotFound"]
    old = world.post("/UnregisterAccounts", {"UserName": "pat", "AccountNumbers": ["1001-02"]})
    assert body_of(old)["Results"] == [{"AccountNumber": "1001-02", "Status": "Unregistered"}]
    linked = world.post("/remoteauthentication/LINKACCOUNTS", {"UserName": "pat", "Accounts": [{"AccountNumber": "1001-01"}]})
    assert words(linked) == [("Linked", 1)]


def test_a_token_for_an_account_ends_with_its_registration_and_one_for_the_user_does_not(world: World) -> None:
    world.register("pat", "1001-01", "1001-02")
    of_account = world.token(UserName="pat", AccountNumber="1001-01")
    of_user = world.token(UserName="pat")
    world.post(UNREGISTER, {"UserName": "pat", "AccountNumbers": ["1001-01"]})
    see = "/remote-authentication/retrieve-user-accounts"
    assert code_of(world.post(see, {"RemoteAuthenticationToken": of_account})) == (404, "UserNotFound")
    assert len(body_of(world.post(see, {"RemoteAuthenticationToken": of_user}))["Accounts"]) == 1


# --- proof -------------------------------------------------------------------------------------------------------------------


def test_proof_that_a_compat_key_may_not_state_is_ignored_and_told(world: World) -> None:
    world.add_key("old", world.riverbend, "one", replace(ALL, strictness="compat", account_proof=("cis",)))
    answer = world.register("pat", "1001-01", key="old", AccountProof=["zip", "cis", "zip"])
    assert body_of(answer)["Results"][0]["Status"] == "Registered"
    assert answer.headers["X-Warning"] == "ProofIgnored zip"


# --- all or nothing ------------------------------------------------------------------------------------------------------------


def test_an_atomic_batch_is_409_with_its_results_and_nothing_is_written(coded: World) -> None:
    before = coded.stored(but="refusals")
    accounts = [{"AccountNumber": "3003-03", "RoleCode": CODE}, {"AccountNumber": "9009-09"}, {"AccountNumber": "1001-01"}]
    answer = coded.register("pat", Accounts=accounts, Atomic=True, Password="hush-hush")
    problem = body_of(answer, 409)
    assert problem["Code"] == "RolledBack"
    assert problem["Results"] == [
        {"AccountNumber": "3003-03", "Status": "RolledBack"},
        {"AccountNumber": "9009-09", "Status": "NotFound"},
        {"AccountNumber": "1001-01", "Status": "RolledBack"},
    ]
    assert coded.stored(but="refusals") == before
    assert words(coded.register("pat", Accounts=[accounts[0], accounts[2]], Atomic=True)) == [("Registered", 1)] * 2
    refused = coded.post(UNREGISTER, {"UserName": "pat", "AccountNumbers": ["3003-03", "1001-02"], "Atomic": True})
    assert [each["Status"] for each in body_of(refused, 409)["Results"]] == ["RolledBack", "NotRegistered"]


def test_without_atomic_a_batch_is_200_though_all_items_fail(world: World) -> None:
    assert words(world.register("pat", "9009-09", "nothing")) == [("NotFound", None)] * 2


# --- repeats -----------------------------------------------------------------------------------------------------------------


def test_a_repeat_answers_the_first_result_and_another_body_is_409(coded: World) -> None:
    body = {"UserName": "pat", "EmailAddress": "p@x.org", "Accounts": [{"AccountNumber": "3003-03", "RoleCode": CODE}]}
    first = body_of(coded.post(REGISTER, body, Idempotency_Key="k-1"))
    assert first["Results"][0]["Status"] == "Registered"
    assert body_of(coded.post(REGISTER, body, Idempotency_Key="k-1")) == first
    other = {**body, "UserName": "kim"}
    assert code_of(coded.post(REGISTER, other, Idempotency_Key="k-1")) == (409, "IdempotencyKeyReused")
    gone = {"UserName": "pat", "AccountNumbers": ["3003-03"]}
    left = body_of(coded.post(UNREGISTER, gone, Idempotency_Key="k-2"))
    assert body_of(coded.post(UNREGISTER, gone, Idempotency_Key="k-2")) == left
    assert body_of(coded.post(UNREGISTER, gone))["Results"][0]["Status"] == "NotRegistered"
    link = {"UserName": "pat", "Accounts": [{"AccountNumber": "1001-01"}]}
    linked = body_of(coded.post(LINK, link, Idempotency_Key="k-3"))
    assert linked["Results"][0]["Status"] == "Linked"
    assert body_of(coded.post(LINK, link, Idempotency_Key="k-3")) == linked


def test_a_rolled_back_batch_may_be_tried_again_under_its_key(world: World) -> None:
    body = {"UserName": "pat", "EmailAddress": "p@x.org", "Atomic": True, "Accounts": [{"AccountNumber": "5005-05"}]}
    assert code_of(world.post(REGISTER, body, Idempotency_Key="k-1")) == (409, "RolledBack")
    world.add_customer(world.riverbend, "5005-05")
    assert words(world.post(REGISTER, body, Idempotency_Key="k-1")) == [("Registered", 1)]


def test_the_receipt_commits_with_the_change_or_neither_does(coded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"UserName": "pat", "EmailAddress": "p@x.org", "Accounts": [{"AccountNumber": "3003-03", "RoleCode": CODE}]}
    keep = Receipts.keep

    def die(self: Receipts, stores: Any, claimed: Any, answer: Any) -> None:
        keep(self, stores, claimed, answer)
        raise StoreUnavailable("killed between the receipt and the commit")

    monkeypatch.setattr(Receipts, "keep", die)
    raw = json.dumps(body).encode()
    headers = {"X-Api-Key": coded.keys["all"].secret, "Content-Type": "application/json", "Idempotency-Key": "k-1"}
    died = coded.client.post(f"/api/v1{REGISTER}", data=raw, headers=headers, base_url=ORIGIN)
    assert code_of(died) == (503, "StoreUnavailable")
    monkeypatch.undo()
    seen = body_of(coded.post("/remote-authentication/retrieve-users", {"AccountNumbers": ["3003-03"]}))
    assert seen["Results"][0]["IsRegistered"] is False
    assert words(coded.post(REGISTER, body, Idempotency_Key="k-1")) == [("Registered", 1)]


# --- guids -------------------------------------------------------------------------------------------------------------------


def test_login_guid_is_the_users_or_the_owners_of_the_account_and_null_without_one(world: World) -> None:
    pat = world.login_guid("pat", "1001-01", LoginTypeID=2)
    kim = world.login_guid("kim", "1001-02")
    path = "/customer-portal/retrieve-login-guid"
    by_name = body_of(world.post(path, {"UserName": "PAT"}))
    assert by_name["LoginGUID"] == pat
    assert [(each["UserName"], each["LoginTypeID"]) for each in by_name["Users"]] == [("pat", None)]
    customer = body_of(world.post("/RetrieveCustomerGUID", {"AccountNumber": "1001-02"}))["CustomerGUID"]
    owned = body_of(world.post(path, {"CustomerGUID": customer}))
    assert (owned["LoginGUID"], owned["Users"][0]["LoginType"]) == (kim, "Owner")
    without = body_of(world.post(path, {"AccountNumber": "1001-01"}))
    assert (without["LoginGUID"], len(without["Users"])) == (None, 1)
    assert body_of(world.post("/RetrieveLoginGUID", {"AccountNumber": "1002-01"})) == {"LoginGUID": None, "Users": []}
    hidden = body_of(world.post(path, {"AccountNumber": "1001-02"}, "own"))["Users"][0]
    assert (hidden["LoginGUID"], hidden["UserName"], hidden["EmailAddress"]) == (kim, None, None)
    for body, key in (
        ({"CustomerGUID": customer}, "lake"),
        ({"AccountNumber": "9009-09"}, "all"),
        ({"AccountNumber": "\u00a0x"}, "all"),
    ):
        assert code_of(world.post(path, body, key)) == (404, "CustomerNotFound")
    assert code_of(world.post(path, {"UserName": "pat"}, "own")) == (404, "UserNotFound")
    for body in ({}, {"UserName": "pat", "AccountNumber": "1001-01"}, {"CustomerGUID": customer, "AccountNumber": "1001-02"}):
        assert list(fields_of(world.post(path, body))) == ["LoginGUID"]


def test_customer_guid_is_the_accounts_or_the_default_one_of_the_user(world: World) -> None:
    world.login_guid("pat", "1001-02", "1001-01")
    path = "/customer-portal/retrieve-customer-guid"
    by_user = body_of(world.post(path, {"RemoteAuthenticationToken": world.token(UserName="pat")}))
    assert [(each["AccountNumber"], each["IsDefault"]) for each in by_user["Customers"]] == [("1001-02", True), ("1001-01", False)]
    assert by_user["CustomerGUID"] == by_user["Customers"][0]["CustomerGUID"]
    assert body_of(world.post(path, {"AccountNumber": " 1001-01 "}))["CustomerGUID"] == by_user["Customers"][1]["CustomerGUID"]
    world.post(UNREGISTER, {"UserName": "pat", "AccountNumbers": ["1001-01", "1001-02"]})
    assert body_of(world.post(path, {"UserName": "pat"})) == {"CustomerGUID": None, "Customers": []}
    assert code_of(world.post(path, {"AccountNumber": "9009-09"})) == (404, "CustomerNotFound")
    assert list(fields_of(world.post(path, {"AccountNumber": "1001-01", "UserName": "pat"}))) == ["AccountNumber"]


def test_asking_about_one_user_without_end_is_429(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idp.accounts.look_up_limits.MOST_AT_ONCE", 3)
    world.login_guid("pat", "1001-01")
    path = "/customer-portal/retrieve-login-guid"
    for _ in range(3):
        body_of(world.post(path, {"UserName": "pat"}))
    refused = world.post(path, {"UserName": "PAT"})
    assert code_of(refused) == (429, "RateLimited")
    assert int(refused.headers["Retry-After"]) >= 1
    assert code_of(world.post(path, {"UserName": "pat"}, "own")) == (404, "UserNotFound")
