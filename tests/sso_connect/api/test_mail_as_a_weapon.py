"""What a key can do to a mailbox: how many mails it can cause, and what it can make them say."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from idp.accounts.register import AccountWanted, Wanted
from idp.directory.api_keys import KeyPolicies
from idp.directory.billers import Biller
from tests.mailbox import Letter, letters
from tests.sso_connect.api.people import RIGHT, give_password, update_password, user_named
from tests.sso_connect.api.world import ALL, MAKER, World, body_of, fields_of

ROUTE = "/remote-authentication/update-email-address"
VICTIM = "victim@example.com"
NASTY = "Your bill is overdue: pay at https://evil.example/pay now"


def update(world: World, name: str, email: str, key: str = "all") -> None:
    body_of(world.post(ROUTE, {"UserName": name, "EmailAddress": email}, key))


def to(world: World, address: str) -> list[Letter]:
    return [letter for letter in letters(world.hub) if letter.to == address]


def named(world: World, name: str, biller: Biller | None = None) -> None:
    """A user whose name is older than the rules for names."""
    user = user_named(world, "pat", biller)
    with world.hub.database.begin() as stores:
        stores.users.put_user(replace(user, user_name=name))


@pytest.fixture(autouse=True)
def people(world: World) -> None:
    for biller in (world.riverbend, world.lakeside):
        wanted = Wanted("pat", "pat@example.com", (AccountWanted("1001-01"),))
        world.hub.register.register(MAKER, "r", biller, wanted, None)


# --- how many ----------------------------------------------------------------------------------------------------------------


def test_flipping_an_address_without_end_brings_a_mailbox_five_mails_an_hour_that_leave_nothing_out(world: World) -> None:
    world.hub.users.change(MAKER, "r", 101, user_named(world, "pat").id, email=VICTIM)
    for number in range(50):
        update(world, "pat", f"other-{number}@example.com")
        update(world, "pat", VICTIM)
        letters(world.hub)
        world.clock.advance(timedelta(seconds=20))
    got = to(world, VICTIM)
    assert 1 <= len(got) <= 5
    for _ in range(48):
        world.clock.advance(timedelta(minutes=30))
        letters(world.hub)
    got = to(world, VICTIM)
    assert len(got) <= 20
    told = sum(count_of(letter) for letter in got)
    assert told == 50, [letter.subject for letter in got]


def count_of(letter: Letter) -> int:
    """How many changes a mail tells of: a summary says how often each came."""
    lines = re.findall(r"^- .*?(?: \((\d+) times\))?$", letter.body, re.MULTILINE)
    return sum(int(times or 1) for times in lines) if lines else 1


def test_the_first_change_is_told_at_once_and_what_follows_within_ten_minutes_in_one_mail(world: World) -> None:
    for number in range(4):
        update(world, "pat", f"other-{number}@example.com")
    assert len(to(world, "pat@example.com")) == 1
    world.clock.advance(timedelta(minutes=11))
    _, second = to(world, "pat@example.com")
    assert second.subject == "Riverbend Water: 3 changes to your login"
    assert count_of(second) == 3
    assert "o***@example.com" in second.body
    world.clock.advance(timedelta(hours=2))
    assert len(to(world, "pat@example.com")) == 2


def test_one_change_that_waited_is_told_as_itself(world: World) -> None:
    for number in range(2):
        update(world, "pat", f"other-{number}@example.com")
    assert len(to(world, "pat@example.com")) == 1
    world.clock.advance(timedelta(minutes=11))
    assert [letter.subject for letter in to(world, "pat@example.com")] == ["Riverbend Water: your e-mail address was changed"] * 2


def test_notices_of_another_kind_another_user_or_another_biller_do_not_wait_for_each_other(world: World) -> None:
    give_password(world, "pat")
    update(world, "pat", "other@example.com")
    assert update_password(world, "all", "pat", CurrentPassword=RIGHT).status_code == 204
    update(world, "pat", "other@example.com", "lake")
    assert sorted(letter.subject for letter in to(world, "pat@example.com")) == [
        "Lakeside Power: your e-mail address was changed",
        "Riverbend Water: your e-mail address was changed",
        "Riverbend Water: your password was changed",
    ]


def test_a_mailbox_of_many_users_gets_no_more_for_that(world: World) -> None:
    for number in range(12):
        wanted = Wanted(f"user-{number}", VICTIM, (AccountWanted("1001-02"),))
        world.hub.register.register(MAKER, "r", world.riverbend, wanted, None)
        update(world, f"user-{number}", f"other-{number}@example.com")
    assert len(to(world, VICTIM)) == 5
    world.clock.advance(timedelta(hours=1))
    summary = to(world, VICTIM)[-1]
    assert summary.subject == "Riverbend Water: 7 changes to your login"
    assert {f'"user-{number}"' for number in range(12)} - set(re.findall(r'"user-\d+"', summary.body)) == set(
        re.findall(r'"user-\d+"', " ".join(letter.body for letter in to(world, VICTIM)[:5]))
    )


def test_what_was_held_or_folded_is_recorded_with_its_reason(world: World) -> None:
    for number in range(4):
        update(world, "pat", f"other-{number}@example.com")
    letters(world.hub)
    with world.hub.database.read() as stores:
        held = stores.mails.list_mails(101, "held", 10)
    assert [(mail.to, mail.reason, mail.sent_at) for mail in held] == [("pat@example.com", "same_kind", None)] * 3
    world.clock.advance(timedelta(minutes=11))
    letters(world.hub)
    with world.hub.database.read() as stores:
        summary = next(mail for mail in stores.mails.list_mails(101, "", 10) if mail.template == "summary")
        folded = stores.mails.list_mails(101, "folded", 10)
        assert stores.mails.list_mails(101, "held", 10) == stores.mails.list_mails(202, "", 10) == []
    assert [mail.reason for mail in folded] == [f"told by {summary.id}"] * 3


# --- what they say ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        NASTY, "a\nb", "a\r\nBcc: x@example.com", "a\u2028b", "a\u202eb", "a\u2066b", "a\u200bb", "a\ufeffb", "a\u00adb", "x://y",
        "a\tb",
    ],
)  # fmt: skip
def test_a_user_name_with_an_address_line_breaks_or_invisible_characters_is_refused_at_that_field(world: World, name: str) -> None:
    refused = world.register(name, "1001-02", EmailAddress="x@example.com")
    assert list(fields_of(refused)) == ["UserName"]


def test_a_name_from_before_the_rules_can_still_be_named_and_is_quoted_and_cut_in_mails(world: World) -> None:
    named(world, NASTY)
    give_password(world, "pat")
    update(world, "pat", "other@example.com")
    assert update_password(world, "all", "pat", CurrentPassword=RIGHT).status_code == 204
    for letter in to(world, "pat@example.com"):
        text = letter.subject + "\n" + letter.body
        assert "://" not in text
        assert "evil.example" not in text
        assert '"Your bill is overdue: pay at …"' in text
        assert not [line for line in letter.body.splitlines() if line.startswith("Your bill")]


@pytest.mark.parametrize("name", ["x" * 100, "a" * 39 + "\u202e" + "b" * 60, 'He said "pay" now', "Ann\nhttps://evil.example\n"])
def test_names_are_shown_in_quotation_marks_short_and_on_one_line(world: World, name: str) -> None:
    named(world, name)
    update(world, "pat", "other@example.com")
    (letter,) = to(world, "pat@example.com")
    (shown,) = re.findall(r'user name ("[^"\n]*") at', letter.body)
    assert len(shown) <= 42
    assert "\u202e" not in shown


def test_what_partners_are_called_is_quoted_too_also_in_subjects(world: World) -> None:
    world.hub.partners.change(MAKER, "r", "one", name=NASTY)
    give_password(world, "pat")
    assert update_password(world, "all", "pat").status_code == 202
    (letter,) = to(world, "pat@example.com")
    assert "https" not in letter.subject
    assert '"Your bill is overdue: pay at …"' in letter.subject
    assert re.findall(r"https?://\S+", letter.body) == [letter.link]


def test_account_numbers_and_addresses_that_partners_wrote_are_quoted(world: World) -> None:
    number = "Pay at https://evil.example"
    world.add_customer(world.riverbend, number, email="noor@example.com")
    body: dict[str, Any] = {"AccountNumber": number, "EmailAddress": "noor.new@example.com"}
    body_of(world.post(ROUTE, body))
    (letter,) = to(world, "noor@example.com")
    assert "://" not in letter.body + letter.subject
    assert '"Pay at …"' in letter.body


def test_other_keys_go_on_while_one_has_used_up_its_mails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from idp.messages import mail_caps

    monkeypatch.setattr(mail_caps, "KEY_PER_HOUR", 2)
    world.add_key("second", world.riverbend, "two", ALL)
    for number in range(4):
        wanted = Wanted(f"user-{number}", f"user-{number}@example.com", (AccountWanted("1001-02"),))
        world.hub.register.register(MAKER, "r", world.riverbend, wanted, None)
    for number in range(3):
        update(world, f"user-{number}", f"other-{number}@example.com")
    update(world, "user-3", "other-3@example.com", "second")
    assert sorted(letter.to for letter in letters(world.hub)) == ["user-0@example.com", "user-1@example.com", "user-3@example.com"]
    (alarm,) = [each for each in world.hub.alarms.list_recent(101) if each.kind == "mails.held"]
    assert alarm.subject == f"key:{world.keys['all'].key.id}"
    world.clock.advance(timedelta(hours=1))
    assert len(letters(world.hub)) == 4


def test_a_partner_that_writes_over_the_contact_is_not_asked_about_what_comes_by_another_partners_key(world: World) -> None:
    world.add_key("one", world.riverbend, "one", KeyPolicies())
    world.add_key("two", world.riverbend, "two", KeyPolicies())
    world.add_customer(world.riverbend, "5005-05", email=VICTIM)
    for address in ("", "trudy@evil.example"):
        body_of(world.send("PATCH", "/customers?AccountNumber=5005-05", json.dumps({"EmailAddress": address}).encode(), "one"))
    body_of(world.register("trudy", "5005-05", key="two"))
    assert [letter.to for letter in letters(world.hub) if "/objection" in letter.body] == [VICTIM]
