"""Billers: found by host AND slug, checked in every field, changed at once in every process, one to an origin."""

from __future__ import annotations

from threading import Barrier
from typing import Any

import pytest

from idp.directory.billers import Billers, Policies, parse_policies
from idp.errors import AlreadyExists, BillerNotFound, InvalidFields, SharedOriginRefused
from tests.idp.directory.house import BIRCHWOOD, MAKER, OAKDALE, House

HOST = "oakdale.hub.example.com"


def another_process(house: House, *, share: bool = False) -> Billers:
    return Billers(
        house.sql.begin,
        house.sql.database.read,
        house.sql.kv,
        house.sql.clock,
        house.secrets,
        scheme="https",
        portal_domain="hub.example.com",
        share_origins=share,
    )


def test_a_biller_is_found_where_host_and_slug_name_the_same_one(house: House) -> None:
    assert house.billers.on_host(HOST, "oakdale") == house.biller()
    for host, slug in (
        (HOST, "birchwood"),
        ("birchwood.hub.example.com", "oakdale"),
        (HOST, "nobody"),
        ("", "oakdale"),
        (f"{HOST}:80", "oakdale"),
    ):
        assert house.billers.on_host(host, slug) is None


def test_a_change_in_another_process_is_seen_with_the_next_look(house: House) -> None:
    assert house.billers.on_host(HOST, "oakdale") is not None
    other = another_process(house)
    changed = other.change(MAKER, "r", OAKDALE, dba="Oakdale Utilities", policies={"multi_user": False})
    assert house.billers.on_host(HOST, "oakdale") == changed
    moved = other.change(MAKER, "r", OAKDALE, host="pay.oakdale.example")
    assert house.billers.on_host(HOST, "oakdale") is None
    assert house.billers.on_host("pay.oakdale.example", "oakdale") == moved
    assert house.billers.on_host("birchwood.hub.example.com", "birchwood") == house.biller(BIRCHWOOD)


def test_policies_change_one_by_one_and_the_others_stay(house: House) -> None:
    house.change_policies(multi_user=False)
    house.change_policies(role_codes="required")
    assert house.biller().policies == Policies(multi_user=False, role_codes="required")
    assert house.biller(BIRCHWOOD).policies == Policies()


def test_wrong_policies_are_named_all_at_once() -> None:
    changes = {
        "role_codes": "perhaps",
        "role_code_field": 61,
        "owner_prefix": "o-1",
        "currency": "usd",
        "nonsense": 1,
        "session_idle_minutes": 0,
    }
    with pytest.raises(InvalidFields) as refused:
        parse_policies(Policies(), changes)
    assert {each.field for each in refused.value.fields} == set(changes)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "API"}, "Slug"),
        ({"slug": "x-csr"}, "Slug"),
        ({"host": "https://x.example"}, "Host"),
        ({"host": "x.example:0"}, "Host"),
        ({"host": "x.example:65536"}, "Host"),
        ({"host": "x.example.."}, "Host"),
        ({"host": "[::1]"}, "Host"),
        ({"host": "256.1.1.1"}, "Host"),
        ({"host": "xn--a.example"}, "Host"),
        ({"host": "x y.example"}, "Host"),
        ({"dba": " "}, "Dba"),
        ({"dba": "x" * 121}, "Dba"),
        ({"time_zone": "Michigan"}, "TimeZone"),
        ({"locale": "fr"}, "Locale"),
        ({"bid": 0}, "BID"),
        ({"bid": 2**31}, "BID"),
    ],
)
def test_a_wrong_field_is_named_and_no_biller_is_made(house: House, change: dict[str, Any], field: str) -> None:
    values: dict[str, Any] = {"bid": 303, "slug": "cedar", "dba": "Cedar", "host": "cedar.example"} | change
    with pytest.raises(InvalidFields) as refused:
        house.billers.create(MAKER, "r", **values)
    assert field in {each.field for each in refused.value.fields}
    assert len(house.billers.list_page()) == 2


def test_a_second_biller_on_an_origin_is_refused_unless_that_was_accepted(house: House) -> None:
    with pytest.raises(SharedOriginRefused):
        house.billers.create(MAKER, "r", bid=303, slug="cedar", dba="Cedar", host=HOST)
    with pytest.raises(SharedOriginRefused):
        house.billers.change(MAKER, "r", BIRCHWOOD, host=HOST)
    house.billers.change(MAKER, "r", OAKDALE, host=HOST)  # its own
    sharing = another_process(house, share=True)
    sharing.create(MAKER, "r", bid=303, slug="cedar", dba="Cedar", host=HOST)
    found = sharing.on_host(HOST, "cedar")
    assert found is not None
    assert found.bid == 303


@pytest.mark.parametrize("taken", [{"bid": OAKDALE}, {"slug": "oakdale", "host": "x.example"}, {"slug": "oakdale"}])
def test_a_taken_bid_or_slug_makes_no_second_biller(house: House, taken: dict[str, Any]) -> None:
    values: dict[str, Any] = {"bid": 303, "slug": "cedar", "dba": "Cedar"} | taken
    with pytest.raises(AlreadyExists):
        house.billers.create(MAKER, "r", **values)
    assert [each.bid for each in house.billers.list_page()] == [OAKDALE, BIRCHWOOD]


def test_an_unknown_biller_is_told(house: House) -> None:
    with pytest.raises(BillerNotFound):
        house.billers.get(999)
    with pytest.raises(BillerNotFound):
        house.billers.change(MAKER, "r", 999, dba="x")


def test_addresses_come_from_the_row(house: House) -> None:
    oakdale = house.biller()
    assert (oakdale.base_url, oakdale.host, oakdale.zone.key) == (f"https://{HOST}/b/oakdale", HOST, "UTC")


def test_of_billers_that_come_to_one_host_at_the_same_moment_one_gets_it(house: House) -> None:
    for n in range(12):
        host, together = f"pay{n}.example", Barrier(3)

        def make(bid: int, host: str = host, together: Barrier = together) -> bool:
            together.wait()
            try:
                another_process(house).create(MAKER, "r", bid=bid, slug=f"cedar{bid}", dba="Cedar", host=host)
            except SharedOriginRefused:
                return False
            return True

        def move(host: str = host, together: Barrier = together) -> bool:
            together.wait()
            try:
                another_process(house).change(MAKER, "r", BIRCHWOOD, host=host)
            except SharedOriginRefused:
                return False
            return True

        calls = [house.sql.run_beside(make, 1000 + 2 * n), house.sql.run_beside(make, 1001 + 2 * n), house.sql.run_beside(move)]
        assert sorted(each.result(60) for each in calls) == [False, False, True], host
        with house.sql.begin() as stores:
            assert stores.billers.count_on_origin(f"https://{host}") == 1


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("Bills.Example.com", "bills.example.com"),
        ("bills.example.com:443", "bills.example.com"),
        ("bills.example.com.", "bills.example.com"),
        (" bills.example.com:8443 ", "bills.example.com:8443"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example:443", "xn--bcher-kva.example"),
    ],
)
def test_a_host_is_kept_in_the_form_in_which_browsers_name_it(house: House, typed: str, host: str) -> None:
    made = house.billers.create(MAKER, "r", bid=303, slug="cedar", dba="Cedar", host=typed)
    assert made.origin == f"https://{host}"
    assert house.billers.change(MAKER, "r", 303, host="other.example").host == "other.example"
    assert house.billers.change(MAKER, "r", 303, host=typed).origin == f"https://{host}"
    with pytest.raises(SharedOriginRefused):
        house.billers.create(MAKER, "r", bid=304, slug="fir", dba="Fir", host=host)
