"""Who arrives, and how, as steps of `idhub demo --check`: SSO links, no cookies, another payer, prefetches, old tokens."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from examples.partner_client import PartnerClient, Visitor
from hub.cli.demo_site import ACTOR, DemoSite
from hub.cli.demo_steps import FRAME, FULL, Checks, absolute, authenticate, hidden, links, redirect_form
from hub.wiring import wire
from idp.clock import FixedClock
from idp.directory.api_keys import KeyPolicies
from idp.directory.payers import UserNames
from idp.opaque import new_id
from sso_connect.tokens import Assertion


def check_doors(checks: Checks, site: DemoSite, clients: Mapping[str, PartnerClient]) -> None:
    """All of them."""
    river = clients["riverbend"]
    _link(checks, site, river)
    _without_cookies(checks, river)
    _somebody_else(checks, site, river)
    _nobody_vouches(checks, river)
    _prefetch(checks, site)
    _old_by_get(checks, site, river)


def _link(checks: Checks, site: DemoSite, river: PartnerClient) -> None:
    made = river.call("POST", "/sso-connect/links", {"UserName": "avery", "RedirectID": 1, "ViewMode": 0})
    parts = urlsplit(made["Url"])
    address, origin = made["Url"].partition("#")[0], f"{parts.scheme}://{parts.netloc}"
    checks.step("POST links", f"{address}#...", parts.fragment.startswith("idhl_") and not parts.query)
    browser = Visitor()
    landing = browser.get(address, FULL | {"Referer": f"{site.partner_origin}/"})
    shown = landing.status_code == 200 and parts.fragment not in landing.text
    checks.step("GET it, as a mail scanner would", f"{landing.status_code}, nothing spent", shown)
    own = FULL | {"Sec-Fetch-Site": "same-origin", "Origin": origin}
    moved = browser.post(address, {"link": parts.fragment, "sender": _note(landing.text)}, own)
    opened = origin + moved.headers.get("location", "/")
    page = browser.get(opened, FULL)
    checks.step("its script posts the secret", f"{moved.status_code}, then {page.status_code}", "$84.17" in page.text)
    for _ in range(2):
        again = Visitor().post(address, {"link": parts.fragment}, own | {"User-Agent": "somebody-else/1"})
        checks.step("somebody posts it again", str(again.status_code), again.status_code == 410)
    over = browser.get(opened, FULL)
    checks.step("the page that came of the first use", str(over.status_code), over.status_code == 401)
    browser.close()


def _without_cookies(checks: Checks, river: PartnerClient) -> None:
    answer = authenticate(river, "avery")
    # A visitor of its own for each request: nothing is ever sent back.
    page = Visitor().post(answer["ConnectUrl"], redirect_form(answer, ViewMode="1", RedirectID="1"), FRAME)
    token = hidden(page.text).get("frame_token", "")
    checks.step("a frame of a browser that keeps no cookies", f"{page.status_code}, its buttons carry a frame token",
                page.status_code == 200 and token.startswith("idhf_"))  # fmt: skip
    own = FRAME | {"Origin": answer["ConnectUrl"].split("/b/")[0]}
    for path in links(page.text):
        page = Visitor().post(absolute(answer["ConnectUrl"], path), hidden(page.text), own)
        following = hidden(page.text).get("frame_token", "")
        checks.step(f"POST .../{path.rsplit('/', 1)[1]} by frame token", f"{page.status_code}, another token",
                    page.status_code == 200 and following not in ("", token))  # fmt: skip
        token = following
    bare = Visitor().post(absolute(answer["ConnectUrl"], path), {}, own)
    checks.step("the same without it", str(bare.status_code), bare.status_code == 401)


def _somebody_else(checks: Checks, site: DemoSite, river: PartnerClient) -> None:
    browser = Visitor()
    for user in ("zoe", "avery"):
        answer = authenticate(river, user)
        form = redirect_form(answer, ViewMode="0", RedirectID="1")
        moved = browser.post(answer["ConnectUrl"], form, FULL | {"Origin": site.partner_origin})
        page = browser.get(absolute(answer["ConnectUrl"], moved.headers.get("location", "/")), FULL)
    asked = "Continue as Avery Brandt?" in page.text and "$84.17" not in page.text
    checks.step("avery arrives where zoe is signed in", "asked first" if asked else "NOT asked", asked)
    origin = answer["ConnectUrl"].split("/b/")[0]
    yes = browser.post(_answer_to(page.text, origin), hidden(page.text) | {"answer": "yes"}, FULL | {"Origin": origin})
    page = browser.get(absolute(answer["ConnectUrl"], yes.headers.get("location", "/")), FULL)
    checks.step("the payer says yes", f"{yes.status_code}, then {page.status_code}", "$84.17" in page.text)
    browser.close()


def _nobody_vouches(checks: Checks, river: PartnerClient) -> None:
    answer, browser = authenticate(river, "avery"), Visitor()
    form = redirect_form(answer, ViewMode="0", RedirectID="1")
    moved = browser.post(answer["ConnectUrl"], form, FULL | {"Origin": "null"})
    page = browser.get(absolute(answer["ConnectUrl"], moved.headers.get("location", "/")), FULL)
    asked = "Continue as Avery Brandt?" in page.text and "$84.17" not in page.text
    checks.step("avery arrives from a page that hides who it is", "asked first" if asked else "NOT asked", asked)
    head = Visitor().head(f"{answer['ConnectUrl']}?{urlencode(form)}")
    checks.step("HEAD of a redirect", f"{head.status_code}, no cookie, nothing opened",
                head.status_code == 200 and "set-cookie" not in head.headers)  # fmt: skip
    browser.close()


def _prefetch(checks: Checks, site: DemoSite) -> None:
    with closing(site.wire()) as hub:
        issued = hub.api_keys.issue(ACTOR, str(new_id()), bid=9001, partner_slug="harborlight",
                                    policies=KeyPolicies(token="single_use", users="all"))  # noqa: S106  # fmt: skip
    client, browser = PartnerClient(site.api, issued.secret), Visitor()
    answer = authenticate(client, "avery")
    url = f"{answer['ConnectUrl']}?{urlencode(redirect_form(answer, ViewMode='0', RedirectID='1'))}"
    early = browser.get(url, FULL | {"Sec-Purpose": "prefetch"})
    clicked = browser.get(url, FULL | {"Referer": f"{site.partner_origin}/"})
    checks.step("a prefetch of a single-use redirect, then the click", f"{early.status_code}, then {clicked.status_code}",
                (early.status_code, clicked.status_code) == (503, 303))  # fmt: skip
    browser.close()
    client.close()


def _old_by_get(checks: Checks, site: DemoSite, river: PartnerClient) -> None:
    answer = authenticate(river, "avery")
    fresh = Visitor().get(f"{answer['ConnectUrl']}?{urlencode(redirect_form(answer, ViewMode='0', RedirectID='1'))}", FULL)
    checks.step("GET connect with a fresh token", str(fresh.status_code), fresh.status_code == 303)
    # Nobody waits for 20 minutes here: a hub whose clock is behind by 21 issues the token, to a key that nobody has used yet.
    with closing(site.wire()) as hub:
        policies = KeyPolicies(users="all")
        secret = hub.api_keys.issue(ACTOR, str(new_id()), bid=9001, partner_slug="harborlight", policies=policies).secret
        then = hub.clock.now() - timedelta(minutes=21)
    with closing(wire(site.settings(), FixedClock(then))) as past:
        old = past.tokens.issue(secret, Assertion(UserNames(user_name="avery")), str(new_id())).token
    form = redirect_form({"RemoteAuthenticationToken": old}, ViewMode="0", RedirectID="1")
    late = Visitor().get(f"{answer['ConnectUrl']}?{urlencode(form)}", FULL)
    checks.step("GET connect with a token of 21 minutes ago", str(late.status_code), late.status_code == 410)
    posted = Visitor().post(answer["ConnectUrl"], form, FULL)
    checks.step("POST connect with the same one", str(posted.status_code), posted.status_code == 303)


def _note(landing: str) -> str:
    """What the script of a landing page posts beside the secret."""
    return landing.partition('data-sender="')[2].partition('"')[0]


def _answer_to(page: str, origin: str) -> str:
    """Where the page that asks posts its answer."""
    path = next(part.split('"')[0] for part in page.split('action="')[1:] if "/sso/continue" in part.split('"')[0])
    return origin + path
