"""`idhub audit`, `verify`, `signing-keys`, `secrets`, `refusals` and `warnings`."""

from __future__ import annotations

import getpass
import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.wiring import wire
from idp.actor import System
from idp.settings import load
from sso_connect.checks import Check
from sso_connect.diagnostics import Refusal
from sso_connect.refusal_limits import OF_NOBODY
from sso_connect.warnings import Warned, WarningCode
from tests.hub.cli.conftest import BILLER, OTHER, Idhub


@pytest.fixture
def history(idhub: Idhub) -> Idhub:
    """Two billers, a partner with a key at the first, everything sealed."""
    idhub.make_biller()
    idhub.make_biller(OTHER)
    idhub.make_key()
    hub = wire(load())
    try:
        assert hub.sealer.run() == 4
    finally:
        hub.close()
    return idhub


def test_the_change_log_names_who_did_what_with_before_and_after_newest_first(history: Idhub) -> None:
    history.json("billers", "change", BILLER, "--dba", "New name")
    newest, *older = history.json("audit", "show", "--bid", BILLER)
    assert newest["action"] == "biller.change"
    assert (newest["actor_kind"], newest["actor_id"]) == ("staff", getpass.getuser())
    assert (newest["before"]["dba"], newest["after"]["dba"]) == ("Utility 9001", "New name")
    assert newest["seal"] is None
    assert [each["action"] for each in older] == ["key.create", "biller.create"]
    assert all(each["seal"] for each in older)
    shown = history.text("audit", "show", "--bid", BILLER, "--limit", 1)
    assert "dba=New name" in shown
    assert "policies" not in shown


def test_the_change_log_of_one_biller_shows_nothing_of_another_and_pages_backwards(history: Idhub) -> None:
    assert [each["action"] for each in history.json("audit", "show", "--bid", OTHER)] == ["biller.create"]
    assert [each["action"] for each in history.json("audit", "show", "--bid", 0)] == ["partner.create"]
    first = history.json("audit", "show", "--bid", BILLER, "--limit", 1)
    rest = history.json("audit", "show", "--bid", BILLER, "--before", first[0]["id"])
    assert [each["action"] for each in first + rest] == ["key.create", "biller.create"]


def test_the_change_log_is_narrowed_to_an_account(history: Idhub) -> None:
    guid = history.json("customers", "create", "--bid", BILLER, "1001-01")["customer_guid"]
    history.json("customers", "create", "--bid", BILLER, "1002-01")
    rows = history.json("audit", "show", "--bid", BILLER, "--customer", guid)
    assert [(each["action"], each["customer_id"]) for each in rows] == [("customer.create", guid)]
    assert history.json("audit", "show", "--bid", OTHER, "--customer", guid) == []


def test_values_that_were_deleted_in_the_database_are_named_one_line_each_and_verify_fails(history: Idhub) -> None:
    history.sql("DELETE FROM change_values WHERE change_id IN (SELECT id FROM change_log WHERE seal IN (2, 4))")
    result = history.run("audit", "verify", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)["findings"]
    assert [(each["fault"], each["seal"]) for each in found] == [("values_missing", 2), ("values_missing", 4)]
    assert result.stderr.splitlines()[-1] == "the change log is not sound: 2 findings"
    assert [each["erased"] for each in history.json("audit", "show", "--bid", BILLER)] == [True, False]
    assert "(values gone)" in history.text("audit", "show", "--bid", BILLER)


