"""Update Password: whose password it is, what moves it, and that nothing is told to who may not know."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from idp.accounts.confirmations import Answered
from idp.directory.payers import UserNames
from idp.errors import Raced
from idp.login.hashing import Hasher
from tests.mailbox import Letter, letters
from tests.sso_connect.api.people import (
    NEW,
    RIGHT,
    UPDATE,
    WRONG,
    give_password,
    is_password,
    update_password,
    user_named,
    vouch,
    watched,
)
from tests.sso_connect.api.world import ALL, MAKER, World, body_of, code_of, fields_of, same_refusal, unknown_guid

PENDING = {"Status": "PendingConfirmation"}


def one(world: World) -> UUID:
    return world.keys["all"].key.partner.id


def two(world: World) -> UUID:
    return world.keys["own"].key.partner.id


def owner(world: World, name: str = "pat") -> UUID | None:
    return user_named(world, name).password_partner


def asked(world: World) -> list[Letter]:
    """The mails that ask."""
    return [letter for letter in letters(world.hub) if "/confirm#" in letter.body]


def allow(world: World, letter: Letter, *, allow: bool = True) -> None:
    answered = world.hub.confirmations.answer("r", world.riverbend, letter.code, allow=allow)
    assert isinstance(answered, Answered)


def done(answer: TestResponse) -> bool:
    assert answer.status_code in (202, 204), answer.text
    if answer.status_code == 202:
        assert body_of(answer, 202) == PENDING
    return answer.status_code == 204


@pytest.fixture(autouse=True)
def pat(world: World) -> UUID:
    """Registered by partner one, who speaks for everybody; no password. Another pat is at lakeside."""
    world.login_guid("pat", "1001-01", key="lake")
    give_password(world, "pat", "another horse", biller=world.lakeside)
    return UUID(world.login_guid("pat", "1001-01"))


# --- the table -----------------------------------------------------------------------------------------------------------


def test_the_first_password_is_set_by_the_partner_that_registered_the_user_and_is_its_own(world: World) -> None:
    assert done(update_password(world))
    assert owner(world) == one(world)
    assert is_password(world, "pat", NEW)
    assert not is_password(world, "pat", "another horse")


@pytest.mark.parametrize("more", [{}, {"CurrentPassword": WRONG}])
def test_the_partner_that_owns_the_password_sets_it(world: World, more: dict[str, str]) -> None:
    give_password(world, "pat", owner=one(world))
    assert done(update_password(world, **more))
    assert is_password(world, "pat", NEW)


@pytest.mark.parametrize("more", [{}, {"CurrentPassword": RIGHT}, {"CurrentPassword": WRONG}])
def test_a_password_of_another_partner_stays(world: World, more: dict[str, str]) -> None:
    give_password(world, "pat", owner=two(world))
    assert code_of(update_password(world, **more)) == (409, "PasswordOwnedByPartner")
    assert is_password(world, "pat", RIGHT)
    assert owner(world) == two(world)


def test_the_right_current_password_moves_the_hubs_to_the_partner(world: World) -> None:
    give_password(world, "pat")
    assert done(update_password(world, CurrentPassword=RIGHT))
    assert is_password(world, "pat", NEW)
    assert owner(world) == one(world)
    assert world.stored().count("'password.move_owner'") == 1


def test_a_wrong_current_password_is_refused_and_throttled(world: World) -> None:
    give_password(world, "pat")
    for _ in range(5):
        assert code_of(update_password(world, CurrentPassword=WRONG)) == (401, "CredentialsRefused")
    assert code_of(update_password(world, CurrentPassword=RIGHT)) == (429, "TooManyAttempts")
    assert is_password(world, "pat", RIGHT)
    assert owner(world) is None


def test_guesses_at_sign_in_and_here_are_counted_together(world: World) -> None:
    give_password(world, "pat")
    world.add_key("password", world.riverbend, "one", replace(ALL, authenticate="password"))
    for _ in range(3):
        world.authenticate("password", UserName="pat", Password=WRONG)
        update_password(world, "password", CurrentPassword=WRONG)
    assert code_of(update_password(world, "password", CurrentPassword=RIGHT)) == (429, "TooManyAttempts")


def test_where_there_is_no_password_none_is_the_right_one(world: World) -> None:
    with watched() as work:
        assert code_of(update_password(world, CurrentPassword=RIGHT)) == (401, "CredentialsRefused")
    assert work.done == ["check"]


def test_without_the_current_one_the_payer_is_asked_and_the_call_that_is_repeated_after_a_yes_sets_it_once(world: World) -> None:
    give_password(world, "pat")
    vouch(world)
    assert not done(update_password(world))
    assert not done(update_password(world, new="other"))
    (letter,) = asked(world)
    assert letter.to == "pat@example.com"
    assert letter.link.startswith("https://riverbend.hub.example.com/b/riverbend/confirm#")
    assert "Portal One" in letter.body
    assert NEW not in letter.body
    assert is_password(world, "pat", RIGHT)
    allow(world, letter)
    assert owner(world) is None
    assert done(update_password(world))
    assert is_password(world, "pat", NEW)
    assert owner(world) == one(world)
    world.hub.passwords.give_back(MAKER, "r", 101, user_named(world, "pat").id)
    world.clock.advance(timedelta(minutes=11))
    assert not done(update_password(world))


def test_a_yes_is_good_for_seven_days_and_for_the_partner_that_asked(world: World) -> None:
    give_password(world, "pat")
    vouch(world)
    update_password(world)
    allow(world, asked(world)[0])
    world.add_key("two", world.riverbend, "two", replace(ALL))
    assert not done(update_password(world, "two"))
    world.clock.advance(timedelta(days=7))
    assert not done(update_password(world))
    assert is_password(world, "pat", RIGHT)


def test_a_no_changes_nothing_and_asks_nobody_again_that_day(world: World) -> None:
    give_password(world, "pat")
    vouch(world)
    update_password(world)
    allow(world, asked(world)[0], allow=False)
    world.clock.advance(timedelta(hours=23))
    assert not done(update_password(world))
    assert len(asked(world)) == 1
    world.clock.advance(timedelta(hours=2))
    assert not done(update_password(world))
    assert len(asked(world)) == 2


def test_at_most_one_mail_in_ten_minutes_and_five_a_day_for_each_partner(world: World) -> None:
    give_password(world, "pat")
    vouch(world)
    world.add_key("two", world.riverbend, "two", replace(ALL))
    for _ in range(8):
        for _ in range(3):
            assert not done(update_password(world))
            letters(world.hub)
        world.clock.advance(timedelta(minutes=10))
    assert len(asked(world)) == 5
    assert not done(update_password(world, "two"))
    assert len(asked(world)) == 6
    allow(world, asked(world)[0])  # an earlier link is as good as a later one
    assert done(update_password(world))


# --- whom it is about ----------------------------------------------------------------------------------------------------


def test_everybody_is_named_by_a_token_too_and_it_ends_with_the_rest(world: World) -> None:
    token, other = world.token(UserName="pat"), world.token(UserName="pat")
    assert done(world.post(UPDATE, {"RemoteAuthenticationToken": token, "NewPassword": NEW}))
    generation = user_named(world, "pat").generation
    for ended in (token, other):
        found = world.hub.tokens.find(ended)
        assert found is not None
        assert found[0].generation != generation
        assert code_of(world.authenticate(RemoteAuthenticationToken=ended)) == (404, "UserNotFound")


def test_unknown_users_are_404_to_a_trusted_key_and_401_to_a_password_key_after_the_same_work(world: World) -> None:
    world.add_key("password", world.riverbend, "one", replace(ALL, authenticate="password"))
    for body in ({"UserName": "nobody"}, {"LoginGUID": unknown_guid()}, {"RemoteAuthenticationToken": "idht_" + "x" * 43}):
        sent = {**body, "NewPassword": NEW}
        assert code_of(world.post(UPDATE, sent)) == (404, "UserNotFound")
        assert code_of(world.post(UPDATE, sent, "password")) == (401, "CredentialsRefused")
    with watched() as work:
        assert code_of(update_password(world, "password", name="nobody", CurrentPassword=WRONG)) == (401, "CredentialsRefused")
    assert work.done == ["check"]


def test_a_disabled_user_gets_no_password(world: World) -> None:
    world.add_key("password", world.riverbend, "one", replace(ALL, authenticate="password"))
    world.hub.users.change(MAKER, "r", 101, user_named(world, "pat").id, disabled=True)
    assert code_of(update_password(world)) == (403, "UserDisabled")
    assert code_of(update_password(world, "password")) == (401, "CredentialsRefused")
    assert world.hub.passwords.find(101, user_named(world, "pat").id) is None


def test_a_key_for_its_own_users_hears_the_same_of_strangers_and_of_nobody(world: World) -> None:
    give_password(world, "pat")
    vouch(world)
    world.login_guid("owned", "1001-02")
    give_password(world, "owned", owner=one(world))
    world.login_guid("dis", "1001-02")
    give_password(world, "dis")
    world.hub.users.change(MAKER, "r", 101, user_named(world, "dis").id, disabled=True)
    names = ("pat", "owned", "dis", "nobody")
    answers = []
    for name in names:
        with watched() as work:
            answers.append(update_password(world, "own", name=name))
        assert work.done == [], name
    assert {(answer.status_code, answer.data) for answer in answers} == {(202, answers[0].data)}
    assert [letter.to for letter in asked(world)] == ["pat@example.com"]
    refusals = []
    for name in names:
        with watched() as work:
            refusals.append(update_password(world, "own", name=name, CurrentPassword=WRONG))
        assert work.done == ["check"], name
    assert {code_of(answer) for answer in refusals} == {(401, "CredentialsRefused")}
    assert all(same_refusal(answer, refusals[0]) for answer in refusals)


@pytest.mark.parametrize("way", ["current", "mail"])
def test_what_lets_a_key_set_the_password_of_a_stranger_is_proof_that_it_may_speak_for_it(world: World, way: str) -> None:
    give_password(world, "pat")
    vouch(world)
    if way == "current":
        assert done(update_password(world, "own", CurrentPassword=RIGHT))
    else:
        assert not done(update_password(world, "own"))
        assert code_of(world.authenticate("own", UserName="pat")) == (404, "UserNotFound")
        allow(world, asked(world)[0])
        assert code_of(world.authenticate("own", UserName="pat")) == (404, "UserNotFound")
        assert done(update_password(world, "own"))
    body_of(world.authenticate("own", UserName="pat"))
    assert owner(world) == two(world)
    assert code_of(update_password(world)) == (409, "PasswordOwnedByPartner")
    assert code_of(world.authenticate("other", UserName="pat")) == (404, "UserNotFound")


def test_a_stranger_whose_password_another_partner_owns_is_told_of_only_after_the_right_one(world: World) -> None:
    give_password(world, "pat", owner=one(world))
    assert code_of(update_password(world, "own", CurrentPassword=WRONG)) == (401, "CredentialsRefused")
    assert code_of(update_password(world, "own", CurrentPassword=RIGHT)) == (409, "PasswordOwnedByPartner")
    assert owner(world) == one(world)


# --- what it does besides ------------------------------------------------------------------------------------------------


def test_the_payer_is_told_by_mail_in_its_language_and_never_the_password(world: World) -> None:
    world.hub.users.change(MAKER, "r", 101, user_named(world, "pat").id, locale="es")
    assert done(update_password(world))
    (letter,) = letters(world.hub)
    assert (letter.to, letter.subject) == ("pat@example.com", "Riverbend Water: su contraseña cambió")
    assert "Portal One" in letter.body
    assert NEW not in letter.body


def test_whatever_was_asked_about_the_old_password_is_void_when_another_is_set(world: World) -> None:
    give_password(world, "pat")
    vouch(world)
    update_password(world, "own")
    (letter,) = asked(world)
    assert done(update_password(world, CurrentPassword=RIGHT))
    world.hub.passwords.give_back(MAKER, "r", 101, user_named(world, "pat").id)
    answer = world.hub.confirmations.answer("r", world.riverbend, letter.code, allow=True)
    assert not isinstance(answer, Answered)
    assert not done(update_password(world, "own"))


def test_a_repeated_request_answers_the_first_result_also_when_it_was_pending(world: World) -> None:
    body = {"UserName": "pat", "NewPassword": NEW}
    for _ in range(2):
        assert done(world.post(UPDATE, body, Idempotency_Key="k-1"))
    assert world.stored().count("'password.set'") == 2  # lakeside's, and the one
    give_password(world, "pat")
    vouch(world)
    for _ in range(2):
        assert not done(world.post(UPDATE, body, Idempotency_Key="k-2"))
    allow(world, asked(world)[0])
    assert not done(world.post(UPDATE, body, Idempotency_Key="k-2"))
    assert done(world.post(UPDATE, body, Idempotency_Key="k-3"))
    assert code_of(world.post(UPDATE, {**body, "NewPassword": "other"}, Idempotency_Key="k-3")) == (409, "IdempotencyKeyReused")


@pytest.mark.parametrize("new", ["", "x" * 257, "a\x01", "a\nb"])
def test_what_can_be_no_password_is_refused_by_name(world: World, new: str) -> None:
    assert list(fields_of(update_password(world, new=new))) == ["NewPassword"]


@pytest.mark.parametrize("new", ["x", " ", "x" * 256, "пароль", "🐎" * 256])
def test_any_strength_and_any_language_is_taken_as_it_was_sent(world: World, new: str) -> None:
    assert done(update_password(world, new=new))
    assert is_password(world, "pat", new)


def test_of_two_partners_with_the_right_password_at_once_one_gets_it_and_the_other_is_told(world: World) -> None:
    give_password(world, "pat")
    world.add_key("two", world.riverbend, "two", replace(ALL))
    with ThreadPoolExecutor(2) as threads:
        begun = [threads.submit(update_password, world, key, new=f"new of {key}", CurrentPassword=RIGHT) for key in ("all", "two")]
        answers = {key: each.result(60) for key, each in zip(("all", "two"), begun, strict=True)}
    winners = [key for key, answer in answers.items() if answer.status_code == 204]
    assert len(winners) == 1
    losers = {code_of(answer) for key, answer in answers.items() if key not in winners}
    assert losers <= {(409, "PasswordOwnedByPartner"), (401, "CredentialsRefused")}
    assert is_password(world, "pat", f"new of {winners[0]}")
    assert owner(world) == {"all": one(world), "two": two(world)}[winners[0]]


def test_grounds_that_are_gone_when_the_hash_is_made_are_looked_at_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    give_password(world, "pat")
    hash_, moved = Hasher.hash, list[bool]()

    def meanwhile(self: Hasher, password: str) -> object:
        made = hash_(self, password)
        if not moved:
            moved.append(True)
            give_password(world, "pat", "meanwhile", owner=two(world))
        return made

    monkeypatch.setattr(Hasher, "hash", meanwhile)
    assert code_of(update_password(world, CurrentPassword=RIGHT)) == (409, "PasswordOwnedByPartner")
    assert is_password(world, "pat", "meanwhile")


def test_a_first_password_can_be_stored_once_in_the_transaction_that_makes_the_user(world: World) -> None:
    hashed = world.hub.passwords.prepare(RIGHT)
    user = user_named(world, "pat")
    with world.hub.database.begin() as stores:
        after = world.hub.passwords.set_first(stores, MAKER, "r", user, hashed, one(world))
    assert after.password_partner == one(world) == owner(world)
    assert after.generation == user.generation
    with pytest.raises(Raced), world.hub.database.begin() as stores:
        world.hub.passwords.set_first(stores, MAKER, "r", after, hashed, None)


def test_a_guess_holds_inside_a_transaction_while_the_password_that_it_was_held_against_stands(world: World) -> None:
    give_password(world, "pat")
    names = UserNames(user_name="pat")
    guess = world.hub.passwords.guess(world.keys["all"].key, names, RIGHT)
    assert guess.is_right(user_named(world, "pat"))
    with watched() as work, world.hub.database.begin() as stores:
        assert guess.holds(stores, user_named(world, "pat"))
        assert not world.hub.passwords.guess(world.keys["all"].key, names, RIGHT).holds(stores, user_named(world, "pat"))
    assert work.done == []
    give_password(world, "pat", NEW)
    with world.hub.database.begin() as stores:
        assert not guess.holds(stores, user_named(world, "pat"))
