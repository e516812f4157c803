"""Passwords and confirmations in both databases: each at its own biller, and of several at once exactly one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from idp.accounts.confirmations import NO, VOID, YES, Confirmation
from idp.directory.api_keys import ApiKey
from idp.directory.users import User
from idp.login.hashing import PasswordHash
from idp.login.passwords import StoredPassword
from idp.opaque import digest, new_id
from tests.contracts.sql_stores import (
    BIRCHWOOD,
    OAKDALE,
    START,
    DirectoryCase,
    later,
    sample_key,
    sample_partner,
    sample_user,
    stranger,
)

OVER = later(minutes=7 * 24 * 60)
OLD, NEW = PasswordHash("$argon2id$old"), PasswordHash("$argon2id$new")


@pytest.fixture
def ann(directory: DirectoryCase) -> User:
    """A user at Oakdale; her namesake at Birchwood has the same id nowhere."""
    user = sample_user(OAKDALE, "ann")
    directory.add(user, sample_user(BIRCHWOOD, "ann"))
    return user


@pytest.fixture
def key(directory: DirectoryCase) -> ApiKey:
    """The partner's key at Oakdale."""
    made = sample_key(OAKDALE, directory.partner)
    directory.add(made)
    return made


def asked(user: User, key: ApiKey, code: str, **changes: Any) -> Confirmation:
    made = Confirmation(user.bid, new_id(), digest(code), "password", user.id, key.partner.id, key.id, "", START, OVER)
    return replace(made, **changes)


# --- passwords -----------------------------------------------------------------------------------------------------------


def test_a_password_is_put_replaced_and_found_at_its_own_biller_only(directory: DirectoryCase, ann: User) -> None:
    first, second = StoredPassword(OAKDALE, ann.id, OLD, START), StoredPassword(OAKDALE, ann.id, NEW, later(1))
    for password in (first, second):
        directory.put(lambda stores, password=password: stores.passwords.put_password(password))  # type: ignore[misc]
        assert directory.get(lambda stores: stores.passwords.find_password(OAKDALE, ann.id)) == password
    assert directory.get(lambda stores: stores.passwords.find_password(BIRCHWOOD, ann.id)) is None
    assert directory.get(lambda stores: stores.passwords.find_password(OAKDALE, stranger())) is None


def test_a_password_of_nobody_or_of_another_billers_user_cannot_be_kept(directory: DirectoryCase, ann: User) -> None:
    for row in (StoredPassword(OAKDALE, stranger(), OLD, START), StoredPassword(BIRCHWOOD, ann.id, OLD, START)):
        with pytest.raises(Exception, match=r"(?i)foreign key"):
            directory.put(lambda stores, row=row: stores.passwords.put_password(row))  # type: ignore[misc]


def test_a_hash_is_swapped_only_where_the_old_one_still_stands(directory: DirectoryCase, ann: User) -> None:
    directory.put(lambda stores: stores.passwords.put_password(StoredPassword(OAKDALE, ann.id, OLD, START)))
    assert not directory.put(lambda stores: stores.passwords.swap_hash(BIRCHWOOD, ann.id, OLD, NEW))
    assert directory.put(lambda stores: stores.passwords.swap_hash(OAKDALE, ann.id, OLD, NEW))
    assert not directory.put(lambda stores: stores.passwords.swap_hash(OAKDALE, ann.id, OLD, PasswordHash("$argon2id$late")))
    assert directory.get(lambda stores: stores.passwords.find_password(OAKDALE, ann.id)) == StoredPassword(
        OAKDALE, ann.id, NEW, START
    )


def test_a_password_renews_no_stamp_and_of_many_put_at_once_one_stands(directory: DirectoryCase, ann: User) -> None:
    rows = [StoredPassword(OAKDALE, ann.id, PasswordHash(f"$argon2id${number}"), later(number)) for number in range(8)]
    assert directory.renewed_by(lambda stores: stores.passwords.put_password(rows[0])) == set()
    writes = [partial(directory.put, lambda stores, row=row: stores.passwords.put_password(row)) for row in rows]  # type: ignore[misc]
    assert directory.race(*writes) == [None] * len(rows)
    assert directory.get(lambda stores: stores.passwords.find_password(OAKDALE, ann.id)) in rows


# --- confirmations -------------------------------------------------------------------------------------------------------


def test_a_confirmation_is_found_by_its_digest_at_its_own_biller_only(directory: DirectoryCase, ann: User, key: ApiKey) -> None:
    row = asked(ann, key, "code", kind="email", new_email="new@example.com")
    directory.put(lambda stores: stores.confirmations.add_confirmation(row))
    assert directory.get(lambda stores: stores.confirmations.find_by_digest(OAKDALE, digest("code"))) == row
    assert directory.get(lambda stores: stores.confirmations.find_by_digest(BIRCHWOOD, digest("code"))) is None
    assert directory.get(lambda stores: stores.confirmations.find_by_digest(OAKDALE, digest("other"))) is None


