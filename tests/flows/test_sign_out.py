"""Sign-out and the other forms of a page: who may send them, what they end, and where they lead."""

from __future__ import annotations

import pytest

from admin.history import ChangeFilter
from idp.changelog import Action
from idp.opaque import new_id
from tests.flows.visitor import FRAME, FULL, Answer, Visitor
from tests.flows.world import ACTOR, AMOUNTS, BACK, HARBORLIGHT, PRAIRIE, RIVERBEND, SETTING_3, World

STRANGERS = {
    "no origin at all": None,
    "null": "null",
    "a sibling biller": "https://prairie.hub.example.com",
    "the partner's portal": HARBORLIGHT,
    "another site": "https://elsewhere.example",
    "the API's host": "https://api.hub.example.com",
    "the same host without TLS": "http://riverbend.hub.example.com",
    "the same host on another port": "https://riverbend.hub.example.com:8443",
    "a longer host": "https://riverbend.hub.example.com.elsewhere.example",
    "a subdomain": "https://x.riverbend.hub.example.com",
    "two origins": "https://riverbend.hub.example.com https://elsewhere.example",
    "nothing": "",
}


def signed_in(world: World, **params: str) -> tuple[Visitor, str, Answer]:
    visitor, url = world.full_page(**params)
    return visitor, url, visitor.get(url)


@pytest.mark.parametrize("who", STRANGERS)
def test_a_form_from_anywhere_but_the_own_origin_is_refused_even_with_the_right_token(shared: World, who: str) -> None:
    visitor, url, page = signed_in(shared)
    base = shared.biller().base_url
    for address in (f"{base}/sign-out", f"{base}/language", url):
        form = {"csrf_token": page.csrf, "locale": "es", "back": "/b/riverbend/"}
        answer = visitor.post(address, form, origin=STRANGERS[who])
        assert answer.status == 403, address
        assert AMOUNTS[RIVERBEND] not in answer.text
    assert visitor.get(url).status == 200


@pytest.mark.parametrize("token", ["", "0" * 64, "other session", "other biller", "é"])
def test_a_form_without_the_token_of_this_very_session_is_refused(shared: World, token: str) -> None:
    visitor, url, _ = signed_in(shared)
    if token == "other session":
        token = signed_in(shared)[2].csrf
    elif token == "other biller":
        there, there_url = shared.full_page(key="prairie")
        token = there.get(there_url).csrf
    base = shared.biller().base_url
    for address in (f"{base}/sign-out", f"{base}/language", url):
        form = {"csrf_token": token, "locale": "es", "back": "/b/riverbend/"}
        assert visitor.post(address, form, origin=shared.biller().origin).status == 403
    assert visitor.get(url).status == 200


def test_a_referer_stands_in_for_a_missing_origin_and_counts_as_little_when_it_is_foreign(shared: World) -> None:
    visitor, url, page = signed_in(shared)
    form = {"csrf_token": page.csrf}
    for referer in ("https://prairie.hub.example.com/b/prairie/", "https://elsewhere.example/?https://riverbend.hub.example.com/"):
        assert visitor.post(url, form, origin=None, headers={"Referer": referer}).status == 403
    assert visitor.post(url, form, origin=None, headers={"Referer": url}).status == 200
    # A foreign Origin is not outvoted by our own Referer.
    assert visitor.post(url, form, origin="null", headers={"Referer": url}).status == 403


def test_the_form_token_in_the_query_does_not_count(shared: World) -> None:
    visitor, url, page = signed_in(shared)
    assert visitor.post(f"{url}?csrf_token={page.csrf}", {}, origin=shared.biller().origin).status == 403


def test_sign_out_with_a_return_url_leads_there_and_ends_session_and_token(world: World) -> None:
    token = world.token()
    visitor = world.visitor()
    url = world.url(world.connect(visitor, token, ReturnUrl=f"{BACK}?a=1&b=2", CustomReturnSiteName="Harborlight").location)
    out = world.sign_out(visitor, visitor.get(url))
    assert out.status == 200
    assert f'href="{BACK}?a=1&amp;b=2"' in out.text
    assert f'data-next-url="{BACK}?a=1&amp;b=2"' in out.text
    assert "Go to Harborlight" in out.text
    assert visitor.get(url).status == 401
    late = world.connect(world.visitor(), token)
    assert late.status == 410
    assert world.refusal(late).code == "TokenExpired"


def test_sign_out_without_a_return_url_leads_to_setting_3_and_leaves_the_partners_token(world: World) -> None:
    token = world.token()
    visitor = world.visitor()
    url = world.url(world.connect(visitor, token).location)
    out = world.sign_out(visitor, visitor.get(url))
    assert f'href="{SETTING_3}"' in out.text
    assert visitor.get(url).status == 401
    assert world.connect(world.visitor(), token).status == 303


def test_sign_out_without_either_is_a_plain_page(world: World) -> None:
    world.hub.advanced_settings.put(ACTOR, str(new_id()), RIVERBEND, 3, "")
    visitor, _, page = signed_in(world)
    out = world.sign_out(visitor, page)
    assert out.status == 200
    assert "You are signed out" in out.text
    assert "data-next-url" not in out.text
    assert "<a " not in out.text


