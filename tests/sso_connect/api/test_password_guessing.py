"""Guesses at passwords, from the guesser's side: by every name, by every key of a partner, at many users, in every call."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from idp.alarms import Alarm
from idp.login.hashing import Hasher, Profile
from tests.sso_connect.api.people import RIGHT, WRONG, give_password, update_password, user_named, watched
from tests.sso_connect.api.world import ALL, OWN, World, body_of, code_of

REFUSED = (401, "CredentialsRefused")
WAIT = (429, "TooManyAttempts")


@pytest.fixture(autouse=True)
def people(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """pat is known to partner one by four names; partner one has two password keys here, partner two one, and one at lakeside.

    Hashes are cheap here: there are thousands of them.
    """
    monkeypatch.setattr(world.hub.passwords, "_hasher", Hasher(at_once=8, waiting=100, profile=Profile(64, 1, 1)))
    guid = world.login_guid("pat", "1001-01", PartnerUserID="u-1", EmailVerified=True)
    assert guid
    give_password(world, "pat")
    world.login_guid("pat", "1001-01", key="lake", PartnerUserID="u-1", EmailVerified=True)
    give_password(world, "pat", biller=world.lakeside)
    world.add_key("password", world.riverbend, "one", replace(ALL, authenticate="password"))
    world.add_key("second", world.riverbend, "one", replace(ALL, authenticate="password"))
    world.add_key("two", world.riverbend, "two", replace(OWN, authenticate="password", users="all"))
    world.add_key("there", world.lakeside, "one", replace(ALL, authenticate="password"))


def names(world: World) -> list[dict[str, str]]:
    """pat's four names."""
    return [
        {"LoginGUID": str(user_named(world, "pat").id)},
        {"UserName": "PAT"},
        {"EmailAddress": "Pat@example.com"},
        {"PartnerUserID": "u-1"},
    ]


def guess(world: World, name: dict[str, str], password: str = WRONG, key: str = "password") -> TestResponse:
    return world.authenticate(key, **name, Password=password)


def alarms(world: World, kind: str = "passwords.guessed", bid: int = 101) -> list[Alarm]:
    return [each for each in world.hub.alarms.list_recent(bid) if each.kind == kind]


def test_five_wrong_ones_are_five_whatever_names_and_keys_of_a_partner_they_came_by(world: World) -> None:
    for index in range(5):
        key = ("password", "second")[index % 2]
        assert code_of(guess(world, names(world)[index % 4], key=key)) == REFUSED
    for name in names(world):
        for key in ("password", "second"):
            with watched() as work:
                assert code_of(guess(world, name, RIGHT, key)) == WAIT
            assert work.done == [], "a right password under throttle waits like a wrong one"


def test_the_fifth_failure_costs_a_second_and_each_further_one_twice_as_much_up_to_a_quarter_of_an_hour(world: World) -> None:
    name = {"UserName": "pat"}
    for _ in range(4):
        assert code_of(guess(world, name)) == REFUSED
    waits = []
    for _ in range(12):
        assert code_of(guess(world, name)) == REFUSED
        refused = guess(world, name)
        assert code_of(refused) == WAIT
        waits.append(int(refused.headers["Retry-After"]))
        world.clock.advance(timedelta(seconds=waits[-1]))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_names_that_mean_nobody_wait_each_by_itself_in_any_spelling(world: World) -> None:
    for name in ("nobody", "Nobody", "NOBODY", "nobody", "nObody"):
        assert code_of(guess(world, {"UserName": name})) == REFUSED
    assert code_of(guess(world, {"UserName": "nobody"}, key="second")) == WAIT
    assert code_of(guess(world, {"UserName": "nobody-else"})) == REFUSED


def test_a_partner_that_guesses_locks_nobody_out_of_another_partners_portal(world: World) -> None:
    for _ in range(40):
        guess(world, {"UserName": "pat"})
    assert code_of(guess(world, {"UserName": "pat"}, RIGHT)) == WAIT
    body_of(guess(world, {"UserName": "pat"}, RIGHT, "two"))
    body_of(guess(world, {"UserName": "pat"}, RIGHT, "there"))


def test_a_right_password_forgets_what_was_guessed_by_its_partner_only(world: World) -> None:
    for key in ("password", "two"):
        for _ in range(4):
            assert code_of(guess(world, {"UserName": "pat"}, key=key)) == REFUSED
    body_of(guess(world, {"PartnerUserID": "u-1"}, RIGHT))
    for _ in range(4):
        assert code_of(guess(world, {"UserName": "pat"})) == REFUSED
    assert code_of(guess(world, {"UserName": "pat"}, key="two")) == REFUSED
    assert code_of(guess(world, {"UserName": "pat"}, RIGHT, "two")) == WAIT


# --- one password against many users ---------------------------------------------------------------------------------------


