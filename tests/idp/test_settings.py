"""Settings: where they come from, which are refused, that every fault is told at once and no secret ever."""

from __future__ import annotations

import base64
import ipaddress
from pathlib import Path

import pytest

from idp.settings import Settings, SettingsError, decode_master_key, is_exact_host, is_loopback_name, load

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(range(32, 64))).decode()
HUSH = "hush*hush*77"


def faults(environment: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load(environment)
    return str(refused.value).splitlines()


# --- where settings come from ------------------------------------------------------------------------------------------------


def test_nothing_set_is_a_hub_for_one_machine() -> None:
    settings = load({})
    assert settings.embedded
    assert (settings.public_scheme, settings.listen, settings.workers) == ("https", "127.0.0.1:8080", 1)
    assert settings.master_key is None
    assert not settings.allow_loopback_origins


def test_a_hub_with_one_server_is_not_embedded() -> None:
    assert not load({"IDHUB_KEYVALUE_URL": "redis://127.0.0.1/0"}).embedded
    assert not load({"IDHUB_DATABASE_URL": "postgresql+psycopg://127.0.0.1/hub"}).embedded


def test_without_an_environment_given_that_of_the_process_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDHUB_WORKERS", "3")
    monkeypatch.setenv("IDHUB_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::/32")
    monkeypatch.setenv("IDHUB_FETCH_PRIVATE_HOSTS", "cis.internal:8443")
    settings = load()
    assert settings.workers == 3
    assert settings.trusted_proxies == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32"))
    assert settings.fetch_private_hosts == ("cis.internal:8443",)


def test_an_environment_that_is_given_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDHUB_WORKERS", "3")
    monkeypatch.setenv("IDHUB_NONSENSE", "1")
    monkeypatch.setenv("idhub_threads", "3")
    settings = load({"IDHUB_LISTEN": "127.0.0.1:9"})
    assert (settings.workers, settings.threads, settings.listen) == (1, 8, "127.0.0.1:9")


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "idhub.env"
    file.write_text(
        "# the hub of Oakdale\n\n"
        "IDHUB_WORKERS=2\n"
        "  IDHUB_THREADS = 4  \n"
        "IDHUB_DATABASE_URL=postgresql+psycopg://hub@127.0.0.1/hub?sslmode=require\n"
        "PATH=/somewhere/else\n"
    )
    settings = load({"IDHUB_SETTINGS": str(file), "IDHUB_WORKERS": "5", "PATH": "/bin"})
    assert (settings.workers, settings.threads, settings.database_pool) == (5, 4, 10)
    assert settings.database_url.endswith("?sslmode=require")


def test_an_argument_wins_over_both() -> None:
    assert load({"IDHUB_WORKERS": "2"}, workers=6).workers == 6


def test_a_file_that_is_not_there_or_no_text_is_told_by_its_path(tmp_path: Path) -> None:
    assert faults({"IDHUB_SETTINGS": str(tmp_path / "none")}) == [
        f"The settings file {tmp_path / 'none'} cannot be read: no such file."
    ]
    (tmp_path / "raw").write_bytes(b"IDHUB_WORKERS=\xff")
    assert faults({"IDHUB_SETTINGS": str(tmp_path / "raw")}) == [
        f"The settings file {tmp_path / 'raw'} cannot be read: it is not UTF-8 text."
    ]


def test_a_line_that_is_no_setting_is_told_by_its_number_and_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "idhub.env"
    file.write_text(f"IDHUB_WORKERS=2\n{HUSH}\n")
    assert faults({"IDHUB_SETTINGS": str(file)}) == [f"{file}, line 2: NAME=VALUE expected"]


# --- what is refused ---------------------------------------------------------------------------------------------------------


def test_every_fault_is_told_at_once() -> None:
    told = faults(
        {
            "IDHUB_WORKRES": "2",
            "IDHUB_WORKERS": "0",
            "IDHUB_THREADS": "many",
            "IDHUB_PUBLIC_SCHEME": "gopher",
            "IDHUB_PORTAL_DOMAIN": "https://hub.example.com/",
            "IDHUB_MASTER_KEY": HUSH,
            "IDHUB_TRUSTED_PROXIES": "10.0.0.0/8,10.0.0.1/8",
            "IDHUB_FETCH_PRIVATE_HOSTS": "*.internal:443",
            "IDHUB_LOG_LEVEL": "loud",
        }
    )
    assert {line.partition(":")[0] for line in told} == {
        "IDHUB_WORKRES",
        "IDHUB_WORKERS",
        "IDHUB_THREADS",
        "IDHUB_PUBLIC_SCHEME",
        "IDHUB_PORTAL_DOMAIN",
        "IDHUB_MASTER_KEY",
        "IDHUB_TRUSTED_PROXIES",
        "IDHUB_FETCH_PRIVATE_HOSTS",
        "IDHUB_LOG_LEVEL",
    }
    assert HUSH not in "\n".join(told)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("IDHUB_WORKRES", ". Did you mean IDHUB_WORKERS?"),
        ("IDHUB_", ""),
        ("IDHUB_TESTS", ""),
        ("IDHUB_MASTERKEY", ". Did you mean IDHUB_MASTER_KEY?"),
    ],
)
def test_a_misspelt_name_stops_the_start_and_is_told_what_it_was_meant_to_be(name: str, near: str) -> None:
    assert faults({name: HUSH}) == [f"{name}: there is no such setting{near}"]


