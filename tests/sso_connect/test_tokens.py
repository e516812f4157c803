"""Tokens: the audit row comes first, stale caches decide nothing, every call counts, and a token is redeemed as it was issued."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from hub.storage.engines import open_engines
from hub.storage.migrations import migrate
from hub.storage.tables.log import change_log
from idp.directory.api_keys import ApiKeys, KeyPolicies, Scope
from idp.directory.payers import Payers, UserNames
from idp.errors import (
    AmbiguousUser,
    CredentialsRefused,
    CustomerNotFound,
    HubError,
    InvalidApiKey,
    InvalidFields,
    RateLimited,
    ScopeMissing,
    StoreUnavailable,
    TokenExpired,
    TokenSpent,
    TokenUnknown,
    UserDisabled,
    UserNotFound,
)
from idp.kv import Expect, KeyValue, Outcome, Put, Step
from idp.login.proofs import Proofs
from idp.login.sessions import Opening, Sessions
from idp.opaque import digest
from sso_connect.admission import Admission
from sso_connect.redemptions import Presenter, Redeemed, Redemptions, Rejected
from sso_connect.tokens import Assertion, Issued, Tokens
from tests.sso_connect.api.world import ALL, MAKER, OWN, World, open_world

PAT = Assertion(UserNames(user_name="pat"))
SLOW = replace(ALL, rate_per_second=1, burst=3)


@dataclass
class Meddled:
    """The real store; it can be away for writes, and something may happen just before a transaction that checks stamps."""

    inner: KeyValue
    away: bool = False
    just_before: list[Callable[[], object]] = field(default_factory=list)

    def transact(self, *steps: Step) -> Outcome:
        if self.away and any(isinstance(step, Put) for step in steps):
            raise StoreUnavailable("told to be away")
        if self.just_before and any(isinstance(step, Expect) for step in steps):
            self.just_before.pop(0)()
        return self.inner.transact(*steps)

    def check(self) -> None:
        self.inner.check()

    def purge(self, limit: int) -> int:
        return self.inner.purge(limit)

    def close(self) -> None:
        self.inner.close()


@dataclass(frozen=True, slots=True)
class Desk:
    """Tokens as one process has them, over a world whose other objects are another process."""

    world: World
    kv: Meddled
    admission: Admission
    tokens: Tokens
    sessions: Sessions
    pat: UUID

    def issue(self, key: str = "all", assertion: Assertion = PAT) -> Issued:
        return self.tokens.issue(self.world.keys[key].secret, assertion, "request-1")

    def refused(self, key: str = "all", assertion: Assertion = PAT) -> type[HubError]:
        with pytest.raises(HubError) as refusal:
            self.issue(key, assertion)
        return type(refusal.value)

    def opening(self) -> Opening:
        facts = {"view_mode": 0, "redirect_id": 1, "account_number": "", "return_url": "", "return_name": "", "request_id": "r"}
        return self.sessions.opening(self.world.riverbend, facts, parent=0)

    def redeem(self, token: str) -> Redeemed | Rejected:
        return Redemptions(self.kv, self.tokens).redeem(token, self.opening, Presenter())

    def redeemed(self, token: str) -> Redeemed:
        answer = self.redeem(token)
        assert isinstance(answer, Redeemed)
        return answer

    def rejected(self, token: str) -> type[HubError]:
        answer = self.redeem(token)
        assert isinstance(answer, Rejected)
        return type(answer.error)

    def actions(self, bid: int = 101) -> list[tuple[str, UUID | None]]:
        """What the log says of tokens, oldest first."""
        engines = open_engines(f"sqlite:///{self.world.path}", 1)
        rows = select(change_log.c.action, change_log.c.user_id).where(change_log.c.bid == bid).order_by(change_log.c.id)
        with engines.reading.connect() as connection:
            found = [(row.action, row.user_id) for row in connection.execute(rows) if row.action.startswith("token.")]
        engines.dispose()
        return found

    def change_user(self, **changes: Any) -> None:
        """In the other process."""
        self.world.hub.users.change(MAKER, "r", 101, self.pat, **changes)


@pytest.fixture
def desk(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Pat has 1001-01 at Riverbend, by the key `all` of partner one; single-use, slow and password keys stand beside."""
    template = tmp_path_factory.getbasetemp() / "tokens-template.db"
    if not template.exists():
        migrate(f"sqlite:///{template}")
    world = open_world(Path(shutil.copy(template, tmp_path / "hub.db")))
    world.add_key("once", world.riverbend, "one", replace(ALL, token="single_use"))
    world.add_key("slow", world.riverbend, "one", SLOW)
    world.add_key("password", world.riverbend, "one", replace(ALL, authenticate="password"))
    world.add_key("no sso", world.riverbend, "one", replace(ALL, scopes=frozenset(Scope) - {Scope.SSO}))
    pat = UUID(world.login_guid("pat", "1001-01"))
    kv = Meddled(world.hub.tokens._kv)
    begin, read = world.hub.database.begin, world.hub.database.read
    api_keys = ApiKeys(begin, read, kv, world.clock, allow_loopback_origins=False)
    sessions, payers = Sessions(kv), Payers(read, kv, world.clock)
    proofs = Proofs(begin, payers, world.hub.passwords, world.clock)
    admission = Admission(kv, api_keys, world.clock)
    tokens = Tokens(read, kv, api_keys, payers, sessions, proofs, admission, world.clock)
    yield Desk(world, kv, admission, tokens, sessions, pat)
    world.hub.close()


