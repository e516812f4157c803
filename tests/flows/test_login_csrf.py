"""Login CSRF: nobody is signed in, and a page pushes a sign-in into the browser. Who is asked, who is not (RFC 9700 4.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.flows.partner import PartnerProgram
from tests.flows.test_arriving import answer, make_compat, warned_of
from tests.flows.test_links import note_of, secret_of
from tests.flows.visitor import FRAME, FULL, SILENT, Answer, Visitor
from tests.flows.world import AMOUNTS, HARBORLIGHT, HARBORLIGHT_AT_PRAIRIE, PRAIRIE, RIVERBEND, World

STRANGER = "https://elsewhere.example"
SIBLING = "https://prairie.hub.example.com"


@dataclass(frozen=True, slots=True)
class Sent:
    """What a browser says of the page that sends: None leaves a header out."""

    origin: str | None = None
    referrer: str | None = None
    site: str | None = None

    def headers(self) -> dict[str, str]:
        given = {"Referer": self.referrer, "Sec-Fetch-Site": self.site}
        return {name: value for name, value in given.items() if value is not None}


LET_IN = {
    "a form of the partner's page": Sent(origin=HARBORLIGHT, site="cross-site"),
    "a page that sends Referer only": Sent(referrer=f"{HARBORLIGHT}/bills", site="cross-site"),
    "a redirect on the way (Origin: null), Referer kept": Sent(origin="null", referrer=f"{HARBORLIGHT}/", site="cross-site"),
    "an address that was typed": Sent(site="none"),
    "our own page": Sent(site="same-origin"),
}
ASKED = {
    "a sandboxed frame or a no-referrer form": Sent(origin="null", site="cross-site"),
    "no-referrer and no Origin": Sent(site="cross-site"),
    "a sibling's page that hides": Sent(site="same-site"),
    "a sibling's form that hides": Sent(origin="null", site="same-site"),
    "a word that no browser says": Sent(site="upside-down"),
    "Fetch Metadata without Sec-Fetch-Site": Sent(site=""),
    "a Referer that names no page": Sent(referrer="about:blank", site="cross-site"),
}
REFUSED = {
    "a stranger's form": Sent(origin=STRANGER, site="cross-site"),
    "a stranger's link": Sent(referrer=f"{STRANGER}/", site="cross-site"),
    "a stranger's page behind Origin: null": Sent(origin="null", referrer=f"{STRANGER}/", site="cross-site"),
    "a sibling's form": Sent(origin=SIBLING, site="same-site"),
    "a look-alike": Sent(origin=f"{HARBORLIGHT}.evil.example", site="cross-site"),
    "a stranger who claims to be typed": Sent(origin=STRANGER, site="none"),
}


def present(world: World, visitor: Visitor, sent: Sent, *, by_get: bool = False, mode: str = "0") -> Answer:
    form = world.form(world.token(), ViewMode=mode)
    url = f"{world.biller().base_url}/sso/connect"
    if by_get:
        return visitor.get(f"{url}?{'&'.join(f'{name}={value}' for name, value in form.items())}", headers=sent.headers())
    return visitor.post(url, form, origin=sent.origin, headers=sent.headers())


def first_look(world: World, visitor: Visitor, moved: Answer) -> Answer:
    assert moved.status == 303, moved.text
    return visitor.get(world.url(moved.location))


@pytest.mark.parametrize("strictness", ["strict", "compat"])
@pytest.mark.parametrize("what", LET_IN)
def test_a_known_sender_or_none_at_all_is_let_in_unasked(world: World, what: str, strictness: str) -> None:
    if strictness == "compat":
        make_compat(world)
    visitor = world.visitor()
    page = first_look(world, visitor, present(world, visitor, LET_IN[what], by_get=LET_IN[what].origin is None))
    assert AMOUNTS[RIVERBEND] in page.text
    assert "SenderNotSent" not in warned_of(world)


@pytest.mark.parametrize("strictness", ["strict", "compat"])
@pytest.mark.parametrize("what", ASKED)
def test_a_sender_that_hides_is_asked_about_where_nobody_is_signed_in(world: World, what: str, strictness: str) -> None:
    if strictness == "compat":
        make_compat(world)
    visitor = world.visitor()
    moved = present(world, visitor, ASKED[what], by_get=ASKED[what].origin is None)
    page = first_look(world, visitor, moved)
    assert "Continue as Avery Vale?" in page.text
    assert AMOUNTS[RIVERBEND] not in page.text
    assert "__Host-hub" not in visitor.jars[world.biller().host]
    assert "SenderNotSent" in warned_of(world)
    assert first_look(world, visitor, moved).text.count("Continue as Avery Vale?"), "asked until it is answered"
    on = answer(world, visitor, page, "yes")
    assert AMOUNTS[RIVERBEND] in visitor.get(world.url(on.location)).text


@pytest.mark.parametrize("what", ASKED)
def test_a_no_leaves_nobody_signed_in(world: World, what: str) -> None:
    visitor = world.visitor()
    moved = present(world, visitor, ASKED[what], by_get=ASKED[what].origin is None)
    assert answer(world, visitor, first_look(world, visitor, moved), "no").status == 200
    assert visitor.get(world.url(moved.location)).status == 401
    assert "__Host-hub" not in visitor.jars[world.biller().host]


@pytest.mark.parametrize("what", REFUSED)
def test_a_stranger_that_was_sent_is_refused_for_a_strict_key_and_asked_about_for_a_compat_one(world: World, what: str) -> None:
    by_get = REFUSED[what].origin is None
    refused = present(world, world.visitor(), REFUSED[what], by_get=by_get)
    assert (refused.status, world.refusal(refused).code) == (403, "SenderRefused")
    assert refused.cookies == {}
    make_compat(world)
    visitor = world.visitor()
    page = first_look(world, visitor, present(world, visitor, REFUSED[what], by_get=by_get))
    assert "Continue as Avery Vale?" in page.text


@pytest.mark.parametrize("by_get", [True, False])
def test_a_browser_without_fetch_metadata_that_sends_nothing_is_asked(world: World, by_get: bool) -> None:
    visitor = world.visitor(SILENT)
    moved = present(world, visitor, Sent(), by_get=by_get)
    assert "Continue as Avery Vale?" in first_look(world, visitor, moved).text
    told = world.visitor(SILENT)
    named = present(world, told, Sent(referrer=f"{HARBORLIGHT}/"), by_get=by_get)
    assert AMOUNTS[RIVERBEND] in first_look(world, told, named).text


def test_a_frame_mode_on_a_page_of_its_own_is_no_way_round_the_question(world: World) -> None:
    visitor = world.visitor(SILENT)
    page = present(world, visitor, Sent(), mode="1")
    assert "Continue as Avery Vale?" in page.text
    assert AMOUNTS[RIVERBEND] not in page.text
    assert not any("hub_f" in name and "fn" not in name for name in page.cookies), "nothing that counts"


@pytest.mark.parametrize("sent", [Sent(origin="null", site="cross-site"), Sent(site="cross-site")])
def test_in_a_frame_nobody_is_asked_for_the_registered_origins_guard_it(world: World, sent: Sent) -> None:
    visitor = world.visitor(FRAME)
    page = present(world, visitor, sent, mode="1")
    assert AMOUNTS[RIVERBEND] in page.text
    assert page.csp["frame-ancestors"] == HARBORLIGHT


def test_a_frame_that_no_browser_shows_leaves_no_cookie_that_counts(world: World) -> None:
    """A browser stores the cookies of an answer also where frame-ancestors then keeps it from being shown."""
    visitor = world.visitor(FRAME)
    page = present(world, visitor, Sent(origin="null", site="cross-site"), mode="1")
    assert visitor.get(world.url(page.own_path)).status == 401
    for path in page.links():
        assert visitor.get(world.url(path)).status == 401
    later = world.connect(visitor, world.token("zoe"))
    assert "Continue as" not in later.text, "nobody is here who could be asked about"
    assert "Zoe Vale" in later.text


def test_the_same_payer_who_is_signed_in_is_not_asked_again(world: World) -> None:
    visitor, _ = world.full_page()
    moved = present(world, visitor, Sent(origin="null", site="cross-site"))
    assert AMOUNTS[RIVERBEND] in first_look(world, visitor, moved).text


def test_another_payer_is_asked_about_whoever_sends(world: World) -> None:
    visitor, _ = world.full_page("zoe")
    moved = present(world, visitor, Sent(origin=HARBORLIGHT, site="cross-site"))
    assert "Zoe Vale is signed in" in first_look(world, visitor, moved).text


def test_what_one_partner_registered_vouches_for_no_other_partner_and_no_other_biller(world: World) -> None:
    refused = world.connect(world.visitor(), world.token(key="meadowline"))
    assert world.refusal(refused).code == "SenderRefused"
    there = world.connect(world.visitor(), world.token(key="prairie"), bid=PRAIRIE, origin="https://kiosk.harborlight.example")
    assert world.refusal(there, PRAIRIE).code == "SenderRefused"
    assert world.connect(world.visitor(), world.token(key="prairie"), bid=PRAIRIE, origin=HARBORLIGHT_AT_PRAIRIE).status == 303


def test_the_partner_reads_why_its_payers_are_asked(world: World) -> None:
    present(world, world.visitor(), Sent(origin="null", site="cross-site"))
    world.hub.warnings.flush()
    (told,) = [each for each in PartnerProgram(world).told("/diagnostics/recent")["Results"] if each["Code"] == "SenderNotSent"]
    assert told["Where"] == "POST /b/riverbend/sso/connect"
    assert "Referrer-Policy: no-referrer" in str(told)


def test_the_shared_address_lets_the_browser_name_the_partners_page(world: World) -> None:
    passed = world.visitor().post("https://hub.example.com/sso/connect", world.form(world.token()), origin=HARBORLIGHT)
    assert (passed.status, passed.headers["Referrer-Policy"]) == (307, "strict-origin")


# --- SSO links: the sender is seen at the GET, and carried -------------------------------------------------------------------


def land(world: World, visitor: Visitor, sent: Sent) -> Answer:
    return visitor.get(f"{world.biller().base_url}/sso/link", headers=sent.headers())


def post_link(world: World, visitor: Visitor, url: str, note: str | None) -> Answer:
    form = {"Link": secret_of(url)} | ({} if note is None else {"Sender": note})
    return visitor.post(f"{world.biller().base_url}/sso/link", form, origin=world.biller().origin)


def through(world: World, sent: Sent, *, dest: str = FULL) -> tuple[Visitor, Answer]:
    """A link, from the page that leads to it up to what its landing page is answered."""
    visitor = world.visitor(dest)
    url = PartnerProgram(world).link(ViewMode=1 if dest == FRAME else 0)
    return visitor, post_link(world, visitor, url, note_of(land(world, visitor, sent)))


@pytest.mark.parametrize("sent", [Sent(referrer=f"{HARBORLIGHT}/", site="cross-site"), Sent(site="none"), Sent(site="same-origin")])
def test_a_link_on_a_page_of_the_partner_or_in_a_program_is_followed_unasked(world: World, sent: Sent) -> None:
    visitor, moved = through(world, sent)
    assert AMOUNTS[RIVERBEND] in first_look(world, visitor, moved).text


@pytest.mark.parametrize("sent", [Sent(site="cross-site"), Sent(site="same-site"), Sent(site="")])
def test_a_link_on_a_page_that_hides_is_asked_about(world: World, sent: Sent) -> None:
    visitor, moved = through(world, sent)
    page = first_look(world, visitor, moved)
    assert "Continue as Avery Vale?" in page.text
    assert AMOUNTS[RIVERBEND] not in page.text
    assert "SenderNotSent" in warned_of(world)


def test_a_link_on_a_strangers_page_is_refused_for_a_strict_key_and_asked_about_for_a_compat_one(world: World) -> None:
    stranger = Sent(referrer=f"{STRANGER}/", site="cross-site")
    _, refused = through(world, stranger)
    assert (refused.status, world.refusal(refused).code) == (403, "SenderRefused")
    make_compat(world)
    visitor, moved = through(world, stranger)
    assert "Continue as Avery Vale?" in first_look(world, visitor, moved).text


def test_a_link_in_a_frame_is_guarded_by_the_registered_origins_and_not_asked_about(world: World) -> None:
    _, page = through(world, Sent(site="cross-site"), dest=FRAME)
    assert AMOUNTS[RIVERBEND] in page.text
    assert page.csp["frame-ancestors"] == HARBORLIGHT


GOOD = Sent(referrer=f"{HARBORLIGHT}/", site="cross-site")


def asks(world: World, visitor: Visitor, note: str | None) -> bool:
    """Whether a fresh link with this note is asked about."""
    moved = post_link(world, visitor, PartnerProgram(world).link(), note)
    return "Continue as Avery Vale?" in first_look(world, visitor, moved).text


def test_a_good_note_that_somebody_else_fetched_is_worth_nothing_in_another_browser(world: World) -> None:
    attacker, victim = world.visitor(), world.visitor()
    note = note_of(land(world, attacker, GOOD))
    assert asks(world, victim, note), "a browser that asked for no landing page"
    land(world, victim, Sent(site="cross-site"))
    assert asks(world, victim, note)
    assert not asks(world, attacker, note), "it was good where it was made"


def test_a_note_is_used_up_by_the_first_link_that_it_comes_with(world: World) -> None:
    visitor = world.visitor()
    url, note = PartnerProgram(world).link(), note_of(land(world, visitor, GOOD))
    assert AMOUNTS[RIVERBEND] in first_look(world, visitor, post_link(world, visitor, url, note)).text
    fresh = Visitor(
        world.app, FULL, jars={world.biller().host: {"__Host-hub_l": visitor.jars[world.biller().host]["__Host-hub_l"]}}
    )
    assert asks(world, fresh, note)


def test_without_a_note_with_an_old_one_or_with_a_changed_one_the_payer_is_asked(world: World) -> None:
    note = note_of(land(world, world.visitor(), GOOD))
    text, _, mac = note.partition(".")
    for bad in (None, "", "x", ".", f"{text}.", f".{mac}", f"{text[:-2]}.{mac}", f"{text}.{'0' * 64}", "é.é", "x" * 5000):
        visitor = world.visitor()
        land(world, visitor, GOOD)
        assert asks(world, visitor, bad), bad
    visitor = world.visitor()
    old = note_of(land(world, visitor, GOOD))
    world.later(minutes=2)
    assert asks(world, visitor, old)


def test_a_note_of_one_biller_is_worth_nothing_at_another(world: World) -> None:
    visitor = world.visitor()
    elsewhere = visitor.get(f"{world.biller(PRAIRIE).base_url}/sso/link", headers=GOOD.headers())
    land(world, visitor, Sent(site="cross-site"))
    visitor.jars[world.biller().host]["__Host-hub_l"] = visitor.jars[world.biller(PRAIRIE).host]["__Host-hub_l"]
    assert asks(world, visitor, note_of(elsewhere))


def test_two_landing_pages_at_once_in_one_browser_are_each_good(world: World) -> None:
    visitor = world.visitor()
    notes = [note_of(land(world, visitor, GOOD)) for _ in range(2)]
    assert not asks(world, visitor, notes[0])
    other = Visitor(
        world.app, FULL, jars={world.biller().host: {"__Host-hub_l": visitor.jars[world.biller().host]["__Host-hub_l"]}}
    )
    assert not asks(world, other, notes[1])


def test_the_landing_cookie_is_for_this_host_alone_and_says_nothing(world: World) -> None:
    page = land(world, world.visitor(), GOOD)
    (line,) = page.headers.getlist("Set-Cookie")
    assert re.fullmatch(r"__Host-hub_l=[\w-]{43}; .*", line)
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict", "Max-Age=120"} <= set(line.split("; "))
