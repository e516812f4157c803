"""The error catalogue is whole: every reason has a code, a status, words for each wire format, and a text in each language."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from flask import Flask

from idp import errors
from idp.errors import FieldError, HubError, Kind, catalogue
from idp.texts import LOCALES, Texts, messages
from idp.web.problems import problem_json
from sso_connect.warnings import WarningCode

HTTP_OF_KIND = {
    Kind.INVALID: {400, 408, 413, 415, 422, 431},
    Kind.UNAUTHENTICATED: {401},
    Kind.DENIED: {403},
    Kind.NOT_FOUND: {404, 405},
    Kind.CONFLICT: {409},
    Kind.EXPIRED: {410},
    Kind.SPENT: {410},
    Kind.THROTTLED: {429},
    Kind.UNAVAILABLE: {502, 503},
    Kind.INTERNAL: {500},
}
OAUTH = {
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
    "access_denied", "server_error", "temporarily_unavailable", "slow_down",
}  # fmt: skip
"""RFC 6749 4.1.2.1 and 5.2, RFC 8628 3.5."""
SAML = {"Requester", "Responder", "AuthnFailed", "RequestDenied"}
"""SAML 2.0 core 3.2.2.2, the last part of the URN."""

WORDS_OF_TESTS = [
    set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    for path in Path(__file__).resolve().parents[1].rglob("test_*.py")
    if path != Path(__file__).resolve()
]
"""The words of each file of tests but this one."""

REASONS = [pytest.param(reason, id=reason.code) for reason in catalogue()]


def branches() -> list[type[HubError]]:
    """The sorts of refusal, directly below the root."""
    return HubError.__subclasses__()


def test_every_kind_has_one_branch_and_every_branch_a_kind() -> None:
    kinds = [branch.kind for branch in branches()]
    assert sorted(kinds) == sorted(Kind)
    assert set(HTTP_OF_KIND) == set(Kind)


def test_every_branch_has_a_reason_and_every_class_is_one_or_the_other() -> None:
    reasons = set(catalogue())
    for branch in branches():
        assert any(issubclass(reason, branch) for reason in reasons), branch

    def below(parent: type[HubError]) -> list[type[HubError]]:
        return [each for child in parent.__subclasses__() for each in (child, *below(child))]

    assert set(below(HubError)) == reasons | set(branches())


def test_codes_are_unique() -> None:
    codes = [reason.code for reason in catalogue()]
    assert len(set(codes)) == len(codes)
    assert len({code.lower() for code in codes}) == len(codes)


@pytest.mark.parametrize("reason", REASONS)
def test_a_code_is_the_name_of_its_class_and_is_exported(reason: type[HubError]) -> None:
    assert reason.code == reason.__name__
    assert re.fullmatch(r"[A-Z][a-zA-Z]+", reason.code)
    assert getattr(errors, reason.code) is reason


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_has_a_status_of_its_kind_and_words_that_oauth_and_saml_know(reason: type[HubError]) -> None:
    assert reason.http in HTTP_OF_KIND[reason.kind]
    assert reason.oauth in OAUTH
    assert reason.saml in SAML
    if reason.kind in {Kind.UNAVAILABLE, Kind.INTERNAL}:
        assert reason.saml == "Responder"
        assert reason.oauth in {"server_error", "temporarily_unavailable"}


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_has_a_public_sentence_a_fix_and_a_docstring(reason: type[HubError]) -> None:
    assert reason.public.endswith(".")
    assert reason.fix.endswith(".")
    assert reason.fix != reason.public
    assert reason.__doc__
    assert reason.__doc__ != (reason.__mro__[1].__doc__ or "")
    assert not re.search("`[a-z]", reason.__doc__), "partners read it under the type of each problem: no names of our attributes"


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_has_a_text_in_every_language_and_the_english_one_is_its_public_sentence(
    reason: type[HubError], locale: str
) -> None:
    text = Texts(locale).get(f"errors.{reason.code}")
    assert text
    if locale == "en":
        assert text == reason.public


@pytest.mark.parametrize("locale", LOCALES)
def test_the_catalogue_of_texts_has_no_reason_that_does_not_exist(locale: str) -> None:
    codes = {key.removeprefix("errors.") for key in messages(locale) if key.startswith("errors.")}
    assert codes == {reason.code for reason in catalogue()}


@pytest.mark.parametrize("reason", REASONS)
def test_the_problem_of_a_reason_tells_code_status_and_public_words_and_never_the_detail(reason: type[HubError]) -> None:
    private = "the detail of it"
    with Flask("x").app_context():
        response = problem_json(reason(private, fields=[FieldError("Field", "wrong")]), "id", "https://api.example/problems")
    body = json.loads(response.get_data())
    assert response.status_code == body["status"] == reason.http
    assert body["Code"] == reason.code
    assert body["type"] == f"https://api.example/problems/{reason.code}"
    assert body["title"] == reason.public
    assert body["Errors"] == [{"Field": "Field", "Message": "wrong"}]
    shown = {"MalformedRequest", "UnsupportedMediaType", "BodyTooLarge", "BodyTooSlow", "HeadTooLarge"}
    assert (private in json.dumps(body)) == (reason.code in shown)


def test_a_reason_raised_without_a_word_says_its_public_sentence() -> None:
    for reason in catalogue():
        assert str(reason()) == reason.public
        assert reason().detail == ""


@pytest.mark.parametrize("names", [pytest.param({reason.code, reason.__name__}, id=reason.code) for reason in catalogue()])
def test_every_reason_is_named_by_a_test(names: set[str]) -> None:
    assert any(names & words for words in WORDS_OF_TESTS)


@pytest.mark.parametrize("code", WarningCode)
def test_every_warning_is_named_by_a_test(code: WarningCode) -> None:
    assert any({code.value, code.name} & words for words in WORDS_OF_TESTS)
