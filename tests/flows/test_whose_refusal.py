"""Whose a refused redirect is: its token says so, also where the parameters cannot be read; nobody else's partner sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from idp.directory.api_keys import KeyPolicies
from idp.opaque import new_id
from sso_connect.arrivals import AFTER_REDEEM
from sso_connect.checks import MOST_TEXT
from sso_connect.refusal_limits import OF_NOBODY
from tests.flows.partner import PartnerProgram
from tests.flows.visitor import Answer
from tests.flows.world import ACTOR, HARBORLIGHT, PRAIRIE, RIVERBEND, World

Form = list[tuple[str, str]]


def without(name: str) -> Callable[[Form], Form]:
    return lambda form: [each for each in form if each[0] != name]


def with_value(name: str, value: str) -> Callable[[Form], Form]:
    return lambda form: [*without(name)(form), (name, value)]


def again(name: str, value: str) -> Callable[[Form], Form]:
    return lambda form: [*form, (name.upper(), value)]


MALFORMED: dict[str, tuple[Callable[[Form], Form], set[str]]] = {
    "RedirectID out of range": (with_value("RedirectID", "12"), {"destination"}),
    "ViewMode out of range": (with_value("ViewMode", "7"), {"view mode"}),
    "no RedirectID": (without("RedirectID"), {"destination"}),
    "no ViewMode": (without("ViewMode"), {"view mode"}),
    "RedirectID twice": (again("RedirectID", "1"), {"destination"}),
    "ViewMode twice": (again("ViewMode", "0"), {"view mode"}),
    "account number too long": (with_value("AccountNumber", "1" * 51), {"account"}),
    "nothing but a token": (lambda form: form[:1], {"destination", "view mode"}),
}
"""How a redirect is spoilt, and which rules cannot be asked then."""


def send(world: World, form: Form, *, bid: int = RIVERBEND, method: str = "POST") -> Answer:
    url = f"{world.biller(bid).base_url}/sso/connect"
    if method == "GET":
        return world.visitor().get(f"{url}?{'&'.join('='.join(each) for each in form)}", headers={"Referer": f"{HARBORLIGHT}/"})
    return world.visitor().post(url, form, origin=HARBORLIGHT)


def recent(world: World, key: str) -> list[str]:
    return [each["Reference"] for each in PartnerProgram(world, key).told("/diagnostics/recent?Limit=200")["Results"]]


def is_only_of(world: World, page: Answer, key: str, *others: str) -> dict[str, Any]:
    """The diagnosis that the partner of a key reads by reference, by request id and in its list, and nobody else at all."""
    assert page.reference in recent(world, key)
    for other in others:
        assert page.reference not in recent(world, other)
        for name in (page.reference, page.headers["X-Request-Id"]):
            assert PartnerProgram(world, other).refused(f"/diagnostics/{name}") == (404, "ReferenceNotFound")
    told = PartnerProgram(world, key).told(f"/diagnostics/{page.reference}")
    assert told == PartnerProgram(world, key).told(f"/diagnostics/{page.headers['X-Request-Id']}")
    return told


@pytest.mark.parametrize("key", ["session", "single"])
@pytest.mark.parametrize("way", MALFORMED)
def test_a_malformed_redirect_with_a_live_token_reaches_its_partner_alone_with_every_check(
    world: World, way: str, key: str
) -> None:
    spoil, unasked = MALFORMED[way]
    token = world.token(key=key, session_reference="s-9")
    page = send(world, spoil(list(world.form(token).items())))
    assert page.status == 400
    assert "Harborlight" in page.text
    told = is_only_of(world, page, key, "meadowline", "prairie")
    assert (told["Code"], told["SessionReference"]) == ("InvalidRedirect", "s-9")
    checks = {each["Check"]: each for each in told["Checks"]}
    assert list(checks) == ["parameters", "token", "biller", *(rule.name for rule in AFTER_REDEEM)]
    assert {name for name, each in checks.items() if not each["Evaluated"]} == unasked
    assert {name for name, each in checks.items() if each["Evaluated"] and not each["Held"]} == {"parameters"}
    assert world.refusal(page).user_id == world.user_id("avery")


def test_a_malformed_redirect_by_get_reaches_its_partner_alone(world: World) -> None:
    page = send(world, list(world.form(world.token(), RedirectID="12").items()), method="GET")
    assert is_only_of(world, page, "session", "meadowline", "prairie")["Where"] == "GET /b/riverbend/sso/connect"


@pytest.mark.parametrize(("site", "held"), [("same-origin", True), ("none", True), ("cross-site", False), ("same-site", False)])
def test_of_a_malformed_redirect_without_a_sender_the_browsers_word_decides_as_of_any_other(
    world: World, site: str, held: bool
) -> None:
    form = world.form(world.token(), RedirectID="12")
    page = world.visitor().post(f"{world.biller().base_url}/sso/connect", form, origin=None, headers={"Sec-Fetch-Site": site})
    told = is_only_of(world, page, "session", "meadowline")
    (check,) = [each for each in told["Checks"] if each["Check"] == "sender named"]
    assert (check["Evaluated"], check["Held"]) == (True, held)


def test_a_token_that_came_twice_says_whose_it_is_and_is_not_judged(world: World) -> None:
    token, other = world.token(), world.token(key="meadowline")
    page = send(world, again("RemoteAuthenticationToken", other)(list(world.form(token).items())))
    checks = {each["Check"]: each for each in is_only_of(world, page, "session", "meadowline", "prairie")["Checks"]}
    assert {name for name, each in checks.items() if not each["Evaluated"]} == {
        "token", "user", "not revoked", "registration", "age by GET", "account",
    }  # fmt: skip


def test_what_else_is_wrong_with_a_malformed_redirect_is_told_at_once(world: World) -> None:
    form = world.form(world.token(), RedirectID="12", AccountNumber="1002-01", ReturnUrl="https://elsewhere.example/")
    told = is_only_of(world, send(world, list(form.items())), "session", "meadowline")
    failed = [each for each in told["Checks"] if each["Evaluated"] and not each["Held"]]
    assert [each["Check"] for each in failed] == ["parameters", "ReturnUrl", "account"]
    assert all(each["Fix"] for each in failed)


def test_looking_whose_a_malformed_redirect_is_spends_and_slides_nothing(world: World) -> None:
    single, session = world.token(key="single"), world.token()
    world.later(minutes=15)
    for token in (single, session):
        for _ in range(3):
            assert send(world, list(world.form(token, RedirectID="12").items())).status == 400
    found = world.hub.tokens.look(session)
    assert found.expires_at is not None
    assert (found.expires_at - world.clock.now()).total_seconds() == 45 * 60
    assert send(world, list(world.form(single).items())).status == 303
    assert send(world, list(world.form(session).items())).status == 303


def _expired(world: World, _token: str) -> None:
    world.later(minutes=61)


def _used(world: World, token: str) -> None:
    assert send(world, list(world.form(token).items())).status == 303


def _revoked(world: World, token: str) -> None:
    world.hub.tokens.revoke(world.hub.api_keys.list_all(RIVERBEND)[0], token, "r")


@pytest.mark.parametrize(
    ("key", "end", "came"), [("session", _expired, "lifetime"), ("single", _used, "used"), ("session", _revoked, "revoked")]
)
def test_a_malformed_redirect_with_a_token_that_is_over_but_known_reaches_its_partner_alone(
    world: World, key: str, end: Callable[[World, str], None], came: str
) -> None:
    token = world.token(key=key)
    end(world, token)
    page = send(world, list(world.form(token, RedirectID="12").items()))
    told = is_only_of(world, page, key, "meadowline", "prairie")
    assert told["Code"] == "InvalidRedirect"
    (check,) = (each for each in told["Checks"] if each["Check"] == "token")
    assert (check["Held"], check["Evaluated"]) == (False, True)
    assert came in check["Came"]


def test_a_session_that_a_single_use_token_opened_outlives_a_malformed_redirect_with_that_token(world: World) -> None:
    token, visitor = world.token(key="single"), world.visitor()
    moved = world.connect(visitor, token)
    assert send(world, list(world.form(token, ViewMode="7").items())).status == 400
    assert visitor.get(world.url(moved.location)).status == 200


@pytest.mark.parametrize("params", [{}, {"RedirectID": "12"}])
def test_what_nobody_is_known_to_have_sent_is_in_no_list_and_shown_by_reference_without_what_its_sender_wrote(
    world: World, params: dict[str, str]
) -> None:
    form = world.form("idht_" + "C" * 43, **params) | {"ann.vale@example.com": "x"}
    page = send(world, list(form.items()))
    for key in ("session", "meadowline"):
        assert page.reference not in recent(world, key)
        told = PartnerProgram(world, key).told(f"/diagnostics/{page.reference}")
        assert "ann.vale" not in str(told)
        assert told["SessionReference"] is None
    assert PartnerProgram(world, "prairie").refused(f"/diagnostics/{page.reference}") == (404, "ReferenceNotFound")
    if not params:
        assert "ann.vale@example.com" in str(world.refusal(page).checks), "staff may read it"


@pytest.mark.parametrize("params", [{}, {"RedirectID": "12"}])
def test_a_token_at_the_wrong_biller_is_told_to_its_partner_there_and_to_no_other_partner(
    world: World, params: dict[str, str]
) -> None:
    issued = world.hub.api_keys.issue(
        ACTOR, str(new_id()), bid=PRAIRIE, partner_slug="meadowline", policies=KeyPolicies(users="all")
    )
    world.prepared.keys["meadowline at prairie"] = (PRAIRIE, issued.key.id, issued.secret)  # type: ignore[index]
    try:
        page = send(world, list(world.form(world.token(), **params).items()), bid=PRAIRIE)
        told = is_only_of(world, page, "prairie", "meadowline at prairie", "session", "meadowline")
        assert [each["Check"] for each in told["Checks"] if each["Check"] == "biller" and not each["Held"]] == ["biller"]
        assert "avery" not in str(told)
        kept = world.hub.diagnostics.get(PRAIRIE, page.reference)
        assert (kept.key_id, kept.user_id, kept.session_reference) == (None, None, None)
    finally:
        del world.prepared.keys["meadowline at prairie"]  # type: ignore[attr-defined]


def test_a_strangers_flood_of_bad_hand_offs_hides_no_refusal_of_a_partner(world: World) -> None:
    for _ in range(OF_NOBODY[1] + 20):
        send(world, [("RedirectID", "12")])
    page = send(world, list(world.form(world.token(), RedirectID="12").items()))
    other = send(world, list(world.form(world.token(key="meadowline"), RedirectID="12").items()))
    is_only_of(world, page, "session", "meadowline", "prairie")
    is_only_of(world, other, "meadowline", "session", "prairie")
    assert PartnerProgram(world).told("/diagnostics/recent")["NotKept"] == 0
    assert world.hub.diagnostics.count_not_kept(RIVERBEND) == (0, 20)
    assert world.hub.diagnostics.count_not_kept(PRAIRIE) == (0, 0)


def test_refusals_of_a_partner_that_were_not_kept_are_counted_in_its_list_alone(world: World) -> None:
    token = world.token()
    for _ in range(60):
        send(world, list(world.form(token, RedirectID="12").items()))
    not_kept = PartnerProgram(world).told("/diagnostics/recent")["NotKept"]
    assert not_kept == 60 - len(recent(world, "session")) > 0
    for other in ("meadowline", "prairie"):
        assert PartnerProgram(world, other).told("/diagnostics/recent")["NotKept"] == 0


def test_what_a_redirect_brings_along_makes_a_refusal_of_bounded_size(world: World) -> None:
    huge = [(f"{number}{'n' * 60}", "v" * 20) for number in range(140)]  # with the rest, as much as a form may have
    form = [*world.form(world.token(), ReturnUrl="https://elsewhere.example/" + "r" * 1900).items(), *huge]
    url = f"{world.biller().base_url}/sso/connect"
    page = world.visitor().post(url, form, origin=HARBORLIGHT, headers={"User-Agent": "u" * 60_000, "Referer": "https://r" * 5000})
    kept = world.refusal(page)
    assert all(len(text) <= MOST_TEXT for check in kept.checks for text in (check.expected, check.came))
    assert len(repr(kept)) < 10_000
