"""Forms of ours: the page that sent one, and the session that it belongs to."""

from __future__ import annotations

import pytest
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from idp.errors import CsrfRefused, OriginRefused
from idp.opaque import digest
from idp.secrets import Secrets
from idp.web.csrf import FIELD, Csrf, check_origin
from idp.web.request import HubRequest
from tests.idp.test_secrets import DataKeys

OAKDALE, BIRCHWOOD = 101, 202
OWN = "https://oakdale.hub.example.com"
SIBLING = "https://birchwood.hub.example.com"
SESSION, OTHER_SESSION = "s" * 43, "t" * 43


@pytest.fixture
def csrf() -> Csrf:
    return Csrf(Secrets((b"1" * 32,), DataKeys()))


def form(fields: dict[str, str] | None = None, query: str = "", **headers: str) -> HubRequest:
    return HubRequest(EnvironBuilder(method="POST", data=fields or {}, query_string=query, headers=Headers(headers)).get_environ())


def test_our_own_form_in_its_own_session_is_taken(csrf: Csrf) -> None:
    token = csrf.token(OAKDALE, SESSION)
    csrf.check(form({FIELD: token}, Origin=OWN), OWN, OAKDALE, SESSION)
    csrf.check(form({FIELD.upper(): token}, Referer=f"{OWN}/b/oakdale/bills"), OWN, OAKDALE, SESSION)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": SIBLING},
        {"Origin": "https://evil.example"},
        {"Origin": OWN.replace("https", "http")},
        {"Origin": f"{OWN}:8443"},
        {"Origin": f"{OWN}/"},
        {"Origin": f"{OWN}.evil.example"},
        {"Origin": f"{OWN} {SIBLING}"},
        {"Origin": "null", "Referer": f"{OWN}/b/oakdale/bills"},
        {"Origin": SIBLING, "Referer": f"{OWN}/b/oakdale/bills"},
        {"Referer": f"{SIBLING}/b/birchwood/bills"},
        {"Referer": f"https://evil.example/?{OWN}"},
        {"Referer": f"{OWN}@evil.example/"},
        {"Referer": f"{OWN}.evil.example/"},
        {"Referer": "http://["},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-site", "Origin": SIBLING},
    ],
)
def test_a_form_of_any_other_page_is_refused_though_its_token_is_right(csrf: Csrf, headers: dict[str, str]) -> None:
    request = form({FIELD: csrf.token(OAKDALE, SESSION)}, **headers)
    with pytest.raises(OriginRefused):
        csrf.check(request, OWN, OAKDALE, SESSION)
    with pytest.raises(OriginRefused):
        check_origin(request, OWN)


def test_a_form_without_the_token_of_this_session_is_refused(csrf: Csrf) -> None:
    right = csrf.token(OAKDALE, SESSION)
    wrong = [
        None,
        "",
        "é",
        right[:-1],
        right + "0",
        right.upper(),
        csrf.token(OAKDALE, OTHER_SESSION),
        csrf.token(BIRCHWOOD, SESSION),
        digest(SESSION),
    ]
    for token in wrong:
        with pytest.raises(CsrfRefused):
            csrf.check(form({"x": "y"} if token is None else {FIELD: token}, Origin=OWN), OWN, OAKDALE, SESSION)


def test_a_token_in_the_address_does_not_count(csrf: Csrf) -> None:
    with pytest.raises(CsrfRefused):
        csrf.check(form({"x": "y"}, query=f"{FIELD}={csrf.token(OAKDALE, SESSION)}", Origin=OWN), OWN, OAKDALE, SESSION)


def test_a_token_does_not_show_the_session_and_is_the_same_on_every_page(csrf: Csrf) -> None:
    token = csrf.token(OAKDALE, SESSION)
    assert SESSION not in token
    assert digest(SESSION) not in token
    assert csrf.token(OAKDALE, SESSION) == token
