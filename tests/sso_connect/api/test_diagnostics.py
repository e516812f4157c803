"""Every refusal of the API is kept with its checks and found by its request id; warnings too; by the partner they belong to."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from idp.directory.api_keys import Scope
from idp.errors import InvalidApiKey, InvalidFields, Kind, RateLimited, ScopeMissing, StoreUnavailable
from sso_connect.api.operations import OPERATIONS
from sso_connect.api.refusals import _OF_THE_BODY, WORDS
from sso_connect.warnings import CATALOGUE, WarningCode
from tests.sso_connect.api.world import ALL, MAKER, World, body_of, code_of, fields_of, unknown_guid

REGISTER = "/remote-authentication/register-accounts"
AUTHENTICATE = "/remote-authentication/authenticate"
COMPAT = replace(ALL, strictness="compat")


def told(world: World, refused: TestResponse, key: str = "all") -> dict[str, Any]:
    """What GET /diagnostics says of a refused call, asked by its request id."""
    return body_of(world.get(f"/diagnostics/{refused.headers['X-Request-Id']}", key))


def failed(diagnosis: dict[str, Any]) -> list[dict[str, Any]]:
    return [check for check in diagnosis["Checks"] if not check["Held"]]


def recent(world: World, key: str = "all", query: str = "") -> list[dict[str, Any]]:
    results = body_of(world.get(f"/diagnostics/recent{query}", key))["Results"]
    assert isinstance(results, list)
    return results


def test_every_reason_that_an_operation_may_refuse_for_has_its_words() -> None:
    reasons = {reason for operation in OPERATIONS for reason in operation.all_refusals}
    elsewhere = {InvalidApiKey, ScopeMissing, InvalidFields, *_OF_THE_BODY}
    ours = {RateLimited} | {reason for reason in reasons if reason.kind in {Kind.INTERNAL, Kind.UNAVAILABLE}}
    assert reasons - elsewhere - ours <= set(WORDS)


def test_a_refused_call_is_explained_by_its_request_id_with_what_was_expected_what_came_and_the_fix(world: World) -> None:
    refused = world.authenticate(UserName="nobody")
    diagnosis = told(world, refused)
    assert (diagnosis["Kind"], diagnosis["Code"], diagnosis["Where"]) == ("refusal", "UserNotFound", f"POST {AUTHENTICATE}")
    assert diagnosis["RequestID"] == refused.headers["X-Request-Id"]
    assert [(check["Check"], check["Held"]) for check in diagnosis["Checks"]] == [
        ("key", True), ("scope", True), ("body", True), ("user", False),
    ]  # fmt: skip
    (check,) = failed(diagnosis)
    assert check["Expected"] == "a user of this biller that the key may speak for"
    assert check["Fix"].startswith("Register the user first")
    assert body_of(world.get(f"/diagnostics/{diagnosis['Reference'].lower()}")) == diagnosis


def test_each_wrong_field_is_a_check_of_its_own_without_what_was_sent(world: World) -> None:
    refused = world.post(REGISTER, {"UserName": ["s3cr3t"], "Password": "s3cr3t", "Accounts": [{"AccountNumber": "s3cr3t\n"}]})
    named = fields_of(refused)
    checks = failed(told(world, refused))
    assert {check["Check"]: check["Expected"] for check in checks} == named
    assert {check["Came"] for check in checks} == {"nothing", "something else"}
    assert "s3cr3t" not in world.stored()


@pytest.mark.parametrize("raw", [b"", b"{", b'{"a":1,"A":"s3cr3t"}', b"\xff"])
def test_a_body_that_cannot_be_read_is_explained(world: World, raw: bytes) -> None:
    for path in (AUTHENTICATE, REGISTER):
        refused = world.send("POST", path, raw, "all")
        (check,) = failed(told(world, refused))
        assert check["Check"] == "body"
    assert "s3cr3t" not in world.stored()


def test_another_content_type_is_explained(world: World) -> None:
    refused = world.send("POST", REGISTER, b"{}", "all", Content_Type="text/plain")
    (check,) = failed(told(world, refused))
    assert (check["Check"], check["Came"]) == ("content type", "text/plain")


def test_a_revoked_key_and_one_without_scope_count_as_known(world: World) -> None:
    world.add_key("revoked", world.riverbend, "one", ALL)
    world.hub.api_keys.revoke(MAKER, "r", 101, world.keys["revoked"].key.id)
    world.add_key("less", world.riverbend, "one", replace(ALL, scopes=frozenset({Scope.FILES})))
    for key, code, check in (("revoked", "InvalidApiKey", "key"), ("less", "ScopeMissing", "scope")):
        calls = (world.post(REGISTER, {}, key), world.authenticate(key, UserName="pat"), world.get("/diagnostics/recent", key))
        for refused in calls:
            diagnosis = told(world, refused)
            assert (diagnosis["Code"], failed(diagnosis)[0]["Check"]) == (code, check)


def test_an_unknown_key_an_unknown_page_and_a_key_over_its_rate_leave_nothing(world: World) -> None:
    world.add_key("slow", world.riverbend, "one", replace(ALL, rate_per_second=1, burst=1))
    world.get("/ping", "slow")
    assert code_of(world.get("/ping", "slow"))[0] == 429
    assert code_of(world.authenticate("slow", UserName="pat"))[0] == 429
    assert world.send("GET", "/ping", None, None, X_Api_Key="idhk_" + "x" * 43).status_code == 401
    assert world.get("/nothing").status_code == 404
    assert recent(world) == []


def test_a_success_leaves_nothing_and_costs_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("asked for something")

    monkeypatch.setattr(type(world.hub.diagnostics), "record", refuse)
    monkeypatch.setattr(type(world.hub.warnings), "hear", refuse)
    world.login_guid("pat", "1001-01")
    assert world.token(UserName="pat")


def test_a_diagnosis_that_cannot_be_kept_changes_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("told to be away")

    world.add_key("compat", world.riverbend, "one", COMPAT)
    world.login_guid("pat", "1001-01")
    monkeypatch.setattr(type(world.hub.diagnostics), "record", away)
    assert code_of(world.authenticate(UserName="nobody")) == (404, "UserNotFound")
    monkeypatch.setattr(world.hub.warnings, "_begin", away)
    assert world.authenticate("compat", UserName="pat", Colour="red").status_code == 200


# --- whose ---------------------------------------------------------------------------------------------------------------------


def test_what_is_refused_to_one_partner_is_unknown_to_another_and_at_another_biller(world: World) -> None:
    refused = world.authenticate(UserName="nobody")
    reference = told(world, refused)["Reference"]
    for name in (reference, refused.headers["X-Request-Id"]):
        unknown = world.get(f"/diagnostics/{unknown_guid()}")
        assert code_of(unknown) == (404, "ReferenceNotFound")
        for key in ("own", "lake", "other"):
            foreign = world.get(f"/diagnostics/{name}", key)
            assert code_of(foreign) == (404, "ReferenceNotFound"), key
    for key in ("own", "lake", "other"):
        assert {each["Code"] for each in recent(world, key)} == {"ReferenceNotFound"}


def test_another_key_of_the_same_partner_sees_it(world: World) -> None:
    world.add_key("second", world.riverbend, "one", ALL)
    assert told(world, world.authenticate(UserName="nobody"), "second")["Code"] == "UserNotFound"


def test_recent_pages_through_refusals_and_warnings_newest_first(world: World) -> None:
    world.add_key("compat", world.riverbend, "one", COMPAT)
    for number in range(4):
        world.clock.advance(timedelta(seconds=61))
        world.authenticate(UserName=f"nobody{number}")
        world.post("/remote-authentication/retrieve-users", {"AccountNumbers": ["1"], f"Field{number}": 1}, "compat")
    whole = recent(world)
    assert sorted(each["Kind"] for each in whole) == ["refusal"] * 4 + ["warning"] * 4
    assert [each["At"] for each in whole] == sorted((each["At"] for each in whole), reverse=True)
    paged: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = body_of(world.get(f"/diagnostics/recent?limit=3{cursor}"))
        paged += page["Results"]
        if page["Cursor"] is None:
            break
        cursor = f"&Cursor={page['Cursor']}"
    assert paged == whole


@pytest.mark.parametrize("query", ["?Limit=0", "?Limit=201", "?Limit=x", "?Limit=1&limit=2", "?Cursor=", "?Cursor=x", "?colour=1"])
def test_odd_pages_are_refused_by_name(world: World, query: str) -> None:
    name = query[1:].partition("=")[0]
    assert list(fields_of(world.get(f"/diagnostics/recent{query}"))) == [name]


@pytest.mark.parametrize("reference", ["x", "%20", "x" * 500, "%00", "..%2F..", "'%20OR%201=1", "é"])
def test_odd_references_are_unknown_or_refused(world: World, reference: str) -> None:
    answer = world.get(f"/diagnostics/{reference}")
    assert code_of(answer) in {(404, "ReferenceNotFound"), (422, "InvalidFields"), (404, "PageNotFound")}


# --- warnings ------------------------------------------------------------------------------------------------------------------


def test_what_a_compat_key_is_warned_of_is_told_at_once_and_found_again(world: World) -> None:
    world.add_key("compat", world.riverbend, "one", COMPAT)
    answer = world.post("/RetrieveUsers", {"AccountNumbers": ["1001-01"], "Colour": "s3cr3t"}, "compat")
    assert answer.headers["X-Warning"] == "OldName RetrieveUsers; UnknownField Colour"
    diagnosis = body_of(world.get(f"/diagnostics/{answer.headers['X-Request-Id']}"))
    assert (diagnosis["Kind"], diagnosis["Reference"]) == ("warning", None)
    assert diagnosis["Where"] == "POST /remote-authentication/retrieve-users"
    assert {(check["Check"], check["Came"]) for check in diagnosis["Checks"]} == {
        ("OldName", "RetrieveUsers"),
        ("UnknownField", "Colour"),
    }
    assert all(check["Fix"] for check in diagnosis["Checks"])
    for key in ("own", "lake", "other"):
        assert code_of(world.get(f"/diagnostics/{answer.headers['X-Request-Id']}", key)) == (404, "ReferenceNotFound")
    assert "s3cr3t" not in world.stored()


def test_warnings_of_a_call_that_is_refused_after_all_are_kept_with_the_refusal(world: World) -> None:
    world.add_key("compat", world.riverbend, "one", COMPAT)
    refused = world.authenticate("compat", UserName="nobody", Colour="red")
    assert told(world, refused)["Code"] == "UserNotFound"
    assert [each.code for each in world.hub.warnings.list_all(101)] == ["UnknownField"]


def test_the_catalogue_of_warnings_is_whole_and_served_as_page_and_json(world: World) -> None:
    assert set(CATALOGUE) == set(WarningCode)
    listed = body_of(world.get("/warnings", None))["Warnings"]
    assert [each["Code"] for each in listed] == [code.value for code in CATALOGUE]
    for each in listed:
        assert all(each[name] for name in ("Meaning", "Subject", "Fix"))
    page = world.get("/warnings", None, Accept="text/html")
    assert page.content_type == "text/html; charset=utf-8"
    for code in WarningCode:
        assert code in page.text
    assert json.loads(world.get("/warnings", None).data)["Warnings"] == listed
