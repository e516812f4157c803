"""What a command works with: who runs it, the settings, the wired hub, the admin services. Each is made when first asked for, so
that `idhub --help` needs no settings and `idhub new-master-key` no database."""

from __future__ import annotations

import getpass
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from idp.actor import Staff
from idp.opaque import new_id
from idp.settings import Settings, load

if TYPE_CHECKING:
    from admin.billers import BillerAdmin
    from admin.destinations import DestinationAdmin
    from admin.history import AlarmAdmin, CarrierAdmin, HistoryAdmin, MailAdmin, RefusalAdmin, WarningAdmin
    from admin.legacy import LegacySetUp
    from admin.partners import KeyAdmin, PartnerAdmin
    from admin.people import CustomerAdmin, UserAdmin
    from admin.registrations import RegistrationAdmin
    from admin.sandbox import Sandboxes
    from admin.themes import ThemeAdmin
    from hub.wiring import Hub


class Operator:
    """An operator on the machine. Whoever can run this with the settings can read the master key: the role is `operator`."""

    def __init__(self, settings_file: Path | None = None) -> None:
        self.settings_file = settings_file
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

    @cached_property
    def wired(self) -> Hub:
        """Everything wired, nothing asked yet. SettingsError."""
        from hub.wiring import wire

        self.settings.master_keys()  # what is wrong with the settings is told before what is wrong with the stores
        return wire(self.settings)

    @cached_property
    def hub(self) -> Hub:
        """Everything wired, on a migrated database that was written under our master key. StoreUnavailable, DamagedCiphertext.

        The first command on a new database makes the installation's data key, so that every later one with another master key
        is told at once, and not when it has written half of something.
        """
        wired = self.wired
        wired.database.check()
        wired.secrets.check()
        return wired

    def close(self) -> None:
        """Give connections back, where any were opened."""
        if "wired" in self.__dict__:
            self.wired.close()

    @cached_property
    def billers(self) -> BillerAdmin:
        """Billers and their advanced settings."""
        from admin.billers import BillerAdmin

        return BillerAdmin(self.hub.billers, self.hub.advanced_settings)

    @cached_property
    def partners(self) -> PartnerAdmin:
        """Partners."""
        from admin.partners import PartnerAdmin

        return PartnerAdmin(self.hub.partners)

    @cached_property
    def keys(self) -> KeyAdmin:
        """API keys of a biller."""
        from admin.partners import KeyAdmin

        loopback = self.settings.allow_loopback_origins
        return KeyAdmin(self.hub.api_keys, self.hub.billers, allow_loopback_origins=loopback)

    @cached_property
    def destinations(self) -> DestinationAdmin:
        """The RedirectID table of a biller."""
        from admin.destinations import DestinationAdmin

        return DestinationAdmin(self.hub.destinations, self.hub.billers)

    @cached_property
    def customers(self) -> CustomerAdmin:
        """Accounts of a biller."""
        from admin.people import CustomerAdmin

        return CustomerAdmin(self.hub.customers, self.hub.billers)

    @cached_property
    def users(self) -> UserAdmin:
        """Users of a biller."""
        from admin.people import UserAdmin

        hub = self.hub
        return UserAdmin(
            hub.users,
            hub.passwords,
            hub.partners,
            hub.register,
            hub.unregister,
            hub.set_email,
            hub.billers,
            hub.database.read,
        )

    @cached_property
    def registrations(self) -> RegistrationAdmin:
        """Registrations that wait for a decision."""
        from admin.people import UserFinder
        from admin.registrations import RegistrationAdmin

        hub = self.hub
        return RegistrationAdmin(hub.approvals, hub.billers, UserFinder(hub.billers, hub.database.read))

    @cached_property
    def themes(self) -> ThemeAdmin:
        """Stylesheets of partners."""
        from admin.themes import ThemeAdmin

        return ThemeAdmin(self.hub.themes, self.hub.billers)

    @cached_property
    def carriers(self) -> CarrierAdmin:
        """How framed sessions come back."""
        from admin.history import CarrierAdmin

        return CarrierAdmin(self.hub.carrier_counts)

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

        hub = self.hub
        return HistoryAdmin(hub.database.read, hub.sealer, hub.erasure, hub.trust)

    @cached_property
    def refusals(self) -> RefusalAdmin:
        """What was refused."""
        from admin.history import RefusalAdmin

        return RefusalAdmin(self.hub.diagnostics)

    @cached_property
    def warnings(self) -> WarningAdmin:
        """What partners were warned of."""
        from admin.history import WarningAdmin

        return WarningAdmin(self.hub.warnings)

    @cached_property
    def alarms(self) -> AlarmAdmin:
        """What a person should look at."""
        from admin.history import AlarmAdmin

        return AlarmAdmin(self.hub.alarms)

    @cached_property
    def mails(self) -> MailAdmin:
        """What was mailed to payers."""
        from admin.history import MailAdmin

        return MailAdmin(self.hub.mails)


pass_operator = click.make_pass_decorator(Operator)
