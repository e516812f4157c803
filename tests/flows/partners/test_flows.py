"""The flows that partners really run: as they send them today (compat keys), and as we recommend (strict keys), word for word.

    Util360    registers payers and shows pages in a frame; trusted
    MyMeter    checks passwords, changes addresses and passwords, manages accounts; `authenticate = password`
    Daffron    the CIS changes addresses; eBiz registers all accounts in one call; trusted

Today: old names, HTTP Basic, fields of their own, GET redirects, LoginTypeID always sent. Recommended: the present paths,
X-Api-Key, PartnerUserID, POST redirects. The flows are the same, and so is what comes of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from idp.directory.api_keys import KeyPolicies, Scope
from idp.opaque import new_id
from tests.flows.partners.conversation import Conversation
from tests.flows.world import ACTOR, AMOUNTS, HARBORLIGHT, PRAIRIE, RIVERBEND, World
from tests.mailbox import letters

EVERY_SCOPE = frozenset(Scope)
LEGACY = KeyPolicies(scopes=EVERY_SCOPE, strictness="compat", users="all", account_proof=("cis",), csr_user="owner")
RECOMMENDED = KeyPolicies(scopes=EVERY_SCOPE, strictness="strict", users="all", account_proof=("cis",))
PASSWORD = "meter-lamp-42"
STYLES = ["today", "recommended"]


@dataclass(slots=True)
class Partner:
    """A partner with a key at one biller, and the way it talks."""

    talk: Conversation
    today: bool
    bid: int

    def call(self, title: str, name: str, path: str, body: dict[str, Any], *, method: str = "POST") -> dict[str, Any]:
        """A call: `name` as the partner writes it today, `path` as we recommend it."""
        if not self.today:
            return self.talk.ask(title, method, path, body)
        query = path.partition("?")[2]
        return self.talk.ask(title, method, f"/{name}{'?' + query if query else ''}", {**body, "ClientVersion": "4.2"})

    def users(self, number: str, user_name: str) -> dict[str, Any]:
        asked = {"AccountNumbers": [number], "UserName": user_name}
        results = self.call("who is on the account", "RetrieveUsers", "/remote-authentication/retrieve-users", asked)["Results"]
        assert isinstance(results, list)
        return dict(results[0])

    def register(self, user_name: str, *numbers: str, login_type: int = 1, **more: Any) -> dict[str, Any]:
        body = {
            "UserName": user_name,
            "EmailAddress": f"{user_name}@example.com",
            "Accounts": [{"AccountNumber": number} for number in numbers],
            "LogInTypeID" if self.today else "LoginTypeID": login_type,
            **({} if self.today else {"PartnerUserID": f"u-{user_name}"}),
            **more,
        }
        return self.call("register", "RegisterAccounts", "/remote-authentication/register-accounts", body)

    def authenticate(self, user_name: str, **more: Any) -> dict[str, Any]:
        named = {"UserName": user_name} if self.today else {"PartnerUserID": f"u-{user_name}"}
        return self.call("sign in", "RemoteAuthentication", "/remote-authentication/authenticate", {**named, **more})

    def show(self, token: str, **params: str) -> str:
        """The first page in the frame."""
        page = self.talk.redirect("the frame", token, get=self.today, bid=self.bid, **params)
        assert page.status == 200, page.text
        return page.text


def partner(world: World, style: str, policies: KeyPolicies | None = None, bid: int = RIVERBEND) -> Partner:
    today = style == "today"
    chosen = policies or (LEGACY if today else RECOMMENDED)
    issued = world.hub.api_keys.issue(
        ACTOR, str(new_id()), bid=bid, partner_slug="harborlight", policies=chosen, frame_origins=[HARBORLIGHT]
    )
    return Partner(Conversation(world, issued.secret, basic=today), today, bid)


def with_password(style: str) -> KeyPolicies:
    return replace(LEGACY if style == "today" else RECOMMENDED, authenticate="password")


def result(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The only item of a batch."""
    (item,) = answer["Results"]
    return dict(item)


# --- Util360 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_util360_registers_a_payer_whose_account_is_missing(world: World, style: str) -> None:
    util = partner(world, style)
    assert util.users("7001-01", "noor")["Exists"] is False
    made = util.call(
        "make the account", "CreateCustomerRecord", "/customers", {"AccountNumber": "7001-01", "CustomerName": "Noor Haddad"}
    )
    assert made["CustomerGUID"]
    assert result(util.register("noor", "7001-01"))["LoginTypeID"] == 1
    token = util.authenticate("noor")["RemoteAuthenticationToken"]
    util.show(token)
    util.talk.check(f"util360-missing-{style}")


@pytest.mark.parametrize("style", STYLES)
def test_util360_registers_a_payer_whose_account_has_somebody_else_and_shows_the_bills(world: World, style: str) -> None:
    util = partner(world, style)
    there = util.users("1001-01", "noor")
    assert (there["IsRegistered"], there["IsRegisteredToUser"]) == (True, False)
    granted = result(util.register("noor", "1001-01"))
    assert (granted["Status"], granted["LoginTypeID"]) == ("Registered", 2), "the portal sits on the CIS, and the seat is taken"
    token = util.authenticate("noor")["RemoteAuthenticationToken"]
    for _ in range(2):  # one token per session, several pages
        util.show(token)
    util.talk.check(f"util360-second-{style}")


@pytest.mark.parametrize("style", STYLES)
def test_util360_signs_in_a_payer_who_is_registered_already(world: World, style: str) -> None:
    util = partner(world, style)
    util.register("noor", "1002-01")
    assert util.users("1002-01", "noor")["IsRegisteredToUser"] is True
    token = util.authenticate("noor", AccountNumber="1002-01")["RemoteAuthenticationToken"]
    util.show(token, RedirectID="6")
    util.talk.check(f"util360-known-{style}")


