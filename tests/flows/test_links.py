"""SSO links: good once and for a minute, checked when made and when followed, the secret in the fragment and nowhere else."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from admin.history import ChangeFilter
from idp.opaque import new_id
from tests.flows.partner import PartnerProgram
from tests.flows.visitor import FRAME, FULL, SILENT, Answer, Visitor
from tests.flows.world import ACTOR, AMOUNTS, BACK, HARBORLIGHT, PRAIRIE, RIVERBEND, World

LINKS = "/sso-connect/links"
GOOD = {"UserName": "avery", "RedirectID": 1, "ViewMode": 0}


def secret_of(url: str) -> str:
    return urlsplit(url).fragment


def follow(
    world: World,
    url: str,
    visitor: Visitor | None = None,
    *,
    bid: int = RIVERBEND,
    origin: str | None = "own",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """What the script of the landing page does, in a browser that came from the partner's page."""
    biller = world.biller(bid)
    visitor = visitor or world.visitor()
    landing = visitor.get(f"{biller.base_url}/sso/link", headers={"Referer": f"{HARBORLIGHT}/"})
    sender = biller.origin if origin == "own" else origin
    form = {"Link": secret_of(url), "Sender": note_of(landing)}
    return visitor.post(f"{biller.base_url}/sso/link", form, origin=sender, headers=headers)


def note_of(landing: Answer) -> str:
    """What the script of a landing page posts beside the secret."""
    found = re.search(r'data-sender="([^"]+)"', landing.text)
    return found[1] if found else ""


def post(world: World, form: list[tuple[str, str]]) -> Answer:
    """Any form from the landing page."""
    biller = world.biller()
    return world.visitor().post(f"{biller.base_url}/sso/link", form, origin=biller.origin)


def test_a_link_leads_to_the_page_that_was_asked_for_without_its_secret_in_any_address(shared: World) -> None:
    url = PartnerProgram(shared).link(RedirectID=7, AccountNumber="1001-02", ReturnUrl=BACK, CustomReturnSiteName="Home")
    assert re.fullmatch(rf"{shared.biller().base_url}/sso/link#idhl_[\w-]{{43}}", url)
    visitor = shared.visitor()
    landing = visitor.get(url.partition("#")[0])
    assert landing.status == 200
    moved = follow(shared, url, visitor)
    assert (moved.status, moved.location.rpartition("/")[2]) == (303, "history")
    assert secret_of(url)[5:] not in landing.text + moved.location + moved.text
    page = visitor.get(shared.url(moved.location))
    assert page.status == 200
    assert "1001-02" in page.text
    assert "Sign out and Return to Home" in page.text
    assert shared.sign_out(visitor, page).text.count(BACK) >= 1


def test_a_link_into_a_frame_answers_the_page_itself_to_the_partners_origins(shared: World) -> None:
    visitor = shared.visitor(FRAME)
    page = follow(shared, PartnerProgram(shared).link(ViewMode=1), visitor)
    assert page.status == 200
    assert AMOUNTS[RIVERBEND] in page.text
    assert page.csp["frame-ancestors"] == HARBORLIGHT
    assert list(page.cookies) == ["__Host-hub_fn", "__Host-hub_f1"]


@pytest.mark.parametrize("dest", [FULL, FRAME, SILENT])
def test_the_landing_page_spends_nothing_holds_nothing_and_is_never_kept(shared: World, dest: str) -> None:
    url = PartnerProgram(shared).link()
    visitor = shared.visitor(dest)
    pages = [visitor.get(url.partition("#")[0], headers={"Sec-Purpose": "prefetch"}) for _ in range(3)]
    for page in pages:
        assert page.status == 200
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert page.csp["form-action"] == "'self'"
        assert page.csp["script-src"].startswith("'nonce-")
        assert page.csp["frame-ancestors"] == ("'none'" if dest == FULL else "*")
        assert list(page.cookies) == ([] if dest == FRAME else ["__Host-hub_l"])
        assert "<noscript>" in page.text
        for private in ("avery", "Avery", "1001", "$", "Harborlight", "idhl_"):
            assert private not in page.text, private
    assert follow(shared, url).status == 303


def test_a_second_use_is_refused_with_a_reference_and_ends_what_came_of_the_first(shared: World) -> None:
    url, first = PartnerProgram(shared).link(), shared.visitor()
    page_url = shared.url(follow(shared, url, first).location)
    bystander, bystanders_page = shared.full_page()
    assert first.get(page_url).status == 200
    again = follow(shared, url)
    assert again.status == 410
    assert again.cookies == {}
    told = PartnerProgram(shared).told(f"/diagnostics/{again.reference}")
    assert (told["Code"], told["Where"]) == ("TokenSpent", "POST /b/riverbend/sso/link")
    assert first.get(page_url).status == 401
    assert bystander.get(bystanders_page).status == 200
    assert follow(shared, url).status == 410


