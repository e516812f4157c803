"""Explain, Introspect and the diagnostics say what the hand-off does, and do nothing themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.flows.partner import PartnerProgram
from tests.flows.visitor import FRAME, FULL
from tests.flows.world import ACTOR, BACK, HARBORLIGHT, PRAIRIE, RIVERBEND, World

INTROSPECT = "/remote-authentication/introspect"
NOT_ACTIVE = {"Active": False, "ExpiresAt": None, "LoginGUID": None}


def ended(world: World, token: str) -> None:
    world.hub.tokens.revoke(world.hub.api_keys.list_all(RIVERBEND)[0], token, "r")


WAYS: dict[str, tuple[Callable[[World, str], object], dict[str, Any]]] = {
    "good": (lambda _w, _t: None, {}),
    "good with everything": (lambda _w, _t: None, {"ReturnUrl": BACK, "AccountNumber": "1001-02", "CustomReturnSiteName": "Home"}),
    "view mode": (lambda _w, _t: None, {"ViewMode": "7"}),
    "no view mode": (lambda _w, _t: None, {"ViewMode": ""}),
    "frame in a page": (lambda _w, _t: None, {"ViewMode": "1"}),
    "redirect id": (lambda _w, _t: None, {"RedirectID": "12"}),
    "return url": (lambda _w, _t: None, {"ReturnUrl": "https://elsewhere.example/back"}),
    "long return url": (lambda _w, _t: None, {"ReturnUrl": BACK + "x" * 1980}),
    "long name": (lambda _w, _t: None, {"CustomReturnSiteName": "x" * 81}),
    "account of another": (lambda _w, _t: None, {"AccountNumber": "1002-01"}),
    "two faults": (lambda _w, _t: None, {"ReturnUrl": "https://elsewhere.example/", "AccountNumber": "1002-01"}),
    "unknown token": (lambda _w, _t: None, {"RemoteAuthenticationToken": "idht_" + "A" * 43}),
    "no token": (lambda _w, _t: None, {"RemoteAuthenticationToken": ""}),
    "expired": (lambda w, _t: w.later(minutes=61), {}),
    "revoked": (ended, {}),
    "revoked with its user": (lambda w, _t: w.hub.users.revoke(ACTOR, "r", RIVERBEND, w.user_id("avery")), {}),
    "user disabled": (lambda w, _t: w.hub.users.change(ACTOR, "r", RIVERBEND, w.user_id("avery"), disabled=True), {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_explain_says_is_what_the_hand_off_then_does(world: World, way: str) -> None:
    happens, params = WAYS[way]
    token = world.token()
    happens(world, token)
    form = world.form(token) | params
    said = PartnerProgram(world).explain(**form, SecFetchDest=FULL, Origin=HARBORLIGHT)
    again = PartnerProgram(world).explain(**form, SecFetchDest=FULL, Origin=HARBORLIGHT)
    assert said == again, "it changes nothing by being asked"
    came = world.visitor().post(f"{world.biller().base_url}/sso/connect", form, origin=HARBORLIGHT)
    assert said["WouldSucceed"] == (came.status == 303)
    if came.status == 303:
        assert said["Code"] is None
        assert not said["PayerAsked"]
        assert all(check["Held"] for check in said["Checks"])
        return
    refusal = world.refusal(came)
    assert said["Code"] == refusal.code
    first = next(check for check in said["Checks"] if not check["Held"])
    broken = next(check for check in refusal.checks if check.failed)
    assert (first["Check"], first["Expected"], first["Came"], first["Fix"]) == (
        broken.name, broken.expected, broken.came, broken.fix,
    )  # fmt: skip


def test_every_check_is_answered_also_those_after_the_first_no(shared: World) -> None:
    said = PartnerProgram(shared).explain(
        RemoteAuthenticationToken=shared.token(), ViewMode=1, RedirectID=12, ReturnUrl="https://elsewhere.example/",
        AccountNumber="1002-01", SecFetchDest=FULL, Origin=HARBORLIGHT,
    )  # fmt: skip
    assert [check["Check"] for check in said["Checks"] if not check["Held"]] == ["parameters", "view mode", "ReturnUrl", "account"]
    assert said["Code"] == "InvalidRedirect"
    assert "destination" not in {check["Check"] for check in said["Checks"]}, "there is none to ask about"
    assert all(check["Fix"] for check in said["Checks"] if not check["Held"])


@pytest.mark.parametrize(
    ("browser", "asked"),
    [
        ({}, True),
        ({"Origin": "null"}, True),
        ({"SecFetchDest": FULL, "SecFetchSite": "cross-site"}, True),
        ({"SecFetchDest": FULL, "SecFetchSite": "same-site"}, True),
        ({"SecFetchDest": FULL, "SecFetchSite": "none"}, False),
        ({"SecFetchDest": FULL, "SecFetchSite": "cross-site", "Origin": HARBORLIGHT}, False),
    ],
)
def test_explain_says_when_the_payer_would_be_asked(shared: World, browser: dict[str, str], asked: bool) -> None:
    said = PartnerProgram(shared).explain(**shared.form(shared.token()), **browser)
    assert said["WouldSucceed"]
    assert said["PayerAsked"] == asked
    (check,) = [each for each in said["Checks"] if each["Check"] == "sender named"]
    assert check["Held"] != asked
    assert ("Referrer-Policy" in check["Fix"]) == asked


def test_numbers_may_come_as_numbers_and_unknown_names_are_answered_as_ignored(shared: World) -> None:
    token = shared.token()
    said = PartnerProgram(shared).explain(RemoteAuthenticationToken=token, ViewMode=0, RedirectID=11, Colour="red", Theme2=7)
    assert said["WouldSucceed"]
    assert sorted(said["Ignored"]) == ["Colour", "Theme2"]


def test_a_single_use_token_is_not_spent_by_any_question_and_is_told_as_spent_afterwards(shared: World) -> None:
    token, partner = shared.token(key="single"), PartnerProgram(shared)
    for _ in range(3):
        assert partner.explain(**shared.form(token))["WouldSucceed"]
        assert partner.told(INTROSPECT, {"RemoteAuthenticationToken": token})["Active"]
    assert shared.connect(shared.visitor(), token).status == 303
    said = partner.explain(**shared.form(token))
    assert (said["WouldSucceed"], said["Code"]) == (False, "TokenSpent")
    assert partner.told(INTROSPECT, {"RemoteAuthenticationToken": token}) == NOT_ACTIVE


def test_neither_explain_nor_introspect_prolongs_a_token(world: World) -> None:
    token, partner = world.token(), PartnerProgram(world)
    first = partner.told(INTROSPECT, {"RemoteAuthenticationToken": token})
    assert first == {"Active": True, "ExpiresAt": "2026-11-20T16:00:00Z", "LoginGUID": str(world.user_id("avery"))}
    world.later(minutes=40)
    assert partner.explain(**world.form(token))["WouldSucceed"]
    assert partner.told(INTROSPECT, {"RemoteAuthenticationToken": token}) == first
    world.later(minutes=20, seconds=1)
    assert partner.told(INTROSPECT, {"RemoteAuthenticationToken": token}) == NOT_ACTIVE


@pytest.mark.parametrize("key", ["meadowline", "prairie"])
def test_a_token_of_another_partner_or_biller_is_an_unknown_one(shared: World, key: str) -> None:
    theirs, nobodys = shared.token(), "idht_" + "B" * 43
    partner = PartnerProgram(shared, key)
    said, unknown = (partner.explain(**shared.form(token)) for token in (theirs, nobodys))
    assert said == unknown
    assert said["Code"] == "TokenUnknown"
    assert partner.told(INTROSPECT, {"RemoteAuthenticationToken": theirs}) == NOT_ACTIVE


def test_introspect_follows_user_key_and_biller(world: World) -> None:
    partner, other = PartnerProgram(world), world.token(key="bills only")
    token = world.token()
    world.hub.api_keys.revoke(ACTOR, "r", RIVERBEND, world.key_id("bills only"))
    assert partner.told(INTROSPECT, {"RemoteAuthenticationToken": other}) == NOT_ACTIVE
    assert partner.told(INTROSPECT, {"RemoteAuthenticationToken": token})["Active"]
    world.hub.users.change(ACTOR, "r", RIVERBEND, world.user_id("avery"), disabled=True)
    assert partner.told(INTROSPECT, {"RemoteAuthenticationToken": token}) == NOT_ACTIVE
    for odd in ("x", "idht_", "idho_" + "é" * 43, world.secret("session")):
        assert partner.told(INTROSPECT, {"RemoteAuthenticationToken": odd}) == NOT_ACTIVE


def test_the_reference_of_a_refusal_page_is_explained_to_its_partner_and_to_nobody_else(shared: World) -> None:
    page = shared.connect(shared.visitor(FRAME), shared.token(), ReturnUrl="https://elsewhere.example/back")
    for name in (page.reference, page.headers["X-Request-Id"]):
        told = PartnerProgram(shared).told(f"/diagnostics/{name}")
        assert (told["Code"], told["Where"]) == ("ReturnUrlRefused", "POST /b/riverbend/sso/connect")
        assert told["Checks"][-1]["Came"] == "https://elsewhere.example/back"
        for key in ("meadowline", "prairie"):
            assert PartnerProgram(shared, key).refused(f"/diagnostics/{name}") == (404, "ReferenceNotFound")


def test_a_refusal_tells_the_partner_which_session_of_its_own_it_was(shared: World) -> None:
    token = shared.token(session_reference="s-4711 <ü>")
    malformed = shared.connect(shared.visitor(FRAME), token, RedirectID="12")
    refused = shared.connect(shared.visitor(FRAME), token, ReturnUrl="https://elsewhere.example/back")
    for page in (malformed, refused):
        assert PartnerProgram(shared).told(f"/diagnostics/{page.reference}")["SessionReference"] == "s-4711 <ü>"
        assert shared.hub.diagnostics.get(RIVERBEND, page.reference).session_reference == "s-4711 <ü>"


def test_a_refusal_whose_partner_nobody_knows_is_explained_at_its_biller_to_whoever_has_the_reference(shared: World) -> None:
    page = shared.connect(shared.visitor(), "idht_" + "C" * 43)
    for key in ("session", "meadowline"):
        partner = PartnerProgram(shared, key)
        assert partner.told(f"/diagnostics/{page.reference}")["Code"] == "TokenUnknown"
        assert page.reference not in {each["Reference"] for each in partner.told("/diagnostics/recent")["Results"]}
    assert PartnerProgram(shared, "prairie").refused(f"/diagnostics/{page.reference}") == (404, "ReferenceNotFound")


def test_a_token_at_the_wrong_biller_tells_the_other_biller_nothing_of_whose_it_was(shared: World) -> None:
    page = shared.connect(shared.visitor(), shared.token(), bid=PRAIRIE)
    told = PartnerProgram(shared, "prairie").told(f"/diagnostics/{page.reference}")
    assert told["Code"] == "WrongBiller"
    assert str(RIVERBEND) not in str(told["Checks"])
    assert PartnerProgram(shared).refused(f"/diagnostics/{page.reference}") == (404, "ReferenceNotFound")


def test_explain_keeps_no_token_and_leaves_no_refusal_behind(world: World) -> None:
    partner, token = PartnerProgram(world), world.token()
    said = partner.explain(**world.form(token, ReturnUrl=f"https://elsewhere.example/?t={token}", AccountNumber=token))
    assert token[5:] not in str(said)
    assert world.hub.diagnostics.list_recent(RIVERBEND) == []
    assert partner.refused("/sso-connect/explain", {"ViewMode": {"x": 1}})[0] == 422
    assert len(world.hub.diagnostics.list_recent(RIVERBEND)) == 1
