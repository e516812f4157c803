"""What holds for every operation: keys, scopes, bodies, methods, headers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from idp.directory.api_keys import Scope
from sso_connect.api.operations import OPERATIONS, PREFIX, Operation
from tests.sso_connect.api.world import ALL, MAKER, ORIGIN, World, body_of, code_of, fields_of, unknown_guid

WITH_BODY = [operation for operation in OPERATIONS if operation.request is not None]
SCOPED = [operation for operation in OPERATIONS if operation.scope is not None]

GOOD: dict[str, dict[str, Any]] = {
    "CreateCustomer": {"AccountNumber": "5005-05"},
    "UpdateCustomer": {"CustomerName": "Pat Example"},
    "UpdateCustomerByNumber": {"CustomerName": "Pat Example"},
    "RetrieveUsers": {"AccountNumbers": ["1001-01"]},
    "RegisterAccounts": {"UserName": "pat", "EmailAddress": "pat@example.com", "Accounts": [{"AccountNumber": "1001-01"}]},
    "LinkAccounts": {"UserName": "pat", "Accounts": [{"AccountNumber": "1001-02"}]},
    "UnregisterAccounts": {"UserName": "pat", "AccountNumbers": ["1001-02"]},
    "RetrieveCustomerGUID": {"AccountNumber": "1001-01"},
    "RetrieveLoginGUID": {"UserName": "pat"},
    "RemoteAuthentication": {"UserName": "pat"},
    "RetrieveUserAccounts": {"UserName": "pat"},
    "Revoke": {"UserName": "pat"},
    "Introspect": {"RemoteAuthenticationToken": "idht_" + "x" * 43},
    "Explain": {"RemoteAuthenticationToken": "idht_" + "x" * 43},
    "CreateLink": {"UserName": "pat", "RedirectID": 1, "ViewMode": 0},
    "Diagnose": {},
    "RecentDiagnostics": {},
    "UpdatePassword": {"UserName": "pat", "NewPassword": "battery staple"},
    "UpdateEmailAddress": {"UserName": "pat", "EmailAddress": "pat.new@example.com"},
}


QUERY = {"RetrieveCustomerByNumber": "?AccountNumber=1001-01", "UpdateCustomerByNumber": "?AccountNumber=1001-01"}
"""What stands behind the path of an operation that needs it."""


def _named(operation: Operation) -> str:
    return operation.name


def at(world: World, operation: Operation) -> str:
    """The path of an operation, with something that is there in each place."""
    customer = world.hub.customers.get_by_account(world.riverbend, "1001-01")
    filled = operation.path.replace("{CustomerGUID}", str(customer.id)).replace("{InvoiceFileID}", unknown_guid())
    return filled + QUERY.get(operation.name, "")


def ask(world: World, operation: Operation, body: Any, key: str = "all", **headers: str) -> TestResponse:
    """An operation with this body."""
    return world.send(operation.method, at(world, operation), json.dumps(body).encode(), key, **headers)


@pytest.fixture(autouse=True)
def pat(world: World) -> str:
    """A user for all of them."""
    return world.login_guid("pat", "1001-01")


@pytest.mark.parametrize("operation", OPERATIONS, ids=_named)
def test_no_key_a_wrong_one_an_odd_one_or_two_are_401(world: World, operation: Operation) -> None:
    raw = json.dumps(GOOD.get(operation.name)).encode() if operation.request else None
    secret = world.keys["all"].secret
    for key in (None, "idhk_" + "x" * 43, secret[:-1], secret.upper(), "", " ", "x" * 5000, f"{secret},{secret}", "é"):
        headers = {} if key is None else {"X_Api_Key": key}
        answer = world.send(operation.method, at(world, operation), raw, None, **headers)
        assert code_of(answer) == (401, "InvalidApiKey"), key
        assert "WWW-Authenticate" in answer.headers
        assert "RateLimit-Limit" not in answer.headers


def test_a_key_in_the_address_or_as_bearer_is_no_key(world: World) -> None:
    secret = world.keys["all"].secret
    assert code_of(world.send("GET", f"/ping?X-Api-Key={secret}", None, None)) == (401, "InvalidApiKey")
    assert code_of(world.send("GET", "/ping", None, None, Authorization=f"Bearer {secret}")) == (401, "InvalidApiKey")


@pytest.mark.parametrize("operation", SCOPED, ids=_named)
def test_a_key_without_the_scope_is_403_whatever_the_body(world: World, operation: Operation) -> None:
    scopes = frozenset(scope for scope in Scope if scope is not operation.scope)
    world.add_key("less", world.riverbend, "one", replace(ALL, scopes=scopes))
    for raw in (json.dumps(GOOD.get(operation.name)).encode(), b"{", b""):
        answer = world.send(operation.method, at(world, operation), raw, "less")
        assert code_of(answer) == (403, "ScopeMissing")
        assert answer.headers["RateLimit-Limit"] == "1000"


@pytest.mark.parametrize("operation", WITH_BODY, ids=_named)
def test_what_is_no_json_object_is_400(world: World, operation: Operation) -> None:
    deep = b'{"a":' * 60 + b"1" + b"}" * 60
    for raw in (
        b"", b"{", b"null", b"[]", b'"x"', b"1", b"{'a':1}", b'{"a":1}x', b'{"a":NaN}', b'\xff\xfe{"a":1}', b'{"a":"\xc3"}',
        b'{"UserName":"a","username":"b"}', b'{"a":"\\u0000"}', b'{"a":"\\ud800"}', deep, b'{"a":' * 100_000,
    ):  # fmt: skip
        assert code_of(world.send(operation.method, at(world, operation), raw, "all")) == (400, "MalformedRequest"), raw[:40]


@pytest.mark.parametrize("operation", WITH_BODY, ids=_named)
def test_another_content_type_is_415(world: World, operation: Operation) -> None:
    raw = json.dumps(GOOD[operation.name]).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml", ""):
        answer = world.send(operation.method, at(world, operation), raw, "all", Content_Type=kind)
        assert code_of(answer) == (415, "UnsupportedMediaType"), kind


@pytest.mark.parametrize("operation", WITH_BODY, ids=_named)
def test_more_than_a_mebibyte_is_413(world: World, operation: Operation) -> None:
    raw = b'{"UserName":"' + b"x" * (1024 * 1024) + b'"}'
    assert code_of(world.send(operation.method, at(world, operation), raw, "all")) == (413, "BodyTooLarge")


@pytest.mark.parametrize("operation", [each for each in WITH_BODY if not each.ignores_unknown], ids=_named)
def test_an_unknown_field_is_422_by_name(world: World, operation: Operation) -> None:
    assert fields_of(ask(world, operation, {**GOOD[operation.name], "Colour": "red"})) == {
        "Colour": "is not a field of this operation"
    }


@pytest.mark.parametrize("operation", OPERATIONS, ids=_named)
def test_an_unknown_query_parameter_is_422_by_name_for_a_strict_key_and_told_to_a_compat_one(
    world: World, operation: Operation
) -> None:
    world.add_key("old", world.riverbend, "one", replace(ALL, strictness="compat"))
    path = at(world, operation)
    path += ("&" if "?" in path else "?") + "Colour=red"
    raw = None if operation.request is None and operation.file is None else json.dumps(GOOD.get(operation.name)).encode()
    kind = {"Content_Type": "text/plain"} if operation.file is not None else {}
    refused = world.send(operation.method, path, raw, "all", **kind)
    assert fields_of(refused) == {"colour": "is not a field of this operation"}
    assert int(refused.headers["RateLimit-Remaining"]) < int(refused.headers["RateLimit-Limit"]), "a refused call counts too"
    told = world.send(operation.method, path, raw, "old", **kind)
    assert "UnknownParameter colour" in told.headers["X-Warning"]
    assert told.status_code == operation.status or code_of(told)[1] != "InvalidFields"


@pytest.mark.parametrize("operation", WITH_BODY, ids=_named)
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.swapcase])
def test_names_match_without_regard_to_case(world: World, operation: Operation, spell: Any) -> None:
    def fold(value: Any) -> Any:
        if isinstance(value, dict):
            return {spell(name): fold(each) for name, each in value.items()}
        return [fold(each) for each in value] if isinstance(value, list) else value

    assert ask(world, operation, fold(GOOD[operation.name])).status_code == operation.status


@pytest.mark.parametrize("operation", WITH_BODY, ids=_named)
def test_every_field_refuses_other_types_blanks_and_lengths_by_name(world: World, operation: Operation) -> None:
    assert operation.request is not None
    for field in operation.request.model_fields.values():
        name = str(field.alias)
        for value in ({"x": 1}, "x" * 5000, " \t", "a\nb"):
            named = fields_of(ask(world, operation, {**GOOD[operation.name], name: value}))
            assert all(each.split(".")[0] == name for each in named), (name, value)
            assert all("xxxxx" not in message for message in named.values())


def test_faults_are_listed_to_a_bound_and_name_nested_places(world: World) -> None:
    body = {"UserName": "pat", "EmailAddress": "pat@example.com", "Accounts": [{"AccountNumber": 7, "X": 1}] * 100}
    named = fields_of(world.post("/remote-authentication/register-accounts", body))
    assert len(named) == 50
    assert named["Accounts.0.AccountNumber"] == "a text is expected"
    many = {f"Field{number}": 1 for number in range(900)}
    assert len(fields_of(world.post("/remote-authentication/revoke", many))) == 50
    one_too_many = {f"Field{number}": 1 for number in range(1001)}
    assert code_of(world.post("/remote-authentication/revoke", one_too_many)) == (400, "MalformedRequest")


def test_what_was_sent_is_never_echoed(world: World) -> None:
    for value in ("s3cr3t-value\n", 1234567, ["s3cr3t-value"]):
        for name in ("UserName", "RemoteAuthenticationToken", "LoginGUID", "AuthTime", "AuthMethods"):
            answer = world.post("/remote-authentication/authenticate", {name: value})
            assert "s3cr3t" not in answer.text
            assert "1234567" not in answer.text


def test_login_type_id_has_two_spellings_and_one_type(world: World) -> None:
    account = {"AccountNumber": "1001-02"}
    body = {"UserName": "kim", "EmailAddress": "kim@example.com", "Accounts": [account]}
    done = world.post("/remote-authentication/register-accounts", {**body, "LogInTypeID": 3})
    assert body_of(done)["Results"][0]["LoginTypeID"] == 3
    wrong: tuple[Any, ...] = (0, 5, -1, 10**30, "1", 1.0, True, None, [])
    for value in wrong:
        named = fields_of(world.post("/remote-authentication/register-accounts", {**body, "LogInTypeID": value}))
        assert list(named) == ["LoginTypeID"], value
    named = fields_of(
        world.post("/remote-authentication/register-accounts", {**body, "Accounts": [{**account, "loginTypeId": "2"}]})
    )
    assert list(named) == ["Accounts.0.LoginTypeID"]


def test_unknown_paths_and_methods_are_problems_too(world: World) -> None:
    assert code_of(world.get("/nothing")) == (404, "PageNotFound")
    assert code_of(world.get("/ping/")) == (404, "TrailingSlash")
    assert code_of(world.send("POST", "/../../../etc/passwd", b"{}", "all")) == (404, "PageNotFound")
    refused = world.send("DELETE", "/customers", None, "all")
    assert code_of(refused) == (405, "MethodNotAllowed")
    assert set(refused.headers["Allow"].split(", ")) == {"GET", "HEAD", "PATCH", "POST"}
    assert code_of(world.send("OPTIONS", "/ping", None, "all")) == (405, "MethodNotAllowed")
    outside = world.client.get("//api//v1/ping", base_url=ORIGIN)
    assert (outside.status_code, outside.content_type) == (404, "application/problem+json")
    outside = world.client.get("/", base_url=ORIGIN)
    assert (outside.status_code, outside.content_type) == (404, "application/problem+json")


def test_what_nobody_foresaw_is_500_without_its_cause(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("SELECT secret FROM table")

    monkeypatch.setattr(type(world.hub.admission), "admit", fail)
    answer = world.client.get(f"{PREFIX}/ping", headers={"X-Api-Key": world.keys["all"].secret}, base_url=ORIGIN)
    assert code_of(answer) == (500, "UnexpectedError")
    assert "secret" not in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


def test_every_answer_has_the_security_headers(world: World) -> None:
    for answer in (world.get("/ping"), world.get("/nothing"), world.get("/ping", None), world.get("/openapi.json", None)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Strict-Transport-Security"]
        assert "Set-Cookie" not in answer.headers
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_ping_tells_what_the_key_is_and_nothing_of_others(world: World) -> None:
    world.hub.api_keys.add_place(MAKER, "r", 101, world.keys["own"].key.id, "frame", "https://portal.example.com")
    world.hub.api_keys.add_place(MAKER, "r", 101, world.keys["own"].key.id, "return", "https://portal.example.com/back")
    body = body_of(world.get("/ping", "own"))
    assert body["Biller"]["BID"] == 101
    assert body["Biller"]["BillerGUID"] == str(world.riverbend.guid)
    assert body["Partner"] == "Portal Two"
    assert body["Policies"]["Users"] == "own"
    assert body["FrameOrigins"] == ["https://portal.example.com"]
    assert body["ReturnUrls"] == ["https://portal.example.com/back"]
    assert body["RedirectIDs"] == list(range(1, 12))
    assert set(body["Scopes"]) == {scope.value for scope in Scope}
    assert body_of(world.get("/ping", "lake"))["Biller"]["BID"] == 202
    assert world.keys["own"].secret not in json.dumps(body)


def test_a_rotated_key_answers_with_both_secrets_until_the_overlap_is_over(world: World) -> None:
    old, key = world.keys["all"].secret, world.keys["all"].key
    world.keys["new"] = world.hub.api_keys.rotate(MAKER, "r", 101, key.id, timedelta(days=1))
    world.keys["old"] = replace(world.keys["all"], secret=old)
    for name in ("old", "new"):
        body_of(world.get("/ping", name))
    world.clock.advance(timedelta(days=1))
    assert code_of(world.get("/ping", "old")) == (401, "InvalidApiKey")
    body_of(world.get("/ping", "new"))
