"""A registration without proof beside others waits: from the outside, by a partner's program and a browser."""

from __future__ import annotations

from typing import Any

import pytest

from sso_connect.redirects import DESTINATIONS
from tests.flows.partner import PartnerProgram
from tests.flows.world import AMOUNTS, RIVERBEND, World

REGISTER, LINK = "/remote-authentication/register-accounts", "/remote-authentication/link-accounts"
HOLDER = "riverbend customer 1001-01"
"""The name on the account that nobody may see who only waits."""


def register(world: World, name: str = "mallory", *, key: str = "session", **more: Any) -> dict[str, Any]:
    """Register on avery's account with nothing but its number; the item of the answer."""
    account = {"AccountNumber": "1001-01", **more.pop("account", {})}
    body = {"UserName": name, "EmailAddress": f"{name}@example.net", "Accounts": [account], **more}
    (item,) = PartnerProgram(world, key).told(REGISTER, body)["Results"]
    assert isinstance(item, dict)
    return item


@pytest.mark.parametrize(
    "asked",
    [{}, {"LoginTypeID": 1}, {"LoginTypeID": 2}, {"LoginTypeID": 3}, {"LoginTypeID": 4}, *({"RoleCode": code} for code in ("O100", "C200", "OS300", "G500"))],
)  # fmt: skip
def test_whoever_has_only_an_account_number_waits_and_sees_nothing_of_it(world: World, asked: dict[str, Any]) -> None:
    item = register(world, **asked)
    assert (item["Status"], item["LoginTypeID"], item["Pending"], item["Note"]) == ("Registered", 4, True, "GuestUntilApproved")
    for number in DESTINATIONS:
        visitor, url = world.full_page("mallory", RedirectID=str(number))
        pages = [visitor.get(url), world.frame("mallory", RedirectID=str(number))[1]]
        for page in pages:
            assert page.status == 200
            assert "Waiting for approval" in page.text
            for hidden in (AMOUNTS[RIVERBEND], HOLDER, "Avery", "INV-"):
                assert hidden not in page.text
