"""`idhub partners legacy-setup` and `idhub partners sandbox`."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from hub.wiring import Hub, wire
from hub.wsgi import api_site
from idp.directory.api_keys import Scope
from idp.settings import load
from tests.hub.cli.conftest import BILLER, OTHER, Idhub

CSS = "https://portal.example.com/theme.css"
LOGIN = "https://portal.example.com/login"
FILE = f"""\
bid: {BILLER}
partner: util
name: Utility Portal
url: https://portal.example.com
authenticate: password
frame_origins: [https://portal.example.com]
return_urls: [https://portal.example.com/back]
redirect_ids: [1, 3]
css_urls: ["{CSS}"]
sso_login_url: {LOGIN}
"""


@pytest.fixture
def billers(idhub: Idhub) -> Idhub:
    """Two billers."""
    idhub.make_biller(BILLER)
    idhub.make_biller(OTHER)
    return idhub


@pytest.fixture
def setup_file(tmp_path: Path) -> Path:
    """A partner, written down."""
    path = tmp_path / "setup.yaml"
    path.write_text(FILE)
    return path


def told(idhub: Idhub) -> dict[str, list[Any]]:
    """All that a second call could change."""
    return {name: rows for name, rows in idhub.contents().items() if name != "data_keys"}


def hub_of(idhub: Idhub) -> Hub:
    """The hub on the same database."""
    return wire(load(dict(os.environ)))


def test_one_file_sets_a_partner_up_as_it_is_today(billers: Idhub, setup_file: Path) -> None:
    done = billers.json("partners", "legacy-setup", "--file", setup_file)
    assert (done["strictness"], done["token"], done["users"], done["csr_user"]) == ("compat", "session", "all", "owner")
    assert (done["account_proof"], done["authenticate"], done["redirect_ids"]) == (["cis"], "password", [1, 3])
    assert set(done["scopes"]) == {scope.value for scope in Scope} - {"csr"}
    assert done["frame_origins"] == ["https://portal.example.com"]
    assert done["return_places"] == ["https://portal.example.com/back"]
    assert done["themes"] == [f"{CSS} (awaiting)"]
    assert done["secret"].startswith("idhk_")
    assert [each["slug"] for each in billers.json("partners", "list")] == ["util"]
    assert {each["number"]: each["value"] for each in billers.json("settings", "show", "--bid", BILLER)}[3] == LOGIN
    assert billers.json("api-keys", "list", "--bid", OTHER) == []


def test_the_same_call_again_changes_nothing_and_makes_no_second_key(billers: Idhub, setup_file: Path) -> None:
    first = billers.json("partners", "legacy-setup", "--file", setup_file)
    before = told(billers)
    again = billers.json("partners", "legacy-setup", "--file", setup_file)
    assert told(billers) == before
    assert (again["id"], again["done"]) == (first["id"], [])
    assert "secret" not in again
    assert first["secret"] not in json.dumps(before, default=str)


def test_an_option_goes_before_the_file_and_a_further_call_brings_the_key_up(billers: Idhub, setup_file: Path) -> None:
    first = billers.json("partners", "legacy-setup", "--file", setup_file)
    billers.json("api-keys", "change", "--bid", BILLER, first["id"], "--rate", "7")
    more = billers.json(
        "partners", "legacy-setup", "--file", setup_file, "--authenticate", "trusted", "--frame", "https://two.example.com"
    )
    assert (more["id"], more["authenticate"], more["rate_per_second"], more["done"]) == (
        first["id"],
        "trusted",
        7,
        ["key changed"],
    )
    assert more["frame_origins"] == ["https://portal.example.com", "https://two.example.com"]


def test_options_alone_set_a_partner_up_and_csr_is_given_when_it_is_asked_for(billers: Idhub) -> None:
    done = billers.json("partners", "legacy-setup", "--bid", OTHER, "--partner", "cis", "--name", "CIS", "--csr")
    assert set(done["scopes"]) == {scope.value for scope in Scope}
    assert (done["redirect_ids"], done["themes"], done["sso_login_url"]) == (list(range(1, 12)), [], "")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bid: 77", "no such biller"),
        ("bid: nine", "no such biller"),
        ("partner: Not A Slug", "Slug"),
        ("name: ''", "with a name it is made"),
        ("colour: red", "colour"),
        ("authenticate: maybe", "authenticate"),
        ("redirect_ids: [12]", "redirect_ids"),
        ("css_urls: ['http://portal.example.com/a.css']", "https"),
        ("css_urls: ['https://user@portal.example.com/a.css']", "user information"),
        ("frame_origins: ['https://portal.example.com/path']", "no path"),
        ("return_urls: ['https://*.example.com']", "wildcard"),
        ("sso_login_url: javascript:alert(1)", "sso_login_url"),
        ("sso_login_url: http://portal.example.com/login", "sso_login_url: https is required"),
        ("url: http://portal.example.com", "url: https is required"),
        ("url: https://portal.example.com/#start", "url: an address in ASCII without a fragment"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(billers: Idhub, setup_file: Path, line: str, said: str) -> None:
    name = line.partition(":")[0]
    kept = [each for each in FILE.splitlines() if not each.startswith(f"{name}:")]
    setup_file.write_text("\n".join([*kept, line]))
    lines = billers.refused("partners", "legacy-setup", "--file", setup_file)
    assert said in "\n".join(lines)


def test_a_file_that_is_no_list_of_names_is_refused(billers: Idhub, setup_file: Path) -> None:
    for text in (b"- one", b"\xff\xfe", b"a: [", b"", b"1: 2", b"x: " + b"y" * 70_000):
        setup_file.write_bytes(text)
        assert len(billers.refused("partners", "legacy-setup", "--file", setup_file)) == 1


def test_setting_3_of_a_biller_is_not_taken_over_by_a_second_partner(billers: Idhub, setup_file: Path) -> None:
    billers.json("partners", "legacy-setup", "--file", setup_file)
    other = ("--file", setup_file, "--partner", "second", "--name", "Second")
    lines = billers.refused("partners", "legacy-setup", *other, "--sso-login-url", "https://second.example.com/")
    assert lines == [f"--sso-login-url: advanced setting 3 of BID {BILLER} is {LOGIN} already"]
    done = billers.json("partners", "legacy-setup", *other)
    assert done["done"] == ["partner second made", "key made"]
    assert done["themes"] == [f"{CSS} (awaiting)"], "one theme of the biller, whoever asked first"


def test_two_compat_keys_of_a_partner_are_not_guessed_between(billers: Idhub, setup_file: Path) -> None:
    billers.json("partners", "legacy-setup", "--file", setup_file)
    billers.json("api-keys", "create", "--bid", BILLER, "--partner", "util", "--strictness", "compat")
    assert "2 compat keys" in billers.refused("partners", "legacy-setup", "--file", setup_file)[0]


def test_a_sandbox_is_a_biller_with_data_that_its_strict_key_can_work_with(billers: Idhub) -> None:
    billers.json("partners", "create", "util", "--name", "Utility Portal")
    made = billers.json("partners", "sandbox", "util", "--frame", "https://portal.example.com")
    assert made["bid"] >= 2_000_000_000
    assert made["slug"] == "sandbox-util"
    hub = hub_of(billers)
    try:
        client = api_site(hub).test_client()
        basic = {"Authorization": "Basic " + b64encode(f"{made['secret']}:".encode()).decode()}
        ping = client.get("/api/v1/ping", headers=basic, base_url=hub.settings.api_origin)
        pinged = json.loads(ping.data)
        assert (pinged["Biller"]["BID"], pinged["Strictness"]) == (made["bid"], "strict")
        answer = client.post(
            "/api/v1/remote-authentication/authenticate", json={"UserName": "pat"}, headers=basic, base_url=hub.settings.api_origin
        )
        assert answer.status_code == 200, answer.text
        accounts = json.loads(answer.data)["Accounts"]
        assert [each["AccountNumber"] for each in accounts] == ["1001-01", "1001-02"]
        bills = client.get(
            f"/api/v1/customers/{accounts[0]['CustomerGUID']}/invoices", headers=basic, base_url=hub.settings.api_origin
        )
        assert [each["TotalAmountDue"] for each in json.loads(bills.data)["Invoices"]] == ["84.17", "82.80", "81.43"]
    finally:
        hub.close()
    assert "4821-3977" not in json.dumps(told(billers), default=str)


def test_a_second_sandbox_of_a_partner_is_refused_and_another_partner_gets_its_own(billers: Idhub) -> None:
    billers.json("partners", "create", "util", "--name", "Utility Portal")
    billers.json("partners", "create", "mine", "--name", "Mine")
    first = billers.json("partners", "sandbox", "util")
    assert f"BID {first['bid']}" in billers.refused("partners", "sandbox", "util")[0]
    second = billers.json("partners", "sandbox", "mine")
    assert second["bid"] == first["bid"] + 1
    assert "no such partner" in billers.refused("partners", "sandbox", "nobody")[0]


def test_a_sandbox_that_broke_off_is_completed_by_the_same_call(billers: Idhub, monkeypatch: pytest.MonkeyPatch) -> None:
    from admin.partners import KeyAdmin

    billers.json("partners", "create", "util", "--name", "Utility Portal")
    whole = KeyAdmin.issue
    with monkeypatch.context() as patched:

        def fail(*_arguments: object, **_named: object) -> None:
            raise SystemExit(3)

        patched.setattr(KeyAdmin, "issue", fail)
        assert billers.run("partners", "sandbox", "util").exit_code == 3
    assert KeyAdmin.issue is whole
    made = billers.json("partners", "sandbox", "util")
    assert made["secret"].startswith("idhk_")
    assert len([each for each in billers.json("billers", "list") if each["slug"] == "sandbox-util"]) == 1


def test_people_see_what_was_made_and_what_to_call_next(billers: Idhub) -> None:
    billers.json("partners", "create", "util", "--name", "Utility Portal")
    result = billers.run("partners", "sandbox", "util")
    assert result.exit_code == 0
    assert result.stdout.count("idhk_") == 1
    assert "curl" in result.stderr
    assert "idhk_" not in result.stderr
