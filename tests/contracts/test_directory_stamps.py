"""Stamps of cached rows: renewed exactly when what they stand for changes, around the commit, and never on a rollback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from hub.storage.database import HOLD
from hub.storage.stores import Stores
from hub.storage.work import MOST_STAMPS
from idp.directory.advanced_settings import SettingValue
from idp.directory.api_keys import ApiKeySecret
from idp.directory.ghosts import Ghost
from idp.directory.rights import LoginType
from idp.directory.users import PartnerUser
from idp.errors import StoreUnavailable
from idp.kv import Renew
from idp.opaque import digest
from idp.versions import biller_stamp, directory_stamp, key_stamp, user_stamp
from sso_connect.redirects import DestinationSetting
from tests.contracts.sql_stores import (
    BIRCHWOOD,
    OAKDALE,
    START,
    DirectoryCase,
    later,
    sample_biller,
    sample_customer,
    sample_key,
    sample_partner,
    sample_registration,
    sample_user,
)


def test_a_write_at_a_biller_renews_the_billers_stamp(directory: DirectoryCase) -> None:
    oakdale = directory.biller(OAKDALE)
    writes: list[Callable[[Stores], object]] = [
        lambda stores: stores.billers.put_biller(replace(oakdale, disabled=True)),
        lambda stores: stores.billers.put_sso_login_url(OAKDALE, "https://oak.example.com"),
        lambda stores: stores.settings.put_setting(SettingValue(OAKDALE, 8, "x")),
        lambda stores: stores.settings.drop_setting(OAKDALE, 8),
        lambda stores: stores.destinations.put_destination(DestinationSetting(OAKDALE, 1, off=True)),
    ]
    for write in writes:
        assert directory.renewed_by(write) == {biller_stamp(OAKDALE)}
    made = sample_biller(303, "elmwood")
    assert directory.renewed_by(lambda stores: stores.billers.add_biller(made)) == {biller_stamp(303)}


def test_a_write_of_a_key_renews_the_keys_stamp(directory: DirectoryCase) -> None:
    key = sample_key(OAKDALE, directory.partner)
    secret = ApiKeySecret(digest("x"), key.id, OAKDALE, "x", START)
    writes: list[Callable[[Stores], object]] = [
        lambda stores: stores.api_keys.put_key(key),
        lambda stores: stores.api_keys.put_key(replace(key, label="Other")),
        lambda stores: stores.api_keys.add_secret(secret),
        lambda stores: stores.api_keys.end_secrets(OAKDALE, key.id, later(1)),
    ]
    for write in writes:
        assert directory.renewed_by(write) == {key_stamp(key.id)}


def test_a_change_of_a_partner_renews_the_stamps_of_its_keys_at_all_billers(directory: DirectoryCase) -> None:
    other = sample_partner("gridbill")
    assert directory.renewed_by(lambda stores: stores.partners.add_partner(other)) == set()
    keys = sample_key(OAKDALE, directory.partner), sample_key(BIRCHWOOD, directory.partner)
    directory.add(*keys, sample_key(OAKDALE, other))
    changed = replace(directory.partner, disabled=True)
    assert directory.renewed_by(lambda stores: stores.partners.put_partner(changed)) == {key_stamp(key.id) for key in keys}


def test_a_write_of_a_user_or_a_tie_of_one_renews_the_users_stamp(directory: DirectoryCase) -> None:
    ann, home = sample_user(OAKDALE, "ann"), sample_customer(OAKDALE, "a-1")
    directory.add(home)
    tie = sample_registration(ann, home, LoginType.GUEST)
    writes: list[Callable[[Stores], object]] = [
        lambda stores: stores.users.add_user(ann),
        lambda stores: stores.users.put_user(replace(ann, phone="555-0100")),
        lambda stores: stores.partner_users.add_partner_user(PartnerUser(OAKDALE, directory.partner.id, ann.id, None, START)),
        lambda stores: stores.registrations.add_registration(tie),
        lambda stores: stores.registrations.put_registration(replace(tie, ended_at=later(1))),
    ]
    for write in writes:
        assert directory.renewed_by(write) == {user_stamp(ann.id)}


def test_a_change_of_a_customer_renews_the_stamps_of_the_users_registered_on_it(directory: DirectoryCase) -> None:
    ann, bea, cy, foreign = (
        sample_user(bid, name) for bid, name in [(OAKDALE, n) for n in ("ann", "bea", "cy")] + [(BIRCHWOOD, "d")]
    )
    home, barn, other = sample_customer(OAKDALE, "a-1"), sample_customer(OAKDALE, "a-2"), sample_customer(BIRCHWOOD, "a-1")
    directory.add(
        ann, bea, cy, foreign, home, barn, other,
        sample_registration(ann, home, LoginType.OWNER),
        sample_registration(bea, home, LoginType.GUEST, ended_at=later(1)),
        sample_registration(cy, barn, LoginType.OWNER),
        sample_registration(foreign, other, LoginType.OWNER),
    )  # fmt: skip
    assert directory.renewed_by(lambda stores: stores.customers.put_customer(replace(home, name="New"))) == {user_stamp(ann.id)}
    assert directory.renewed_by(lambda stores: stores.customers.add_customer(sample_customer(OAKDALE, "a-3"))) == set()


def test_what_nobody_caches_renews_nothing(directory: DirectoryCase) -> None:
    home = sample_customer(OAKDALE, "a-1")
    directory.add(home)
    ghost = Ghost(OAKDALE, home.id, "Ann", "ann@example.com", "ann@example.com", "", START, START)
    assert directory.renewed_by(lambda stores: stores.ghosts.put_ghost(ghost)) == set()
    assert directory.renewed_by(lambda stores: stores.role_codes.set_codes(OAKDALE, home.id, [])) == set()
    assert directory.renewed_by(lambda stores: stores.users.list_users(OAKDALE, "", 10)) == set()


def test_more_users_than_a_transaction_should_name_are_renewed_by_the_stamp_of_their_billers_directory(
    directory: DirectoryCase,
) -> None:
    many = [sample_user(OAKDALE, f"u{number}") for number in range(MOST_STAMPS + 1)]
    few = [sample_user(BIRCHWOOD, "ann")]

    def write(stores: Stores) -> None:
        for user in many + few:
            stores.users.add_user(user)

    assert directory.renewed_by(write) == {directory_stamp(OAKDALE), user_stamp(few[0].id)}


def test_nothing_is_renewed_on_a_rollback(directory: DirectoryCase) -> None:
    ann = sample_user(OAKDALE, "ann")
    before = directory.kv.look(user_stamp(ann.id))

    def write(stores: Stores) -> None:
        stores.users.add_user(ann)
        raise KeyError("changed my mind")

    directory.kv.renewals.clear()
    with pytest.raises(KeyError):
        directory.put(write)
    assert directory.kv.renewals == []
    assert directory.kv.look(user_stamp(ann.id)) == before
    assert directory.get(lambda stores: stores.users.find_user(OAKDALE, ann.id)) is None


def test_a_stamp_is_held_from_before_the_commit_and_let_go_after_it(directory: DirectoryCase) -> None:
    ann = sample_user(OAKDALE, "ann")
    stamp = user_stamp(ann.id)
    seen: list[tuple[timedelta | None, bool]] = []

    def watch(step: Renew) -> bool:
        # SQLite and PostgreSQL both show others only what is committed.
        there = directory.get(lambda stores: stores.users.find_user(OAKDALE, ann.id)) is not None
        seen.append((step.hold, there))
        return False

    directory.kv.fail = watch
    before = directory.kv.look(stamp)
    directory.add(ann)
    after = directory.kv.look(stamp)
    assert seen == [(HOLD, False), (None, True)]
    assert before != after
    assert directory.kv.look(stamp) == after


def test_without_the_key_value_store_a_change_of_cached_rows_is_not_committed(directory: DirectoryCase) -> None:
    ann = sample_user(OAKDALE, "ann")
    directory.kv.fail = lambda step: step.hold is not None
    with pytest.raises(StoreUnavailable):
        directory.add(ann)
    assert directory.get(lambda stores: stores.users.find_user(OAKDALE, ann.id)) is None


def test_a_committed_change_stands_though_the_stamps_cannot_be_let_go_and_stay_held(
    directory: DirectoryCase, caplog: pytest.LogCaptureFixture
) -> None:
    ann = sample_user(OAKDALE, "ann")
    directory.kv.fail = lambda step: step.hold is None
    directory.add(ann)
    assert directory.get(lambda stores: stores.users.find_user(OAKDALE, ann.id)) == ann
    assert directory.kv.look(user_stamp(ann.id)) != directory.kv.look(user_stamp(ann.id))
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_cached_rows_cannot_be_changed_outside_a_transaction(directory: DirectoryCase) -> None:
    ann, home = sample_user(OAKDALE, "ann"), sample_customer(OAKDALE, "a-1")
    directory.add(ann, home)
    writes: list[Callable[[Stores], object]] = [
        lambda stores: stores.users.put_user(replace(ann, phone="1")),
        lambda stores: stores.customers.put_customer(replace(home, phone="1")),
        lambda stores: stores.partners.put_partner(replace(directory.partner, name="1")),
    ]
    for write in writes:
        with pytest.raises(RuntimeError):
            directory.get(write)
    assert directory.get(lambda stores: stores.users.find_user(OAKDALE, ann.id)) == ann
    assert directory.get(lambda stores: stores.customers.find_customer(OAKDALE, home.id)) == home
    assert directory.get(lambda stores: stores.partners.find_partner(directory.partner.id)) == directory.partner
