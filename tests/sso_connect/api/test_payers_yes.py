"""The payer's yes is the payer's: no call of a partner steers where the question goes, and none makes it unnecessary.

trudy is partner two's and plays the attacker, with keys that speak for everybody. mel was made by the biller's staff at an address
of her own; pat was registered by partner one, at an address that partner one gave.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from idp.accounts.confirmations import Answered, Closed
from idp.accounts.register import AccountWanted, Wanted
from idp.alarms import Alarm
from idp.directory.billers import Biller
from tests.mailbox import Letter, letters
from tests.sso_connect.api.people import RIGHT, WRONG, give_password, is_password, update_password, user_named, watched
from tests.sso_connect.api.world import ALL, MAKER, OWN, World, body_of, code_of, same_refusal

ROUTE = "/remote-authentication/update-email-address"
PENDING = {"Status": "PendingConfirmation"}
EVIL = "trudy@evil.example"


def make(world: World, name: str, *numbers: str, biller: Biller | None = None) -> None:
    """A user whom the biller's staff registered."""
    wanted = Wanted(name, f"{name}@example.com", tuple(AccountWanted(number) for number in numbers))
    assert world.hub.register.register(MAKER, "r", biller or world.riverbend, wanted, None).user is not None


def update(world: World, key: str = "trudy", name: str = "mel", email: str = EVIL, **more: Any) -> TestResponse:
    return world.post(ROUTE, {"UserName": name, "EmailAddress": email, **more}, key)


def is_pending(answer: TestResponse) -> bool:
    assert answer.status_code in (200, 202, 204), answer.text
    return answer.status_code == 202 and body_of(answer, 202) == PENDING


def asked(world: World) -> list[Letter]:
    return [letter for letter in letters(world.hub) if "/confirm" in letter.body]


def say(world: World, letter: Letter, *, yes: bool) -> Answered | Closed:
    return world.hub.confirmations.answer("r", world.riverbend, letter.code, allow=yes)


def nobody_to_ask(world: World, bid: int = 101) -> list[Alarm]:
    return [each for each in world.hub.alarms.list_recent(bid) if each.kind == "confirmations.nobody_to_ask"]


@pytest.fixture(autouse=True)
def people(world: World) -> None:
    make(world, "mel", "1001-01")
    make(world, "mel", "1001-01", biller=world.lakeside)
    give_password(world, "mel")
    world.login_guid("pat", "1001-02", PartnerUserID="u-1", EmailVerified=True)
    world.add_key("trudy", world.riverbend, "two", replace(ALL, account_proof=()))
    world.add_key("trudy cis", world.riverbend, "two", ALL)
    world.add_key("plain one", world.riverbend, "one", replace(ALL, account_proof=()))
    letters(world.hub)


# --- the attack ------------------------------------------------------------------------------------------------------------


def test_changing_the_address_first_does_not_bring_the_question_about_the_password_to_the_partner(world: World) -> None:
    assert is_pending(update(world))
    assert user_named(world, "mel").email == "mel@example.com"
    assert is_pending(update_password(world, "trudy", "mel"))
    assert {letter.to for letter in letters(world.hub)} == {"mel@example.com"}
    assert is_password(world, "mel", RIGHT)


def test_a_key_that_may_change_the_address_does_not_thereby_become_who_is_asked(world: World) -> None:
    assert not is_pending(update(world, "trudy cis", EmailVerified=True))
    assert user_named(world, "mel").email == EVIL
    assert user_named(world, "mel").email_verified
    assert not is_pending(update(world, "trudy cis", email="trudy2@evil.example"))
    assert is_pending(update_password(world, "trudy", "mel"))
    assert is_pending(update(world, "trudy", email="trudy3@evil.example"))
    questions = asked(world)
    assert [letter.to for letter in questions] == ["mel@example.com"] * 2
    assert EVIL not in [letter.to for letter in questions]


def test_what_is_told_of_a_password_or_an_address_is_told_to_the_payers_own_mailbox_too(world: World) -> None:
    assert not is_pending(update(world, "trudy cis"))
    assert not is_pending(update(world, "trudy cis", email="trudy2@evil.example"))
    assert update_password(world, "trudy", "mel", CurrentPassword=RIGHT).status_code == 204
    told = [(letter.to, letter.subject) for letter in letters(world.hub)]
    mine = [subject for to, subject in told if to == "mel@example.com"]
    assert any("e-mail address was changed" in subject for subject in mine)
    assert any("password was changed" in subject for subject in mine)


