"""Settings: typed, complete, closed. All faults are told at once, and there is no default secret.

They come from environment variables `IDHUB_*` or from a file of the same names (`IDHUB_SETTINGS=/etc/idhub.env`, KEY=VALUE lines;
the environment wins). An unknown `IDHUB_*` name stops the start, because a misspelt setting is a setting that does not hold.
The table in docs/operations.md is made from the field descriptions here.
"""

from __future__ import annotations

import base64
import binascii
import errno
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from idp.errors.wording import did_you_mean, in_words
from idp.origins import host_name, is_host, typed_host

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_FOR_TESTS_AND_TOOLS = ("IDHUB_TEST_", "IDHUB_BENCH_", "IDHUB_DEMO_", "IDHUB_SETTINGS")
"""Names that belong to the test run, the benchmark and the demo, not to a hub."""

_NO_SENDER = "no-reply@example.com"
_SENDER = re.compile(
    r"(?=.{3,254}\Z)(?=.{1,64}@)[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*"
    r"@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*",
    re.ASCII | re.IGNORECASE,
)

_WHY = {errno.ENOENT: "no such file", errno.EISDIR: "it is a folder", errno.ENOTDIR: "part of the path is not a folder"}


class SettingsError(Exception):
    """The settings are wrong; the message has one line per fault."""


