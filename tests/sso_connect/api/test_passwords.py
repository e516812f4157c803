"""Remote Authentication with a password: whom it proves, what it costs, what a guesser learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from idp.errors import Busy
from idp.login.hashing import Hasher, Profile
from sso_connect.api.operations import OPERATIONS
from tests.sso_connect.api.people import NEW, RIGHT, WRONG, give_password, update_password, user_named, watched
from tests.sso_connect.api.world import ALL, MAKER, OWN, World, body_of, code_of, fields_of, same_refusal, unknown_guid


@pytest.fixture(autouse=True)
def people(world: World) -> None:
    """pat and dis have a password of the hub's, non has none, dis is disabled; pat is somebody else at lakeside."""
    for name in ("pat", "non", "dis"):
        world.login_guid(name, "1001-01")
    world.login_guid("pat", "1001-01", key="lake")
    for name in ("pat", "dis"):
        give_password(world, name)
    give_password(world, "pat", "another horse", biller=world.lakeside)
    world.hub.users.change(MAKER, "r", 101, user_named(world, "dis").id, disabled=True)
    world.add_key("password", world.riverbend, "one", replace(ALL, authenticate="password"))
    world.add_key("own password", world.riverbend, "two", replace(OWN, authenticate="password"))
    world.add_key("more", world.riverbend, "two", replace(OWN, authenticate="password", users="all"))


def test_a_password_key_gets_a_token_with_the_right_password_only(world: World) -> None:
    assert body_of(world.authenticate("password", UserName="PAT", Password=RIGHT))["LoginGUID"] == str(user_named(world, "pat").id)
    for body in ({}, {"Password": WRONG}, {"Password": f"{RIGHT} "}, {"Password": "another horse"}):
        assert code_of(world.authenticate("password", UserName="pat", **body)) == (401, "CredentialsRefused"), body


def test_the_password_is_compared_in_nfc(world: World) -> None:
    give_password(world, "pat", "contrase\u00f1a")
    body_of(world.authenticate("password", UserName="pat", Password="contrasen\u0303a"))


@pytest.mark.parametrize("password", ["", "x" * 257, "a\nb", "a\tb", "\x7f", 7, [], {}])
def test_what_is_no_password_is_refused_by_name_and_never_echoed(world: World, password: object) -> None:
    answer = world.authenticate("password", UserName="pat", Password=password)
    assert list(fields_of(answer)) == ["Password"]
    assert "xxxxx" not in answer.text


@pytest.mark.parametrize(
    ("key", "refusal"),
    [("password", (401, "CredentialsRefused")), ("own password", (401, "CredentialsRefused")), ("own", (404, "UserNotFound"))],
)
def test_unknown_wrong_none_and_disabled_are_one_refusal_after_the_same_work(
    world: World, key: str, refusal: tuple[int, str]
) -> None:
    answers = []
    for name, password in (("pat", WRONG), ("nobody", WRONG), ("non", WRONG), ("dis", WRONG), ("dis", RIGHT)):
        with watched() as work:
            answers.append(world.authenticate(key, UserName=name, Password=password))
        assert work.done == ["check"], name
    assert {code_of(answer) for answer in answers} == {refusal}
    assert all(same_refusal(answer, answers[0]) for answer in answers)
    assert len({tuple(answer.headers.keys()) for answer in answers}) == 1


@pytest.mark.parametrize("name", ["pat", "nobody", "non", "dis"])
@pytest.mark.parametrize("key", ["password", "own"])
def test_after_five_wrong_ones_a_caller_waits_longer_and_longer_whoever_is_meant(world: World, key: str, name: str) -> None:
    for _ in range(5):
        assert world.authenticate(key, UserName=name, Password=WRONG).status_code in (401, 404)
    waits = []
    for _ in range(3):
        with watched() as work:
            refused = world.authenticate(key, UserName=name.upper(), Password=RIGHT)
        assert code_of(refused) == (429, "TooManyAttempts")
        assert work.done == []
        waits.append(int(refused.headers["Retry-After"]))
        world.clock.advance(timedelta(seconds=waits[-1]))
        assert world.authenticate(key, UserName=name, Password=WRONG).status_code in (401, 404)
    assert waits == [1, 2, 4]


