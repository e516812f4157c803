"""What older partner software sends: empty optional fields, digits in quotes, a slash too many, POST for everything."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from idp.errors import TrailingSlash
from sso_connect.api.operations import OPERATIONS, Operation
from tests.sso_connect.api.test_bodies import GOOD, at
from tests.sso_connect.api.world import ALL, OWN, START, World, body_of, code_of, fields_of

AUTHENTICATE = "/remote-authentication/authenticate"


@pytest.fixture(autouse=True)
def pat(world: World) -> str:
    """A user, and compat keys of two partners."""
    world.add_key("compat", world.riverbend, "one", replace(ALL, strictness="compat"))
    world.add_key("lake-compat", world.lakeside, "one", replace(ALL, strictness="compat"))
    return world.login_guid("pat", "1001-01")


# --- empty texts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", ["", None], ids=["empty", "null"])
@pytest.mark.parametrize("name", ["LoginGUID", "PartnerUserID", "Password", "EmailAddress", "AccountNumber", "AuthTime"])
def test_an_optional_field_that_a_compat_key_sends_empty_was_not_sent(world: World, name: str, empty: str | None) -> None:
    answer = world.authenticate("compat", UserName="pat", **{name: empty})
    assert body_of(answer)["RemoteAuthenticationToken"]
    assert "X-Warning" not in answer.headers


@pytest.mark.parametrize("empty", ["", None], ids=["empty", "null"])
def test_an_empty_login_type_is_the_one_that_is_left_out(world: World, empty: str | None) -> None:
    answer = world.register("kim", Accounts=[{"AccountNumber": "1001-02", "LoginTypeID": empty}], key="compat", LoginTypeID=empty)
    assert body_of(answer)["Results"][0]["LoginTypeID"] == 1


def test_an_empty_flag_changes_nothing(world: World) -> None:
    path = "/customers?AccountNumber=1001-01"
    for sent in (True, "", None):
        record = body_of(world.send("PATCH", path, json.dumps({"Prepaid": sent, "City": "Troy"}).encode(), "compat"))
        assert record["Prepaid"] is True


def test_an_empty_text_that_means_something_still_means_it(world: World) -> None:
    path = "/customers?AccountNumber=1001-01"
    assert body_of(world.send("PATCH", path, b'{"City": "Troy"}', "compat"))["City"] == "Troy"
    assert body_of(world.send("PATCH", path, b'{"City": ""}', "compat"))["City"] is None


@pytest.mark.parametrize("empty", ["", None], ids=["empty", "null"])
def test_a_required_field_that_is_empty_is_missing(world: World, empty: str | None) -> None:
    assert list(fields_of(world.register("kim", "1001-02", key="compat", UserName=empty))) == ["UserName"]
    account = {"AccountNumber": empty}
    assert list(fields_of(world.register("kim", Accounts=[account], key="compat"))) == ["Accounts.0.AccountNumber"]


def test_an_empty_item_of_a_list_is_not_passed_over(world: World) -> None:
    answer = world.post("/remote-authentication/retrieve-users", {"AccountNumbers": ["1001-01", ""]}, "compat")
    assert list(fields_of(answer)) == ["AccountNumbers.1"]


def test_a_call_that_names_nobody_but_by_empty_texts_names_nobody(world: World) -> None:
    answer = world.authenticate("compat", LoginGUID="", UserName="", EmailAddress="", PartnerUserID="")
    assert code_of(answer) == (422, "InvalidFields")


def test_a_key_that_must_show_a_password_is_not_let_in_with_an_empty_one(world: World) -> None:
    world.add_key("shows", world.riverbend, "one", replace(ALL, strictness="compat", authenticate="password"))
    assert code_of(world.authenticate("shows", UserName="pat", Password="")) == (401, "CredentialsRefused")


@pytest.mark.parametrize("name", ["LoginGUID", "PartnerUserID", "Password"])
def test_a_strict_key_is_refused_an_empty_text(world: World, name: str) -> None:
    assert list(fields_of(world.authenticate("all", UserName="pat", **{name: ""}))) == [name]


# --- digits in quotes ----------------------------------------------------------------------------------------------------


def test_a_compat_key_may_send_auth_time_as_digits_in_a_text(world: World) -> None:
    seconds = str(int((START - timedelta(minutes=5)).timestamp()))
    assert body_of(world.authenticate("compat", UserName="pat", AuthTime=seconds))["RemoteAuthenticationToken"]
    assert list(fields_of(world.authenticate("all", UserName="pat", AuthTime=seconds))) == ["AuthTime"]


@pytest.mark.parametrize("text", ["-1", "1e9", "12 34", "٣", "9" * 30, "0x10", "+1"])
def test_what_only_looks_like_digits_is_no_auth_time(world: World, text: str) -> None:
    assert list(fields_of(world.authenticate("compat", UserName="pat", AuthTime=text))) == ["AuthTime"]


# --- a slash too many ----------------------------------------------------------------------------------------------------


def _with_slash(path: str) -> str:
    before, question, after = path.partition("?")
    return f"{before}/{question}{after}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_trailing_slash_answers_a_compat_key_and_is_told_and_a_strict_key_gets_a_hint(world: World, operation: Operation) -> None:
    raw = json.dumps(GOOD.get(operation.name)).encode() if operation.request is not None else None
    headers = {"Content-Type": "text/plain"} if operation.file is not None else {}
    path = _with_slash(at(world, operation))
    plain = world.send(operation.method, at(world, operation), raw, "compat", **headers)
    again = world.send(operation.method, path, raw, "compat", **headers)
    if operation.name != "CreateCustomer":  # it is there by now
        assert again.status_code == plain.status_code, again.text
    assert "TrailingSlash" in again.headers["X-Warning"]
    strict = world.send(operation.method, path, raw, "all", **headers)
    assert code_of(strict) == (404, TrailingSlash.code)
    assert "slash" in json.loads(strict.data)["detail"]
    assert code_of(world.send(operation.method, path, raw, None, **headers)) == (401, "InvalidApiKey")


def test_two_trailing_slashes_are_another_address(world: World) -> None:
    assert code_of(world.post(f"{AUTHENTICATE}//", {"UserName": "pat"}, "compat")) == (404, "PageNotFound")


def test_a_refused_trailing_slash_spends_no_idempotency_key(world: World) -> None:
    path = "/remote-authentication/register-accounts"
    body = {"UserName": "kim", "EmailAddress": "kim@example.com", "Accounts": [{"AccountNumber": "1001-02"}]}
    assert world.post(f"{path}/", body, "all", Idempotency_Key="k1").status_code == 404
    assert body_of(world.post(path, body, "all", Idempotency_Key="k1"))["Results"][0]["Status"] == "Registered"


# --- POST for everything -------------------------------------------------------------------------------------------------


def test_a_compat_key_may_post_to_an_old_name_that_reads(world: World) -> None:
    for place in ("RetrieveCustomerDetails", "customers/RetrieveCustomerDetails"):
        for sent, query in (({"AccountNumber": "1001-01"}, ""), ({}, "?AccountNumber=1001-01")):
            answer = world.post(f"/{place}{query}", sent, "compat")
            assert body_of(answer)["CustomerName"] == "Holder 1001-01"
            assert "OldName RetrieveCustomerDetails" in answer.headers["X-Warning"]


def test_a_compat_key_may_post_a_change_to_its_old_name_and_name_the_account_in_the_body(world: World) -> None:
    guid = str(world.hub.customers.get_by_account(world.riverbend, "1001-01").id)
    for number, named in enumerate(({"accountnumber": "1001-01"}, {"CustomerGUID": guid})):
        answer = world.post("/UpdateCustomerRecord", {**named, "City": f"Troy {number}"}, "compat")
        assert body_of(answer)["City"] == f"Troy {number}"


def test_a_post_that_names_two_accounts_changes_neither(world: World) -> None:
    answer = world.post("/UpdateCustomerRecord?AccountNumber=1001-02", {"AccountNumber": "1001-01", "City": "Troy"}, "compat")
    assert list(fields_of(answer)) == ["AccountNumber"]
    for number in ("1001-01", "1001-02"):
        assert world.hub.customers.get_by_account(world.riverbend, number).city == ""


def test_an_account_of_another_biller_is_not_found_by_post_either(world: World) -> None:
    answer = world.post("/RetrieveCustomerDetails", {"AccountNumber": "9009-09"}, "compat")
    assert code_of(answer) == (404, "CustomerNotFound")
    assert (
        body_of(world.post("/RetrieveCustomerDetails", {"AccountNumber": "9009-09"}, "lake-compat"))["AccountNumber"] == "9009-09"
    )


@pytest.mark.parametrize("sent", [b"", b"[]", b"{", b'{"AccountNumber": 7, "AccountNumber": 8}', b'{"AccountNumber": {}}'])
def test_a_post_with_a_body_that_names_nothing_is_told_what_is_wrong(world: World, sent: bytes) -> None:
    answer = world.send("POST", "/RetrieveCustomerDetails", sent, "compat")
    assert answer.status_code in {400, 422}


def test_a_strict_key_uses_the_method_of_the_operation(world: World) -> None:
    for old_name, allowed in (("RetrieveCustomerDetails", "GET"), ("UpdateCustomerRecord", "PATCH")):
        answer = world.post(f"/{old_name}", {"AccountNumber": "1001-01"}, "all")
        assert code_of(answer) == (405, "MethodNotAllowed")
        assert answer.headers["Allow"] == allowed
    assert code_of(world.post("/RetrieveCustomerDetails", {}, None)) == (401, "InvalidApiKey")


def test_the_scope_is_asked_for_whatever_the_method(world: World) -> None:
    few = replace(ALL, strictness="compat", scopes=frozenset(ALL.scopes) - {"customers:write"})
    world.add_key("reads", world.riverbend, "one", few)
    answer = world.post("/UpdateCustomerRecord", {"AccountNumber": "1001-01", "City": "Troy"}, "reads")
    assert code_of(answer) == (403, "ScopeMissing")


# --- addresses that are too long ------------------------------------------------------------------------------------------


def test_a_link_with_over_long_addresses_is_made_without_them_for_a_compat_key(world: World) -> None:
    url = f"https://portal.example.com/{'a' * 2000}"
    link = {"UserName": "pat", "RedirectID": 1, "ViewMode": 0, "CSSUrl": url}
    answer = world.post("/sso-connect/links", link | {"ReturnUrl": url}, "compat")
    assert body_of(answer)["Url"]
    assert set(answer.headers["X-Warning"].split("; ")) == {"ThemeUnknown CSSUrl", "ReturnUrlDropped ReturnUrl"}
    assert body_of(world.post("/sso-connect/links", link, "all"))["Url"]
    assert code_of(world.post("/sso-connect/links", link | {"ReturnUrl": url}, "all")) == (403, "ReturnUrlRefused")


# --- what a call costs ---------------------------------------------------------------------------------------------------


def test_a_call_that_names_its_user_by_a_token_takes_one_unit_of_the_rate(world: World) -> None:
    slow: dict[str, Any] = {"rate_per_second": 1, "burst": 10}
    world.add_key("slow", world.riverbend, "one", replace(ALL, **slow))
    token = world.token("slow", UserName="pat")
    left = [
        int(world.authenticate("slow", **named).headers["RateLimit-Remaining"])
        for named in ({"UserName": "pat"}, {"RemoteAuthenticationToken": token}, {"RemoteAuthenticationToken": "idht_" + "x" * 43})
    ]
    assert left == [8, 7, 6]


def test_a_call_that_names_by_a_token_and_shows_a_password_takes_one_unit_too(world: World) -> None:
    world.add_key("pwd", world.riverbend, "two", replace(OWN, authenticate="password", rate_per_second=1, burst=10))
    world.register("kim", "1001-02", key="pwd", Password="right horse")
    token = world.token("pwd", UserName="kim", Password="right horse")
    answer = world.authenticate("pwd", RemoteAuthenticationToken=token, Password="right horse")
    assert body_of(answer)["RemoteAuthenticationToken"]
    assert answer.headers["RateLimit-Remaining"] == "7"


# --- what the seat note says ---------------------------------------------------------------------------------------------


def test_who_asks_for_a_seat_that_is_free_beside_other_users_is_told_so(world: World) -> None:
    world.register("kim", "1001-02", LoginTypeID=3)
    first = body_of(world.register("lee", "1001-02"))["Results"][0]
    assert (first["LoginTypeID"], first["Note"]) == (2, "AccountHasUsers")
    taken = body_of(world.register("lee", "1001-01"))["Results"][0]
    assert (taken["LoginTypeID"], taken["Note"]) == (2, "OwnerSeatTaken")
