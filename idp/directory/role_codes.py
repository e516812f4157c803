"""Role codes: what only a person with a certain standing on the account would know. It decides the login type at registration.

The biller chooses four prefixes (O100 Owner, C200 Co-owner, OS300 Oversight, G500 Guest). A code is the bare prefix, or prefix
and a secret of the account (`O100-4821-3977`). Dashes, blanks and case do not count; in the secret O reads as 0 and I as 1.
Stored is (kind, key version, HMAC over customer, kind and secret): never the code, never in a log, a diff or a report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from idp.directory.billers import Policies
from idp.directory.rights import LoginType
from idp.opaque import same
from idp.secrets import Secrets

KEY_VERSION = 1
_IGNORED = re.compile(r"[\s\-\u2010-\u2015]")


@dataclass(frozen=True, slots=True)
class ParsedCode:
    """A code as somebody wrote it; `secret` is "" for a bare prefix."""

    login_type: LoginType
    secret: str

    def __repr__(self) -> str:
        return f"ParsedCode({self.login_type.name}, bare={not self.secret})"


@dataclass(frozen=True, slots=True)
class RoleCode:
    """A code of a customer, as stored."""

    bid: int
    customer_id: UUID
    login_type: LoginType
    bare: bool
    key_version: int
    digest: str
    used_at: datetime | None = None
    written_by: str = ""
    """Who wrote it first (idp.directory.provenance, Writer.text)."""


@dataclass(frozen=True, slots=True)
class ShownCode:
    """A code that somebody showed and that fits the account: what it stands for, never the code.

    `digest` None: one of the biller's bare prefixes, on an account without codes of its own. `used`: it was good once, and was
    used.
    """

    login_type: LoginType
    bare: bool
    digest: str | None = None
    used: bool = False

    @property
    def works_once(self) -> bool:
        """An owner code with a secret."""
        return self.login_type is LoginType.OWNER and not self.bare

    @property
    def leaves_nothing_to_guess(self) -> bool:
        """Whether there is no better code on the account. A Guest's code, say, must not pay for guesses at the Owner's."""
        return self.works_once or self.digest is None


class RoleCodeStore(Protocol):
    """Role codes in the database."""

    def list_codes(self, bid: int, customer_id: UUID) -> list[RoleCode]:
        """All codes of a customer, used ones too."""
        ...

    def set_codes(self, bid: int, customer_id: UUID, codes: list[RoleCode]) -> bool:
        """Replace the unused codes; a used one stays used, so that next month's file does not re-arm it. Whether any changed.

        A code that is there stays as it is, its writer too.
        """
        ...

    def list_codes_of(self, bid: int, customer_ids: Iterable[UUID]) -> dict[UUID, list[RoleCode]]:
        """All codes of several customers, by customer; a customer without codes is not in it."""
        ...

    def set_codes_of(self, bid: int, codes: Mapping[UUID, Sequence[RoleCode]]) -> None:
        """As set_codes, for several customers."""
        ...

    def use_code(self, bid: int, customer_id: UUID, digest: str, at: datetime) -> bool:
        """Mark a code as used. False when it is not there, or somebody used it before: exactly one caller gets True."""
        ...


def parse_code(policies: Policies, text: str) -> ParsedCode | None:
    """Read one code; None when it begins with none of the biller's prefixes or is over 64 characters."""
    plain = _IGNORED.sub("", text).upper()
    if len(text) > 64:
        return None
    prefixes = {
        policies.owner_prefix: LoginType.OWNER,
        policies.co_owner_prefix: LoginType.CO_OWNER,
        policies.oversight_prefix: LoginType.OVERSIGHT,
        policies.guest_prefix: LoginType.GUEST,
    }
    for prefix in sorted(prefixes, key=len, reverse=True):
        if plain.startswith(prefix):
            return ParsedCode(prefixes[prefix], plain[len(prefix) :].replace("O", "0").replace("I", "1"))
    return None


def parse_codes(policies: Policies, text: str) -> list[ParsedCode]:
    """Read a field with several codes, separated by `;`. ValueError (without the code) when one cannot be read."""
    codes = [parse_code(policies, part) for part in text.split(";") if part.strip()]
    if None in codes:
        raise ValueError("a role code begins with none of the biller's prefixes")
    return [code for code in dict.fromkeys(codes) if code is not None]


def stored_code(secrets: Secrets, bid: int, customer_id: UUID, code: ParsedCode, written_by: str = "") -> RoleCode:
    """What is kept of a code. The customer is part of the HMAC: equal codes of two accounts do not look equal."""
    message = f"{KEY_VERSION}:{customer_id}:{code.login_type.value}:{code.secret}"
    mac = secrets.mac(bid, "role-code", message)
    return RoleCode(bid, customer_id, code.login_type, not code.secret, KEY_VERSION, mac, written_by=written_by)


def is_unchanged(stored: Sequence[RoleCode], wanted: Sequence[RoleCode]) -> bool:
    """Whether codes that somebody sends are those that the account has. A used code stays used, whether or not it is among them."""
    used = {code.digest for code in stored if code.used_at is not None}
    return {code.digest for code in wanted} - used == {code.digest for code in stored} - used


def touched(stored: Sequence[RoleCode], wanted: Sequence[RoleCode]) -> list[RoleCode]:
    """The unused codes that stop working when `wanted` replace them."""
    kept = {code.digest for code in wanted}
    return [code for code in stored if code.used_at is None and code.digest not in kept]


def judge(
    policies: Policies, secrets: Secrets, bid: int, customer_id: UUID, stored: Sequence[RoleCode], text: str
) -> ShownCode | None:
    """What a code that somebody shows is worth on an account with these stored codes; None: it is wrong.

    An account without codes of its own takes the four bare prefixes, unless the biller's policy `bare_codes` is off.
    """
    parsed = None if policies.role_codes == "off" else parse_code(policies, text)
    if parsed is None:
        return None
    digest = stored_code(secrets, bid, customer_id, parsed).digest
    # All of them, each in constant time: neither which one fits nor how far it fits shows in the time.
    fitting = [code for code in stored if same(code.digest, digest)]
    if fitting:
        return ShownCode(fitting[0].login_type, fitting[0].bare, digest, used=fitting[0].used_at is not None)
    if not stored and not parsed.secret and policies.bare_codes:
        return ShownCode(parsed.login_type, bare=True)
    return None
