"""Races for names and seats, and read-modify-write: exactly one wins, and no update is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from hub.storage.stores import Stores
from idp.directory.advanced_settings import SettingValue
from idp.directory.ghosts import Ghost
from idp.directory.rights import LoginType
from idp.directory.role_codes import RoleCode
from idp.errors import Conflict, Raced
from idp.versions import key_stamp, user_stamp
from tests.contracts.sql_stores import (
    BIRCHWOOD,
    OAKDALE,
    PATIENCE,
    START,
    DirectoryCase,
    sample_customer,
    sample_key,
    sample_registration,
    sample_user,
)

THREADS, ROUNDS = 8, 100


def test_of_two_owners_registered_at_once_one_gets_the_seat_and_the_other_starts_over(directory: DirectoryCase) -> None:
    for bid in (OAKDALE, BIRCHWOOD):
        home, ann, bea = sample_customer(bid, "a-1"), sample_user(bid, "ann"), sample_user(bid, "bea")
        directory.add(home, ann, bea)
        owners = [sample_registration(user, home, LoginType.OWNER) for user in (ann, bea)]
        came = directory.race(*(partial(directory.add, owner) for owner in owners))
        assert sorted(type(each).__name__ for each in came) == ["NoneType", "Raced"]
        found = directory.get(lambda stores, bid=bid, home=home: stores.registrations.list_of_customers(bid, [home.id]))  # type: ignore[misc]
        assert found == {home.id: [owners[came.index(None)]]}


def test_of_users_with_one_name_made_at_once_one_is_made_at_each_biller(directory: DirectoryCase) -> None:
    users = [sample_user(bid, "ann") for bid in (OAKDALE, BIRCHWOOD) for _ in range(4)]
    came = directory.race(*(partial(directory.add, user) for user in users))
    assert sum(each is None for each in came) == 2
    assert sum(isinstance(each, Raced) for each in came) == 6
    for bid in (OAKDALE, BIRCHWOOD):
        assert len(directory.get(lambda stores, bid=bid: stores.users.list_users(bid, "", 10))) == 1  # type: ignore[misc]


def test_of_customers_with_one_number_made_at_once_one_is_made(directory: DirectoryCase) -> None:
    customers = [sample_customer(OAKDALE, "a-1") for _ in range(4)]
    came = directory.race(*(partial(directory.add, customer) for customer in customers))
    assert sum(each is None for each in came) == 1
    assert sum(isinstance(each, Conflict) for each in came) == 3


def test_upserts_of_one_row_at_once_all_go_through(directory: DirectoryCase) -> None:
    home = sample_customer(OAKDALE, "a-1")
    directory.add(home)
    ghost = Ghost(OAKDALE, home.id, "Ann", "ann@example.com", "ann@example.com", "", START, START)
    codes = [RoleCode(OAKDALE, home.id, LoginType.OWNER, False, 1, digest) for digest in ("one", "two")]
    writes: list[Callable[[Stores], object]] = [
        lambda stores: stores.ghosts.put_ghost(ghost),
        lambda stores: stores.settings.put_setting(SettingValue(OAKDALE, 8, "x")),
        lambda stores: stores.role_codes.set_codes(OAKDALE, home.id, codes),
    ]
    for write in writes:
        came = directory.race(*[partial(directory.put, write)] * THREADS)
        assert not [each for each in came if isinstance(each, Exception)]
    assert directory.get(lambda stores: stores.role_codes.list_codes(OAKDALE, home.id)) == codes


def test_no_update_is_lost_when_many_read_a_row_and_write_it_back(directory: DirectoryCase) -> None:
    ann = sample_user(OAKDALE, "ann", phone="0")
    directory.add(ann, sample_user(BIRCHWOOD, "ann", phone="0"))

    def count() -> None:
        for _ in range(ROUNDS):
            with directory.database.begin() as stores:
                read = stores.users.find_user(OAKDALE, ann.id, lock=True)
                assert read is not None
                stores.users.put_user(replace(read, phone=str(int(read.phone) + 1)))

    assert directory.race(*[count] * THREADS) == [None] * THREADS
    found = directory.get(lambda stores: stores.users.find_user(OAKDALE, ann.id))
    assert found is not None
    assert found.phone == str(THREADS * ROUNDS)


def test_a_revoked_key_does_not_revive_by_a_change_that_read_it_before(directory: DirectoryCase) -> None:
    key = sample_key(OAKDALE, directory.partner)
    directory.add(key)

    def change(**changes: object) -> None:
        with directory.database.begin() as stores:
            read = stores.api_keys.find_key(OAKDALE, key.id, lock=True)
            assert read is not None
            stores.api_keys.put_key(replace(read, **changes))  # type: ignore[arg-type]

    for number in range(20):
        directory.race(
            partial(change, label=f"Label {number}"),
            partial(change, revoked_at=START),
        )
        found = directory.get(lambda stores: stores.api_keys.find_key(OAKDALE, key.id))
        assert found == replace(key, label=f"Label {number}", revoked_at=START)
        directory.add(key)


def test_locks_on_many_accounts_in_any_order_do_not_wait_for_each_other_for_ever(directory: DirectoryCase) -> None:
    customers = [sample_customer(OAKDALE, f"a-{number}") for number in range(30)]
    directory.add(*customers)
    numbers = [each.account_key for each in customers]

    def lock(wanted: list[str]) -> int:
        total = 0
        for _ in range(10):
            with directory.database.begin() as stores:
                found = stores.customers.find_by_accounts(OAKDALE, wanted, lock=True)
                for key in wanted:
                    stores.customers.put_customer(found[key])
                total += len(found)
        return total

    orders = [numbers, numbers[::-1], numbers[::2] + numbers[1::2], sorted(numbers, key=hash)]
    assert directory.race(*(partial(lock, order) for order in orders)) == [300] * 4


# --- what only several writers can show -------------------------------------------------------------------------------------


def test_a_customer_that_changes_while_a_user_registers_renews_that_users_stamp_too(postgres_only: DirectoryCase) -> None:
    directory = postgres_only
    home, ann = sample_customer(OAKDALE, "a-1"), sample_user(OAKDALE, "ann")
    directory.add(home, ann)
    with directory.database.begin() as stores:
        stores.registrations.add_registration(sample_registration(ann, home, LoginType.OWNER))
        changing = directory.run_beside(
            lambda: directory.put(lambda stores: stores.customers.put_customer(replace(home, name="New")))
        )
        directory.wait_for_lock()
        directory.kv.renewals.clear()
    changing.result(PATIENCE)
    assert [step.stamps for step in directory.kv.renewals].count((user_stamp(ann.id),)) == 4


def test_a_partner_that_changes_while_it_gets_a_key_renews_that_keys_stamp_too(postgres_only: DirectoryCase) -> None:
    directory = postgres_only
    key = sample_key(OAKDALE, directory.partner)
    with directory.database.begin() as stores:
        stores.api_keys.put_key(key)
        changing = directory.run_beside(
            lambda: directory.put(lambda stores: stores.partners.put_partner(replace(directory.partner, disabled=True)))
        )
        directory.wait_for_lock()
        directory.kv.renewals.clear()
    changing.result(PATIENCE)
    assert [step.stamps for step in directory.kv.renewals].count((key_stamp(key.id),)) == 4


def test_two_transactions_that_wait_for_each_other_end_as_raced(postgres_only: DirectoryCase) -> None:
    directory = postgres_only
    ann, bea = sample_user(OAKDALE, "ann"), sample_user(OAKDALE, "bea")
    directory.add(ann, bea)

    def other() -> None:
        with directory.database.begin() as stores:
            stores.users.find_user(OAKDALE, bea.id, lock=True)
            stores.users.find_user(OAKDALE, ann.id, lock=True)

    def run() -> None:
        with directory.database.begin() as stores:
            stores.users.find_user(OAKDALE, ann.id, lock=True)
            beside.append(directory.run_beside(other))
            directory.wait_for_lock()
            stores.users.find_user(OAKDALE, bea.id, lock=True)

    beside: list[object] = []
    came = []
    for attempt in (run, lambda: beside[0].result(PATIENCE)):  # type: ignore[attr-defined]
        try:
            attempt()
        except Raced as fault:
            came.append(fault)
    assert len(came) == 1
    with pytest.raises(Raced):
        raise came[0]
