"""Role codes in invoice files that keys send, and who wrote what such a file says."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest

from idp.directory.api_keys import Scope
from idp.directory.provenance import writer_of
from idp.directory.rights import LoginType
from idp.directory.role_codes import ParsedCode, stored_code
from tests.sso_connect.imports import test_uploads as uploads
from tests.sso_connect.imports.bif_files import cr, detail, file_of, ih
from tests.sso_connect.imports.import_house import POWER, WATER
from tests.sso_connect.imports.test_uploads import Office

office = uploads.office


def bill(account: str = "1001-01", number: str = "A-1", day: str = "11/18/2026", codes: str = "O100-4821") -> bytes:
    return file_of(ih(InvoiceNumber=number, InvoiceDate=day, Custom58=codes), cr(AccountNumber=account), detail()).read()


def alarms(office: Office, bid: int = WATER) -> list[str]:
    return [alarm.kind for alarm in office.house.alarms.list_recent(bid)]


def limit(office: Office, name: str, **changes: Any) -> None:
    """Take something from a key of the office, or give it back."""
    office.keys[name] = replace(office.keys[name], **changes)
    with office.house.database.begin() as stores:
        stores.api_keys.put_key(office.keys[name])


def test_a_file_of_a_key_without_the_scope_feeds_no_role_codes_and_everything_else(office: Office) -> None:
    sent = office.send(bill(), key="no codes")
    assert not sent.sets_role_codes
    office.work()
    told = office.told(sent)
    assert told.upload.state == "done"
    assert told.run is not None
    assert (told.run.created, told.run.left_out, told.run.role_codes_left_out) == (1, 0, True)
    assert office.house.codes() == []
    assert office.house.customer().name
    assert len(office.house.invoices()) == 1
    assert "4821" not in repr(office.house.everything())


def test_a_file_of_such_a_key_takes_no_printed_code_away_and_a_bad_code_in_it_is_no_fault(office: Office) -> None:
    office.house.take(io.BytesIO(bill()))
    before = office.house.codes()
    for codes in ("", "G500", "X999", "O100-1;O100-2"):
        sent = office.send(bill(number="A-2", day="11/19/2026", codes=codes), key="no codes")
        office.work()
        run = office.told(sent).run
        assert run is not None
        assert (run.left_out, run.role_codes_left_out) == (0, bool(codes))
        assert office.house.codes() == before
    assert alarms(office) == []


def test_a_file_of_such_a_key_does_not_hold_back_the_codes_of_later_ones(office: Office) -> None:
    office.house.take(io.BytesIO(bill()))
    office.send(bill(number="Z-9", day="11/18/2099", codes=""), key="no codes")
    office.work()
    office.house.take(io.BytesIO(bill(number="A-2", day="12/18/2026", codes="O100-9999")))
    (code,) = office.house.codes()
    assert (
        code.digest
        == stored_code(office.house.secrets, WATER, office.house.customer().id, ParsedCode(LoginType.OWNER, "9999")).digest
    )


@pytest.mark.parametrize("what", ["scope", "files", "key", "partner"])
def test_a_key_that_lost_the_right_after_it_sent_the_file_feeds_no_role_codes(office: Office, what: str) -> None:
    sent = office.send(bill())
    assert sent.sets_role_codes
    key = office.keys["one"]
    match what:
        case "scope":
            limit(office, "one", policies=replace(key.policies, scopes=key.policies.scopes - {Scope.ROLE_CODES_WRITE}))
        case "files":
            limit(office, "one", policies=replace(key.policies, scopes=key.policies.scopes - {Scope.FILES}))
        case "key":
            limit(office, "one", revoked_at=office.house.clock.now())
        case _:
            with office.house.database.begin() as stores:
                stores.partners.put_partner(replace(key.partner, disabled=True))
    office.work()
    run = office.told(sent).run
    assert run is not None
    assert (run.state, run.created, run.role_codes_left_out) == ("done", 1, True)
    assert office.house.codes() == []


def test_a_key_that_was_given_the_right_after_it_sent_the_file_must_send_it_again(office: Office) -> None:
    first = office.send(bill(), key="no codes")
    limit(office, "no codes", policies=office.keys["one"].policies)
    again = office.send(bill(), key="no codes")
    assert again.id != first.id, "it is not the same upload: its codes count"
    office.work()
    office.work()
    assert len(office.house.codes()) == 1
    runs = [office.told(each, "no codes").run for each in (first, again)]
    assert [run.role_codes_left_out for run in runs if run is not None] == [True, False]


def test_a_file_that_touches_printed_codes_or_many_accounts_sounds_an_alarm_and_one_that_does_not_is_quiet(office: Office) -> None:
    office.send(bill())
    office.work()
    assert alarms(office) == []
    office.send(bill(number="A-2", day="12/18/2026", codes="O100-5555"))
    office.work()
    assert alarms(office) == [], "its own"
    office.house.take(io.BytesIO(bill("1001-02", "B-1", codes="O100-7777")))
    office.send(bill("1001-02", "B-2", "12/18/2026", codes="O100-8888"))
    office.work()
    assert alarms(office) == ["role_codes.replaced"]
    assert alarms(office, POWER) == []


def test_a_file_with_codes_of_many_accounts_sounds_an_alarm(office: Office) -> None:
    rows = [row for n in range(11) for row in (ih(InvoiceNumber=f"A-{n}", Custom58="O100-1"), cr(AccountNumber=f"7-{n}"), detail())]
    office.send(file_of(*rows, count=11, total="110.00").read())
    office.work()
    assert alarms(office) == ["role_codes.replaced"]
    assert str(office.keys["one"].id) in office.house.alarms.list_recent(WATER)[0].subject


def test_the_operators_own_files_feed_role_codes_and_sound_nothing(office: Office) -> None:
    rows = [row for n in range(11) for row in (ih(InvoiceNumber=f"A-{n}", Custom58="O100-1"), cr(AccountNumber=f"7-{n}"), detail())]
    office.house.take(file_of(*rows, count=11, total="110.00"))
    assert len(office.house.codes("7-1")) == 1
    assert alarms(office) == []


def test_what_a_file_says_is_written_by_whoever_sent_it_and_keeps_its_first_writer(office: Office) -> None:
    by_one = writer_of(office.keys["one"])
    office.send(bill())
    office.work()
    customer, (invoice,) = office.house.customer(), office.house.invoices()
    assert [customer.writer(name) for name in ("name", "email", "zip")] == [by_one] * 3
    assert (invoice.written_by, [code.written_by for code in office.house.codes()]) == (by_one.text(), [by_one.text()])
    run = office.house.take(io.BytesIO(bill()))
    assert run.unchanged == 1
    assert office.house.customer() == customer, "a file of the operator's that says the same takes nothing over"
    assert office.house.invoices() == [invoice]
    office.house.take(io.BytesIO(bill(number="A-2", day="12/18/2026", codes="O100-4821;G500")))
    assert [each.written_by for each in office.house.invoices()] == ["file", by_one.text()]
    assert sorted(code.written_by for code in office.house.codes()) == ["file", by_one.text()]
