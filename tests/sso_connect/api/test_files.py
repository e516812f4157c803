"""Upload invoice file and its status: by HTTP, and taken over by the worker."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import TestResponse

from idp.directory.api_keys import Scope
from sso_connect.api.operations import PREFIX
from sso_connect.imports.bif_rows import MAX_FILE_BYTES
from tests.sso_connect.api.world import ALL, MAKER, ORIGIN, World, body_of, check_answer, code_of, fields_of, unknown_guid
from tests.sso_connect.imports.bif_files import DATA, RIVERBEND, cr, detail, file_of, ih

FILE = (DATA / "9001_11202026.bif").read_bytes()
ROUTE = "/invoice-files"


@pytest.fixture(autouse=True)
def riverbend(world: World) -> None:
    """The file's BillerGuid is that of riverbend."""
    biller = world.riverbend
    with world.hub.database.begin() as stores:
        stores.billers.put_biller(replace(biller, guid=RIVERBEND))


def upload(
    world: World, content: bytes = FILE, key: str = "all", query: str = "", kind: str = "text/plain", **more: str
) -> TestResponse:
    return world.send("POST", f"{ROUTE}{query}", content, key, Content_Type=kind, **more)


def taken(world: World, content: bytes = FILE, **how: Any) -> str:
    """Upload and let the worker take it over; the id."""
    guid = body_of(upload(world, content, **how), 202)["InvoiceFileID"]
    world.hub.worker().step()
    assert isinstance(guid, str)
    return guid


def status(world: World, guid: str, key: str = "all", query: str = "") -> dict[str, Any]:
    return body_of(world.get(f"{ROUTE}/{guid}{query}", key))


def test_a_file_is_accepted_and_its_status_tells_what_became_of_it(world: World) -> None:
    answer = body_of(upload(world, query="?FileName=november.bif", kind="application/octet-stream"), 202)
    guid = answer["InvoiceFileID"]
    assert answer == {
        "InvoiceFileID": guid, "Status": "Waiting", "RoleCodes": "Imported", "StatusUrl": f"{ORIGIN}{PREFIX}{ROUTE}/{guid}",
    }  # fmt: skip
    waiting = status(world, guid)
    assert (waiting["Status"], waiting["FileName"], waiting["Size"], waiting["Read"]) == ("Waiting", "november.bif", len(FILE), 0)
    world.hub.worker().step()
    done = status(world, guid)
    # 1001-01, 1001-02 and 1002-01 were there already: their invoices are new all the same.
    assert (done["Status"], done["Read"], done["Created"], done["LeftOut"], done["Reason"]) == ("Done", 12, 12, 0, "")
    assert (done["Rows"], done["Cursor"]) == ([], None)
    assert done["FinishedAt"] == "2031-05-04T12:30:00Z"
    found = body_of(world.get("/customers?AccountNumber=1005-01"))
    bills = body_of(world.get(f"/customers/{found['CustomerGUID']}/invoices"))["Invoices"]
    assert [each["TotalAmountDue"] for each in bills] == ["77.12"]
    assert code_of(world.get("/customers?AccountNumber=1005-01", "lake")) == (404, "CustomerNotFound")


def test_rows_that_were_left_out_come_by_page(world: World) -> None:
    bad = [row for n in range(3) for row in (ih(InvoiceNumber=f"B-{n}", InvoiceDate="soon", Custom58="HUSH77"), cr(), detail())]
    guid = taken(world, file_of(ih(), cr(), detail(), *bad, count=4, total="40.00").read())
    whole = status(world, guid)
    assert (whole["Created"], whole["LeftOut"], len(whole["Rows"])) == (1, 3, 6)
    rows: list[Any] = []
    query = "?Limit=1"
    while True:
        page = status(world, guid, query=query)
        rows += page["Rows"]
        if page["Cursor"] is None:
            break
        query = f"?Limit=1&Cursor={page['Cursor']}"
    assert rows == whole["Rows"]
    assert "HUSH77" not in json.dumps(whole) + world.stored()
    other = taken(world)
    cursor = status(world, guid, query="?Limit=1")["Cursor"]
    for text in (cursor[2:], "x", "", "MDAwMDAwMDAwMDAwMDAwMC4xLjE"):
        assert list(fields_of(world.get(f"{ROUTE}/{guid}?Cursor={text}"))) == ["Cursor"], text
    assert list(fields_of(world.get(f"{ROUTE}/{other}?Cursor={cursor}"))) == ["Cursor"]
    assert list(fields_of(world.get(f"{ROUTE}/{guid}?Limit=201"))) == ["Limit"]