# --- the audit row -----------------------------------------------------------------------------------------------------------


def test_a_token_has_one_audit_row_which_does_not_hold_it(desk: Desk) -> None:
    issued = desk.issue()
    assert desk.actions() == [("token.issue", desk.pat)]
    assert desk.actions(202) == []
    assert issued.token not in desk.world.stored()
    assert digest(issued.token) not in desk.world.stored()


def test_the_audit_row_is_there_before_the_token(desk: Desk) -> None:
    seen: list[list[tuple[str, UUID | None]]] = []
    desk.issue()
    desk.kv.just_before.append(lambda: seen.append(desk.actions()))
    desk.issue()
    assert seen == [[("token.issue", desk.pat)] * 2]


def test_without_the_key_value_store_there_is_no_token_and_the_audit_row_stays(desk: Desk) -> None:
    desk.issue()
    desk.kv.away = True
    assert desk.refused() is StoreUnavailable
    assert desk.actions() == [("token.issue", desk.pat)] * 2
    desk.kv.away = False
    assert desk.redeemed(desk.issue().token).facts.user_id == desk.pat


def test_a_refused_call_leaves_no_word_of_a_token(desk: Desk) -> None:
    refusals = [
        desk.refused(assertion=Assertion(UserNames(user_name="nobody"))),
        desk.refused("own"),
        desk.refused("no sso"),
        desk.refused("password"),
        desk.refused("lake"),
        desk.refused(assertion=Assertion(UserNames())),
        desk.refused(assertion=replace(PAT, account_number="1001-02")),
    ]
    assert refusals == [UserNotFound, UserNotFound, ScopeMissing, CredentialsRefused, UserNotFound, InvalidFields, CustomerNotFound]
    assert desk.actions() == []


def test_a_cache_that_turned_out_stale_writes_no_second_audit_row(desk: Desk) -> None:
    desk.issue()
    desk.change_user(first_name="Patricia")
    desk.issue()
    assert desk.actions() == [("token.issue", desk.pat)] * 2


# --- stale caches ------------------------------------------------------------------------------------------------------------


def test_a_user_disabled_in_another_process_gets_no_token(desk: Desk) -> None:
    desk.issue()
    desk.change_user(disabled=True)
    assert desk.refused() is UserDisabled
    desk.change_user(disabled=False)
    assert desk.issue().payer.user.generation == 1


def test_a_key_revoked_in_another_process_issues_no_token(desk: Desk) -> None:
    desk.issue()
    desk.world.hub.api_keys.revoke(MAKER, "r", 101, desk.world.keys["all"].key.id)
    assert desk.refused() is InvalidApiKey


