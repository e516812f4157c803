"""API keys: a secret is shown once, rotates with an overlap, and every change counts at once in every process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from hub.storage.tables.log import change_values
from hub.storage.tables.partners import api_key_secrets
from idp.directory.api_keys import ApiKeys, HeldKey, KeyPolicies, Scope, check_policies
from idp.errors import ApiKeyNotFound, BillerNotFound, InvalidFields, PartnerNotFound
from idp.kv import Expect
from idp.opaque import digest, new_id
from idp.versions import Cached
from tests.idp.directory.house import BIRCHWOOD, MAKER, OAKDALE, House

PAY = "https://pay.harborlight.example"


def entry(keys: ApiKeys, secret: str) -> Cached[HeldKey]:
    found = keys.held(secret)
    assert found is not None
    return found


def is_current(house: House, found: Cached[HeldKey]) -> bool:
    """Whether the caller's check finds nothing."""
    return house.sql.kv.transact(Expect(found.stamps)).stop is None


def usable(house: House, secret: str) -> bool:
    """What a caller ends up with in another process."""
    found = house.other_api_keys().held(secret)
    return found is not None and found.value.usable(house.sql.clock.now())


# --- secrets -----------------------------------------------------------------------------------------------------------------


def test_a_secret_is_shown_once_and_kept_as_a_digest_only(house: House) -> None:
    issued = house.keys["all"]
    assert issued.secret.startswith("idhk_")
    with house.sql.single.connect() as connection:
        rows = connection.execute(select(api_key_secrets)).all()
        log = connection.execute(select(change_values.c.content)).scalars().all()
    assert digest(issued.secret) in {row.digest for row in rows}
    assert issued.secret not in repr(rows) + repr(log)
    assert digest(issued.secret) not in repr(log)
    (shown,) = house.api_keys.list_secrets(OAKDALE, issued.key.id)
    assert (shown.hint, shown.expires_at) == (issued.secret[-4:], None)


def test_a_secret_leads_to_its_key_and_biller_and_no_other_text_leads_anywhere(house: House) -> None:
    issued = house.keys["all"]
    found = entry(house.api_keys, issued.secret).value
    assert (found.key, found.biller.bid) == (issued.key, OAKDALE)
    assert entry(house.api_keys, house.keys["there all"].secret).value.biller.bid == BIRCHWOOD
    for other in ("", issued.secret[:-1], issued.secret + "x", issued.secret.upper(), digest(issued.secret)):
        assert house.api_keys.held(other) is None


def test_after_a_rotation_both_secrets_are_good_until_the_overlap_is_over(house: House) -> None:
    old = house.keys["all"]
    new = house.api_keys.rotate(MAKER, "r", OAKDALE, old.key.id, timedelta(hours=2))
    assert new.key.id == old.key.id
    assert new.secret != old.secret
    house.sql.clock.advance(timedelta(hours=2, microseconds=-1))
    assert usable(house, old.secret)
    assert usable(house, new.secret)
    house.sql.clock.advance(timedelta(microseconds=1))
    assert not usable(house, old.secret)
    assert usable(house, new.secret)
    assert usable(house, house.keys["there all"].secret)


def test_a_rotation_without_overlap_ends_the_old_secret_at_once(house: House) -> None:
    old = house.keys["all"]
    house.api_keys.rotate(MAKER, "r", OAKDALE, old.key.id, timedelta(0))
    assert not usable(house, old.secret)


def test_a_second_rotation_never_prolongs_a_secret(house: House) -> None:
    first = house.keys["all"]
    second = house.api_keys.rotate(MAKER, "r", OAKDALE, first.key.id, timedelta(hours=1))
    third = house.api_keys.rotate(MAKER, "r", OAKDALE, first.key.id, timedelta(days=30))
    house.sql.clock.advance(timedelta(hours=1))
    assert [usable(house, each.secret) for each in (first, second, third)] == [False, True, True]


@pytest.mark.parametrize("overlap", [timedelta(microseconds=-1), timedelta(days=90, microseconds=1)])
def test_an_overlap_out_of_range_rotates_nothing(house: House, overlap: timedelta) -> None:
    key = house.key("all")
    with pytest.raises(InvalidFields):
        house.api_keys.rotate(MAKER, "r", OAKDALE, key.id, overlap)
    assert len(house.api_keys.list_secrets(OAKDALE, key.id)) == 1


def test_a_revoked_key_is_over_with_all_its_secrets_and_cannot_be_rotated(house: House) -> None:
    old = house.keys["all"]
    new = house.api_keys.rotate(MAKER, "r", OAKDALE, old.key.id)
    house.api_keys.revoke(MAKER, "r", OAKDALE, old.key.id)
    assert not usable(house, old.secret)
    assert not usable(house, new.secret)
    with pytest.raises(ApiKeyNotFound):
        house.api_keys.rotate(MAKER, "r", OAKDALE, old.key.id)


