"""What a key can find out by asking: who has a name, which accounts there are; and who hears of it when it asks for many."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from idp.accounts import look_up_limits
from idp.accounts.confirmations import ASK_PAYER
from idp.alarms import Alarm
from tests.mailbox import letters
from tests.sso_connect.api.people import RIGHT, WRONG, give_password, user_named
from tests.sso_connect.api.work import written_down
from tests.sso_connect.api.world import ALL, MAKER, OWN, World, body_of, code_of, same_refusal, unknown_guid

NOTHING = "7777-77"
"""An account number that nobody has."""
ELSEWHERE = "9009-09"
"""One of the other biller's."""


@pytest.fixture(autouse=True)
def people(world: World) -> None:
    """Of partner one, and strangers to partner two: pat with a password of the hub's, owned with one of the partner's, dis who is
    disabled. Each has an address that was checked. There is a pat at lakeside, too."""
    for name in ("pat", "owned", "dis"):
        world.login_guid(name, "1001-01", EmailVerified=True)
    world.login_guid("pat", "1001-01", key="lake")
    give_password(world, "pat")
    give_password(world, "owned", owner=world.keys["all"].key.partner.id)
    give_password(world, "dis")
    world.hub.users.change(MAKER, "r", 101, user_named(world, "dis").id, disabled=True)
    world.hub.worker().step()


def alarms(world: World, bid: int = 101) -> list[Alarm]:
    return [each for each in world.hub.alarms.list_recent(bid) if each.kind == "look_ups.missed"]


# --- accounts are judged before names ----------------------------------------------------------------------------------------


REGISTER, LINK, LEAVE = (f"/remote-authentication/{verb}-accounts" for verb in ("register", "link", "unregister"))


def register(name: str, *numbers: str, **more: Any) -> dict[str, Any]:
    accounts = [{"AccountNumber": number} for number in numbers]
    return {"UserName": name, "EmailAddress": f"{name}@example.com", "Accounts": accounts, **more}


def link(name: str, *numbers: str, **more: Any) -> dict[str, Any]:
    return {"UserName": name, "Accounts": [{"AccountNumber": number} for number in numbers], **more}


def leave(name: str, *numbers: str) -> dict[str, Any]:
    return {"UserName": name, "AccountNumbers": list(numbers)}


@pytest.mark.parametrize("key", ["own", "all"])
@pytest.mark.parametrize(
    ("path", "body", "more"),
    [
        (REGISTER, register, {}),
        (REGISTER, register, {"Password": WRONG}),
        (REGISTER, register, {"Password": RIGHT}),
        (REGISTER, register, {"PartnerUserID": "u-9"}),
        (LINK, link, {}),
        (LEAVE, leave, {}),
    ],
)
def test_without_an_account_of_the_biller_nothing_about_names_is_told_by_answer_or_work(
    world: World, key: str, path: str, body: Any, more: dict[str, str]
) -> None:
    body_of(world.post(path, body("mine", NOTHING, **more), key))  # what is loaded once is loaded
    answers, works = [], []
    for name in ("nobody", "pat", "owned", "dis", "nobody-else"):
        with written_down(world) as work:
            answers.append(world.post(path, body(name, NOTHING, ELSEWHERE, **more), key))
        works.append(work)
    assert {(each.status_code, each.data) for each in answers} == {(200, answers[0].data)}
    told = json.loads(answers[0].data)
    assert told["LoginGUID"] is None
    assert [item["Status"] for item in told["Results"]] == ["NotFound", "NotFound"]
    assert all(work == works[0] for work in works), works
    assert not [line for line in works[0] if line.startswith(("hash", "INSERT", "UPDATE"))]


def test_a_closed_account_is_no_account_of_the_biller(world: World) -> None:
    customer = world.add_customer(world.riverbend, "5005-01")
    with world.hub.database.begin() as stores:
        stores.customers.put_customer(replace(customer, closed_at=world.clock.now()))
    for name in ("pat", "nobody"):
        for path, body in ((REGISTER, register), (LINK, link)):
            told = body_of(world.post(path, body(name, "5005-01"), "own"))
            assert told["LoginGUID"] is None
            assert [item["Status"] for item in told["Results"]] == ["NotFound"]
    refusals = [world.post(LEAVE, leave(name, "5005-01"), "own") for name in ("pat", "nobody")]
    assert code_of(refusals[0]) == (404, "UserNotFound"), "a user can leave an account that was closed"
    assert same_refusal(*refusals)