def test_a_name_given_up_in_another_process_gets_no_token_for_who_had_it(desk: Desk) -> None:
    desk.issue()
    desk.change_user(user_name="patricia")
    assert desk.refused() is UserNotFound
    assert desk.issue(assertion=Assertion(UserNames(user_name="patricia"))).payer.user.id == desk.pat


def test_a_name_that_went_to_somebody_else_gets_a_token_for_that_one(desk: Desk) -> None:
    kim = UUID(desk.world.login_guid("kim", "1001-02"))
    desk.issue()
    desk.issue(assertion=Assertion(UserNames(user_name="kim")))
    desk.change_user(user_name="patricia")
    desk.world.hub.users.change(MAKER, "r", 101, kim, user_name="pat")
    issued = desk.issue()
    assert issued.payer.user.id == kim
    assert desk.redeemed(issued.token).facts.user_id == kim


def test_an_address_that_became_shared_is_ambiguous_at_once(desk: Desk) -> None:
    kim = UUID(desk.world.login_guid("kim", "1001-02"))
    for name in ("pat", "kim"):
        desk.issue(assertion=Assertion(UserNames(user_name=name)))
    desk.world.hub.users.change(MAKER, "r", 101, kim, email="pat@example.com")
    assert desk.refused(assertion=Assertion(UserNames(email="pat@example.com"))) is AmbiguousUser


def test_what_was_refused_a_moment_ago_is_granted_when_it_became_right(desk: Desk) -> None:
    assert desk.refused("own") is UserNotFound
    assert desk.refused(assertion=replace(PAT, account_number="1001-02")) is CustomerNotFound
    assert desk.refused("no sso") is ScopeMissing
    desk.world.login_guid("pat", "1001-02")
    desk.world.hub.api_keys.change(MAKER, "r", 101, desk.world.keys["no sso"].key.id, policies=ALL)
    assert desk.issue(assertion=replace(PAT, account_number=" 1001-02 ")).payer.user.id == desk.pat
    assert desk.issue("no sso").payer.user.id == desk.pat


BETWEEN: dict[str, tuple[Callable[[Desk], object], type[HubError]]] = {
    "the user is disabled": (lambda desk: desk.change_user(disabled=True), UserDisabled),
    "the user is renamed": (lambda desk: desk.change_user(user_name="patricia"), UserNotFound),
    "the key is revoked": (
        lambda desk: desk.world.hub.api_keys.revoke(MAKER, "r", 101, desk.world.keys["all"].key.id),
        InvalidApiKey,
    ),
    "the partner is disabled": (lambda desk: desk.world.hub.partners.change(MAKER, "r", "one", disabled=True), InvalidApiKey),
    "the biller is disabled": (lambda desk: desk.world.change_biller(desk.world.riverbend, disabled=True), InvalidApiKey),
    "the key loses the scope": (
        lambda desk: desk.world.hub.api_keys.change(
            MAKER, "r", 101, desk.world.keys["all"].key.id, policies=KeyPolicies(scopes=frozenset({Scope.USERS_READ}))
        ),
        ScopeMissing,
    ),
    "the key loses the user": (
        lambda desk: desk.world.hub.api_keys.change(
            MAKER, "r", 101, desk.world.keys["all"].key.id, policies=replace(OWN, authenticate="password")
        ),
        CredentialsRefused,
    ),
}


@pytest.mark.parametrize("what", BETWEEN)
def test_what_happens_between_the_look_and_the_write_counts(desk: Desk, what: str) -> None:
    act, refusal = BETWEEN[what]
    desk.issue()
    desk.kv.just_before.append(lambda: act(desk))
    assert desk.refused() is refusal


def test_a_user_that_changes_without_end_is_a_503_and_no_token(desk: Desk) -> None:
    desk.issue()
    changes = iter(range(20))
    desk.kv.just_before += [lambda: desk.change_user(first_name=str(next(changes)))] * 10
    assert desk.refused() is StoreUnavailable


# --- the rate ----------------------------------------------------------------------------------------------------------------


