"""Partners, API keys and their secrets: what goes in comes out, at its biller only."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from idp.directory.api_keys import ALL_REDIRECT_IDS, ApiKeySecret, HeldKey, KeyPolicies, Scope
from idp.directory.hosts import Place
from idp.errors import AlreadyExists
from idp.opaque import Digest, digest, new_id
from tests.contracts.sql_stores import BIRCHWOOD, OAKDALE, DirectoryCase, later, sample_key, sample_partner, stranger

CHOSEN = KeyPolicies(
    scopes=frozenset({Scope.SSO, Scope.CSR}), strictness="compat", authenticate="password", token="single_use", users="all",
    account_proof=("zip", "name"), csr_user="owner", rate_per_second=7, burst=9, redirect_ids=frozenset({1, 11}),
)  # fmt: skip


def secret(bid: int, key_id: UUID, text: str, minutes: int = 0, expires: int | None = None) -> ApiKeySecret:
    return ApiKeySecret(digest(text), key_id, bid, text[-4:], later(minutes), None if expires is None else later(expires))


def test_a_partner_comes_back_as_it_was_stored_and_its_slug_is_unique(directory: DirectoryCase) -> None:
    made = sample_partner("gridbill", disabled=True)
    directory.put(lambda stores: stores.partners.add_partner(made))
    with directory.database.read() as stores:
        assert stores.partners.find_partner(made.id) == made
        assert stores.partners.find_partner_by_slug("gridbill") == made
        assert stores.partners.find_partner(new_id()) is None
        assert stores.partners.list_partners() == [directory.partner, made]
    with pytest.raises(AlreadyExists):
        directory.put(lambda stores: stores.partners.add_partner(sample_partner("gridbill")))
    changed = replace(made, name="Grid Bill", url="", disabled=False)
    directory.put(lambda stores: stores.partners.put_partner(changed))
    assert directory.get(lambda stores: stores.partners.list_partners()) == [directory.partner, changed]


def test_a_key_comes_back_as_it_was_stored(directory: DirectoryCase) -> None:
    made = sample_key(
        OAKDALE, directory.partner, label="Bills", policies=CHOSEN, frame_origins=("https://a.example.com", "https://b.example.com"),
        return_places=(Place("https://a.example.com", "/back"), Place("https://b.example.com")), revoked_at=later(4),
    )  # fmt: skip
    plain = sample_key(OAKDALE, directory.partner, created_at=later(1))
    directory.add(plain, made)
    assert directory.get(lambda stores: stores.api_keys.find_key(OAKDALE, made.id)) == made
    assert directory.get(lambda stores: stores.api_keys.list_keys(OAKDALE)) == [made, plain]
    assert plain.policies.redirect_ids == ALL_REDIRECT_IDS
    changed = replace(made, policies=KeyPolicies(), label="Bills 2", frame_origins=(), return_places=(), revoked_at=None)
    directory.add(changed)
    assert directory.get(lambda stores: stores.api_keys.list_keys(OAKDALE)) == [changed, plain]


def test_a_key_is_seen_at_its_biller_only(directory: DirectoryCase) -> None:
    ours, theirs = sample_key(OAKDALE, directory.partner), sample_key(BIRCHWOOD, directory.partner)
    directory.add(ours, theirs)
    with directory.database.begin() as stores:
        for each in (ours, theirs):
            stores.api_keys.add_secret(secret(each.bid, each.id, f"secret of {each.bid}"))
        stores.api_keys.end_secrets(OAKDALE, theirs.id, later(1))
    with directory.database.read() as stores:
        assert stores.api_keys.find_key(OAKDALE, theirs.id) is None
        assert stores.api_keys.list_keys(OAKDALE) == [ours]
        assert stores.api_keys.list_secrets(OAKDALE, theirs.id) == []
        assert stores.api_keys.list_secrets(BIRCHWOOD, theirs.id) == [secret(BIRCHWOOD, theirs.id, f"secret of {BIRCHWOOD}")]


def test_a_key_is_found_by_any_of_its_secrets_with_its_biller(directory: DirectoryCase) -> None:
    key = sample_key(BIRCHWOOD, directory.partner, policies=CHOSEN, return_places=(Place("https://a.example.com", "/x"),))
    first, second = secret(BIRCHWOOD, key.id, "first"), secret(BIRCHWOOD, key.id, "second", 1, 60)
    directory.add(key)
    with directory.database.begin() as stores:
        stores.api_keys.add_secret(first)
        stores.api_keys.add_secret(second)
        stores.billers.put_biller(replace(directory.biller(BIRCHWOOD), disabled=True))
    biller = directory.biller(BIRCHWOOD)
    for each in (first, second):
        found = directory.get(lambda stores, each=each: stores.api_keys.find_held_key(each.digest))  # type: ignore[misc]
        assert found == HeldKey(key, each, biller)
    assert directory.get(lambda stores: stores.api_keys.find_held_key(Digest("0" * 64))) is None


def test_ending_secrets_shortens_those_that_would_live_longer_and_prolongs_none(directory: DirectoryCase) -> None:
    key, other = sample_key(OAKDALE, directory.partner), sample_key(OAKDALE, directory.partner)
    rows = [secret(OAKDALE, key.id, "a", 0), secret(OAKDALE, key.id, "b", 1, 5), secret(OAKDALE, key.id, "c", 2, 90)]
    untouched = secret(OAKDALE, other.id, "d")
    directory.add(key, other)
    with directory.database.begin() as stores:
        for row in [*rows, untouched]:
            stores.api_keys.add_secret(row)
        stores.api_keys.end_secrets(OAKDALE, key.id, later(30))
    ends = [row.expires_at for row in directory.get(lambda stores: stores.api_keys.list_secrets(OAKDALE, key.id))]
    assert ends == [later(30), later(5), later(30)]
    assert directory.get(lambda stores: stores.api_keys.list_secrets(OAKDALE, other.id)) == [untouched]
    assert directory.get(lambda stores: stores.api_keys.list_secrets(OAKDALE, stranger())) == []
