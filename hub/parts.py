"""The parts of a hub that stand by themselves: stores, secrets, and the nouns of directory and diagnostics.

Each is made, and its code loaded, when it is first asked for: a command that lists billers must not pay for the portal, the mail
or the key-value store. `hub.wiring` builds everything else on top, from the same parts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from idp.settings import Settings, SettingsError, is_loopback_name

if TYPE_CHECKING:
    from hub.storage.database import Database
    from hub.storage.presence import Presence
    from idp.accounts.approvals import Approvals
    from idp.alarms import Alarms
    from idp.changelog import Sealer
    from idp.clock import Clock
    from idp.directory.advanced_settings import AdvancedSettings
    from idp.directory.api_keys import ApiKeys
    from idp.directory.billers import Billers
    from idp.directory.customers import Customers
    from idp.directory.partners import Partners
    from idp.directory.users import Users
    from idp.epochs import LineageStore
    from idp.erasure import Erasure
    from idp.keys import SigningKeys
    from idp.kv import KeyValue
    from idp.messages.mail import Mails, Sender
    from idp.secrets import Secrets
    from idp.verification import Trust
    from sso_connect.carrier_counts import CarrierCounts
    from sso_connect.diagnostics import Diagnostics
    from sso_connect.imports.history import ImportHistory
    from sso_connect.imports.runner import InvoiceFileImport
    from sso_connect.redirects import Destinations
    from sso_connect.warnings import Warnings

_SQLITE = "sqlite:///"

T = TypeVar("T")

if TYPE_CHECKING:

    class KeyValueStore(KeyValue, LineageStore, Protocol):
        """A key-value store with a history."""


class _Deferred:
    """Stands in for an object until that is first used."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._lock = Lock()

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if "_made" not in self.__dict__:
                self.__dict__["_made"] = self._make()
        found = getattr(self._made, name)
        self.__dict__[name] = found
        return found


def deferred(make: Callable[[], T]) -> T:
    """What `make` makes, made at its first use. Not for what is compared or asked for its type."""
    return cast("T", _Deferred(make))


def is_made(found: object) -> bool:
    """Whether this is there already, and not only deferred."""
    return not isinstance(found, _Deferred) or "_made" in found.__dict__


