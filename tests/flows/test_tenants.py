"""Two billers side by side: host, path, cookie, handle and account of one open nothing at the other, whatever the caller sends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from werkzeug.test import Client

from idp.errors import InvalidFields, SharedOriginRefused
from idp.opaque import new_id
from tests.flows.visitor import FRAME, FULL, Visitor
from tests.flows.world import ACTOR, AMOUNTS, PRAIRIE, RIVERBEND, Prepared, World, open_world

HERE, THERE = "https://riverbend.hub.example.com", "https://prairie.hub.example.com"


@pytest.mark.parametrize("path", ["sso/connect", "sign-out", "language", "a/none/bills", "a/00000000000000000000/users", "nothing"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_host_and_a_path_that_name_different_billers_are_no_page(shared: World, path: str, method: str) -> None:
    visitor = shared.visitor()
    url = f"{HERE}/b/prairie/{path}"
    answer = visitor.get(url) if method == "GET" else visitor.post(url, {}, origin=HERE)
    assert answer.status == (405 if method == "GET" and path in {"sign-out", "language"} else 404)
    assert "Prairie" not in answer.text
    assert "Riverbend" not in answer.text


@pytest.mark.parametrize(
    "host",
    [
        "nobody.hub.example.com",
        "hub.example.com",
        "elsewhere.example",
        "127.0.0.1",
        "riverbend.hub.example.com:444",
        "riverbend.hub.example.com.:444",
        "xn--e1afmkfd.example",
    ],
)
def test_a_host_that_is_no_billers_has_no_pages(shared: World, host: str) -> None:
    for path in ("/b/riverbend/a/none/bills", "/b/riverbend/sso/connect", "/b/riverbend/"):
        assert shared.visitor().get(f"https://{host}{path}").status == 404


def test_a_host_is_read_without_regard_to_case_and_a_slug_is_not(shared: World) -> None:
    visitor, url = shared.full_page()
    path = url.removeprefix(HERE)
    jar = {"RIVERBEND.hub.Example.com": visitor.jars["riverbend.hub.example.com"]}
    assert Visitor(shared.app, FULL, jars=jar).get(f"https://RIVERBEND.hub.Example.com{path}").status == 200
    assert visitor.get(url.replace("/b/riverbend/", "/b/Riverbend/")).status == 404


@pytest.mark.parametrize(
    "host", ["console.hub.example.com", "www.hub.example.com", "static.hub.example.com", "riverbend-csr.hub.example.com"]
)
def test_no_biller_answers_on_a_reserved_name(shared: World, host: str) -> None:
    for slug in ("riverbend", host.split(".")[0]):
        assert shared.visitor().get(f"https://{host}/b/{slug}/a/none/bills").status == 404


@pytest.mark.parametrize(
    "slug", ["api", "console", "www", "static", "riverbend-csr", "-csr", "Riverbend", "a.b", "a/b", "", "ä", "a" * 64]
)
def test_no_biller_gets_a_reserved_or_odd_slug(shared: World, slug: str) -> None:
    with pytest.raises(InvalidFields):
        shared.hub.billers.create(ACTOR, str(new_id()), bid=9100, slug=slug, dba="Odd")


def test_no_second_biller_gets_a_host_that_has_one(world: World) -> None:
    with pytest.raises(SharedOriginRefused):
        world.hub.billers.create(ACTOR, str(new_id()), bid=9100, slug="third", dba="Third", host="riverbend.hub.example.com")
    with pytest.raises(SharedOriginRefused):
        world.change_biller(PRAIRIE, host="riverbend.hub.example.com")


def test_the_portal_does_not_answer_on_the_apis_host_nor_the_api_on_a_billers(shared: World) -> None:
    assert shared.visitor().get("https://api.hub.example.com/b/riverbend/a/none/bills").status == 404
    for path in ("/api/v1/ping", "/api/v1/openapi.json", "/api/v1/docs"):
        answer = shared.visitor().get(f"{HERE}{path}", headers={"X-Api-Key": shared.secret("session")})
        assert answer.status == 404
        assert answer.headers["Content-Type"].startswith("text/html")


def test_every_handle_cookie_and_account_of_one_biller_is_worth_nothing_at_the_other(shared: World) -> None:
    here, url = shared.full_page()
    there, there_url = shared.full_page(key="prairie")
    handle, there_handle = url.split("/")[-2], there_url.split("/")[-2]
    assert handle != there_handle
    assert here.get(url.replace(handle, there_handle)).status == 404
    assert there.get(there_url.replace(there_handle, handle)).status == 404
    swapped = {
        "riverbend.hub.example.com": there.jars["prairie.hub.example.com"],
        "prairie.hub.example.com": here.jars["riverbend.hub.example.com"],
    }
    for address in (url, there_url):
        assert Visitor(shared.app, FULL, jars=swapped).get(address).status == 401


def test_one_browser_at_two_billers_sees_each_billers_own_bills(shared: World) -> None:
    visitor, url = shared.full_page()
    there_url = THERE + shared.connect(visitor, shared.token(key="prairie"), bid=PRAIRIE).location
    for _ in range(2):
        here, there = visitor.get(url), visitor.get(there_url)
        assert AMOUNTS[RIVERBEND] in here.text
        assert AMOUNTS[PRAIRIE] not in here.text
        assert AMOUNTS[PRAIRIE] in there.text
        assert AMOUNTS[RIVERBEND] not in there.text


SPOOFED = {
    "X-Forwarded-Host": "prairie.hub.example.com",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Prefix": "/elsewhere",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Server": "elsewhere.example",
    "Forwarded": "host=prairie.hub.example.com;proto=http",
    "X-Host": "prairie.hub.example.com",
    "X-Original-Host": "prairie.hub.example.com",
    "X-Original-URL": "/b/prairie/a/none/bills",
    "X-Rewrite-URL": "/b/prairie/a/none/bills",
}


def test_forwarding_headers_of_a_stranger_change_nothing(shared: World) -> None:
    visitor, url = shared.full_page()
    plain = visitor.get(url)
    for name, value in SPOOFED.items():
        answer = visitor.get(url, headers={name: value})
        assert answer.status == 200, name
        assert AMOUNTS[RIVERBEND] in answer.text
        assert "elsewhere" not in answer.text
        assert answer.csp.keys() == plain.csp.keys()
        form = shared.form(shared.token())
        moved = shared.visitor().post(f"{shared.biller().base_url}/sso/connect", form, origin=None, headers={name: value})
        assert moved.status == 303, name
        assert moved.location.startswith("/b/riverbend/")


def test_a_trusted_proxy_says_which_host_was_asked_for_and_a_stranger_beside_it_does_not(
    prepared: Prepared, tmp_path: Path
) -> None:
    with open_world(prepared, tmp_path, trusted_proxies="10.0.0.0/8, fd00::/8") as world:
        path = "/b/prairie/sso/connect"
        spoof = {"X-Forwarded-Host": "prairie.hub.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
        for peer, status in (("10.1.2.3", 303), ("fd00::5", 303), ("203.0.113.7", 404), ("11.0.0.1", 404), ("", 404)):
            visitor = Visitor(world.app, FULL, peer)
            form = world.form(world.token(key="prairie"))
            assert visitor.post(f"http://inside{path}", form, origin=None, headers=spoof).status == status, peer


def test_connect_url_comes_from_the_billers_row_whatever_host_was_asked_for(shared: World) -> None:

    body = json.dumps({"UserName": "avery"})
    for headers in ({}, SPOOFED):
        answer = _api(shared, "session", "/remote-authentication/authenticate", body, headers)
        assert answer["ConnectUrl"] == f"{HERE}/b/riverbend/sso/connect"
    assert (
        _api(shared, "prairie", "/remote-authentication/authenticate", body, {})["ConnectUrl"] == f"{THERE}/b/prairie/sso/connect"
    )


def test_a_biller_that_moves_to_a_host_of_its_own_lives_there_and_nowhere_else(world: World) -> None:
    visitor, url = world.full_page()
    world.change_biller(host="bills.riverbend.example")
    assert visitor.get(url).status in {401, 404}
    moved = world.connect(world.visitor(), world.token())
    assert moved.status == 303
    token = world.token()
    assert world.visitor().post(f"{HERE}/b/riverbend/sso/connect", world.form(token), origin=None).status == 404
    there, there_url = world.full_page(key="prairie")
    assert there.get(there_url).status == 200


def test_on_a_shared_host_each_biller_has_a_cookie_of_its_own(prepared: Prepared, tmp_path: Path) -> None:
    with open_world(prepared, tmp_path, shared_origin="accepted") as world:
        for bid in (RIVERBEND, PRAIRIE):
            world.change_biller(bid, host="bills.example.com")
        visitor, url = world.full_page()
        moved = world.connect(visitor, world.token(key="prairie"), bid=PRAIRIE)
        there_url = world.url(moved.location, PRAIRIE)
        visitor.get(there_url)
        assert set(visitor.jars["bills.example.com"]) == {"__Host-hub-riverbend", "__Host-hub-prairie"}
        assert AMOUNTS[RIVERBEND] in visitor.get(url).text
        assert AMOUNTS[PRAIRIE] in visitor.get(there_url).text
        jar = visitor.jars["bills.example.com"]
        jar["__Host-hub-riverbend"], jar["__Host-hub-prairie"] = jar["__Host-hub-prairie"], jar["__Host-hub-riverbend"]
        assert visitor.get(url).status == visitor.get(there_url).status == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_answered_on_any_host_and_says_nothing_of_billers(shared: World, path: str) -> None:
    for host in ("riverbend.hub.example.com", "api.hub.example.com", "10.0.0.5:8080", "elsewhere.example"):
        answer = shared.visitor().get(f"http://{host}{path}")
        assert answer.status == 200
        assert "iverbend" not in answer.text
        assert answer.cookies == {}


@pytest.mark.parametrize("dest", [FULL, FRAME])
def test_a_disabled_biller_shows_no_page_and_the_other_one_goes_on(world: World, dest: str) -> None:
    if dest == FULL:
        visitor, url = world.full_page()
    else:
        visitor, page = world.frame()
        url = world.url(page.links()[0])
    there, there_url = world.full_page(key="prairie")
    world.change_biller(disabled=True)
    assert visitor.get(url).status == 401
    assert there.get(there_url).status == 200
    world.change_biller(disabled=False)
    assert visitor.get(url).status == 200


def _api(world: World, key: str, path: str, body: str, headers: dict[str, str]) -> dict[str, str]:
    """A call of the partner API over HTTP."""

    sent = {"Host": "api.hub.example.com", "X-Api-Key": world.secret(key), **headers}
    answer = Client(world.app).post(f"/api/v1{path}", data=body, content_type="application/json", headers=sent)
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = json.loads(answer.text)
    return found
