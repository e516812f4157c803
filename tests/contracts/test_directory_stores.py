"""Billers, their settings and destinations, customers, role codes, ghosts: what goes in comes out, at its biller only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from idp.directory.advanced_settings import SettingValue
from idp.directory.billers import Policies
from idp.directory.customers import Meter
from idp.directory.ghosts import Ghost
from idp.directory.rights import LoginType
from idp.directory.role_codes import RoleCode
from idp.errors import AlreadyExists, CustomerExists
from idp.opaque import new_id
from sso_connect.redirects import DestinationSetting
from tests.contracts.sql_stores import (
    BIRCHWOOD,
    OAKDALE,
    DirectoryCase,
    later,
    sample_biller,
    sample_customer,
    stranger,
)

# --- billers ------------------------------------------------------------------------------------------------------------


def test_a_biller_comes_back_as_it_was_stored(directory: DirectoryCase) -> None:
    made = sample_biller(
        303, "elmwood", policies=Policies(role_codes="required", session_idle_minutes=5), disabled=True, locale="es",
        column_map={"IH": ["InvoiceNumber", 11, {"x": "y"}], "CR": ["AccountNumber"]}, sso_login_url="https://elm.example.com/in",
        issuer="https://id.elm.example.com", saml_entity_id="urn:elm", rp_id="elm.example.com",
    )  # fmt: skip
    directory.add(made)
    assert directory.get(lambda stores: stores.billers.find_biller(303)) == made
    assert directory.get(lambda stores: stores.billers.find_biller_by(slug="elmwood")) == made
    assert directory.get(lambda stores: stores.billers.find_biller_by(guid=made.guid)) == made
    assert directory.get(lambda stores: stores.billers.find_biller_by(host="elmwood.portal.example.com")) == made
    assert directory.get(lambda stores: stores.billers.find_biller(404)) is None
    assert directory.get(lambda stores: stores.billers.find_biller_by(guid=stranger())) is None


def test_a_change_of_one_biller_leaves_the_other(directory: DirectoryCase) -> None:
    oakdale, birchwood = directory.biller(OAKDALE), directory.biller(BIRCHWOOD)
    changed = replace(
        oakdale, dba="Oakdale Power", disabled=True, policies=Policies(multi_user=False), issuer="https://i.example.com"
    )
    directory.put(lambda stores: stores.billers.put_biller(changed))
    directory.put(lambda stores: stores.billers.put_sso_login_url(OAKDALE, "https://oak.example.com/in"))
    assert directory.biller(OAKDALE) == replace(changed, sso_login_url="https://oak.example.com/in")
    assert directory.biller(BIRCHWOOD) == birchwood


@pytest.mark.parametrize("clash", ["bid", "guid", "slug"])
def test_a_biller_whose_bid_guid_or_slug_is_taken_is_refused(directory: DirectoryCase, clash: str) -> None:
    oakdale = directory.biller(OAKDALE)
    made = replace(sample_biller(303, "elmwood"), **{clash: getattr(oakdale, clash)})
    with pytest.raises(AlreadyExists):
        directory.add(made)
    assert len(directory.get(lambda stores: stores.billers.list_billers(0, 10))) == 2


def test_a_biller_cannot_take_the_slug_of_another_by_a_change(directory: DirectoryCase) -> None:
    birchwood = directory.biller(BIRCHWOOD)
    with pytest.raises(AlreadyExists):
        directory.put(lambda stores: stores.billers.put_biller(replace(birchwood, slug="oakdale")))


def test_billers_are_paged_by_bid(directory: DirectoryCase) -> None:
    directory.add(sample_biller(7, "b7"), sample_biller(300, "b300"))
    first = directory.get(lambda stores: stores.billers.list_billers(0, 3))
    assert [biller.bid for biller in first] == [7, OAKDALE, BIRCHWOOD]
    assert [biller.bid for biller in directory.get(lambda stores: stores.billers.list_billers(BIRCHWOOD, 3))] == [300]


def test_a_host_that_two_billers_share_names_neither(directory: DirectoryCase) -> None:
    shared = "https://oakdale.portal.example.com"
    assert directory.get(lambda stores: stores.billers.count_on_origin(shared)) == 1
    directory.add(sample_biller(303, "elmwood", origin=shared))
    assert directory.get(lambda stores: stores.billers.count_on_origin(shared)) == 2
    assert directory.get(lambda stores: stores.billers.find_biller_by(host="oakdale.portal.example.com")) is None


# --- settings and destinations ------------------------------------------------------------------------------------------


def test_settings_are_those_of_their_biller(directory: DirectoryCase) -> None:
    with directory.database.begin() as stores:
        for value in ("first", "second"):
            stores.settings.put_setting(SettingValue(OAKDALE, 131, value))
            stores.settings.put_setting(SettingValue(OAKDALE, 8, value))
    directory.put(lambda stores: stores.settings.put_setting(SettingValue(BIRCHWOOD, 8, "other")))
    directory.put(lambda stores: stores.settings.drop_setting(BIRCHWOOD, 131))
    assert directory.get(lambda stores: stores.settings.list_settings(OAKDALE)) == [
        SettingValue(OAKDALE, 8, "second"),
        SettingValue(OAKDALE, 131, "second"),
    ]
    directory.put(lambda stores: stores.settings.drop_setting(OAKDALE, 8))
    assert directory.get(lambda stores: stores.settings.list_settings(OAKDALE)) == [SettingValue(OAKDALE, 131, "second")]
    assert directory.get(lambda stores: stores.settings.list_settings(BIRCHWOOD)) == [SettingValue(BIRCHWOOD, 8, "other")]


def test_destinations_are_those_of_their_biller(directory: DirectoryCase) -> None:
    theirs = DestinationSetting(BIRCHWOOD, 3, off=True)
    first = DestinationSetting(OAKDALE, 3, off=True, title="Budget billing")
    ours = DestinationSetting(OAKDALE, 3, off=False, title="Autopay plus")
    with directory.database.begin() as stores:
        for each in (theirs, first, ours):
            stores.destinations.put_destination(each)
    assert directory.get(lambda stores: stores.destinations.list_destinations(OAKDALE)) == {3: ours}
    assert directory.get(lambda stores: stores.destinations.list_destinations(BIRCHWOOD)) == {3: theirs}


# --- customers ----------------------------------------------------------------------------------------------------------


def test_a_customer_comes_back_as_it_was_stored(directory: DirectoryCase) -> None:
    made = sample_customer(
        OAKDALE, "a-1", address1="1 Mill Lane", address2="Unit 4", city="Oakdale", state="MI", zip="49000", phone="555-0100",
        email="holder@example.com", customs={2: "north", 60: "ü"}, service_location_id="SL-9", prepaid=True, protected=True,
        block_cc=True, block_ach=True, closed_at=later(5),
        meters=(Meter("M-1", "water"), Meter("M-2", "electric", "SL-9", active=False)),
    )  # fmt: skip
    directory.add(made)
    assert directory.get(lambda stores: stores.customers.find_customer(OAKDALE, made.id)) == made
    changed = replace(made, name="Another", customs={}, meters=(), closed_at=None, prepaid=False)
    directory.put(lambda stores: stores.customers.put_customer(changed))
    assert directory.get(lambda stores: stores.customers.find_by_accounts(OAKDALE, ["A-1"])) == {"A-1": changed}


def test_two_billers_may_have_the_same_account_number_and_see_only_their_own(directory: DirectoryCase) -> None:
    ours, theirs = sample_customer(OAKDALE, "a-1"), sample_customer(BIRCHWOOD, "a-1")
    directory.add(ours, theirs)
    assert directory.get(lambda stores: stores.customers.find_by_accounts(OAKDALE, ["A-1", "A-2"])) == {"A-1": ours}
    assert directory.get(lambda stores: stores.customers.find_customer(OAKDALE, theirs.id)) is None
    assert directory.get(lambda stores: stores.customers.list_customers(OAKDALE, "", 10)) == [ours]
    directory.put(lambda stores: stores.customers.put_customer(replace(theirs, bid=OAKDALE, name="Taken over", account_key="B")))
    assert directory.get(lambda stores: stores.customers.find_customer(BIRCHWOOD, theirs.id)) == theirs
    assert directory.get(lambda stores: stores.customers.list_customers(OAKDALE, "", 10)) == [ours]


def test_an_account_number_is_unique_at_its_biller(directory: DirectoryCase) -> None:
    first, other = sample_customer(OAKDALE, "a-1"), sample_customer(OAKDALE, "a-2")
    directory.add(first, other)
    with pytest.raises(CustomerExists):
        directory.add(sample_customer(OAKDALE, "A-1"))
    with pytest.raises(CustomerExists):
        directory.put(lambda stores: stores.customers.put_customer(replace(other, account_key="A-1")))


def test_customers_are_paged_by_code_point_on_every_database(directory: DirectoryCase) -> None:
    numbers = ["10", "9", "A", "a", "B", "É", "_"]
    directory.add(*(sample_customer(OAKDALE, each, account_key=each) for each in numbers))
    first = directory.get(lambda stores: stores.customers.list_customers(OAKDALE, "", 4))
    second = directory.get(lambda stores: stores.customers.list_customers(OAKDALE, first[-1].account_key, 4))
    assert [each.account_key for each in first + second] == sorted(numbers)


def test_many_accounts_are_found_at_once(directory: DirectoryCase) -> None:
    made = [sample_customer(OAKDALE, f"{number:05}") for number in range(1200)]
    directory.add(*made)
    wanted = [each.account_key for each in reversed(made)]
    with directory.database.begin() as stores:
        found = stores.customers.find_by_accounts(OAKDALE, wanted + wanted, lock=True)
    assert found == {each.account_key: each for each in made}


# --- role codes and ghosts ----------------------------------------------------------------------------------------------


def code(bid: int, customer_id: object, text: str, **changes: object) -> RoleCode:
    made = RoleCode(bid, customer_id, LoginType.CO_OWNER, bare=False, key_version=1, digest=text)  # type: ignore[arg-type]
    return replace(made, **changes)  # type: ignore[arg-type]


def test_new_role_codes_replace_the_unused_ones_and_a_used_one_stays_used(directory: DirectoryCase) -> None:
    ours, theirs = sample_customer(OAKDALE, "a-1"), sample_customer(BIRCHWOOD, "a-1")
    directory.add(ours, theirs)
    used = code(OAKDALE, ours.id, "used", used_at=later(1), login_type=LoginType.OWNER)
    old, kept, new = (code(OAKDALE, ours.id, text) for text in ("old", "kept", "new"))
    other = code(BIRCHWOOD, theirs.id, "old")

    def put(bid: int, customer_id: object, *codes: RoleCode) -> bool:
        return directory.put(lambda stores: stores.role_codes.set_codes(bid, customer_id, list(codes)))  # type: ignore[arg-type]

    assert put(BIRCHWOOD, theirs.id, other)
    assert put(OAKDALE, ours.id, used, old, kept)
    assert put(OAKDALE, ours.id, replace(used, used_at=None), kept, new)
    assert not put(OAKDALE, ours.id, replace(used, used_at=None), kept, new)
    assert directory.get(lambda stores: stores.role_codes.list_codes(OAKDALE, ours.id)) == [used, kept, new]
    assert put(OAKDALE, ours.id)
    assert directory.get(lambda stores: stores.role_codes.list_codes(OAKDALE, ours.id)) == [used]
    assert directory.get(lambda stores: stores.role_codes.list_codes(BIRCHWOOD, theirs.id)) == [other]
    assert directory.get(lambda stores: stores.role_codes.list_codes(OAKDALE, theirs.id)) == []


def test_a_role_code_of_another_customer_is_not_stored(directory: DirectoryCase) -> None:
    ours, theirs = sample_customer(OAKDALE, "a-1"), sample_customer(BIRCHWOOD, "a-1")
    directory.add(ours, theirs)
    with pytest.raises(ValueError, match="another customer"):
        directory.put(lambda stores: stores.role_codes.set_codes(OAKDALE, ours.id, [code(BIRCHWOOD, theirs.id, "x")]))


def test_a_customer_has_one_ghost_which_a_second_write_updates(directory: DirectoryCase) -> None:
    ours, theirs = sample_customer(OAKDALE, "a-1"), sample_customer(BIRCHWOOD, "a-1")
    directory.add(ours, theirs)
    ghost = Ghost(OAKDALE, ours.id, "Ann Example", "Ann@example.com", "ann@example.com", "", later(0), later(0))
    newer = replace(ghost, email="bea@example.com", email_key="bea@example.com", email_since=later(9), phone="555-0101")
    with directory.database.begin() as stores:
        for each in (ghost, newer):
            stores.ghosts.put_ghost(each)
    assert directory.get(lambda stores: stores.ghosts.find_ghost(OAKDALE, ours.id)) == newer
    assert directory.get(lambda stores: stores.ghosts.find_ghost(BIRCHWOOD, ours.id)) is None
    assert directory.get(lambda stores: stores.ghosts.find_ghost(BIRCHWOOD, theirs.id)) is None
    assert directory.get(lambda stores: stores.ghosts.find_ghost(OAKDALE, new_id())) is None