def test_revoking_twice_is_revoking_once(house: House) -> None:
    key = house.key("all")
    first = house.api_keys.revoke(MAKER, "r", OAKDALE, key.id)
    house.sql.clock.advance(timedelta(days=1))
    assert house.api_keys.revoke(MAKER, "r", OAKDALE, key.id) == first
    assert house.actions().count("key.revoke") == 1


# --- every process sees a change at once -------------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[House], Any]] = {
    "policies": lambda house: house.api_keys.change(MAKER, "r", OAKDALE, house.key("all").id, policies=KeyPolicies()),
    "a frame origin": lambda house: house.api_keys.add_place(MAKER, "r", OAKDALE, house.key("all").id, "frame", PAY),
    "a rotation": lambda house: house.api_keys.rotate(MAKER, "r", OAKDALE, house.key("all").id, timedelta(0)),
    "a revocation": lambda house: house.api_keys.revoke(MAKER, "r", OAKDALE, house.key("all").id),
    "the partner": lambda house: house.partners.change(MAKER, "r", "one", disabled=True),
    "the biller": lambda house: house.billers.change(MAKER, "r", OAKDALE, disabled=True),
    "the host": lambda house: house.billers.change(MAKER, "r", OAKDALE, host="pay.oakdale.example"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_another_process_cached_is_stale_at_once_and_right_after_a_reload(house: House, what: str) -> None:
    secret = house.keys["all"].secret
    other = house.other_api_keys()
    before = entry(other, secret)
    assert is_current(house, before)
    CHANGES[what](house)
    assert not is_current(house, entry(other, secret))
    after = other.reload_held(secret)
    assert after is not None
    assert is_current(house, after)
    assert after.value != before.value
    fresh = house.other_api_keys().held(secret)
    assert fresh is not None
    assert after.value == fresh.value


@pytest.mark.parametrize("what", ["policies", "a frame origin", "a rotation", "a revocation"])
def test_a_change_of_one_key_leaves_what_is_cached_of_others(house: House, what: str) -> None:
    other = house.other_api_keys()
    cached = [entry(other, house.keys[name].secret) for name in ("own", "there all", "own of one")]
    CHANGES[what](house)
    assert all(is_current(house, each) for each in cached)


def test_a_disabled_partner_has_no_usable_key_at_any_biller_until_it_is_enabled_again(house: House) -> None:
    keys = ("all", "there all", "own of one")
    house.partners.change(MAKER, "r", "one", disabled=True)
    assert not any(usable(house, house.keys[name].secret) for name in keys)
    assert usable(house, house.keys["own"].secret)
    house.partners.change(MAKER, "r", "one", disabled=False)
    assert all(usable(house, house.keys[name].secret) for name in keys)


def test_a_disabled_biller_has_no_usable_key_and_the_other_one_has(house: House) -> None:
    house.billers.change(MAKER, "r", OAKDALE, disabled=True)
    assert not usable(house, house.keys["all"].secret)
    assert usable(house, house.keys["there all"].secret)


def test_an_unknown_secret_is_asked_for_again_and_never_remembered_as_unknown(house: House) -> None:
    other = house.other_api_keys()
    key = house.key("all")
    for _ in range(2):
        assert other.held("idhk_nobody") is None
    new = house.api_keys.rotate(MAKER, "r", OAKDALE, key.id)
    assert entry(other, new.secret).value.key.id == key.id


def test_a_key_by_id_is_as_of_the_stamps_that_a_record_brought(house: House) -> None:
    other, key, secret = house.other_api_keys(), house.key("all"), house.keys["all"].secret
    assert other.cached(OAKDALE, key.id, entry(other, secret).stamps) == key
    after = house.api_keys.change(MAKER, "r", OAKDALE, key.id, label="renamed")
    now = house.other_api_keys().held(secret)
    assert now is not None
    assert other.cached(OAKDALE, key.id, now.stamps) == after
    assert other.cached(BIRCHWOOD, key.id, now.stamps) is None
    assert other.cached(OAKDALE, new_id(), now.stamps) is None


# --- policies and places -----------------------------------------------------------------------------------------------------


def test_a_new_key_is_strict_and_speaks_for_its_own_users(house: House) -> None:
    policies = house.issue("plain", OAKDALE, "one").policies
    assert (policies.strictness, policies.authenticate, policies.token, policies.users) == ("strict", "trusted", "session", "own")
    assert (policies.account_proof, policies.rate_per_second, policies.burst) == ((), 50, 100)
    assert not policies.scopes & {Scope.CSR, Scope.PAYMENTS, Scope.FILES, Scope.ENROLMENTS}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"strictness": "lax"}, "strictness"),
    ({"authenticate": "maybe"}, "authenticate"),
    ({"token": "eternal"}, "token"),
    ({"users": "some"}, "users"),
    ({"csr_user": "anybody"}, "csr_user"),
    ({"scopes": frozenset()}, "scopes"),
    ({"account_proof": ("cis", "hunch")}, "account_proof"),
    ({"redirect_ids": frozenset({0, 1})}, "redirect_ids"),
    ({"redirect_ids": frozenset({12})}, "redirect_ids"),
    ({"rate_per_second": 0}, "rate_per_second"),
    ({"rate_per_second": 100_001}, "rate_per_second"),
    ({"burst": 0}, "rate_per_second"),
    ({"burst": 1_000_001}, "rate_per_second"),
]