def test_a_misspelt_name_in_the_file_does_too(tmp_path: Path) -> None:
    file = tmp_path / "idhub.env"
    file.write_text("IDHUB_WORKRES=2\n")
    assert faults({"IDHUB_SETTINGS": str(file)}) == ["IDHUB_WORKRES: there is no such setting. Did you mean IDHUB_WORKERS?"]


@pytest.mark.parametrize("name", ["IDHUB_TEST_ANYTHING", "IDHUB_BENCH_SECONDS", "IDHUB_DEMO_PORT", "HOME", "XIDHUB_WORKERS"])
def test_names_of_tests_and_tools_and_others_are_not_settings(name: str) -> None:
    assert load({name: "2"}) == load({})


@pytest.mark.parametrize("domain", ["hub.localhost:8080", "localhost", "localhost:1", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080"])
def test_http_is_for_loopback_names(domain: str) -> None:
    assert load({"IDHUB_PUBLIC_SCHEME": "http", "IDHUB_PORTAL_DOMAIN": domain}).api_origin == f"http://api.{domain}"


@pytest.mark.parametrize(
    "domain", ["hub.example.com", "hub.example.com:80", "localhost.example.com", "notlocalhost", "10.0.0.1:8080"]
)
def test_http_anywhere_else_stops_the_start(domain: str) -> None:
    (line,) = faults({"IDHUB_PUBLIC_SCHEME": "http", "IDHUB_PORTAL_DOMAIN": domain})
    assert "loopback names only" in line


@pytest.mark.parametrize(
    "domain", ["", "hub.example.com/", "user@hub.example.com", "a b", "hub.example.com:65536", "hub.example.com:0", "*.example.com"]
)
def test_what_is_no_host_is_no_portal_domain(domain: str) -> None:
    (line,) = faults({"IDHUB_PORTAL_DOMAIN": domain})
    assert line.startswith("IDHUB_PORTAL_DOMAIN: ")


@pytest.mark.parametrize(
    ("typed", "domain"),
    [
        ("Hub.Example.COM", "hub.example.com"),
        ("hub.example.com:443", "hub.example.com"),
        ("hub.example.com.", "hub.example.com"),
        ("hub.example.com.:8443", "hub.example.com:8443"),
        ("rechnungen.stadtwerke-münchen.example", "rechnungen.xn--stadtwerke-mnchen-e3b.example"),
    ],
)
def test_a_portal_domain_is_kept_in_the_form_in_which_browsers_ask_for_it(typed: str, domain: str) -> None:
    assert load({"IDHUB_PORTAL_DOMAIN": typed}).portal_domain == domain
    assert load({"IDHUB_PORTAL_DOMAIN": typed}).api_origin == f"https://api.{domain}"


def test_the_default_port_of_a_loopback_domain_is_that_of_http() -> None:
    for typed, domain in (("hub.localhost:80", "hub.localhost"), ("hub.localhost:443", "hub.localhost:443"), ("[::1]:80", "[::1]")):
        assert load({"IDHUB_PUBLIC_SCHEME": "http", "IDHUB_PORTAL_DOMAIN": typed}).portal_domain == domain


# --- master keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [KEY, f" {KEY}\n", base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode(), base64.b64encode(b"\xfb\xff" * 16).decode()]
)
def test_a_master_key_is_32_bytes_in_either_alphabet_of_base64(text: str) -> None:
    assert len(decode_master_key(text)) == 32


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 bytes instead of 32"),
        (base64.b64encode(b"x" * 31).decode(), "31 bytes instead of 32"),
        (base64.b64encode(b"x" * 33).decode(), "33 bytes instead of 32"),
        (KEY[:-1], "not base64"),
        (HUSH, "not base64"),
        ("0" * 64, "48 bytes instead of 32"),
        ("é" * 44, "not base64"),
    ],
)
def test_another_master_key_is_refused_without_being_repeated(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        decode_master_key(text)
    (line,) = faults({"IDHUB_MASTER_KEY": text})
    assert line == f"IDHUB_MASTER_KEY: {reason}"


def test_the_present_master_key_comes_first_and_older_ones_after_it() -> None:
    settings = load({"IDHUB_MASTER_KEY": KEY, "IDHUB_PREVIOUS_MASTER_KEYS": f"{OTHER}, {KEY},"})
    assert settings.master_keys() == (bytes(range(32)), bytes(range(32, 64)), bytes(range(32)))


def test_the_master_key_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    file.write_text(KEY + "\n")
    assert load({"IDHUB_MASTER_KEY_FILE": str(file)}).master_keys() == (bytes(range(32)),)


def test_both_ways_to_give_a_master_key_are_one_too_many() -> None:
    (line,) = faults({"IDHUB_MASTER_KEY": KEY, "IDHUB_MASTER_KEY_FILE": "/nowhere"})
    assert "not both" in line
    assert KEY not in line


def test_a_hub_without_master_key_says_how_to_make_one() -> None:
    with pytest.raises(SettingsError, match="idhub new-master-key"):
        load({}).master_keys()


def test_a_master_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="IDHUB_MASTER_KEY_FILE: cannot read"):
        load({"IDHUB_MASTER_KEY_FILE": str(tmp_path / "none")}).master_keys()


