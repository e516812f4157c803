"""Role codes: what only a person with a certain standing on the account would know. It decides the login type at registration.

The biller chooses four prefixes (O100 Owner, C200 Co-owner, OS300 Oversight, G500 Guest). A code is the bare prefix, or prefix
and a secret of the account (`O100-4821-3977`). It is read as people type it and PDFs give it: compatibility forms (NFKC), dashes,
blanks, invisible characters, case and punctuation at either end do not count; O reads as 0, I and L as 1, in prefix and secret.
Stored is (kind, key version, form, HMAC over customer, kind and secret): never the code, never in a log, a diff or a report.

The form says how the secret was read when it was stored. What was printed before the reading changed stays good: a code that
somebody shows is tried in every form, and a code that comes again in a file keeps the row that it has.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from idp.directory.billers import Policies
from idp.directory.names import folded
from idp.directory.rights import LoginType
from idp.opaque import same
from idp.secrets import Secrets

KEY_VERSION = 1
FIRST_FORM = 1
"""Dashes, blanks and case ignored; in the secret O read as 0 and I as 1; prefixes as they are."""
FORM = 2
"""The form of today, as the module says."""

_MOST = 64
_MOST_TYPED = 500
_IGNORED_AT_FIRST = re.compile(r"[\s\-\u2010-\u2015]")
_ALSO_DASHES = frozenset("\u2212\u2043\u02d7")
"""Minus sign, hyphen bullet, modifier minus: dashes to whoever types them, but not by their category."""


@dataclass(frozen=True, slots=True)
class ParsedCode:
    """A code as somebody wrote it; `secret` is "" for a bare prefix."""

    login_type: LoginType
    secret: str
    form: int = field(default=FORM, compare=False)
    earlier: ParsedCode | None = field(default=None, compare=False)
    """The same text, read in the first form."""

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
    form: int = FIRST_FORM
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
    """Read one code; None when it begins with none of the biller's prefixes or has over 64 characters that can be seen."""
    plain = _plain(text)
    for prefix, login_type in _prefixes(policies):
        if plain.startswith(folded(prefix)):
            return ParsedCode(login_type, plain[len(prefix) :], earlier=first_form(policies, text))
    return None


def first_form(policies: Policies, text: str) -> ParsedCode | None:
    """Read one code as it was read first (FIRST_FORM); None when it is none."""
    plain = _IGNORED_AT_FIRST.sub("", text[: _MOST + 1]).upper()
    if len(text) > _MOST:
        return None
    for prefix, login_type in _prefixes(policies):
        if plain.startswith(prefix):
            secret = plain[len(prefix) :].replace("O", "0").replace("I", "1")
            return ParsedCode(login_type, secret, FIRST_FORM)
    return None


def _plain(text: str) -> str:
    """What counts of a code that somebody typed; "" for what is too long."""
    if len(text) > _MOST_TYPED:
        return ""
    visible = [each for each in unicodedata.normalize("NFKC", text) if unicodedata.category(each) != "Cf"]
    if len(visible) > _MOST:
        return ""
    kept = [each for each in visible if not (each.isspace() or unicodedata.category(each) == "Pd" or each in _ALSO_DASHES)]
    while kept and unicodedata.category(kept[-1]).startswith("P"):
        kept.pop()
    start = next((at for at, each in enumerate(kept) if not unicodedata.category(each).startswith("P")), len(kept))
    return folded("".join(kept[start:]).upper())


def _prefixes(policies: Policies) -> list[tuple[str, LoginType]]:
    """The longest first: of prefixes that begin alike it is the one that is meant."""
    prefixes = {
        policies.owner_prefix: LoginType.OWNER,
        policies.co_owner_prefix: LoginType.CO_OWNER,
        policies.oversight_prefix: LoginType.OVERSIGHT,
        policies.guest_prefix: LoginType.GUEST,
    }
    return sorted(prefixes.items(), key=lambda each: len(each[0]), reverse=True)


def parse_codes(policies: Policies, text: str) -> list[ParsedCode]:
    """Read a field with several codes, separated by `;`. ValueError (without the code) when one cannot be read."""
    codes = [parse_code(policies, part) for part in text.split(";") if part.strip()]
    if None in codes:
        raise ValueError("a role code begins with none of the biller's prefixes")
    return [code for code in dict.fromkeys(codes) if code is not None]


def stored_code(
    secrets: Secrets, bid: int, customer_id: UUID, code: ParsedCode, written_by: str = "", known: Collection[str] = ()
) -> RoleCode:
    """What is kept of a code. The customer is part of the HMAC: equal codes of two accounts do not look equal.

    `known`: digests that the customer has. A code that it has in its first form keeps that.
    """
    mac = _mac(secrets, bid, customer_id, code)
    if code.earlier is not None and mac not in known:
        earlier = _mac(secrets, bid, customer_id, code.earlier)
        if earlier in known:
            mac, code = earlier, code.earlier
    return RoleCode(bid, customer_id, code.login_type, not code.secret, KEY_VERSION, mac, form=code.form, written_by=written_by)


def _mac(secrets: Secrets, bid: int, customer_id: UUID, code: ParsedCode) -> str:
    # Without the form: where two forms read a secret alike, its digest is one, for programs of the version before as well.
    return secrets.mac(bid, "role-code", f"{KEY_VERSION}:{customer_id}:{code.login_type.value}:{code.secret}")


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
    if policies.role_codes == "off":
        return None
    parsed = parse_code(policies, text)
    forms = [each for each in (parsed, first_form(policies, text)) if each is not None]
    digests = [_mac(secrets, bid, customer_id, each) for each in forms]
    # All of them, each in constant time: neither which one fits nor how far it fits shows in the time.
    fitting = [code for code in stored for digest in digests if same(code.digest, digest)]
    if fitting:
        found = fitting[0]
        return ShownCode(found.login_type, found.bare, found.digest, used=found.used_at is not None)
    if parsed is not None and not stored and not parsed.secret and policies.bare_codes:
        return ShownCode(parsed.login_type, bare=True)
    return None
