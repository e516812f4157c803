"""What must hold before a process serves (hub.start)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from hub.start import check_start, listen_address, listen_warnings, start_warnings
from hub.storage.migrations import migrate
from hub.wiring import Hub, wire
from idp.actor import System
from idp.errors import StoreUnavailable
from idp.settings import Settings, SettingsError, load

_KEYS = ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "HxwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEAHx8=")


def _settings(folder: Path, **more: str) -> Settings:
    given = {
        "IDHUB_DATABASE_URL": f"sqlite:///{folder}/hub.sqlite3",
        "IDHUB_KEYVALUE_URL": f"sqlite:///{folder}/keyvalue.sqlite3",
        "IDHUB_MASTER_KEY": _KEYS[0],
        "IDHUB_PUBLIC_SCHEME": "http",
    }
    return load(given | {f"IDHUB_{name.upper()}": value for name, value in more.items()})


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub on a migrated SQLite file."""
    settings = _settings(tmp_path)
    migrate(settings.database_url)
    made = wire(settings)
    yield made
    made.close()


def test_a_hub_that_can_serve_has_no_fault(hub: Hub) -> None:
    hub.billers.create(System("test"), "request", bid=9001, slug="one", dba="One")
    hub.billers.create(System("test"), "request", bid=9002, slug="two", dba="Two")
    assert check_start(hub) == []


def test_pending_migrations_are_one_line_and_hide_no_other_fault(tmp_path: Path) -> None:
    hub = wire(_settings(tmp_path))

    class Silent:
        """A key-value store that does not answer."""

        def check(self) -> None:
            raise StoreUnavailable("evicts keys:\nset noeviction")

    try:
        faults = check_start(replace(hub, kv=Silent()))  # type: ignore[arg-type]
    finally:
        hub.close()
    assert faults == [
        "database: the database is at revision none: run `idhub migrate`",
        "key-value store: evicts keys: set noeviction",
    ]


def test_a_damaged_sqlite_file_is_one_line_that_names_the_way_out(hub: Hub, tmp_path: Path) -> None:
    assert check_start(hub) == []
    file = tmp_path / "hub.sqlite3"
    hub.database.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'customers'").fetchone()
    for damaged_page in (root, 2, 1):
        raw = bytearray(file.read_bytes())
        raw[(damaged_page - 1) * 4096 : damaged_page * 4096] = b"\x5a" * 4096
        file.write_bytes(raw)
        (fault,) = check_start(hub)
        assert fault.startswith("database: ")
        assert "stop the hub and restore a backup (`idhub restore`)" in fault
        assert "\n" not in fault
        hub.database.close()


def test_an_invoice_folder_that_cannot_be_used_is_told(hub: Hub, tmp_path: Path) -> None:
    for folder, faults in ((tmp_path, 0), (tmp_path / "nothing", 1), (tmp_path / "hub.sqlite3", 1)):
        watching = replace(hub, settings=_settings(tmp_path, invoice_folder=str(folder)))
        told = check_start(watching)
        assert len(told) == faults
        assert all(each.startswith(f"invoice folder: {folder}") for each in told)


def test_a_mailbox_that_others_can_write_is_told_in_a_line_unless_mail_goes_by_smtp(hub: Hub, tmp_path: Path) -> None:
    box = tmp_path / "box"
    for mode, faults in ((None, 0), (0o755, 0), (0o777, 1)):
        if mode is not None:
            box.mkdir(exist_ok=True)
            box.chmod(mode)
        (told, by_smtp) = (
            check_start(replace(hub, settings=_settings(tmp_path, mailbox_dir=str(box), **more)))
            for more in ({}, {"smtp_url": "smtps://mail.example.com", "mail_from": "hub@oakdale.example"})
        )
        assert [each.startswith(f"mailbox: {box} can be written by others") for each in told] == [True] * faults
        assert by_smtp == []