def test_sign_out_takes_the_cookie_back_with_the_attributes_that_it_was_set_with(world: World) -> None:
    visitor, _, page = signed_in(world, ReturnUrl=BACK)
    out = world.sign_out(visitor, page)
    (line,) = out.headers.getlist("Set-Cookie")
    assert line.startswith("__Host-hub=;")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=0"} <= set(line.split("; "))
    framing, framed = world.frame(ReturnUrl=BACK)
    (line,) = world.sign_out(framing, framed).headers.getlist("Set-Cookie")
    assert line.startswith("__Host-hub_f=;")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=None", "Partitioned", "Max-Age=0"} <= set(line.split("; "))


def test_sign_out_in_a_frame_tells_the_partners_page_alone(world: World) -> None:
    visitor, page = world.frame(ReturnUrl=BACK)
    out = world.sign_out(visitor, page)
    assert 'data-tell="signedOut"' in out.text
    assert f'data-parents="{HARBORLIGHT}"' in out.text
    assert out.csp["frame-ancestors"] == HARBORLIGHT
    assert "X-Frame-Options" not in out.headers
    assert 'target="_top"' in out.text


def test_sign_out_in_a_frame_tells_the_partners_page_which_session_of_its_own_it_was(world: World) -> None:
    visitor = world.visitor(FRAME)
    page = world.connect(visitor, world.token(session_reference='s-17"><script>'))
    out = world.sign_out(visitor, page)
    assert 'data-session-reference="s-17&#34;&gt;&lt;script&gt;"' in out.text
    full, _, full_page = signed_in(world)
    assert "data-session-reference" not in world.sign_out(full, full_page).text


def test_sign_out_in_one_browser_leaves_other_sessions_of_the_payer(world: World) -> None:
    visitor, url, page = signed_in(world)
    other, other_url = world.full_page()
    there, there_url = world.full_page(key="prairie")
    world.sign_out(visitor, page)
    assert visitor.get(url).status == 401
    assert other.get(other_url).status == 200
    assert there.get(there_url).status == 200


def test_a_copy_of_the_cookie_is_worth_nothing_after_sign_out(world: World) -> None:
    visitor, url, page = signed_in(world)
    copy = Visitor(world.app, FULL, jars={host: dict(jar) for host, jar in visitor.jars.items()})
    world.sign_out(visitor, page)
    assert copy.get(url).status == 401


@pytest.mark.parametrize("dest", [FULL, FRAME])
def test_signing_out_twice_says_so_again_where_it_can_be_seen(world: World, dest: str) -> None:
    if dest == FULL:
        visitor, _, page = signed_in(world)
    else:
        visitor, page = world.frame(ReturnUrl=BACK)
    for _ in range(2):
        out = world.sign_out(visitor, page)
        assert out.status == 200
        assert "You are signed out" in out.text
        assert ("X-Frame-Options" in out.headers) == (dest == FULL)


def test_sign_out_at_one_biller_is_not_sign_out_at_the_other(world: World) -> None:
    visitor, url, page = signed_in(world)
    there = world.biller(PRAIRIE)
    answer = visitor.post(f"{there.base_url}/sign-out", {"csrf_token": page.csrf}, origin=world.biller().origin)
    assert answer.status == 403
    assert visitor.get(url).status == 200


def test_sign_out_is_in_the_change_log_as_the_payers_own_act(world: World) -> None:
    visitor, _, page = signed_in(world)
    out = world.sign_out(visitor, page)
    with world.hub.database.read() as stores:
        row = stores.change_history.list_changes(ChangeFilter(RIVERBEND), 1)[0].row
    assert row.action == Action.SESSION_END
    assert (row.actor_kind, row.actor_id) == ("payer", str(world.user_id("avery")))
    assert row.request_id == out.headers["X-Request-Id"]


def test_the_language_that_is_picked_stays_picked_and_leads_back_to_the_page(world: World) -> None:
    visitor, url, page = signed_in(world)
    back = url.removeprefix(world.biller().origin)
    form = {"csrf_token": page.csrf, "locale": "es", "back": back}
    moved = visitor.post(f"{world.biller().base_url}/language", form, origin=world.biller().origin)
    assert (moved.status, moved.location) == (303, back)
    (line,) = moved.headers.getlist("Set-Cookie")
    assert line.startswith("__Host-hub_lang=es;")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(line.split("; "))
    assert '<html lang="es"' in visitor.get(url).text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("locale", "de"),
        ("locale", ""),
        ("locale", "es\r\nSet-Cookie: a=b"),
        ("back", "https://elsewhere.example/"),
        ("back", "//elsewhere.example/"),
        ("back", "/\\elsewhere.example"),
        ("back", "/b/riverbend/\\..\\.."),
        ("back", "/b/prairie/a/none/bills"),
        ("back", ""),
        ("back", "javascript:alert(1)"),
        ("back", "/b/riverbend/\r\nSet-Cookie: a=b"),
        ("back", "/b/riverbend/\t//elsewhere.example"),
    ],
)
def test_the_language_form_leads_nowhere_but_back_into_this_portal(shared: World, field: str, value: str) -> None:
    visitor, url, page = signed_in(shared)
    form = {"csrf_token": page.csrf, "locale": "es", "back": url.removeprefix(shared.biller().origin)} | {field: value}
    answer = visitor.post(f"{shared.biller().base_url}/language", form, origin=shared.biller().origin)
    assert answer.status == 400
    assert answer.cookies == {}
    assert answer.location == ""


def test_without_a_session_the_language_form_changes_nothing(shared: World) -> None:
    form = {"locale": "es", "back": "/b/riverbend/"}
    answer = shared.visitor().post(f"{shared.biller().base_url}/language", form, origin=shared.biller().origin)
    assert answer.status == 401
    assert answer.cookies == {}