def test_a_link_is_over_after_a_minute(world: World) -> None:
    told = PartnerProgram(world).told(LINKS, GOOD)
    assert told["ExpiresAt"] == "2026-11-20T15:01:00Z"
    world.later(seconds=61)
    refused = follow(world, told["Url"])
    assert refused.status == 410
    assert world.refusal(refused).code == "TokenExpired"
    # What became of it is still known, so its partner reads it.
    assert PartnerProgram(world).told(f"/diagnostics/{refused.reference}")["Checks"][-1]["Came"] == "past its lifetime"


@pytest.mark.parametrize("origin", ["https://prairie.hub.example.com", HARBORLIGHT, "null", None])
def test_nobody_but_the_landing_page_may_post_a_link_and_nothing_is_spent_by_trying(shared: World, origin: str | None) -> None:
    url = PartnerProgram(shared).link()
    refused = follow(shared, url, origin=origin)
    assert refused.status == 403
    assert refused.cookies == {}
    assert follow(shared, url).status == 303


@pytest.mark.parametrize("secret", ["x", "idhl_", "idhl_" + "A" * 43, "idhl_" + "é" * 43, "x" * 5000, "<script>x</script>"])
def test_what_is_no_link_is_refused_as_an_unknown_one(shared: World, secret: str) -> None:
    refused = post(shared, [("Link", secret)])
    assert refused.status == 401
    assert shared.refusal(refused).code == "TokenUnknown"
    assert "<script>x" not in refused.text


def test_no_link_and_two_are_refused_and_nothing_is_spent(shared: World) -> None:
    secret = secret_of(PartnerProgram(shared).link())
    for form in ([], [("Link", "")], [("Link", secret), ("link", secret)]):
        assert post(shared, form).status == 400
    assert post(shared, [("LINK", secret), ("Colour", "red")]).status == 303


def test_a_link_is_no_token_and_a_token_is_no_link(shared: World) -> None:
    url, token, partner = PartnerProgram(shared).link(), shared.token(), PartnerProgram(shared)
    assert shared.connect(shared.visitor(), secret_of(url)).status == 401
    assert follow(shared, f"https://x/#{token}").status == 401
    assert not partner.told("/remote-authentication/introspect", {"RemoteAuthenticationToken": secret_of(url)})["Active"]
    named = {"RemoteAuthenticationToken": secret_of(url)}
    assert partner.refused("/remote-authentication/authenticate", named) == (404, "UserNotFound")
    assert partner.ask("/remote-authentication/revoke", named).status_code == 204
    assert follow(shared, url).status == 303
    assert shared.connect(shared.visitor(), token).status == 303


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"RedirectID": 12}, (422, "InvalidFields")),
        ({"RedirectID": "1"}, (422, "InvalidFields")),
        ({"ViewMode": 3}, (422, "InvalidFields")),
        ({"ViewMode": None}, (422, "InvalidFields")),
        ({"CustomReturnSiteName": "x" * 81}, (422, "InvalidFields")),
        ({"ReturnUrl": "https://elsewhere.example/"}, (403, "ReturnUrlRefused")),
        ({"AccountNumber": "1002-01"}, (403, "AccountRefused")),
        ({"AccountNumber": "none"}, (403, "AccountRefused")),
        ({"AuthTime": 0}, (422, "InvalidFields")),
        ({"UserName": "nobody"}, (404, "UserNotFound")),
        ({"UserName": None}, (422, "InvalidFields")),
        ({"Colour": "red"}, (422, "InvalidFields")),
        ({"Password": "x"}, (422, "InvalidFields")),
    ],
)
def test_parameters_are_checked_when_the_link_is_made(shared: World, change: dict[str, object], refused: tuple[int, str]) -> None:
    assert PartnerProgram(shared).refused(LINKS, GOOD | change) == refused


def test_a_redirect_id_that_the_key_may_not_use_and_a_disabled_user_get_no_link(world: World) -> None:
    partner = PartnerProgram(world, "bills only")
    assert partner.refused(LINKS, GOOD | {"RedirectID": 6}) == (403, "DestinationRefused")
    assert partner.link()
    world.hub.users.change(ACTOR, "r", RIVERBEND, world.user_id("avery"), disabled=True)
    assert partner.refused(LINKS, GOOD) == (403, "UserDisabled")


