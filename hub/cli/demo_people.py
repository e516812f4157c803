"""Who is in the demo: two made-up utilities, their payers, and a year of bills for some of them. All data, nothing that happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from idp.directory.rights import LoginType


@dataclass(frozen=True, slots=True)
class DemoBiller:
    """A made-up utility and its files."""

    bid: int
    guid: UUID
    slug: str
    dba: str
    time_zone: str
    file: str
    columns: str | None
    policies: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DemoPayer:
    """A made-up payer, registered by the partner before the demo begins. `note`: why to pick this one."""

    slug: str
    name: str
    user_name: str
    email: str
    accounts: tuple[str, ...]
    login_type: LoginType = LoginType.OWNER
    note: str = ""


@dataclass(frozen=True, slots=True)
class Household:
    """An account with bills of earlier months: `months` of them up to `last`, each around `cents`."""

    account: str
    holder: str
    address: tuple[str, str, str, str]
    """Street, city, state, ZIP."""
    service: str
    cents: int
    months: int = 12
    last: tuple[int, int] = (2026, 10)
    """Year and month of the newest one. The utility's sample file has the bills of November 2026."""
    newest: int | None = None
    """What the newest bill asks for, in cents; negative: a credit. None: as the others."""


BILLERS = (
    DemoBiller(
        9001,
        UUID("D99EDA17-2AF5-5AC0-AE88-9A0D9422BC15"),
        "riverbend",
        "Riverbend Water & Light",
        "America/Detroit",
        "9001_11202026.bif",
        None,
        {},
    ),
    DemoBiller(
        9002,
        UUID("3F0E7D1C-5C0B-5B59-9C3B-1B5D0C5E9002"),
        "prairie",
        "Prairie Electric Cooperative",
        "America/Chicago",
        "9002_11192026.bif",
        "9002_columns.yaml",
        {"account_profile": "digits_only"},
    ),
)

COURT = tuple(f"{2000 + unit}-01" for unit in range(1, 31))
"""The accounts of a landlord: an apartment each."""
CREDIT, NOTHING = COURT[3], COURT[8]
"""One whose newest bill is a credit, and one that has nothing to pay; the others have something due."""

PAYERS = (
    DemoPayer("riverbend", "Avery Brandt", "avery", "avery.brandt@example.com", ("1001-01", "1001-02"), note="a year of bills"),
    DemoPayer("riverbend", "Zoë Lindqvist", "zoe", "zoe.lindqvist@example.com", ("1002-01",), note="past due"),
    DemoPayer("riverbend", "Harbor View Rentals", "harbor", "office@harborview.example", ("1003-01", "1004-01")),
    DemoPayer("riverbend", "Riley Okafor", "tenant1003", "tenant.1003@example.com", ("1003-01",), note="Co-owner"),
    DemoPayer(
        "riverbend", "Cedar Court Apartments", "cedar", "office@cedarcourt.example", COURT, note="30 accounts, one with a credit"
    ),
    DemoPayer("riverbend", "Marlo Quist", "marlo", "marlo.quist@example.com", COURT[:1], LoginType.CO_OWNER, "Co-owner"),
    DemoPayer("riverbend", "Tess Albrook", "tess", "tess.albrook@example.com", COURT[:1], LoginType.OVERSIGHT, "Oversight"),
    DemoPayer("riverbend", "Ivo Lantry", "ivo", "ivo.lantry@example.com", COURT[:1], LoginType.GUEST, "Guest"),
    DemoPayer("prairie", "June Takahashi", "june", "june.t@example.com", ("20003",)),
    DemoPayer("prairie", "Hollis Grain Elevator", "hollis", "accounts@hollisgrain.example", ("20002",), note="a year of bills"),
)

_MILL, _TURBINE = ("12 Mill Race Rd", "Riverbend", "MI", "49331"), ("7 Turbine Ct", "Riverbend", "MI", "49331")
_BOX, _ELEVATOR = ("PO Box 90", "Riverbend", "MI", "49331"), ("1 Elevator Ln", "Wheatland", "KS", "67800")

HOUSEHOLDS: Mapping[str, tuple[Household, ...]] = {
    "riverbend": (
        Household("1001-01", "Avery Brandt", _MILL, "Water and sewer", 7900),
        Household("1002-01", "Zoë Lindqvist", _TURBINE, "Electric", 8200),
        Household("1003-01", "Harbor View Rentals LLC", _BOX, "Water and sewer", 6100),
        *(
            Household(
                account,
                "Cedar Court Apartments",
                (f"1200 Cedar Ct Apt {unit}", "Riverbend", "MI", "49331"),
                "Water and sewer",
                3400 + 110 * unit,
                months=3,
                last=(2026, 11),
                newest={CREDIT: -1200, NOTHING: 0}.get(account),
            )
            for unit, account in enumerate(COURT, start=1)
        ),
    ),
    "prairie": (Household("20002", "Hollis Grain Elevator", _ELEVATOR, "Commercial electric", 178000),),
}