def test_values_of_an_account_are_erased_and_verify_says_by_whom_why_and_how_many(history: Idhub) -> None:
    guid = history.json("customers", "create", "--bid", BILLER, "1001-01", "--name", "Ann Vale")["customer_guid"]
    history.json("customers", "create", "--bid", BILLER, "1002-01", "--name", "Zoe Vale")
    asked = ("audit", "erase", "--bid", BILLER, "--customer", guid, "--reason", "ticket 17")
    assert history.refused(*asked, given="n\n")[-1] == "Stopped."
    assert history.json(*asked, "--yes") == {"erased_values": 1}
    told = str(history.contents())
    values = str(history.contents()["change_values"])
    assert ("Ann Vale" in values, "Zoe Vale" in values, "ticket 17" in told) == (False, True, True)
    verdict = history.json("audit", "verify")
    assert (verdict["sound"], verdict["erased_values"]) == (True, 1)
    (erased,) = verdict["erased"]
    assert (erased["bid"], erased["actor"], erased["reason"], erased["values"], erased["on"]) == (
        9001, f"staff {getpass.getuser()}", "ticket 17", 1, f"account {guid}",
    )  # fmt: skip
    assert "ticket 17" in history.text("audit", "verify")
    assert history.json("audit", "show", "--bid", BILLER)[0]["action"] == "values.erase"


def test_erasing_what_has_no_values_says_so_and_one_subject_is_wanted(history: Idhub) -> None:
    stranger = "01a1fbd6-2a0b-734b-938f-dc7b99844ae4"
    asked = ("audit", "erase", "--bid", BILLER, "--reason", "x", "--yes")
    assert history.json(*asked, "--user", stranger) == {"erased_values": 0}
    assert history.refused(*asked, "--row", 4711) == ["row 4711: has no values that could be erased"]
    assert history.refused(*asked, "--user", stranger, "--reason", "a\nb")[0].startswith("--reason: 1 to 200")
    (row,) = history.json("audit", "show", "--bid", OTHER)
    assert history.refused(*asked, "--row", row["id"]) == [f"row {row['id']}: has no values that could be erased"]
    for subject in ((), ("--user", stranger, "--row", 1)):
        assert "one of --user, --customer and --row" in history.misread(*asked, *subject)
    for odd in ("0", "-1", str(2**63)):
        history.misread(*asked, "--row", odd)


def test_without_a_checkpoint_that_was_kept_elsewhere_the_verdict_says_what_is_not_excluded(history: Idhub, tmp_path: Path) -> None:
    kept = tmp_path / "checkpoint.jws"
    history.text("audit", "checkpoint", "--out", kept)
    told = history.run("audit", "verify")
    assert told.exit_code == 0
    assert "rows removed at the end, or the whole chain rewritten" in told.stderr
    assert "audit checkpoint --out FILE" in told.stderr
    assert history.json("audit", "verify")["covered_by_kept_checkpoint"] == 0
    covered = history.run("audit", "verify", "--checkpoint", kept)
    assert (covered.exit_code, covered.stderr) == (0, "")
    history.make_biller("9003")
    hub = wire(load())
    try:
        hub.sealer.run()
    finally:
        hub.close()
    later = history.run("audit", "verify", "--checkpoint", kept)
    assert later.stderr.splitlines() == [
        "not excluded: changes to rows after seal 4, the last one that a checkpoint you gave covers."
    ]


def test_a_sound_chain_is_said_to_be_sound(history: Idhub) -> None:
    history.make_biller("9003")
    verdict = history.json("audit", "verify")
    assert verdict == {
        "sound": True, "sealed": 4, "unsealed": 1, "checkpoints": 0, "covered_by_kept_checkpoint": 0, "erased_values": 0,
        "erased": [], "findings": [], "findings_not_listed": 0,
    }  # fmt: skip


def test_an_altered_row_is_found_and_named(history: Idhub) -> None:
    with closing(sqlite3.connect(history.folder / "hub.sqlite3")) as connection, connection:
        connection.execute("UPDATE change_log SET actor_id = 'nobody' WHERE seal = 2")
    result = history.run("audit", "verify", "--json")
    assert result.exit_code == 1
    assert [(each["fault"], each["seal"]) for each in json.loads(result.stdout)["findings"]] == [("altered", 2)]
    assert result.stderr.splitlines()[-1] == "the change log is not sound: 1 finding"


