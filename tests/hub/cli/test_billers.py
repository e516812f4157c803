"""`idhub billers`, `settings` and `destinations`."""

from __future__ import annotations

from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from tests.hub.cli.conftest import BILLER, OTHER, Idhub

_GUID = str(uuid5(NAMESPACE_URL, "https://riverbend.example.com"))


def test_a_biller_is_made_with_host_and_policies_and_shown_as_it_is(idhub: Idhub) -> None:
    made = idhub.json(
        "billers", "create", BILLER, "--slug", "riverbend", "--dba", "Riverbend Water", "--guid", _GUID, "--time-zone",
        "America/Detroit", "--policy", "role_codes=required", "--policy", "multi_user=off", "--policy", "role_code_field=12",
    )  # fmt: skip
    assert (made["bid"], made["guid"], made["dba"]) == (9001, _GUID, "Riverbend Water")
    assert made["base_url"] == "http://riverbend.hub.localhost:8080/b/riverbend"
    assert made["policies"]["role_codes"] == "required"
    assert made["policies"]["multi_user"] is False
    assert made["policies"]["role_code_field"] == 12
    assert idhub.json("billers", "show", BILLER) == made
    assert idhub.json("billers", "list") == [made]
    assert "riverbend.hub.localhost" in idhub.text("billers", "list")
    assert "role_codes" in idhub.text("billers", "show", BILLER)


def test_billers_are_listed_page_by_page(idhub: Idhub) -> None:
    for bid in (BILLER, OTHER, "9003"):
        idhub.make_biller(bid)
    assert [each["bid"] for each in idhub.json("billers", "list", "--limit", 2)] == [9001, 9002]
    assert "--after 9002" in idhub.run("billers", "list", "--limit", 2).stderr
    assert [each["bid"] for each in idhub.json("billers", "list", "--after", 9002)] == [9003]


def test_a_change_touches_what_is_named_and_nothing_else(idhub: Idhub) -> None:
    before = idhub.make_biller()
    other = idhub.make_biller(OTHER)
    after = idhub.json("billers", "change", BILLER, "--dba", "New name", "--policy", "invitations=off", "--disable")
    assert after == before | {
        "dba": "New name", "disabled": True, "policies": before["policies"] | {"invitations": False}
    }  # fmt: skip
    assert idhub.json("billers", "show", OTHER) == other


def test_a_column_map_is_read_from_yaml_checked_and_can_be_taken_away(idhub: Idhub, tmp_path: Path) -> None:
    idhub.make_biller()
    file = tmp_path / "columns.yaml"
    file.write_text("CR: [59, CustomerName, EmailAddress]\n", encoding="utf-8")
    changed = idhub.json("billers", "change", BILLER, "--column-map", file)
    assert changed["column_map"]["CR"] == ["AccountNumber", "CustomerName", "EmailAddress"]
    file.write_text("CR: [CustomerName, Shoe]\n", encoding="utf-8")
    assert "CR.Shoe is no column of CR" in idhub.misread("billers", "change", BILLER, "--column-map", file)
    assert idhub.json("billers", "change", BILLER, "--default-columns")["column_map"] is None


def test_wrong_values_get_a_line_each_and_write_nothing(idhub: Idhub) -> None:
    lines = idhub.refused(
        "billers", "create", BILLER, "--slug", "-x-", "--dba", " ", "--time-zone", "Mars/Olympus", "--locale", "fr"
    )
    assert [line.partition(":")[0] for line in lines] == ["--slug", "Host", "--dba", "--time-zone", "--locale"]
    lines = idhub.refused(
        "billers", "create", BILLER, "--slug", "a", "--dba", "A", "--policy", "role_codes=maybe", "--policy", "shoe=1"
    )
    assert sorted(line.partition(":")[0] for line in lines) == ["role_codes", "shoe"]
    assert "shoe: not a policy" in lines
    assert idhub.refused("billers", "create", BILLER, "--slug", "api", "--dba", "A")[0].startswith("--slug: this slug is reserved")


def test_a_name_in_use_and_an_origin_in_use_are_refused(idhub: Idhub) -> None:
    idhub.make_biller()
    assert idhub.refused("billers", "create", BILLER, "--slug", "b", "--dba", "B")[0].startswith("This name is in use already.")
    lines = idhub.refused("billers", "create", OTHER, "--slug", "utility9001", "--dba", "B")
    assert lines[0].startswith("This name is in use already."), "the slug, which its host follows from"
    lines = idhub.refused("billers", "create", OTHER, "--slug", "b", "--dba", "B", "--host", "utility9001.hub.localhost:8080")
    assert lines == [
        "Each biller needs a host of its own. Give the biller a host, or accept the loss of isolation with"
        " IDHUB_SHARED_ORIGIN=accepted."
    ]


