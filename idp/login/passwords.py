"""Passwords: checked without telling who exists, set inside a verb's transaction, owned by the hub or by one partner.

    guess     a password that a call presents. It is counted before it is judged (idp.login.password_guesses), for the user that is
              meant or for a name that is nobody's; judging costs one hash whoever is meant: a user, one without password, a
              disabled one, nobody. A right guess is forgiven
    prepare   hash a new password, BEFORE the transaction that stores it: a hash takes long, and SQLite has one writer
    put       store it, in the transaction of a verb that holds the user's row; it ends every token and session of the user

A check is as good as what it was made against. `Guess.is_right` reads the hash after its caller has read the user, and a token is
only minted while that user's stamp stands; `Guess.holds` asks inside a transaction whether the very hash is still there.

Whoever makes users (Register Accounts) takes it from here:

    hashed = passwords.prepare(text)                                    # before the transaction; InvalidFields, Busy
    guess = passwords.guess(key, names, text); guess.is_right(user)     # before the transaction; TooManyAttempts, Busy
    with self._begin() as stores:
        stores.users.add_user(user); user = passwords.set_first(stores, actor, request_id, user, hashed, partner_id)
        guess.holds(stores, user)                                       # for a user that was there: no hashing, one read
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from idp.actor import Actor
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.directory.payers import UserNames, canonical_names
from idp.directory.users import PendingConfirmations, User, UserStore
from idp.errors import Busy, FieldError, InvalidFields, Raced, UserNotFound
from idp.login.hashing import Hasher, PasswordHash
from idp.login.password_guesses import PasswordGuesses, of_name, of_user
from idp.transaction import Begin

MOST_CHARACTERS = 256
_NOBODY = UUID(int=0)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """The one password of a user."""

    bid: int
    user_id: UUID
    hash: PasswordHash
    set_at: datetime


class PasswordStore(Protocol):
    """Passwords in the database. Nothing caches them, so a write renews no stamp."""

    def find_password(self, bid: int, user_id: UUID) -> StoredPassword | None:
        """The password of a user."""
        ...

    def put_password(self, password: StoredPassword) -> None:
        """Insert or replace."""
        ...

    def swap_hash(self, bid: int, user_id: UUID, old: PasswordHash, new: PasswordHash) -> bool:
        """Another hash of the same password, where `old` still stands. False when it does not."""
        ...


class WithPasswords(Protocol):
    """A slice of stores that knows passwords."""

    @property
    def passwords(self) -> PasswordStore: ...


class PasswordStores(WithPasswords, WithChangeLog, Protocol):
    """The slice of stores that setting a password takes."""

    @property
    def users(self) -> UserStore: ...

    @property
    def confirmations(self) -> PendingConfirmations: ...


def canonical(text: str, field: str) -> str:
    """A password in the form that is hashed: NFC (RFC 8265 4.2). InvalidFields under the wire name `field`.

    1 to 256 characters of any sort and strength, for it is not ours to judge what a partner's portal took; but no control
    characters, which nobody types and no two systems treat alike.
    """
    normal = unicodedata.normalize("NFC", text)
    if not 0 < len(normal) <= MOST_CHARACTERS:
        raise InvalidFields(fields=[FieldError(field, f"1 to {MOST_CHARACTERS} characters")])
    if _CONTROLS.search(normal):
        raise InvalidFields(fields=[FieldError(field, "may not hold control characters")])
    return normal


class Passwords:
    """Checks and sets passwords. `read` and `begin` are its own; a verb that sets one brings the stores of its transaction."""

    def __init__(
        self, begin: Begin[PasswordStores], read: Begin[WithPasswords], hasher: Hasher, guesses: PasswordGuesses, clock: Clock
    ) -> None:
        self._begin = begin
        self._read = read
        self._hasher = hasher
        self._guesses = guesses
        self._clock = clock

    def guess(self, key: ApiKey, names: UserNames, text: str, field: str = "Password") -> Guess:
        """A presented password; nothing is counted or hashed before it is asked about. InvalidFields."""
        return self.guess_under(key, _as_sent(names), text, field)

    def guess_under(self, key: ApiKey, nobody: str, text: str, field: str = "Password") -> Guess:
        """As guess; `nobody`: under what it counts where it means nobody (password_guesses.of_name). InvalidFields."""
        return Guess(self, self._guesses, key, nobody, canonical(text, field))

    def prepare(self, text: str, field: str = "Password") -> PasswordHash:
        """The hash of a new password, to be made before the transaction that stores it. InvalidFields, Busy."""
        return self._hasher.hash(canonical(text, field))

    def put(
        self,
        stores: PasswordStores,
        actor: Actor,
        request_id: str,
        user: User,
        hashed: PasswordHash,
        partner_id: UUID | None,
    ) -> User:
        """Set the password of `user`, whose row the caller holds, and give it to `partner_id` (None: the hub).

        Ends every token and session of the user, and whatever the payer was asked or has allowed about the old password.
        """
        after = replace(user, password_partner=partner_id, generation=user.generation + 1)
        stores.users.put_user(after)
        stores.passwords.put_password(StoredPassword(user.bid, user.id, hashed, self._clock.now()))
        stores.confirmations.void_confirmations(user.bid, user.id)
        stores.changelog.append(Change(user.bid, Action.PASSWORD_SET, actor, request_id, user_id=user.id))
        _log_move(stores, actor, request_id, user, after)
        return after

    def set_first(
        self,
        stores: PasswordStores,
        actor: Actor,
        request_id: str,
        user: User,
        hashed: PasswordHash,
        partner_id: UUID | None,
    ) -> User:
        """The first password of a user that was made in this very transaction; nothing of it can be open yet.

        Raced when there is a password: setting another one is a verb of its own (idp.accounts.update_password).
        """
        if stores.passwords.find_password(user.bid, user.id) is not None:
            raise Raced("the user has a password already")
        after = replace(user, password_partner=partner_id)
        if after != user:
            stores.users.put_user(after)
        stores.passwords.put_password(StoredPassword(user.bid, user.id, hashed, self._clock.now()))
        stores.changelog.append(Change(user.bid, Action.PASSWORD_SET, actor, request_id, user_id=user.id))
        _log_move(stores, actor, request_id, user, after)
        return after

    def give_back(self, actor: Actor, request_id: str, bid: int, user_id: UUID) -> User:
        """Ownership back to the hub; the password itself stays as it is. UserNotFound."""
        with self._begin() as stores:
            before = stores.users.find_user(bid, user_id, lock=True)
            if before is None:
                raise UserNotFound(str(user_id))
            after = replace(before, password_partner=None)
            if after != before:
                stores.users.put_user(after)
                stores.confirmations.void_confirmations(bid, user_id)
                _log_move(stores, actor, request_id, before, after)
        return after

    def find(self, bid: int, user_id: UUID) -> StoredPassword | None:
        """The stored password of a user, if there is one."""
        with self._read() as stores:
            return stores.passwords.find_password(bid, user_id)

    # --- what a guess asks for ---

    def judge(self, stored: StoredPassword | None, text: str) -> bool:
        """One hash, whatever there is to hold it against. Busy."""
        return self._hasher.matches(None if stored is None else stored.hash, text)

    def renew(self, stored: StoredPassword, text: str) -> PasswordHash | None:
        """Hash a right password anew, where today's parameters are others. None: nothing to do, or no time for it now."""
        if not self._hasher.is_outdated(stored.hash):
            return None
        try:
            fresh = self._hasher.hash(text)
        except Busy:
            return None
        with self._begin() as stores:
            return fresh if stores.passwords.swap_hash(stored.bid, stored.user_id, stored.hash, fresh) else None


