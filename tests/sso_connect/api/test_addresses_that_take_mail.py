"""One rule for e-mail addresses, whoever sets them: what no mail can reach is refused at every door, and the rest is mailed."""

from __future__ import annotations

import json

import pytest

from idp.actor import Staff
from idp.errors import InvalidFields
from sso_connect.imports import bif_values
from tests.mailbox import letters
from tests.sso_connect.api.people import user_named, vouch
from tests.sso_connect.api.world import World, body_of, fields_of

STAFF = Staff("ops", "operator")
FAULT = {"EmailAddress": "not an e-mail address"}
NEVER = [
    "a@b",
    '"pat vale"@example.com',
    "pat@[192.0.2.1]",
    "pat@192.0.2.1",
    "pat(home)@example.com",
    "pat@example.com.",
    "p\u200dat@example.com",
    "pat@nowhere.invalid",
    "x" * 65 + "@example.com",
    "\u00fc" * 33 + "@example.com",
    "pat@" + "\u00fc." * 40 + "example",
]


@pytest.mark.parametrize("address", NEVER)
def test_what_no_mail_can_reach_is_refused_at_every_door(world: World, address: str) -> None:
    world.login_guid("pat", "1001-01", EmailVerified=True)
    assert fields_of(world.register("kim", "1002-02", EmailAddress=address)) == FAULT
    update = {"UserName": "pat", "EmailAddress": address}
    assert fields_of(world.post("/remote-authentication/update-email-address", update)) == FAULT
    assert fields_of(world.post("/customers", {"AccountNumber": "5-5", "EmailAddress": address})) == FAULT
    change = json.dumps({"EmailAddress": address}).encode()
    assert fields_of(world.send("PATCH", "/customers?AccountNumber=1001-01", change, "all")) == FAULT
    with pytest.raises(InvalidFields):
        world.hub.set_email.set(STAFF, "r", world.riverbend, user_named(world, "pat").id, address)
    with pytest.raises(bif_values.Unreadable):
        bif_values.email(address)
    assert letters(world.hub) == []


@pytest.mark.parametrize(
    ("address", "arrives_as"),
    [
        ("x" * 64 + "@example.com", "x" * 64 + "@example.com"),
        ("zo\u00eb@example.com", "zo\u00eb@example.com"),
        ("pat@m\u00fcnchen.example", "pat@xn--mnchen-3ya.example"),
        ("pat@stra\u00dfe.example", "pat@xn--strae-oqa.example"),
        ("o'brien+bills=1@example.com", "o'brien+bills=1@example.com"),
    ],
)
def test_what_can_be_registered_is_mailed(world: World, address: str, arrives_as: str) -> None:
    world.login_guid("kim", "1001-01", EmailAddress=address, EmailVerified=True)
    vouch(world, "kim")
    body_of(world.post("/remote-authentication/update-email-address", {"UserName": "kim", "EmailAddress": "kim@example.com"}))
    assert {letter.to for letter in letters(world.hub)} == {arrives_as}
