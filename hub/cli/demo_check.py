"""`idhub demo --check`: the main flows over HTTP, as a partner and a browser would run them, a line for each step.

It uses the example partner's client, so it proves what partners get and not what we think we send. Each step says what was sent,
what came, and whether that is right; one wrong step and the exit code is 1, and later steps still run where they can.
"""

from __future__ import annotations

import re
import time

from examples.partner_client import PartnerClient, Visitor
from hub.cli.demo_check_api import check_api
from hub.cli.demo_check_doors import check_doors
from hub.cli.demo_check_people import check_front, check_people
from hub.cli.demo_site import ACTOR, DATA, DemoSite, Prepared
from hub.cli.demo_steps import FRAME, FULL, Checks, Say, absolute, authenticate, links, press, redirect_form
from idp.directory.api_keys import KeyPolicies
from idp.opaque import new_id
from idp.verification import verify

_SEAL_SECONDS = 20.0


def run_checks(site: DemoSite, prepared: Prepared, say: Say) -> bool:
    """All flows. Whether every step held."""
    began = time.monotonic()
    checks = Checks(say)
    clients = {slug: PartnerClient(site.api, secret) for slug, secret in prepared.secrets.items()}
    try:
        _files(checks, site, prepared)
        _api(checks, clients)
        token = _frame(checks, prepared, clients)
        _full_page(checks, prepared, clients)
        _refusals(checks, site, prepared, token)
        _ends(checks, clients)
        check_doors(checks, site, clients)
        check_people(checks, site, prepared, clients)
        check_front(checks, site, prepared)
        check_api(checks, site, prepared, clients)
        _audit(checks, site)
    finally:
        for client in clients.values():
            client.close()
    good = checks.failed == 0
    verdict = "all as it should be" if good else f"{checks.failed} NOT as they should be"
    say(f"{checks.steps} steps in {time.monotonic() - began:.1f} s: {verdict}.")
    return good


def _files(checks: Checks, site: DemoSite, prepared: Prepared) -> None:
    for slug, read in (("riverbend", 12), ("prairie", 6)):
        run = prepared.runs[slug]
        checks.step(f"invoice file of {slug}: {run.file_name}", f"{run.state}, {run.read} invoices, {run.left_out} left out",
                    run.state == "done" and run.read == read and run.left_out == 0)  # fmt: skip
    hub = site.wire()
    try:
        biller = prepared.billers["riverbend"]
        with (DATA / "9001_11202026.bif").open("rb") as file:
            again = hub.invoice_import.run(ACTOR, str(new_id()), biller, file, "9001_11202026.bif")
        checks.step("the same file again", f"{again.unchanged} unchanged", again.unchanged == again.read == 12)
        with (DATA / "9001_bad_totals.bif").open("rb") as file:
            bad = hub.invoice_import.run(ACTOR, str(new_id()), biller, file, "9001_bad_totals.bif")
        checks.step("a file whose totals do not agree", f"{bad.state}: {bad.reason}", bad.state == "refused")
    finally:
        hub.close()


def _api(checks: Checks, clients: dict[str, PartnerClient]) -> None:
    river, prairie = clients["riverbend"], clients["prairie"]
    ping = river.ping()
    checks.step("GET ping", f"{ping.get('Biller', {}).get('BID', ping)}", "9001" in str(ping))
    found = river.call("POST", "/remote-authentication/retrieve-users", {"AccountNumbers": ["1001-01", "5555-01"]})["Results"]
    checks.step("POST retrieve-users 1001-01, 5555-01", f"exists: {[each['Exists'] for each in found]}",
                [each["Exists"] for each in found] == [True, False])  # fmt: skip
    made = river.call("POST", "/customers", {"AccountNumber": "5555-01", "CustomerName": "Robin Vale", "City": "Riverbend"})
    checks.step("POST customers 5555-01", f"CustomerGUID {made.get('CustomerGUID')}", bool(made.get("CustomerGUID")))
    checks.refused(
        "the same customer again", "CustomerExists", lambda: river.call("POST", "/customers", {"AccountNumber": "5555-01"})
    )
    body = {"UserName": "robin", "EmailAddress": "robin.vale@example.com", "Accounts": [{"AccountNumber": "5555-01"}]}
    registered = river.call("POST", "/remote-authentication/register-accounts", body)
    item = registered["Results"][0]
    checks.step("POST register-accounts robin on 5555-01", f"{item['Status']}, LoginTypeID {item['LoginTypeID']}",
                (item["Status"], item["LoginTypeID"]) == ("Registered", 1))  # fmt: skip
    second = body | {"UserName": "casey", "EmailAddress": "casey.vale@example.com"}
    item = river.call("POST", "/remote-authentication/register-accounts", second)["Results"][0]
    checks.step("a second user with LoginTypeID 1 and proof", f"LoginTypeID {item['LoginTypeID']}", item["LoginTypeID"] == 2)
    checks.refused(
        "an unknown field", "InvalidFields",
        lambda: river.call("POST", "/remote-authentication/authenticate", {"UserName": "robin", "Colour": "blue"}),
    )  # fmt: skip
    checks.refused(
        "the other biller's user", "UserNotFound",
        lambda: prairie.call("POST", "/remote-authentication/authenticate", {"UserName": "robin"}),
    )  # fmt: skip


