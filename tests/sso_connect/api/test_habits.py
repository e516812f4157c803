"""What partners are used to goes on working: old names, HTTP Basic, compat keys; and repeats by Idempotency-Key."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from sso_connect.api.aliases import OLD_NAMES, old_rules, path_of
from sso_connect.api.operations import OPERATIONS, PREFIX, Operation
from tests.sso_connect.api.test_bodies import GOOD
from tests.sso_connect.api.world import ALL, ORIGIN, OWN, World, body_of, code_of, fields_of

OLD = [
    (old_name, operation)
    for old_name, name in OLD_NAMES.items()
    for operation in OPERATIONS
    if operation.name == name and operation.method == "POST" and operation.request is not None
]


@pytest.fixture(autouse=True)
def pat(world: World) -> str:
    """A user for all of them, and a compat key for each biller."""
    world.add_key("compat", world.riverbend, "one", replace(ALL, strictness="compat"))
    return world.login_guid("pat", "1001-01")


# --- old names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old_name", "operation"), OLD, ids=[old_name for old_name, _ in OLD])
def test_an_operation_answers_under_its_old_name_alone_and_in_its_group(world: World, old_name: str, operation: Operation) -> None:
    group = operation.path.split("/")[1]
    pascal = "".join(word.capitalize() for word in group.split("-"))
    places = (old_name, old_name.lower(), f"{group}/{old_name}", f"{pascal}/{old_name}", f"{pascal.upper()}/{old_name.upper()}")
    for number, place in enumerate(places):
        body = dict(GOOD[operation.name])
        if operation.name == "CreateCustomer":
            body["AccountNumber"] = f"5-{number}"
        answer = world.post(f"/{place}", body, "compat")
        assert answer.status_code in {operation.status, *(status for status, _ in operation.others)}, (place, answer.text)
        assert answer.headers["Deprecation"].startswith("@")
        assert answer.headers["Link"] == f'<{path_of(operation)}>; rel="successor-version"'
        assert f"OldName {old_name}" in answer.headers["X-Warning"]
    assert "Deprecation" not in world.post(operation.path, GOOD[operation.name], "compat").headers


def test_a_refusal_under_an_old_name_says_that_it_is_old_too(world: World) -> None:
    answer = world.post("/RegisterAccounts", {}, "compat")
    assert code_of(answer) == (422, "InvalidFields")
    assert "Deprecation" in answer.headers


@pytest.mark.parametrize("path", ["/customers/RegisterAccounts", "/v1/RegisterAccounts", "/registeraccount"])
def test_an_old_name_in_another_place_is_not_found(world: World, path: str) -> None:
    assert code_of(world.post(path, {}, "compat")) == (404, "PageNotFound")


def test_an_old_name_takes_the_method_of_its_operation_only(world: World) -> None:
    assert code_of(world.get("/RegisterAccounts", "compat")) == (405, "MethodNotAllowed")


def test_every_old_name_means_an_operation_and_has_two_routes(world: World) -> None:
    names = {operation.name for operation in OPERATIONS}
    assert set(OLD_NAMES.values()) <= names, "an old name without its operation"
    rules = {rule.rule for rule in world.app.url_map.iter_rules()}
    for old_name, name in OLD_NAMES.items():
        operation = next(each for each in OPERATIONS if each.name == name)
        assert {PREFIX + rule for rule in old_rules(old_name, operation)} <= rules


# --- HTTP Basic --------------------------------------------------------------------------------------------------------------


def basic(user: str, password: str = "") -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def test_a_key_may_come_as_the_user_name_of_http_basic_with_an_empty_password(world: World) -> None:
    secret = world.keys["all"].secret
    for value in (basic(secret), basic(secret).replace("Basic", "basic"), basic(secret).replace("Basic ", "BASIC  ")):
        answer = world.send("GET", "/ping", None, None, Authorization=value)
        assert body_of(answer)["Biller"]["BID"] == 101
    lake = world.send("GET", "/ping", None, None, Authorization=basic(world.keys["lake"].secret))
    assert body_of(lake)["Biller"]["BID"] == 202


@pytest.mark.parametrize("value", ["Basic", "Basic !!!", "Basic w6k6", "Basic " + b64encode(b"no colon").decode(), "Basic Og=="])
def test_what_is_no_basic_key_is_401(world: World, value: str) -> None:
    assert code_of(world.send("GET", "/ping", None, None, Authorization=value)) == (401, "InvalidApiKey")


def test_basic_with_a_password_or_beside_another_key_is_401(world: World) -> None:
    secret = world.keys["all"].secret
    assert code_of(world.send("GET", "/ping", None, None, Authorization=basic(secret, "x"))) == (401, "InvalidApiKey")
    assert code_of(world.send("GET", "/ping", None, "all", Authorization=basic(secret))) == (401, "InvalidApiKey")


# --- compat and strict -------------------------------------------------------------------------------------------------------


def test_a_compat_key_may_send_unknown_fields_and_is_told_which_were_ignored(world: World) -> None:
    accounts = [{"AccountNumber": "1001-02", "Shade": 1}]
    answer = world.register("kim", Accounts=accounts, key="compat", Colour="red")
    assert body_of(answer)["Results"][0]["Status"] == "Registered"
    assert answer.headers["X-Warning"] == "UnknownField Accounts.0.Shade, Colour"
    authenticated = world.authenticate("compat", UserName="kim", Colour="red")
    assert body_of(authenticated)["RemoteAuthenticationToken"]
    assert authenticated.headers["X-Warning"] == "UnknownField Colour"


def test_a_strict_key_is_refused_and_told_the_field(world: World) -> None:
    assert list(fields_of(world.authenticate("all", UserName="pat", Colour="red"))) == ["Colour"]


def test_an_answer_without_anything_ignored_has_no_warning(world: World) -> None:
    assert "X-Warning" not in world.authenticate("compat", UserName="pat").headers


def test_a_compat_key_is_still_told_what_is_wrong(world: World) -> None:
    answer = world.register("kim", Accounts=[{"AccountNumber": ""}], key="compat", Colour="red")
    assert list(fields_of(answer)) == ["Accounts.0.AccountNumber"]


def test_a_compat_key_may_send_numbers_and_flags_as_text(world: World) -> None:
    answer = world.register("kim", "1001-02", key="compat", LoginTypeID="3", EmailVerified="true")
    assert body_of(answer)["Results"][0]["LoginTypeID"] == 3
    assert list(fields_of(world.register("lee", "1002-01", key="compat", LoginTypeID="three"))) == ["LoginTypeID"]
    assert list(fields_of(world.register("lee", "1002-01", key="all", LoginTypeID="3"))) == ["LoginTypeID"]


def test_a_name_that_no_header_can_hold_is_told_in_plain_letters(world: World) -> None:
    answer = world.authenticate("compat", UserName="pat", **{"Färbe\r\nSet-Cookie: x": 1, "x" * 500: 2})
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert all(32 < ord(character) < 127 or character == " " for character in answer.headers["X-Warning"])
    assert len(answer.headers["X-Warning"]) <= 1000


# --- repeats -----------------------------------------------------------------------------------------------------------------


def repeat(world: World, body: Any, key: str = "all", idempotency_key: str = "k-1", path: str = "/customers") -> Any:
    return world.post(path, body, key, Idempotency_Key=idempotency_key)


def test_a_repeated_request_answers_what_the_first_answered_and_does_nothing(world: World) -> None:
    first = repeat(world, {"AccountNumber": "5-5", "CustomerName": "Noor"})
    again = repeat(world, {"CustomerName": "Noor", "AccountNumber": "5-5"})
    assert (first.status_code, first.data) == (again.status_code, again.data) == (201, first.data)
    assert first.headers["X-Request-Id"] != again.headers["X-Request-Id"]
    assert code_of(repeat(world, {"AccountNumber": "5-5"}, idempotency_key="k-2")) == (409, "CustomerExists")


def test_another_body_under_the_same_idempotency_key_is_409(world: World) -> None:
    repeat(world, {"AccountNumber": "5-5"})
    assert code_of(repeat(world, {"AccountNumber": "5-6"})) == (409, "IdempotencyKeyReused")
    assert body_of(repeat(world, {"AccountNumber": "5-6"}, idempotency_key="k-2"), 201)


def test_a_refused_request_may_be_repeated_with_a_better_body(world: World) -> None:
    assert code_of(repeat(world, {"AccountNumber": "1001-01"})) == (409, "CustomerExists")
    assert body_of(repeat(world, {"AccountNumber": "5-5"}), 201)


def test_idempotency_keys_of_two_api_keys_and_two_billers_are_two(world: World) -> None:
    guids = {body_of(repeat(world, {"AccountNumber": f"5-{key}"}, key), 201)["CustomerGUID"] for key in ("all", "own", "lake")}
    assert len(guids) == 3


def test_old_and_new_name_are_one_operation_for_an_idempotency_key(world: World) -> None:
    first = repeat(world, {"AccountNumber": "5-5"})
    again = repeat(world, {"AccountNumber": "5-5"}, path="/CreateCustomerRecord")
    assert first.data == again.data


@pytest.mark.parametrize("value", ["", "x" * 256, "a,b", "é"])
def test_an_idempotency_key_of_the_wrong_form_is_422(world: World, value: str) -> None:
    assert list(fields_of(repeat(world, {"AccountNumber": "5-5"}, idempotency_key=value))) == ["Idempotency-Key"]


def test_an_answer_with_a_secret_is_never_stored_and_a_repeat_mints_anew(world: World) -> None:
    tokens = {
        body_of(repeat(world, {"UserName": "pat"}, path="/remote-authentication/authenticate"))["RemoteAuthenticationToken"]
        for _ in range(2)
    }
    assert len(tokens) == 2
    assert not any(token in world.stored() for token in tokens)


def test_an_idempotency_key_on_a_call_that_only_reads_is_ignored(world: World) -> None:
    for number in ("1001-01", "1001-02"):
        answer = repeat(world, {"AccountNumbers": [number]}, path="/remote-authentication/retrieve-users")
        assert body_of(answer)["Results"][0]["AccountNumber"] == number


def test_every_operation_that_writes_by_post_takes_an_idempotency_key_and_no_other_does(world: World) -> None:
    document = json.loads(world.client.get(f"{PREFIX}/openapi.json", base_url=ORIGIN).data)
    for operation in OPERATIONS:
        told = document["paths"][operation.path][operation.method.lower()].get("parameters", [])
        assert any(each["name"] == "Idempotency-Key" for each in told) == operation.takes_key, operation.name


def test_a_key_of_its_own_users_has_the_same_habits(world: World) -> None:
    world.add_key("modest", world.riverbend, "two", replace(OWN, strictness="compat"))
    answer = world.post("/RegisterAccounts", {**GOOD["RegisterAccounts"], "UserName": "kim", "Colour": 1}, "modest")
    assert body_of(answer)["LoginGUID"]
    assert answer.headers["X-Warning"] == "OldName RegisterAccounts; UnknownField Colour"