def test_a_flood_is_refused_and_leaves_a_few_rows_in_the_log(desk: Desk) -> None:
    for _ in range(3):
        desk.issue("slow")
    assert {desk.refused("slow") for _ in range(50)} == {RateLimited}
    words = [word for word, _ in desk.actions()]
    assert words.count("token.issue") <= 4
    assert words.count("token.refuse") <= 1
    desk.world.clock.advance(timedelta(seconds=2))
    desk.issue("slow")


def test_a_clock_that_was_set_back_shuts_no_key_out_until_it_has_caught_up(desk: Desk) -> None:
    assert RateLimited in {desk.refused("slow", Assertion(UserNames(user_name="nobody"))) for _ in range(10)}
    desk.world.clock.advance(timedelta(days=-400))
    desk.world.clock.advance(timedelta(seconds=2))
    assert desk.refused("slow", Assertion(UserNames(user_name="nobody"))) is not RateLimited


def test_a_key_over_its_rate_is_told_when_to_come_again_and_others_go_on(desk: Desk) -> None:
    for _ in range(3):
        desk.issue("slow")
    with pytest.raises(RateLimited) as refused:
        desk.issue("slow")
    assert refused.value.retry_after is not None
    assert timedelta(0) < refused.value.retry_after <= timedelta(seconds=1)
    desk.issue("all")


@pytest.mark.parametrize(
    "assertion", [Assertion(UserNames(user_name="nobody")), Assertion(UserNames()), replace(PAT, account_number="none")]
)
def test_refused_calls_count_too(desk: Desk, assertion: Assertion) -> None:
    refusals = [desk.refused("slow", assertion) for _ in range(5)]
    assert RateLimited not in refusals[:3]
    assert refusals[3:] == [RateLimited, RateLimited]
    assert desk.refused("slow") is RateLimited


def test_other_calls_count_with_the_same_rate(desk: Desk) -> None:
    secret = desk.world.keys["slow"].secret
    left = [desk.admission.admit(secret, None).allowance.remaining for _ in range(3)]
    assert left == [2, 1, 0]
    with pytest.raises(RateLimited):
        desk.admission.admit(secret, None)
    assert desk.refused("slow") is RateLimited


def test_what_is_left_is_told_of_grants_and_refusals(desk: Desk) -> None:
    told: list[int] = []
    secret = desk.world.keys["slow"].secret
    for assertion in (PAT, Assertion(UserNames(user_name="nobody")), PAT, PAT):
        try:
            desk.tokens.issue(secret, assertion, "r", lambda _, allowance: told.append(allowance.remaining))
        except HubError:
            continue
    assert told == [2, 1, 0, 0]


# --- admitting other calls ---------------------------------------------------------------------------------------------------


def test_a_call_is_admitted_with_its_scope_only(desk: Desk) -> None:
    admitted = desk.admission.admit(desk.world.keys["own"].secret, Scope.USERS_READ)
    assert (admitted.key.partner.slug, admitted.biller.bid) == ("two", 101)
    with pytest.raises(ScopeMissing):
        desk.admission.admit(desk.world.keys["no sso"].secret, Scope.SSO)


def test_a_key_that_was_revoked_in_another_process_admits_nothing(desk: Desk) -> None:
    secret = desk.world.keys["own"].secret
    desk.admission.admit(secret, None)
    desk.world.hub.api_keys.revoke(MAKER, "r", 101, desk.world.keys["own"].key.id)
    with pytest.raises(InvalidApiKey):
        desk.admission.admit(secret, None)
    with pytest.raises(InvalidApiKey):
        desk.admission.admit("idhk_nobody", None)


def test_a_secret_past_its_overlap_admits_nothing_though_nothing_changed(desk: Desk) -> None:
    old = desk.world.keys["own"].secret
    new = desk.world.hub.api_keys.rotate(MAKER, "r", 101, desk.world.keys["own"].key.id, timedelta(minutes=5)).secret
    desk.admission.admit(old, None)
    desk.world.clock.advance(timedelta(minutes=5))
    with pytest.raises(InvalidApiKey):
        desk.admission.admit(old, None)
    desk.admission.admit(new, None)


