"""From settings to services: the one place where everything is put together, by hand, in order.

Reads top to bottom: stores -> secrets -> directory -> verbs -> hand-off -> worker. Nothing is looked up anywhere else; a service
has what its constructor was given. One Hub per process; a forked process wires its own.
"""

from __future__ import annotations

import os
import secrets as chance
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from hub.parts import Parts
from hub.storage.database import Database
from idp.accounts.approvals import Approvals
from idp.accounts.code_guesses import CodeGuesses
from idp.accounts.confirmations import ASK_PAYER, Confirmations
from idp.accounts.departures import Departures
from idp.accounts.look_up import LookUp
from idp.accounts.look_up_limits import LookUpLimits
from idp.accounts.members import Members
from idp.accounts.objections import Objections
from idp.accounts.one_time_links import OneTimeLinks
from idp.accounts.register import Register
from idp.accounts.role_code_field import RoleCodeField
from idp.accounts.set_email import SetEmail
from idp.accounts.tying import Tools
from idp.accounts.unregister import Unregister
from idp.accounts.update_email import UpdateEmail
from idp.accounts.update_password import UpdatePassword
from idp.alarms import AlarmKind, Alarms
from idp.billing.invoices import Invoices
from idp.changelog import Sealer
from idp.clock import Clock, SystemClock
from idp.directory.advanced_settings import AdvancedSettings
from idp.directory.api_keys import ApiKeys
from idp.directory.billers import Billers
from idp.directory.customers import Customers
from idp.directory.partners import Partners
from idp.directory.payers import Payers
from idp.directory.users import Users
from idp.epochs import EVERY as EPOCH_EVERY
from idp.epochs import Epochs
from idp.erasure import Erasure
from idp.errors import Unreachable
from idp.fetch import Fetcher, SystemResolver
from idp.jobs import AnyHandler, Job, LongHandler, Recurring, Worker
from idp.jobs.worker import purge_dead_jobs
from idp.keys import SigningKeys
from idp.kv import KeyValue
from idp.login.frame_tokens import FrameTokens
from idp.login.hashing import Hasher
from idp.login.password_guesses import PasswordGuesses
from idp.login.passwords import Passwords
from idp.login.proofs import Proofs
from idp.login.sessions import Sessions
from idp.login.throttle import Throttle
from idp.messages.held_mail import HeldMails
from idp.messages.mail import SEND_MAIL, Mails
from idp.messages.notices import Notices
from idp.outbox import Relay
from idp.receipts import Receipts
from idp.secrets import Secrets
from idp.settings import Settings
from idp.verification import Trust
from idp.web.csrf import Csrf
from sso_connect.account_handles import AccountHandles
from sso_connect.admission import Admission
from sso_connect.carrier_counts import CarrierCounts
from sso_connect.diagnostics import Diagnostics
from sso_connect.explain import Explain
from sso_connect.framing import Carriers
from sso_connect.handoff import Handoff
from sso_connect.imports.folder import EVERY, InvoiceFolder
from sso_connect.imports.history import ImportHistory
from sso_connect.imports.runner import InvoiceFileImport
from sso_connect.imports.uploads import IMPORT_UPLOAD, InvoiceFiles
from sso_connect.links import Links
from sso_connect.malformed import Malformed
from sso_connect.places import Places
from sso_connect.redemptions import Redemptions
from sso_connect.redirects import Destinations
from sso_connect.themes import Fetch, Themes
from sso_connect.tokens import Tokens
from sso_connect.visits import Visits
from sso_connect.warnings import Warnings

