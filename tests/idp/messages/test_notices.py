"""Notices: in the payer's language, the link alone on its line, names on one line, addresses masked where a stranger may read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from idp.directory.billers import Biller
from idp.directory.users import User
from idp.messages.mail import MailStores
from idp.messages.notices import Notices, masked
from tests.contracts.sql_stores import OAKDALE, sample_biller, sample_user

LINK = "https://oakdale.portal.example.com/b/oakdale/confirm#made-up"
BILLER = sample_biller(OAKDALE, "oakdale", dba="Oakdale & Sons")
ANN = sample_user(OAKDALE, "ann")
BEA = sample_user(OAKDALE, "bea", locale="es")


class Posted:
    """Stands where Mails stands, and keeps what is posted."""

    def __init__(self) -> None:
        self.mails: list[tuple[UUID | None, str, str, str, str]] = []

    def post(
        self, _stores: object, bid: int, user_id: UUID | None, template: str, to: str, subject: str, body: str, **more: object
    ) -> None:
        assert bid == OAKDALE
        assert more["handling"] == ("question" if LINK in body else "notice")
        self.mails.append((user_id, template, to, subject, body))


Write = Callable[[Notices, MailStores, Biller, User], None]
WRITES: dict[str, Write] = {
    "confirm_password": lambda notices, stores, biller, user: notices.ask_for_password(
        stores, biller, user, user.email, "Portal", LINK
    ),
    "confirm_address": lambda notices, stores, biller, user: notices.ask_for_address(
        stores, biller, user, user.email, "Portal", "new@example.com", LINK
    ),
    "password_changed": lambda notices, stores, biller, user: notices.password_changed(stores, biller, user, "Portal"),
    "address_changed": lambda notices, stores, biller, user: notices.address_changed(stores, biller, user, "new@example.com"),
}


def written(write: Write, biller: Biller = BILLER, user: User = ANN) -> tuple[UUID | None, str, str, str, str]:
    posted = Posted()
    write(Notices(posted), None, biller, user)  # type: ignore[arg-type]
    (mail,) = posted.mails
    return mail


@pytest.mark.parametrize("template", WRITES)
def test_a_notice_goes_to_the_stored_address_and_names_user_and_biller(template: str) -> None:
    user_id, named, to, subject, body = written(WRITES[template])
    assert (user_id, named, to) == (ANN.id, template, "ann@example.com")
    assert subject.startswith("Oakdale & Sons: ")
    assert "ann" in body
    assert body.rstrip().endswith("Oakdale & Sons")
    assert "{" not in subject + body


@pytest.mark.parametrize("template", WRITES)
def test_a_notice_speaks_the_payers_language_and_else_the_billers(template: str) -> None:
    english, spanish = written(WRITES[template]), written(WRITES[template], user=BEA)
    assert english[4].startswith("Hello,")
    assert spanish[4].startswith("Hola:")
    assert written(WRITES[template], replace(BILLER, locale="es"))[4].startswith("Hola:")


@pytest.mark.parametrize("template", ["confirm_password", "confirm_address"])
def test_a_link_stands_alone_on_its_line(template: str) -> None:
    for user in (ANN, BEA):
        assert written(WRITES[template], user=user)[4].splitlines().count(LINK) == 1


@pytest.mark.parametrize("template", WRITES)
def test_a_name_with_line_breaks_cannot_pose_as_a_line_of_ours(template: str) -> None:
    nasty = "Oakdale\r\nBcc: x@example.com\n\nhttps://evil.example.com"
    _, _, _, subject, body = written(WRITES[template], replace(BILLER, dba=nasty))
    assert "\n" not in subject + "".join(line for line in body.splitlines() if line.startswith("Bcc"))
    assert "https://evil.example.com" not in body.splitlines()
    assert not [line for line in body.splitlines() if line.startswith("Bcc")]


def test_the_old_address_hears_of_the_new_one_masked() -> None:
    assert masked("noor@example.com") == "n***@example.com"
    body = written(WRITES["address_changed"])[4]
    assert "new@example.com" not in body
    assert "n***@example.com" in body


def test_both_are_told_when_a_seat_moves_each_in_its_language() -> None:
    posted = Posted()
    Notices(posted).seat_moved(None, BILLER, "1001-01", gained=ANN, lost=BEA)  # type: ignore[arg-type]
    (gained, lost) = posted.mails
    assert (gained[0], gained[1]) == (ANN.id, "seat_gained")
    assert (lost[0], lost[1]) == (BEA.id, "seat_lost")
    assert "1001-01" in gained[4]
    assert "1001-01" in lost[4]
    assert lost[4].startswith("Hola:")
