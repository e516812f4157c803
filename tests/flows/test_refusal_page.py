"""The refusal page: static, framable by anybody, says nothing of payer or reason, and is found again by its reference."""

from __future__ import annotations

import re
from typing import Any

import pytest

from idp.opaque import new_id
from tests.flows.visitor import FRAME, FULL, SILENT
from tests.flows.world import ACTOR, PRAIRIE, RIVERBEND, SETTING_3, World

BAD = "idht_" + "A" * 43


@pytest.mark.parametrize("dest", [FULL, FRAME, SILENT])
def test_a_refusal_may_be_framed_by_anybody_and_sends_no_referrer(shared: World, dest: str) -> None:
    page = shared.connect(shared.visitor(dest), BAD)
    assert page.csp["frame-ancestors"] == "*"
    assert "X-Frame-Options" not in page.headers
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.cookies == {}
    assert "<form" not in page.text
    assert page.headers.getlist("Access-Control-Allow-Origin") == []


def test_a_refusal_shows_a_sentence_a_way_back_and_a_reference(shared: World) -> None:
    page = shared.connect(shared.visitor(), shared.token(), RedirectID="12")
    assert f'href="{SETTING_3}"' in page.text
    assert f"<code>{page.reference}</code>" in page.text
    assert "This link does not work" in page.text


def test_a_refusal_in_a_frame_leads_back_in_the_whole_window(shared: World) -> None:
    page = shared.connect(shared.visitor(FRAME), BAD)
    assert re.search(rf'href="{SETTING_3}" target="_top"', page.text)


def test_the_partner_is_named_once_its_token_is_known(shared: World) -> None:
    unknown = shared.connect(shared.visitor(), BAD)
    assert "Harborlight" not in unknown.text
    known = shared.connect(shared.visitor(), shared.token(key="meadowline"), AccountNumber="1002-01")
    assert "Meadowline" in known.text


def test_without_setting_3_the_way_back_is_the_partners_portal_or_none(world: World) -> None:
    world.hub.advanced_settings.put(ACTOR, str(new_id()), RIVERBEND, 3, "")
    known = world.connect(world.visitor(), world.token(key="meadowline"), AccountNumber="1002-01")
    assert 'href="https://meadowline.example"' in known.text
    unknown = world.connect(world.visitor(), BAD)
    assert '<p class="actions">' not in unknown.text
    assert unknown.reference


@pytest.mark.parametrize(
    "params",
    [
        {"AccountNumber": "1002-01"},
        {"ReturnUrl": "https://elsewhere.example/1001-01"},
        {"RedirectID": "12"},
        {"ViewMode": "1"},
    ],
)
def test_a_refusal_holds_nothing_of_the_payer_nor_the_reason(shared: World, params: dict[str, Any]) -> None:
    token = shared.token()
    page = shared.connect(shared.visitor(), token, **params)
    assert page.status in {400, 403}
    for private in ("Avery", "avery", "Vale", "1001", "1002", "$84.17", "elsewhere", token, token[5:], "ViewMode", "RedirectID"):
        assert private not in page.text, private


@pytest.mark.parametrize(
    "name",
    ["RemoteAuthenticationToken", "ViewMode", "RedirectID", "ReturnUrl", "CustomReturnSiteName", "AccountNumber", "CSSUrl", "Q"],
)
def test_markup_in_any_parameter_comes_back_nowhere(shared: World, name: str) -> None:
    evil = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{7777777*7}}"
    for value in (evil, f"https://pay.harborlight.example/back{evil}", f"javascript:{evil}"):
        params: dict[str, Any] = {"AccountNumber": "1002-01"} | {name: value}
        page = shared.connect(shared.visitor(), shared.token(), **params)
        assert page.status >= 400
        for part in ("alert(", "onerror", "54444439", "javascript:"):
            assert part not in page.text.replace(page.reference, ""), part


def test_markup_in_the_names_of_parameters_is_kept_as_text_in_the_diagnostics_only(shared: World) -> None:
    params: dict[str, Any] = {"<script>x</script>": "1", "AccountNumber": "1002-01"}
    page = shared.connect(shared.visitor(), shared.token(), **params)
    assert "<script>x" not in page.text
    assert "<script>x</script>" in shared.refusal(page).checks[0].came