def test_a_wrong_key_in_the_file_or_among_the_older_ones_is_told_without_being_repeated(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    file.write_text(HUSH)
    for environment in ({"IDHUB_MASTER_KEY_FILE": str(file)}, {"IDHUB_MASTER_KEY": KEY, "IDHUB_PREVIOUS_MASTER_KEYS": HUSH}):
        with pytest.raises(SettingsError) as refused:
            load(environment).master_keys()
        assert str(refused.value) == "master key: not base64"


# --- secrets stay secret -----------------------------------------------------------------------------------------------------


def secretive() -> Settings:
    return load(
        {
            "IDHUB_MASTER_KEY": KEY,
            "IDHUB_PREVIOUS_MASTER_KEYS": OTHER,
            "IDHUB_SMTP_URL": f"smtp://hub:{HUSH}@mail.example.com:587",
            "IDHUB_MAIL_FROM": "no-reply@oakdale.example",
            "IDHUB_DATABASE_URL": f"postgresql+psycopg://hub:{HUSH}@127.0.0.1/hub",
            "IDHUB_KEYVALUE_URL": f"redis://:{HUSH}@127.0.0.1/0",
        }
    )


@pytest.mark.parametrize("show", [repr, str, lambda settings: f"{settings!r}", lambda settings: repr({"settings": settings})])
def test_settings_that_are_printed_show_no_key_and_no_password(show: object) -> None:
    assert callable(show)
    shown = show(secretive())
    assert not any(secret in shown for secret in (KEY, OTHER, HUSH))


def test_a_fault_beside_secrets_does_not_show_them() -> None:
    told = faults(
        {
            "IDHUB_MASTER_KEY": KEY,
            "IDHUB_SMTP_URL": f"smtp://hub:{HUSH}@mail.example.com",
            "IDHUB_MAIL_FROM": "no-reply@oakdale.example",
            "IDHUB_DATABASE_URL": f"postgresql+psycopg://hub:{HUSH}@127.0.0.1/hub",
            "IDHUB_WORKERS": "none",
        }
    )
    assert [line.partition(":")[0] for line in told] == ["IDHUB_WORKERS"]
    assert HUSH not in told[0]


def test_settings_do_not_change_after_the_start() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load({}).workers = 2  # type: ignore[misc]


# --- names -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("a.b.localhost", True),
        ("127.0.0.1", True),
        ("127.255.0.1", True),
        ("[::1]", True),
        ("::1", True),
        ("", False),
        ("localhost.example", False),
        ("xlocalhost", False),
        ("128.0.0.1", False),
        ("255.255.255.255", False),
        ("::2", False),
        ("127.1", False),
        ("0x7f000001", False),
    ],
)
def test_a_loopback_name_is_one_that_never_leaves_the_machine(host: str, loopback: bool) -> None:
    assert is_loopback_name(host) is loopback


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("cis.internal:8443", True),
        ("10.0.0.1:80", True),
        ("[2001:db8::1]:443", True),
        ("cis.internal", False),
        ("CIS.internal:1", False),
        ("*.internal:443", False),
        ("a:0", False),
        ("a:65536", False),
        ("a:080", False),
        ("[2001:DB8::1]:1", False),
        ("[2001:db8:0::1]:1", False),
        ("a..b:1", False),
        ("a:1:2", False),
        ("", False),
    ],
)
def test_an_exact_host_has_one_spelling(text: str, exact: bool) -> None:
    assert is_exact_host(text) is exact