def test_a_warning_is_told_as_one_and_its_invoice_is_in(world: World) -> None:
    file = file_of(
        ih(),
        cr(EmailAddress="none"),
        detail(),
        *(ih(InvoiceNumber="A-2", InvoiceDate="soon"), cr(), detail()),
        count=2,
        total="20.00",
    )
    told = status(world, taken(world, file.getvalue() + b"\x1a"))
    assert (told["Status"], told["Created"], told["LeftOut"], told["Warnings"]) == ("Done", 1, 1, 2)
    assert [(row["Line"], row["Column"], row["Severity"]) for row in told["Rows"]] == [
        (3, "EmailAddress", "Warning"),
        (5, "InvoiceDate", "Error"),
        (8, "", "Warning"),
    ]


def test_a_credit_is_answered_with_its_sign(world: World) -> None:
    rows = (
        *(ih(TotalAmountDue="-12.00", PastDue="-12.00"), cr(), detail()),
        *(ih(InvoiceNumber="A-2"), cr(AccountNumber="1001-02"), detail()),
    )
    assert status(world, taken(world, file_of(*rows, count=2, total="-2.00").getvalue()))["Status"] == "Done"
    customer = body_of(world.get("/customers?AccountNumber=1001-01"))
    (bill,) = body_of(world.get(f"/customers/{customer['CustomerGUID']}/invoices"))["Invoices"]
    assert (bill["TotalAmountDue"], bill["PastDue"]) == ("-12.00", "-12.00")


def test_a_refused_file_says_why(world: World) -> None:
    guid = taken(world, FILE.replace(b"3263.14", b"3263.15"))
    told = status(world, guid)
    assert (told["Status"], told["Reason"]) == ("Refused", "line 1: TotalInvoiceAmount is 3263.15, the invoices come to 3263.14")


def test_a_file_of_another_biller_is_refused(world: World) -> None:
    guid = taken(world, key="lake")
    told = status(world, guid, "lake")
    assert (told["Status"], told["Reason"]) == ("Refused", "line 1: BillerGuid is that of another biller")


def test_an_upload_of_another_partner_or_biller_is_not_there(world: World) -> None:
    guid = taken(world)
    for key in ("own", "lake", "other"):
        assert code_of(world.get(f"{ROUTE}/{guid}", key)) == (404, "InvoiceFileNotFound")
    assert code_of(world.get(f"{ROUTE}/{unknown_guid()}")) == (404, "InvoiceFileNotFound")
    assert list(fields_of(world.get(f"{ROUTE}/none"))) == ["InvoiceFileID"]
    world.add_key("second", world.riverbend, "one", ALL)
    assert status(world, guid, "second")["Status"] == "Done", "another key of the same partner"


def test_the_same_file_again_answers_the_upload_that_is_there(world: World) -> None:
    first = body_of(upload(world), 202)
    assert body_of(upload(world, query="?FileName=again.bif"), 202) == first
    world.hub.worker().step()
    again = body_of(upload(world), 202)
    assert (again["InvoiceFileID"], again["Status"]) == (first["InvoiceFileID"], "Done")
    assert body_of(upload(world, key="own"), 202)["InvoiceFileID"] != first["InvoiceFileID"]


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""])
def test_a_body_that_does_not_call_itself_a_file_is_415(world: World, kind: str) -> None:
    assert code_of(upload(world, kind=kind)) == (415, "UnsupportedMediaType")


