"""What must hold before a process serves: asked once at the start, every fault told at once, a line each.

    database          answers, and no migration is pending; a SQLite file is sound
    key-value store   answers, and evicts nothing
    secrets           the database was written under our master key
    origins           each biller has one of its own, unless the operator accepts sharing
    connections       all pools together fit into what PostgreSQL allows
    invoice folder    there, and ours to move files in, where one is watched
    mailbox           ours alone, where mails are files

Each question costs the same at three billers and at three thousand, but for the look through a SQLite file, which reads it once.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from idp.directory.hosts import is_plain_http
from idp.errors import HubError
from idp.kv import KeyValue
from idp.private_files import fault_of_folder
from idp.secrets import Secrets
from idp.settings import Settings, SettingsError

_MOST_ORIGINS = 5
_MOST_WARNED = 5
_MOST_PLAIN = 500


class StartStore(Protocol):
    """What a start asks the database."""

    def list_shared_origins(self, limit: int) -> list[str]:
        """Origins on which more than one biller lives."""
        ...

    def list_plain_addresses(self, limit: int) -> list[tuple[str, str]]:
        """(whose, address) of stored addresses that are plain http."""
        ...

    def connection_room(self) -> int | None:
        """How many connections the server lets ordinary roles have, all together; None: no limit that can be asked."""
        ...


class StartStores(Protocol):
    """The slice of stores that a start works with."""

    @property
    def start(self) -> StartStore: ...


class StartDatabase(Protocol):
    """The database, before anything is served from it."""

    def check(self) -> None:
        """Answer with a schema that this program knows, or raise StoreUnavailable."""
        ...

    def check_sound(self) -> None:
        """Raise StoreUnavailable when the file is damaged (SQLite; PostgreSQL sees to its files itself)."""
        ...

    def read(self) -> AbstractContextManager[StartStores]:
        """Stores for single statements."""
        ...


class Starting(Protocol):
    """What of the wired hub (hub.wiring) a start needs."""

    @property
    def settings(self) -> Settings: ...

    @property
    def database(self) -> StartDatabase: ...

    @property
    def kv(self) -> KeyValue: ...

    @property
    def secrets(self) -> Secrets: ...


def check_start(hub: Starting) -> list[str]:
    """One plain line per fault; empty: serve. What rests on a database that does not answer is not asked."""
    faults = list(_told("key-value store", hub.kv.check))
    database = list(_told("database", hub.database.check)) or list(_told("database", hub.database.check_sound))
    if not database:
        database += _told("secrets", hub.secrets.check)
        with hub.database.read() as stores:
            database += _shared_origins(hub.settings, stores.start)
            database += _connections(hub.settings, stores.start)
    return database + faults + list(_invoice_folder(hub.settings)) + list(_mailbox(hub.settings))


def start_warnings(hub: Starting) -> list[str]:
    """One plain line per thing that is no fault and should be put right; to be asked once nothing is a fault."""
    with hub.database.read() as stores:
        return list(_plain_addresses(stores.start))


def listen_address(settings: Settings) -> tuple[str, int]:
    """Host and port of IDHUB_LISTEN; an IPv6 address stands in brackets. SettingsError when it is neither."""
    host, _, port = settings.listen.rpartition(":")
    try:
        address = str(ipaddress.ip_address(host[1:-1] if host.startswith("[") else host))
    except ValueError:
        address = ""
    if not address or "%" in address or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError("IDHUB_LISTEN: ADDRESS:PORT is expected, for example 127.0.0.1:8080")
    return address, int(port)


def listen_warnings(settings: Settings) -> list[str]:
    """One plain line when other machines can connect and no proxy is named: bodies would not be buffered, and TLS ends nowhere."""
    address = ipaddress.ip_address(listen_address(settings)[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if settings.trusted_proxies or (mapped or address).is_loopback:
        return []
    return [
        f"IDHUB_LISTEN: {settings.listen} can be reached from other machines, and no proxy is named. Put a proxy in front that"
        " buffers requests, and name its address in IDHUB_TRUSTED_PROXIES (docs/operations.md, The proxy)"
    ]


def _told(what: str, check: Callable[[], None]) -> Iterator[str]:
    try:
        check()
    except HubError as fault:
        yield f"{what}: {' '.join((fault.detail or fault.public).split())}"


def _shared_origins(settings: Settings, store: StartStore) -> Iterator[str]:
    if settings.shared_origin == "accepted":
        return
    for origin in store.list_shared_origins(_MOST_ORIGINS):
        yield (
            f"billers: {origin} has more than one biller; give each a host (`idhub billers change BID --host HOST`)"
            " or accept weaker isolation with IDHUB_SHARED_ORIGIN=accepted"
        )


def _invoice_folder(settings: Settings) -> Iterator[str]:
    folder = settings.invoice_folder
    if folder is not None and not (folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)):
        yield f"invoice folder: {folder} is no folder that this user may read and write"


def _mailbox(settings: Settings) -> Iterator[str]:
    if settings.smtp_url is None and (fault := fault_of_folder(settings.mailbox_dir)):
        yield f"mailbox: {settings.mailbox_dir} {fault}"


def _plain_addresses(store: StartStore) -> Iterator[str]:
    found = store.list_plain_addresses(_MOST_PLAIN)
    plain = [each for each in found if is_plain_http(each[1])]
    for whose, address in plain[:_MOST_WARNED]:
        yield (
            f"{whose}: {address} is plain http. It still works as a link, but payers sent from there are not trusted;"
            " set an https address"
        )
    if len(plain) > _MOST_WARNED:
        more = "more than " if len(found) == _MOST_PLAIN else ""
        yield f"addresses: {more}{len(plain) - _MOST_WARNED} further ones are plain http"


def _connections(settings: Settings, store: StartStore) -> Iterator[str]:
    room = store.connection_room()
    wanted = settings.workers * settings.database_pool
    if room is not None and wanted > room:
        yield (
            f"database: IDHUB_WORKERS x IDHUB_DATABASE_POOL = {wanted} connections, the server allows {room};"
            " lower one of them or raise max_connections"
        )
