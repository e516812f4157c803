"""When a store is gone: a plain 503 that says to try again, nothing half done, and back to work as soon as the store is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from sqlalchemy.exc import OperationalError
from werkzeug.test import Client, TestResponse

from idp.errors import StoreUnavailable
from tests.flows.visitor import FRAME, FULL, Answer
from tests.flows.world import AMOUNTS, BACK, RIVERBEND, Prepared, World, open_world
from tests.servers import RedisServer

PARTS = ("keyvalue", "database")


@contextmanager
def gone(world: World, part: str) -> Iterator[None]:
    """One store does not answer. Underneath, where the connection is, so that every way to it is cut."""

    def no_key_value(*_: object) -> NoReturn:
        raise StoreUnavailable("the test has unplugged it")

    class Unplugged:
        def connect(self) -> NoReturn:
            raise OperationalError("", {}, Exception("the test has unplugged it"))

        reading = writing = property(lambda self: self)

    with pytest.MonkeyPatch.context() as patch:
        if part == "keyvalue":
            patch.setattr(world.hub.kv, "transact", no_key_value)
            patch.setattr(world.hub.kv, "check", no_key_value)
        else:
            patch.setattr(world.hub.database, "_engines", Unplugged())
        yield


def plain_503(answer: Answer) -> bool:
    """A page that says to try again, and no more."""
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.cookies == {}
    assert "unplugged" not in answer.text
    assert "Traceback" not in answer.text
    assert AMOUNTS[RIVERBEND] not in answer.text
    assert answer.reference == answer.headers["X-Request-Id"]
    return answer.status == 503


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("dest", [FULL, FRAME])
def test_a_hand_off_without_a_store_is_a_503_and_works_with_the_same_token_afterwards(world: World, part: str, dest: str) -> None:
    token = world.token()
    with gone(world, part):
        assert plain_503(world.connect(world.visitor(dest), token))
    assert world.connect(world.visitor(dest), token).status == (200 if dest == FRAME else 303)
    assert world.hub.diagnostics.list_recent(RIVERBEND) == []


def test_a_single_use_token_is_not_spent_by_a_key_value_store_that_does_not_answer(world: World) -> None:
    token = world.token(key="single")
    with gone(world, "keyvalue"):
        assert plain_503(world.connect(world.visitor(), token))
    assert world.connect(world.visitor(), token).status == 303


def test_a_hand_off_that_cannot_be_written_to_the_change_log_opens_no_session(world: World) -> None:
    # Everything that it reads is cached already: only the audit row fails.
    assert world.connect(world.visitor(), world.token(key="single")).status == 303
    token = world.token(key="single")
    visitor = world.visitor()
    with gone(world, "database"):
        assert plain_503(world.connect(visitor, token))
    assert visitor.jars == {world.biller().host: {}}
    # Spent before it failed: a token is never good again once it was taken.
    assert world.connect(world.visitor(), token).status == 410


@pytest.mark.parametrize("part", PARTS)
def test_a_page_without_a_store_is_a_503_and_the_payer_is_still_signed_in_afterwards(world: World, part: str) -> None:
    visitor, url = world.full_page()
    framing, page = world.frame()
    assert visitor.get(url).status == 200
    with gone(world, part):
        assert plain_503(visitor.get(url))
        assert plain_503(framing.get(world.url(page.links()[0])))
    assert AMOUNTS[RIVERBEND] in visitor.get(url).text
    assert framing.get(world.url(page.links()[0])).status == 200


def test_sign_out_never_claims_what_it_could_not_do(world: World) -> None:
    visitor, url = world.full_page(ReturnUrl=BACK)
    page = visitor.get(url)
    with gone(world, "keyvalue"):
        out = world.sign_out(visitor, page)
        assert plain_503(out)
        assert "signed out" not in out.text
    assert visitor.get(url).status == 200
    assert world.sign_out(visitor, page).status == 200
    assert visitor.get(url).status == 401


def test_a_refusal_that_cannot_be_kept_is_a_503_because_its_reference_would_lead_nowhere(world: World) -> None:
    world.connect(world.visitor(), "x")
    with gone(world, "database"):
        assert plain_503(world.connect(world.visitor(), "x"))


@pytest.mark.parametrize("part", PARTS)
def test_the_api_without_a_store_answers_a_problem_and_issues_no_token(world: World, part: str) -> None:
    assert authenticate(world).status_code == 200
    with gone(world, part):
        answer = authenticate(world)
        assert answer.status_code == 503
        assert answer.content_type == "application/problem+json"
        problem = json.loads(answer.text)
        assert problem["Code"] == "StoreUnavailable"
        assert "unplugged" not in answer.text
    assert authenticate(world).status_code == 200


@pytest.mark.parametrize("part", PARTS)
def test_a_process_without_a_store_is_alive_and_not_ready_and_says_which_part_is_away(world: World, part: str) -> None:
    with gone(world, part):
        assert world.visitor().get("http://any.example/healthz").status == 200
        unready = world.visitor().get("http://any.example/readyz")
        assert unready.status == 503
        states = json.loads(unready.text)
        assert states["status"] == states[part] == "unavailable"
        assert states[next(other for other in PARTS if other != part)] == "ok"
        assert "unplugged" not in unready.text
    ready = world.visitor().get("http://any.example/readyz")
    assert (ready.status, json.loads(ready.text)["status"]) == (200, "ready")


def test_static_files_and_unknown_addresses_need_no_store(world: World) -> None:
    with gone(world, "keyvalue"), gone(world, "database"):
        assert world.visitor().get(world.url("/nothing")).status == 404


def test_a_redis_that_dies_and_comes_back_empty_forgets_sessions_and_serves_new_ones(
    prepared: Prepared, tmp_path: Path, redis_server: RedisServer
) -> None:
    redis_server.flush()
    with open_world(prepared, tmp_path, keyvalue_url=redis_server.url) as world:
        token = world.token(key="single")
        visitor, url = world.full_page()
        assert world.connect(world.visitor(), token).status == 303
        redis_server.stop()
        assert plain_503(visitor.get(url))
        assert plain_503(world.connect(world.visitor(), token))
        redis_server.start()
        # Nothing that was over revives: neither the spent token nor anything else of before.
        assert visitor.get(url).status == 401
        assert world.connect(world.visitor(), token).status == 401
        again, again_url = world.full_page()
        assert AMOUNTS[RIVERBEND] in again.get(again_url).text


def authenticate(world: World) -> TestResponse:
    """A Remote Authentication over HTTP."""
    headers: dict[str, Any] = {"Host": "api.hub.example.com", "X-Api-Key": world.secret("session")}
    return Client(world.app).post("/api/v1/remote-authentication/authenticate", json={"UserName": "avery"}, headers=headers)
