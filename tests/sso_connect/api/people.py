"""Users with passwords for the API suites, and a count of the hashes that a call makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from idp.directory.billers import Biller
from idp.directory.users import User
from idp.login.hashing import Hasher, PasswordHash
from tests.sso_connect.api.world import MAKER, World

RIGHT, WRONG, NEW = "correct horse", "wrong horse", "battery staple"
UPDATE = "/remote-authentication/update-password"


def user_named(world: World, name: str, biller: Biller | None = None) -> User:
    """A user as it is stored."""
    with world.hub.database.read() as stores:
        found = stores.users.find_by_user_name((biller or world.riverbend).bid, name)
    assert found is not None
    return found


def give_password(world: World, name: str, text: str = RIGHT, owner: UUID | None = None, biller: Biller | None = None) -> None:
    """A password of the hub's, or of a partner's."""
    hashed = world.hub.passwords.prepare(text)
    user = user_named(world, name, biller)
    with world.hub.database.begin() as stores:
        world.hub.passwords.put(stores, MAKER, "r", user, hashed, owner)


def vouch(world: World, name: str = "pat", biller: Biller | None = None) -> None:
    """The biller's staff set the address that a user has: from now on it is no partner's, and the payer can be asked there."""
    user = user_named(world, name, biller)
    world.hub.users.change(MAKER, "r", user.bid, user.id, email=user.email)


def update_password(world: World, key: str = "all", name: str = "pat", new: str = NEW, **more: Any) -> TestResponse:
    """Update Password."""
    return world.post(UPDATE, {"UserName": name, "NewPassword": new, **more}, key)


def is_password(world: World, name: str, text: str) -> bool:
    """Whether this is the stored password of a user."""
    stored = world.hub.passwords.find(101, user_named(world, name).id)
    return stored is not None and Hasher(at_once=1, waiting=1).matches(stored.hash, text)


@dataclass
class Work:
    """What hashers did: a word for each hash that was made or checked."""

    done: list[str] = field(default_factory=list)


@contextmanager
def watched() -> Iterator[Work]:
    """Count hashes meanwhile."""
    work = Work()
    matches, hash_ = Hasher.matches, Hasher.hash

    def counted_matches(self: Hasher, stored: PasswordHash | None, password: str) -> bool:
        work.done.append("check")
        return matches(self, stored, password)

    def counted_hash(self: Hasher, password: str) -> PasswordHash:
        work.done.append("make")
        return hash_(self, password)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hasher, "matches", counted_matches)
        patch.setattr(Hasher, "hash", counted_hash)
        yield work
