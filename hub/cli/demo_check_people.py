"""What the demo's payers are there to show, as steps of `idhub demo --check`: a year of bills, thirty accounts, a credit, every
login type, and the keys for a page of one's own.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from examples.partner_client import PartnerClient, Visitor
from hub.cli.demo_people import COURT, CREDIT, NOTHING, PAYERS
from hub.cli.demo_site import DemoSite, Prepared
from hub.cli.demo_steps import FULL, Checks, absolute, authenticate, hidden, redirect_form


def check_people(checks: Checks, site: DemoSite, prepared: Prepared, clients: Mapping[str, PartnerClient]) -> None:
    """All of them."""
    river = clients["riverbend"]
    partner = FULL | {"Origin": site.partner_origin}
    _history(checks, river, partner)
    _landlord(checks, river, partner)
    _login_types(checks, clients)
    _own_page(checks, site, prepared)


def _open(client: PartnerClient, user: str, partner: Mapping[str, str], **params: str) -> tuple[Visitor, str, str]:
    """A browser on a full page, its address, and its text. `partner`: the headers of a form on the partner's page."""
    answer = authenticate(client, user)
    browser = Visitor()
    moved = browser.post(answer["ConnectUrl"], redirect_form(answer, ViewMode="0", **{"RedirectID": "1"} | params), partner)
    url = absolute(answer["ConnectUrl"], moved.headers.get("location", "/"))
    return browser, url, browser.get(url, FULL).text


def _bills(page: str) -> int:
    return page.count('<details class="bill"')


def _history(checks: Checks, river: PartnerClient, partner: Mapping[str, str]) -> None:
    browser, url, first = _open(river, "avery", partner)
    older = re.search(r'href="(/b/[^"]+\?cursor=[^"]+)"', first)
    second = browser.get(absolute(url, html.unescape(older[1])), FULL).text if older else ""
    checks.step(
        "a year of bills, page by page", f"{_bills(first)}, then {_bills(second)}", _bills(first) == 12 and _bills(second) > 0
    )
    browser.close()


def _landlord(checks: Checks, river: PartnerClient, partner: Mapping[str, str]) -> None:
    browser, url, page = _open(river, "cedar", partner, RedirectID="9")
    shown = page.count('<li class="row')
    checks.step("a landlord's accounts", f"{shown}", shown == len(COURT))
    looked_for = COURT[16].replace("-", "")
    own = FULL | {"Origin": url.split("/b/")[0], "Sec-Fetch-Site": "same-origin"}
    found = browser.post(url, {"csrf_token": hidden(page).get("csrf_token", ""), "q": looked_for}, own).text
    rows = found.count('<li class="row')
    checks.step(f"search among them for {looked_for}", f"{rows} found", rows == 1)
    browser.close()
    for account, words in ((CREDIT, "Credit $12.00, nothing to pay"), (NOTHING, "Nothing due"), (COURT[0], "Amount due")):
        browser, _, page = _open(river, "cedar", partner, AccountNumber=account)
        checks.step(f"the bills of {account}", words if words in page else "something else", words in page)
        browser.close()


def _login_types(checks: Checks, clients: Mapping[str, PartnerClient]) -> None:
    seen: dict[str, str] = {}
    for payer in PAYERS:
        accounts = authenticate(clients[payer.slug], payer.user_name)["Accounts"]
        seen.setdefault(accounts[0]["LoginType"], payer.user_name)
    told = ", ".join(f"{user} is {login_type}" for login_type, user in seen.items())
    checks.step("a payer of every login type", told, set(seen) == {"Owner", "Co-owner", "Oversight", "Guest"})


def _own_page(checks: Checks, site: DemoSite, prepared: Prepared) -> None:
    for slug, user in (("riverbend", "avery"), ("prairie", "hollis")):
        client = PartnerClient(site.api, prepared.own[slug])
        origins = client.ping()["FrameOrigins"]
        answer = authenticate(client, user)
        checks.step(f"a key for a page of one's own at {slug}", f"{origins}, a token for {user}",
                    origins == [site.own_origin] and bool(answer["RemoteAuthenticationToken"]))  # fmt: skip
        client.close()


def check_front(checks: Checks, site: DemoSite, prepared: Prepared) -> None:
    """A biller's own address, and what its host says to an address that nobody has."""
    for biller in prepared.billers.values():
        browser = Visitor()
        led = browser.get(f"{biller.origin}/", FULL)
        where = led.headers.get("location", "")
        checks.step(
            f"GET {biller.origin}/", f"{led.status_code} to {where}", (led.status_code, where) == (303, f"{site.partner_origin}/")
        )
        lost = browser.get(f"{biller.base_url}/nothing", FULL)
        named = html.escape(biller.dba) in lost.text and f'href="/b/{biller.slug}/"' in lost.text
        checks.step("an address that is not there", f"{lost.status_code}, {'with' if named else 'WITHOUT'} name and way on",
                    lost.status_code == 404 and named)  # fmt: skip
        browser.close()
