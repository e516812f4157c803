"""What a command works with: who runs it, the settings, the wired hub, the admin services. Each is made when first asked for, so
that `idhub --help` needs no settings and `idhub new-master-key` no database."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from idp.actor import Staff
from idp.opaque import new_id
from idp.settings import Settings, load

if TYPE_CHECKING:
    from admin.billers import BillerAdmin
    from admin.destinations import DestinationAdmin
    from admin.history import AlarmAdmin, CarrierAdmin, HistoryAdmin, MailAdmin, RefusalAdmin, WarningAdmin
    from admin.imports import ImportAdmin
    from admin.jobs import JobAdmin
    from admin.legacy import LegacySetUp
    from admin.partners import KeyAdmin, PartnerAdmin
    from admin.people import CustomerAdmin, UserAdmin
    from admin.registrations import RegistrationAdmin
    from admin.sandbox import Sandboxes
    from admin.themes import ThemeAdmin
    from hub.parts import Parts
    from hub.wiring import Hub

F = TypeVar("F", bound=Callable[..., Any])


class Operator:
    """An operator on the machine. Whoever can run this with the settings can read the master key: the role is `operator`."""

    def __init__(self, settings_file: Path | None = None) -> None:
        self.settings_file = settings_file
        self.command: click.Context | None = None
        """The command that is run, once it is known which."""
        self.request_id = str(new_id())
        """Of this run: what it changes is found in the change log by it."""

    @cached_property
    def staff(self) -> Staff:
        """Who runs the command: the login name, for the change log."""
        try:
            return Staff(getpass.getuser(), "operator")
        except (OSError, KeyError):
            return Staff(f"uid {os.getuid()}", "operator")

    @cached_property
    def settings(self) -> Settings:
        """From the environment and the file. SettingsError with every fault."""
        named = {} if self.settings_file is None else {"IDHUB_SETTINGS": str(self.settings_file)}
        return load(dict(os.environ) | named)

    @property
    def known_settings(self) -> Settings | None:
        """The settings, where they were read without a fault."""
        found = self.__dict__.get("settings")
        return found if isinstance(found, Settings) else None

    @cached_property
    def _parts(self) -> Parts:
        """Of the hub, nothing asked yet. SettingsError."""
        from hub.parts import Parts
        from idp.clock import SystemClock

        self.settings.master_keys()  # what is wrong with the settings is told before what is wrong with the stores
        return Parts(self.settings, SystemClock())

    @cached_property
    def wired(self) -> Hub:
        """Everything wired, nothing asked yet. SettingsError."""
        from hub.wiring import wire

        return wire(self.settings, parts=self._parts)

    @cached_property
    def parts(self) -> Parts:
        """What most commands need, on a migrated database that was written under our master key.

        StoreUnavailable, DamagedCiphertext.
        """
        self._parts.check()
        return self._parts

    @cached_property
    def hub(self) -> Hub:
        """Everything wired, on a checked database; for what `parts` has not."""
        self._parts.check()
        return self.wired

    def bid_of(self, slug: str) -> int:
        """The BID of the biller with this slug. BillerNotFound."""
        return self.parts.billers.get_by_slug(slug).bid

    def close(self) -> None:
        """Give connections back, where any were opened."""
        if "wired" in self.__dict__:
            self.wired.close()
        elif "_parts" in self.__dict__:
            self._parts.close()

    @cached_property
    def billers(self) -> BillerAdmin:
        """Billers and their advanced settings."""
        from admin.billers import BillerAdmin

        return BillerAdmin(self.parts.billers, self.parts.advanced_settings)

    @cached_property
    def partners(self) -> PartnerAdmin:
        """Partners."""
        from admin.partners import PartnerAdmin

        return PartnerAdmin(self.parts.partners)

    @cached_property
    def keys(self) -> KeyAdmin:
        """API keys of a biller."""
        from admin.partners import KeyAdmin

        loopback = self.settings.allow_loopback_origins
        return KeyAdmin(self.parts.api_keys, self.parts.billers, allow_loopback_origins=loopback)

    @cached_property
    def destinations(self) -> DestinationAdmin:
        """The RedirectID table of a biller."""
        from admin.destinations import DestinationAdmin

        return DestinationAdmin(self.parts.destinations, self.parts.billers)

    @cached_property
    def customers(self) -> CustomerAdmin:
        """Accounts of a biller."""
        from admin.people import CustomerAdmin

        return CustomerAdmin(self.parts.customers, self.parts.billers)

    @cached_property
    def users(self) -> UserAdmin:
        """Users of a biller. What registers, ends and checks passwords is wired when it is needed."""
        from admin.people import UserAdmin
        from hub.parts import deferred

        parts = self.parts
        return UserAdmin(
            parts.users,
            deferred(lambda: self.hub.passwords),
            parts.partners,
            deferred(lambda: self.hub.register),
            deferred(lambda: self.hub.unregister),
            deferred(lambda: self.hub.set_email),
            parts.billers,
            parts.database.read,
        )

    @cached_property
    def registrations(self) -> RegistrationAdmin:
        """Registrations that wait for a decision."""
        from admin.people import UserFinder
        from admin.registrations import RegistrationAdmin

        parts = self.parts
        finder = UserFinder(parts.billers, parts.database.read)
        return RegistrationAdmin(parts.approvals, parts.billers, finder)

    @cached_property
    def themes(self) -> ThemeAdmin:
        """Stylesheets of partners."""
        from admin.themes import ThemeAdmin
        from hub.parts import deferred

        return ThemeAdmin(deferred(lambda: self.hub.themes), self.parts.billers)

    @cached_property
    def carriers(self) -> CarrierAdmin:
        """How framed sessions come back."""
        from admin.history import CarrierAdmin

        return CarrierAdmin(self.parts.carrier_counts)

    @cached_property
    def legacy(self) -> LegacySetUp:
        """Partners as they are today."""
        from admin.legacy import LegacySetUp

        hub = self.hub
        return LegacySetUp(self.partners, self.keys, hub.billers, hub.advanced_settings, hub.themes)

    @cached_property
    def sandboxes(self) -> Sandboxes:
        """Billers to try an integration on."""
        from admin.sandbox import Sandboxes

        hub = self.hub
        return Sandboxes(self.billers, self.partners, self.keys, self.users, hub.invoice_import, hub.clock)

    @cached_property
    def history(self) -> HistoryAdmin:
        """The change log."""
        from admin.history import HistoryAdmin

        parts = self.parts
        return HistoryAdmin(parts.database.read, parts.sealer, parts.erasure, parts.trust)

    @cached_property
    def refusals(self) -> RefusalAdmin:
        """What was refused."""
        from admin.history import RefusalAdmin

        return RefusalAdmin(self.parts.diagnostics)

    @cached_property
    def warnings(self) -> WarningAdmin:
        """What partners were warned of."""
        from admin.history import WarningAdmin

        return WarningAdmin(self.parts.warnings)

    @cached_property
    def imports(self) -> ImportAdmin:
        """Past imports."""
        from admin.imports import ImportAdmin

        return ImportAdmin(self.parts.import_history, self.parts.billers)

    @cached_property
    def jobs(self) -> JobAdmin:
        """Background jobs."""
        from admin.jobs import JobAdmin
        from hub.parts import deferred

        return JobAdmin(self.parts.database.begin, self.parts.clock, deferred(lambda: self.hub.job_handlers))

    @cached_property
    def alarms(self) -> AlarmAdmin:
        """What a person should look at."""
        from admin.history import AlarmAdmin

        return AlarmAdmin(self.parts.alarms)

    @cached_property
    def mails(self) -> MailAdmin:
        """What was mailed to payers."""
        from admin.history import MailAdmin

        return MailAdmin(self.parts.mails)


def pass_operator(command: F) -> F:
    """Give a command its Operator as the first argument."""

    @wraps(command)
    def run(*arguments: Any, **named: Any) -> Any:
        context = click.get_current_context()
        operator = context.find_object(Operator)
        assert operator is not None  # noqa: S101  (made by the top of the tree)
        operator.command = context
        return context.invoke(command, operator, *arguments, **named)

    return cast("F", run)
