"""Proofs: a password that lets a key assert a user.

A key whose policy is `authenticate = password` shows the password at every sign-in. A trusted key that speaks for its own users
only (`users = own`) shows it once for a user that it did not register: that is proof, kept as "may speak for" (`partner_users`).

Unknown user, wrong password, no password, disabled user: one answer, None, after the same work.
"""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from idp import actor as actors
from idp.actor import Actor
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.directory.payers import PayerRecord, Payers, UserNames, may_speak_for
from idp.directory.users import PartnerUser, PartnerUserStore, User, UserStore
from idp.login.passwords import Guess, Passwords, WithPasswords
from idp.transaction import Begin
from idp.versions import Cached


class WithPartnerUsers(WithChangeLog, Protocol):
    """A slice of stores that can keep who may speak for whom."""

    @property
    def partner_users(self) -> PartnerUserStore: ...


class ProofStores(WithPartnerUsers, WithPasswords, Protocol):
    """The slice of stores that this service works with."""

    @property
    def users(self) -> UserStore: ...


def keep_proof(stores: WithPartnerUsers, actor: Actor, request_id: str, user: User, partner_id: UUID, clock: Clock) -> None:
    """The partner may speak for the user from now on; nothing happens when it might before."""
    if stores.partner_users.find_partner_user(user.bid, partner_id, user.id) is not None:
        return
    stores.partner_users.add_partner_user(PartnerUser(user.bid, partner_id, user.id, None, clock.now()))
    stores.changelog.append(
        Change(user.bid, Action.USER_PROVE, actor, request_id, user_id=user.id, subject=f"partner:{partner_id}")
    )


class Proofs:
    """Opens a proof for a call."""

    def __init__(self, begin: Begin[ProofStores], payers: Payers, passwords: Passwords, clock: Clock) -> None:
        self._begin = begin
        self._payers = payers
        self._passwords = passwords
        self._clock = clock

    def open(self, key: ApiKey, names: UserNames, password: str, request_id: str) -> Proof:
        """Nothing is counted or hashed yet. InvalidFields."""
        return Proof(self, key, names, self._passwords.guess(key, names, password), request_id)

    def find(self, key: ApiKey, names: UserNames) -> Cached[PayerRecord] | None:
        """Whom the names fit, whether or not the key may speak for it yet."""
        return self._payers.find_unproved(key, names)

    def keep(self, key: ApiKey, user_id: UUID, guess: Guess, request_id: str) -> Cached[PayerRecord] | None:
        """Write that the key's partner may speak for the user, while what was proved still holds; the record after it."""
        with self._begin() as stores:
            user = stores.users.find_user(key.bid, user_id, lock=True)
            if user is None or not guess.holds(stores, user):
                return None
            keep_proof(stores, actors.Partner(key.id, key.partner.id), request_id, user, key.partner.id, self._clock)
        return self._payers.reload(key.bid, user_id)


class Proof:
    """One call's proof; asked again when what it rests on has changed meanwhile, it hashes again only where it must."""

    def __init__(self, proofs: Proofs, key: ApiKey, names: UserNames, guess: Guess, request_id: str) -> None:
        self._proofs = proofs
        self._key = key
        self._names = names
        self._guess = guess
        self._request_id = request_id

    def entry(self) -> Cached[PayerRecord] | None:
        """The user that was proved, unchecked: the CALLER compares the stamps.

        None when it is not proved, whatever the cause. TooManyAttempts, Busy.
        """
        entry = self._proofs.find(self._key, self._names)
        # The hash is read after the user: one that was set in between makes the user's stamp stale, and the caller comes again.
        if not self._guess.is_right(None if entry is None else entry.value.user) or entry is None:
            return None
        if may_speak_for(self._key, entry.value):
            return entry
        return self._proofs.keep(self._key, entry.value.user.id, self._guess, self._request_id)
