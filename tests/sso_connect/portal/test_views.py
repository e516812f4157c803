"""What the views themselves decide: role words, days left, who is in the switcher, which addresses a page may link to."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import date
from decimal import Decimal
from typing import get_args

import pytest

from idp.texts import Texts
from idp.web.plain import PlainPage, Refused, SessionOver, SignedOut
from sso_connect.portal.views import AccountUser, Bill, BillLine, Due, NavItem, role_key
from sso_connect.redirects import Slug
from tools.preview import sample_page

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("login_type", "pending", "english", "spanish"),
    [
        (1, False, "Full access", "Acceso completo"),
        (2, False, "Full access", "Acceso completo"),
        (3, False, "Oversight", "Supervisión"),
        (4, False, "Guest", "Invitado"),
        (4, True, "Guest (no code entered yet)", "Invitado (sin código todavía)"),
        (2, True, "Full access", "Acceso completo"),
    ],
)
def test_payers_read_three_words_for_four_login_types(login_type: int, pending: bool, english: str, spanish: str) -> None:
    key = f"roles.{role_key(login_type, pending=pending)}"
    assert Texts("en").get(key) == english
    assert Texts("es").get(key) == spanish


def test_a_login_type_that_does_not_exist_has_no_word() -> None:
    with pytest.raises(KeyError):
        role_key(5)


def test_only_the_owner_holds_the_seat() -> None:
    held = [AccountUser(name="", user_name="u", login_type=kind).holds_seat for kind in (1, 2, 3, 4)]
    assert held == [True, False, False, False]


def test_every_destination_stands_in_a_group_of_the_sidebar() -> None:
    groups = {NavItem(slug=slug, url="/").group for slug in get_args(Slug)}
    assert groups == {"bills", "settings", "people"}


def test_a_bill_is_overdue_from_the_day_after_its_due_date_and_only_with_something_to_pay() -> None:
    today_is_the_day = Due(total=100, today=TODAY, due_on=TODAY)
    assert (today_is_the_day.days_left, today_is_the_day.overdue) == (0, False)
    a_day_late = replace(today_is_the_day, due_on=date(2026, 11, 20))
    assert (a_day_late.days_left, a_day_late.overdue) == (-1, True)
    assert not replace(a_day_late, total=0).overdue
    assert Due(total=100, today=TODAY).days_left is None


def test_a_column_of_ones_is_not_shown() -> None:
    one, many = (BillLine(description="Water", amount=1, quantity=Decimal(n)) for n in ("1.0", "612"))
    bill = Bill(number="1", issued_on=TODAY, due_on=TODAY, amount=1, lines=(one,))
    assert not bill.shows_quantities
    assert replace(bill, lines=(one, many)).shows_quantities


def test_the_switcher_offers_the_other_accounts_and_not_forty() -> None:
    page = sample_page("bills")
    assert [choice.number for choice in page.switcher] == ["1001-02", "1003-01"]
    other = page.accounts[1]
    landlord = replace(page, accounts=(page.accounts[0], *(other for _ in range(40))))
    assert len(landlord.switcher) == 6


def test_a_view_cannot_be_changed() -> None:
    page = sample_page("bills")
    with pytest.raises(FrozenInstanceError):
        page.biller_name = "Somebody else"  # type: ignore[misc]


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,hello",
        "vbscript:x",
        "//evil.example.com/",
        "/\\evil.example.com",
        "\thttps://partner.example.com/",
        "https://partner.example.com/\nSet-Cookie: a=b",
        "https:/partner",
        "https:",
        "partner.example.com",
        "",
    ],
)
def test_no_plain_page_links_to_an_address_that_is_not_one_of_the_web(address: str) -> None:
    page = PlainPage(locale="en", nonce="n")
    with pytest.raises(ValueError, match="address"):
        SignedOut(page=page, next_url=address)
    with pytest.raises(ValueError, match="address"):
        Refused(page=page, code="TokenExpired", reference="r", back_url=address)
    with pytest.raises(ValueError, match="address"):
        SessionOver(page=page, open_url=address)


@pytest.mark.parametrize("address", ["https://partner.example.com/x?y=1#z", "http://localhost:80/", "/b/x/", "/"])
def test_web_addresses_and_own_paths_are_good(address: str) -> None:
    assert SignedOut(page=PlainPage(locale="en", nonce="n"), next_url=address).next_url == address
