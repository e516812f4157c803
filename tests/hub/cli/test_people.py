"""`idhub customers` and `idhub users`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.hub.cli.conftest import BILLER, OTHER, Idhub

_NO_USER = "There is no such user. Register the user first, or name it by something that it was registered with."


@pytest.fixture
def billers(idhub: Idhub) -> Idhub:
    """Two billers with an account 1001-01 each; the first has 1002-01 too."""
    for bid in (BILLER, OTHER):
        idhub.make_biller(bid)
        idhub.json("customers", "create", "--bid", bid, "1001-01", "--name", f"Avery of {bid}")
    idhub.json("customers", "create", "--bid", BILLER, "1002-01", "--name", "Second")
    return idhub


def _create(idhub: Idhub, *more: str, name: str = "avery", bid: str = BILLER) -> Any:
    return idhub.json("users", "create", "--bid", bid, name, "--email", f"{name}@example.com", *more)


def test_an_account_is_made_with_everything_that_may_be_said_of_it(idhub: Idhub) -> None:
    idhub.make_biller()
    made = idhub.json(
        "customers", "create", "--bid", BILLER, "1001-01", "--name", "Ávery | Söhne", "--address1", "1 River Road",
        "--email", "avery@example.com", "--custom", "2=1001", "--custom", "3=01", "--meter", "M-1:water:L-9", "--prepaid",
        "--block-cc", "--display-number", "0001001",
    )  # fmt: skip
    assert (made["account_number"], made["display_number"], made["name"]) == ("1001-01", "0001001", "Ávery | Söhne")
    assert made["customs"] == {"2": "1001", "3": "01"}
    assert made["meters"] == [["M-1", "water", "L-9", True]]
    assert (made["prepaid"], made["block_cc"], made["block_ach"]) == (True, True, False)
    assert idhub.json("customers", "show", "--bid", BILLER, " 1001-01 ") == made
    shown = idhub.text("customers", "show", "--bid", BILLER, "1001-01")
    assert "Söhne" in shown
    assert ", ," not in shown, "an address without its empty lines"


def test_an_account_is_changed_where_it_is_named_and_only_at_its_biller(billers: Idhub) -> None:
    before = billers.json("customers", "show", "--bid", BILLER, "1001-01")
    other = billers.json("customers", "show", "--bid", OTHER, "1001-01")
    changed = billers.json("customers", "change", "--bid", BILLER, "1001-01", "--phone", "555-0100", "--protected")
    assert changed == before | {"phone": "555-0100", "protected": True}
    assert billers.json("customers", "change", "--bid", BILLER, "1001-01", "--phone", "", "--not-protected") == before
    assert billers.json("customers", "show", "--bid", OTHER, "1001-01") == other


def test_accounts_are_listed_page_by_page(billers: Idhub) -> None:
    assert [each["account_number"] for each in billers.json("customers", "list", "--bid", BILLER)] == ["1001-01", "1002-01"]
    page = billers.json("customers", "list", "--bid", BILLER, "--after", "1001-01")
    assert [each["account_number"] for each in page] == ["1002-01"]
    assert "--after 1001-01" in billers.run("customers", "list", "--bid", BILLER, "--limit", 1).stderr


def test_wrong_accounts_are_refused(billers: Idhub) -> None:
    lines = billers.refused("customers", "create", "--bid", BILLER, "1001-01")
    assert lines == ["An account with this number exists already. Use the existing record, or update it."]
    assert billers.refused("customers", "create", "--bid", BILLER, " ")[0].startswith("ACCOUNT_NUMBER: an account number")
    assert billers.refused("customers", "create", "--bid", BILLER, "7", "--email", "nobody") == [
        "EmailAddress: not an e-mail address"
    ]
    assert billers.refused("customers", "show", "--bid", OTHER, "1002-01")[0].startswith("There is no such account.")
    assert "1 to 60" in billers.misread("customers", "create", "--bid", BILLER, "7", "--custom", "61=x")
    assert "water" in billers.misread("customers", "create", "--bid", BILLER, "7", "--meter", "M-1:steam")


def test_staff_register_a_user_on_several_accounts_without_proof(billers: Idhub) -> None:
    made = _create(billers, "--account", "1001-01", "--account", "1002-01:guest", "--first-name", "Avery")
    assert [(each["status"], each["login_type"], each["pending"]) for each in made["accounts"]] == [
        ("Registered", "Owner", False),
        ("Registered", "Guest", False),
    ]
    shown = billers.json("users", "show", "--bid", BILLER, "AVERY")
    assert shown["login_guid"] == made["user"]["login_guid"]
    assert [each["account_number"] for each in shown["accounts"]] == ["1001-01", "1002-01"]
    assert billers.json("users", "show", "--bid", BILLER, shown["login_guid"]) == shown
    assert "1002-01" in billers.text("users", "show", "--bid", BILLER, "avery")


def test_a_second_owner_becomes_co_owner(billers: Idhub) -> None:
    _create(billers, "--account", "1001-01:1")
    second = _create(billers, "--account", "1001-01:1", name="jordan")
    assert second["accounts"][0]["login_type"] == "Co-owner"


def test_an_account_that_there_is_not_says_so_and_the_others_stand(billers: Idhub) -> None:
    result = billers.run(
        "users", "create", "--bid", BILLER, "avery", "--email", "avery@example.com", "--account", "1001-01", "--account", "777"
    )
    assert result.exit_code == 1
    assert result.stderr.splitlines() == ["777: NotFound"]
    assert len(billers.json("users", "show", "--bid", BILLER, "avery")["accounts"]) == 1


def test_wrong_users_are_refused(billers: Idhub) -> None:
    lines = billers.refused("users", "create", "--bid", BILLER, " ", "--email", "nobody", "--account", "1001-01")
    assert [line.partition(":")[0] for line in lines] == ["UserName", "EmailAddress"]
    assert "is not a login type" in billers.misread(
        "users", "create", "--bid", BILLER, "avery", "--email", "avery@example.com", "--account", "1001-01:7"
    )


def test_a_user_is_changed_where_it_is_named(billers: Idhub) -> None:
    before = _create(billers, "--account", "1001-01")["user"]
    changed = billers.json(
        "users", "change", "--bid", BILLER, "avery", "--user-name", "avery2", "--email", "new@example.com", "--email-verified"
    )
    assert changed == before | {"user_name": "avery2", "email": "new@example.com", "email_verified": True}
    assert [each["user_name"] for each in billers.json("users", "list", "--bid", BILLER)] == ["avery2"]
    assert billers.json("users", "change", "--bid", BILLER, "avery2", "--disable")["disabled"] is True
    _create(billers, "--account", "1002-01", name="jordan")
    assert billers.refused("users", "change", "--bid", BILLER, "jordan", "--user-name", "AVERY2")[0].startswith(
        "This user name is taken."
    )
    assert [each["user_name"] for each in billers.json("users", "list", "--bid", BILLER, "--after", "AVERY2")] == ["jordan"]


def test_revoking_a_user_asks_and_raises_its_generation(billers: Idhub) -> None:
    guid = _create(billers, "--account", "1001-01")["user"]["login_guid"]
    assert billers.run("users", "revoke", "--bid", BILLER, "avery", given="n\n").exit_code == 1
    before = billers.contents()["users"]
    assert billers.json("users", "revoke", "--bid", BILLER, "avery", "--yes") == {"login_guid": guid, "revoked": True}
    assert billers.contents()["users"] != before
    assert billers.json("audit", "show", "--bid", BILLER, "--user", guid)[0]["action"] == "user.revoke"


def test_another_billers_user_is_no_user_here(billers: Idhub) -> None:
    theirs = _create(billers, "--account", "1001-01", bid=OTHER)["user"]["login_guid"]
    for words in (
        ["users", "show", "--bid", BILLER, theirs],
        ["users", "show", "--bid", BILLER, "avery"],
        ["users", "change", "--bid", BILLER, theirs, "--first-name", "X"],
        ["users", "revoke", "--bid", BILLER, theirs, "--yes"],
    ):
        assert billers.refused(*words) == [_NO_USER], words


def test_control_characters_of_a_name_do_not_reach_the_terminal(idhub: Idhub) -> None:
    idhub.make_biller()
    idhub.json("customers", "create", "--bid", BILLER, "1001-01", "--name", "Av\x1b[2Jery")
    shown = idhub.text("customers", "show", "--bid", BILLER, "1001-01")
    assert "\x1b" not in shown
    assert "Av\N{REPLACEMENT CHARACTER}[2Jery" in shown


def test_staff_see_who_owns_a_password_and_give_it_back_but_never_see_it(billers: Idhub) -> None:
    guid = _create(billers, "--account", "1001-01")["user"]["login_guid"]
    shown = billers.json("users", "show", "--bid", BILLER, "avery")
    assert (shown["password_owner"], shown["password_set_at"]) == ("hub", None)
    billers.make_key(BILLER)
    billers.sql("UPDATE users SET password_partner = (SELECT id FROM partners) WHERE user_name_key = 'avery' AND bid = ?", BILLER)
    billers.sql(
        "INSERT INTO passwords SELECT bid, id, '$argon2id$made-up', '2031-05-04 12:30:00.000000' FROM users WHERE bid = ?", BILLER
    )
    shown = billers.json("users", "show", "--bid", BILLER, "avery")
    assert (shown["password_owner"], shown["password_set_at"]) == ("portalworks", "2031-05-04T12:30:00Z")
    assert "argon2" not in billers.text("users", "show", "--bid", BILLER, "avery")
    assert billers.run("users", "give-password-back", "--bid", BILLER, "avery", given="n\n").exit_code == 1
    assert billers.json("users", "show", "--bid", BILLER, "avery")["password_owner"] == "portalworks"
    for _ in range(2):
        given = billers.json("users", "give-password-back", "--bid", BILLER, "avery", "--yes")
        assert given == {"login_guid": guid, "password_owner": "hub"}
    shown = billers.json("users", "show", "--bid", BILLER, "avery")
    assert (shown["password_owner"], shown["password_set_at"]) == ("hub", "2031-05-04T12:30:00Z")
    logged = [each["action"] for each in billers.json("audit", "show", "--bid", BILLER, "--user", guid)]
    assert logged.count("password.move_owner") == 1
    assert billers.refused("users", "give-password-back", "--bid", OTHER, guid, "--yes") == [_NO_USER]


def test_an_address_that_staff_set_is_told_to_both_and_is_where_the_payer_is_asked(billers: Idhub) -> None:
    _create(billers, "--account", "1001-01")
    asked = billers.run("users", "set-email", "--bid", BILLER, "avery", "--email", "x@example.com", given="n\n")
    assert (asked.exit_code, asked.stdout) == (1, "")
    assert "Continue?" in asked.stderr
    assert billers.json("users", "show", "--bid", BILLER, "avery")["email"] == "avery@example.com"
    changed = billers.json("users", "set-email", "--bid", BILLER, "AVERY", "--email", "Avery.New@example.com", "--yes")
    assert (changed["email"], changed["email_verified"]) == ("Avery.New@example.com", False)
    assert billers.json("users", "show", "--bid", BILLER, "avery")["trusted_email"] == "Avery.New@example.com"
    changed = billers.json("users", "change", "--bid", BILLER, "avery", "--email", "third@example.com", "--phone", "555")
    assert (changed["email"], changed["phone"]) == ("third@example.com", "555")
    with closing(sqlite3.connect(billers.folder / "hub.sqlite3")) as connection:
        told = connection.execute("SELECT template, recipient FROM mails ORDER BY created_at, id").fetchall()
    assert told == [
        ("address_changed", "avery@example.com"),
        ("address_set", "Avery.New@example.com"),
        ("address_changed", "Avery.New@example.com"),
        ("address_set", "third@example.com"),
    ]
    assert billers.refused("users", "set-email", "--bid", BILLER, "avery", "--email", "nobody", "--yes") == [
        "EmailAddress: not an e-mail address"
    ]
    assert billers.refused("users", "set-email", "--bid", OTHER, "avery", "--email", "x@example.com", "--yes")[0].startswith(
        "There is no such user."
    )


def test_mails_are_listed_for_their_biller_with_what_became_of_them_and_without_what_they_say(billers: Idhub) -> None:
    _create(billers, "--account", "1001-01")
    billers.json("users", "set-email", "--bid", BILLER, "avery", "--email", "new@example.com", "--yes")
    rows = billers.json("mails", "list", "--bid", BILLER)
    assert [(row["to"], row["kind"], row["state"], row["reason"]) for row in rows] == [
        ("n***@example.com", "address_set", "queued", ""),
        ("a***@example.com", "address_changed", "queued", ""),
    ]
    assert billers.json("mails", "list", "--bid", BILLER, "--state", "held") == []
    assert billers.json("mails", "list", "--bid", OTHER) == []
    assert "body" not in rows[0]
