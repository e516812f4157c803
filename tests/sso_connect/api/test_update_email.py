"""Update E-mail Address: whose it is, who is told, and when the payer is asked first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from idp.accounts.confirmations import Answered, Closed
from idp.directory.api_keys import Scope
from idp.directory.ghosts import Ghost
from tests.mailbox import letters
from tests.sso_connect.api.people import user_named, vouch
from tests.sso_connect.api.world import ALL, MAKER, World, body_of, code_of, fields_of, same_refusal, unknown_guid

ROUTE = "/remote-authentication/update-email-address"
NEW = "pat.new@example.com"


def update(world: World, key: str = "all", **body: Any) -> TestResponse:
    return world.post(ROUTE, {"EmailAddress": NEW, **body}, key)


def told(world: World) -> list[tuple[str, str]]:
    """To whom, and which kind of mail."""
    return [(letter.to, "ask" if "/confirm#" in letter.body else "told") for letter in letters(world.hub)]


def ghost(world: World, number: str, bid: int = 101) -> Ghost | None:
    with world.hub.database.read() as stores:
        customer = stores.customers.find_by_accounts(bid, [number])[number]
        return stores.ghosts.find_ghost(bid, customer.id)


@pytest.fixture(autouse=True)
def pat(world: World) -> str:
    """Owner of 1001-01, by partner one; another pat, of the same address, is at lakeside."""
    world.login_guid("pat", "1001-01", key="lake")
    return world.login_guid("pat", "1001-01", PartnerUserID="u-1", EmailVerified=True)


@pytest.mark.parametrize(
    "name",
    [
        {"UserName": "PAT"},
        {"PartnerUserID": "u-1"},
        {"LoginGUID": "its own"},
        {"RemoteAuthenticationToken": "its own"},
        {"AccountNumber": "1001-01"},
        {"UserName": "pat", "AccountNumber": "1001-01"},
        {"ExpectedEmailAddress": "PAT@example.com"},
        {"UserName": "pat", "ExpectedEmailAddress": "Pat@Example.com"},
    ],
)
def test_a_user_gets_the_new_address_however_it_is_named_and_the_old_one_is_told(
    world: World, pat: str, name: dict[str, str]
) -> None:
    if name.get("LoginGUID"):
        name = {"LoginGUID": pat}
    elif name.get("RemoteAuthenticationToken"):
        name = {"RemoteAuthenticationToken": world.token(UserName="pat")}
    assert body_of(update(world, **name)) == {"Status": "Updated", "LoginGUID": pat}
    user = user_named(world, "pat")
    assert (user.email, user.email_key, user.email_verified) == (NEW, NEW, False)
    assert user_named(world, "pat", world.lakeside).email == "pat@example.com"
    (letter,) = letters(world.hub)
    assert letter.to == "pat@example.com"
    assert NEW not in letter.body
    assert "p***@example.com" in letter.body
    assert world.stored().count("'user.change'") == 1


def test_verified_counts_from_a_trusted_key_only(world: World) -> None:
    world.add_key("password", world.riverbend, "one", replace(ALL, authenticate="password"))
    body_of(update(world, "password", UserName="pat", EmailVerified=True))
    assert not user_named(world, "pat").email_verified
    body_of(update(world, UserName="pat", EmailAddress="third@example.com", EmailVerified=True))
    assert user_named(world, "pat").email_verified


@pytest.mark.parametrize("more", [{}, {"ExpectedEmailAddress": "stale@example.com"}])
def test_an_address_that_is_ours_already_changes_nothing_and_tells_nobody(world: World, pat: str, more: dict[str, str]) -> None:
    answer = body_of(update(world, UserName="pat", EmailAddress="PAT@example.com", **more))
    assert answer == {"Status": "Unchanged", "LoginGUID": pat}
    assert told(world) == []
    assert user_named(world, "pat").email_verified
    assert "'user.change'" not in world.stored()


def test_another_expectation_asks_the_payer_at_the_stored_address_and_a_yes_changes_it(world: World) -> None:
    vouch(world)
    answer = update(world, UserName="pat", ExpectedEmailAddress="stale@example.com")
    assert body_of(answer, 202) == {"Status": "PendingConfirmation"}
    assert user_named(world, "pat").email == "pat@example.com"
    (letter,) = letters(world.hub)
    assert letter.to == "pat@example.com"
    assert NEW in letter.body
    assert isinstance(world.hub.confirmations.find(world.lakeside, letter.code), Closed)
    assert isinstance(world.hub.confirmations.answer("r", world.riverbend, letter.code, allow=True), Answered)
    user = user_named(world, "pat")
    assert (user.email, user.email_verified) == (NEW, False)
    assert told(world) == [("pat@example.com", "ask"), ("pat@example.com", "told")]
    assert isinstance(world.hub.confirmations.answer("r", world.riverbend, letter.code, allow=True), Closed)
    assert body_of(update(world, UserName="pat", ExpectedEmailAddress="stale@example.com"))["Status"] == "Unchanged"


def test_a_clock_that_was_set_back_lets_the_payer_be_asked_before_it_has_caught_up(world: World) -> None:
    vouch(world)
    ask = {"UserName": "pat", "ExpectedEmailAddress": "stale@example.com"}
    update(world, **ask)
    assert len(letters(world.hub)) == 1
    world.clock.advance(-timedelta(days=400))
    update(world, **ask)
    assert len(letters(world.hub)) == 2
    update(world, **ask)
    assert len(letters(world.hub)) == 2, "the ten minutes between two mails hold again"


def test_a_no_leaves_the_address(world: World) -> None:
    update(world, UserName="pat", ExpectedEmailAddress="stale@example.com")
    (letter,) = letters(world.hub)
    world.hub.confirmations.answer("r", world.riverbend, letter.code, allow=False)
    assert user_named(world, "pat").email == "pat@example.com"
    assert isinstance(world.hub.confirmations.answer("r", world.riverbend, letter.code, allow=True), Closed)


def test_a_question_about_another_address_takes_the_place_of_the_one_before(world: World) -> None:
    vouch(world)
    update(world, UserName="pat", ExpectedEmailAddress="stale@example.com")
    letters(world.hub)
    world.clock.advance(timedelta(minutes=10))
    update(world, UserName="pat", ExpectedEmailAddress="stale@example.com", EmailAddress="third@example.com")
    first, second = letters(world.hub)
    found = world.hub.confirmations.find(world.riverbend, first.code)
    assert isinstance(found, Closed)
    assert found.why == "void"
    world.hub.confirmations.answer("r", world.riverbend, second.code, allow=True)
    assert user_named(world, "pat").email == "third@example.com"


@pytest.mark.parametrize("what", ["address by staff", "address by partner", "user", "key", "partner", "biller", "time"])
def test_a_question_is_void_once_what_it_rests_on_has_changed(world: World, what: str) -> None:
    update(world, UserName="pat", ExpectedEmailAddress="stale@example.com")
    code = letters(world.hub)[0].code
    user_id = user_named(world, "pat").id
    match what:
        case "address by staff":
            world.hub.users.change(MAKER, "r", 101, user_id, email="staff@example.com")
        case "address by partner":
            body_of(update(world, UserName="pat", EmailAddress="third@example.com"))
        case "user":
            world.hub.users.change(MAKER, "r", 101, user_id, disabled=True)
            world.hub.users.change(MAKER, "r", 101, user_id, disabled=False)
        case "key":
            world.hub.api_keys.revoke(MAKER, "r", 101, world.keys["all"].key.id)
        case "partner":
            world.hub.partners.change(MAKER, "r", "one", disabled=True)
        case "biller":
            world.change_biller(world.riverbend, disabled=True)
        case _:
            world.clock.advance(timedelta(days=7))
    before = user_named(world, "pat").email
    for found in (
        world.hub.confirmations.find(world.riverbend, code),
        world.hub.confirmations.answer("r", world.riverbend, code, allow=True),
    ):
        assert isinstance(found, Closed)
        assert found.why == ("gone" if what == "time" else "void")
    assert user_named(world, "pat").email == before != NEW


# --- by account ----------------------------------------------------------------------------------------------------------


def test_an_account_means_its_owner_or_its_only_user(world: World, pat: str) -> None:
    world.login_guid("kim", "1001-01")  # Co-owner beside pat
    assert body_of(update(world, AccountNumber="1001-01"))["LoginGUID"] == pat
    oren = world.login_guid("oren", "1001-02", LoginTypeID=3)
    assert body_of(update(world, AccountNumber=" 1001-02 ", EmailAddress="oren.new@example.com"))["LoginGUID"] == oren
    world.login_guid("gail", "1001-02", LoginTypeID=4)
    assert code_of(update(world, AccountNumber="1001-02")) == (409, "UserRequired")


def test_an_account_without_a_registered_user_gets_its_primary_address_and_its_ghost_changed(world: World) -> None:
    customer = world.add_customer(world.riverbend, "7001-01", name="Noor", email="noor@example.com")
    assert body_of(update(world, AccountNumber="7001-01")) == {"Status": "Updated", "LoginGUID": None}
    assert world.hub.customers.get(101, customer.id).email == NEW
    found = ghost(world, "7001-01")
    assert found is not None
    assert (found.email, found.email_key) == (NEW, NEW)
    assert told(world) == [("noor@example.com", "told")]
    assert body_of(update(world, AccountNumber="7001-01")) == {"Status": "Unchanged", "LoginGUID": None}
    body_of(update(world, AccountNumber="1002-01"))  # had neither address nor ghost
    assert ghost(world, "1002-01") is not None
    assert len(told(world)) == 1


def test_an_account_without_a_registered_user_has_nobody_to_ask(world: World) -> None:
    world.add_customer(world.riverbend, "7001-01", email="noor@example.com")
    refused = update(world, AccountNumber="7001-01", ExpectedEmailAddress="stale@example.com")
    assert list(fields_of(refused)) == ["ExpectedEmailAddress"]
    body_of(update(world, AccountNumber="7001-01", ExpectedEmailAddress="NOOR@example.com"))


def test_the_record_of_an_account_takes_the_scope_of_accounts(world: World) -> None:
    world.add_key("less", world.riverbend, "one", replace(ALL, scopes=frozenset(Scope) - {Scope.CUSTOMERS_WRITE}))
    assert code_of(update(world, "less", AccountNumber="1002-01")) == (403, "ScopeMissing")
    assert ghost(world, "1002-01") is None
    body_of(update(world, "less", AccountNumber="1001-01"))


def test_unknown_foreign_closed_and_odd_accounts_are_one_refusal(world: World) -> None:
    unknown = update(world, AccountNumber="7777-77")
    assert code_of(unknown) == (404, "CustomerNotFound")
    assert same_refusal(update(world, AccountNumber="9009-09"), unknown)
    assert same_refusal(update(world, UserName="pat", AccountNumber="1001-02"), unknown)
    assert user_named(world, "pat").email == "pat@example.com"


# --- whom a key may speak for --------------------------------------------------------------------------------------------


def test_a_key_for_its_own_users_changes_nobody_elses_address_by_any_name(world: World, pat: str) -> None:
    unknown = update(world, "own", LoginGUID=unknown_guid())
    assert code_of(unknown) == (404, "UserNotFound")
    token = world.token(UserName="pat")
    for name in (
        {"UserName": "pat"},
        {"LoginGUID": pat},
        {"PartnerUserID": "u-1"},
        {"RemoteAuthenticationToken": token},
        {"ExpectedEmailAddress": "pat@example.com"},
        {"AccountNumber": "1001-01"},
    ):
        assert same_refusal(update(world, "own", **name), unknown), name
    assert told(world) == []


def test_names_of_another_biller_are_unknown_names(world: World) -> None:
    lee = world.login_guid("lee", "9009-09", key="lake")
    for name in ({"LoginGUID": lee}, {"UserName": "lee"}, {"ExpectedEmailAddress": "lee@example.com"}):
        assert code_of(update(world, **name)) == (404, "UserNotFound")


def test_a_shared_old_address_is_ambiguous_and_a_disabled_user_refused(world: World) -> None:
    world.register("kim", "1001-02", EmailAddress="pat@example.com")
    assert code_of(update(world, ExpectedEmailAddress="pat@example.com")) == (409, "AmbiguousUser")
    world.hub.users.change(MAKER, "r", 101, user_named(world, "pat").id, disabled=True)
    assert code_of(update(world, UserName="pat")) == (403, "UserDisabled")


@pytest.mark.parametrize(
    "address", ["nobody", "a@b", "a@example.com, b@example.com", "a b@example.com", "@example.com", "a@[127.0.0.1]"]
)
def test_what_is_no_address_is_refused_by_name(world: World, address: str) -> None:
    assert list(fields_of(update(world, UserName="pat", EmailAddress=address))) == ["EmailAddress"]
    assert list(fields_of(update(world, UserName="pat", ExpectedEmailAddress=address))) == ["ExpectedEmailAddress"]


def test_without_any_name_the_field_says_what_to_send(world: World) -> None:
    assert list(fields_of(update(world))) == ["LoginGUID"]


def test_a_repeated_request_answers_the_first_result(world: World) -> None:
    body = {"UserName": "pat", "EmailAddress": NEW}
    for _ in range(2):
        assert body_of(world.post(ROUTE, body, Idempotency_Key="k"))["Status"] == "Updated"
    assert len(told(world)) == 1
