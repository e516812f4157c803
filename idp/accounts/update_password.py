"""Update Password: a partner sets the password of a user, where the password is its own to set, or becomes so.

| the password belongs to    | the call brings                                 | outcome                             |
| this partner               | anything                                        | set                                 |
| another partner            | anything                                        | PasswordOwnedByPartner              |
| the hub                    | the right current password                      | set, and the partner's from then on |
| the hub                    | a wrong one                                     | CredentialsRefused                  |
| the hub, and there is none | none; the partner is the user's FIRST (grounds)  | set, and the partner's from then on |
| the hub                    | none; the payer has allowed it by mail          | set, and the partner's; once        |
| the hub                    | none                                            | pending: a mail asks the payer      |

A key with `users = own` that names somebody whom it may not speak for learns nothing: without a current password it is told
"pending" for an existing user, a foreign one and nobody alike, after the same work (the question is queued, and the worker mails
the first only); with one, a wrong password and nobody are the same refusal after the same work. What lets it set the password is
proof as well: it may speak for the user after it.

Hashes are made between transactions; the transaction then looks again at everything that they were made for, and begins anew when
something is different.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

from idp.accounts.confirmations import Confirmations, ConfirmationStores
from idp.accounts.grounds import Grounds, is_first
from idp.actor import Actor
from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.payers import PayerRecord, Payers, UserNames
from idp.directory.users import PartnerUserStore, User
from idp.errors import CredentialsRefused, PasswordOwnedByPartner, Raced, UserDisabled, UserNotFound
from idp.login.passwords import Guess, Passwords, PasswordStore, canonical
from idp.login.proofs import keep_proof
from idp.messages.notices import Notices
from idp.receipts import Also, ReceiptStore
from idp.transaction import Begin

Updated = Literal["set", "pending"]
_TRIES = 3
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A call: whom it names, the new password, and the current one if it came."""

    names: UserNames
    new: str = field(repr=False)
    current: str | None = field(default=None, repr=False)


class UpdateStores(ConfirmationStores, Protocol):
    """The slice of stores that this verb works with."""

    @property
    def passwords(self) -> PasswordStore: ...

    @property
    def partner_users(self) -> PartnerUserStore: ...

    @property
    def receipts(self) -> ReceiptStore: ...


@dataclass(frozen=True, slots=True)
class _Call:
    """Who calls, and what for."""

    actor: Actor
    request_id: str
    biller: Biller
    key: ApiKey
    wanted: NewPassword
    guess: Guess | None
    also: Also[Updated] | None

    @property
    def partner_id(self) -> UUID:
        return self.key.partner.id