def test_the_right_password_of_another_caller_still_works_and_forgets_nothing_of_the_guesser(world: World) -> None:
    for _ in range(6):
        world.authenticate("password", UserName="pat", Password=WRONG)
    body_of(world.authenticate("more", UserName="pat", Password=RIGHT))
    assert code_of(world.authenticate("password", UserName="pat", Password=RIGHT)) == (429, "TooManyAttempts")
    assert code_of(world.authenticate("password", UserName="non", Password=RIGHT)) == (401, "CredentialsRefused")


def test_a_right_password_forgets_the_wrong_ones_before_it(world: World) -> None:
    for _ in range(4):
        for _ in range(4):
            world.authenticate("password", UserName="pat", Password=WRONG)
        body_of(world.authenticate("password", UserName="pat", Password=RIGHT))


def test_a_wrong_account_is_told_only_with_the_right_password(world: World) -> None:
    wrong = world.authenticate("password", UserName="pat", Password=WRONG, AccountNumber="7777-77")
    assert code_of(wrong) == (401, "CredentialsRefused")
    right = world.authenticate("password", UserName="pat", Password=RIGHT, AccountNumber="7777-77")
    assert code_of(right) == (404, "CustomerNotFound")


def test_a_token_instead_of_a_name_is_no_password(world: World) -> None:
    token = world.token("password", UserName="pat", Password=RIGHT)
    assert code_of(world.authenticate("password", RemoteAuthenticationToken=token)) == (401, "CredentialsRefused")
    assert code_of(world.authenticate("password", RemoteAuthenticationToken="idht_" + "x" * 43, Password=RIGHT)) == (
        401,
        "CredentialsRefused",
    )
    body_of(world.authenticate("password", RemoteAuthenticationToken=token, Password=RIGHT))


def test_a_shared_address_is_no_sign_in_and_not_told(world: World) -> None:
    for name in ("kim", "lou"):
        world.login_guid(name, "1001-02", EmailAddress="home@example.com")
        give_password(world, name)
    with watched() as work:
        refused = world.authenticate("password", EmailAddress="home@example.com", Password=RIGHT)
    assert (code_of(refused), work.done) == ((401, "CredentialsRefused"), ["check"])
    body_of(world.authenticate("password", EmailAddress="home@example.com", UserName="kim", Password=RIGHT))


def test_a_trusted_key_is_not_asked_for_the_password_of_a_user_that_it_may_speak_for(world: World) -> None:
    for body in ({}, {"Password": WRONG}, {"Password": RIGHT}):
        with watched() as work:
            body_of(world.authenticate("all", UserName="pat", **body))
        assert work.done == []
    with watched() as work:
        assert code_of(world.authenticate("all", UserName="nobody", Password=WRONG)) == (404, "UserNotFound")
    assert work.done == []


@pytest.mark.parametrize("key", ["own", "own password"])
def test_the_right_password_is_proof_that_a_key_may_speak_for_a_user_and_it_is_logged_once(world: World, key: str) -> None:
    assert code_of(world.authenticate("own", UserName="pat")) == (404, "UserNotFound")
    body_of(world.authenticate(key, UserName="pat", Password=RIGHT))
    body_of(world.authenticate(key, UserName="pat", Password=RIGHT))
    body_of(world.authenticate("own", UserName="pat"))
    assert world.stored().count("'user.prove'") == 1
    assert code_of(world.authenticate("other", UserName="pat")) == (404, "UserNotFound")


def test_a_disabled_user_is_403_to_a_key_that_may_speak_for_it_and_nobody_to_others(world: World) -> None:
    assert code_of(world.authenticate("all", UserName="dis", Password=RIGHT)) == (403, "UserDisabled")
    assert code_of(world.authenticate("own", UserName="dis", Password=RIGHT)) == (404, "UserNotFound")
    assert code_of(world.authenticate("own", LoginGUID=unknown_guid(), Password=RIGHT)) == (404, "UserNotFound")


def test_a_key_over_its_rate_or_revoked_costs_no_hash(world: World) -> None:
    world.add_key("slow", world.riverbend, "one", replace(ALL, authenticate="password", rate_per_second=1, burst=2))
    for left in ("1", "0"):
        answer = world.authenticate("slow", UserName="pat", Password=WRONG)
        assert (code_of(answer), answer.headers["RateLimit-Remaining"]) == ((401, "CredentialsRefused"), left)
    with watched() as work:
        assert code_of(world.authenticate("slow", UserName="pat", Password=RIGHT)) == (429, "RateLimited")
        world.hub.api_keys.revoke(MAKER, "r", 101, world.keys["password"].key.id)
        assert code_of(world.authenticate("password", UserName="pat", Password=RIGHT)) == (401, "InvalidApiKey")
    assert work.done == []


