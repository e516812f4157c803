"""Grounds: why a partner may set the password or the address of a user at once, without asking the payer.

| the password belongs to                         | the call                                            | ground  |
| this partner                                    | anything                                            | OWNER   |
| whoever                                         | the key states `cis` (address only)                 | CIS     |
| the hub; for an address, another partner too    | shows the right current password                    | PROVED  |
| nobody: there is none, and no address but such  | the partner registered the user, before any other   | FIRST   |
| as partners gave                                | did                                                 |         |
| the hub                                         | the payer has allowed it by mail (password only)    | ALLOWED |

FIRST gives nothing that the partner has not: whatever is known of such a user came from it, and there is no mailbox that could be
asked. An address that staff, an import or the payer set is such a mailbox; and tying a user that is there to an account makes no
partner its first. Source: docs/adr/0028.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol
from uuid import UUID

from idp.directory.users import PartnerUserStore, User
from idp.login.passwords import PasswordStore


class Grounds(Enum):
    """Why a partner may act now."""

    OWNER = "the password is the partner's"
    CIS = "the key states what the CIS knows"
    PROVED = "the right current password came with the call"
    FIRST = "there is no password, and the partner registered the user"
    ALLOWED = "the payer allowed it by mail"


class GroundStores(Protocol):
    """The slice of stores that grounds are looked up in."""

    @property
    def passwords(self) -> PasswordStore: ...

    @property
    def partner_users(self) -> PartnerUserStore: ...


def is_first(stores: GroundStores, user: User, partner_id: UUID) -> bool:
    """Whether FIRST holds."""
    if user.trusted_email or user.password_partner is not None:
        return False
    first = stores.partner_users.find_first(user.bid, user.id)
    if first is None or first.partner_id != partner_id:
        return False
    return stores.passwords.find_password(user.bid, user.id) is None