class Settings(BaseSettings):
    """What an operator decides. Everything a biller decides is a row in the database."""

    model_config = SettingsConfigDict(env_prefix="IDHUB_", extra="forbid", frozen=True)

    database_url: str = Field(
        "sqlite:///var/hub.sqlite3",
        description="SQLAlchemy URL: sqlite:///PATH or postgresql+psycopg://...",
        repr=False,
    )
    direct_database_url: str | None = Field(
        None,
        description="URL of PostgreSQL itself, for backup and restore, where database_url leads to PgBouncer",
        repr=False,
    )
    postgres_bin: Path | None = Field(
        None,
        description="Folder with pg_dump, pg_restore and psql; none: the PATH, then /usr/lib/postgresql/*/bin",
    )
    keyvalue_url: str = Field(
        "sqlite:///var/keyvalue.sqlite3",
        description="sqlite:///PATH, redis://..., rediss://... or unix://PATH",
        repr=False,
    )
    master_key: SecretStr | None = Field(
        None,
        description="32 random bytes, base64; `idhub new-master-key` prints one. This or master_key_file",
    )
    master_key_file: Path | None = Field(None, description="File with the master key, mode 0600")
    previous_master_keys: SecretStr | None = Field(
        None,
        description="Comma-separated older master keys, read only, while `idhub secrets rotate` re-wraps",
    )

    portal_domain: str = Field(
        "hub.localhost:8080",
        description="Billers live at {slug}.{portal_domain}, the API at api.{portal_domain}",
    )
    public_scheme: Literal["https", "http"] = Field("https", description="http only where portal_domain is a loopback name")
    shared_origin: Literal["", "accepted"] = Field(
        "", description="`accepted`: several billers may share one host, with weaker isolation"
    )
    trusted_proxies: tuple[Network, ...] = Field(
        (), description="Networks whose X-Forwarded-For/-Proto/-Host count, comma-separated"
    )
    fetch_private_hosts: tuple[str, ...] = Field((), description="Exact host:port that may be private, comma-separated")
    allow_loopback_origins: bool = Field(False, description="Partners may register http origins on loopback names (demo, tests)")

    listen: str = Field("127.0.0.1:8080", description="Address and port to listen on")
    workers: int = Field(1, ge=1, le=256, description="Worker processes")
    threads: int = Field(8, ge=1, le=256, description="Threads in each worker")
    database_pool: int = Field(10, ge=1, le=1000, description="Database connections of each worker, at most")

    smtp_url: SecretStr | None = Field(
        None,
        description="smtp://USER:PASSWORD@HOST:PORT (STARTTLS) or smtps://...; none: mail goes to mailbox_dir",
    )
    mail_from: str = Field(
        _NO_SENDER, description="Sender of mails, one ASCII address; its domain is in their Message-ID. Needed with smtp_url"
    )
    mailbox_dir: Path = Field(Path("var/mailbox"), description="Where mails go as files while smtp_url is not set")
    invoice_folder: Path | None = Field(
        None, description="Folder that the worker watches for invoice files (*.bif); none: it watches nothing"
    )

    log_format: Literal["json", "text"] = Field("json", description="json for machines, text for people")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="From this level on")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  (a signature of pydantic-settings)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` found: pydantic's own reader would want lists as JSON, and look past the given environment."""
        return (init_settings,)

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip())
        return value

    @field_validator("fetch_private_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("fetch_private_hosts")
    @classmethod
    def _check_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            if not is_exact_host(item):
                raise ValueError(f"{item!r} is not an exact host:port, lower case, an IPv6 address in brackets and short form")
        return value

    @model_validator(mode="before")
    @classmethod
    def _spell_domain(cls, given: Any) -> Any:
        """The portal domain in its normal form, which depends on the scheme."""
        if isinstance(given, dict) and isinstance(domain := given.get("portal_domain"), str):
            return given | {"portal_domain": typed_host(domain, str(given.get("public_scheme", "https")))}
        return given

    @field_validator("portal_domain")
    @classmethod
    def _check_domain(cls, value: str) -> str:
        if not is_host(value) or "_" in value:
            raise ValueError("a host name with an optional port is expected, no path")
        return value

    @field_validator("mail_from")
    @classmethod
    def _check_sender(cls, value: str) -> str:
        if _SENDER.fullmatch(value) is None:
            raise ValueError("one e-mail address in ASCII, without a name (a domain beyond ASCII as xn--...)")
        return value

    @field_validator("master_key")
    @classmethod
    def _check_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            decode_master_key(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        if self.public_scheme == "http" and not is_loopback_name(host_name(self.portal_domain)):
            raise ValueError("public_scheme http is for loopback names only (localhost, *.localhost, 127.0.0.1)")
        if self.master_key is not None and self.master_key_file is not None:
            raise ValueError("set master_key or master_key_file, not both")
        if self.smtp_url is not None and self.mail_from == _NO_SENDER:
            raise ValueError("mail_from is needed with smtp_url: nobody takes mails from example.com")
        return self

    @property
    def embedded(self) -> bool:
        """One machine, no other service."""
        return self.database_url.startswith("sqlite") and self.keyvalue_url.startswith("sqlite")

    @property
    def api_origin(self) -> str:
        """Where partners call: scheme and host."""
        return f"{self.public_scheme}://api.{self.portal_domain}"

    def master_keys(self) -> tuple[bytes, ...]:
        """The present master key first, then older ones. SettingsError when there is none or the file cannot be read."""
        if self.master_key is not None:
            current = self.master_key.get_secret_value()
        elif self.master_key_file is not None:
            try:
                current = self.master_key_file.read_text(encoding="ascii").strip()
            except OSError as fault:
                raise SettingsError(f"IDHUB_MASTER_KEY_FILE: cannot read {self.master_key_file}: {_why(fault)}") from fault
            except UnicodeDecodeError as fault:
                raise SettingsError(f"IDHUB_MASTER_KEY_FILE: {self.master_key_file} is not a key in base64") from fault
        else:
            raise SettingsError("IDHUB_MASTER_KEY or IDHUB_MASTER_KEY_FILE is needed; `idhub new-master-key` makes one")
        older = self.previous_master_keys.get_secret_value().split(",") if self.previous_master_keys else []
        try:
            return tuple(decode_master_key(text) for text in (current, *older) if text.strip())
        except ValueError as fault:
            raise SettingsError(f"master key: {fault}") from fault


def decode_master_key(text: str) -> bytes:
    """32 bytes from base64 (either alphabet). ValueError, without the value, when it is anything else."""
    try:
        raw = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as fault:
        raise ValueError("not base64") from fault
    if len(raw) != 32:
        raise ValueError(f"{len(raw)} bytes instead of 32")
    return raw


def is_loopback_name(host: str) -> bool:
    """A name or address that never leaves the machine (RFC 6761 6.3)."""
    bare = host.strip("[]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def is_exact_host(text: str) -> bool:
    """`host:port` in the one form that idp.fetch compares: lower-case ASCII, no wildcard, IPv6 in brackets and short form."""
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > 65535:
        return False
    if not host.startswith("["):
        return re.fullmatch(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*", host) is not None
    try:
        return host == f"[{ipaddress.IPv6Address(host[1:-1])}]"
    except ValueError:
        return False


def load(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the settings. SettingsError lists every fault in one message, a line each, and never a value that is secret."""
    source = dict(os.environ if environment is None else environment)
    if settings_file := source.get("IDHUB_SETTINGS"):
        source = _read_file(Path(settings_file)) | source
    given: dict[str, Any] = {}
    faults: list[str] = []
    for name, value in source.items():
        if not name.startswith("IDHUB_") or name.startswith(_FOR_TESTS_AND_TOOLS):
            continue
        field = name.removeprefix("IDHUB_").lower()
        if field in Settings.model_fields:
            given[field] = value
        else:
            near = did_you_mean(field.upper(), (each.upper() for each in Settings.model_fields), before="IDHUB_")
            faults.append(f"{name}: there is no such setting.{near}".rstrip("."))
    try:
        settings = Settings.model_validate(given | overrides)
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False):
            where = ".".join(str(part) for part in item["loc"])
            faults.append(f"{'IDHUB_' + where.upper() if where else 'settings'}: {in_words(item)}")
        raise SettingsError("\n".join(faults)) from None
    if faults:
        raise SettingsError("\n".join(faults))
    return settings


def _read_file(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as fault:
        raise SettingsError(f"The settings file {path} cannot be read: {_why(fault)}.") from fault
    except UnicodeDecodeError as fault:
        raise SettingsError(f"The settings file {path} cannot be read: it is not UTF-8 text.") from fault
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"{path}, line {number}: NAME=VALUE expected")
        found[name.strip()] = value.strip()
    return found


def _why(fault: OSError) -> str:
    return _WHY.get(fault.errno or 0) or (fault.strerror or type(fault).__name__).lower()
