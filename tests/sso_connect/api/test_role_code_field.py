"""Who may set role codes: a key with scope `role_codes:write`. What a key writes must not become its own proof."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from idp.directory.api_keys import KeyPolicies
from tests.sso_connect.api.world import MAKER, World, body_of, fields_of

PRINTED, MINTED = "O100-4821-3977", "O100-1111-2222"
REGISTER = "/remote-authentication/register-accounts"


@pytest.fixture(autouse=True)
def printed(world: World) -> None:
    """Both billers printed an owner code on 1001-01; at riverbend somebody is Owner there. Partner two has default keys."""
    for biller in (world.riverbend, world.lakeside):
        customer = world.hub.customers.get_by_account(biller, "1001-01")
        world.hub.customers.change(MAKER, "r", biller, customer.id, {58: PRINTED})
    world.register("pat", "1001-01")
    world.add_key("plain", world.riverbend, "two", KeyPolicies())
    world.add_key("plain compat", world.riverbend, "two", KeyPolicies(strictness="compat"))


def patch(world: World, body: dict[str, Any], key: str = "plain", number: str = "1001-01") -> TestResponse:
    return world.send("PATCH", f"/customers?AccountNumber={number}", json.dumps(body).encode(), key)


def shown(world: World, code: str, name: str = "mallory", number: str = "1001-01", key: str = "plain") -> dict[str, Any]:
    """Register with a code; the item."""
    answer = world.register(name, key=key, Accounts=[{"AccountNumber": number, "RoleCode": code}])
    (item,) = body_of(answer)["Results"]
    return dict(item)


def test_a_default_key_can_not_mint_an_owner_code_by_patch(world: World) -> None:
    assert list(fields_of(patch(world, {"Custom58": MINTED, "Phone": "555-0100"}))) == ["Custom58"]
    assert body_of(world.get("/customers?AccountNumber=1001-01"))["Phone"] is None, "nothing is written"
    assert shown(world, MINTED)["Status"] == "RoleCodeInvalid"
    assert shown(world, PRINTED, "mallory")["LoginTypeID"] == 1, "what is printed on the bill still works"


def test_a_default_key_can_not_mint_an_owner_code_by_post(world: World) -> None:
    answer = world.post("/customers", {"AccountNumber": "7007-07", "Custom58": MINTED}, "plain")
    assert list(fields_of(answer)) == ["Custom58"]
    made = world.post("/customers", {"AccountNumber": "7007-07", "Custom58": MINTED}, "plain compat")
    assert body_of(made, 201)["CustomerGUID"]
    assert "RoleCodesRefused Custom58" in made.headers["X-Warning"]
    assert shown(world, MINTED, number="7007-07")["Status"] == "RoleCodeInvalid"
