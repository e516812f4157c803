"""What partners ask for by API beyond the way to a bill, as steps of `idhub demo --check`: role codes, linked accounts, batches,
passwords, addresses, invoice files, and why something was refused.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from email import message_from_bytes
from email.policy import default
from functools import partial
from typing import Any, TypeVar

from examples.partner_client import PartnerClient, Visitor
from hub.cli import demo_meters
from hub.cli.demo_site import DATA, DemoSite, Prepared
from hub.cli.demo_steps import FRAME, FULL, Checks, authenticate, hidden, redirect_form

T = TypeVar("T")

_REMOTE = "/remote-authentication"
_PATIENCE = 20.0
_NEW_PASSWORD = "a new one of zoe's"  # noqa: S105  (made up)


def check_api(checks: Checks, site: DemoSite, prepared: Prepared, clients: Mapping[str, PartnerClient]) -> None:
    """All of them."""
    river = clients["riverbend"]
    meters = PartnerClient(site.api, prepared.meters.secret)
    try:
        _role_codes(checks, river)
        _linking(checks, river)
        _atomic(checks, river)
        _passwords(checks, site, meters)
        _addresses(checks, river)
        _upload(checks, meters)
        _why(checks, river, clients["prairie"])
    finally:
        meters.close()


def _register(client: PartnerClient, user: str, number: str, code: str, **more: Any) -> dict[str, Any]:
    account = {"AccountNumber": number, "RoleCode": code}
    body = {"UserName": user, "EmailAddress": f"{user}@example.com", "Accounts": [account], **more}
    item: dict[str, Any] = client.call("POST", f"{_REMOTE}/register-accounts", body)["Results"][0]
    return item


def _role_codes(checks: Checks, river: PartnerClient) -> None:
    for user, number, code, wanted in (
        ("dana", "1011-01", "O100-1111-2223", ("RoleCodeInvalid", None)),
        ("dana", "1011-01", "o100 1111 2222", ("Registered", 1)),
        ("olivia", "1001-01", "OS300-7090-1112", ("Registered", 3)),
    ):
        item = _register(river, user, number, code)
        came = item["Status"], item["LoginTypeID"]
        checks.step(f"register {user} on {number} with a code for {item['LoginType'] or 'nobody'}", f"{came[0]}", came == wanted)


def _linking(checks: Checks, river: PartnerClient) -> None:
    link = {"UserName": "dana", "Accounts": [{"AccountNumber": "1009-01", "RoleCode": "C200-7001-2301"}]}
    item = river.call("POST", f"{_REMOTE}/link-accounts", link)["Results"][0]
    checks.step("link dana to 1009-01 with a Co-owner's code", f"{item['Status']}, LoginTypeID {item['LoginTypeID']}",
                (item["Status"], item["LoginTypeID"]) == ("Linked", 2))  # fmt: skip
    for wanted in ("Unregistered", "NotRegistered"):
        body = {"UserName": "dana", "AccountNumbers": ["1009-01"]}
        item = river.call("POST", f"{_REMOTE}/unregister-accounts", body)["Results"][0]
        checks.step("unregister dana from 1009-01", item["Status"], item["Status"] == wanted)


def _atomic(checks: Checks, river: PartnerClient) -> None:
    body = {"UserName": "dana", "Atomic": True, "Accounts": [{"AccountNumber": "1010-01"}, {"AccountNumber": "9999-99"}]}
    checks.refused(
        "link two accounts, one unknown, Atomic", "RolledBack", lambda: river.call("POST", f"{_REMOTE}/link-accounts", body)
    )
    asked = {"AccountNumbers": ["1010-01"], "UserName": "dana"}
    found = river.call("POST", f"{_REMOTE}/retrieve-users", asked)["Results"][0]
    checks.step("the known one of them", f"IsRegistered {found['IsRegistered']}", found["IsRegistered"] is False)


def _passwords(checks: Checks, site: DemoSite, meters: PartnerClient) -> None:
    answer = authenticate(meters, demo_meters.USER_NAME, Password=demo_meters.PASSWORD)
    checks.step(f"authenticate {demo_meters.USER_NAME} with the password", "a token", bool(answer["RemoteAuthenticationToken"]))
    for user in (demo_meters.USER_NAME, "nobody-at-all"):
        wrong = partial(authenticate, meters, user, Password="wrong")  # noqa: S106  (it is)
        checks.refused(f"authenticate {user} with a wrong one", "CredentialsRefused", wrong)
    wanted = {"UserName": "zoe", "NewPassword": _NEW_PASSWORD}
    pending = meters.call("POST", f"{_REMOTE}/update-password", wanted)
    checks.step("Update Password of a user whom it did not register", str(pending), pending == {"Status": "PendingConfirmation"})
    link = _until(lambda: _mailed_link(site, "zoe.lindqvist@example.com"))
    address, _, code = link.partition("#")
    checks.step("the worker sends a mail with a question", address or "none came", bool(link))
    if not link:
        return
    browser, headers = Visitor(), FULL | {"Origin": link.split("/b/")[0]}
    landed = browser.get(address, FULL)
    shown = browser.post(address, {"code": code}, headers)
    said = browser.post(address, hidden(shown.text) | {"answer": "yes"}, headers)
    statuses = landed.status_code, shown.status_code, said.status_code
    checks.step("GET it, POST its secret, POST yes", ", ".join(map(str, statuses)), statuses == (200, 200, 200))
    again = browser.post(address, hidden(shown.text) | {"answer": "yes"}, headers)
    checks.step("POST yes once more", str(again.status_code), again.status_code == 410)
    browser.close()
    meters.call("POST", f"{_REMOTE}/update-password", wanted)
    checks.step("Update Password again", f"{meters.calls[-1][1]}", meters.calls[-1][1] == 204)
    answer = authenticate(meters, "zoe", Password=_NEW_PASSWORD)
    checks.step("authenticate zoe with it", "a token", bool(answer["RemoteAuthenticationToken"]))


def _addresses(checks: Checks, river: PartnerClient) -> None:
    body = {"UserName": "dana", "EmailAddress": "dana.whitfield@example.com"}
    for wanted in ("Updated", "Unchanged"):
        done = river.call("POST", f"{_REMOTE}/update-email-address", body)
        checks.step("Update E-mail Address of dana", done["Status"], done["Status"] == wanted)


def _upload(checks: Checks, client: PartnerClient) -> None:
    name = "9001_11202026.bif"
    taken = client.upload(name, (DATA / name).read_bytes())
    checks.step(f"POST invoice-files {name}", f"{client.calls[-1][1]} {taken['Status']}", client.calls[-1][1] == 202)

    def done() -> dict[str, Any]:
        status = client.call("GET", f"/invoice-files/{taken['InvoiceFileID']}")
        return status if status["Status"] not in {"Waiting", "Running"} else {}

    status = _until(done) or {"Status": "still waiting", "Read": 0, "LeftOut": 0}
    checks.step("the worker takes it over", f"{status['Status']}, {status['Read']} invoices, {status['LeftOut']} left out",
                (status["Status"], status["Read"], status["LeftOut"]) == ("Done", 12, 0))  # fmt: skip


def _why(checks: Checks, river: PartnerClient, prairie: PartnerClient) -> None:
    answer = authenticate(river, "avery")
    token = {"RemoteAuthenticationToken": answer["RemoteAuthenticationToken"]}
    before = river.call("POST", f"{_REMOTE}/introspect", token)
    checks.step("introspect a token", f"Active {before['Active']}", before["Active"] is True)
    strange = prairie.call("POST", f"{_REMOTE}/introspect", token)
    checks.step("introspect it with the key of another biller", f"Active {strange['Active']}", strange["Active"] is False)
    good = {"ViewMode": 1, "RedirectID": 1, "SecFetchDest": "iframe"}
    told = river.call("POST", "/sso-connect/explain", {**token, **good})
    checks.step(
        "explain a redirect", f"WouldSucceed {told['WouldSucceed']}, {len(told['Checks'])} checks", told["WouldSucceed"] is True
    )
    told = river.call("POST", "/sso-connect/explain", {**token, **good, "AccountNumber": "1002-01"})
    checks.step(
        "explain one to somebody else's account",
        f"{told['Code']}",
        (told["WouldSucceed"], told["Code"]) == (False, "AccountRefused"),
    )
    after = river.call("POST", f"{_REMOTE}/introspect", token)
    checks.step("the token after all these questions", f"until {after['ExpiresAt']} as before", after == before)
    form = redirect_form(answer, ViewMode="1", RedirectID="1", AccountNumber="1002-01")
    refused = Visitor().post(answer["ConnectUrl"], form, FRAME)
    reference = re.search(r'data-reference="([A-Z0-9]+)"', refused.text)
    named = reference[1] if reference else "none"
    told = river.call("GET", f"/diagnostics/{named}")
    failed = [check for check in told["Checks"] if check["Evaluated"] and not check["Held"]]
    checks.step(f"GET diagnostics/{named}", f"{told['Code']}: {failed[-1]['Fix'] if failed else ''}",
                told["Code"] == "AccountRefused" and bool(failed))  # fmt: skip
    checks.refused("the same by another biller's key", "ReferenceNotFound", lambda: prairie.call("GET", f"/diagnostics/{named}"))


def _mailed_link(site: DemoSite, to: str) -> str:
    """The address that stands alone on a line of the newest mail to somebody, or ""."""
    for path in sorted((site.folder / "mailbox").glob("*.eml"), reverse=True):
        mail = message_from_bytes(path.read_bytes(), policy=default)
        found = re.search(r"^(https?://\S+/confirm#\S+)\s*$", str(mail.get_content()), re.MULTILINE)
        if str(mail["To"]) == to and found:
            return found[1]
    return ""


def _until(look: Callable[[], T]) -> T:
    """What `look` gives once it gives something; what it gave last when that never happens."""
    until = time.monotonic() + _PATIENCE
    found = look()
    while not found and time.monotonic() < until:
        time.sleep(0.2)
        found = look()
    return found