_PURGE_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Hub:
    """Every service of one process."""

    settings: Settings
    clock: Clock
    parts: Parts
    kv: KeyValue
    database: Database
    epochs: Epochs
    secrets: Secrets
    signing_keys: SigningKeys
    sealer: Sealer
    erasure: Erasure
    trust: Trust
    relay: Relay
    receipts: Receipts
    mails: Mails
    held_mails: HeldMails
    billers: Billers
    partners: Partners
    api_keys: ApiKeys
    advanced_settings: AdvancedSettings
    customers: Customers
    users: Users
    payers: Payers
    members: Members
    alarms: Alarms
    role_code_field: RoleCodeField
    look_up: LookUp
    look_up_limits: LookUpLimits
    register: Register
    unregister: Unregister
    approvals: Approvals
    objections: Objections
    one_time_links: OneTimeLinks
    passwords: Passwords
    confirmations: Confirmations
    update_password: UpdatePassword
    update_email: UpdateEmail
    set_email: SetEmail
    invoices: Invoices
    destinations: Destinations
    diagnostics: Diagnostics
    warnings: Warnings
    invoice_import: InvoiceFileImport
    invoice_files: InvoiceFiles
    import_history: ImportHistory
    themes: Themes
    admission: Admission
    tokens: Tokens
    sessions: Sessions
    frame_tokens: FrameTokens
    carrier_counts: CarrierCounts
    visits: Visits
    places: Places
    handoff: Handoff
    explain: Explain
    links: Links
    carriers: Carriers
    handles: AccountHandles
    csrf: Csrf

    @property
    def job_handlers(self) -> Mapping[str, AnyHandler]:
        """Who does which kind of job."""
        files = self.invoice_files
        return {
            SEND_MAIL: self.mails.send,
            ASK_PAYER: self.confirmations.ask,
            IMPORT_UPLOAD: LongHandler(files.carry_out, files.give_up),
        }

    def worker(self) -> Worker:
        """What `idhub worker` runs."""
        return Worker(
            self.database.begin,
            self.clock,
            handlers=self.job_handlers,
            recurring=(
                Recurring("epoch", EPOCH_EVERY, self.epochs.beat),
                Recurring("seal", timedelta(seconds=2), self.sealer.run),
                Recurring("relay", timedelta(seconds=2), self.relay.run),
                Recurring("release-mails", timedelta(seconds=30), self.held_mails.release),
                Recurring("purge-refusals", timedelta(minutes=10), self.diagnostics.purge),
                Recurring("refresh-themes", timedelta(minutes=10), self.themes.refresh),
                Recurring("purge-alarms", timedelta(hours=1), self.alarms.purge),
                Recurring("purge-carrier-counts", timedelta(hours=1), self.carrier_counts.purge),
                Recurring("purge-warnings", timedelta(minutes=10), self.warnings.purge),
                Recurring("purge-receipts", timedelta(minutes=10), self.receipts.purge),
                Recurring("purge-confirmations", timedelta(hours=1), self.confirmations.purge),
                Recurring("purge-one-time-links", timedelta(hours=1), self.one_time_links.purge),
                Recurring("expire-registrations", timedelta(minutes=10), self.approvals.expire),
                *self._watched(),
                Recurring("purge-uploads", timedelta(minutes=10), self.invoice_files.purge),
                Recurring("end-lost-imports", timedelta(seconds=30), self.import_history.end_lost),
                Recurring("purge-import-runs", timedelta(minutes=10), self.import_history.purge),
                Recurring("purge-mails", timedelta(minutes=10), self.mails.purge),
                Recurring("purge-jobs", timedelta(hours=1), lambda: purge_dead_jobs(self.database.begin, self.clock)),
                Recurring("purge-events", timedelta(minutes=10), self.relay.purge),
                Recurring("purge-key-value", timedelta(minutes=1), lambda: self.kv.purge(_PURGE_BATCH)),
            ),
            jitter=chance.SystemRandom().random,
            dead=self._sound,
        )

    def _sound(self, job: Job, cause: str) -> None:
        self.alarms.sound(job.bid, AlarmKind.JOB_DEAD, f"job:{job.kind}", f"given up after {job.tries} tries: {cause}")

    def _watched(self) -> tuple[Recurring, ...]:
        folder = self.settings.invoice_folder
        if folder is None:
            return ()
        return (Recurring("invoice-folder", EVERY, InvoiceFolder(folder, self.billers, self.invoice_import, self.clock).look),)

    def close(self) -> None:
        """Write what waits, and give connections back."""
        self.receipts.close()
        self.parts.close()


