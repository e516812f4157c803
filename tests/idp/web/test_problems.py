"""Refusals on the wire: every exception leaves as a reason of ours, and none leaves with its cause."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import cast

import pytest
from flask import Flask, Response, abort, request
from werkzeug.exceptions import BadRequest, ImATeapot, NotFound, default_exceptions

from hub.wsgi import current_request
from idp.errors import (
    BodyTooLarge,
    FieldError,
    HubError,
    InvalidFields,
    MalformedRequest,
    MethodNotAllowed,
    PageNotFound,
    RateLimited,
    StoreUnavailable,
    UnexpectedError,
    UnsupportedMediaType,
    UserNotFound,
)
from idp.web.problems import as_hub_error, install, problem_json
from idp.web.request import HubRequest

HUSH = "hush-hush-77"
TYPES = "https://api.hub.example.com/problems"


def site(fault: Exception | None = None) -> Flask:
    """An application with one view, which fails."""
    app = Flask("problems", static_folder=None)
    app.request_class = HubRequest

    @app.get("/fails")
    def fails() -> Response:
        raise fault or RuntimeError(HUSH)

    @app.get("/aborts/<int:status>")
    def aborts(status: int) -> Response:
        abort(status)

    install(app, lambda error: problem_json(error, cast(HubRequest, request).request_id, TYPES), current_request)
    return app


# --- what a fault means ------------------------------------------------------------------------------------------------------


def test_a_reason_of_ours_stays_what_it_is() -> None:
    reason = UserNotFound("nobody")
    assert as_hub_error(reason) is reason


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, MalformedRequest), (404, PageNotFound), (405, MethodNotAllowed), (413, BodyTooLarge), (415, UnsupportedMediaType)],
)
def test_an_error_of_the_framework_is_its_nearest_reason(status: int, reason: type[HubError]) -> None:
    assert type(as_hub_error(default_exceptions[status](HUSH))) is reason


@pytest.mark.parametrize("fault", [RuntimeError(HUSH), KeyError(HUSH), AssertionError(HUSH), RecursionError(HUSH), ImATeapot(HUSH)])
def test_anything_else_is_unexpected_and_keeps_its_text_to_itself(fault: Exception) -> None:
    reason = as_hub_error(fault)
    assert type(reason) is UnexpectedError
    assert HUSH not in repr(reason) + reason.detail + reason.public


@pytest.mark.parametrize("fault", [BadRequest(HUSH), NotFound(HUSH)])
def test_the_frameworks_own_words_are_not_passed_on(fault: Exception) -> None:
    assert HUSH not in repr(as_hub_error(fault)) + as_hub_error(fault).detail


# --- what leaves -------------------------------------------------------------------------------------------------------------


def test_an_unexpected_fault_is_500_without_its_cause_which_is_in_the_log_under_the_request_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = site().test_client().get("/fails")
    problem = json.loads(answer.data)
    assert (answer.status_code, problem["Code"]) == (500, "UnexpectedError")
    assert HUSH not in answer.text
    assert "Traceback" not in answer.text
    (record,) = [each for each in caplog.records if each.name == "idp.web.problems"]
    assert record.levelno == logging.ERROR
    assert problem["instance"] == f"urn:uuid:{record.__dict__['request_id']}"
    assert record.exc_info is not None
    assert HUSH in str(record.exc_info[1])


def test_a_part_that_is_away_is_503_and_in_the_log_with_its_detail_only(caplog: pytest.LogCaptureFixture) -> None:
    answer = site(StoreUnavailable("redis at 10.0.0.9")).test_client().get("/fails")
    assert answer.status_code == 503
    assert "10.0.0.9" not in answer.text
    (record,) = [each for each in caplog.records if each.name == "idp.web.problems"]
    assert (record.__dict__["code"], record.__dict__["detail"], record.exc_info) == ("StoreUnavailable", "redis at 10.0.0.9", None)


def test_what_the_caller_did_wrong_is_no_error_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert site(UserNotFound("nobody")).test_client().get("/fails").status_code == 404
    assert not [each for each in caplog.records if each.name == "idp.web.problems"]


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [(0.0, "1"), (0.001, "1"), (1.0, "1"), (1.001, "2"), (59.2, "60"), (3600.0, "3600"), (-5.0, "1")],
)
def test_the_time_to_wait_is_rounded_up_to_whole_seconds_and_never_none(wait: float, seconds: str) -> None:
    answer = site(RateLimited("over", retry_after=timedelta(seconds=wait))).test_client().get("/fails")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, seconds)


def test_without_a_time_to_wait_none_is_told() -> None:
    assert "Retry-After" not in site(RateLimited("over")).test_client().get("/fails").headers


def test_a_wrong_method_is_told_the_right_one() -> None:
    answer = site().test_client().post("/fails")
    assert (answer.status_code, json.loads(answer.data)["Code"]) == (405, "MethodNotAllowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("status", "code"), [(400, "MalformedRequest"), (404, "PageNotFound"), (413, "BodyTooLarge"), (418, "UnexpectedError")]
)
def test_the_status_on_the_wire_is_that_of_the_reason(status: int, code: str) -> None:
    answer = site().test_client().get(f"/aborts/{status}")
    problem = json.loads(answer.data)
    assert problem["Code"] == code
    assert answer.status_code == problem["status"] == (500 if code == "UnexpectedError" else status)


# --- problem+json ------------------------------------------------------------------------------------------------------------


def problem_of(error: HubError) -> dict[str, object]:
    response = problem_json(error, "id-1", TYPES)
    assert response.content_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    body = json.loads(response.get_data())
    assert isinstance(body, dict)
    return body


def test_a_problem_has_the_members_of_rfc_9457_and_a_stable_code() -> None:
    assert problem_of(UserNotFound(HUSH)) == {
        "type": f"{TYPES}/UserNotFound",
        "title": UserNotFound.public,
        "status": 404,
        "detail": UserNotFound.fix,
        "instance": "urn:uuid:id-1",
        "Code": "UserNotFound",
    }


def test_every_wrong_field_is_named() -> None:
    error = InvalidFields(HUSH, fields=[FieldError("UserName", "too long"), FieldError("Accounts.0.LoginTypeID", "1 to 4")])
    problem = problem_of(error)
    assert problem["Errors"] == [
        {"Field": "UserName", "Message": "too long"},
        {"Field": "Accounts.0.LoginTypeID", "Message": "1 to 4"},
    ]
    assert HUSH not in json.dumps(problem)


@pytest.mark.parametrize("reason", [MalformedRequest, UnsupportedMediaType, BodyTooLarge])
def test_what_is_wrong_with_the_form_of_a_request_is_told_in_our_words(reason: type[HubError]) -> None:
    assert problem_of(reason("not UTF-8"))["detail"] == f"not UTF-8. {reason.fix}"
    assert problem_of(reason())["detail"] == reason.fix
