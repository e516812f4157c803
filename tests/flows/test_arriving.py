"""Who is signed in when somebody arrives: other users, senders, prefetches, old tokens by GET, the shared address."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from idp.opaque import new_id
from sso_connect.arrivals import senders_of
from sso_connect.warnings import WarningCode
from tests.flows.visitor import FRAME, FULL, Answer, Visitor
from tests.flows.world import ACTOR, AMOUNTS, BACK, HARBORLIGHT, MEADOWLINE, PRAIRIE, RIVERBEND, World

FULL_COOKIE, ARRIVING_COOKIE = "__Host-hub", "__Host-hub_n"
STRANGER = "https://elsewhere.example"


def make_compat(world: World, name: str = "session") -> None:
    """Treat a key as partners are used to."""
    key = world.hub.api_keys.find(RIVERBEND, world.key_id(name))
    assert key is not None
    world.hub.api_keys.change(ACTOR, str(new_id()), RIVERBEND, key.id, policies=replace(key.policies, strictness="compat"))


def warned_of(world: World) -> set[str]:
    world.hub.warnings.flush()
    return {each.code for each in world.hub.warnings.list_all(RIVERBEND)}


def answer(world: World, visitor: Visitor, page: Answer, word: str, origin: str | None = "own") -> Answer:
    """Press a button of the page that asks."""
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
    sender = world.biller().origin if origin == "own" else origin
    return visitor.post(f"{world.biller().base_url}/sso/continue", {**fields, "answer": word}, origin=sender)


# --- somebody else is signed in ----------------------------------------------------------------------------------------------


def asked(world: World) -> tuple[Visitor, str, Answer]:
    """Zoe is here, Avery arrives."""
    visitor, zoes = world.full_page("zoe")
    moved = world.connect(visitor, world.token("avery"))
    assert moved.status == 303
    return visitor, zoes, visitor.get(world.url(moved.location))


def test_a_hand_off_for_another_user_than_the_one_who_is_signed_in_asks_first(world: World) -> None:
    visitor, zoes, page = asked(world)
    assert page.status == 200
    assert "Continue as Avery Vale?" in page.text
    assert "Zoe Vale is signed in" in page.text
    assert AMOUNTS[RIVERBEND] not in page.text
    assert page.csp["frame-ancestors"] == "'none'"
    assert "Zoe Vale" in visitor.get(zoes).text or "Continue as" in visitor.get(zoes).text


def test_a_yes_lets_the_new_user_in(world: World) -> None:
    visitor, _, page = asked(world)
    on = answer(world, visitor, page, "yes")
    assert on.status == 303
    opened = visitor.get(world.url(on.location))
    assert "Avery Vale" in opened.text
    assert AMOUNTS[RIVERBEND] in opened.text


def test_a_no_leaves_the_one_who_is_here_and_ends_what_arrived(world: World) -> None:
    visitor, zoes, page = asked(world)
    arriving = visitor.jars[world.biller().host][ARRIVING_COOKIE]
    back = answer(world, visitor, page, "no")
    assert back.status == 303
    assert "Zoe Vale" in visitor.get(world.url(back.location)).text
    assert "Zoe Vale" in visitor.get(zoes).text
    assert world.hub.sessions.find(arriving) is None


@pytest.mark.parametrize("origin", ["https://prairie.hub.example.com", HARBORLIGHT, "null", None])
def test_nobody_else_can_say_yes(world: World, origin: str | None) -> None:
    visitor, zoes, page = asked(world)
    assert answer(world, visitor, page, "yes", origin).status == 403
    forged = visitor.post(
        f"{world.biller().base_url}/sso/continue",
        {"csrf_token": "0" * 64, "path": "/b/riverbend/a/x/bills", "answer": "yes"},
        origin=world.biller().origin,
    )
    assert forged.status == 403
    assert visitor.jars[world.biller().host][FULL_COOKIE] != visitor.jars[world.biller().host][ARRIVING_COOKIE]
    assert "Continue as" in visitor.get(zoes).text, "still a question"


@pytest.mark.parametrize("form", [{"answer": "maybe"}, {"path": "https://elsewhere.example/"}, {"path": "//elsewhere.example"}])
def test_an_answer_that_is_none_or_leads_elsewhere_is_refused(world: World, form: dict[str, str]) -> None:
    visitor, _, page = asked(world)
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
    sent = {**fields, "answer": "yes", **form}
    assert visitor.post(f"{world.biller().base_url}/sso/continue", sent, origin=world.biller().origin).status in {400, 404}


def test_the_same_user_arriving_again_is_not_asked(world: World) -> None:
    visitor, _ = world.full_page("avery")
    moved = world.connect(visitor, world.token("avery"))
    assert AMOUNTS[RIVERBEND] in visitor.get(world.url(moved.location)).text


def test_a_user_of_another_biller_is_nobody_here(world: World) -> None:
    visitor, _ = world.full_page("zoe", key="session")
    moved = world.connect(visitor, world.token(key="prairie"), bid=PRAIRIE)
    assert AMOUNTS[PRAIRIE] in visitor.get(world.url(moved.location, PRAIRIE)).text


def test_what_arrives_is_over_after_two_minutes_in_the_browser_and_never_overwrites_by_itself(world: World) -> None:
    visitor, zoes, _ = asked(world)
    del visitor.jars[world.biller().host][ARRIVING_COOKIE]
    assert "Zoe Vale" in visitor.get(zoes).text


def test_in_a_frame_too_somebody_else_is_asked_about_and_yes_shows_the_page(world: World) -> None:
    visitor, _ = world.frame("zoe")
    page = world.connect(visitor, world.token("avery"))
    assert "Continue as Avery Vale?" in page.text
    assert page.csp["frame-ancestors"] == HARBORLIGHT
    on = answer(world, visitor, page, "yes")
    shown = visitor.get(world.url(on.location)) if on.status == 303 else _post_on(world, visitor, on)
    assert AMOUNTS[RIVERBEND] in shown.text


def test_in_a_frame_without_cookies_yes_goes_on_by_token(world: World) -> None:
    visitor, _ = world.frame("zoe")
    page = world.connect(visitor, world.token("avery"))
    blind = world.visitor(FRAME)
    on = answer(world, blind, page, "yes")
    assert on.status == 200
    assert AMOUNTS[RIVERBEND] in _post_on(world, blind, on).text


def _post_on(world: World, visitor: Visitor, page: Answer) -> Answer:
    (path,) = page.links()
    form = {"csrf_token": page.csrf, "frame_token": page.frame_token}
    return visitor.post(world.url(path), form, origin=world.biller().origin)


# --- who sends -----------------------------------------------------------------------------------------------------------


def test_a_strict_key_refuses_a_redirect_from_a_page_of_nobodys_and_spends_nothing_of_a_session_token(world: World) -> None:
    token = world.token()
    refused = world.connect(world.visitor(), token, origin=STRANGER)
    assert refused.status == 403
    assert world.refusal(refused).code == "SenderRefused"
    assert world.connect(world.visitor(), token).status == 303


def test_a_compat_key_asks_the_payer_before_it_lets_in_from_a_page_of_nobodys(world: World) -> None:
    make_compat(world)
    visitor = world.visitor()
    moved = world.connect(visitor, world.token(), origin=STRANGER)
    page = visitor.get(world.url(moved.location))
    assert "tell which page sent you here" in page.text
    assert AMOUNTS[RIVERBEND] not in page.text
    on = answer(world, visitor, page, "yes")
    assert AMOUNTS[RIVERBEND] in visitor.get(world.url(on.location)).text
    assert WarningCode.SENDER_UNKNOWN in warned_of(world)


def test_a_no_to_an_unknown_page_leaves_nobody_signed_in(world: World) -> None:
    make_compat(world)
    visitor = world.visitor()
    moved = world.connect(visitor, world.token(), origin=STRANGER)
    done = answer(world, visitor, visitor.get(world.url(moved.location)), "no")
    assert done.status == 200
    assert "signed out" in done.text
    assert visitor.get(world.url(moved.location)).status == 401


@pytest.mark.parametrize("origin", [HARBORLIGHT, "https://kiosk.harborlight.example"])
def test_a_sender_that_the_key_knows_is_let_in_unasked(world: World, origin: str) -> None:
    visitor = world.visitor()
    moved = world.connect(visitor, world.token(), origin=origin)
    assert AMOUNTS[RIVERBEND] in visitor.get(world.url(moved.location)).text


@pytest.mark.parametrize(
    "origin", ["https://prairie.hub.example.com", "https://pay.harborlight.example.evil.example", "http://pay.harborlight.example"]
)
def test_a_sibling_and_a_look_alike_are_strangers(world: World, origin: str) -> None:
    assert world.connect(world.visitor(), world.token(), origin=origin).status == 403


def test_a_referer_counts_where_there_is_no_origin(world: World) -> None:
    url = f"{world.biller().base_url}/sso/connect?RemoteAuthenticationToken={world.token()}&ViewMode=0&RedirectID=1"
    assert world.visitor().get(url, headers={"Referer": f"{STRANGER}/mail"}).status == 403
    assert world.visitor().get(url, headers={"Referer": f"{HARBORLIGHT}/pay"}).status == 303


def test_a_partners_address_that_is_plain_http_stays_a_link_and_vouches_for_no_sender(world: World) -> None:
    plain = "http://login.meadowline.example"
    with world.hub.database.begin() as stores:
        found = stores.partners.find_partner_by_slug("meadowline")
        assert found is not None
        stores.partners.put_partner(replace(found, url=f"{plain}/start"))  # as it was stored before https was asked for
        stores.billers.put_sso_login_url(RIVERBEND, f"{plain}/start")
    for origin, status in ((plain, 403), ("http://meadowline.example", 403), (MEADOWLINE, 303)):
        assert world.connect(world.visitor(), world.token(key="meadowline"), origin=origin).status == status
    refused = world.connect(world.visitor(), world.token(key="meadowline"), origin=plain)
    assert world.refusal(refused).code == "SenderRefused"
    assert f'href="{plain}/start"' in refused.text
    # The partner at the other biller, and another partner here, are what they were.
    assert world.connect(world.visitor(), world.token(key="prairie"), bid=PRAIRIE, origin=HARBORLIGHT).status == 303
    assert world.connect(world.visitor(), world.token(), origin=HARBORLIGHT).status == 303


def test_the_senders_of_a_key_are_its_own_and_ours(world: World) -> None:
    key = world.hub.api_keys.find(PRAIRIE, world.key_id("prairie"))
    assert key is not None
    senders = senders_of(key, world.biller(PRAIRIE))
    assert senders == {"https://prairie.harborlight.example", HARBORLIGHT, world.biller(PRAIRIE).origin}


# --- prefetch ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [("Sec-Purpose", "prefetch"), ("Sec-Purpose", "prefetch;prerender"), ("Purpose", "prefetch"),
                                    ("X-Moz", "prefetch"), ("X-Purpose", "preview")])  # fmt: skip
@pytest.mark.parametrize("key", ["session", "single"])
def test_a_prefetch_spends_nothing_and_is_kept_by_nobody(shared: World, key: str, header: tuple[str, str]) -> None:
    token = shared.token(key=key)
    url = f"{shared.biller().base_url}/sso/connect?RemoteAuthenticationToken={token}&ViewMode=0&RedirectID=1"
    visitor = shared.visitor()
    early = visitor.get(url, headers=dict([header]))
    assert early.status == 503
    assert early.headers["Cache-Control"] == "no-store"
    assert early.cookies == {}
    assert visitor.get(url).status == 303


# --- by GET ------------------------------------------------------------------------------------------------------------------


def by_get(world: World, token: str, **params: Any) -> Answer:
    query = "&".join(f"{name}={value}" for name, value in world.form(token, **params).items())
    return world.visitor().get(f"{world.biller().base_url}/sso/connect?{query}")


def test_by_get_a_strict_keys_token_is_good_for_twenty_minutes_and_by_post_for_longer(world: World) -> None:
    token = world.token()
    world.later(minutes=20)
    assert by_get(world, token).status == 303
    world.later(seconds=1)
    refused = by_get(world, token)
    assert (refused.status, world.refusal(refused).code) == (410, "TokenExpired")
    assert world.connect(world.visitor(), token).status == 303


def test_by_get_a_compat_keys_token_is_good_as_long_as_by_post_but_counted(world: World) -> None:
    make_compat(world)
    token = world.token()
    world.later(minutes=50)
    assert by_get(world, token).status == 303
    assert {WarningCode.REDIRECT_BY_GET, WarningCode.OLD_TOKEN_BY_GET} <= warned_of(world)


# --- compat keys are told, strict ones refused ---------------------------------------------------------------------------------


def test_a_compat_keys_view_mode_gives_way_to_the_browsers_word(world: World) -> None:
    make_compat(world)
    visitor = world.visitor(FRAME)
    page = visitor.post(f"{world.biller().base_url}/sso/connect", world.form(world.token(), ViewMode="0"), origin=HARBORLIGHT)
    assert page.status == 200
    assert 'data-mode="frame"' in page.text
    full = world.visitor(FULL)
    moved = full.post(f"{world.biller().base_url}/sso/connect", world.form(world.token(), ViewMode="1"), origin=HARBORLIGHT)
    assert moved.status == 303
    assert WarningCode.VIEW_MODE_CORRECTED in warned_of(world)


@pytest.mark.parametrize("dest", ["image", "script", "style"])
def test_what_shows_no_page_is_refused_for_every_key(world: World, dest: str) -> None:
    make_compat(world)
    refused = world.visitor(dest).get(f"{world.biller().base_url}/sso/connect?RemoteAuthenticationToken={world.token()}"
                                      "&ViewMode=0&RedirectID=1")  # fmt: skip
    assert world.refusal(refused).code == "ViewModeRefused"


def test_a_compat_keys_return_url_off_the_list_is_dropped_and_setting_3_used(world: World) -> None:
    make_compat(world)
    visitor, url = world.full_page(ReturnUrl="https://elsewhere.example/back", CustomReturnSiteName="n" * 90)
    out = world.sign_out(visitor, visitor.get(url))
    assert 'data-next-url="https://pay.harborlight.example/sign-in"' in out.text
    assert "elsewhere.example" not in out.text
    assert {WarningCode.RETURN_URL_DROPPED, WarningCode.SITE_NAME_CUT} <= warned_of(world)


TOO_LONG = f"{BACK}/{'a' * 2000}"


def test_an_over_long_return_url_is_one_off_the_list_though_its_beginning_is_on_it(world: World) -> None:
    refused = world.connect(world.visitor(), world.token(), ReturnUrl=TOO_LONG)
    assert (refused.status, world.refusal(refused).code) == (403, "ReturnUrlRefused")
    assert world.refusal(refused).checks[-1].came == "more than 2000 characters"
    make_compat(world)
    visitor, url = world.full_page(ReturnUrl=TOO_LONG, CustomReturnSiteName="n" * 5000)
    out = world.sign_out(visitor, visitor.get(url))
    assert 'data-next-url="https://pay.harborlight.example/sign-in"' in out.text
    assert {WarningCode.RETURN_URL_DROPPED, WarningCode.SITE_NAME_CUT} <= warned_of(world)


@pytest.mark.parametrize("compat", [False, True])
def test_an_over_long_css_url_is_an_unknown_theme(world: World, *, compat: bool) -> None:
    if compat:
        make_compat(world)
    _, page = world.frame(CSSUrl=f"https://pay.harborlight.example/{'a' * 2000}.css")
    assert page.status == 200
    assert WarningCode.THEME_UNKNOWN in warned_of(world)


def test_a_strict_keys_site_name_of_more_than_eighty_characters_is_refused(world: World) -> None:
    refused = world.connect(world.visitor(), world.token(), CustomReturnSiteName="n" * 81)
    assert (refused.status, world.refusal(refused).code) == (400, "InvalidRedirect")


# --- the old shared address --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["session", "prairie"])
def test_the_shared_address_passes_a_redirect_on_to_the_host_of_its_biller(world: World, key: str) -> None:
    bid = world.prepared.keys[key][0]
    form = world.form(world.token(key=key))
    visitor = world.visitor()
    passed = visitor.post("https://hub.example.com/sso/connect", form, origin=HARBORLIGHT)
    assert passed.status == 307
    assert passed.location == f"{world.biller(bid).base_url}/sso/connect"
    assert passed.cookies == {}
    query = "&".join(f"{name}={value}" for name, value in form.items())
    by_query = visitor.get(f"https://hub.example.com/sso/connect?{query}")
    assert (by_query.status, by_query.location) == (307, f"{world.biller(bid).base_url}/sso/connect?{query}")
    assert visitor.get(by_query.location).status == 303, "nothing was spent on the way"


def test_the_shared_address_knows_no_unknown_token_and_is_nowhere_else(world: World) -> None:
    unknown = world.visitor().post("https://hub.example.com/sso/connect", world.form("idht_" + "A" * 43), origin=None)
    assert unknown.status == 401
    assert unknown.csp["frame-ancestors"] == "*"
    for host in (world.biller().host, "elsewhere.example"):
        assert world.visitor().post(f"https://{host}/sso/connect", world.form(world.token()), origin=None).status == 404