def test_an_empty_file_and_a_wrong_parameter_are_named(world: World) -> None:
    assert list(fields_of(upload(world, b""))) == ["Body"]
    assert list(fields_of(upload(world, query="?FileName=" + "x" * 201))) == ["FileName"]
    assert list(fields_of(upload(world, query="?BID=202"))) == ["bid"]


def test_a_key_without_the_scope_neither_sends_nor_sees_files(world: World) -> None:
    guid = taken(world)
    world.add_key("less", world.riverbend, "one", replace(ALL, scopes=frozenset(Scope) - {Scope.FILES}))
    assert code_of(upload(world, key="less")) == (403, "ScopeMissing")
    assert code_of(world.get(f"{ROUTE}/{guid}", "less")) == (403, "ScopeMissing")


class Endless:
    """A body without end or length, and how it was read."""

    def __init__(self, breaks_at: int = 2**40) -> None:
        self.most = self.given = 0
        self.breaks_at = breaks_at

    def read(self, size: int = -1, /) -> bytes:
        assert size >= 0, "read whole"
        self.most = max(self.most, size)
        given = min(size, 1 << 20, self.breaks_at - self.given)
        self.given += given
        return b"x" * given


def stream(world: World, body: Endless, length: int | None) -> TestResponse:
    """As a server gives a body that comes in bit by bit."""
    answer = world.client.open(
        f"{PREFIX}{ROUTE}",
        method="POST",
        headers={"X-Api-Key": world.keys["all"].secret, "Content-Type": "application/octet-stream"},
        environ_overrides={
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "CONTENT_LENGTH": "" if length is None else str(length),
        },
        base_url=ORIGIN,
    )
    check_answer("POST", ROUTE, answer)
    return answer


def test_a_body_that_says_it_is_too_long_is_not_read_at_all(world: World) -> None:
    body = Endless()
    assert code_of(stream(world, body, MAX_FILE_BYTES + 1)) == (413, "BodyTooLarge")
    assert body.given == 0


def test_a_body_without_length_is_read_piece_by_piece_until_it_is_too_long_and_nothing_stays(world: World) -> None:
    body = Endless()
    assert code_of(stream(world, body, None)) == (413, "BodyTooLarge")
    assert body.given <= MAX_FILE_BYTES + 1
    assert body.most <= 1 << 20
    assert 'INSERT INTO "uploads"' not in world.stored()
    assert 'INSERT INTO "upload_chunks"' not in world.stored()


def test_a_body_that_ends_before_its_length_is_no_upload(world: World) -> None:
    assert code_of(stream(world, Endless(3_000_000), 4_000_000)) == (400, "MalformedRequest")
    assert 'INSERT INTO "uploads"' not in world.stored()
    body_of(stream(world, Endless(3_000_000), 3_000_000), 202)
    assert 'INSERT INTO "uploads"' in world.stored()


def test_who_sent_the_file_stands_in_the_change_log_and_its_content_nowhere(world: World) -> None:
    answer = upload(world)
    world.hub.worker().step()
    stored = world.stored()
    assert stored.count("'file.upload','partner'") == 1
    assert stored.count("'import.run','partner'") == 1
    assert answer.headers["X-Request-Id"] in stored
    assert "4821-3977" not in stored


def test_a_disabled_biller_or_revoked_key_uploads_nothing(world: World) -> None:
    guid = taken(world)
    world.hub.api_keys.revoke(MAKER, "r", 101, world.keys["all"].key.id)
    assert code_of(upload(world)) == (401, "InvalidApiKey")
    assert code_of(world.get(f"{ROUTE}/{guid}")) == (401, "InvalidApiKey")
    world.change_biller(world.lakeside, disabled=True)
    assert code_of(upload(world, key="lake")) == (401, "InvalidApiKey")


def test_the_old_name_answers_too(world: World) -> None:
    for path in ("/UploadInvoiceFile", "/invoice-files/UploadInvoiceFile", "/InvoiceFiles/uploadinvoicefile"):
        answer = world.send("POST", path, FILE, "all", Content_Type="text/plain")
        assert body_of(answer, 202)["Status"] == "Waiting", path