def test_one_password_against_many_names_throttles_the_partner_at_that_biller_and_sounds_one_alarm(world: World) -> None:
    answers = [guess(world, {"UserName": f"name-{n}"}, key=("password", "second")[n % 2]) for n in range(60)]
    assert [code_of(each) for each in answers] == [REFUSED] * 50 + [WAIT] * 10
    assert all(1 <= int(each.headers["Retry-After"]) <= 600 for each in answers[50:])
    (alarm,) = alarms(world)
    assert alarm.subject == f"partner:{world.keys['password'].key.partner.id}"
    with watched() as work:
        assert code_of(guess(world, {"UserName": "pat"}, RIGHT)) == WAIT
    assert work.done == []
    body_of(guess(world, {"UserName": "pat"}, RIGHT, "two"))
    body_of(guess(world, {"UserName": "pat"}, RIGHT, "there"))
    assert alarms(world, bid=202) == []


def test_a_throttled_partner_goes_on_after_the_time_that_it_was_told(world: World) -> None:
    for n in range(50):
        guess(world, {"UserName": f"name-{n}"})
    refused = guess(world, {"UserName": "pat"}, RIGHT)
    assert code_of(refused) == WAIT
    world.clock.advance(timedelta(seconds=int(refused.headers["Retry-After"])))
    body_of(guess(world, {"UserName": "pat"}, RIGHT))
    body_of(guess(world, {"UserName": "pat"}, RIGHT))


def test_right_passwords_use_nothing_up(world: World) -> None:
    for _ in range(60):
        body_of(guess(world, {"UserName": "pat"}, RIGHT))
    assert alarms(world) == []


def test_calls_that_were_made_to_wait_use_nothing_up(world: World) -> None:
    for _ in range(80):
        guess(world, {"UserName": "pat"})
    assert code_of(guess(world, {"UserName": "nobody"})) == REFUSED


def test_of_many_guesses_at_once_no_more_are_judged_than_are_allowed(world: World) -> None:
    with watched() as work, ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: guess(world, {"UserName": f"name-{n}"}), range(90)))
    assert len(work.done) <= 50


def test_a_user_that_is_guessed_at_by_several_partners_alarms_and_waits_at_none(world: World) -> None:
    for number in range(12):
        for key in ("password", "two"):
            assert code_of(guess(world, {"UserName": "pat"}, key=key)) == REFUSED
        world.clock.advance(timedelta(seconds=2 ** max(0, number - 4)))
    (alarm,) = alarms(world)
    assert alarm.subject == f"user:{user_named(world, 'pat').id}"
    assert "pat" not in alarm.detail
    world.clock.advance(timedelta(minutes=15))
    for key in ("password", "two"):
        body_of(guess(world, {"UserName": "pat"}, RIGHT, key))


# --- a clock that is set back ----------------------------------------------------------------------------------------------


def test_a_clock_that_is_set_back_locks_nobody_out(world: World) -> None:
    for n in range(50):
        guess(world, {"UserName": f"name-{n}"})
    for _ in range(9):
        guess(world, {"UserName": "pat"}, key="two")
    assert code_of(guess(world, {"UserName": "pat"}, RIGHT, "two")) == WAIT
    world.clock.advance(timedelta(days=-400))
    refused = guess(world, {"UserName": "pat"}, RIGHT, "two")
    if refused.status_code == 429:
        assert int(refused.headers["Retry-After"]) <= 900
        world.clock.advance(timedelta(seconds=int(refused.headers["Retry-After"])))
        body_of(guess(world, {"UserName": "pat"}, RIGHT, "two"))
    body_of(guess(world, {"UserName": "pat"}, RIGHT))


# --- every place ------------------------------------------------------------------------------------------------------------


def _register(world: World, key: str, password: str) -> TestResponse:
    return world.register("pat", "1001-01", key=key, Password=password)


def _authenticate(world: World, key: str, password: str) -> TestResponse:
    return world.authenticate(key, UserName="pat", Password=password)


def _update_password(world: World, key: str, password: str) -> TestResponse:
    return update_password(world, key, CurrentPassword=password)


def _update_email(world: World, key: str, password: str) -> TestResponse:
    body: dict[str, Any] = {"UserName": "pat", "EmailAddress": "pat.new@example.com", "CurrentPassword": password}
    return world.post("/remote-authentication/update-email-address", body, key)


def _update_email_by_account(world: World, key: str, password: str) -> TestResponse:
    body: dict[str, Any] = {"AccountNumber": "1001-01", "EmailAddress": "pat.new@example.com", "CurrentPassword": password}
    return world.post("/remote-authentication/update-email-address", body, key)


PLACES: list[Callable[[World, str, str], TestResponse]] = [
    _register, _authenticate, _update_password, _update_email, _update_email_by_account,
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_every_call_that_takes_a_password_counts_and_waits(world: World, place: Callable[[World, str, str], TestResponse]) -> None:
    world.add_key("own of two", world.riverbend, "two", OWN)
    for _ in range(5):
        assert place(world, "own of two", WRONG).status_code != 429
    for each in PLACES:
        with watched() as work:
            assert code_of(each(world, "own of two", RIGHT)) == WAIT
        assert work.done == []