def test_the_stored_refusal_tells_each_check_in_order_with_what_was_expected_what_came_and_the_fix(shared: World) -> None:
    token = shared.token()
    page = shared.connect(shared.visitor(), token, ReturnUrl="https://elsewhere.example/back")
    refusal = shared.refusal(page)
    names = [check.name for check in refusal.checks]
    assert names == [
        "parameters", "token", "biller", "biller in service", "key", "user", "not revoked", "registration", "sender",
        "sender named", "age by GET", "browser", "view mode", "destination", "ReturnUrl",
    ]  # fmt: skip
    assert [check.held for check in refusal.checks] == [True] * 14 + [False]
    broken = refusal.checks[-1]
    assert "https://pay.harborlight.example/back" in broken.expected
    assert broken.came == "https://elsewhere.example/back"
    assert broken.fix.startswith("Register the origin")
    assert (refusal.bid, refusal.code, refusal.where) == (RIVERBEND, "ReturnUrlRefused", "POST /b/riverbend/sso/connect")
    assert refusal.key_id == shared.key_id("session")
    assert refusal.user_id == shared.user_id("avery")
    assert refusal.request_id == page.headers["X-Request-Id"]
    assert refusal.at == shared.clock.now()


@pytest.mark.parametrize("key", ["session", "single"])
def test_no_stored_refusal_ever_holds_a_token(shared: World, key: str) -> None:
    token = shared.token(key=key)
    pages = [
        shared.connect(shared.visitor(), token, RedirectID=token),
        shared.connect(shared.visitor(), token, ViewMode=token),
        shared.connect(shared.visitor(), token, ReturnUrl=f"https://elsewhere.example/?t={'x' * 10}"),
        shared.connect(shared.visitor(), token + "x"),
        shared.connect(shared.visitor(), token, AccountNumber="1002-01"),
    ]
    for page in pages:
        assert page.status >= 400
        kept = repr(shared.refusal(page))
        assert token not in kept
        assert token[5:] not in kept


def test_a_reference_is_found_in_whatever_way_it_is_read_out(shared: World) -> None:
    reference = shared.connect(shared.visitor(), BAD).reference
    spoken = f" {reference[:4].lower()} {reference[4:]} "
    assert shared.hub.diagnostics.get(RIVERBEND, spoken).reference == reference


def test_each_refusal_has_a_reference_of_its_own(shared: World) -> None:
    assert len({shared.connect(shared.visitor(), BAD).reference for _ in range(20)}) == 20


def test_a_redirect_id_that_the_key_may_not_use_is_refused(shared: World) -> None:
    assert shared.connect(shared.visitor(), shared.token(key="bills only")).status == 303
    page = shared.connect(shared.visitor(), shared.token(key="bills only"), RedirectID="6")
    assert page.status == 403
    refusal = shared.refusal(page)
    assert refusal.code == "DestinationRefused"
    assert (refusal.checks[-1].expected, refusal.checks[-1].came) == ("RedirectID one of 1", "6")


def test_the_page_is_in_the_language_of_the_browser(shared: World) -> None:
    for language, words in (("es-MX,es;q=0.9", "Este enlace"), ("en", "This link")):
        answer = shared.visitor().post(
            f"{shared.biller().base_url}/sso/connect", {}, origin=None, headers={"Accept-Language": language}
        )
        assert words in answer.text


def test_a_refused_hand_off_leaves_a_live_session_of_the_browser_alone(shared: World) -> None:
    visitor, url = shared.full_page()
    assert shared.connect(visitor, BAD).status == 401
    assert visitor.get(url).status == 200


def test_a_refusal_at_a_disabled_biller_is_a_refusal_page_too(world: World) -> None:
    token, there = world.token(), world.token(key="prairie")
    world.change_biller(disabled=True)
    page = world.connect(world.visitor(), token)
    assert page.status == 410
    assert world.refusal(page).code == "TokenExpired"
    assert world.connect(world.visitor(), there, bid=PRAIRIE).status == 303