def test_util360_at_two_billers_keeps_them_apart(world: World) -> None:
    here, there = partner(world, "today"), partner(world, "today", bid=PRAIRIE)
    for each in (here, there):
        each.register("noor", "1001-01")
        shown = each.show(each.authenticate("noor")["RemoteAuthenticationToken"])
        assert AMOUNTS[each.bid] in shown
    assert here.authenticate("noor")["LoginGUID"] != there.authenticate("noor")["LoginGUID"]


# --- MyMeter -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_mymeter_gives_access_to_a_new_payer_and_then_to_a_known_one(world: World, style: str) -> None:
    meter = partner(world, style, with_password(style))
    assert meter.users("1002-01", "noor")["IsRegisteredToUser"] is False
    refused = meter.authenticate("noor", Password=PASSWORD)
    assert refused["Code"] == "CredentialsRefused"
    assert result(meter.register("noor", "1002-01", Password=PASSWORD))["Status"] == "Registered"
    token = meter.authenticate("noor", Password=PASSWORD)["RemoteAuthenticationToken"]
    _sync(meter, token)
    again = meter.authenticate("noor", Password=PASSWORD)["RemoteAuthenticationToken"]
    _sync(meter, again)
    assert meter.authenticate("noor", Password="another-lamp-43")["Code"] == "CredentialsRefused"
    meter.show(again)
    meter.talk.check(f"mymeter-access-{style}")


def _sync(meter: Partner, token: str) -> None:
    by_token = {"RemoteAuthenticationToken": token}
    found = meter.call("which account", "RetrieveCustomerGUID", "/customer-portal/retrieve-customer-guid", by_token)
    assert found["CustomerGUID"]
    accounts = meter.call("which accounts", "RetrieveUserAccounts", "/remote-authentication/retrieve-user-accounts", by_token)
    assert [each["AccountNumber"] for each in accounts["Accounts"]] == ["1002-01"]


@pytest.mark.parametrize("style", STYLES)
def test_mymeter_manages_the_accounts_of_a_payer(world: World, style: str) -> None:
    meter = partner(world, style)
    meter.register("noor", "1001-02")
    linked = meter.call(
        "link a second account", "LinkAccounts", "/remote-authentication/link-accounts",
        {"UserName": "noor", "Accounts": [{"AccountNumber": "1002-01"}]},
    )  # fmt: skip
    assert result(linked)["Status"] == "Linked"
    ended = meter.call(
        "unregister the first", "UnregisterAccounts", "/remote-authentication/unregister-accounts",
        {"UserName": "noor", "AccountNumbers": ["1001-02"]},
    )  # fmt: skip
    assert result(ended)["Status"] == "Unregistered"
    left = meter.call("what is left", "RetrieveUserAccounts", "/remote-authentication/retrieve-user-accounts", {"UserName": "noor"})
    assert [each["AccountNumber"] for each in left["Accounts"]] == ["1002-01"]
    meter.talk.check(f"mymeter-accounts-{style}")


@pytest.mark.parametrize("style", STYLES)
def test_mymeter_takes_over_the_password_of_a_payer_who_was_there_before_and_corrects_an_address(world: World, style: str) -> None:
    meter = partner(world, style)
    update = ("change the password", "UpdatePassword", "/remote-authentication/update-password")
    body = {"UserName": "avery", "NewPassword": PASSWORD}
    assert meter.call(*update, body)["Status"] == "PendingConfirmation"
    _confirm(world, "avery@example.com")
    assert meter.call(*update, body) == {}
    mail = ("change the address", "UpdateEmailAddress", "/remote-authentication/update-email-address")
    other = {"UserName": "zoe", "EmailAddress": "zoe.new@example.com", "ExpectedEmailAddress": "old@example.com"}
    assert meter.call(*mail, other)["Status"] == "PendingConfirmation"
    assert meter.call(*mail, {**other, "ExpectedEmailAddress": "zoe@example.com"})["Status"] == "Updated"
    meter.talk.check(f"mymeter-credentials-{style}")


def _confirm(world: World, address: str) -> None:
    """The payer opens the newest mail and says yes."""
    link = [letter for letter in letters(world.hub) if letter.to == address][-1].link
    visitor, (address, _, code) = world.visitor(), link.partition("#")
    assert visitor.get(address).status == 200
    page = visitor.post(address, {"code": code}, origin=world.biller().origin)  # by the script of the page
    assert page.status == 200
    done = visitor.post(address, {**page.fields, "answer": "yes"}, origin=world.biller().origin)
    assert done.status == 200, done.text


# --- Daffron -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_daffron_registers_a_household_and_its_cis_keeps_the_record(world: World, style: str) -> None:
    daffron = partner(world, style)
    done = daffron.register("noor", "1001-02", "1002-01")
    assert [each["Status"] for each in done["Results"]] == ["Registered", "Registered"]
    further = result(daffron.register("omar", "1001-02", login_type=2))
    assert (further["Status"], further["LoginTypeID"]) == ("Registered", 2)
    daffron.call(
        "a new telephone number",
        "UpdateCustomerRecord",
        "/customers?AccountNumber=1001-02",
        {"Phone": "+1 555 0100"},
        method="PATCH",
    )
    changed = daffron.call(
        "a new address for an account", "UpdateEmailAddress", "/remote-authentication/update-email-address",
        {"AccountNumber": "1001-02", "EmailAddress": "household@example.com"},
    )  # fmt: skip
    assert changed
    daffron.show(daffron.authenticate("omar")["RemoteAuthenticationToken"])
    daffron.talk.check(f"daffron-{style}")