def wire(settings: Settings, clock: Clock | None = None, *, parts: Parts | None = None) -> Hub:
    """Put a hub together, on `parts` where some are made already. SettingsError when the settings cannot be used.

    Connects to nothing yet.
    """
    if parts is None:
        parts = Parts(settings, clock or SystemClock())
        parts.open()
    time, kv, database, secrets = parts.clock, parts.kv, parts.database, parts.secrets
    begin, read = database.begin, database.read
    signing_keys, billers, api_keys, alarms = parts.signing_keys, parts.billers, parts.api_keys, parts.alarms
    payers = Payers(read, kv, time)
    notices = Notices(parts.mails)
    passwords = Passwords(begin, read, _hasher(settings), PasswordGuesses(kv, alarms), time)
    confirmations = Confirmations(begin, notices, alarms, time)

    departures = Departures(kv)
    links = OneTimeLinks(begin, time)
    guesses = CodeGuesses(kv, Throttle(kv), alarms)
    look_up_limits = LookUpLimits(kv, alarms)

    sessions = Sessions(kv)
    proofs = Proofs(begin, payers, passwords, time)
    admission = Admission(kv, api_keys, time)
    tokens = Tokens(read, kv, api_keys, payers, sessions, proofs, admission, time)
    frame_tokens = FrameTokens(kv, alarms)
    visits = Visits(read, billers, sessions, tokens, api_keys, payers, frame_tokens)
    diagnostics, warnings = parts.diagnostics, parts.warnings
    malformed = Malformed(tokens, api_keys, payers, time)
    themes = Themes(begin, read, kv, time, _stylesheets(settings), alarms)
    return Hub(
        settings=settings,
        clock=time,
        parts=parts,
        kv=kv,
        database=database,
        epochs=Epochs(begin, kv, time),
        secrets=secrets,
        signing_keys=signing_keys,
        sealer=parts.sealer,
        erasure=parts.erasure,
        trust=parts.trust,
        relay=Relay(begin, time),
        receipts=Receipts(begin, time, secrets),
        mails=parts.mails,
        held_mails=HeldMails(begin, parts.mails, time),
        billers=billers,
        partners=parts.partners,
        api_keys=api_keys,
        advanced_settings=parts.advanced_settings,
        customers=parts.customers,
        users=parts.users,
        payers=payers,
        members=Members(read, time),
        alarms=alarms,
        role_code_field=RoleCodeField(read, secrets, guesses),
        look_up=LookUp(read, look_up_limits, time),
        look_up_limits=look_up_limits,
        register=Register(
            begin,
            Tools(time, secrets, notices, links, alarms),
            guesses,
            departures,
            passwords,
        ),
        unregister=Unregister(begin, time, departures),
        approvals=parts.approvals,
        objections=Objections(begin, links, notices, alarms),
        one_time_links=links,
        passwords=passwords,
        confirmations=confirmations,
        update_password=UpdatePassword(begin, payers, passwords, confirmations, notices, time),
        update_email=UpdateEmail(begin, payers, passwords, confirmations, notices, time),
        set_email=SetEmail(begin, notices),
        invoices=Invoices(read),
        destinations=parts.destinations,
        diagnostics=diagnostics,
        warnings=warnings,
        invoice_import=parts.invoice_import,
        invoice_files=InvoiceFiles(begin, time, secrets, parts.invoice_import),
        import_history=parts.import_history,
        themes=themes,
        admission=admission,
        tokens=tokens,
        sessions=sessions,
        frame_tokens=frame_tokens,
        carrier_counts=parts.carrier_counts,
        visits=visits,
        places=Places(begin, sessions, tokens, frame_tokens, api_keys),
        handoff=Handoff(
            read, time, tokens, Redemptions(kv, tokens), api_keys, sessions, visits, themes, diagnostics, warnings, malformed
        ),
        explain=Explain(tokens, api_keys, payers, time),
        links=Links(tokens, time),
        carriers=Carriers(shared_origin=settings.shared_origin == "accepted"),
        handles=AccountHandles(secrets),
        csrf=Csrf(secrets),
    )


def _hasher(settings: Settings) -> Hasher:
    """As many hashes at once as the process has cores for, and with those that wait never more than half of its threads."""
    quarter = max(1, settings.threads // 4)
    return Hasher(at_once=min(quarter, max(1, len(os.sched_getaffinity(0)) // settings.workers)), waiting=quarter)


def _stylesheets(settings: Settings) -> Fetch:
    """The guarded client, for stylesheets only; made with the first one, because most processes never fetch any."""
    made: list[Fetcher] = []

    def fetch(url: str, *, most_bytes: int, deadline: timedelta) -> bytes:
        if not made:
            made.append(Fetcher(SystemResolver(), private_hosts=settings.fetch_private_hosts))
        answer = made[0].get(url, accept=("text/css",), most_bytes=most_bytes, deadline=deadline)
        if answer.status != 200 or answer.content_type != "text/css":
            raise Unreachable(f"status {answer.status}, {answer.content_type or 'no media type'}")
        return answer.body

    return fetch
