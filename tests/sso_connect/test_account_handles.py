"""Account handles: each payer's own name for an account, good while the account is theirs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from idp.directory.payers import Account, PayerRecord
from idp.directory.rights import LoginType
from idp.directory.users import User
from idp.opaque import new_id
from idp.secrets import Secrets
from sso_connect.account_handles import NO_ACCOUNT, AccountHandles
from tests.idp.test_secrets import DataKeys

OAKDALE, BIRCHWOOD = 101, 202
START = datetime(2031, 5, 4, tzinfo=UTC)


@pytest.fixture
def handles() -> AccountHandles:
    return AccountHandles(Secrets((b"1" * 32,), DataKeys()))


def account(customer_id: UUID) -> Account:
    return Account(customer_id, "1001-01", "1001-01", "1001-01", "Holder", "", False, LoginType.OWNER, False, START)


def payer(bid: int, *customer_ids: UUID, user_id: UUID | None = None) -> PayerRecord:
    user = User(user_id or new_id(), bid, "pat", "pat", "pat@example.com", "pat@example.com", START)
    return PayerRecord(user, tuple(map(account, customer_ids)), {})


def test_a_handle_leads_back_to_the_account(handles: AccountHandles) -> None:
    first, second = new_id(), new_id()
    who = payer(OAKDALE, first, second)
    for customer_id in (first, second):
        found = handles.find(who, handles.handle(OAKDALE, who.user.id, customer_id))
        assert found is not None
        assert found.customer_id == customer_id


def test_two_payers_two_accounts_and_two_billers_have_different_handles(handles: AccountHandles) -> None:
    pat, kim, first, second = new_id(), new_id(), new_id(), new_id()
    made = {
        handles.handle(bid, user, customer) for bid in (OAKDALE, BIRCHWOOD) for user in (pat, kim) for customer in (first, second)
    }
    assert len(made) == 8


def test_a_handle_shows_neither_user_nor_account(handles: AccountHandles) -> None:
    user, customer = new_id(), new_id()
    handle = handles.handle(OAKDALE, user, customer)
    assert len(handle) == 20
    assert set(handle) <= set("0123456789abcdef")
    assert handle not in user.hex + customer.hex


def test_another_payer_of_the_same_account_cannot_use_it(handles: AccountHandles) -> None:
    shared = new_id()
    pat, kim = payer(OAKDALE, shared), payer(OAKDALE, shared)
    assert handles.find(kim, handles.handle(OAKDALE, pat.user.id, shared)) is None


def test_the_same_ids_at_another_biller_open_nothing(handles: AccountHandles) -> None:
    user, customer = new_id(), new_id()
    assert handles.find(payer(BIRCHWOOD, customer, user_id=user), handles.handle(OAKDALE, user, customer)) is None


def test_a_handle_is_over_when_the_account_is_no_longer_the_payers(handles: AccountHandles) -> None:
    first, second = new_id(), new_id()
    before = payer(OAKDALE, first, second)
    handle = handles.handle(OAKDALE, before.user.id, second)
    assert handles.find(replace(before, accounts=(account(first),)), handle) is None


def test_an_altered_handle_is_none(handles: AccountHandles) -> None:
    customer = new_id()
    who = payer(OAKDALE, customer)
    handle = handles.handle(OAKDALE, who.user.id, customer)
    last = "1" if handle[-1] == "0" else "0"
    for altered in (handle[:-1] + last, handle[:-1], handle + "0", f" {handle}", "é" + handle[1:], "\x00" * 20, "", NO_ACCOUNT):
        assert handles.find(who, altered) is None, altered


def test_a_handle_is_the_same_in_every_process() -> None:
    keys, user, customer = DataKeys(), new_id(), new_id()
    first, second = (AccountHandles(Secrets((b"1" * 32,), keys)) for _ in range(2))
    assert first.handle(OAKDALE, user, customer) == second.handle(OAKDALE, user, customer)