def test_an_atomic_batch_without_an_account_of_the_biller_is_rolled_back_alike(world: World) -> None:
    for path, body in ((REGISTER, register), (LINK, link), (LEAVE, leave)):
        answers = [world.post(path, {**body(name, NOTHING), "Atomic": True}, "own") for name in ("pat", "nobody")]
        assert code_of(answers[0]) == (409, "RolledBack")
        assert same_refusal(*answers)


def test_with_an_account_of_the_biller_names_are_judged_as_before(world: World) -> None:
    mismatch = body_of(world.post(REGISTER, register("pat", "1001-01", NOTHING), "own"))
    assert [item["Status"] for item in mismatch["Results"]] == ["CredentialsMismatch"] * 2
    for name in ("pat", "nobody"):
        assert code_of(world.post(LINK, link(name, "1001-02", NOTHING), "own")) == (404, "UserNotFound")
        assert code_of(world.post(LEAVE, leave(name, "1001-01", NOTHING), "own")) == (404, "UserNotFound")


# --- the same work for nobody as for somebody ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """A call of a key that may not speak for whom it names."""

    path: str
    more: dict[str, Any]
    names: tuple[str, ...] = ("UserName", "LoginGUID", "EmailAddress")

    def body(self, world: World, kind: str, user: str | None) -> dict[str, Any]:
        if user is None:
            value = {"UserName": "nobody", "LoginGUID": unknown_guid(), "EmailAddress": "nobody@example.com"}[kind]
        else:
            found = user_named(world, user)
            value = {"UserName": user, "LoginGUID": str(found.id), "EmailAddress": found.email}[kind]
        return {kind: value, **self.more}


_AUTH, _PORTAL = "/remote-authentication", "/customer-portal"
_USERS = f"{_AUTH}/retrieve-users"
QUESTIONS = {
    "authenticate": Question(f"{_AUTH}/authenticate", {}),
    "authenticate with a password": Question(f"{_AUTH}/authenticate", {"Password": WRONG}),
    "update password": Question(f"{_AUTH}/update-password", {"NewPassword": "x"}),
    "update password with the current one": Question(f"{_AUTH}/update-password", {"NewPassword": "x", "CurrentPassword": WRONG}),
    "update address": Question(f"{_AUTH}/update-email-address", {"EmailAddress": "new@example.com"}, ("UserName", "LoginGUID")),
    "update address with the current password": Question(
        f"{_AUTH}/update-email-address", {"EmailAddress": "new@example.com", "CurrentPassword": WRONG}, ("UserName", "LoginGUID")
    ),
    "retrieve users": Question(_USERS, {}, ("UserName", "EmailAddress")),
    "retrieve users of accounts": Question(_USERS, {"AccountNumbers": ["1001-01"]}, ("UserName", "EmailAddress")),
    "retrieve user accounts": Question(f"{_AUTH}/retrieve-user-accounts", {}),
    "retrieve login GUID": Question(f"{_PORTAL}/retrieve-login-guid", {}),
    "retrieve customer GUID": Question(f"{_PORTAL}/retrieve-customer-guid", {}),
    "link": Question(LINK, {"Accounts": [{"AccountNumber": "1001-01"}]}),
    "unregister": Question(LEAVE, {"AccountNumbers": ["1001-01"]}),
    "revoke": Question(f"{_AUTH}/revoke", {}),
    "SSO link": Question("/sso-connect/links", {"RedirectID": 1, "ViewMode": 0}),
}  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_key_for_its_own_users_gets_the_same_answer_after_the_same_work_for_strangers_and_for_nobody(
    world: World, question: str
) -> None:
    asked = QUESTIONS[question]
    for kind in asked.names:
        world.post(asked.path, asked.body(world, kind, None), "own")  # what is loaded once is loaded
        answers, works = [], []
        for user in (None, "pat", "owned", "dis", "pat", None):
            body = asked.body(world, kind, user)
            with written_down(world) as work:
                answers.append(world.post(asked.path, body, "own"))
            works.append(work)
            world.clock.advance(timedelta(minutes=1))  # nobody has to wait for guesses
        told = {(each.status_code, each.data.replace(each.headers["X-Request-Id"].encode(), b"")) for each in answers}
        assert len(told) == 1, (kind, told)
        for user, work in zip(("pat", "owned", "dis", "pat", "nobody"), works[1:], strict=True):
            assert work == works[0], (kind, user)


