"""Secrets at rest: what opens where, under which master key, and what stays the same when that key changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from idp.errors import DamagedCiphertext
from idp.secrets import INSTALLATION, DataKey, Place, Secrets

FIRST, SECOND = b"1" * 32, b"2" * 32
OAKDALE, BIRCHWOOD = 101, 202
PLACE = Place(OAKDALE, "mails", "row-1", "body")


class DataKeys:
    """The contract of data keys in a dict (the SQL store: tests/contracts/test_key_stores.py)."""

    def __init__(self) -> None:
        self.by_bid: dict[int, DataKey] = {}

    def find_data_key(self, bid: int) -> DataKey | None:
        return self.by_bid.get(bid)

    def add_data_key(self, key: DataKey) -> DataKey:
        return self.by_bid.setdefault(key.bid, key)

    def list_data_keys(self) -> list[DataKey]:
        return list(self.by_bid.values())

    def replace_wrapping(self, key: DataKey) -> None:
        self.by_bid[key.bid] = key


@pytest.fixture
def store() -> DataKeys:
    return DataKeys()


def test_what_was_sealed_opens_in_its_place_and_in_another_process(store: DataKeys) -> None:
    sealed = Secrets((FIRST,), store).seal(PLACE, "zażółć 🔑")
    assert Secrets((FIRST,), store).open(PLACE, sealed) == "zażółć 🔑"


def test_a_sealed_text_shows_neither_its_value_nor_that_two_values_are_the_same(store: DataKeys) -> None:
    secrets = Secrets((FIRST,), store)
    once, again = secrets.seal(PLACE, "hunter2-hunter2"), secrets.seal(PLACE, "hunter2-hunter2")
    assert "hunter2" not in once
    assert once != again


@pytest.mark.parametrize(
    "elsewhere",
    [
        Place(OAKDALE, "mails", "row-2", "body"),
        Place(OAKDALE, "mails", "row-1", "subject"),
        Place(OAKDALE, "signing_keys", "row-1", "body"),
        Place(BIRCHWOOD, "mails", "row-1", "body"),
    ],
    ids=["row", "column", "table", "biller"],
)
def test_a_ciphertext_that_was_moved_does_not_open(store: DataKeys, elsewhere: Place) -> None:
    secrets = Secrets((FIRST,), store)
    sealed = secrets.seal(PLACE, "a value")
    with pytest.raises(DamagedCiphertext):
        secrets.open(elsewhere, sealed)


def test_a_ciphertext_does_not_open_for_a_biller_whose_data_key_id_was_forged_into_it(store: DataKeys) -> None:
    secrets = Secrets((FIRST,), store)
    version, own_key, body = secrets.seal(PLACE, "a value").split(".")
    secrets.seal(Place(BIRCHWOOD, "mails", "row-1", "body"), "another")
    other_key = store.by_bid[BIRCHWOOD].id
    assert str(other_key) != own_key
    with pytest.raises(DamagedCiphertext):
        secrets.open(Place(BIRCHWOOD, "mails", "row-1", "body"), f"{version}.{other_key}.{body}")


@pytest.mark.parametrize(
    "damage", ["", "v1", "v1..", "v1.x.y", "v2.{key}.{body}", "v1.{key}.", "v1.{key}.AAAA", "v1.{key}.é{body}"]
)
def test_a_damaged_ciphertext_is_told_as_such(store: DataKeys, damage: str) -> None:
    secrets = Secrets((FIRST,), store)
    _, key, body = secrets.seal(PLACE, "a value").split(".")
    with pytest.raises(DamagedCiphertext):
        secrets.open(PLACE, damage.format(key=key, body=body))


def test_every_bit_of_a_ciphertext_counts(store: DataKeys) -> None:
    secrets = Secrets((FIRST,), store)
    sealed = secrets.seal(PLACE, "a value")
    start = sealed.rindex(".") + 1
    # The last character may carry unused bits, so it is left out.
    for position in range(start, len(sealed) - 1):
        other = "A" if sealed[position] != "A" else "B"
        with pytest.raises(DamagedCiphertext):
            secrets.open(PLACE, sealed[:position] + other + sealed[position + 1 :])


def test_no_place_can_be_spelt_like_another_one(store: DataKeys) -> None:
    places = [Place(1, "a", "b", "c"), Place(1, "ab", "", "c"), Place(11, "", "b", "c"), Place(1, "a", "bc", "")]
    assert len({place.associated() for place in places}) == len(places)


def test_another_master_key_is_told_at_the_start_in_one_line(store: DataKeys) -> None:
    Secrets((FIRST,), store).check()
    with pytest.raises(DamagedCiphertext) as told:
        Secrets((SECOND,), store).check()
    assert "another master key" in told.value.detail
    assert "IDHUB_PREVIOUS_MASTER_KEYS" in told.value.detail
    assert "\n" not in told.value.detail


def test_the_first_check_makes_the_installations_data_key(store: DataKeys) -> None:
    Secrets((FIRST,), store).check()
    assert set(store.by_bid) == {INSTALLATION}


def test_each_biller_has_a_data_key_of_its_own_which_is_stored_wrapped(store: DataKeys) -> None:
    secrets = Secrets((FIRST,), store)
    assert secrets.derive(OAKDALE, "csrf") != secrets.derive(BIRCHWOOD, "csrf")
    wrapped = {key.wrapped for key in store.list_data_keys()}
    assert len(wrapped) == 2


def test_a_wrapped_data_key_put_under_another_biller_does_not_unwrap(store: DataKeys) -> None:
    Secrets((FIRST,), store).derive(OAKDALE, "csrf")
    stolen = store.by_bid[OAKDALE]
    store.by_bid[BIRCHWOOD] = DataKey(stolen.id, BIRCHWOOD, stolen.wrapped)
    with pytest.raises(DamagedCiphertext):
        Secrets((FIRST,), store).derive(BIRCHWOOD, "csrf")


def test_rewrap_keeps_values_readable_under_the_new_master_key_only(store: DataKeys) -> None:
    before = Secrets((FIRST,), store)
    other_place = Place(BIRCHWOOD, "mails", "row-1", "body")
    sealed, other = before.seal(PLACE, "a value"), before.seal(other_place, "another")

    assert Secrets((SECOND, FIRST), store).rewrap() == 2

    after = Secrets((SECOND,), store)
    assert (after.open(PLACE, sealed), after.open(other_place, other)) == ("a value", "another")
    with pytest.raises(DamagedCiphertext):
        Secrets((FIRST,), store).open(PLACE, sealed)


def test_while_it_is_being_changed_values_open_under_the_old_master_key_too(store: DataKeys) -> None:
    sealed = Secrets((FIRST,), store).seal(PLACE, "a value")
    assert Secrets((SECOND, FIRST), store).open(PLACE, sealed) == "a value"


def test_rewrap_changes_nothing_the_second_time(store: DataKeys) -> None:
    Secrets((FIRST,), store).check()
    changing = Secrets((SECOND, FIRST), store)
    assert changing.rewrap() == 1
    stored = dict(store.by_bid)
    assert changing.rewrap() == 0
    assert store.by_bid == stored


def test_rewrap_without_the_old_master_key_leaves_everything_as_it_is(store: DataKeys) -> None:
    Secrets((FIRST,), store).check()
    stored = dict(store.by_bid)
    with pytest.raises(DamagedCiphertext):
        Secrets((SECOND,), store).rewrap()
    assert store.by_bid == stored


def test_derived_keys_and_macs_outlive_a_change_of_the_master_key(store: DataKeys) -> None:
    before = Secrets((FIRST,), store)
    key, mac = before.derive(OAKDALE, "role-code"), before.mac(OAKDALE, "role-code", "message")
    Secrets((SECOND, FIRST), store).rewrap()
    after = Secrets((SECOND,), store)
    assert (after.derive(OAKDALE, "role-code"), after.mac(OAKDALE, "role-code", "message")) == (key, mac)


def test_a_derived_key_is_for_one_purpose(store: DataKeys) -> None:
    secrets = Secrets((FIRST,), store)
    keys = {secrets.derive(OAKDALE, "role-code"), secrets.derive(OAKDALE, "csrf"), secrets.derive(OAKDALE, "link")}
    assert len(keys) == 3
    assert {len(key) for key in keys} == {32}


def test_threads_that_need_a_new_biller_at_once_agree_on_its_data_key(store: DataKeys) -> None:
    secrets = Secrets((FIRST,), store)
    together = Barrier(8)

    def derive(_: int) -> bytes:
        together.wait()
        return secrets.derive(OAKDALE, "csrf")

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(derive, range(8)))) == 1