def test_an_unknown_biller_is_one_plain_line_whatever_is_asked(idhub: Idhub) -> None:
    for words in (
        ["billers", "show", "77"],
        ["billers", "change", "77", "--dba", "X"],
        ["settings", "show", "--bid", "77"],
        ["settings", "set", "--bid", "77", "6", "1"],
        ["destinations", "list", "--bid", "77"],
        ["destinations", "change", "--bid", "77", "--redirect-id", "3", "--off"],
        ["api-keys", "list", "--bid", "77"],
        ["customers", "list", "--bid", "77"],
        ["customers", "create", "--bid", "77", "1001-01"],
        ["users", "list", "--bid", "77"],
        ["users", "show", "--bid", "77", "avery"],
        ["users", "create", "--bid", "77", "avery", "--email", "avery@example.com", "--account", "1"],
    ):
        lines = idhub.refused(*words)
        assert lines == ["There is no such biller. List the billers and use the BID, slug or GUID of one of them."], words


def test_settings_are_set_shown_and_put_back(idhub: Idhub) -> None:
    idhub.make_biller()
    idhub.make_biller(OTHER)
    idhub.text("settings", "set", "--bid", BILLER, 3, "https://login.example.com/")
    idhub.text("settings", "set", "--bid", BILLER, 4711, "kept though unknown")
    shown = {each["number"]: each for each in idhub.json("settings", "show", "--bid", BILLER)}
    assert shown[3] == {"number": 3, "name": "SSO customer login URL", "value": "https://login.example.com/"}
    assert shown[4711]["value"] == "kept though unknown"
    assert shown[6]["value"] == "0"
    idhub.text("settings", "set", "--bid", BILLER, 3, "")
    assert {each["number"]: each["value"] for each in idhub.json("settings", "show", "--bid", BILLER)}[3] == ""
    others = {each["number"]: each["value"] for each in idhub.json("settings", "show", "--bid", OTHER)}
    assert 4711 not in others


def test_a_secret_setting_comes_by_standard_input_only_and_is_never_shown(idhub: Idhub) -> None:
    idhub.make_biller()
    idhub.text("settings", "set", "--bid", BILLER, 8, "https://cis.example.com/")
    assert "standard input" in idhub.misread("settings", "set", "--bid", BILLER, 10, "river-otter-41")
    idhub.text("settings", "set", "--bid", BILLER, 10, "-", given="river-otter-41\n")
    assert {each["number"]: each["value"] for each in idhub.json("settings", "show", "--bid", BILLER)}[10] == "(set)"
    assert "river-otter-41" not in repr(idhub.contents())


def test_a_setting_of_the_wrong_type_is_refused(idhub: Idhub) -> None:
    idhub.make_biller()
    assert idhub.refused("settings", "set", "--bid", BILLER, 6, "maybe") == ["Setting 6: 0 or 1"]
    (line,) = idhub.refused("settings", "set", "--bid", BILLER, 3, "http://login.example.com/")
    assert line.startswith("Setting 3: https is required")
    assert idhub.refused("settings", "set", "--bid", BILLER, 0, "x")[0].startswith("Setting 0: number 1 to 9999")


def test_a_destination_is_switched_off_renamed_and_put_back_for_one_biller(idhub: Idhub) -> None:
    idhub.make_biller()
    idhub.make_biller(OTHER)
    changed = idhub.json("destinations", "change", "--bid", BILLER, "--redirect-id", 3, "--off", "--title", "Automatic payment")
    assert changed == {"redirect_id": 3, "page": "autopay", "title": "Automatic payment", "off": True}
    table = idhub.json("destinations", "list", "--bid", BILLER)
    assert [each["redirect_id"] for each in table] == list(range(1, 12))
    assert table[2] == changed
    assert idhub.json("destinations", "change", "--bid", BILLER, "--redirect-id", 3, "--on")["title"] == "Automatic payment"
    assert idhub.json("destinations", "list", "--bid", OTHER)[2]["title"] == ""


def test_a_destination_that_there_is_not_and_a_long_title_are_refused(idhub: Idhub) -> None:
    idhub.make_biller()
    assert "1<=x<=11" in idhub.misread("destinations", "change", "--bid", BILLER, "--redirect-id", 12, "--off")
    lines = idhub.refused("destinations", "change", "--bid", BILLER, "--redirect-id", 1, "--title", "x" * 61)
    assert lines == ["--title: at most 60 characters"]
