"""One canonical form each for account number, user name and e-mail address. The original is kept beside it.

Canonical forms are for comparing and for unique indexes, never for showing.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

import precis_i18n
from email_validator import EmailNotValidError, ValidatedEmail, validate_email

AccountProfile = Literal["as_imported", "digits_only"]
"""How a biller's account numbers compare: as they are (case and blanks around them aside), or by their digits only."""

MAX_ACCOUNT_CHARACTERS = 50
"""Of an account number in its canonical form."""

_LOOK_ALIKES = str.maketrans("OIL", "011")
_NOT_DIGITS = re.compile(r"[^0-9]")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MOST_BEFORE_AT, _MOST_OF_ADDRESS = 64, 254
_NO_ADDRESS = "not an e-mail address"
_USER_PART = precis_i18n.get_profile("UsernameCaseMapped")


class AccountNumberTooLong(ValueError):
    """The canonical account number has more than MAX_ACCOUNT_CHARACTERS."""


def account_key(profile: AccountProfile, account_number: str) -> str:
    """The canonical account number. ValueError when nothing is left of it, AccountNumberTooLong when it is over 50 characters."""
    if profile == "digits_only":
        key = _NOT_DIGITS.sub("", account_number)
    else:
        upper = unicodedata.normalize("NFC", account_number).strip().upper()
        key = unicodedata.normalize("NFC", upper)  # again: upper case takes some letters apart
    told = f"an account number has 1 to {MAX_ACCOUNT_CHARACTERS} printable characters"
    if len(key) > MAX_ACCOUNT_CHARACTERS:
        raise AccountNumberTooLong(told)
    if not key or not key.isprintable():
        raise ValueError(told)
    return key


def check_user_name(user_name: str) -> None:
    """ValueError for a name that no user may get: one that could pose as a link or as more than a name wherever it is shown.

    Asked where a name is set. Users who have such a name from before keep it, and are found by it.
    """
    if "://" in user_name:
        raise ValueError("a user name may not hold a web address")
    check_shown(user_name.strip())


def check_shown(text: str) -> None:
    """ValueError for a text with line breaks, control characters, or others that nobody sees (marks of direction, no width)."""
    if any(unicodedata.category(each) in _UNSEEN for each in text):
        raise ValueError("may not hold line breaks or invisible characters")


def user_name_key(user_name: str) -> str:
    """The canonical user name (RFC 8265 3.5: user parts by UsernameCaseMapped, single blanks between). ValueError: not one."""
    if user_name.isascii() and user_name.isprintable() and " " not in user_name and 0 < len(user_name) <= 100:
        return user_name.lower()  # what the profile makes of printable ASCII, at a hundredth of the cost
    try:
        key = " ".join(_USER_PART.enforce(part) for part in user_name.split())
    except UnicodeEncodeError as fault:
        raise ValueError("a user name may not have these characters") from fault
    if not key or len(key) > 100:
        raise ValueError("a user name has 1 to 100 characters")
    return key


def email_key(address: str) -> str:
    """The canonical e-mail address, for finding: IDNA domain, all in lower case. ValueError when it is no address.

    Without the lengths of `mailable_email`: users whose address is too long, from before that was asked, are found by it.
    """
    return _parsed(address).normalized.lower()


def normal_email(address: str) -> str:
    """The address as it is kept: one that mail can be sent to, as far as its form tells (the DNS is not asked). ValueError.

    Every address that is set goes through here, whoever sets it, so none is kept that the mailer must refuse.
    """
    return _mailable(address)[0].normalized


def mailable_email(address: str) -> str:
    """The address as a mail carries it: the domain in ASCII (RFC 5890), the part before the @ as it is. ValueError.

    Lengths are octets of that form: 64 before the @, 254 in all (RFC 5321 4.5.3.1). No quoted names, comments, IP addresses,
    final dots, bare host names, nor domains that take no mail (RFC 6761).
    """
    return _mailable(address)[1]


def _mailable(address: str) -> tuple[ValidatedEmail, str]:
    found = _parsed(address)
    mailable = f"{found.local_part}@{found.ascii_domain}"
    if len(found.local_part.encode()) > _MOST_BEFORE_AT or len(mailable.encode()) > _MOST_OF_ADDRESS:
        raise ValueError(_NO_ADDRESS)
    return found, mailable


def _parsed(address: str) -> ValidatedEmail:
    try:
        return validate_email(address.strip(), check_deliverability=False)
    except EmailNotValidError as fault:
        raise ValueError(_NO_ADDRESS) from fault


def folded(text: str) -> str:
    """Capital letters and digits with those that look alike made one: O as 0, I and L as 1 (role codes)."""
    return text.translate(_LOOK_ALIKES)