def test_addresses_from_before_that_are_plain_http_are_warnings_and_no_faults_and_few_lines(hub: Hub) -> None:
    for bid in range(9001, 9009):
        hub.billers.create(System("test"), "request", bid=bid, slug=f"b{bid}", dba="One")
    for slug in ("plain", "good", "local"):
        hub.partners.create(System("test"), "request", slug=slug, name=slug)
    assert start_warnings(hub) == []
    with hub.database.begin() as stores:
        for slug, url in (
            ("plain", "HTTP://portal.example.com"),
            ("good", "https://a.example.com"),
            ("local", "http://localhost:1/"),
        ):
            found = stores.partners.find_partner_by_slug(slug)
            assert found is not None
            stores.partners.put_partner(replace(found, url=url))
        stores.billers.put_sso_login_url(9001, "http://login.example.com/")
    assert check_start(hub) == []
    first, second = start_warnings(hub)
    assert first.startswith("setting 3 of BID 9001: http://login.example.com/ is plain http.")
    assert second.startswith("partner plain: HTTP://portal.example.com is plain http.")
    with hub.database.begin() as stores:
        for bid in range(9001, 9009):
            stores.billers.put_sso_login_url(bid, f"http://login{bid}.example.com/")
    told = start_warnings(hub)
    assert len(told) == 6
    assert told[-1] == "addresses: 4 further ones are plain http"


@pytest.mark.parametrize("listen", ["127.0.0.1:8080", "127.9.9.9:1", "[::1]:8080", "[::ffff:127.0.0.1]:80"])
def test_a_hub_that_only_its_own_machine_reaches_needs_no_proxy(tmp_path: Path, listen: str) -> None:
    assert listen_warnings(_settings(tmp_path, listen=listen)) == []


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "10.0.0.11:8080", "[::]:8080", "[::ffff:10.0.0.11]:80", "[2001:db8::1]:80"])
def test_a_hub_that_others_reach_without_a_proxy_is_a_warning_of_one_line(tmp_path: Path, listen: str) -> None:
    (line,) = listen_warnings(_settings(tmp_path, listen=listen))
    assert line.startswith(f"IDHUB_LISTEN: {listen} ")
    assert "IDHUB_TRUSTED_PROXIES" in line
    assert "\n" not in line
    assert listen_warnings(_settings(tmp_path, listen=listen, trusted_proxies="10.0.0.2/32")) == []


def test_a_database_under_another_master_key_is_told(hub: Hub, tmp_path: Path) -> None:
    assert check_start(hub) == []
    other = wire(_settings(tmp_path, master_key=_KEYS[1]))
    try:
        (fault,) = check_start(other)
    finally:
        other.close()
    assert fault.startswith("secrets: the database was written under another master key")


def test_two_billers_on_one_origin_stop_the_start_unless_that_is_accepted(hub: Hub, tmp_path: Path) -> None:
    accepted = wire(_settings(tmp_path, shared_origin="accepted"))
    try:
        for bid, slug in ((9001, "one"), (9002, "two")):
            accepted.billers.create(System("test"), "request", bid=bid, slug=slug, dba=slug, host="bills.localhost:8080")
        assert check_start(accepted) == []
    finally:
        accepted.close()
    (fault,) = check_start(hub)
    assert fault.startswith("billers: http://bills.localhost:8080 has more than one biller")
    assert "IDHUB_SHARED_ORIGIN=accepted" in fault


def test_one_biller_on_a_host_of_any_name_is_fine(hub: Hub) -> None:
    hub.billers.create(System("test"), "request", bid=9001, slug="one", dba="One", host="127.0.0.1:8080")
    assert check_start(hub) == []


@pytest.mark.servers
@pytest.mark.parametrize(("workers", "room"), [("4", True), ("200", False)])
def test_more_connections_than_postgresql_allows_stop_the_start(
    tmp_path: Path, postgres_url: str, workers: str, room: bool
) -> None:
    hub = wire(_settings(tmp_path, database_url=postgres_url, workers=workers, database_pool="10"))
    try:
        faults = check_start(hub)
    finally:
        hub.close()
    assert [fault.partition(",")[0] for fault in faults] == (
        [] if room else ["database: IDHUB_WORKERS x IDHUB_DATABASE_POOL = 2000 connections"]
    )


@pytest.mark.parametrize(
    ("listen", "address"),
    [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("192.0.2.1:1", ("192.0.2.1", 1)), ("[::1]:65535", ("::1", 65535))],
)
def test_the_address_to_listen_on_is_read(tmp_path: Path, listen: str, address: tuple[str, int]) -> None:
    assert listen_address(_settings(tmp_path, listen=listen)) == address


@pytest.mark.parametrize(
    "listen",
    [
        *("8080", ":8080", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http", "127.0.0.1:٨٠"),
        *("localhost:8080", "[::1]", "[fe80::1%eth0]:80", "[127.0.0.1:80", ""),
    ],
)
def test_what_is_no_address_to_listen_on_is_one_line(tmp_path: Path, listen: str) -> None:
    with pytest.raises(SettingsError, match="ADDRESS:PORT"):
        listen_address(_settings(tmp_path, listen=listen))
