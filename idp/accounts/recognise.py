"""Who the names of a registration stand for, and whether the caller may speak for them.

| the user name is ...                  | and the key ...                                  | then                              |
| nobody's                              |                                                  | a newcomer, made with the names   |
| somebody's                            | may speak for it, and shows no password          | that user                         |
| somebody's                            | is trusted and may speak for it                  | that user, the password not asked |
| somebody's                            | shows the right password                         | that user, and it is proof        |
| somebody's                            | anything else                                    | CredentialsMismatch               |
| somebody's, PartnerUserID another's   |                                                  | CredentialsMismatch               |

A password takes as long to check or to hash as a hundred statements: that happens before the transaction. Inside it is asked
whether the name is still the same one's, and the password still the one that was found right. Registering never changes a password.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from idp.directory.api_keys import ApiKey
from idp.directory.names import normal_email, user_name_key
from idp.directory.users import PartnerUserStore, User, UserStore
from idp.errors import FieldError, InvalidFields, Raced
from idp.login.passwords import Guess, WithPasswords


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a registration. `user_name` and `email` as they are kept, with their canonical forms."""

    user_name: str
    user_name_key: str
    email: str
    partner_user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """Who had the name when the password of a call was looked at (None: nobody), and the password where it was judged."""

    user_id: UUID | None
    judged: Guess | None = None

    def is_of(self, user: User | None) -> bool:
        """Whether it is still the same one who has the name."""
        return self.user_id == (None if user is None else user.id)


class SpeakerStores(Protocol):
    """The slice of stores that says who may speak for whom."""

    @property
    def partner_users(self) -> PartnerUserStore: ...


class WhoStores(SpeakerStores, WithPasswords, Protocol):
    """The slice of stores that this needs."""

    @property
    def users(self) -> UserStore: ...


@dataclass(frozen=True, slots=True)
class Recognised:
    """The user that the names stand for; None: nobody yet."""

    user: User | None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Somebody whom the caller may not speak for, or names of two people."""


def canonical(user_name: str, email: str, partner_user_id: str | None) -> Names:
    """The names, checked. InvalidFields with each one that is wrong."""
    faults: list[FieldError] = []
    key = address = ""
    try:
        key = user_name_key(user_name)
    except ValueError as fault:
        faults.append(FieldError("UserName", str(fault)))
    try:
        address = normal_email(email)
    except ValueError as fault:
        faults.append(FieldError("EmailAddress", str(fault)))
    if faults:
        raise InvalidFields(fields=faults)
    return Names(user_name.strip(), key, address, partner_user_id)


def must_prove(stores: SpeakerStores, key: ApiKey, user: User) -> bool:
    """Whether a password that the key sends for a user is to be checked at all."""
    return key.policies.authenticate == "password" or not may_speak_for(stores, key, user)


def may_speak_for(stores: SpeakerStores, key: ApiKey, user: User) -> bool:
    """Whether the key may speak for the user without proof."""
    if key.policies.users == "all":
        return True
    return stores.partner_users.find_partner_user(user.bid, key.partner.id, user.id) is not None


def recognise(stores: WhoStores, bid: int, names: Names, key: ApiKey | None, looked: Looked | None) -> Recognised | Mismatch:
    """See the table above. `key` None: staff, who may speak for everybody. Raced when the name is somebody else's by now."""
    user = stores.users.find_by_user_name(bid, names.user_name_key)
    if key is None:
        return Recognised(user)
    if looked is not None and not looked.is_of(user):
        raise Raced("the name changed hands while the password was looked at")
    if names.partner_user_id is not None:
        other = stores.partner_users.find_by_partner_user_id(bid, key.partner.id, names.partner_user_id)
        if other is not None and (user is None or user.id != other):
            return Mismatch()
    if user is None:
        return Recognised(None)
    own = stores.partner_users.find_partner_user(bid, key.partner.id, user.id)
    if own is not None and names.partner_user_id is not None and own.partner_user_id not in (None, names.partner_user_id):
        return Mismatch()
    if looked is not None and must_prove(stores, key, user):
        held = stores.users.find_user(bid, user.id, lock=True)
        proved = held is not None and looked.judged is not None and looked.judged.holds(stores, held)
        return Recognised(held) if proved else Mismatch()
    return Recognised(user) if may_speak_for(stores, key, user) else Mismatch()
