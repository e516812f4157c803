"""Hashes: made with our parameters, judged at the same cost whoever is meant, and never by more threads than may."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type, verify_secret

from idp.errors import Busy
from idp.login.hashing import PROFILE, Hasher, PasswordHash, Profile

CHEAP = Profile(memory=64, passes=1, lanes=1)
PATIENCE = 60.0


def test_a_hash_is_argon2id_with_the_parameters_of_the_profile_and_a_salt_of_its_own() -> None:
    hasher = Hasher(at_once=1, waiting=1)
    one, other = hasher.hash("correct horse"), hasher.hash("correct horse")
    assert one != other
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (PROFILE.memory, PROFILE.passes, PROFILE.lanes) == (19456, 2, 1)
    assert verify_secret(one.encode(), b"correct horse", Type.ID)


def test_only_the_password_matches() -> None:
    hasher = Hasher(at_once=1, waiting=1, profile=CHEAP)
    stored = hasher.hash("contraseña")
    assert hasher.matches(stored, "contraseña")
    for wrong in ("", "contrasena", "contraseña ", "Contraseña", stored):
        assert not hasher.matches(stored, wrong)


def test_where_there_is_no_password_nothing_matches_and_a_whole_hash_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = PasswordHasher.verify

    def verify(self: PasswordHasher, stored: str, password: str) -> bool:
        asked.append(stored)
        return real(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    hasher = Hasher(at_once=1, waiting=1, profile=CHEAP)
    assert not hasher.matches(None, "anything")
    hasher.matches(hasher.hash("x"), "anything")
    nobodys, somebodys = asked
    # Same scheme, parameters and lengths: the same work.
    assert nobodys.rsplit("$", 2)[0] == somebodys.rsplit("$", 2)[0]
    assert [len(part) for part in nobodys.split("$")] == [len(part) for part in somebodys.split("$")]


def test_what_is_no_hash_matches_nothing() -> None:
    hasher = Hasher(at_once=1, waiting=1, profile=CHEAP)
    for broken in ("", "plain", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"):
        assert not hasher.matches(PasswordHash(broken), "plain")


def test_a_hash_of_other_parameters_is_outdated_and_still_matches() -> None:
    old, new = Hasher(at_once=1, waiting=1, profile=CHEAP), Hasher(at_once=1, waiting=1, profile=Profile(128, 1, 1))
    stored = old.hash("x")
    assert new.matches(stored, "x")
    assert new.is_outdated(stored)
    assert not new.is_outdated(new.hash("x"))


class Stopped:
    """Hashes that take as long as the test wants, and how many were made at the same time."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.begun, self.go_on = threading.Semaphore(0), threading.Event()
        self.now, self.most = 0, 0
        self._lock = threading.Lock()
        patch.setattr(PasswordHasher, "hash", lambda _hasher, _password: self._hash())

    def _hash(self) -> str:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.begun.release()
        assert self.go_on.wait(PATIENCE)
        with self._lock:
            self.now -= 1
        return "hash"


def test_beyond_those_that_may_be_at_work_or_wait_the_hasher_is_busy_and_then_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = Stopped(monkeypatch)
    hasher = Hasher(at_once=2, waiting=0, profile=CHEAP)
    with ThreadPoolExecutor(2) as threads:
        begun = [threads.submit(hasher.hash, "x") for _ in range(2)]
        for _ in begun:
            assert stopped.begun.acquire(timeout=PATIENCE)
        for ask in (lambda: hasher.hash("x"), lambda: hasher.matches(None, "x")):
            with pytest.raises(Busy) as refused:
                ask()
            assert refused.value.retry_after == timedelta(seconds=1)
        stopped.go_on.set()
        assert [each.result(PATIENCE) for each in begun] == ["hash"] * 2
    assert hasher.hash("x") == "hash"


def test_never_more_are_at_work_than_may_and_those_that_wait_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = Stopped(monkeypatch)
    hasher = Hasher(at_once=1, waiting=5, profile=CHEAP)
    with ThreadPoolExecutor(6) as threads:
        begun = [threads.submit(hasher.hash, "x") for _ in range(6)]
        stopped.go_on.set()
        assert [each.result(PATIENCE) for each in begun] == ["hash"] * 6
    assert stopped.most == 1
