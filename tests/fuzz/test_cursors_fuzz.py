"""Where a list goes on is said by what the page before gave, and by nothing else: no other text is a failure or another's list."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from hub.storage.migrations import migrate
from idp.billing.invoices import Invoice, InvoiceLine
from idp.directory.customers import Customer
from idp.opaque import new_id
from tests.sso_connect.api.world import ALL, START, World, body_of, open_world
from tests.sso_connect.imports.bif_files import cr, detail, file_of, ih

EVIL_TEXTS = [
    "\x00", "\ud800", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2031-05-04T12:30:00", "0001-01-01", "9999-12-31",
    "x" * 1000, "", "é", "\u2028", "00000000-0000-0000-0000-000000000000", "2031-05-04T12:30:00+00:00",
]  # fmt: skip
EVIL: list[Any] = [*EVIL_TEXTS, 10**30, 2**63, 2**31, -1, 0, None, True, [], {}, 1e999, 1.5]
SCALARS = st.sampled_from(EVIL) | st.text(max_size=30) | st.integers() | st.floats()
SHAPES = {"diagnostics": 7, "invoices": 2, "rows": 2}

CRAFTED = [
    [["0001-01-01T00:00:00+14:00", "x"], None],
    [["2031-05-04T12:30:00+00:00", "\x00"], None],
    [["2031-05-04T12:30:00+00:00", "\ud800"], None],
    [None, ["0001-01-01T00:00:00+14:00", "00000000-0000-0000-0000-000000000000", "a", "b", "c"]],
    [None, ["2031-05-04T12:30:00+00:00", "00000000-0000-0000-0000-000000000000", "\x00", "\ud800", "c"]],
]
"""Each of these was a failure of `GET /diagnostics/recent` once."""


@dataclass(frozen=True)
class Lists:
    """A world in which every list has several pages, the addresses of the lists, and a cursor of each."""

    world: World
    paths: dict[str, str]
    cursors: dict[str, str]

    def ask(self, name: str, cursor: str) -> TestResponse:
        path, _, key = self.paths[name].partition(" ")
        return self.world.get(f"{path}?Limit=1&Cursor={quote(cursor, errors='surrogatepass')}", key)


def packed(position: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode().rstrip("=")


def _bill(world: World, customer: Customer) -> None:
    with world.hub.database.begin() as stores:
        for number in range(3):
            day = date(2030, 1, 1 + number)
            line = InvoiceLine("Water", Decimal(1), 1)
            stores.invoices.put_invoice(
                Invoice(
                    new_id(), customer.bid, customer.id, f"N{number}", "H", new_id(), "", day, day, 1, 0, "USD", {}, (line,), START
                )
            )


def _upload(world: World, key: str, guid: UUID) -> str:
    bad = ih(InvoiceNumber="A-2", InvoiceDate="soon", Custom58="HUSH77"), cr(AccountNumber="1001-02"), detail()
    file = (
        file_of(ih(), cr(), detail(), *bad, count=2, total="20.00")
        .read()
        .replace(b"D99EDA17-2AF5-5AC0-AE88-9A0D9422BC15", str(guid).encode())
    )
    sent = world.send("POST", "/invoice-files", file, key, Content_Type="text/plain")
    world.hub.worker().step()
    world.clock.advance(timedelta(minutes=1))
    return str(body_of(sent, 202)["InvoiceFileID"])


def _fill(world: World) -> Lists:
    fast = replace(ALL, rate_per_second=100_000, burst=1_000_000)
    for name, biller, partner in (
        ("fast", world.riverbend, "one"), ("fast-two", world.riverbend, "two"), ("fast-lake", world.lakeside, "one"),
    ):  # fmt: skip
        world.add_key(name, biller, partner, fast)
    paths: dict[str, str] = {}
    for key in ("fast", "fast-two", "fast-lake"):
        paths[f"diagnostics {key}"] = f"/diagnostics/recent {key}"
        for _ in range(3):
            world.clock.advance(timedelta(seconds=1))
            world.authenticate(key, UserName="nobody")
    for number, biller, key in (
        ("1001-01", world.riverbend, "fast"),
        ("1002-01", world.riverbend, "fast"),
        ("1001-01", world.lakeside, "fast-lake"),
    ):
        customer = world.hub.customers.get_by_account(biller, number)
        _bill(world, customer)
        paths[f"invoices {biller.slug} {number}"] = f"/customers/{customer.id}/invoices {key}"
    for key, biller in (("fast", world.riverbend), ("fast-two", world.riverbend), ("fast-lake", world.lakeside)):
        paths[f"rows {key}"] = f"/invoice-files/{_upload(world, key, biller.guid)} {key}"
    return Lists(world, paths, {})


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def lists(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lists]:
    folder = tmp_path_factory.mktemp("cursors")
    url = ""
    if request.param == "postgres":
        url = request.getfixturevalue("module_postgres_url")
    else:
        migrate(f"sqlite:///{folder / 'template.db'}")
        shutil.copy(folder / "template.db", folder / "hub.db")
    world = open_world(folder / "hub.db", url)
    made = _fill(world)
    for name, place in made.paths.items():
        path, _, key = place.partition(" ")
        cursor = body_of(world.get(f"{path}?Limit=1", key))["Cursor"]
        assert isinstance(cursor, str), name
        made.cursors[name] = cursor
    yield made
    world.hub.close()


def whose(cursor: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))[0]


def check_refused(answer: TestResponse) -> None:
    assert answer.status_code == 422, answer.text
    assert [each["Field"] for each in json.loads(answer.data)["Errors"]] == ["Cursor"]


def test_a_cursor_is_good_for_the_list_that_gave_it_and_for_no_other(lists: Lists) -> None:
    for name in lists.paths:
        for of, cursor in lists.cursors.items():
            answer = lists.ask(name, cursor)
            if of == name:
                told = body_of(answer)
                assert len(next(told[field] for field in ("Results", "Invoices", "Rows") if field in told)) == 1
            else:
                check_refused(answer)


@pytest.mark.parametrize("position", CRAFTED)
def test_a_crafted_position_is_refused_by_name_everywhere(lists: Lists, position: Any) -> None:
    for name, cursor in lists.cursors.items():
        check_refused(lists.ask(name, packed(position)))
        check_refused(lists.ask(name, packed([whose(cursor), *position])))


@given(data=st.data())
def test_a_position_of_the_right_shape_and_the_right_list_is_never_a_failure(lists: Lists, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(lists.cursors)))
    parts = SHAPES[name.partition(" ")[0]]
    position = data.draw(st.lists(SCALARS, min_size=parts, max_size=parts))
    answer = lists.ask(name, packed([whose(lists.cursors[name]), *position]))
    assert answer.status_code in {200, 422}


@given(data=st.data())
def test_a_cursor_without_the_mark_of_its_list_is_refused_by_name(lists: Lists, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(lists.cursors)))
    inner = st.recursive(SCALARS, lambda some: st.lists(some, max_size=8), max_leaves=10)
    check_refused(lists.ask(name, packed(data.draw(inner))))


@given(data=st.data())
def test_any_text_for_a_cursor_is_refused_by_name(lists: Lists, data: st.DataObject) -> None:
    odd = st.sampled_from(["%00", "=", "A", "AAA=", "\x00", "\ud800", "x" * 5000, "e30", "W10", "bnVsbA", "[" * 900])
    name = data.draw(st.sampled_from(sorted(lists.cursors)))
    check_refused(lists.ask(name, data.draw(st.text(max_size=100) | odd)))


@given(data=st.data())
def test_a_cursor_of_ours_with_any_change_in_it_is_no_failure(lists: Lists, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(lists.cursors)))
    raw = bytearray(base64.urlsafe_b64decode(lists.cursors[name] + "=" * (-len(lists.cursors[name]) % 4)))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    answer = lists.ask(name, base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="))
    assert answer.status_code in {200, 422}