def test_a_chain_that_was_cut_off_is_found_with_a_checkpoint_that_was_kept_elsewhere(history: Idhub, tmp_path: Path) -> None:
    kept = tmp_path / "checkpoint.jws"
    history.text("audit", "checkpoint", "--out", kept)
    assert history.json("audit", "verify", "--checkpoint", kept)["sound"] is True
    with closing(sqlite3.connect(history.folder / "hub.sqlite3")) as connection, connection:
        connection.execute("DELETE FROM change_values WHERE change_id IN (SELECT id FROM change_log WHERE seal = 4)")
        connection.execute("DELETE FROM change_log WHERE seal = 4")
        connection.execute("DELETE FROM change_checkpoints")
    assert history.json("audit", "verify")["sound"] is True
    result = history.run("audit", "verify", "--checkpoint", kept, "--json")
    assert result.exit_code == 1
    assert [each["fault"] for each in json.loads(result.stdout)["findings"]] == ["missing"]


def test_a_checkpoint_is_never_written_over_a_file_and_needs_something_sealed(idhub: Idhub, tmp_path: Path) -> None:
    assert idhub.refused("audit", "checkpoint")[0].startswith("nothing is sealed yet")
    idhub.make_biller()
    hub = wire(load())
    try:
        hub.sealer.run()
    finally:
        hub.close()
    there = tmp_path / "there"
    there.write_text("mine", encoding="ascii")
    result = idhub.run("audit", "checkpoint", "--out", there)
    assert result.exit_code == 1
    assert there.read_text(encoding="ascii") == "mine"


def test_a_checkpoint_holds_in_the_eyes_of_a_second_library(history: Idhub) -> None:
    token = history.text("audit", "checkpoint").strip()
    (row,) = history.json("verify", token)
    assert (row["holds"], row["agree"], row["claims"]["seal"]) == (True, True, 4)
    (key,) = history.json("signing-keys", "list")
    assert (key["kid"], key["alg"], key["crv"]) == (row["kid"], "ES256", "P-256")
    assert "d" not in key
    assert history.json("verify", "--all") == [row]
    assert json.loads(history.text("verify", "-", "--json", given=token + "\n")) == [row]


@pytest.mark.parametrize("spoil", [lambda token: token[:-4] + "AAAA", lambda _: "not.a.token", lambda token: token + "=" * 9000])
def test_a_spoilt_token_does_not_hold_and_both_libraries_say_so(history: Idhub, spoil: object) -> None:
    token = history.text("audit", "checkpoint").strip()
    result = history.run("verify", spoil(token), "--json")  # type: ignore[operator]
    assert result.exit_code == 1
    (row,) = json.loads(result.stdout)
    assert (row["holds"], row["agree"]) == (False, True)
    assert row["reason"]


def test_verify_wants_a_token_or_all(idhub: Idhub) -> None:
    assert "a TOKEN, or --all" in idhub.misread("verify")
    assert "a TOKEN, or --all" in idhub.misread("verify", "x", "--all")
    assert idhub.json("verify", "--all") == []


def test_the_master_key_is_changed_without_rewriting_what_it_protects(
    history: Idhub, clean_environment: pytest.MonkeyPatch
) -> None:
    history.text("settings", "set", "--bid", BILLER, 10, "-", given="river-otter-41\n")
    old = load().master_key
    assert old is not None
    fresh = history.text("new-master-key").strip()
    clean_environment.setenv("IDHUB_MASTER_KEY", fresh)
    lines = history.refused("secrets", "rotate")
    assert len(lines) == 1
    assert "written under another master key" in lines[0]
    clean_environment.setenv("IDHUB_PREVIOUS_MASTER_KEYS", old.get_secret_value())
    assert history.json("secrets", "rotate")["rewrapped"] >= 2
    assert history.json("secrets", "rotate")["rewrapped"] == 0
    clean_environment.delenv("IDHUB_PREVIOUS_MASTER_KEYS")
    hub = wire(load())
    try:
        assert hub.advanced_settings.read(9001, 10) == "river-otter-41"
    finally:
        hub.close()