@pytest.mark.parametrize(("change", "field"), WRONG)
def test_a_policy_out_of_its_range_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        check_policies(replace(KeyPolicies(), **change))
    assert [each.field for each in refused.value.fields] == [field]


def test_all_wrong_policies_are_named_at_once() -> None:
    everything: dict[str, Any] = {}
    for change, _ in WRONG:
        everything |= change
    with pytest.raises(InvalidFields) as refused:
        check_policies(replace(KeyPolicies(), **everything))
    assert {each.field for each in refused.value.fields} == {field for _, field in WRONG}


def test_wrong_policies_make_and_change_nothing(house: House) -> None:
    wrong = replace(KeyPolicies(), burst=0)
    before, log = house.api_keys.list_all(OAKDALE), house.actions()
    with pytest.raises(InvalidFields):
        house.issue("wrong", OAKDALE, "one", wrong)
    with pytest.raises(InvalidFields):
        house.api_keys.change(MAKER, "r", OAKDALE, house.key("all").id, policies=wrong)
    assert (house.api_keys.list_all(OAKDALE), house.actions()) == (before, log)


def test_a_place_is_added_once_in_its_plain_form_and_removed_in_any_spelling(house: House) -> None:
    key, log = house.key("all"), len(house.actions())
    for text in (f"{PAY}:443", "HTTPS://Pay.Harborlight.example/", PAY):
        added = house.api_keys.add_place(MAKER, "r", OAKDALE, key.id, "frame", text)
    assert added.frame_origins == (PAY,)
    house.api_keys.add_place(MAKER, "r", OAKDALE, key.id, "return", f"{PAY}/back")
    removed = house.api_keys.remove_place(MAKER, "r", OAKDALE, key.id, "frame", f"{PAY}:443")
    assert removed.frame_origins == ()
    assert removed.may_return_to(f"{PAY}/back/x")
    assert not removed.may_return_to(f"{PAY}/backdoor")
    house.api_keys.remove_place(MAKER, "r", OAKDALE, key.id, "frame", "https://never.example")
    assert house.actions(after=log) == ["origin.add", "origin.add", "origin.remove"]


@pytest.mark.parametrize(
    ("kind", "text", "field"),
    [
        ("frame", f"{PAY}/path", "FrameOrigin"),
        ("frame", "https://*.example", "FrameOrigin"),
        ("frame", "http://localhost:5000", "FrameOrigin"),
        ("frame", f"{PAY};sandbox", "FrameOrigin"),
        ("return", f"{PAY}?x=1", "ReturnUrl"),
        ("return", "http://pay.example", "ReturnUrl"),
        ("return", "", "ReturnUrl"),
    ],
)
def test_what_is_no_place_is_refused_by_name(house: House, kind: Any, text: str, field: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        house.api_keys.add_place(MAKER, "r", OAKDALE, house.key("all").id, kind, text)
    assert [each.field for each in refused.value.fields] == [field]
    assert house.api_keys.find(OAKDALE, house.key("all").id) == house.key("all")


# --- tenants -----------------------------------------------------------------------------------------------------------------


def test_another_billers_key_is_not_there(house: House) -> None:
    key = house.key("all")
    acts: list[Callable[[], Any]] = [
        lambda: house.api_keys.change(MAKER, "r", BIRCHWOOD, key.id, label="taken"),
        lambda: house.api_keys.rotate(MAKER, "r", BIRCHWOOD, key.id),
        lambda: house.api_keys.revoke(MAKER, "r", BIRCHWOOD, key.id),
        lambda: house.api_keys.add_place(MAKER, "r", BIRCHWOOD, key.id, "frame", PAY),
    ]
    for act in acts:
        with pytest.raises(ApiKeyNotFound):
            act()
    assert house.api_keys.find(BIRCHWOOD, key.id) is None
    assert house.api_keys.list_secrets(BIRCHWOOD, key.id) == []
    assert house.api_keys.find(OAKDALE, key.id) == key


def test_a_key_is_made_for_a_biller_and_a_partner_that_are_there(house: House) -> None:
    with pytest.raises(BillerNotFound):
        house.issue("x", 999, "one")
    with pytest.raises(PartnerNotFound):
        house.issue("x", OAKDALE, "nobody")
