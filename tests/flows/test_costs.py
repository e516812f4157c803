"""What the hot paths cost in round trips, counted: no feature may add one to them unseen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, event

from idp.kv import KeyValue, Outcome, Step
from tests.flows.partner import PartnerProgram
from tests.flows.visitor import FRAME
from tests.flows.world import ACTOR, RIVERBEND, World

AUTHENTICATE = "/remote-authentication/authenticate"


@contextmanager
def counted(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[str]]]:
    """Every SQL statement and key-value transaction while the block runs."""
    made: dict[str, list[str]] = {"sql": [], "kv": []}
    kind: type[KeyValue] = type(world.hub.kv)
    inner = kind.transact

    def transact(self: KeyValue, *steps: Step) -> Outcome:
        made["kv"].append(" ".join(type(step).__name__ for step in steps))
        return inner(self, *steps)

    def executed(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        made["sql"].append(" ".join(statement.split()[:3]))

    with monkeypatch.context() as patch:
        patch.setattr(kind, "transact", transact)
        event.listen(Engine, "before_cursor_execute", executed)
        try:
            yield made
        finally:
            event.remove(Engine, "before_cursor_execute", executed)


def test_remote_authentication_costs_one_insert_and_one_key_value_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = PartnerProgram(world)
    partner.told(AUTHENTICATE, {"UserName": "avery"})
    with counted(world, monkeypatch) as made:
        partner.told(AUTHENTICATE, {"UserName": "avery", "AccountNumber": "1001-02"})
    assert made == {"sql": ["INSERT INTO change_log"], "kv": ["Limit Expect Put"]}


@pytest.mark.parametrize(("key", "steps"), [("session", "Read Put"), ("single", "Take Put")])
def test_a_redirect_costs_one_insert_and_one_key_value_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch, key: str, steps: str
) -> None:
    world.connect(world.visitor(), world.token(key=key))
    token = world.token(key=key)
    with counted(world, monkeypatch) as made:
        assert world.connect(world.visitor(), token).status == 303
    assert made == {"sql": ["INSERT INTO change_log"], "kv": [steps]}


def test_a_page_costs_one_key_value_transaction_besides_what_it_shows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor, url = world.full_page()
    visitor.get(url)
    with counted(world, monkeypatch) as made:
        assert visitor.get(url).status == 200
    assert made["kv"] == ["Read"]
    assert all(statement.startswith("SELECT") for statement in made["sql"])


def test_a_call_under_a_compat_key_with_its_habits_costs_no_more_than_without_within_a_minute(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:

    key = world.hub.api_keys.list_all(RIVERBEND)[0]
    world.hub.api_keys.change(ACTOR, "r", RIVERBEND, key.id, policies=replace(key.policies, strictness="compat"))
    partner = PartnerProgram(world, next(name for name, (_, key_id, _s) in world.prepared.keys.items() if key_id == key.id))
    body = {"UserName": "avery", "Colour": "red"}
    assert partner.ask(AUTHENTICATE, body).headers["X-Warning"] == "UnknownField Colour"
    with counted(world, monkeypatch) as made:
        assert partner.ask("/RemoteAuthentication", {"UserName": "avery"}).headers["X-Warning"] == "OldName RemoteAuthentication"
        first = len(made["sql"])
        for _ in range(5):
            partner.ask("/RemoteAuthentication", body)
    assert made["sql"][first:] == ["INSERT INTO change_log"] * 5
    assert made["kv"] == ["Limit Expect Put"] * 6


def test_a_link_costs_the_landing_page_nothing_and_the_follower_one_look_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.frame()
    url = PartnerProgram(world).link(ViewMode=1)
    visitor = world.visitor(FRAME)
    visitor.get(url.partition("#")[0])
    with counted(world, monkeypatch) as made:
        visitor.get(url.partition("#")[0])
        assert made == {"sql": [], "kv": []}
        visitor.post(f"{world.biller().base_url}/sso/link", {"Link": url.partition("#")[2]}, origin=world.biller().origin)
    assert made["kv"][:2] == ["Read", "Take Put"]