def test_a_question_to_the_payer_is_queued_in_the_same_form_whoever_is_meant_and_mailed_by_the_worker(world: World) -> None:
    world.hub.users.change(MAKER, "r", 101, user_named(world, "pat").id, email="pat@example.com")
    world.hub.worker().step()
    rows = []
    for name in ("pat", "nobody"):
        assert world.post(f"{_AUTH}/update-password", {"UserName": name, "NewPassword": "x"}, "own").status_code == 202
        with world.hub.database.begin() as stores:
            (job,) = stores.jobs.lease_jobs("test", world.clock.now(), world.clock.now() + timedelta(minutes=1), 20, [ASK_PAYER])
        rows.append((job.kind, len(job.payload), sorted(json.loads(job.payload))))
    assert rows[0] == rows[1]
    world.clock.advance(timedelta(minutes=2))
    assert [letter.to for letter in letters(world.hub)] == ["pat@example.com"]


# --- misses are heard of -----------------------------------------------------------------------------------------------------


MISSES: dict[str, tuple[str, str, dict[str, Any] | None, int]] = {
    "customer by number": ("GET", "/customers?AccountNumber=7777-77", None, 404),
    "customer by GUID": ("GET", f"/customers/{unknown_guid()}", None, 404),
    "customer changed by number": ("PATCH", "/customers?AccountNumber=7777-77", {"City": "x"}, 404),
    "customer changed by GUID": ("PATCH", f"/customers/{unknown_guid()}", {"City": "x"}, 404),
    "customer made that exists": ("POST", "/customers", {"AccountNumber": "1001-01"}, 409),
    "invoices": ("GET", f"/customers/{unknown_guid()}/invoices", None, 404),
    "retrieve users of accounts": ("POST", f"{_AUTH}/retrieve-users", {"AccountNumbers": [NOTHING]}, 200),
    "retrieve users": ("POST", f"{_AUTH}/retrieve-users", {"UserName": "pat"}, 200),
    "retrieve user accounts": ("POST", f"{_AUTH}/retrieve-user-accounts", {"UserName": "pat"}, 404),
    "retrieve user accounts of an account": ("POST", f"{_AUTH}/retrieve-user-accounts", {"CustomerGUID": unknown_guid()}, 404),
    "retrieve login GUID": ("POST", f"{_PORTAL}/retrieve-login-guid", {"UserName": "pat"}, 404),
    "retrieve login GUID of an account": ("POST", f"{_PORTAL}/retrieve-login-guid", {"AccountNumber": NOTHING}, 404),
    "retrieve customer GUID": ("POST", f"{_PORTAL}/retrieve-customer-guid", {"AccountNumber": NOTHING}, 404),
    "retrieve customer GUID of a user": ("POST", f"{_PORTAL}/retrieve-customer-guid", {"UserName": "pat"}, 404),
    "register at no account": ("POST", REGISTER, register("pat", NOTHING), 200),
    "register a name of another": ("POST", REGISTER, register("pat", "1001-01"), 200),
    "link at no account": ("POST", LINK, link("pat", NOTHING), 200),
    "link": ("POST", LINK, link("pat", "1001-01"), 404),
    "unregister at no account": ("POST", LEAVE, leave("pat", NOTHING), 200),
    "unregister": ("POST", LEAVE, leave("pat", "1001-01"), 404),
    "unregister in one piece": ("POST", LEAVE, {**leave("pat", NOTHING), "Atomic": True}, 409),
    "authenticate": ("POST", f"{_AUTH}/authenticate", {"UserName": "pat"}, 404),
    "authenticate by no token": ("POST", f"{_AUTH}/authenticate", {"RemoteAuthenticationToken": "idht_" + "x" * 43}, 404),
    "update address": ("POST", f"{_AUTH}/update-email-address", {"UserName": "pat", "EmailAddress": "x@example.com"}, 404),
    "update address of an account": (
        "POST", f"{_AUTH}/update-email-address", {"AccountNumber": NOTHING, "EmailAddress": "x@example.com"}, 404,
    ),
    "revoke": ("POST", f"{_AUTH}/revoke", {"UserName": "pat"}, 404),
    "introspect": ("POST", f"{_AUTH}/introspect", {"RemoteAuthenticationToken": "idht_" + "x" * 43}, 200),
    "explain": (
        "POST", "/sso-connect/explain", {"RemoteAuthenticationToken": "idht_" + "x" * 43, "RedirectID": 1, "ViewMode": 0}, 200,
    ),
    "SSO link": ("POST", "/sso-connect/links", {"UserName": "pat", "RedirectID": 1, "ViewMode": 0}, 404),
}  # fmt: skip


