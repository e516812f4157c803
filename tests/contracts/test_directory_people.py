"""Users, partners that speak for them, registrations, payers: what goes in comes out, at its biller only."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from idp.directory.payers import Account
from idp.directory.registrations import RegistrationState
from idp.directory.rights import LoginType
from idp.directory.users import PartnerUser, User
from idp.errors import PartnerUserIdTaken, Raced, UserNameTaken
from tests.contracts.sql_stores import (
    BIRCHWOOD,
    OAKDALE,
    DirectoryCase,
    later,
    sample_customer,
    sample_key,
    sample_partner,
    sample_registration,
    sample_user,
    stranger,
)


def stored(directory: DirectoryCase, user: User) -> User | None:
    return directory.get(lambda stores: stores.users.find_user(user.bid, user.id))


# --- users --------------------------------------------------------------------------------------------------------------


def test_a_user_comes_back_as_it_was_stored(directory: DirectoryCase) -> None:
    home = sample_customer(OAKDALE, "a-1")
    made = sample_user(
        OAKDALE, "Ann", email_verified=True, first_name="Ann", last_name="Éxample", phone="555-0100", locale="es", disabled=True,
        password_partner=directory.partner.id, default_customer_id=home.id, generation=4, trusted_email="Ann@home.example",
    )  # fmt: skip
    directory.add(home, made)
    assert stored(directory, made) == made
    assert directory.get(lambda stores: stores.users.find_by_user_name(OAKDALE, "ann")) == made
    changed = replace(made, user_name="Bea", user_name_key="bea", disabled=False, default_customer_id=None, password_partner=None)
    directory.put(lambda stores: stores.users.put_user(changed))
    assert stored(directory, made) == changed
    assert directory.get(lambda stores: stores.users.find_by_user_name(OAKDALE, "ann")) is None


def test_two_billers_may_have_the_same_user_name_and_see_only_their_own(directory: DirectoryCase) -> None:
    ours, theirs = sample_user(OAKDALE, "ann"), sample_user(BIRCHWOOD, "ann")
    directory.add(ours, theirs)
    with directory.database.read() as stores:
        assert stores.users.find_by_user_name(OAKDALE, "ann") == ours
        assert stores.users.find_user(OAKDALE, theirs.id) is None
        assert stores.users.list_by_email(OAKDALE, "ann@example.com") == [ours]
        assert stores.users.list_users(OAKDALE, "", 10) == [ours]
        assert stores.users.list_by_ids(OAKDALE, [ours.id, theirs.id, stranger()]) == {ours.id: ours}
    directory.put(lambda stores: stores.users.put_user(replace(theirs, bid=OAKDALE, user_name_key="taken over")))
    assert stored(directory, theirs) == theirs


def test_a_user_name_is_unique_at_its_biller(directory: DirectoryCase) -> None:
    ann, bea = sample_user(OAKDALE, "ann"), sample_user(OAKDALE, "bea")
    directory.add(ann, bea, sample_user(BIRCHWOOD, "ann"))
    with pytest.raises(Raced):
        directory.add(sample_user(OAKDALE, "Ann"))
    with pytest.raises(UserNameTaken):
        directory.put(lambda stores: stores.users.put_user(replace(bea, user_name_key="ann")))


def test_users_who_share_an_address_are_listed_oldest_first(directory: DirectoryCase) -> None:
    users = [sample_user(OAKDALE, f"u{n}", email_key="shared@example.com", created_at=later(n)) for n in (3, 1, 2)]
    directory.add(*users, sample_user(BIRCHWOOD, "u0", email_key="shared@example.com"))
    found = directory.get(lambda stores: stores.users.list_by_email(OAKDALE, "shared@example.com", limit=2))
    assert found == [users[1], users[2]]
    ids = directory.get(lambda stores: stores.payers.list_ids_by_email(OAKDALE, "shared@example.com", limit=2))
    assert ids == [users[1].id, users[2].id]


def test_users_are_paged_by_name(directory: DirectoryCase) -> None:
    directory.add(*(sample_user(OAKDALE, name) for name in ("cy", "ann", "bea")), sample_user(BIRCHWOOD, "abe"))
    first = directory.get(lambda stores: stores.users.list_users(OAKDALE, "", 2))
    rest = directory.get(lambda stores: stores.users.list_users(OAKDALE, first[-1].user_name_key, 2))
    assert [user.user_name for user in first + rest] == ["ann", "bea", "cy"]


def test_a_generation_never_goes_back_whatever_a_writer_read_before(directory: DirectoryCase) -> None:
    ann = sample_user(OAKDALE, "ann", generation=2)
    directory.add(ann)
    directory.put(lambda stores: stores.users.put_user(replace(ann, generation=3)))
    directory.put(lambda stores: stores.users.put_user(replace(ann, phone="555-0100")))
    assert stored(directory, ann) == replace(ann, generation=3, phone="555-0100")


def test_no_row_points_to_a_row_of_another_biller(directory: DirectoryCase) -> None:
    ann, foreign = sample_user(OAKDALE, "ann"), sample_customer(BIRCHWOOD, "a-1")
    directory.add(ann, foreign)
    with pytest.raises(IntegrityError):
        directory.add(sample_registration(ann, foreign, LoginType.GUEST))
    with pytest.raises(IntegrityError):
        directory.put(lambda stores: stores.users.put_user(replace(ann, default_customer_id=foreign.id)))
    with pytest.raises(IntegrityError):
        directory.add(PartnerUser(BIRCHWOOD, directory.partner.id, ann.id, None, later(0)))


# --- partners of users --------------------------------------------------------------------------------------------------


def test_a_partner_speaks_for_a_user_at_one_biller(directory: DirectoryCase) -> None:
    ours, theirs, partner = sample_user(OAKDALE, "ann"), sample_user(BIRCHWOOD, "ann"), directory.partner.id
    row = PartnerUser(OAKDALE, partner, ours.id, "p-1", later(1))
    directory.add(ours, theirs, row, PartnerUser(BIRCHWOOD, partner, theirs.id, "p-1", later(1)))
    with directory.database.read() as stores:
        assert stores.partner_users.find_partner_user(OAKDALE, partner, ours.id) == row
        assert stores.partner_users.find_partner_user(OAKDALE, partner, theirs.id) is None
        assert stores.partner_users.find_by_partner_user_id(OAKDALE, partner, "p-1") == ours.id
        assert stores.partner_users.find_by_partner_user_id(OAKDALE, stranger(), "p-1") is None
        assert stores.partner_users.list_own(OAKDALE, partner, [ours.id, theirs.id, stranger()]) == {ours.id}
        assert stores.partner_users.list_own(BIRCHWOOD, partner, [ours.id, theirs.id]) == {theirs.id}
        assert stores.partner_users.list_own(OAKDALE, stranger(), [ours.id]) == set()
        assert stores.payers.list_ids_by_partner_user_id(OAKDALE, partner, "p-1") == [ours.id]
        assert stores.payers.list_ids_by_partner_user_id(BIRCHWOOD, partner, "p-1") == [theirs.id]
        assert stores.payers.list_ids_by_user_name(OAKDALE, "ann") == [ours.id]
        assert stores.payers.list_ids_by_user_name(OAKDALE, "bea") == []


def test_a_second_proof_gives_the_partners_own_id_where_there_was_none_and_keeps_it_where_there_was(
    directory: DirectoryCase,
) -> None:
    ann, partner = sample_user(OAKDALE, "ann"), directory.partner.id
    first = PartnerUser(OAKDALE, partner, ann.id, None, later(1))
    directory.add(ann, first, replace(first, partner_user_id="p-1", since=later(2)), first, replace(first, partner_user_id="p-2"))
    found = directory.get(lambda stores: stores.partner_users.find_partner_user(OAKDALE, partner, ann.id))
    assert found == replace(first, partner_user_id="p-1")


def test_the_first_partner_of_a_user_stays_the_first_at_its_biller(directory: DirectoryCase) -> None:
    ann, theirs, other = sample_user(OAKDALE, "ann"), sample_user(BIRCHWOOD, "ann"), sample_partner("gridbill")
    directory.put(lambda stores: stores.partners.add_partner(other))
    first = PartnerUser(OAKDALE, other.id, ann.id, None, later(1))
    directory.add(ann, theirs, PartnerUser(OAKDALE, directory.partner.id, ann.id, None, later(2)), first)
    directory.add(replace(first, since=later(3)))
    with directory.database.read() as stores:
        assert stores.partner_users.find_first(OAKDALE, ann.id) == first
        assert stores.partner_users.find_first(BIRCHWOOD, ann.id) is None
        assert stores.partner_users.find_first(BIRCHWOOD, theirs.id) is None


def test_a_partners_own_id_names_one_user_of_a_biller(directory: DirectoryCase) -> None:
    ann, bea, other = sample_user(OAKDALE, "ann"), sample_user(OAKDALE, "bea"), sample_partner("gridbill")
    directory.put(lambda stores: stores.partners.add_partner(other))
    directory.add(ann, bea, PartnerUser(OAKDALE, directory.partner.id, ann.id, "p-1", later(1)))
    directory.add(PartnerUser(OAKDALE, other.id, bea.id, "p-1", later(1)))
    directory.add(PartnerUser(OAKDALE, directory.partner.id, bea.id, None, later(1)))
    with pytest.raises(PartnerUserIdTaken):
        directory.add(PartnerUser(OAKDALE, directory.partner.id, bea.id, "p-1", later(1)))


# --- registrations ------------------------------------------------------------------------------------------------------


def test_active_registrations_are_listed_oldest_first_at_their_biller(directory: DirectoryCase) -> None:
    ann, bea, foreign = sample_user(OAKDALE, "ann"), sample_user(OAKDALE, "bea"), sample_user(BIRCHWOOD, "ann")
    home, barn, other = sample_customer(OAKDALE, "a-1"), sample_customer(OAKDALE, "a-2"), sample_customer(BIRCHWOOD, "a-1")
    key = sample_key(OAKDALE, directory.partner)
    young = sample_registration(ann, home, LoginType.OWNER, registered_at=later(9), key_id=key.id)
    old = sample_registration(ann, barn, LoginType.GUEST, registered_at=later(1), state=RegistrationState.UNTIL_CODE)
    beas = sample_registration(bea, home, LoginType.CO_OWNER, registered_at=later(2))
    theirs = sample_registration(foreign, other, LoginType.OWNER)
    directory.add(ann, bea, foreign, home, barn, other, key, young, old, beas, theirs)
    with directory.database.read() as stores:
        assert stores.registrations.list_of_user(OAKDALE, ann.id) == [old, young]
        assert stores.registrations.list_of_user(BIRCHWOOD, ann.id) == []
        wanted = [home.id, barn.id, other.id, stranger()]
        assert stores.registrations.list_of_customers(OAKDALE, wanted) == {home.id: [beas, young], barn.id: [old]}
        assert stores.registrations.list_of_customers(BIRCHWOOD, wanted) == {other.id: [theirs]}


def test_a_change_of_a_registration_stays_at_its_biller_and_an_ended_one_is_listed_no_more(directory: DirectoryCase) -> None:
    ann, home = sample_user(OAKDALE, "ann"), sample_customer(OAKDALE, "a-1")
    tie = sample_registration(ann, home, LoginType.GUEST, state=RegistrationState.UNTIL_CODE)
    directory.add(ann, home, tie)
    raised = replace(tie, login_type=LoginType.OVERSIGHT, state=RegistrationState.ACTIVE)
    directory.put(lambda stores: stores.registrations.put_registration(replace(raised, bid=BIRCHWOOD)))
    assert directory.get(lambda stores: stores.registrations.list_of_user(OAKDALE, ann.id)) == [tie]
    directory.put(lambda stores: stores.registrations.put_registration(raised))
    assert directory.get(lambda stores: stores.registrations.list_of_user(OAKDALE, ann.id)) == [raised]
    directory.put(lambda stores: stores.registrations.put_registration(replace(raised, ended_at=later(5))))
    assert directory.get(lambda stores: stores.registrations.list_of_user(OAKDALE, ann.id)) == []
    assert directory.get(lambda stores: stores.registrations.list_of_customers(OAKDALE, [home.id])) == {}


def test_a_customer_has_one_owner_until_that_ones_registration_ends(directory: DirectoryCase) -> None:
    ann, bea, home = sample_user(OAKDALE, "ann"), sample_user(OAKDALE, "bea"), sample_customer(OAKDALE, "a-1")
    owner = sample_registration(ann, home, LoginType.OWNER)
    guest = sample_registration(bea, home, LoginType.GUEST)
    directory.add(ann, bea, home, owner)
    with pytest.raises(Raced):
        directory.add(replace(guest, login_type=LoginType.OWNER))
    directory.add(guest)
    with pytest.raises(Raced):
        directory.put(lambda stores: stores.registrations.put_registration(replace(guest, login_type=LoginType.OWNER)))
    directory.put(lambda stores: stores.registrations.put_registration(replace(owner, ended_at=later(1))))
    directory.put(lambda stores: stores.registrations.put_registration(replace(guest, login_type=LoginType.OWNER)))


def test_a_user_has_one_active_registration_per_customer(directory: DirectoryCase) -> None:
    ann, home = sample_user(OAKDALE, "ann"), sample_customer(OAKDALE, "a-1")
    tie = sample_registration(ann, home, LoginType.GUEST)
    directory.add(ann, home, tie)
    with pytest.raises(Raced):
        directory.add(sample_registration(ann, home, LoginType.CO_OWNER))
    directory.put(lambda stores: stores.registrations.put_registration(replace(tie, ended_at=later(1))))
    directory.add(sample_registration(ann, home, LoginType.CO_OWNER))


# --- payers -------------------------------------------------------------------------------------------------------------


def test_a_payer_is_the_user_with_its_active_accounts_and_its_partners(directory: DirectoryCase) -> None:
    ann, bea, foreign = sample_user(OAKDALE, "ann"), sample_user(OAKDALE, "bea"), sample_user(BIRCHWOOD, "ann")
    home = sample_customer(OAKDALE, "a-1", address1="1 Mill Lane", city="Oakdale", prepaid=True)
    barn, shed = sample_customer(OAKDALE, "a-2", city="Oakdale"), sample_customer(OAKDALE, "a-3")
    other, gridbill = sample_customer(BIRCHWOOD, "a-1"), sample_partner("gridbill")
    directory.put(lambda stores: stores.partners.add_partner(gridbill))
    directory.add(
        ann, bea, foreign, home, barn, shed, other,
        sample_registration(ann, home, LoginType.OWNER, registered_at=later(9)),
        sample_registration(ann, barn, LoginType.GUEST, registered_at=later(1), state=RegistrationState.UNTIL_CODE),
        sample_registration(ann, shed, LoginType.GUEST, registered_at=later(2), ended_at=later(3)),
        sample_registration(bea, home, LoginType.CO_OWNER),
        sample_registration(foreign, other, LoginType.OWNER),
        PartnerUser(OAKDALE, directory.partner.id, ann.id, 'p "1"', later(1)),
        PartnerUser(OAKDALE, gridbill.id, ann.id, None, later(1)),
        PartnerUser(OAKDALE, gridbill.id, bea.id, "p-2", later(1)),
    )  # fmt: skip
    found = directory.get(lambda stores: stores.payers.find_payer(OAKDALE, ann.id))
    assert found is not None
    assert found.user == ann
    assert found.accounts == (
        Account(barn.id, "A-2", "a-2", "a-2", "Holder of a-2", "Oakdale", False, LoginType.GUEST, True, later(1)),
        Account(home.id, "A-1", "a-1", "a-1", "Holder of a-1", "1 Mill Lane, Oakdale", True, LoginType.OWNER, False, later(9)),
    )
    assert found.partner_user_ids == {directory.partner.id: 'p "1"', gridbill.id: None}


def test_a_payer_without_accounts_and_partners_is_a_payer_still_and_one_of_another_biller_is_none(directory: DirectoryCase) -> None:
    ann, foreign = sample_user(OAKDALE, "ann"), sample_user(BIRCHWOOD, "ann")
    directory.add(ann, foreign)
    found = directory.get(lambda stores: stores.payers.find_payer(OAKDALE, ann.id))
    assert found is not None
    assert (found.user, found.accounts, found.partner_user_ids) == (ann, (), {})
    assert directory.get(lambda stores: stores.payers.find_payer(OAKDALE, foreign.id)) is None
    assert directory.get(lambda stores: stores.payers.find_payer(OAKDALE, stranger())) is None
