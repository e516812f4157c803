"""`idhub partners`, `api-keys` and `origins`."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from idp.opaque import digest
from tests.hub.cli.conftest import BILLER, OTHER, Idhub

_NO_KEY = "There is no such API key. List the keys of the biller and use the id of one of them (never the secret)."


def test_a_partner_is_made_listed_and_changed(idhub: Idhub) -> None:
    made = idhub.json("partners", "create", "portalworks", "--name", "Portalworks", "--url", "https://portal.example.com/")
    assert (made["slug"], made["name"], made["disabled"]) == ("portalworks", "Portalworks", False)
    assert idhub.json("partners", "list") == [made]
    changed = idhub.json("partners", "change", "portalworks", "--name", "Portal Works", "--url", "", "--disable")
    assert changed == made | {"name": "Portal Works", "url": "", "disabled": True}
    assert "Portal Works" in idhub.text("partners", "list")


def test_wrong_partners_are_refused(idhub: Idhub) -> None:
    lines = idhub.refused("partners", "create", "Portal Works", "--name", "", "--url", "ftp://portal.example.com")
    assert [line.partition(":")[0] for line in lines] == ["SLUG", "--name", "--url"]
    assert idhub.refused("partners", "change", "nobody", "--name", "X")[0].startswith("There is no such partner.")
    idhub.json("partners", "create", "portalworks", "--name", "Portalworks")
    assert idhub.refused("partners", "create", "portalworks", "--name", "Other")[0].startswith("This name is in use already.")


def test_a_new_key_has_the_strict_defaults_and_its_secret_is_printed_once_and_kept_nowhere(idhub: Idhub) -> None:
    idhub.make_biller()
    made = idhub.make_key()
    secret = made.pop("secret")
    assert secret.startswith("idhk_")
    assert (made["bid"], made["partner"], made["strictness"], made["authenticate"]) == (9001, "portalworks", "strict", "trusted")
    assert (made["token"], made["users"], made["account_proof"], made["csr_user"]) == ("session", "own", [], "choose")
    assert made["redirect_ids"] == list(range(1, 12))
    assert idhub.json("api-keys", "list", "--bid", BILLER) == [made]
    shown = idhub.json("api-keys", "show", "--bid", BILLER, made["id"])
    assert [each["hint"] for each in shown["secrets"]] == [secret[-4:]]
    stored = repr(idhub.contents())
    assert secret not in stored
    assert digest(secret) in stored
    assert secret not in idhub.text("api-keys", "show", "--bid", BILLER, made["id"])


def test_the_secret_stands_alone_and_clearly_where_a_person_reads_it(idhub: Idhub) -> None:
    idhub.make_biller()
    idhub.json("partners", "create", "portalworks", "--name", "Portalworks")
    result = idhub.run("api-keys", "create", "--bid", BILLER, "--partner", "portalworks")
    assert any(line.split()[0] == "secret" and line.split()[1].startswith("idhk_") for line in result.stdout.splitlines())
    assert "it will not be shown again" in result.stderr


def test_the_policies_of_a_key_are_given_and_changed_one_by_one(idhub: Idhub) -> None:
    idhub.make_biller()
    made = idhub.make_key(
        BILLER, "--scope", "sso", "--scope", "users:read", "--token", "single_use", "--users", "all", "--account-proof", "cis",
        "--rate", "7", "--burst", "9", "--redirect-id", "1", "--redirect-id", "6", "--label", "Nightly",
    )  # fmt: skip
    made.pop("secret")
    assert (made["scopes"], made["token"], made["users"], made["account_proof"]) == (
        ["sso", "users:read"],
        "single_use",
        "all",
        ["cis"],
    )
    assert (made["rate_per_second"], made["burst"], made["redirect_ids"], made["label"]) == (7, 9, [1, 6], "Nightly")
    changed = idhub.json("api-keys", "change", "--bid", BILLER, made["id"], "--token", "session", "--account-proof", "none")
    assert changed == made | {"token": "session", "account_proof": []}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--rate", "0"], "rate_per_second: 1 to 100000 a second, burst 1 to 1000000"),
        (["--redirect-id", "12"], "redirect_ids: 1 to 11"),
        (["--frame", "https://portal.example.com/app"], "FrameOrigin: an origin has no path"),
        (["--frame", "http://portal.example.com"], "FrameOrigin: https is required"),
        (["--return", "https://*.example.com/"], "ReturnUrl: no query, fragment or wildcard"),
    ],
)
def test_a_key_with_wrong_policies_or_places_is_not_made(idhub: Idhub, words: list[str], line: str) -> None:
    idhub.make_biller()
    idhub.json("partners", "create", "portalworks", "--name", "Portalworks")
    lines = idhub.refused("api-keys", "create", "--bid", BILLER, "--partner", "portalworks", *words)
    assert len(lines) == 1
    assert lines[0].startswith(line)


def test_a_key_for_a_partner_or_biller_that_there_is_not_is_not_made(idhub: Idhub) -> None:
    idhub.make_biller()
    assert idhub.refused("api-keys", "create", "--bid", BILLER, "--partner", "nobody")[0].startswith("There is no such partner.")
    idhub.json("partners", "create", "portalworks", "--name", "Portalworks")
    assert idhub.refused("api-keys", "create", "--bid", 77, "--partner", "portalworks")[0].startswith("There is no such biller.")
    assert "'everything' is none of" in idhub.misread(
        "api-keys", "create", "--bid", BILLER, "--partner", "portalworks", "--scope", "everything"
    )


def test_a_rotation_gives_a_second_secret_and_an_end_to_the_first(idhub: Idhub) -> None:
    idhub.make_biller()
    made = idhub.make_key()
    rotated = idhub.json("api-keys", "rotate", "--bid", BILLER, made["id"], "--overlap-days", 2)
    assert rotated["id"] == made["id"]
    assert rotated["secret"] != made["secret"]
    first, second = idhub.json("api-keys", "show", "--bid", BILLER, made["id"])["secrets"]
    assert second["expires_at"] is None
    overlap = datetime.fromisoformat(first["expires_at"]) - datetime.fromisoformat(second["created_at"])
    assert abs(overlap - timedelta(days=2)) < timedelta(seconds=2)
    assert "0<=x<=90" in idhub.misread("api-keys", "rotate", "--bid", BILLER, made["id"], "--overlap-days", 91)


def test_a_key_is_revoked_after_a_question_and_can_then_not_be_rotated(idhub: Idhub) -> None:
    idhub.make_biller()
    made = idhub.make_key()
    asked = idhub.run("api-keys", "revoke", "--bid", BILLER, made["id"], given="n\n")
    assert asked.exit_code == 1
    assert idhub.json("api-keys", "list", "--bid", BILLER)[0]["revoked_at"] is None
    assert idhub.json("api-keys", "revoke", "--bid", BILLER, made["id"], "--yes")["revoked_at"]
    assert idhub.refused("api-keys", "rotate", "--bid", BILLER, made["id"]) == [_NO_KEY]


def test_another_billers_key_is_no_key_here(idhub: Idhub) -> None:
    idhub.make_biller()
    idhub.make_biller(OTHER)
    theirs = idhub.make_key(OTHER)["id"]
    for words in (
        ["api-keys", "show", "--bid", BILLER, theirs],
        ["api-keys", "change", "--bid", BILLER, theirs, "--label", "X"],
        ["api-keys", "change", "--bid", BILLER, theirs, "--token", "single_use"],
        ["api-keys", "rotate", "--bid", BILLER, theirs],
        ["api-keys", "revoke", "--bid", BILLER, theirs, "--yes"],
        ["origins", "list", "--bid", BILLER, "--key", theirs],
        ["origins", "add", "--bid", BILLER, "--key", theirs, "--frame", "https://portal.example.com"],
        ["origins", "remove", "--bid", BILLER, "--key", theirs, "--frame", "https://portal.example.com"],
    ):
        assert idhub.refused(*words) == [_NO_KEY], words


def test_origins_are_added_listed_and_removed(idhub: Idhub) -> None:
    idhub.make_biller()
    key = ["--bid", BILLER, "--key", idhub.make_key()["id"]]
    added = idhub.json(
        "origins", "add", *key, "--frame", "https://portal.example.com", "--frame", "http://partner.localhost:9000",
        "--return", "https://portal.example.com/done",
    )  # fmt: skip
    assert added == [
        {"kind": "frame", "place": "https://portal.example.com"},
        {"kind": "frame", "place": "http://partner.localhost:9000"},
        {"kind": "return", "place": "https://portal.example.com/done"},
    ]
    assert idhub.json("origins", "add", *key, "--frame", "https://portal.example.com") == added
    assert idhub.json("origins", "list", *key) == added
    assert idhub.json("origins", "remove", *key, "--frame", "https://portal.example.com") == added[1:]
    assert "portal.example.com/done" in idhub.text("origins", "list", *key)


def test_of_several_origins_none_is_added_when_one_is_wrong(idhub: Idhub) -> None:
    idhub.make_biller()
    key = ["--bid", BILLER, "--key", idhub.make_key()["id"]]
    lines = idhub.refused(
        "origins", "add", *key, "--frame", "https://portal.example.com", "--frame", "https://a.example.com/x", "--return", "ftp://b"
    )
    assert [line.partition(":")[0] for line in lines] == ["FrameOrigin", "ReturnUrl"]
    assert "at least one" in idhub.misread("origins", "add", *key)
