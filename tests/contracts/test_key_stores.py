"""Data keys and signing keys in SQL: the first writer wins, and there is one active key."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier

import pytest

from hub.storage.sql.data_keys import SqlDataKeyStore
from idp.errors import DamagedCiphertext
from idp.keys import SigningKey
from idp.opaque import new_id
from idp.secrets import INSTALLATION, DataKey, Place, Secrets
from tests import databases
from tests.databases import START, SqlCase

sql = databases.sql

OAKDALE, BIRCHWOOD = 101, 202


def signing_key(kid: str, bid: int = INSTALLATION) -> SigningKey:
    return SigningKey(kid, bid, "checkpoint", "active", "{}", "sealed", START)


def test_each_biller_has_one_data_key_and_the_first_that_was_stored_stands(sql: SqlCase) -> None:
    store = SqlDataKeyStore(sql.single)
    first, late, other = DataKey(new_id(), OAKDALE, "a"), DataKey(new_id(), OAKDALE, "b"), DataKey(new_id(), BIRCHWOOD, "c")
    assert store.find_data_key(OAKDALE) is None
    assert store.add_data_key(first) == first
    assert store.add_data_key(late) == first
    assert store.add_data_key(other) == other
    assert (store.find_data_key(OAKDALE), store.find_data_key(BIRCHWOOD)) == (first, other)
    assert store.list_data_keys() == [first, other]


def test_a_wrapping_is_replaced_for_that_key_of_that_biller_only(sql: SqlCase) -> None:
    store = SqlDataKeyStore(sql.single)
    kept, other = store.add_data_key(DataKey(new_id(), OAKDALE, "a")), store.add_data_key(DataKey(new_id(), BIRCHWOOD, "b"))
    store.replace_wrapping(replace(kept, wrapped="new"))
    store.replace_wrapping(DataKey(kept.id, BIRCHWOOD, "foreign"))
    assert store.list_data_keys() == [replace(kept, wrapped="new"), other]


def test_workers_that_meet_a_new_biller_at_once_agree_on_its_data_key(sql: SqlCase) -> None:
    together = Barrier(6)

    def derive(number: int) -> bytes:
        secrets = Secrets((b"1" * 32,), SqlDataKeyStore(sql.single))
        together.wait()
        return secrets.derive((OAKDALE, BIRCHWOOD)[number % 2], "csrf")

    derived = [each.result(timeout=60) for each in [sql.run_beside(derive, number) for number in range(6)]]
    assert len(set(derived[::2])) == len(set(derived[1::2])) == 1
    assert derived[0] != derived[1]


def test_a_data_key_outlives_the_transaction_that_needed_it_first(sql: SqlCase) -> None:
    secrets = Secrets((b"1" * 32,), SqlDataKeyStore(sql.single))
    sealed = secrets.seal(Place(OAKDALE, "mails", "1", "body"), "a value")
    another_worker = Secrets((b"1" * 32,), SqlDataKeyStore(sql.single))
    assert another_worker.open(Place(OAKDALE, "mails", "1", "body"), sealed) == "a value"


def test_a_restore_under_another_master_key_is_told_before_anything_is_read(sql: SqlCase) -> None:
    Secrets((b"1" * 32,), SqlDataKeyStore(sql.single)).check()
    with pytest.raises(DamagedCiphertext):
        Secrets((b"2" * 32,), SqlDataKeyStore(sql.single)).check()


def test_rewrapping_in_the_database_moves_all_billers_to_the_new_master_key(sql: SqlCase) -> None:
    store = SqlDataKeyStore(sql.single)
    before = Secrets((b"1" * 32,), store)
    derived = {bid: before.derive(bid, "role-code") for bid in (INSTALLATION, OAKDALE, BIRCHWOOD)}
    assert Secrets((b"2" * 32, b"1" * 32), store).rewrap() == 3
    after = Secrets((b"2" * 32,), store)
    assert {bid: after.derive(bid, "role-code") for bid in derived} == derived


def test_there_is_one_active_signing_key_of_a_purpose_and_biller(sql: SqlCase) -> None:
    with sql.begin() as stores:
        assert stores.signing_keys.add_key(signing_key("k1"))
        assert not stores.signing_keys.add_key(signing_key("k2"))
        assert stores.signing_keys.add_key(signing_key("k3", OAKDALE))
        assert stores.signing_keys.add_key(replace(signing_key("k4"), state="retiring"))
        assert [key.kid for key in stores.signing_keys.list_keys(INSTALLATION, "checkpoint")] == ["k1", "k4"]
        assert stores.signing_keys.list_keys(OAKDALE, "checkpoint") == [signing_key("k3", OAKDALE)]
        assert stores.signing_keys.list_keys(BIRCHWOOD, "checkpoint") == []


def test_of_workers_that_make_the_active_key_at_once_one_succeeds(sql: SqlCase) -> None:
    together = Barrier(4)

    def add(number: int) -> bool:
        together.wait()
        with sql.begin() as stores:
            return stores.signing_keys.add_key(signing_key(f"k{number}"))

    adding = [sql.run_beside(add, number) for number in range(4)]
    assert sorted(each.result(timeout=60) for each in adding) == [False, False, False, True]