# --- redeeming ---------------------------------------------------------------------------------------------------------------


def test_a_token_says_who_by_whom_and_how(desk: Desk) -> None:
    now = desk.world.clock.now()
    assertion = replace(PAT, session_reference="s-1", auth_time=now - timedelta(minutes=1), auth_methods=("pwd", "otp"))
    issued = desk.issue(assertion=assertion)
    facts = desk.redeemed(issued.token).facts
    key = desk.world.keys["all"].key
    assert (facts.bid, facts.key_id, facts.partner_id, facts.user_id) == (101, key.id, key.partner.id, desk.pat)
    assert (facts.session_reference, facts.auth_time, facts.auth_methods) == ("s-1", int(now.timestamp()) - 60, ("pwd", "otp"))
    assert facts.id == digest(issued.token)
    assert issued.token not in facts.text()


@pytest.mark.parametrize("key", ["all", "once"])
def test_every_damage_makes_a_token_unknown_and_spends_nothing(desk: Desk, key: str) -> None:
    token = desk.issue(key).token
    swapped = token.replace("idht_", "idho_") if key == "all" else token.replace("idho_", "idht_")
    damaged = [
        "",
        token[:-1],
        token + "x",
        f" {token}"[:48],
        token.upper(),
        token[5:],
        swapped,
        "idhk_" + token[5:],
        "é" + token[1:],
        token[:-1] + "\x00",
        token[:47] + ("A" if token[47] != "A" else "B"),
        "idht_" + "x" * 43,
        "x" * 100_000,
        token[:40] + "\ud800" * 8,
    ]
    for each in damaged:
        assert desk.rejected(each) is TokenUnknown, each
        assert desk.tokens.find(each) is None
    desk.redeemed(token)


def test_a_replay_of_a_single_use_token_is_refused_and_ends_what_came_of_the_first_use(desk: Desk) -> None:
    token = desk.issue("once").token
    first = desk.redeemed(token)
    bystander = desk.redeemed(desk.issue("once").token)
    assert desk.sessions.find(first.opening.secret) is not None
    answer = desk.redeem(token)
    assert isinstance(answer, Rejected)
    assert type(answer.error) is TokenSpent
    assert answer.facts == first.facts
    assert desk.sessions.find(first.opening.secret) is None
    assert desk.sessions.find(bystander.opening.secret) is not None
    assert desk.rejected(token) is TokenSpent


def test_a_session_token_opens_many_sessions_until_it_is_revoked_with_all_of_them(desk: Desk) -> None:
    issued = desk.issue()
    secrets = [desk.redeemed(issued.token).opening.secret for _ in range(3)]
    desk.tokens.revoke(issued.key, issued.token, "r")
    assert desk.rejected(issued.token) is TokenExpired
    assert [desk.sessions.find(secret) for secret in secrets] == [None] * 3
    assert [word for word, _ in desk.actions()] == ["token.issue", "token.revoke"]


@pytest.mark.parametrize("key", ["own", "lake"])
def test_another_partners_or_billers_key_revokes_nothing(desk: Desk, key: str) -> None:
    token = desk.issue().token
    desk.tokens.revoke(desk.world.keys[key].key, token, "r")
    desk.redeemed(token)
    assert [word for word, _ in desk.actions()] == ["token.issue"]


def test_looking_at_a_token_neither_spends_nor_prolongs_it(desk: Desk) -> None:
    token = desk.issue("once").token
    until = desk.tokens.find(token)
    desk.world.clock.advance(timedelta(minutes=5))
    assert desk.tokens.find(token) == until
    assert until is not None
    assert until[1] == desk.world.clock.now() + timedelta(minutes=15)
    desk.redeemed(token)
    assert desk.tokens.find(token) is None


def test_without_the_key_value_store_a_token_is_not_redeemed_and_good_afterwards(desk: Desk) -> None:
    token = desk.issue("once").token
    desk.kv.away = True
    with pytest.raises(StoreUnavailable):
        desk.redeem(token)
    desk.kv.away = False
    desk.redeemed(token)