def _frame(checks: Checks, prepared: Prepared, clients: dict[str, PartnerClient]) -> str:
    """The main job: invoice file -> partner token -> CloudSSOConnect -> bills, in a frame."""
    token = ""
    for slug, user, account, amount in (
        ("riverbend", "avery", "1001-01", "$84.17"),
        ("prairie", "hollis", "20002", "$1,833.09"),
    ):
        answer = authenticate(clients[slug], user)
        checks.step(f"POST authenticate {user}", f"token until {answer['ExpiresAt']}", bool(answer["RemoteAuthenticationToken"]))
        browser = Visitor()
        origin = prepared.keys[slug].frame_origins[0]
        page = browser.post(answer["ConnectUrl"], redirect_form(answer, ViewMode="1", RedirectID="1"), FRAME | {"Origin": origin})
        csp = page.headers.get("content-security-policy", "")
        shows = amount in page.text and account in page.text
        framable = f"frame-ancestors {origin}" in csp and "x-frame-options" not in page.headers
        checks.step(f"POST {answer['ConnectUrl']} ViewMode 1", f"{page.status_code}, {amount} {'shown' if shows else 'NOT shown'}",
                    page.status_code == 200 and shows)  # fmt: skip
        checks.step("who may frame it", origin if framable else csp, framable)
        cookie = page.headers.get("set-cookie", "")
        checks.step("its cookie", cookie.partition("=")[0], "__Host-hub_fn=" in cookie and "Partitioned" in cookie)
        others = links(page.text)
        shown = press(browser, answer["ConnectUrl"], page.text, others[0])
        came = shown.headers.get("set-cookie", "")
        checks.step("the first click, by a button that posts", f"{shown.status_code}, {came.partition('=')[0]} counts from now on",
                    shown.status_code == 200 and "__Host-hub_f=" in came)  # fmt: skip
        for page_url in others:
            seen = browser.get(absolute(answer["ConnectUrl"], page_url), FRAME)
            checks.step(f"GET .../{page_url.rsplit('/', 1)[1]} in the frame", str(seen.status_code), seen.status_code == 200)
        browser.close()
        token = token or answer["RemoteAuthenticationToken"]
    return token


def _full_page(checks: Checks, prepared: Prepared, clients: dict[str, PartnerClient]) -> None:
    answer = authenticate(clients["riverbend"], "avery")
    back = prepared.keys["riverbend"].return_places[0].text()
    browser = Visitor()
    form = redirect_form(answer, ViewMode="0", RedirectID="1", ReturnUrl=back, CustomReturnSiteName="Harborlight")
    partner = {"Origin": prepared.keys["riverbend"].frame_origins[0]}
    moved = browser.post(answer["ConnectUrl"], form, FULL | partner)
    where = moved.headers.get("location", "")
    checks.step("POST connect ViewMode 0", f"{moved.status_code} to {where}", moved.status_code == 303 and "Token" not in where)
    page = browser.get(absolute(answer["ConnectUrl"], where), FULL)
    checks.step("GET that page", f"{page.status_code}", page.status_code == 200 and "$84.17" in page.text)
    checks.step("nobody may frame it", page.headers.get("x-frame-options", "-"), page.headers.get("x-frame-options") == "DENY")
    for page_url in links(page.text):
        seen = browser.get(absolute(answer["ConnectUrl"], page_url), FULL)
        checks.step(f"GET .../{page_url.rsplit('/', 1)[1]}", str(seen.status_code), seen.status_code == 200)
    origin = prepared.billers["riverbend"].origin
    csrf = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    sign_out = f"{prepared.billers['riverbend'].base_url}/sign-out"
    stranger = browser.post(sign_out, {"csrf_token": csrf[1] if csrf else ""}, {"Origin": prepared.billers["prairie"].origin})
    checks.step("sign-out sent by a sibling's page", str(stranger.status_code), stranger.status_code == 403)
    out = browser.post(sign_out, {"csrf_token": csrf[1] if csrf else ""}, {"Origin": origin, **FULL})
    checks.step("POST sign-out", f"{out.status_code}, leads to {back}", out.status_code == 200 and f'href="{back}"' in out.text)
    over = browser.get(absolute(answer["ConnectUrl"], where), FULL)
    checks.step("the page after sign-out", str(over.status_code), over.status_code == 401)
    late = Visitor().post(answer["ConnectUrl"], form, FULL | partner)
    checks.step("the token after sign-out with a ReturnUrl", str(late.status_code), late.status_code == 410)
    browser.close()


