"""A biller's own address, which the command line prints, and every page on its host that says no: whose it is, and a way on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from idp.errors import StoreUnavailable
from idp.opaque import new_id
from tests.flows.visitor import FRAME, FULL, Answer, Visitor
from tests.flows.world import ACTOR, AMOUNTS, HARBORLIGHT, PRAIRIE, RIVERBEND, SETTING_3, Prepared, World, open_world

HERE = "https://riverbend.hub.example.com"
HOME = f"{HERE}/"
ADDRESSES = ("/", "/b/riverbend", "/b/riverbend/")


def h1(answer: Answer) -> str:
    found = re.search(r"<h1>([^<]*)</h1>", answer.text)
    return found[1] if found else ""


def set_3(world: World, value: str, bid: int = RIVERBEND) -> None:
    world.hub.advanced_settings.put(ACTOR, str(new_id()), bid, 3, value)


# --- the address itself ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ADDRESSES)
def test_the_billers_own_address_leads_to_its_sign_in(shared: World, path: str) -> None:
    answer = shared.visitor().get(HERE + path)
    assert (answer.status, answer.location) == (303, SETTING_3)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.cookies == {}


@pytest.mark.parametrize("path", ADDRESSES)
def test_without_a_sign_in_address_it_is_a_page_of_the_biller_that_says_where_to_go(world: World, path: str) -> None:
    set_3(world, "")
    answer = world.visitor().get(HERE + path)
    assert answer.status == 200
    assert h1(answer) == "Welcome to Riverbend Water &amp; Light"
    assert "sign in on the website" in answer.text
    assert answer.csp["frame-ancestors"] == "'none'"
    there = world.visitor().get(f"https://prairie.hub.example.com{path.replace('riverbend', 'prairie')}")
    assert there.location == SETTING_3, "the other biller has its own"


def test_a_sign_in_address_on_the_billers_own_host_is_not_gone_round_in_circles(world: World) -> None:
    for url in (f"{HERE}/", f"{HERE}/b/riverbend/", f"{HERE.upper()}/sign-in".replace("HTTPS", "https")):
        set_3(world, url)
        assert world.visitor().get(f"{HERE}/").status == 200, url


def test_whoever_is_signed_in_comes_to_their_bills(world: World) -> None:
    visitor, url = world.full_page()
    for path in ADDRESSES:
        answer = visitor.get(HERE + path)
        assert (answer.status, world.url(answer.location)) == (303, url)
    assert world.visitor().get(HOME).location == SETTING_3
    there = visitor.get("https://prairie.hub.example.com/")
    assert there.location == SETTING_3, "a session of one biller says nothing at another"


def test_nothing_of_a_session_is_told_to_a_made_up_cookie(shared: World) -> None:
    visitor = Visitor(shared.app, FULL, jars={"riverbend.hub.example.com": {"__Host-hub": "x" * 43}})
    assert visitor.get(HOME).location == SETTING_3


def test_a_biller_that_moved_answers_at_its_new_address_only(world: World) -> None:
    assert world.visitor().get(HOME).status == 303
    world.change_biller(host="bills.riverbend.example")
    assert world.visitor().get(HOME).status == 404
    assert "Riverbend" not in world.visitor().get(HOME).text
    assert world.visitor().get("https://bills.riverbend.example/").location == SETTING_3


def test_two_billers_on_one_host_have_the_addresses_with_their_names(prepared: Prepared, tmp_path: Path) -> None:
    with open_world(prepared, tmp_path, shared_origin="accepted") as world:
        assert world.visitor().get(HOME).status == 303
        world.change_biller(PRAIRIE, host="riverbend.hub.example.com")
        set_3(world, "https://prairie.example/", PRAIRIE)
        bare = world.visitor().get(HOME)
        assert bare.status == 404
        assert "Riverbend" not in bare.text
        assert "Prairie" not in bare.text
        assert world.visitor().get(f"{HERE}/b/riverbend/").location == SETTING_3
        assert world.visitor().get(f"{HERE}/b/prairie").location == "https://prairie.example/"
        assert "Prairie Electric Cooperative" in world.visitor().get(f"{HERE}/b/prairie/nothing").text


@pytest.mark.parametrize("host", ["nobody.hub.example.com", "hub.example.com", "elsewhere.example", "www.hub.example.com"])
def test_a_host_that_is_no_billers_stays_bare(shared: World, host: str) -> None:
    for path in ("/", "/nothing", "/b/riverbend/", "/b/riverbend"):
        answer = shared.visitor().get(f"https://{host}{path}")
        assert answer.status == 404
        assert "Riverbend" not in answer.text
        assert "<a " not in answer.text


@pytest.mark.parametrize("host", ["riverbend.hub.example.com:443", "riverbend.hub.example.com.", "RIVERBEND.hub.example.com.:443"])
def test_the_default_port_and_a_trailing_dot_are_the_same_address(shared: World, host: str) -> None:
    for path in ADDRESSES:
        assert shared.visitor().get(f"https://{host}{path}").location == SETTING_3
    assert h1(shared.visitor().get(f"https://{host}/nothing")) == "Page not found"
    assert is_branded(shared.visitor().get(f"https://{host}/nothing"))


@pytest.mark.parametrize("host", ["riverbend.hub.example.com:443", "riverbend.hub.example.com."])
def test_a_whole_visit_works_there_and_its_forms_do_as_well(shared: World, host: str) -> None:
    """Browsers send the dot in Origin, too, and keep cookies of their own for it."""
    visitor, origin = shared.visitor(), f"https://{host}"
    form = {"RemoteAuthenticationToken": shared.token(), "ViewMode": "0", "RedirectID": "1"}
    arrived = visitor.post(f"{origin}/b/riverbend/sso/connect", form, origin=HARBORLIGHT)
    assert arrived.status == 303
    path = arrived.location.removeprefix(HERE)
    page = visitor.get(f"{origin}{path}")
    assert page.status == 200
    assert AMOUNTS[RIVERBEND] in page.text
    fields = {"csrf_token": page.csrf}
    assert visitor.post(f"{origin}/b/riverbend/sign-out", fields, origin="https://prairie.hub.example.com.").status == 403
    assert visitor.post(f"{origin}/b/riverbend/sign-out", fields, origin=origin).status in {200, 303}
    assert visitor.get(f"{origin}{path}").status == 401


def test_of_several_proxies_the_outermost_says_which_host_was_asked_for(prepared: Prepared, tmp_path: Path) -> None:
    with open_world(prepared, tmp_path, trusted_proxies="10.0.0.0/24") as world:
        inner = Visitor(world.app, FULL, peer="10.0.0.2")

        def location(**said: str) -> str:
            headers = {f"X-Forwarded-{name}": value for name, value in said.items()}
            return inner.get("http://10.0.0.9:8080/", headers=headers).location

        there, here = "prairie.hub.example.com", "riverbend.hub.example.com"
        assert location(For="203.0.113.7", Host=here, Proto="https") == SETTING_3
        assert location(For="203.0.113.7, 10.0.0.1", Host=f"{here}:443, proxy.internal", Proto="https, http") == SETTING_3
        assert location(For="203.0.113.7, 10.0.0.1", Host=here, Proto="https") == SETTING_3
        assert location(For="203.0.113.7", Host=f"nobody.example, {here}.", Proto="http, https") == SETTING_3
        answer = inner.get(
            "http://10.0.0.9:8080/", headers={"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Host": f"{here}, {there}"}
        )
        assert answer.location == SETTING_3
        assert location(For="203.0.113.7", Host=f"{here}, nobody.example") == ""


# --- pages that say no -------------------------------------------------------------------------------------------------------


def is_branded(answer: Answer) -> bool:
    """It names the biller, and leads on to its address."""
    return "Riverbend Water &amp; Light" in answer.text and 'href="/b/riverbend/"' in answer.text


@pytest.mark.parametrize("path", ["/nothing", "/b/riverbend/nothing", "/static/0/x.css", "/b/riverbend/a/none", "/favicon.ico"])
def test_a_page_that_is_not_there_names_the_biller_and_leads_on(shared: World, path: str) -> None:
    answer = shared.visitor().get(HERE + path)
    assert answer.status == 404
    assert h1(answer) == "Page not found"
    assert is_branded(answer)


def test_a_method_that_is_not_taken_a_form_that_may_not_be_sent_and_one_that_is_too_large_do_as_well(shared: World) -> None:
    visitor, url = shared.full_page()
    base = shared.biller().base_url
    for answer, status in (
        (visitor.get(f"{base}/sign-out"), 405),
        (visitor.post(f"{base}/sign-out", {}, origin="https://elsewhere.example"), 403),
        (visitor.post(url, {"csrf_token": "0" * 64}, origin=HERE), 403),
        (visitor.post(f"{base}/language", {"back": "x" * 2_000_000}, origin=HERE), 413),
        (visitor.get(f"{url}0"), 404),
        (visitor.get(f"{base}/a/{'0' * 20}/bills"), 404),
    ):
        assert answer.status == status
        assert is_branded(answer), status
        assert AMOUNTS[RIVERBEND] not in answer.text


def test_a_path_that_names_another_biller_or_nobody_leads_on_and_tells_them_not_apart(shared: World) -> None:
    def told(path: str) -> tuple[int, str]:
        answer = shared.visitor().get(HERE + path)
        return answer.status, re.sub(r"data-reference=\S+|<code>[^<]*</code>|nonce=\S+", "", answer.text)

    assert told("/b/prairie/nothing") == told("/b/nobody/nothing")
    status, text = told("/b/prairie/nothing")
    assert status == 404
    assert 'href="/"' in text
    assert "Prairie" not in text


def test_a_failure_names_the_biller_without_asking_a_store_that_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor, url = world.full_page()
    base = world.biller().base_url
    assert is_branded(visitor.get(f"{base}/nothing"))

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(type(world.hub.kv), "transact", away)
    for answer in (visitor.get(url), world.visitor().get(f"{base}/confirm?code=x")):
        assert answer.status == 503
        assert is_branded(answer)


def test_a_failure_on_a_host_that_nobody_has_asked_for_yet_is_still_a_page(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_world(prepared, tmp_path) as world:

        def away(*_: object, **__: object) -> None:
            raise StoreUnavailable("away")

        monkeypatch.setattr(type(world.hub.kv), "transact", away)
        answer = world.visitor().get(f"{HERE}/b/riverbend/a/none/bills")
        assert answer.status in {401, 503}
        assert world.visitor().get(f"{HERE}/nothing").status in {404, 503}


def test_a_page_that_says_no_speaks_the_billers_language(world: World) -> None:
    world.change_biller(locale="es")
    assert 'lang="es"' in world.visitor().get(f"{HERE}/nothing").text
    assert 'lang="en"' in world.visitor().get(f"{HERE}/nothing", headers={"Accept-Language": "en"}).text


def test_nobody_frames_these_pages(shared: World) -> None:
    for path in ("/nothing", "/b/riverbend/nothing"):
        answer = Visitor(shared.app, FRAME).get(HERE + path, headers={"Referer": HARBORLIGHT})
        assert answer.headers["X-Frame-Options"] == "DENY"