class Parts:
    """Made one by one. A forked process makes its own."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self._present: Presence | None = None

    @cached_property
    def kv(self) -> KeyValueStore:
        """The key-value store, opened with its first use."""
        return deferred(self._open_key_value)

    @cached_property
    def database(self) -> Database:
        """Connects to nothing yet. SettingsError where the URL names no database of ours."""
        from hub.storage.database import Database

        self._join()
        try:
            return Database(self.settings.database_url, self.kv, self.clock, pool=self.settings.database_pool)
        except ValueError as fault:
            raise SettingsError(f"IDHUB_DATABASE_URL: {fault}") from fault

    @cached_property
    def secrets(self) -> Secrets:
        """SettingsError where the master key cannot be read."""
        from idp.secrets import Secrets

        return Secrets(self.settings.master_keys(), self.database.data_keys)

    @cached_property
    def signing_keys(self) -> SigningKeys:
        from idp.keys import SigningKeys

        return SigningKeys(self.database.begin, self.clock, self.secrets)

    @cached_property
    def sealer(self) -> Sealer:
        from idp.changelog import Sealer

        return Sealer(
            self.database.begin,
            self.clock,
            lambda claims: self.signing_keys.sign("checkpoint", claims),
            prepare=lambda: self.signing_keys.prepare("checkpoint"),
        )

    @cached_property
    def erasure(self) -> Erasure:
        from idp.erasure import Erasure

        return Erasure(self.database.begin, self.database.read, self.secrets)

    @cached_property
    def trust(self) -> Trust:
        from idp.verification import Trust

        return Trust(lambda token: self.signing_keys.check("checkpoint", token), self.erasure.is_ours)

    # --- directory ---

    @cached_property
    def billers(self) -> Billers:
        from idp.directory.billers import Billers

        return Billers(
            self.database.begin,
            self.database.read,
            self.kv,
            self.clock,
            self.secrets,
            scheme=self.settings.public_scheme,
            portal_domain=self.settings.portal_domain,
            share_origins=self.settings.shared_origin == "accepted",
            allow_loopback_origins=self.settings.allow_loopback_origins,
        )

    @cached_property
    def advanced_settings(self) -> AdvancedSettings:
        from idp.directory.advanced_settings import AdvancedSettings

        loopback = self.settings.allow_loopback_origins
        return AdvancedSettings(self.database.begin, self.kv, self.secrets, allow_loopback_origins=loopback)

    @cached_property
    def destinations(self) -> Destinations:
        from sso_connect.redirects import Destinations

        return Destinations(self.database.begin, self.database.read, self.kv)

    @cached_property
    def partners(self) -> Partners:
        from idp.directory.partners import Partners

        return Partners(self.database.begin, self.clock, allow_loopback_origins=self.settings.allow_loopback_origins)

    @cached_property
    def api_keys(self) -> ApiKeys:
        from idp.directory.api_keys import ApiKeys

        loopback = self.settings.allow_loopback_origins
        return ApiKeys(self.database.begin, self.database.read, self.kv, self.clock, allow_loopback_origins=loopback)

    @cached_property
    def customers(self) -> Customers:
        from idp.directory.customers import Customers

        return Customers(self.database.begin, self.clock, self.secrets, self.alarms)

    @cached_property
    def users(self) -> Users:
        from idp.directory.users import Users

        return Users(self.database.begin)

    @cached_property
    def approvals(self) -> Approvals:
        from idp.accounts.approvals import Approvals
        from idp.accounts.departures import Departures
        from idp.messages.notices import Notices

        return Approvals(self.database.begin, self.clock, Departures(self.kv), Notices(self.mails))

    # --- what happened ---

    @cached_property
    def mails(self) -> Mails:
        from idp.messages.mail import Mails

        return Mails(self.database.begin, self.clock, self.secrets, deferred(lambda: _sender(self.settings)), self.alarms)

    @cached_property
    def alarms(self) -> Alarms:
        from idp.alarms import Alarms

        return Alarms(self.database.begin, self.kv, self.clock)

    @cached_property
    def warnings(self) -> Warnings:
        from sso_connect.warnings import Warnings

        return Warnings(self.database.begin, self.clock)

    @cached_property
    def diagnostics(self) -> Diagnostics:
        from sso_connect.diagnostics import Diagnostics

        return Diagnostics(self.database.begin, self.kv, self.clock)

    @cached_property
    def carrier_counts(self) -> CarrierCounts:
        from sso_connect.carrier_counts import CarrierCounts

        return CarrierCounts(self.database.begin, self.clock)

    # --- invoice files ---

    @cached_property
    def invoice_import(self) -> InvoiceFileImport:
        from sso_connect.imports.runner import InvoiceFileImport

        return InvoiceFileImport(self.database.begin, self.clock, self.secrets, self.alarms)

    @cached_property
    def import_history(self) -> ImportHistory:
        from sso_connect.imports.history import ImportHistory

        return ImportHistory(self.database.begin, self.clock)

    def check(self) -> None:
        """A migrated database that was written under our master key. StoreUnavailable, DamagedCiphertext.

        The first command on a new database makes the installation's data key, so that every later one with another master key
        is told at once, and not when it has written half of something.
        """
        self.database.check()
        self.secrets.check()

    def open(self) -> None:
        """Open the key-value store now: whoever serves wants to know at once that it cannot be had. StoreUnavailable."""
        try:
            self.__dict__["kv"] = self._open_key_value()
        except BaseException:
            self._leave()
            raise

    def _open_key_value(self) -> KeyValueStore:
        self._join()
        return open_key_value(self.settings, self.clock)

    def _join(self) -> None:
        """Say that this process uses the stores, before any is opened. StoreUnavailable while a restore replaces them."""
        from hub.storage.presence import join

        self._present = self._present or join(self.settings.database_url)

    def _leave(self) -> None:
        if self._present is not None:
            self._present.close()

    def close(self) -> None:
        """Give connections back, where any were opened."""
        if "warnings" in self.__dict__:
            self.warnings.close()
        if "diagnostics" in self.__dict__:
            self.diagnostics.flush()
        if "database" in self.__dict__:
            self.database.close()
        if "kv" in self.__dict__ and is_made(self.kv):
            self.kv.close()
        self._leave()


def _sender(settings: Settings) -> Sender:
    from idp.messages.senders import MailboxSender, SmtpSender

    if settings.smtp_url is None:
        return MailboxSender(settings.mailbox_dir, settings.mail_from)
    url = settings.smtp_url.get_secret_value()
    return SmtpSender(url, settings.mail_from, loopback=is_loopback_name(urlsplit(url).hostname or ""))


def open_key_value(settings: Settings, clock: Clock) -> KeyValueStore:
    """The key-value store of the settings. SettingsError where they name none."""
    url = settings.keyvalue_url
    if url.startswith(_SQLITE):
        from hub.storage.kv_sqlite import SqliteKeyValue

        return SqliteKeyValue(Path(url.removeprefix(_SQLITE)), clock=clock)
    if urlsplit(url).scheme in {"redis", "rediss", "unix"}:
        from hub.storage.kv_redis import RedisKeyValue

        return RedisKeyValue(url, max_connections=settings.threads + 2)
    raise SettingsError("IDHUB_KEYVALUE_URL: sqlite:///PATH, redis://..., rediss://... or unix://PATH")
