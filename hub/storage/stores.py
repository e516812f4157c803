"""All stores of one transaction: the object behind `with self._begin() as stores:`.

It satisfies the slice of stores that any service names (`BillerStores`, `PayerStores`, ...). A store is made, and its statements
are loaded, when it is asked for: most requests need two or three, and a command hardly more in its life. A server loads them all at
its start (`load_all`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

from hub.storage.work import Work

if TYPE_CHECKING:
    from hub.storage.sql.advanced_settings import SqlSettingStore
    from hub.storage.sql.alarms import SqlAlarmStore
    from hub.storage.sql.api_keys import SqlApiKeyStore
    from hub.storage.sql.billers import SqlBillerStore
    from hub.storage.sql.carrier_counts import SqlCarrierCountStore
    from hub.storage.sql.changelog import SqlChangeLogStore
    from hub.storage.sql.confirmations import SqlConfirmationStore
    from hub.storage.sql.customers import SqlCustomerStore
    from hub.storage.sql.destinations import SqlDestinationStore
    from hub.storage.sql.epochs import SqlEpochStore
    from hub.storage.sql.erasures import SqlErasureStore
    from hub.storage.sql.ghosts import SqlGhostStore
    from hub.storage.sql.history import SqlChangeHistoryStore
    from hub.storage.sql.import_runs import SqlImportRunStore
    from hub.storage.sql.invoices import SqlInvoiceStore
    from hub.storage.sql.job_desk import SqlJobDeskStore
    from hub.storage.sql.jobs import SqlJobStore
    from hub.storage.sql.mails import SqlMailCapStore, SqlMailStore
    from hub.storage.sql.not_kept import SqlNotKeptStore
    from hub.storage.sql.one_time_links import SqlOneTimeLinkStore
    from hub.storage.sql.outbox import SqlOutboxStore
    from hub.storage.sql.partners import SqlPartnerStore
    from hub.storage.sql.passwords import SqlPasswordStore
    from hub.storage.sql.payers import SqlPayerStore
    from hub.storage.sql.probes import SqlProbeStore
    from hub.storage.sql.receipts import SqlReceiptStore
    from hub.storage.sql.refusals import SqlRefusalStore
    from hub.storage.sql.registrations import SqlRegistrationStore
    from hub.storage.sql.role_codes import SqlRoleCodeStore
    from hub.storage.sql.seals import SqlSealStore
    from hub.storage.sql.signing_keys import SqlSigningKeyStore
    from hub.storage.sql.start import SqlStartStore
    from hub.storage.sql.themes import SqlThemeStore
    from hub.storage.sql.uploads import SqlPieceStore, SqlUploadStore
    from hub.storage.sql.users import SqlPartnerUserStore, SqlUserStore
    from hub.storage.sql.warnings import SqlWarningStore


class Stores:
    """One transaction (or one connection for single statements), seen as stores."""

    def __init__(self, work: Work) -> None:
        self._work = work

    # --- directory ---

    @cached_property
    def billers(self) -> SqlBillerStore:
        from hub.storage.sql.billers import SqlBillerStore

        return SqlBillerStore(self._work)

    @cached_property
    def settings(self) -> SqlSettingStore:
        from hub.storage.sql.advanced_settings import SqlSettingStore

        return SqlSettingStore(self._work)

    @cached_property
    def destinations(self) -> SqlDestinationStore:
        from hub.storage.sql.destinations import SqlDestinationStore

        return SqlDestinationStore(self._work)

    @cached_property
    def partners(self) -> SqlPartnerStore:
        from hub.storage.sql.partners import SqlPartnerStore

        return SqlPartnerStore(self._work)

    @cached_property
    def api_keys(self) -> SqlApiKeyStore:
        from hub.storage.sql.api_keys import SqlApiKeyStore

        return SqlApiKeyStore(self._work)

    @cached_property
    def customers(self) -> SqlCustomerStore:
        from hub.storage.sql.customers import SqlCustomerStore

        return SqlCustomerStore(self._work)

    @cached_property
    def role_codes(self) -> SqlRoleCodeStore:
        from hub.storage.sql.role_codes import SqlRoleCodeStore

        return SqlRoleCodeStore(self._work)

    @cached_property
    def ghosts(self) -> SqlGhostStore:
        from hub.storage.sql.ghosts import SqlGhostStore

        return SqlGhostStore(self._work)

    @cached_property
    def users(self) -> SqlUserStore:
        from hub.storage.sql.users import SqlUserStore

        return SqlUserStore(self._work)

    @cached_property
    def partner_users(self) -> SqlPartnerUserStore:
        from hub.storage.sql.users import SqlPartnerUserStore

        return SqlPartnerUserStore(self._work)

    @cached_property
    def registrations(self) -> SqlRegistrationStore:
        from hub.storage.sql.registrations import SqlRegistrationStore

        return SqlRegistrationStore(self._work)

    @cached_property
    def waiting(self) -> SqlRegistrationStore:
        return self.registrations

    @cached_property
    def one_time_links(self) -> SqlOneTimeLinkStore:
        from hub.storage.sql.one_time_links import SqlOneTimeLinkStore

        return SqlOneTimeLinkStore(self._work)

    @cached_property
    def payers(self) -> SqlPayerStore:
        from hub.storage.sql.payers import SqlPayerStore

        return SqlPayerStore(self._work)

    @cached_property
    def passwords(self) -> SqlPasswordStore:
        from hub.storage.sql.passwords import SqlPasswordStore

        return SqlPasswordStore(self._work)

    @cached_property
    def confirmations(self) -> SqlConfirmationStore:
        from hub.storage.sql.confirmations import SqlConfirmationStore

        return SqlConfirmationStore(self._work)

    # --- the rest ---

    @cached_property
    def invoices(self) -> SqlInvoiceStore:
        from hub.storage.sql.invoices import SqlInvoiceStore

        return SqlInvoiceStore(self._work)

    @cached_property
    def changelog(self) -> SqlChangeLogStore:
        from hub.storage.sql.changelog import SqlChangeLogStore

        return SqlChangeLogStore(self._work)

    @cached_property
    def change_history(self) -> SqlChangeHistoryStore:
        from hub.storage.sql.history import SqlChangeHistoryStore

        return SqlChangeHistoryStore(self._work)

    @cached_property
    def seals(self) -> SqlSealStore:
        from hub.storage.sql.seals import SqlSealStore

        return SqlSealStore(self._work)

    @cached_property
    def erasures(self) -> SqlErasureStore:
        from hub.storage.sql.erasures import SqlErasureStore

        return SqlErasureStore(self._work)

    @cached_property
    def outbox(self) -> SqlOutboxStore:
        from hub.storage.sql.outbox import SqlOutboxStore

        return SqlOutboxStore(self._work)

    @cached_property
    def jobs(self) -> SqlJobStore:
        from hub.storage.sql.jobs import SqlJobStore

        return SqlJobStore(self._work)

    @cached_property
    def job_desk(self) -> SqlJobDeskStore:
        from hub.storage.sql.job_desk import SqlJobDeskStore

        return SqlJobDeskStore(self._work)

    @cached_property
    def mails(self) -> SqlMailStore:
        from hub.storage.sql.mails import SqlMailStore

        return SqlMailStore(self._work)

    @cached_property
    def mail_caps(self) -> SqlMailCapStore:
        from hub.storage.sql.mails import SqlMailCapStore

        return SqlMailCapStore(self._work)

    @cached_property
    def held_mails(self) -> SqlMailCapStore:
        from hub.storage.sql.mails import SqlMailCapStore

        return SqlMailCapStore(self._work)

    @cached_property
    def signing_keys(self) -> SqlSigningKeyStore:
        from hub.storage.sql.signing_keys import SqlSigningKeyStore

        return SqlSigningKeyStore(self._work)

    @cached_property
    def carrier_counts(self) -> SqlCarrierCountStore:
        from hub.storage.sql.carrier_counts import SqlCarrierCountStore

        return SqlCarrierCountStore(self._work)

    @cached_property
    def receipts(self) -> SqlReceiptStore:
        from hub.storage.sql.receipts import SqlReceiptStore

        return SqlReceiptStore(self._work)

    @cached_property
    def refusals(self) -> SqlRefusalStore:
        from hub.storage.sql.refusals import SqlRefusalStore

        return SqlRefusalStore(self._work)

    @cached_property
    def not_kept(self) -> SqlNotKeptStore:
        from hub.storage.sql.not_kept import SqlNotKeptStore

        return SqlNotKeptStore(self._work)

    @cached_property
    def warnings(self) -> SqlWarningStore:
        from hub.storage.sql.warnings import SqlWarningStore

        return SqlWarningStore(self._work)

    @cached_property
    def alarms(self) -> SqlAlarmStore:
        from hub.storage.sql.alarms import SqlAlarmStore

        return SqlAlarmStore(self._work)

    @cached_property
    def import_runs(self) -> SqlImportRunStore:
        from hub.storage.sql.import_runs import SqlImportRunStore

        return SqlImportRunStore(self._work)

    @cached_property
    def uploads(self) -> SqlUploadStore:
        from hub.storage.sql.uploads import SqlUploadStore

        return SqlUploadStore(self._work)

    @cached_property
    def upload_pieces(self) -> SqlPieceStore:
        from hub.storage.sql.uploads import SqlPieceStore

        return SqlPieceStore(self._work)

    @cached_property
    def themes(self) -> SqlThemeStore:
        from hub.storage.sql.themes import SqlThemeStore

        return SqlThemeStore(self._work)

    @cached_property
    def epochs(self) -> SqlEpochStore:
        from hub.storage.sql.epochs import SqlEpochStore

        return SqlEpochStore(self._work)

    @cached_property
    def probes(self) -> SqlProbeStore:
        from hub.storage.sql.probes import SqlProbeStore

        return SqlProbeStore(self._work)

    @cached_property
    def start(self) -> SqlStartStore:
        from hub.storage.sql.start import SqlStartStore

        return SqlStartStore(self._work)


def load_all() -> None:
    """Load every store, so that no request waits for it."""
    stores = Stores(cast("Work", None))
    for name, found in vars(Stores).items():
        if isinstance(found, cached_property):
            getattr(stores, name)
