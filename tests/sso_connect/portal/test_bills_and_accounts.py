"""What pages say of credits, of paying, and of many accounts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from typing import Any, get_args

import pytest

from idp.texts import LOCALES
from idp.web.plain import Mode
from sso_connect.portal.views import AccountsView, BillLine, Due
from tests.sso_connect.portal.reading import bills, read
from tools.preview import list_samples, sample_page

MODES: tuple[Mode, ...] = get_args(Mode)


# --- many accounts -----------------------------------------------------------------------------------------------------------


def landlord(**changes: Any) -> AccountsView:
    page = sample_page("accounts")
    many = (page.accounts[0], *(replace(page.accounts[1], number=f"20{n:02}-01", url=f"/a/{n}") for n in range(1, 31)))
    return replace(AccountsView(page=replace(page, accounts=many), accounts=many), **changes)


def test_many_accounts_come_with_a_search_that_is_an_ordinary_form() -> None:
    section = read(landlord()).one("section", **{"class": "account"})
    form = section.one("form", role="search")
    assert form.attributes["method"] == "post", "what is looked for is somebody's name or address, and not for an address bar"
    assert form.attributes["action"] == "/b/riverbend/a/a1/accounts"
    field = form.one("input", type="search")
    assert form.one("label", **{"for": field.attributes["id"]}).text == "Find an account"
    assert form.one("button").text == "Find"
    accounts = json.loads(section.one("ul").attributes["data-accounts"])
    assert len(accounts) == 30
    assert accounts[29] == {
        "url": "/a/30", "holder": "Avery Brandt", "number": "Account 2030-01", "address": "14 Mill Race Rd, Riverbend",
        "role": "Oversight", "words": "2030-01 Avery Brandt 14 Mill Race Rd, Riverbend",
    }  # fmt: skip


def test_without_cookies_the_search_posts_the_frame_token_and_never_puts_it_into_an_address() -> None:
    page = replace(landlord().page, carrier="token", carry=(("csrf_token", "c"), ("frame_token", "t")))
    for form in read(landlord(page=page)).all("form", role="search"):
        assert form.attributes["method"] == "post"
        assert {each.attributes["name"] for each in form.all("input")} == {"csrf_token", "frame_token", "q"}


def test_names_of_accounts_cannot_break_out_of_what_the_script_reads() -> None:
    evil = "\"><script>alert(1)</script>&quot;'</ul>"
    view = landlord()
    accounts = tuple(replace(each, holder=evil, address=evil) for each in view.page.accounts)
    page = read(landlord(page=replace(view.page, accounts=accounts), accounts=accounts))
    assert not [each for each in page.all("script") if each.text]
    read_back = json.loads(page.one("section", **{"class": "account"}).one("ul").attributes["data-accounts"])
    assert read_back[0]["holder"] == evil


def test_a_search_says_what_it_found_and_leads_back_to_all() -> None:
    view = landlord()
    found = read(replace(view, accounts=view.accounts[3:5], query="20")).one("main")
    assert "2 accounts found for “20”." in found.text
    assert found.one("input", id="find-here").attributes["value"] == "20"
    assert len(found.one("ul", **{"class": "rows"}).all("li")) == 2
    nothing = read(replace(view, accounts=(), query="nowhere")).one("main")
    assert "No account found" in nothing.text
    assert nothing.all("a", href=view.page.url)


def test_few_accounts_or_a_biller_without_that_page_need_no_search_and_every_account_is_in_the_switcher() -> None:
    assert not read(bills()).all("form", role="search")
    view = landlord()
    off = read(bills(page=replace(view.page, accounts_url=None, slug="bills"))).one("section", **{"class": "account"})
    assert not off.all("form", role="search")
    assert len(off.all("li")) == 30


# --- credits, and how to pay ---------------------------------------------------------------------------------------------------


def test_a_credit_is_said_in_words_and_nothing_beside_it_says_due() -> None:
    bill = replace(bills().bills[0], amount=-1200, past_due=-1200, lines=(BillLine(description="Payment received", amount=-9617),))
    due = Due(total=-1200, past_due=-1200, today=date(2027, 1, 21), due_on=date(2026, 12, 10), as_of=date(2026, 11, 18))
    page = read(bills(due=due, bills=(bill,)))
    state = page.one("section", aria_labelledby="due-label")
    assert state.attributes["class"] == "due due-clear"
    assert "overdue" not in state.text.lower()
    assert "past due" not in page.text
    row = page.one("ul", **{"class": "bill-list"})
    assert "Credit $12.00" in row.one("summary").text
    assert "Nothing to pay" in row.one("summary").text
    assert "Due December" not in row.text
    foot = row.one("tfoot").text
    assert foot == "Amount of this bill Credit $12.00 Credit from earlier bills $12.00"
    assert "-$96.17" in row.one("tbody").text, "what was paid is a line of the bill, as the biller wrote it"


def test_a_bill_of_nothing_is_nothing_to_pay_and_a_credit_from_earlier_bills_is_not_past_due() -> None:
    row = read(bills(bills=(replace(bills().bills[0], amount=0, past_due=0),))).one("ul", **{"class": "bill-list"})
    assert "Nothing to pay" in row.text
    assert "$0.00" in row.text
    less = read(bills(bills=(replace(bills().bills[0], amount=8417, past_due=-1200),))).one("ul", **{"class": "bill-list"})
    assert "past due" not in less.text
    assert "Due Dec 10, 2026" in less.text


@pytest.mark.parametrize("mode", MODES)
def test_until_payments_are_there_the_page_says_how_to_pay_and_nothing_on_it_pretends_to(mode: Mode) -> None:
    (view,) = (view for name, view in list_samples(mode) if name == "pay")
    main = read(view).one("main")
    assert "Use a payment method listed on your Riverbend Municipal Utilities bill" in main.text
    facts = main.one("section", aria_labelledby="how").text
    for fact in ("1001-01", "100101261100", "$84.17"):
        assert fact in facts
    assert not [each for each in main.walk() if "primary" in each.attributes.get("class", "")]


def test_what_does_not_work_yet_is_no_primary_button_and_says_where_it_leads() -> None:
    for name, view in list_samples():
        if name.startswith("bills"):
            links = read(view).all("a", href="/b/riverbend/a/a1/pay")
            buttons = [each for each in links if "button" in each.attributes.get("class", "")]
            assert {each.text for each in buttons} <= {"How to pay"}
            assert not [each for each in buttons if "primary" in each.attributes["class"]]


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", ["pay", "methods", "autopay", "paperless", "history", "scheduled", "text"])
def test_no_page_promises_what_a_switch_of_the_biller_would_bring(name: str, locale: str) -> None:
    (view,) = (view for each, view in list_samples("full", locale) if each == name)
    told = read(view).one("main").text
    assert not re.search(
        r"as soon as|switched|(here|page) yet|until then|en cuanto|active|todavía no|mientras tanto", told, re.IGNORECASE
    )
    assert not [each for each in read(view).one("main").walk() if "primary" in each.attributes.get("class", "")]


def test_a_payer_with_a_credit_sees_it_once_on_the_page_about_paying() -> None:
    (view,) = (view for name, view in list_samples() if name == "pay-nothing")
    main = read(view).one("main")
    assert main.text.count("nothing to pay") == 1
    assert "How to pay" not in main.text