@pytest.mark.parametrize(
    "address", ["no-reply@oakdale.example", "bills+hub@pay.xn--mnchen-3ya.example", "hub@hub.localhost", "a@localhost"]
)
def test_mails_come_from_an_address_that_any_server_takes(address: str) -> None:
    assert load({"IDHUB_MAIL_FROM": address}).mail_from == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "oakdale.example",
        "Oakdale <no-reply@oakdale.example>",
        "no-reply@m\u00fcnchen.example",
        "\u00fc@oakdale.example",
        "a@oakdale.example.",
        "a..b@oakdale.example",
        '"a b"@oakdale.example',
        "a@[127.0.0.1]",
        "a@b@oakdale.example",
        "a@-oakdale.example",
        "a@hub.localhost:8080",
        f"{'x' * 65}@oakdale.example",
        f"a@{'x' * 64}.example",
        "a@" + "x.y." * 70 + "example",
        "a@oakdale.example\r\nBcc: b@c.example",
    ],
)
def test_mails_do_not_come_from_anything_else(address: str) -> None:
    with pytest.raises(SettingsError, match=r"^IDHUB_MAIL_FROM: .*one e-mail address in ASCII"):
        load({"IDHUB_MAIL_FROM": address})


def test_with_a_mail_server_somebody_says_whom_mails_come_from() -> None:
    with pytest.raises(SettingsError, match="mail_from is needed with smtp_url"):
        load({"IDHUB_SMTP_URL": "smtps://mail.example.com"})