def test_a_confirmation_that_is_open_is_void_when_the_address_moves_and_the_next_one_goes_to_the_payer_again(world: World) -> None:
    assert is_pending(update_password(world, "trudy", "mel"))
    (first,) = asked(world)
    assert not is_pending(update(world, "trudy cis"))
    assert isinstance(say(world, first, yes=True), Closed)
    world.clock.advance(timedelta(minutes=11))
    assert is_pending(update_password(world, "trudy", "mel"))
    assert [letter.to for letter in asked(world)] == ["mel@example.com"] * 2


def test_registering_a_user_that_is_there_is_no_ground_to_set_its_first_password_or_its_address(world: World) -> None:
    make(world, "lou", "1002-01")
    assert body_of(world.register("lou", "1002-01", key="trudy"))["Results"][0]["Status"] == "AlreadyRegistered"
    assert body_of(world.register("pat", "1001-02", key="trudy"))["Results"][0]["Status"] == "AlreadyRegistered"
    for name in ("lou", "pat"):
        assert is_pending(update_password(world, "trudy", name))
        assert is_pending(update(world, name=name))
        assert user_named(world, name).password_partner is None
        assert user_named(world, name).email == f"{name}@example.com"


def test_an_address_that_the_payer_allowed_is_asked_from_then_on(world: World) -> None:
    assert is_pending(update(world, email="mel.new@example.com"))
    (letter,) = asked(world)
    assert letter.to == "mel@example.com"
    assert isinstance(say(world, letter, yes=True), Answered)
    user = user_named(world, "mel")
    assert (user.email, user.email_verified) == ("mel.new@example.com", False)
    assert is_pending(update_password(world, "trudy", "mel"))
    assert asked(world)[-1].to == "mel.new@example.com"


def test_a_no_leaves_everything_as_it_was(world: World) -> None:
    assert is_pending(update(world))
    (letter,) = asked(world)
    say(world, letter, yes=False)
    assert user_named(world, "mel").email == "mel@example.com"
    assert isinstance(say(world, letter, yes=True), Closed)


# --- who may change an address at once ---------------------------------------------------------------------------------------


def test_the_partner_that_owns_the_password_changes_the_address_and_the_old_one_is_told(world: World) -> None:
    give_password(world, "mel", owner=world.keys["trudy"].key.partner.id)
    assert not is_pending(update(world))
    assert user_named(world, "mel").email == EVIL
    assert [letter.to for letter in letters(world.hub)] == ["mel@example.com"]


def test_the_right_current_password_changes_the_address_and_a_wrong_one_is_refused(world: World) -> None:
    refused = update(world, CurrentPassword=WRONG)
    assert code_of(refused) == (401, "CredentialsRefused")
    assert user_named(world, "mel").email == "mel@example.com"
    assert not is_pending(update(world, CurrentPassword=RIGHT))
    assert user_named(world, "mel").email == EVIL
    assert user_named(world, "mel").password_partner is None, "only the password's own call moves it"
    assert [letter.to for letter in letters(world.hub)] == ["mel@example.com"]


def test_the_right_expected_address_is_no_proof(world: World) -> None:
    assert is_pending(update(world, ExpectedEmailAddress="mel@example.com"))
    assert is_pending(world.post(ROUTE, {"EmailAddress": EVIL, "ExpectedEmailAddress": "mel@example.com"}, "trudy"))
    assert user_named(world, "mel").email == "mel@example.com"
    assert {letter.to for letter in letters(world.hub)} == {"mel@example.com"}


def test_an_expected_address_that_differs_asks_also_where_the_call_might_have_changed_it_at_once(world: World) -> None:
    give_password(world, "mel", owner=world.keys["trudy"].key.partner.id)
    for more in ({}, {"CurrentPassword": RIGHT}):
        assert is_pending(update(world, ExpectedEmailAddress="stale@example.com", **more))
    assert is_pending(update(world, "trudy cis", ExpectedEmailAddress="stale@example.com"))
    assert user_named(world, "mel").email == "mel@example.com"
    assert [letter.to for letter in asked(world)] == ["mel@example.com"]


def test_a_key_that_states_cis_changes_it_by_user_and_by_account(world: World) -> None:
    assert not is_pending(update(world, "trudy cis"))
    by_account = {"AccountNumber": "1001-01", "EmailAddress": "mel@cis.example"}
    assert not is_pending(world.post(ROUTE, by_account, "trudy cis"))
    assert user_named(world, "mel").email == "mel@cis.example"
    assert is_pending(world.post(ROUTE, {**by_account, "EmailAddress": EVIL}, "trudy"))
    assert user_named(world, "mel").email == "mel@cis.example"
    assert user_named(world, "mel", world.lakeside).email == "mel@example.com"


def test_the_partner_that_registered_a_user_without_password_changes_what_it_gave(world: World) -> None:
    assert not is_pending(update(world, "plain one", "pat", "pat.new@example.com"))
    assert user_named(world, "pat").email == "pat.new@example.com"
    assert is_pending(update(world, "trudy", "pat"))