def policies(world: World, **changes: Any) -> None:
    key = world.hub.api_keys.find(RIVERBEND, world.key_id("session"))
    assert key is not None
    world.hub.api_keys.change(ACTOR, str(new_id()), RIVERBEND, key.id, policies=replace(key.policies, **changes))


def test_a_compat_keys_return_url_off_the_list_is_dropped_and_told(world: World) -> None:
    policies(world, strictness="compat")
    answer = PartnerProgram(world).ask(LINKS, GOOD | {"ReturnUrl": "https://elsewhere.example/"})
    assert answer.headers["X-Warning"] == "ReturnUrlDropped ReturnUrl"
    visitor = world.visitor()
    moved = follow(world, answer.get_json()["Url"], visitor)
    assert "elsewhere" not in visitor.get(world.url(moved.location)).text
    assert [each.code for each in world.hub.warnings.list_all(RIVERBEND)] == ["ReturnUrlDropped"]


def test_a_key_that_must_present_the_password_makes_no_link_whoever_is_named(world: World) -> None:
    policies(world, authenticate="password")
    for user in ("avery", "nobody"):
        assert PartnerProgram(world).refused(LINKS, GOOD | {"UserName": user}) == (401, "CredentialsRefused")


WHAT: dict[str, Callable[[World], object]] = {
    "key revoked": lambda w: w.hub.api_keys.revoke(ACTOR, "r", RIVERBEND, w.key_id("session")),
    "user disabled": lambda w: w.hub.users.change(ACTOR, "r", RIVERBEND, w.user_id("avery"), disabled=True),
    "user revoked": lambda w: w.hub.users.revoke(ACTOR, "r", RIVERBEND, w.user_id("avery")),
    "biller disabled": lambda w: w.change_biller(disabled=True),
    "return url taken off": lambda w: w.hub.api_keys.remove_place(ACTOR, "r", RIVERBEND, w.key_id("session"), "return", BACK),
    "redirect id taken away": lambda w: policies(w, redirect_ids=frozenset({2})),
}


@pytest.mark.parametrize("what", WHAT)
def test_whatever_changed_since_the_link_was_made_counts_when_it_is_followed(world: World, what: str) -> None:
    url = PartnerProgram(world).link(ReturnUrl=BACK)
    WHAT[what](world)
    refused = follow(world, url)
    assert refused.status in {401, 403, 410}
    assert refused.cookies == {}
    assert world.refusal(refused).key_id == world.key_id("session")


def test_a_link_works_at_its_own_biller_only_and_is_its_partners_only(shared: World) -> None:
    url = PartnerProgram(shared).link()
    wrong = follow(shared, url, bid=PRAIRIE)
    assert (wrong.status, wrong.cookies) == (403, {})
    sender = shared.hub.api_keys.find(RIVERBEND, shared.key_id("session"))
    assert sender is not None
    assert shared.refusal(wrong, PRAIRIE).partner_id == sender.partner.id
    assert PartnerProgram(shared, "meadowline").refused(f"/diagnostics/{wrong.reference}") == (404, "ReferenceNotFound")
    page = follow(shared, PartnerProgram(shared).link(ViewMode=1))
    assert page.status == 403
    assert PartnerProgram(shared).told(f"/diagnostics/{page.reference}")["Code"] == "ViewModeRefused"
    for key in ("meadowline", "prairie"):
        assert PartnerProgram(shared, key).refused(f"/diagnostics/{page.reference}") == (404, "ReferenceNotFound")


def test_the_secret_of_a_link_is_kept_as_a_digest_only_and_each_repeat_mints_anew(world: World, tmp_path: object) -> None:
    urls = {PartnerProgram(world).link() for _ in range(3)}
    assert len(urls) == 3
    folder = str(tmp_path)
    for name in ("hub.sqlite3", "keyvalue.sqlite3"):
        with closing(sqlite3.connect(f"{folder}/{name}")) as connection:
            stored = "\n".join(connection.iterdump())
        for url in urls:
            assert secret_of(url) not in stored
            assert secret_of(url)[5:] not in stored


def test_making_and_following_a_link_are_in_the_change_log(world: World) -> None:
    follow(world, PartnerProgram(world).link())
    with world.hub.database.read() as stores:
        rows = stores.change_history.list_changes(ChangeFilter(RIVERBEND, user_id=world.user_id("avery")), 2)
    assert [entry.row.action for entry in rows] == ["session.open", "link.issue"]
    assert {entry.row.actor_kind for entry in rows} == {"partner"}