def send(world: World, method: str, path: str, body: dict[str, Any] | None, key: str = "own") -> TestResponse:
    return world.send(method, path, None if body is None else json.dumps(body).encode(), key)


@pytest.mark.parametrize("miss", MISSES)
def test_whatever_a_key_asks_for_that_is_not_there_counts_and_too_much_of_it_sounds_one_alarm(
    world: World, monkeypatch: pytest.MonkeyPatch, miss: str
) -> None:
    monkeypatch.setattr(look_up_limits, "MOST_MISSES_AN_HOUR", 4)
    method, path, body, status = MISSES[miss]
    for _ in range(4):
        assert send(world, method, path, body).status_code == status
    assert alarms(world) == []
    assert send(world, method, path, body).status_code == status, "an alarm refuses nothing"
    (alarm,) = alarms(world)
    assert alarm.subject == f"key:{world.keys['own'].key.id}"
    assert alarms(world, 202) == []


def test_what_is_there_and_the_keys_own_counts_as_no_miss(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_up_limits, "MOST_MISSES_AN_HOUR", 1)
    guid = world.login_guid("mine", "1002-01", key="own", PartnerUserID="m-1")
    token = world.token("own", UserName="mine")
    for _ in range(2):
        body_of(world.get("/customers?AccountNumber=1002-01", "own"))
        body_of(world.post(f"{_AUTH}/retrieve-users", {"AccountNumbers": ["1001-01"], "UserName": "mine"}, "own"))
        body_of(world.post(f"{_PORTAL}/retrieve-login-guid", {"LoginGUID": guid}, "own"))
        body_of(world.post(REGISTER, register("mine", "1002-01"), "own"))
        body_of(world.post(LINK, link("mine", "1002-01"), "own"))
        body_of(world.post(f"{_AUTH}/introspect", {"RemoteAuthenticationToken": token}, "own"))
        world.clock.advance(timedelta(hours=2))
    assert alarms(world) == []


def test_seven_hundred_missing_accounts_sound_an_alarm_with_the_numbers_of_a_real_hub(world: World) -> None:
    for number in range(501):
        assert world.get(f"/customers?AccountNumber=N-{number}", "own").status_code == 404
    assert len(alarms(world)) == 1
    for start in range(0, 700, 100):
        numbers = [f"M-{start + n}" for n in range(100)]
        body_of(world.post(REGISTER, register("pat", *numbers), "lake"))
    assert len(alarms(world, 202)) == 1
    assert len(alarms(world)) == 1


def test_a_key_that_tries_names_on_one_account_has_to_wait_there(world: World) -> None:
    for number in range(look_up_limits.MOST_AT_ONCE):
        name = f"name-{number}" if number % 2 else "pat"
        assert world.post(REGISTER, register(name, "1002-01"), "own").status_code == 200
    refused = world.post(REGISTER, register("pat", " 1002-01"), "own")
    assert code_of(refused) == (429, "RateLimited")
    assert int(refused.headers["Retry-After"]) >= 1
    assert code_of(world.post(LINK, link("pat", "1002-01"), "own")) == (429, "RateLimited")
    body_of(world.post(REGISTER, register("pat", "1001-02"), "own"))
    body_of(world.post(REGISTER, register("one-more", "1002-01"), "all"))


def test_the_keys_of_this_suite_are_what_they_are_taken_for() -> None:
    assert OWN.users == "own"
    assert ALL.users == "all"