class UpdatePassword:
    """Sets passwords for partners, or asks the payer."""

    def __init__(
        self,
        begin: Begin[UpdateStores],
        payers: Payers,
        passwords: Passwords,
        confirmations: Confirmations,
        notices: Notices,
        clock: Clock,
    ) -> None:
        self._begin = begin
        self._payers = payers
        self._passwords = passwords
        self._confirmations = confirmations
        self._notices = notices
        self._clock = clock

    def update(
        self, actor: Actor, request_id: str, biller: Biller, key: ApiKey, wanted: NewPassword, also: Also[Updated] | None = None
    ) -> Updated:
        """Do what the table says. Setting it ends every token and session of the user, and is told by mail.

        InvalidFields, UserNotFound (to a password key CredentialsRefused), AmbiguousUser, UserDisabled, CredentialsRefused,
        PasswordOwnedByPartner, TooManyAttempts, Busy, Raced.
        """
        canonical(wanted.new, "NewPassword")
        guess = None
        if wanted.current is not None:
            guess = self._passwords.guess(key, wanted.names, wanted.current, "CurrentPassword")
        call = _Call(actor, request_id, biller, key, wanted, guess, also)
        last: Raced | None = None
        for _ in range(_TRIES):
            try:
                return self._run(call)
            except Raced as lost:
                last = lost
        raise last or Raced()

    def _run(self, call: _Call) -> Updated:
        payer, own = self._whom(call)
        grounds = self._grounds(call, payer) if own else self._grounds_of_stranger(call, payer)
        if payer is None or grounds is None:
            return self._ask(call, payer)
        return self._set(call, payer.user.id, grounds)

    def _whom(self, call: _Call) -> tuple[PayerRecord | None, bool]:
        """The user that the names fit, and whether the key may speak for it. None: nobody, as far as a `users = own` key hears."""
        key, names = call.key, call.wanted.names
        try:
            return self._payers.get_named(key, names), True
        except UserNotFound as unknown:
            if key.policies.users == "all":
                if call.guess is not None:
                    call.guess.is_right(None)  # nobody costs what a wrong password costs
                raise refused(key, unknown) from None
        entry = self._payers.find_unproved(key, names)
        return (None, False) if entry is None or entry.value.user.disabled else (entry.value, False)

    def _grounds(self, call: _Call, payer: PayerRecord | None) -> Grounds | None:
        """Of a user that the key may speak for."""
        assert payer is not None  # noqa: S101  (_whom: own)
        user, partner_id = payer.user, call.partner_id
        if user.disabled:
            if call.guess is not None:
                call.guess.is_right(user)
            raise refused(call.key, UserDisabled(str(user.id)))
        if user.password_partner == partner_id:
            return Grounds.OWNER
        if user.password_partner is not None:
            raise PasswordOwnedByPartner(str(user.password_partner))
        if call.guess is not None:
            if not call.guess.is_right(user):
                raise CredentialsRefused("wrong current password")
            return Grounds.PROVED
        with self._begin() as stores:
            first = is_first(stores, user, partner_id)
        return Grounds.FIRST if first else self._allowed(call, user.id)

    def _grounds_of_stranger(self, call: _Call, payer: PayerRecord | None) -> Grounds | None:
        """Of a user that the key may not speak for, or of nobody: not to be told apart without proof."""
        user = None if payer is None else payer.user
        if call.guess is None:
            allowed = self._allowed(call, _NOBODY if user is None else user.id)
            return None if user is None or user.password_partner is not None else allowed
        if not call.guess.is_right(user) or user is None:
            raise CredentialsRefused("wrong current password, or nobody")
        if user.password_partner is not None:
            raise PasswordOwnedByPartner(str(user.password_partner))
        return Grounds.PROVED

    def _allowed(self, call: _Call, user_id: UUID) -> Grounds | None:
        with self._begin() as stores:
            allowed = self._confirmations.find_allowed(stores, call.key.bid, user_id, call.partner_id)
        return None if allowed is None else Grounds.ALLOWED

    def _ask(self, call: _Call, payer: PayerRecord | None) -> Updated:
        with self._begin() as stores:
            user = stores.users.find_user(call.key.bid, _NOBODY if payer is None else payer.user.id, lock=True)
            if payer is not None and user is not None and user.generation != payer.user.generation:
                raise Raced("a password was set since the user was read: there may be grounds now")
            self._confirmations.ask_later(stores, call.request_id, call.key, user)
            if call.also is not None:
                call.also(stores, "pending")
        return "pending"

    def _set(self, call: _Call, user_id: UUID, grounds: Grounds) -> Updated:
        hashed = self._passwords.prepare(call.wanted.new, "NewPassword")
        with self._begin() as stores:
            user = stores.users.find_user(call.key.bid, user_id, lock=True)
            if user is None or user.disabled or not self._stand(stores, call, user, grounds):
                raise Raced("the user changed while the password was hashed")
            after = self._passwords.put(stores, call.actor, call.request_id, user, hashed, call.partner_id)
            keep_proof(stores, call.actor, call.request_id, user, call.partner_id, self._clock)
            self._notices.password_changed(stores, call.biller, after, call.key.partner.name, key_id=call.key.id)
            if call.also is not None:
                call.also(stores, "set")
        return "set"

    def _stand(self, stores: UpdateStores, call: _Call, user: User, grounds: Grounds) -> bool:
        """Whether the grounds are still there, asked while the row is held. What the payer allowed is spent here."""
        partner_id = call.partner_id
        if grounds is Grounds.OWNER:
            return user.password_partner == partner_id
        if user.password_partner is not None:
            return False
        match grounds:
            case Grounds.PROVED:
                return call.guess is not None and call.guess.holds(stores, user)
            case Grounds.FIRST:
                return is_first(stores, user, partner_id)
            case _:
                return self._confirmations.spend(stores, user, partner_id)


def refused(key: ApiKey, reason: UserNotFound | UserDisabled) -> UserNotFound | UserDisabled | CredentialsRefused:
    """What a key is told of a user that is not there or disabled: a password key hears one code for every cause."""
    return CredentialsRefused(reason.detail) if key.policies.authenticate == "password" else reason
