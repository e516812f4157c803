"""Advanced settings: the numbered settings of a biller that its CIS integrations use.

Typed, per biller; secrets are write-only and sealed at rest. An unknown number is kept and shown, not lost. Setting 3 lives on
the biller's row as well (`sso_login_url`), because every refusal page needs it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from idp.actor import Actor
from idp.changelog import Action, Change, WithChangeLog
from idp.directory.billers import BillerStore
from idp.directory.hosts import origin_of, parse_address
from idp.errors import BillerNotFound, FieldError, InvalidFields
from idp.kv import KeyValue, Stamps
from idp.secrets import Place, Secrets
from idp.transaction import Begin
from idp.versions import VersionedCache, biller_stamp

SSO_LOGIN_URL = 3
SUPPRESS_CHANGE_OF_EMAIL = 6
SettingKind = Literal["text", "url", "address", "flag", "number", "json", "sources", "secret"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a number means."""

    number: int
    name: str
    kind: SettingKind
    default: str = ""


CATALOGUE: Mapping[int, Setting] = {
    setting.number: setting
    for setting in (
        Setting(3, "SSO customer login URL", "address"),
        Setting(6, "Suppress change of e-mail", "flag", "0"),
        Setting(8, "Real-time balance: endpoint", "url"),
        Setting(9, "Real-time balance: user", "text"),
        Setting(10, "Real-time balance: password", "secret"),
        Setting(11, "Payments data pump: endpoint", "url"),
        Setting(12, "Payments data pump: user", "text"),
        Setting(13, "Payments data pump: password", "secret"),
        Setting(14, "Paperless data pump: endpoint", "url"),
        Setting(15, "Paperless data pump: user", "text"),
        Setting(16, "Paperless data pump: password", "secret"),
        Setting(17, "Autopay data pump: endpoint", "url"),
        Setting(18, "Autopay data pump: user", "text"),
        Setting(19, "Autopay data pump: password", "secret"),
        Setting(20, "Remote PDF: endpoint", "url"),
        Setting(32, "Block ACH/CC read-only", "flag", "0"),
        Setting(35, "Service version", "number", "1"),
        Setting(64, "Payment-source codes", "sources"),
        Setting(65, "Payment-source codes (second)", "sources"),
        Setting(119, "Remote PDF version", "number", "1"),
        Setting(131, "JSON configuration", "json"),
    )
}

_ENDPOINT_OF_SECRET = {10: 8, 13: 11, 16: 14, 19: 17}
"""A credential goes with its endpoint: changing the URL clears it, so that it is never sent to a stranger."""


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A value as stored: plain or sealed."""

    bid: int
    number: int
    value: str


class SettingStore(Protocol):
    """Advanced settings in the database."""

    def list_settings(self, bid: int) -> list[SettingValue]:
        """All that a biller has set, by number."""
        ...

    def put_setting(self, setting: SettingValue) -> None:
        """Insert or update one."""
        ...

    def drop_setting(self, bid: int, number: int) -> None:
        """Back to the default."""
        ...


class SettingStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""

    @property
    def settings(self) -> SettingStore: ...

    @property
    def billers(self) -> BillerStore: ...


class AdvancedSettings:
    """Sets, shows and reads advanced settings."""

    def __init__(
        self, begin: Begin[SettingStores], kv: KeyValue, secrets: Secrets, *, allow_loopback_origins: bool = False
    ) -> None:
        self._begin = begin
        self._secrets = secrets
        self._allow_loopback = allow_loopback_origins
        self._shown: VersionedCache[int, Mapping[int, str]] = VersionedCache(kv, capacity=2000)

    def put(self, actor: Actor, request_id: str, bid: int, number: int, value: str) -> None:
        """Set one; "" puts it back to its default. BillerNotFound, InvalidFields."""
        value = self.parse(number, value)
        secret = _is_secret(number)
        with self._begin() as stores:
            biller = stores.billers.find_biller(bid, lock=True)
            if biller is None:
                raise BillerNotFound(f"BID {bid}")
            before = {each.number: each.value for each in stores.settings.list_settings(bid)}.get(number, "")
            if value:
                stored = self._secrets.seal(_place(bid, number), value) if secret else value
                stores.settings.put_setting(SettingValue(bid, number, stored))
            else:
                stores.settings.drop_setting(bid, number)
            for credential, endpoint in _ENDPOINT_OF_SECRET.items():
                if endpoint == number and value != before:
                    stores.settings.drop_setting(bid, credential)
            if number == SSO_LOGIN_URL:
                stores.billers.put_sso_login_url(bid, value)
            shown = ("(secret)", "(secret)") if secret else (before, value)
            stores.changelog.append(
                Change(
                    bid, Action.SETTING_CHANGE, actor, request_id, subject=f"setting:{number}",
                    before={"value": shown[0] if before else ""}, after={"value": shown[1] if value else ""},
                )
            )  # fmt: skip

    def parse(self, number: int, value: str) -> str:
        """A value as it is stored. InvalidFields."""
        return _parse(number, value, allow_loopback=self._allow_loopback)

    def show(self, bid: int) -> dict[int, str]:
        """All values, known numbers with their default; a secret shows as `(set)` or ""."""
        with self._begin() as stores:
            stored = {each.number: each.value for each in stores.settings.list_settings(bid)}
        shown = {number: setting.default for number, setting in CATALOGUE.items()} | stored
        return {number: ("(set)" if value and _is_secret(number) else value) for number, value in sorted(shown.items())}

    def as_of(self, bid: int, stamps: Stamps) -> Mapping[int, str]:
        """As show, no older than the stamps that a session brought along: for pages."""
        name = biller_stamp(bid)
        entry = self._shown.find(bid)
        if entry is None or entry.stamps.get(name) != stamps.get(name):
            entry = self._shown.load(bid, (name,), lambda: self.show(bid))
        return entry.value

    def read(self, bid: int, number: int) -> str:
        """One value, in clear: for the integration that uses it."""
        with self._begin() as stores:
            stored = {each.number: each.value for each in stores.settings.list_settings(bid)}.get(number)
        if stored is None:
            return CATALOGUE[number].default if number in CATALOGUE else ""
        return self._secrets.open(_place(bid, number), stored) if _is_secret(number) else stored


def _parse(number: int, value: str, *, allow_loopback: bool) -> str:
    field = f"Setting {number}"
    if not 1 <= number <= 9999 or len(value) > 10_000:
        raise InvalidFields(fields=[FieldError(field, "number 1 to 9999, at most 10,000 characters")])
    kind = CATALOGUE[number].kind if number in CATALOGUE else "text"
    if not value:
        return ""
    try:
        match kind:
            case "address":
                return parse_address(value, allow_loopback=allow_loopback)
            case "url":
                origin_of(value)
            case "flag" if value not in {"0", "1"}:
                raise ValueError("0 or 1")
            case "number":
                int(value)
            case "json":
                json.loads(value)
            case _:
                pass
    except ValueError as fault:
        raise InvalidFields(fields=[FieldError(field, str(fault))]) from None
    return value


def _is_secret(number: int) -> bool:
    return number in CATALOGUE and CATALOGUE[number].kind == "secret"


def _place(bid: int, number: int) -> Place:
    return Place(bid, "advanced_settings", str(number), "value")
