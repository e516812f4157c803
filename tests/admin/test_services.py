"""No admin service does anything for somebody who may not: asked of every method there is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, cast, get_type_hints
from uuid import UUID

import pytest

from admin.billers import BillerAdmin
from admin.destinations import DestinationAdmin
from admin.history import AlarmAdmin, CarrierAdmin, ChangeFilter, HistoryAdmin, MailAdmin, RefusalAdmin, WarningAdmin
from admin.partners import KeyAdmin, PartnerAdmin
from admin.people import CustomerAdmin, UserAdmin
from admin.themes import ThemeAdmin
from idp.accounts.register import Wanted
from idp.actor import Staff, StaffRole
from idp.errors import PermissionMissing

BILLER, OTHER = 9001, 9002
_VALUES: dict[Any, Any] = {
    int: BILLER,
    str: "text",
    UUID: UUID(int=1),
    Wanted: Wanted("avery", "avery@example.com", ()),
    ChangeFilter: ChangeFilter(BILLER),
}


class _Untouched:
    """Stands for every collaborator: nobody may ask it for anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked before the permission")

    def __call__(self, *_args: object, **_named: object) -> Any:
        raise AssertionError("called before the permission")


def _services() -> Iterator[object]:
    kinds: tuple[Callable[..., object], ...] = (
        BillerAdmin,
        PartnerAdmin,
        KeyAdmin,
        DestinationAdmin,
        CustomerAdmin,
        UserAdmin,
        HistoryAdmin,
        RefusalAdmin,
        WarningAdmin,
        CarrierAdmin,
        AlarmAdmin,
        MailAdmin,
        ThemeAdmin,
    )
    for kind in kinds:
        needs = list(inspect.signature(kind).parameters.values())
        positional: list[Any] = [_Untouched() for each in needs if each.kind is not each.KEYWORD_ONLY]
        yield kind(*positional, **{each.name: True for each in needs if each.kind is each.KEYWORD_ONLY})


def _methods() -> list[Callable[..., Any]]:
    return [
        method
        for service in _services()
        for name, method in inspect.getmembers(service, inspect.ismethod)
        if not name.startswith("_")
    ]


@pytest.mark.parametrize("method", _methods(), ids=lambda method: method.__qualname__)
@pytest.mark.parametrize(
    "staff",
    [Staff("otto", "admin", OTHER), Staff("nobody", cast(StaffRole, "none"))],
    ids=["of another biller", "without a role"],
)
def test_a_method_takes_staff_and_request_first_and_asks_for_the_permission_before_anything_else(
    method: Callable[..., Any], staff: Staff
) -> None:
    hints = get_type_hints(method)
    needs = list(inspect.signature(method).parameters.values())
    assert [each.name for each in needs[:2]] == ["staff", "request_id"]
    wanted = [each for each in needs[2:] if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    values = {each.name: _VALUES.get(hints[each.name], ()) for each in wanted}
    with pytest.raises(PermissionMissing):
        method(staff, "request", **values)


def test_moving_a_biller_to_another_host_or_switching_it_off_is_the_operators() -> None:
    service = BillerAdmin(_Untouched(), _Untouched())  # type: ignore[arg-type]
    for change in ({"host": "bills.example.com"}, {"disabled": True}):
        with pytest.raises(PermissionMissing):
            service.change(Staff("ada", "admin", BILLER), "request", BILLER, **change)


def test_the_change_log_of_the_installation_is_closed_to_a_billers_staff() -> None:
    service = HistoryAdmin(_Untouched(), _Untouched(), _Untouched(), _Untouched())  # type: ignore[arg-type]
    with pytest.raises(PermissionMissing):
        service.list_changes(Staff("ada", "admin", BILLER), "request", ChangeFilter(0))
