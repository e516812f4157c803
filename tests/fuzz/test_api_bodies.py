"""Whatever is sent to the partner API is answered, and never with 5xx: bodies of any shape, in any field, for every operation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from hub.storage.migrations import migrate
from sso_connect.api.operations import OPERATIONS, Operation
from tests.sso_connect.api.test_bodies import at
from tests.sso_connect.api.world import ALL, World, body_of, open_world

WITH_BODY = [operation for operation in OPERATIONS if operation.request is not None]
FIELDS = sorted({str(field.alias) for each in WITH_BODY if each.request for field in each.request.model_fields.values()})

TEXTS = st.text(max_size=60) | st.sampled_from(
    [
        "pat",
        "1001-01",
        "pat@example.com",
        "idht_" + "x" * 43,
        "2031-05-04T12:30:00Z",
        "O100-1",
        "\u2028",
        "\u202e",
        "ﬀ",
        "İ",
        "ß@ß.example",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
NAMES = st.sampled_from([*FIELDS, "AccountNumber", "MeterID", "Commodity", "Active", "LogInTypeID"]) | st.text(max_size=20)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all cases, with a user and a key without a limit that matters."""
    folder = tmp_path_factory.mktemp("fuzz-api")
    migrate(f"sqlite:///{folder / 'template.db'}")
    world = open_world(Path(shutil.copy(folder / "template.db", folder / "hub.db")))
    world.add_key("fast", world.riverbend, "one", replace(ALL, rate_per_second=100_000, burst=1_000_000))
    world.login_guid("pat", "1001-01")
    yield world
    world.hub.close()


def ask(fuzzed: World, operation: Operation, raw: bytes) -> TestResponse:
    """Any body to an operation, about an account that is there."""
    return fuzzed.send(operation.method, at(fuzzed, operation), raw, "fast")


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: str(operation.name))
@given(data=st.data())
def test_any_fields_are_answered(fuzzed: World, operation: Operation, data: st.DataObject) -> None:
    assert operation.request is not None
    own = st.sampled_from(sorted(str(field.alias) for field in operation.request.model_fields.values()))
    body = data.draw(st.dictionaries(own | NAMES, JSON, max_size=6))
    answer = ask(fuzzed, operation, json.dumps(body).encode())  # which asserts what every answer promises, and that it is below 500
    assert answer.status_code in {200, 201, 204, 400, 403, 404, 409, 422}


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: str(operation.name))
@given(raw=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_answered(fuzzed: World, operation: Operation, raw: bytes) -> None:
    assert ask(fuzzed, operation, raw).status_code in {200, 201, 204, 400, 404, 409, 422}


@given(
    number=TEXTS,
    texts=st.dictionaries(st.sampled_from(["UserName", "EmailAddress", "PartnerUserID"]), TEXTS, max_size=3),
)
def test_any_texts_in_the_right_places_are_answered(fuzzed: World, number: str, texts: dict[str, Any]) -> None:
    body = {"UserName": "kim", "EmailAddress": "kim@example.com", "Accounts": [{"AccountNumber": number}], **texts}
    assert fuzzed.post("/remote-authentication/register-accounts", body, "fast").status_code in {200, 400, 409, 422}
    named = {**texts, "AccountNumbers": [number]}
    named.pop("PartnerUserID", None)
    assert fuzzed.post("/remote-authentication/retrieve-users", named, "fast").status_code in {200, 400, 422}


@given(secret=st.text(max_size=80), header=st.sampled_from(["X-Api-Key", "Authorization"]))
def test_any_key_is_answered(fuzzed: World, secret: str, header: str) -> None:
    plain = secret.encode("latin-1", "ignore").decode("latin-1").translate({10: None, 13: None, 0: None})
    answer = fuzzed.send("GET", "/ping", None, None, **{header.replace("-", "_"): plain})
    assert answer.status_code == 401


ROWS = st.sampled_from(
    ["FH", "IH", "CR", "ID", "|", "\n", "\r\n", "11/20/2026", "10.00", "1001-01", "O100-4821", "\ufeff", "\x00", "\\"]
)


@given(
    file=st.binary(min_size=1, max_size=300) | st.lists(ROWS, min_size=1, max_size=40).map(lambda parts: "".join(parts).encode())
)
def test_any_file_is_accepted_and_comes_to_an_end_that_its_sender_is_told(fuzzed: World, file: bytes) -> None:
    sent = body_of(fuzzed.send("POST", "/invoice-files", file, "fast", Content_Type="text/plain"), 202)
    fuzzed.hub.worker().step()
    told = body_of(fuzzed.get(f"/invoice-files/{sent['InvoiceFileID']}", "fast"))
    assert (told["Status"], told["Created"]) == ("Refused", 0)
    assert told["Reason"].startswith("line ")
    assert told["Size"] == len(file)
    fuzzed.clock.advance(timedelta(minutes=1))


@given(name=st.text(max_size=250), cursor=st.text(max_size=80), limit=st.text(max_size=6))
def test_any_parameters_of_files_and_records_are_answered(fuzzed: World, name: str, cursor: str, limit: str) -> None:
    for path, parameters in (
        ("/invoice-files/01890a5d-ac96-774b-bcce-b302099a8057", {"Cursor": cursor, "Limit": limit}),
        ("/customers", {"AccountNumber": name}),
        ("/customers", {"CustomerGUID": name}),
    ):
        answer = fuzzed.get(f"{path}?{urlencode(parameters, errors='replace')}", "fast")
        assert answer.status_code in {200, 400, 404, 422}