def test_a_call_with_a_password_counts_once_against_the_rate(world: World) -> None:
    world.add_key("slow", world.riverbend, "one", replace(ALL, authenticate="password", rate_per_second=1, burst=3))
    answer = world.authenticate("slow", UserName="pat", Password=RIGHT)
    assert (answer.status_code, answer.headers["RateLimit-Remaining"]) == (200, "2")


def test_a_token_does_not_survive_a_password_that_is_set_while_the_old_one_is_checked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: list[bool] = []
    matches = Hasher.matches

    def meanwhile(self: Hasher, stored: object, password: str) -> bool:
        came = matches(self, stored, password)  # type: ignore[arg-type]
        if not changed:
            changed.append(True)
            give_password(world, "pat", NEW)
        return came

    monkeypatch.setattr(Hasher, "matches", meanwhile)
    assert code_of(world.authenticate("password", UserName="pat", Password=RIGHT)) == (401, "CredentialsRefused")
    assert changed == [True]
    body_of(world.authenticate("password", UserName="pat", Password=NEW))


def test_a_proof_is_not_kept_when_the_password_is_set_while_it_is_checked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    matches, changed = Hasher.matches, list[bool]()

    def meanwhile(self: Hasher, stored: object, password: str) -> bool:
        came = matches(self, stored, password)  # type: ignore[arg-type]
        if not changed:
            changed.append(True)
            give_password(world, "pat", NEW)
        return came

    monkeypatch.setattr(Hasher, "matches", meanwhile)
    assert code_of(world.authenticate("own", UserName="pat", Password=RIGHT)) == (404, "UserNotFound")
    assert "'user.prove'" not in world.stored()


def test_more_passwords_than_there_is_room_for_are_429_with_a_time_to_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> bool:
        raise Busy("full", retry_after=timedelta(seconds=1))

    monkeypatch.setattr(Hasher, "matches", busy)
    answer = world.authenticate("password", UserName="pat", Password=RIGHT)
    assert (code_of(answer), answer.headers["Retry-After"]) == ((429, "Busy"), "1")
    with watched():
        body_of(world.authenticate("all", UserName="pat"))


def test_a_hash_of_older_parameters_is_made_anew_at_the_next_right_password(world: World) -> None:
    user = user_named(world, "pat")
    old = Hasher(at_once=1, waiting=1, profile=Profile(64, 1, 1)).hash(RIGHT)
    with world.hub.database.begin() as stores:
        world.hub.passwords.put(stores, MAKER, "r", user, old, None)
    token = body_of(world.authenticate("password", UserName="pat", Password=RIGHT))["RemoteAuthenticationToken"]
    stored = world.hub.passwords.find(101, user.id)
    assert stored is not None
    assert stored.hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    with watched() as work:
        body_of(world.authenticate("password", UserName="pat", Password=RIGHT))
    assert work.done == ["check"]
    assert world.hub.tokens.find(token) is not None


def test_no_password_and_no_hash_gets_into_log_receipts_or_answers(world: World, caplog: pytest.LogCaptureFixture) -> None:
    secret = "unmistakable-horse-77"
    sent: list[Callable[[], object]] = [
        lambda: world.authenticate("password", UserName="pat", Password=secret),
        lambda: update_password(world, new=secret, CurrentPassword=RIGHT),
        lambda: update_password(world, new=secret, CurrentPassword=secret, name="non"),
        lambda: world.authenticate("password", UserName="pat", Password=secret, AuthTime="nonsense"),
    ]
    for send in sent:
        assert secret not in send().text  # type: ignore[attr-defined]
    rows = [line for line in world.stored().splitlines() if not line.startswith('INSERT INTO "passwords"')]
    assert not [line for line in rows if secret in line or "$argon2" in line]
    assert secret not in caplog.text
    assert "'password.set'" in world.stored()
    assert "'password.move_owner'" in world.stored()


def test_the_document_tells_the_password_and_its_refusals() -> None:
    (operation,) = (each for each in OPERATIONS if each.name == "RemoteAuthentication")
    assert operation.request is not None
    assert "Password" in operation.request.model_json_schema()["properties"]
    assert {"TooManyAttempts", "Busy", "CredentialsRefused"} <= {reason.code for reason in operation.all_refusals}