def test_a_refusal_is_found_by_the_reference_that_was_read_out_and_only_at_its_biller(idhub: Idhub) -> None:
    idhub.make_biller()
    idhub.make_biller(OTHER)
    check = Check("ReturnUrl", held=False, expected="https://portal.example.com", came="https://evil.example", fix="Register it")
    kept = Refusal(
        "ABCDE23456", datetime(2026, 11, 20, 12, tzinfo=UTC), 9001, "ReturnUrlRefused", "hand-off", (check,), "request-1"
    )
    hub = wire(load())
    try:
        hub.diagnostics.record(kept)
    finally:
        hub.close()
    found = idhub.json("refusals", "show", "--bid", BILLER, "abcde 23456")
    assert (found["code"], found["at"]) == ("ReturnUrlRefused", "2026-11-20T12:00:00Z")
    assert found["checks"] == [
        {
            "check": "ReturnUrl",
            "held": False,
            "evaluated": True,
            "expected": "https://portal.example.com",
            "came": "https://evil.example",
            "fix": "Register it",
        }
    ]
    assert [each["reference"] for each in idhub.json("refusals", "list", "--bid", BILLER)] == ["ABCDE23456"]
    assert "Register it" in idhub.text("refusals", "show", "--bid", BILLER, "ABCDE23456")
    assert "not kept" not in idhub.run("refusals", "list", "--bid", BILLER).stderr
    assert idhub.json("refusals", "list", "--bid", OTHER) == []
    assert idhub.refused("refusals", "show", "--bid", OTHER, "ABCDE23456")[0].startswith("There is nothing under this reference.")


def test_refusals_that_were_not_kept_are_told_beside_the_list_of_their_biller(idhub: Idhub) -> None:
    idhub.make_biller()
    idhub.make_biller(OTHER)
    hub = wire(load())
    try:
        for number in range(OF_NOBODY[1] + 4):
            kept = Refusal(f"ABCDE{number:05}", datetime.now(UTC), 9001, "TokenUnknown", "hand-off", (), f"request-{number}")
            hub.diagnostics.record(kept)
    finally:
        hub.close()
    told = idhub.run("refusals", "list", "--bid", BILLER)
    assert re.search(r"not kept in the last 30 days: 0 further refusals of known keys, [34] of callers", told.stderr)
    assert idhub.run("refusals", "list", "--bid", OTHER).stderr == ""


def test_the_warnings_of_a_biller_say_which_key_still_does_what(idhub: Idhub) -> None:
    idhub.make_biller()
    idhub.make_biller(OTHER)
    idhub.text("partners", "create", "harborlight", "--name", "Harborlight")
    hub = wire(load())
    try:
        key = hub.api_keys.issue(System("test"), "r", bid=9001, partner_slug="harborlight").key
        hub.warnings.hear(key, "POST /ping", "request-1", [Warned(WarningCode.OLD_NAME, "RegisterAccounts")])
        hub.warnings.hear(key, "POST /ping", "request-2", [Warned(WarningCode.OLD_NAME, "RegisterAccounts")])
    finally:
        hub.close()
    (found,) = idhub.json("warnings", "list", "--bid", BILLER)
    assert (found["key_id"], found["code"], found["subject"]) == (str(key.id), "OldName", "RegisterAccounts")
    assert (found["where"], found["times"], found["request_id"]) == ("POST /ping", 2, "request-2")
    assert found["fix"].startswith("Call the path that the Link header names")
    assert "RegisterAccounts" in idhub.text("warnings", "list", "--bid", BILLER)
    assert idhub.json("warnings", "list", "--bid", OTHER) == []
