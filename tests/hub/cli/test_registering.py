"""`idhub users register`, `unregister` and `idhub alarms`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.hub.cli.conftest import BILLER, OTHER, Idhub

CODE = "G500-4821-3977"


@pytest.fixture
def billers(idhub: Idhub) -> Idhub:
    """Two billers with an account 1001-01 that has a code, and one without."""
    for bid in (BILLER, OTHER):
        idhub.make_biller(bid)
        idhub.json("customers", "create", "--bid", bid, "1001-01", "--custom", f"58={CODE}")
        idhub.json("customers", "create", "--bid", bid, "1002-01")
    return idhub


def _register(idhub: Idhub, *more: str, given: str | None = None, bid: str = BILLER) -> Any:
    words = ("users", "register", "--bid", bid, "avery", *more, "--json")
    return json.loads(idhub.text(*words, given=given))


def test_a_role_code_is_read_from_standard_input_and_stands_nowhere(billers: Idhub) -> None:
    made = _register(billers, "--email", "a@example.com", "--account", "1001-01", "--role-code", given=f"{CODE}\n")
    assert [(each["status"], each["login_type"]) for each in made["accounts"]] == [("Registered", "Guest")]
    assert "4821" not in json.dumps(made)
    assert "48213977" not in repr(billers.contents())
    wrong = ("users", "register", "--bid", BILLER, "lee", "--email", "l@example.com", "--account", "1001-01", "--role-code")
    result = billers.run(*wrong, given="O100-9\n")
    assert (result.exit_code, result.stderr.splitlines()) == (1, ["1001-01: RoleCodeInvalid"])
    assert "--email" in billers.misread("users", "register", "--bid", BILLER, "lee", "--account", "1001-01")


def test_linking_takes_a_user_that_is_there_and_makes_nobody(billers: Idhub) -> None:
    _register(billers, "--email", "a@example.com", "--account", "1001-01")
    linked = _register(billers, "--link", "--account", "1002-01:guest")
    assert [(each["status"], each["login_type"]) for each in linked["accounts"]] == [("Linked", "Guest")]
    assert billers.refused("users", "register", "--bid", OTHER, "avery", "--link", "--account", "1001-01")
    assert "--link" in billers.misread(
        "users", "register", "--bid", BILLER, "avery", "--link", "--email", "a@example.com", "--account", "1001-01"
    )


def test_unregistering_asks_and_ends_the_registration_at_its_biller_only(billers: Idhub) -> None:
    for bid in (BILLER, OTHER):
        _register(billers, "--email", "a@example.com", "--account", "1001-01", bid=bid)
    words = ("users", "unregister", "--bid", BILLER, "avery", "--account", "1001-01")
    assert billers.run(*words, given="n\n").exit_code == 1
    assert len(billers.json("users", "show", "--bid", BILLER, "avery")["accounts"]) == 1
    left = billers.json(*words, "--yes")
    assert [each["status"] for each in left["accounts"]] == ["Unregistered"]
    assert billers.json("users", "show", "--bid", BILLER, "avery")["accounts"] == []
    assert len(billers.json("users", "show", "--bid", OTHER, "avery")["accounts"]) == 1
    result = billers.run(*words, "--yes")
    assert (result.exit_code, result.stderr.splitlines()) == (1, ["1001-01: NotRegistered"])


def test_alarms_are_listed_for_their_biller_and_there_are_none_at_first(billers: Idhub) -> None:
    assert billers.json("alarms", "list", "--bid", BILLER) == []
    assert billers.run("alarms", "list", "--bid", BILLER).exit_code == 0
