"""The headers of every answer: framing, CSP, caching, referrer. From the session and the row, never from the caller."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from idp.opaque import new_id
from tests.flows.visitor import FRAME, FULL, Answer, Visitor
from tests.flows.world import ACTOR, BACK, HARBORLIGHT, HARBORLIGHT_AT_PRAIRIE, MEADOWLINE, RIVERBEND, World

PAGES: dict[str, Callable[[World], Answer]] = {
    "a full page": lambda world: _full_page(world),
    "a frame": lambda world: world.frame()[1],
    "a session that is over": lambda world: world.visitor().get(world.url("/b/riverbend/a/none/bills")),
    "a refusal": lambda world: world.connect(world.visitor(), "x"),
    "signed out": lambda world: world.visitor().post(world.url("/b/riverbend/sign-out"), {}, origin=world.biller().origin),
    "no such page": lambda world: world.visitor().get(world.url("/nothing/here")),
    "a wrong method": lambda world: world.visitor().get(world.url("/b/riverbend/sign-out")),
    "a refused form": lambda world: world.visitor().post(world.url("/b/riverbend/sign-out"), {}, origin="null"),
    "no such biller": lambda world: world.visitor().get("https://nobody.hub.example.com/b/nobody/a/none/bills"),
}
NOBODY = {
    "a full page",
    "a session that is over",
    "signed out",
    "no such page",
    "a wrong method",
    "a refused form",
    "no such biller",
}


def _full_page(world: World) -> Answer:
    visitor, url = world.full_page()
    return visitor.get(url)


@pytest.mark.parametrize("what", PAGES)
def test_every_page_forbids_what_it_does_not_need(shared: World, what: str) -> None:
    page = PAGES[what](shared)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    csp = page.csp
    assert csp["default-src"] == "'none'"
    assert csp["form-action"] == "'self'"
    assert csp["base-uri"] == "'none'"
    assert csp["style-src"] == csp["img-src"] == csp["connect-src"] == "'self'"
    assert re.fullmatch(r"'nonce-[A-Za-z0-9_-]{43}'", csp["script-src"])
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Strict-Transport-Security"].startswith("max-age=")
    assert re.fullmatch(r"[0-9a-f-]{36}", page.headers["X-Request-Id"])
    assert "X-Hub-Frame-Ancestors" not in page.headers
    assert "Server" not in page.headers


@pytest.mark.parametrize("what", sorted(NOBODY))
def test_nobody_may_frame_what_is_no_frame_page_and_no_refusal(shared: World, what: str) -> None:
    page = PAGES[what](shared)
    assert page.csp["frame-ancestors"] == "'none'"
    assert page.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("what", PAGES)
def test_no_page_has_inline_script_or_style(shared: World, what: str) -> None:
    page = PAGES[what](shared)
    assert " style=" not in page.text
    assert "<style" not in page.text
    assert not re.search(r"\son[a-z]+=", page.text)
    nonce = page.csp["script-src"].removeprefix("'nonce-").rstrip("'")
    scripts = re.findall(r"<script[^>]*>", page.text)
    assert scripts
    assert all(f'nonce="{nonce}"' in script and "src=" in script for script in scripts)


REFERRERS: dict[str, tuple[str, Callable[[World], Answer]]] = {
    **{what: ("no-referrer" if what == "a refusal" else "same-origin", page) for what, page in PAGES.items()},
    "the first page of a frame": ("same-origin", lambda world: world.first_page()[1]),
    "the waiting page of a GET into a frame": ("strict-origin", lambda world: _by_get(world, world.visitor(FRAME), "1")),
    "the question of a GET into a frame": ("strict-origin", lambda world: _asked_in_a_frame(world)),
    "the redirect of a GET": ("no-referrer", lambda world: _by_get(world, world.visitor(), "0")),
    "the redirect of a POST": ("same-origin", lambda world: world.connect(world.visitor(), world.token())),
    "a refused GET": ("no-referrer", lambda world: _by_get(world, world.visitor(), "7")),
    "the shared address by GET": ("strict-origin", lambda world: _by_get(world, world.visitor(), "0", "https://hub.example.com")),
    "the landing page of a link": ("same-origin", lambda world: world.visitor().get(world.url("/b/riverbend/sso/link"))),
    "a question on a full page": ("same-origin", lambda world: _asked(world)),
    "a page that posts itself on after a form": ("same-origin", lambda world: _ended_by_token(world)),
    "an account profile": ("same-origin", lambda world: world.frame(RedirectID="4")[1]),
}


def _by_get(world: World, visitor: Visitor, mode: str, base: str = "") -> Answer:
    query = urlencode(world.form(world.token(), ViewMode=mode))
    return visitor.get(f"{base or world.biller().base_url}/sso/connect?{query}", headers={"Referer": f"{HARBORLIGHT}/"})


def _asked_in_a_frame(world: World) -> Answer:
    visitor, _ = world.frame("zoe")
    return _by_get(world, visitor, "1")


def _asked(world: World) -> Answer:
    visitor = world.visitor()
    return visitor.get(world.url(world.connect(visitor, world.token(), origin="null").location))


def _ended_by_token(world: World) -> Answer:
    _, page = world.first_page()
    form = {"csrf_token": page.csrf, "frame_token": page.frame_token, "session": "x", "back": page.own_path}
    return world.visitor(FRAME).post(f"{world.biller().base_url}/sessions/end", form, origin=world.biller().origin)


@pytest.mark.parametrize("what", REFERRERS)
def test_each_answer_has_the_referrer_policy_of_its_kind(world: World, what: str) -> None:
    policy, page = REFERRERS[what]
    answer = page(world)
    assert answer.headers["Referrer-Policy"] == policy
    if "<form" in answer.text:
        assert policy != "no-referrer", "a browser would send Origin: null with it"


@pytest.mark.parametrize("what", [what for what, (policy, _) in REFERRERS.items() if policy == "strict-origin"])
def test_a_page_at_an_address_with_a_token_asks_for_nothing_else_and_clears_its_address(world: World, what: str) -> None:
    answer = REFERRERS[what][1](world)
    if answer.status == 307:
        return
    assert not re.search(r"<(?:link|img|script|iframe)[^>]+(?:href|src)=", answer.text)
    assert answer.csp["style-src"] == f"'self' {answer.csp['script-src']}"
    nonce = answer.csp["script-src"].removeprefix("'nonce-").rstrip("'")
    assert re.findall(r"<(?:style|script)[^>]*>", answer.text) == [
        f'<style nonce="{nonce}">', f'<script nonce="{nonce}">',
    ]  # fmt: skip
    assert "data-bare" in answer.text


def test_each_answer_has_a_nonce_and_a_request_id_of_its_own(shared: World) -> None:
    visitor, url = shared.full_page()
    pages = [visitor.get(url) for _ in range(5)]
    assert len({page.csp["script-src"] for page in pages}) == 5
    assert len({page.headers["X-Request-Id"] for page in pages}) == 5


def test_a_request_id_from_outside_is_not_taken_over(shared: World) -> None:
    given = "00000000-0000-0000-0000-000000000000"
    answer = shared.visitor().get(shared.url("/nothing"), headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] != given


@pytest.mark.parametrize("sender", ["null", HARBORLIGHT, "https://kiosk.harborlight.example"])
def test_who_may_frame_comes_from_the_sessions_key_and_not_from_origin_or_referer(shared: World, sender: str) -> None:
    visitor = shared.visitor(FRAME)
    lies = {"Referer": f"{sender}/", "Origin": sender}
    form = shared.form(shared.token(), ViewMode="1")
    page = visitor.post(f"{shared.biller().base_url}/sso/connect", form, origin=sender, headers=lies)
    assert page.csp["frame-ancestors"] == HARBORLIGHT
    shared.press(visitor, page, page.own_path)
    again = visitor.get(shared.url(page.links()[0]), headers=lies)
    assert again.csp["frame-ancestors"] == HARBORLIGHT
    assert "X-Frame-Options" not in again.headers


@pytest.mark.parametrize(
    ("key", "origin"), [("session", HARBORLIGHT), ("meadowline", MEADOWLINE), ("prairie", HARBORLIGHT_AT_PRAIRIE)]
)
def test_each_key_lets_its_own_origins_frame_and_no_others(shared: World, key: str, origin: str) -> None:
    bid = shared.prepared.keys[key][0]
    page = shared.connect(shared.visitor(FRAME), shared.token(key=key), bid=bid, origin=origin)
    assert page.csp["frame-ancestors"] == origin


def test_an_origin_that_is_registered_or_removed_in_mid_session_counts_with_the_next_click(world: World) -> None:

    visitor, page = world.frame()
    link = world.url(page.links()[0])
    key = world.key_id("session")
    world.hub.api_keys.add_place(ACTOR, str(new_id()), RIVERBEND, key, "frame", "https://new.harborlight.example")
    assert visitor.get(link).csp["frame-ancestors"] == f"{HARBORLIGHT} https://new.harborlight.example"
    world.hub.api_keys.remove_place(ACTOR, str(new_id()), RIVERBEND, key, "frame", HARBORLIGHT)
    assert visitor.get(link).csp["frame-ancestors"] == "https://new.harborlight.example"


def test_a_key_without_frame_origins_is_framed_by_nobody(world: World) -> None:

    world.hub.api_keys.remove_place(ACTOR, str(new_id()), RIVERBEND, world.key_id("session"), "frame", HARBORLIGHT)
    _, page = world.frame()
    assert page.csp["frame-ancestors"] == "'none'"
    assert page.headers["X-Frame-Options"] == "DENY"


def test_static_files_are_kept_for_ever_under_an_address_of_their_content(shared: World) -> None:
    visitor, url = shared.full_page()
    page = visitor.get(url)
    addresses = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text))
    assert {address.rsplit(".", 1)[1] for address in addresses} == {"css", "js", "svg"}
    for address in addresses:
        file = shared.visitor().get(shared.url(address))
        assert file.status == 200
        assert file.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        assert file.cookies == {}
        other = re.sub(r"/static/[0-9a-f]+/", "/static/000000000000/", address)
        assert shared.visitor().get(shared.url(other)).status == 404
    assert shared.visitor().get(shared.url("/static/x/..%2f..%2frequest.py")).status == 404


def test_no_address_on_any_page_holds_a_secret(shared: World) -> None:
    token = shared.token()
    for dest in (FULL, FRAME):
        visitor = shared.visitor(dest)
        answer = shared.connect(visitor, token, ReturnUrl=BACK)
        page = answer if dest == FRAME else visitor.get(shared.url(answer.location))
        secrets = {token, token[5:], page.csrf, *visitor.jars[shared.biller().host].values()}
        addresses = [answer.location, *re.findall(r'(?:href|src|action|data-[a-z-]+)="([^"]*)"', page.text)]
        for address in addresses:
            assert not [secret for secret in secrets if secret in address], address


def test_a_reload_of_a_page_is_never_served_from_a_store(shared: World) -> None:
    visitor, url = shared.full_page()
    page = visitor.get(url, headers={"If-None-Match": "*", "If-Modified-Since": "Fri, 20 Nov 2026 15:00:00 GMT"})
    assert page.status == 200
    assert "ETag" not in page.headers