def test_while_another_partner_owns_the_password_the_payer_is_asked(world: World) -> None:
    give_password(world, "mel", owner=world.keys["all"].key.partner.id)
    assert is_pending(update(world))
    assert not is_pending(update(world, CurrentPassword=RIGHT))
    give_password(world, "pat", owner=world.keys["all"].key.partner.id)
    assert is_pending(update(world, name="pat"))
    assert user_named(world, "pat").email == "pat@example.com"


def test_a_key_for_its_own_users_proves_by_the_current_password_and_may_speak_from_then_on(world: World) -> None:
    world.add_key("own two", world.riverbend, "two", replace(OWN, account_proof=("cis",)))
    assert code_of(update(world, "own two")) == (404, "UserNotFound")
    answers = []
    for name in ("mel", "pat", "nobody"):
        with watched() as work:
            answers.append(update(world, "own two", name, CurrentPassword=WRONG))
        assert work.done == ["check"], name
    assert {code_of(each) for each in answers} == {(401, "CredentialsRefused")}
    assert all(same_refusal(each, answers[0]) for each in answers)
    assert not is_pending(update(world, "own two", CurrentPassword=RIGHT))
    body_of(world.authenticate("own two", UserName="mel"))


def test_a_password_that_is_set_while_the_current_one_is_judged_is_no_proof(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    judge, changed = world.hub.passwords.judge, list[bool]()

    def meanwhile(*args: Any) -> bool:
        came = judge(*args)
        if not changed:
            changed.append(True)
            give_password(world, "mel", "meanwhile")
        return came

    monkeypatch.setattr(world.hub.passwords, "judge", meanwhile)
    assert code_of(update(world, CurrentPassword=RIGHT)) == (401, "CredentialsRefused")
    assert user_named(world, "mel").email == "mel@example.com"


# --- nobody can be asked -------------------------------------------------------------------------------------------------------


def test_where_every_address_is_a_partners_nobody_is_asked_the_answer_is_the_same_and_staff_are_told(world: World) -> None:
    give_password(world, "pat")
    assert is_pending(update_password(world, "trudy", "pat"))
    assert is_pending(update(world, name="pat"))
    assert letters(world.hub) == []
    (alarm,) = nobody_to_ask(world)
    assert alarm.subject == f"user:{user_named(world, 'pat').id}"
    assert "pat" not in alarm.detail
    assert nobody_to_ask(world, 202) == []
    assert is_password(world, "pat", RIGHT)


def test_staff_who_set_the_address_make_it_the_one_that_is_asked(world: World) -> None:
    give_password(world, "pat")
    world.hub.users.change(MAKER, "r", 101, user_named(world, "pat").id, email="pat.desk@example.com")
    assert is_pending(update_password(world, "trudy", "pat"))
    (letter,) = asked(world)
    assert letter.to == "pat.desk@example.com"
    assert nobody_to_ask(world) == []


def test_a_disabled_user_is_not_asked_and_what_was_asked_before_stays_void(world: World) -> None:
    assert is_pending(update_password(world, "trudy", "mel"))
    (letter,) = asked(world)
    user_id = user_named(world, "mel").id
    world.hub.users.change(MAKER, "r", 101, user_id, disabled=True)
    assert code_of(update(world)) == (403, "UserDisabled")
    world.hub.users.change(MAKER, "r", 101, user_id, disabled=False)
    assert isinstance(say(world, letter, yes=True), Closed)


def test_a_user_that_is_disabled_before_the_worker_asks_gets_no_mail(world: World) -> None:
    assert is_pending(update_password(world, "trudy", "mel"))
    world.hub.users.change(MAKER, "r", 101, user_named(world, "mel").id, disabled=True)
    assert asked(world) == []


# --- the customer's record is not the user's -------------------------------------------------------------------------------------


def test_addresses_of_records_and_files_never_become_the_users(world: World) -> None:
    body_of(world.send("PATCH", "/customers?AccountNumber=1001-01", b'{"EmailAddress": "trudy@evil.example"}', "trudy"))
    assert is_pending(update_password(world, "trudy", "mel"))
    assert [letter.to for letter in asked(world)] == ["mel@example.com"]


def test_an_account_without_user_is_changed_and_its_old_address_told_whatever_the_key(world: World) -> None:
    world.add_customer(world.riverbend, "7001-01", email="noor@example.com")
    answer = world.post(ROUTE, {"AccountNumber": "7001-01", "EmailAddress": "noor.new@example.com"}, "trudy")
    assert body_of(answer) == {"Status": "Updated", "LoginGUID": None}
    assert [letter.to for letter in letters(world.hub)] == ["noor@example.com"]
