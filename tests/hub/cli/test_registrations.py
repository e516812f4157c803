"""`idhub registrations`: list, approve, decline, restore, end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hub.cli.conftest import BILLER, OTHER, Idhub

NOTHING = "There is nothing to decide about this registration."


@pytest.fixture
def billers(idhub: Idhub) -> Idhub:
    """Two billers with an account 1001-01 each, whose Owner is avery; pat waits at both."""
    for bid in (BILLER, OTHER):
        idhub.make_biller(bid)
        idhub.json("customers", "create", "--bid", bid, "1001-01", "--name", f"Avery of {bid}")
        for name, account in (("avery", "1001-01"), ("pat", "1001-01:guest")):
            idhub.json("users", "create", "--bid", bid, name, "--email", f"{name}@example.com", "--account", account)
    put_pat(idhub, "waiting", "2099-01-01 00:00:00.000000")
    return idhub


def put_pat(idhub: Idhub, state: str, until: str | None = None, held: int | None = None) -> None:
    """What a partner's call, or an objection, would have made of pat's registration."""
    of_pat = "SELECT id FROM users WHERE user_name = 'pat'"
    idhub.sql(
        f"UPDATE registrations SET pending = 1, state = ?, waits_until = ?, held_login_type = ? WHERE user_id IN ({of_pat})",  # noqa: S608
        state, until, held,
    )  # fmt: skip


ON = ("--bid", BILLER, "--account", "1001-01")
"""Which registration."""


def seat(idhub: Idhub, bid: str = BILLER) -> list[tuple[Any, ...]]:
    shown = idhub.json("users", "show", "--bid", bid, "pat")
    return [(each["account_number"], each["login_type"], each["state"], each["name"]) for each in shown["accounts"]]


def test_who_waits_is_listed_by_number_or_slug_of_the_biller(billers: Idhub) -> None:
    by_bid = billers.json("registrations", "list", "--bid", BILLER)
    assert billers.json("registrations", "list", "--biller", f"utility{BILLER}") == by_bid
    (row,) = by_bid
    assert (row["user_name"], row["account_number"], row["state"], row["held_login_type"]) == ("pat", "1001-01", "waiting", None)
    text = billers.text("registrations", "list", "--bid", BILLER)
    assert "pat" in text
    assert "waiting" in text
    assert "may be more" in billers.run("registrations", "list", "--bid", BILLER, "--limit", 1).stderr
    assert billers.json("registrations", "list", "--bid", BILLER, "--after", row["id"]) == []
    assert billers.refused("registrations", "list", "--biller", "nobody")[0].startswith("There is no such biller.")


def test_a_user_who_waits_is_shown_with_the_number_and_nothing_of_the_account(billers: Idhub) -> None:
    assert seat(billers) == [("1001-01", "Guest", "waiting", "")]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ((), "Guest"),
        (("--login-type", "3"), "Oversight"),
        (("--login-type", "Co-owner"), "Co-owner"),
        (("--login-type", "1"), "Co-owner"),
    ],
)
def test_approving_gives_guest_or_what_is_asked_but_no_seat_beside_others(
    billers: Idhub, asked: tuple[str, ...], given: str
) -> None:
    done = billers.json("registrations", "approve", "pat", *ON, *asked)
    assert (done["done"], done["login_type"]) == ("approved", given)
    assert seat(billers) == [("1001-01", given, "active", f"Avery of {BILLER}")]
    assert seat(billers, OTHER) == [("1001-01", "Guest", "waiting", "")]
    assert billers.refused("registrations", "approve", "pat", *ON)[0].startswith(NOTHING)
    changes = [each["action"] for each in billers.json("audit", "show", "--bid", BILLER)]
    assert "registration.approve" in changes


def test_declining_ends_it(billers: Idhub) -> None:
    assert (
        billers.json("registrations", "decline", "pat", "--biller", f"utility{BILLER}", "--account", " 1001-01 ")["done"]
        == "declined"
    )
    assert seat(billers) == []
    assert billers.json("registrations", "list", "--bid", BILLER) == []
    for verb in (("approve",), ("decline",), ("restore",), ("end", "--yes")):
        told = billers.refused("registrations", verb[0], "pat", *ON, *verb[1:])
        assert told[0].startswith(NOTHING)


@pytest.mark.parametrize("verb", ["restore", "end"])
def test_an_objection_is_decided(billers: Idhub, verb: str) -> None:
    put_pat(billers, "objected", held=3)
    assert seat(billers) == [("1001-01", "Guest", "objected", "")]
    for wrong in ("approve", "decline"):
        assert billers.refused("registrations", wrong, "pat", *ON)[0].startswith(NOTHING)
    if verb == "end":
        assert "Continue?" in billers.run("registrations", verb, "pat", *ON, given="n\n").output
        assert seat(billers) != []
        billers.json("registrations", verb, "pat", *ON, "--yes")
    else:
        assert billers.json("registrations", verb, "pat", *ON)["login_type"] == "Oversight"
    assert seat(billers) == ([] if verb == "end" else [("1001-01", "Oversight", "active", f"Avery of {BILLER}")])


def test_what_is_not_there_is_refused(billers: Idhub) -> None:
    approve = ("registrations", "approve")
    assert billers.refused(*approve, "nobody", *ON)[0].startswith("There is no such user.")
    assert billers.refused(*approve, "pat", "--bid", BILLER, "--account", "9-9")[0].startswith("There is no such account.")
    assert billers.refused(*approve, "avery", *ON)[0].startswith(NOTHING)
    assert "login-type" in billers.misread(*approve, "pat", *ON, "--login-type", "5")