def test_of_many_answers_at_once_exactly_one_counts(directory: DirectoryCase, ann: User, key: ApiKey) -> None:
    row = asked(ann, key, "code")
    directory.put(lambda stores: stores.confirmations.add_confirmation(row))
    assert not directory.put(lambda stores: stores.confirmations.answer(BIRCHWOOD, row.id, YES, later(1), OVER))
    words = [YES, NO] * 4
    came = directory.race(
        *(
            partial(directory.put, lambda stores, word=word: stores.confirmations.answer(OAKDALE, row.id, word, later(1), later(9)))  # type: ignore[misc]
            for word in words
        )
    )
    assert sorted(map(str, came)) == ["False"] * 7 + ["True"]
    found = directory.get(lambda stores: stores.confirmations.find_by_digest(OAKDALE, digest("code")))
    assert found == replace(row, answer=words[came.index(True)], answered_at=later(1), expires_at=later(9))


def test_an_answer_after_its_time_does_not_count(directory: DirectoryCase, ann: User, key: ApiKey) -> None:
    row = asked(ann, key, "code")
    directory.put(lambda stores: stores.confirmations.add_confirmation(row))
    assert not directory.put(lambda stores: stores.confirmations.answer(OAKDALE, row.id, YES, OVER, later(1)))


def test_a_yes_is_spent_once_in_time_and_nothing_else_is(directory: DirectoryCase, ann: User, key: ApiKey) -> None:
    rows = {word: asked(ann, key, f"code {word}", answer=word) for word in ("", YES, NO, VOID)}
    late = asked(ann, key, "late", answer=YES, expires_at=later(1))
    for row in (*rows.values(), late):
        directory.put(lambda stores, row=row: stores.confirmations.add_confirmation(row))  # type: ignore[misc]
    for row in (rows[""], rows[NO], rows[VOID], late):
        assert not directory.put(lambda stores, row=row: stores.confirmations.spend(OAKDALE, row.id, later(2)))  # type: ignore[misc]
    good = rows[YES]
    assert not directory.put(lambda stores: stores.confirmations.spend(BIRCHWOOD, good.id, later(2)))
    came = directory.race(*[partial(directory.put, lambda stores: stores.confirmations.spend(OAKDALE, good.id, later(2)))] * 8)
    assert sorted(map(str, came)) == ["False"] * 7 + ["True"]


def test_void_ends_what_is_open_or_allowed_of_one_partner_or_of_all_and_of_nobody_else(
    directory: DirectoryCase, ann: User, key: ApiKey
) -> None:
    other, bea = sample_partner("billview"), sample_user(OAKDALE, "bea")
    directory.put(lambda stores: stores.partners.add_partner(other))
    theirs = sample_key(OAKDALE, other)
    directory.add(theirs, bea)
    rows = [
        asked(ann, key, "open"),
        asked(ann, key, "allowed", answer=YES),
        asked(ann, key, "refused", answer=NO),
        asked(ann, key, "used", answer=YES, spent_at=later(1)),
        asked(ann, theirs, "theirs"),
        asked(bea, key, "hers"),
    ]
    for row in rows:
        directory.put(lambda stores, row=row: stores.confirmations.add_confirmation(row))  # type: ignore[misc]

    def void() -> list[str]:
        found = [directory.get(lambda s, row=row: s.confirmations.find_by_digest(OAKDALE, row.digest)) for row in rows]  # type: ignore[misc]
        return ["" if each is None else each.answer for each in found]

    directory.put(lambda stores: stores.confirmations.void_confirmations(BIRCHWOOD, ann.id))
    assert void() == ["", YES, NO, YES, "", ""]
    directory.put(lambda stores: stores.confirmations.void_confirmations(OAKDALE, ann.id, directory.partner.id))
    assert void() == [VOID, VOID, NO, YES, "", ""]
    directory.put(lambda stores: stores.confirmations.void_confirmations(OAKDALE, ann.id))
    assert void() == [VOID, VOID, NO, YES, VOID, ""]


def test_recent_ones_are_listed_newest_first_by_user_partner_and_kind(directory: DirectoryCase, ann: User, key: ApiKey) -> None:
    bea = sample_user(OAKDALE, "bea")
    directory.add(bea)
    rows = [asked(ann, key, f"code {number}", created_at=later(number)) for number in range(4)]
    others = [asked(ann, key, "address", kind="email"), asked(bea, key, "bea")]
    for row in (*rows, *others):
        directory.put(lambda stores, row=row: stores.confirmations.add_confirmation(row))  # type: ignore[misc]
    found = directory.get(
        lambda stores: stores.confirmations.list_recent(OAKDALE, ann.id, directory.partner.id, "password", later(0))
    )
    assert found == [rows[3], rows[2], rows[1]]
    assert directory.get(lambda s: s.confirmations.list_recent(BIRCHWOOD, ann.id, key.partner.id, "password", later(0))) == []


def test_what_is_over_is_purged_in_batches_oldest_first(directory: DirectoryCase, ann: User, key: ApiKey) -> None:
    rows = [asked(ann, key, f"code {number}", expires_at=later(number)) for number in range(4)]
    for row in rows:
        directory.put(lambda stores, row=row: stores.confirmations.add_confirmation(row))  # type: ignore[misc]
    assert directory.put(lambda stores: stores.confirmations.purge_confirmations(later(3), 2)) == 2
    assert directory.put(lambda stores: stores.confirmations.purge_confirmations(later(3), 2)) == 1
    assert directory.put(lambda stores: stores.confirmations.purge_confirmations(later(3), 2)) == 0
    left = [directory.get(lambda s, row=row: s.confirmations.find_by_digest(OAKDALE, row.digest)) for row in rows]  # type: ignore[misc]
    assert left == [None, None, None, rows[3]]
