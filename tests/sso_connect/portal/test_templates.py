"""Every page as HTML: whole, accessible, under the CSP, without dead ends.

The samples are those of tools.preview: each template at least once, in frame and full page, in both languages.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import get_args

import pytest
from jinja2 import UndefinedError

from idp.texts import LOCALES, Texts
from idp.web.plain import Mode, PlainPage, Refused, SessionOver
from idp.web.templating import Templates, View
from sso_connect.portal.views import Due, OffView, PaperlessView, SignOut, UsersView
from sso_connect.redirects import Slug
from tests.sso_connect.portal.reading import STATICS, TEMPLATES, bills, read
from tools.preview import list_samples, sample_page

MODES: tuple[Mode, ...] = get_args(Mode)
SAMPLES = [
    pytest.param(view, id=f"{name}-{mode}-{locale}")
    for mode in MODES
    for locale in LOCALES
    for name, view in list_samples(mode, locale)
]


# --- every page ----------------------------------------------------------------------------------------------------------


def test_every_page_template_has_a_sample() -> None:
    shown = {view.template for _, view in list_samples()}
    parts = {"nav.html", "icons.html", "portal/parts.html", "layout/portal.html", "layout/plain.html"}
    assert shown | parts == set(TEMPLATES.list_names())


@pytest.mark.parametrize("view", SAMPLES)
def test_a_page_holds_nothing_that_the_csp_would_refuse(view: View) -> None:
    for element in read(view).walk():
        inline = [name for name in element.attributes if name == "style" or name.startswith("on")]
        assert not inline, element
        assert element.tag != "style"
        if element.tag == "script":
            assert element.attributes["nonce"] == "preview"
            assert element.attributes["src"].startswith("/static/")
            assert not element.text
        for name in ("href", "src", "action"):
            assert not element.attributes.get(name, "").startswith(("javascript:", "data:", "//"))


@pytest.mark.parametrize("view", SAMPLES)
def test_a_page_has_one_title_one_main_part_and_headings_without_gaps(view: View) -> None:
    page = read(view)
    assert page.one("html").attributes["lang"] == view.page.locale
    heading = page.one("h1").text
    assert heading
    assert heading in page.one("title").text
    page.one("main")
    assert not page.all("h3")


@pytest.mark.parametrize("view", SAMPLES)
def test_a_page_can_be_used_without_seeing_it(view: View) -> None:
    page = read(view)
    identifiers = Counter(each.attributes["id"] for each in page.walk() if "id" in each.attributes)
    assert [name for name, times in identifiers.items() if times > 1] == []
    for element in page.walk():
        for name in ("aria-labelledby", "aria-describedby"):
            assert element.attributes.get(name, next(iter(identifiers), "")) in identifiers or not identifiers
        if element.tag in {"a", "button", "summary"}:
            assert element.text or element.attributes.get("aria-label"), element
        if element.tag == "svg":
            assert element.attributes["aria-hidden"] == "true"
        if element.tag == "nav":
            assert element.attributes["aria-label"]
        label = element.attributes.get("aria-label", "")
        if label and element.tag in {"a", "button"}:
            assert label.startswith(element.text), "WCAG 2.5.3: the name starts with what is seen"


@pytest.mark.parametrize("view", SAMPLES)
def test_no_form_is_dead_and_every_post_carries_its_proof(view: View) -> None:
    for form in read(view).all("form"):
        assert form.attributes["method"] == "post"
        assert form.attributes["action"]
        assert form.all("button", type="submit")
        names = [each.attributes["name"] for each in form.all("input")]
        assert len(names) == len(set(names)), "a field given twice is refused"
        assert "csrf_token" in names or "frame_token" in names


@pytest.mark.parametrize("view", SAMPLES)
def test_no_page_is_a_dead_end(view: View) -> None:
    page = read(view)
    ways = page.one("main").all("a") + page.one("main").all("button")
    words = page.one("main").text
    told = ("ask", "window", "reload", "Reload", "Go back", "pregunte", "ventana", "cargar", "Vuelva", "Check", "Revise")
    assert ways or any(word in words for word in told)


def test_what_a_stranger_wrote_is_shown_and_never_run() -> None:
    nasty = "<script>alert(1)</script>\"'><img src=x>"
    page = sample_page("bills")
    account = replace(page.accounts[0], holder=nasty, address=nasty, number=nasty)
    nasty_page = replace(
        page,
        account=account,
        accounts=(account, account),
        biller_name=nasty,
        user_label=nasty,
        title=nasty,
        sign_out=SignOut(action="/out", return_name=nasty),
        carrier="token",
        carry=((nasty, nasty),),
    )
    shown = read(bills(page=nasty_page, bills=(replace(bills().bills[0], number=nasty),)))
    assert not shown.all("img")
    assert len(shown.all("script")) == 2
    assert nasty in shown.one("h1").text


def test_a_name_that_a_template_does_not_know_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.html").write_text("{{ view.nothing_of_the_kind }}", encoding="utf-8")

    class Broken(PaperlessView):
        template = "broken.html"

    with pytest.raises(UndefinedError):
        Templates(tmp_path, statics=STATICS).render(Broken(page=sample_page("paperless")))


# --- whose, where, and the way around ------------------------------------------------------------------------------------


def test_two_billers_pages_name_each_its_own() -> None:
    river = TEMPLATES.render(bills())
    prairie = TEMPLATES.render(bills(page=replace(sample_page("bills"), biller_name="Prairie Power Cooperative")))
    assert "Riverbend Municipal" in river
    assert "Prairie Power" not in river
    assert "Prairie Power Cooperative" in prairie
    assert "Riverbend Municipal" not in prairie


def test_a_frame_shows_account_and_title_and_none_of_our_chrome() -> None:
    page = read(bills(page=sample_page("bills", "frame")))
    for tag in ("header", "footer", "nav"):
        assert not page.all(tag, **({} if tag != "nav" else {"class": "destinations"}))
    assert "1001-01" in page.one("section", **{"class": "account"}).text
    assert page.one("h1").text == "Recent bills"
    assert "Avery Brandt" in page.one("main").text


def test_a_full_page_leads_to_every_destination_and_marks_the_present_one() -> None:
    page = read(bills())
    side = page.one("div", **{"class": "side"})
    assert [each.text for each in side.all("a", aria_current="page")] == ["Recent bills"]
    assert len(side.all("a")) == len(get_args(Slug))


def test_a_destination_bears_the_name_that_its_biller_gave_it() -> None:
    renamed = replace(sample_page("paperless"), title="Green billing")
    assert read(PaperlessView(page=renamed)).one("h1").text == "Green billing"


def test_by_cookie_every_way_inside_is_a_link() -> None:
    main = read(bills(older_url="/older")).one("main")
    assert main.one("a", href="/pay-here").text == "How to pay"
    assert main.one("a", href="/older").text == "Older bills"
    assert not main.all("form")


def test_by_token_every_way_inside_is_a_post_button_and_the_token_is_in_no_address() -> None:
    page = replace(sample_page("bills", "frame"), carrier="token", carry=(("frame_token", "made-up"), ("n", "1")))
    main = read(bills(page=page, older_url="/older?cursor=c")).one("main")
    assert not main.all("a")
    for action, label in (("/pay-here", "How to pay"), ("/older?cursor=c", "Older bills")):
        form = main.one("form", action=action)
        assert form.attributes["method"] == "post"
        assert [(each.attributes["name"], each.attributes["value"]) for each in form.all("input", type="hidden")] == [
            ("frame_token", "made-up"),
            ("n", "1"),
        ]
        assert form.one("button", type="submit").text == label
    assert all("made-up" not in each.attributes.get("action", "") for each in main.walk())


def test_sign_out_names_the_site_to_return_to_in_its_tooltip() -> None:
    with_return = read(bills()).one("form", action="/b/riverbend/sign-out")
    button = with_return.one("button")
    assert (button.text, button.attributes["title"]) == ("Sign out", "Sign out and Return to Lakeside Usage Portal")
    assert with_return.one("input", name="csrf_token").attributes["value"] == "made-up-csrf"
    without = read(bills(page=replace(sample_page("bills"), sign_out=SignOut(action="/out"))))
    assert "title" not in without.one("form", action="/out").one("button").attributes


def test_a_frame_without_return_url_has_no_sign_out() -> None:
    page = replace(sample_page("bills", "frame"), sign_out=None)
    assert "Sign out" not in read(bills(page=page)).text


def test_a_form_sends_the_csrf_token_once_though_the_links_carry_it_too() -> None:
    carrying = replace(sample_page("bills"), carry=(("csrf_token", "made-up-csrf"), ("frame_token", "t")))
    page = read(bills(page=carrying))
    for action in ("/b/riverbend/sign-out", "/b/riverbend/language"):
        names = [each.attributes["name"] for each in page.one("form", action=action).all("input")]
        assert (names.count("csrf_token"), names.count("frame_token")) == (1, 1)


def test_the_language_form_leads_back_to_this_page() -> None:
    form = read(bills()).one("form", action="/b/riverbend/language")
    assert form.one("input", name="back").attributes["value"] == "/b/riverbend/a/a1/bills"
    assert [each.attributes["value"] for each in form.all("button", name="locale")] == list(LOCALES)
    assert form.one("button", value="en").attributes["aria-pressed"] == "true"


def test_a_payer_with_one_account_has_nothing_to_switch() -> None:
    page = sample_page("bills")
    alone = read(bills(page=replace(page, accounts=page.accounts[:1])))
    assert "Change account" not in alone.text
    assert "Account 1001-01" in alone.text


def test_a_landlord_finds_the_rest_under_manage_accounts() -> None:
    page = sample_page("bills")
    landlord = replace(page, accounts=(page.accounts[0], *(page.accounts[1] for _ in range(40))))
    section = read(bills(page=landlord)).one("section", **{"class": "account"})
    assert "See all 41 accounts" in section.text
    assert len(section.all("li")) == 6


# --- bills ---------------------------------------------------------------------------------------------------------------


def test_the_state_comes_first_with_amount_and_date() -> None:
    due = read(bills()).one("section", aria_labelledby="due-label").text
    assert "$84.17" in due
    assert "Due December 10, 2026" in due
    assert "in 19 days" in due


def test_past_due_is_marked_in_the_state_and_at_the_bill() -> None:
    late = Due(total=13260, past_due=4820, today=date(2026, 12, 12), due_on=date(2026, 12, 10))
    page = read(bills(due=late, bills=(replace(bills().bills[0], amount=13260, past_due=4820),)))
    state = page.one("section", aria_labelledby="due-label").text
    assert "Overdue" in state
    assert "Was due December 10, 2026" in state
    assert "2 days late" in state
    assert "$48.20 of this is past due" in state
    assert "$48.20 past due" in page.one("ul", **{"class": "bill-list"}).text


@pytest.mark.parametrize(("total", "words"), [(0, "Nothing due"), (-1200, "Credit $12.00, nothing to pay")])
def test_without_anything_due_there_is_nothing_to_pay(total: int, words: str) -> None:
    page = read(bills(due=Due(total=total, today=date(2026, 11, 21))))
    assert words in page.text
    assert not page.all("a", href="/pay-here")


def test_pay_is_offered_only_where_it_leads_somewhere() -> None:
    assert not read(bills(pay_url=None)).all("a", href="/pay-here")


def test_bills_keep_their_order_and_donations_and_prepaid_are_marked() -> None:
    bill = bills().bills[0]
    listed = (bill, replace(bill, number="D", kind="donation"), replace(bill, number="P", kind="prepaid"))
    rows = read(bills(bills=listed)).one("ul", **{"class": "bill-list"}).all("summary")
    assert ["Bill 1001" in rows[0].text, "Donation" in rows[1].text, "Prepaid" in rows[2].text] == [True] * 3
    assert not {"Donation", "Prepaid"} & set(rows[0].text.split())


def test_an_account_without_bills_says_when_they_come() -> None:
    page = read(bills(due=None, bills=(), pay_url=None))
    assert "No bills yet" in page.text
    assert "as soon as Riverbend Municipal Utilities has sent the first one" in page.text


def test_a_page_past_the_last_bill_leads_back() -> None:
    page = read(bills(bills=(), newest_url="/newest"))
    assert "No older bills" in page.text
    assert page.one("a", href="/newest").text == "Back to newest bills"


# --- rights and refusals -------------------------------------------------------------------------------------------------


def test_a_closed_page_says_who_may_and_leads_back() -> None:
    page = sample_page("users")
    guest = replace(page, account=page.accounts[2])
    main = read(OffView(page=guest, reason="rights", back_url="/back")).one("main")
    assert "This page is not open to you" in main.text
    assert "You have: Guest (no code entered yet)" in main.text
    assert main.one("a", href="/back").text == "Go to Recent bills"


def test_a_page_that_is_off_names_who_switched_it_off() -> None:
    main = read(OffView(page=sample_page("autopay"), reason="off", back_url="/back")).one("main")
    assert "This page is switched off by Riverbend Municipal Utilities" in main.text


def test_the_word_co_owner_never_reaches_a_payer() -> None:
    for mode in MODES:
        for _, view in list_samples(mode):
            assert not re.search(r"owner", read(view).text, re.IGNORECASE)


def test_the_people_of_an_account_are_listed_with_their_words() -> None:
    (view,) = (view for name, view in list_samples() if name == "users")
    assert isinstance(view, UsersView)
    rows = [each.text for each in read(view).one("ul", **{"class": "rows"}).all("li")]
    assert len(rows) == 6
    assert "ask Riverbend Municipal Utilities" in rows[0]
    assert "You" in rows[1]
    assert "Guest (no code entered yet)" in rows[3]
    assert "Waiting for approval" in rows[4]
    assert "Access on hold" in rows[5]
    assert read(view).one("p", **{"class": "lede"}).text == "4 people can open this account."


def test_a_refusal_shows_message_way_on_and_reference_and_no_more() -> None:
    page = PlainPage(locale="en", nonce="preview", mode="frame")
    view = Refused(
        page=page, code="TokenExpired", reference="R-1", partner_name="Lakeside", back_url="https://lakeside.example.com/"
    )
    main = read(view).one("main")
    assert main.attributes["data-reference"] == "R-1"
    assert main.one("h1").text == "This link has expired"
    assert "Go back to Lakeside and try again" in main.text
    assert main.one("code").text == "R-1"
    assert main.one("a").attributes == {
        "class": "button primary",
        "href": "https://lakeside.example.com/",
        "target": "_top",
    }


def test_the_same_refusal_says_the_same_whatever_the_reason_behind_it() -> None:
    page = PlainPage(locale="en", nonce="preview")
    unknown, expired = (TEMPLATES.render(Refused(page=page, code=code, reference="R")) for code in ("TokenUnknown", "TokenExpired"))
    assert unknown == expired


def test_a_second_expiry_in_a_row_asks_for_no_relaunch() -> None:
    page = PlainPage(locale="en", nonce="preview", mode="frame", parent_origins=("https://p.example.com",))
    first, second = (SessionOver(page=page, again=again) for again in (False, True))
    assert "data-relaunch" in TEMPLATES.render(first)
    assert "data-relaunch" not in TEMPLATES.render(second)


def test_a_page_speaks_the_language_of_its_reader() -> None:
    page = sample_page("bills", "full", "es")
    assert read(bills(page=page)).one("h1").text == Texts("es").get("destinations.bills")