class Guess:
    """A password as one call presented it: counted once for whom it means, and hashed once for each stored hash that it is held
    against."""

    def __init__(self, passwords: Passwords, guesses: PasswordGuesses, key: ApiKey, nobody: str, text: str) -> None:
        self._passwords = passwords
        self._guesses = guesses
        self._key = key
        self._nobody = nobody
        self._text = text
        self._counted: set[str] = set()
        self._open: set[str] = set()
        self._judged: dict[PasswordHash | None, bool] = {}

    def is_right(self, user: User | None) -> bool:
        """Whether it is the password of `user`, which the caller has read before; None: nobody has that name.

        False for every cause at the same cost: wrong, no password, disabled, nobody. TooManyAttempts, Busy.
        """
        bid, partner_id, whom = self._key.bid, self._key.partner.id, self._nobody if user is None else of_user(user.id)
        if whom not in self._counted:
            self._guesses.count(bid, partner_id, whom)
            self._counted.add(whom)
            self._open.add(whom)
        stored = self._passwords.find(bid, _NOBODY if user is None else user.id)
        hashed = None if stored is None else stored.hash
        if hashed not in self._judged:
            try:
                self._judged[hashed] = self._passwords.judge(stored, self._text)
            except Busy:
                self._guesses.unjudged(bid, partner_id)
                raise
        if not self._judged[hashed] or stored is None or user is None or user.disabled:
            if whom in self._open:
                self._guesses.wrong(bid, whom)
            self._open.discard(whom)
            return False
        if whom in self._open:
            self._guesses.right(bid, partner_id, whom)
        self._open.discard(whom)
        renewed = self._passwords.renew(stored, self._text)
        if renewed is not None:
            self._judged[renewed] = True
        return True

    def holds(self, stores: WithPasswords, user: User) -> bool:
        """Whether what was found right is still the password, asked while the caller holds the user's row. Hashes nothing."""
        stored = stores.passwords.find_password(user.bid, user.id)
        return stored is not None and not user.disabled and self._judged.get(stored.hash, False)


def _as_sent(names: UserNames) -> str:
    """The most telling name in canonical form: under it a guess counts that means nobody."""
    wanted = canonical_names(names)
    for kind, value in (
        ("login_guid", wanted.login_guid),
        ("partner_user_id", wanted.partner_user_id),
        ("user_name", wanted.user_name),
        ("email", wanted.email),
    ):
        if value is not None:
            return of_name(kind, value)
    raise InvalidFields(fields=[FieldError("LoginGUID", "name a user, by any of its names")])


def _log_move(stores: WithChangeLog, actor: Actor, request_id: str, before: User, after: User) -> None:
    if before.password_partner == after.password_partner:
        return
    stores.changelog.append(
        Change(
            after.bid, Action.PASSWORD_MOVE_OWNER, actor, request_id, user_id=after.id,
            before=_owner_values(before), after=_owner_values(after),
        )
    )  # fmt: skip


def _owner_values(user: User) -> dict[str, str]:
    return {"password_owner": "hub" if user.password_partner is None else f"partner:{user.password_partner}"}