def _refusals(checks: Checks, site: DemoSite, prepared: Prepared, token: str) -> None:
    connect = f"{prepared.billers['riverbend'].base_url}/sso/connect"
    other = f"{prepared.billers['prairie'].base_url}/sso/connect"
    good = {"RemoteAuthenticationToken": token, "ViewMode": "1", "RedirectID": "1"}
    references: list[str] = []
    for what, url, form, status in (
        ("RedirectID 12", connect, good | {"RedirectID": "12"}, 400),
        ("RedirectID abc", connect, good | {"RedirectID": "abc"}, 400),
        ("ViewMode 7", connect, good | {"ViewMode": "7"}, 400),
        ("a ReturnUrl off the list", connect, good | {"ReturnUrl": "http://elsewhere.example.com/"}, 403),
        ("an account of somebody else", connect, good | {"AccountNumber": "1002-01"}, 403),
        ("a token of our making up", connect, good | {"RemoteAuthenticationToken": "idht_" + "A" * 43}, 401),
        ("another biller's token", other, good, 403),
    ):
        page = Visitor().post(url, form, FRAME)
        reference = re.search(r'data-reference="([A-Z0-9]+)"', page.text)
        references += [reference[1]] if reference else []
        checks.step(f"redirect with {what}", f"{page.status_code}, reference {reference[1] if reference else 'MISSING'}",
                    page.status_code == status and reference is not None)  # fmt: skip
    twice = Visitor().get(f"{connect}?RedirectID=1&redirectid=2&ViewMode=1&RemoteAuthenticationToken={token}", FRAME)
    checks.step("a parameter given twice", str(twice.status_code), twice.status_code == 400)
    hub = site.wire()
    try:
        found = hub.diagnostics.get(9001, references[0])
        failed = [check for check in found.checks if check.failed]
        checks.step(
            f"look up {references[0]}", f"{found.code}: {failed[-1].came}", bool(failed) and "RedirectID" in failed[-1].came
        )
    finally:
        hub.close()


def _ends(checks: Checks, clients: dict[str, PartnerClient]) -> None:
    river = clients["riverbend"]
    answer = authenticate(river, "zoe")
    browser = Visitor()
    page = browser.post(answer["ConnectUrl"], redirect_form(answer, ViewMode="1", RedirectID="1"), FRAME)
    link = absolute(answer["ConnectUrl"], links(page.text)[0])
    press(browser, answer["ConnectUrl"], page.text, links(page.text)[0])
    river.call("POST", "/remote-authentication/revoke", {"RemoteAuthenticationToken": answer["RemoteAuthenticationToken"]})
    seen = browser.get(link, FRAME)
    checks.step("a page after its token was revoked", str(seen.status_code), seen.status_code == 401)
    browser.close()


def _audit(checks: Checks, site: DemoSite) -> None:
    hub = site.wire()
    try:
        issued = hub.api_keys.issue(ACTOR, str(new_id()), bid=9001, partner_slug="harborlight",
                                    policies=KeyPolicies(token="single_use", users="all"))  # noqa: S106  # fmt: skip
        client = PartnerClient(site.api, issued.secret)
        answer = authenticate(client, "avery")
        form = redirect_form(answer, ViewMode="0", RedirectID="1")
        partner = FULL | {"Origin": site.partner_origin}
        agents = ("demo-check/1", "demo-check/1", "somebody-else/1")
        came = [Visitor().post(answer["ConnectUrl"], form, partner | {"User-Agent": agent}).status_code for agent in agents]
        checks.step("a single-use token twice (a double click), then by somebody else", ", ".join(map(str, came)),
                    came == [303, 303, 410])  # fmt: skip
        client.close()
        until = time.monotonic() + _SEAL_SECONDS
        verdict = None
        while verdict is None or (verdict.unsealed and time.monotonic() < until):
            time.sleep(0.5 if verdict else 0)
            with hub.database.read() as stores:
                verdict = verify(stores.seals, stores.erasures, hub.trust)
        checks.step("the change log", f"{verdict.sealed} rows sealed, {verdict.unsealed} not yet, {len(verdict.findings)} faults",
                    verdict.sealed > 0 and not verdict.unsealed and not verdict.findings)  # fmt: skip
    finally:
        hub.close()
