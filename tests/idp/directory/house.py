"""A directory of two billers behind real stores, and the sentences that its tests begin with.

Oakdale (101) and Birchwood (202) both have the accounts 1001-01, 1001-02 and 1002-01, and keys of the partners `one` and `two`.
What tests call another process is a second service object over the same stores.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, func, select

from hub.storage.tables.log import change_log
from idp.accounts.approvals import Approvals
from idp.accounts.code_guesses import CodeGuesses
from idp.accounts.departures import Departures
from idp.accounts.objections import Objections
from idp.accounts.one_time_links import OneTimeLinks
from idp.accounts.register import AccountWanted, Batch, Register, Registered, Wanted
from idp.accounts.tying import Tools
from idp.accounts.unregister import Unregister, Unregistered
from idp.actor import Actor, System
from idp.alarms import Alarms
from idp.directory.api_keys import ApiKey, ApiKeys, IssuedKey, KeyPolicies
from idp.directory.billers import Biller, Billers
from idp.directory.customers import Customer, Customers
from idp.directory.partners import Partners
from idp.directory.payers import Payers
from idp.directory.registrations import Registration
from idp.directory.rights import LoginType
from idp.directory.role_codes import parse_codes, stored_code
from idp.directory.users import User, Users
from idp.login.hashing import Hasher, Profile
from idp.login.password_guesses import PasswordGuesses
from idp.login.passwords import Passwords
from idp.login.throttle import Throttle
from idp.messages.mail import Mail, Mails
from idp.messages.notices import Notices
from idp.secrets import Secrets
from tests import databases
from tests.databases import SqlCase

MAKER = System("test")
OAKDALE, BIRCHWOOD = 101, 202
NUMBERS = ("1001-01", "1001-02", "1002-01")

LIGHT = Profile(memory=64, passes=1, lanes=1)
"""A hash that costs next to nothing: what it costs is not what these tests are about."""

sql = databases.sql


class Mailbox:
    """A sender that nothing is ever handed to: these tests look at the rows."""

    def send(self, mail: Mail) -> None:
        raise AssertionError(mail.id)


@dataclass(frozen=True, slots=True)
class House:
    """Services over one database."""

    sql: SqlCase
    secrets: Secrets
    billers: Billers
    partners: Partners
    api_keys: ApiKeys
    customers: Customers
    users: Users
    register: Register
    unregister: Unregister
    approvals: Approvals
    objections: Objections
    links: OneTimeLinks
    passwords: Passwords
    alarms: Alarms
    payers: Payers
    keys: dict[str, IssuedKey] = field(default_factory=dict)

    # --- other processes ---

    def other_api_keys(self) -> ApiKeys:
        """API keys as another process has them."""
        return ApiKeys(self.sql.begin, self.sql.database.read, self.sql.kv, self.sql.clock, allow_loopback_origins=False)

    def other_payers(self) -> Payers:
        """Payers as another process has them."""
        return Payers(self.sql.database.read, self.sql.kv, self.sql.clock)

    # --- acts ---

    def biller(self, bid: int = OAKDALE) -> Biller:
        return self.billers.get(bid)

    def change_policies(self, bid: int = OAKDALE, **policies: Any) -> None:
        self.billers.change(MAKER, "r", bid, policies=policies)

    def issue(self, name: str, bid: int, partner: str, policies: KeyPolicies | None = None) -> ApiKey:
        """A key, found again in `keys` by its name."""
        self.keys[name] = self.api_keys.issue(MAKER, "r", bid=bid, partner_slug=partner, policies=policies)
        return self.keys[name].key

    def key(self, name: str) -> ApiKey:
        return self.keys[name].key

    def customer(self, number: str, bid: int = OAKDALE) -> Customer:
        return self.customers.get_by_account(self.biller(bid), number)

    def call(
        self,
        user_name: str,
        *accounts: str | AccountWanted,
        key: str | None = "all",
        bid: int = OAKDALE,
        actor: Actor = MAKER,
        **more: Any,
    ) -> Registered:
        """Register; an account may be given by its number."""
        wanted = Wanted(
            user_name,
            more.pop("email", f"{user_name}@example.com"),
            tuple(AccountWanted(each) if isinstance(each, str) else each for each in accounts),
            **more,
        )
        return self.register.register(actor, "request-1", self.biller(bid), wanted, None if key is None else self.key(key))

    def made(self, user_name: str, *numbers: str, key: str | None = "all", bid: int = OAKDALE, **more: Any) -> User:
        """Register, and give the user."""
        user = self.call(user_name, *numbers, key=key, bid=bid, **more).user
        assert user is not None
        return user

    def link(
        self, user: User, *accounts: str | AccountWanted, key: str | None = "all", bid: int = OAKDALE, **more: Any
    ) -> Registered:
        """Link; an account may be given by its number."""
        batch = Batch(tuple(AccountWanted(each) if isinstance(each, str) else each for each in accounts), **more)
        held = None if key is None else self.key(key)
        return self.register.link(MAKER, "request-1", self.biller(bid), user.id, batch, held)

    def leave(self, user: User, *numbers: str, key: str | None = "all", bid: int = OAKDALE, **more: Any) -> Unregistered:
        """Unregister."""
        held = None if key is None else self.key(key)
        return self.unregister.unregister(MAKER, "request-1", self.biller(bid), user.id, numbers, held, **more)

    def set_codes(self, number: str, codes: str, bid: int = OAKDALE) -> None:
        """Put codes on an account, as a file does: `O100-4821;G500`."""
        customer = self.customer(number, bid)
        parsed = parse_codes(self.biller(bid).policies, codes)
        with self.sql.begin() as stores:
            known = {code.digest for code in stores.role_codes.list_codes(bid, customer.id)}
            stored = [stored_code(self.secrets, bid, customer.id, code, known=known) for code in parsed]
            stores.role_codes.set_codes(bid, customer.id, stored)

    # --- what is there ---

    def user(self, name: str, bid: int = OAKDALE) -> User | None:
        with self.sql.database.read() as stores:
            return stores.users.find_by_user_name(bid, name)

    def ties(self, number: str, bid: int = OAKDALE) -> list[Registration]:
        """Registrations of an account that have not ended: those that stand, oldest first, then those that give nothing."""
        customer_id = self.customer(number, bid).id
        with self.sql.database.read() as stores:
            standing = stores.registrations.list_of_customers(bid, [customer_id]).get(customer_id, [])
            waiting = stores.waiting.list_waiting_of_customers(bid, [customer_id]).get(customer_id, [])
        return [*standing, *waiting]

    def seats(self, number: str, bid: int = OAKDALE) -> list[tuple[UUID, LoginType, bool]]:
        """Who holds what on an account."""
        return [(each.user_id, each.login_type, each.pending) for each in self.ties(number, bid)]

    def count(self, table: Table) -> int:
        with self.sql.single.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    def actions(self, bid: int = OAKDALE, *, after: int = 0) -> list[str]:
        """The words of the change log, oldest first; `after`: without the first so many."""
        rows = select(change_log.c.action).where(change_log.c.bid == bid).order_by(change_log.c.id)
        with self.sql.single.connect() as connection:
            return list(connection.execute(rows).scalars())[after:]


@pytest.fixture
def house(sql: SqlCase) -> House:
    """The house on each kind of database."""
    return build(sql)


def build(sql: SqlCase) -> House:
    """Fill an empty database."""
    begin, read, clock = sql.begin, sql.database.read, sql.clock
    secrets = Secrets((b"1" * 32,), sql.database.data_keys)
    alarms = Alarms(begin, sql.kv, clock)
    passwords = Passwords(begin, read, Hasher(at_once=2, waiting=30, profile=LIGHT), PasswordGuesses(sql.kv, alarms), clock)
    guesses = CodeGuesses(sql.kv, Throttle(sql.kv), alarms)
    notices = Notices(Mails(begin, clock, secrets, Mailbox(), alarms))
    links = OneTimeLinks(begin, clock)
    made = House(
        sql=sql,
        secrets=secrets,
        billers=Billers(begin, read, sql.kv, clock, secrets, scheme="https", portal_domain="hub.example.com", share_origins=False),
        partners=Partners(begin, clock),
        api_keys=ApiKeys(begin, read, sql.kv, clock, allow_loopback_origins=False),
        customers=Customers(begin, clock, secrets, alarms),
        users=Users(begin),
        register=Register(begin, Tools(clock, secrets, notices, links, alarms), guesses, Departures(sql.kv), passwords),
        unregister=Unregister(begin, clock, Departures(sql.kv)),
        approvals=Approvals(begin, clock, Departures(sql.kv), notices),
        objections=Objections(begin, links, notices, alarms),
        links=links,
        passwords=passwords,
        alarms=alarms,
        payers=Payers(read, sql.kv, clock),
    )
    for slug in ("one", "two"):
        made.partners.create(MAKER, "r", slug=slug, name=f"Portal {slug}")
    for bid, slug, prefix in ((OAKDALE, "oakdale", ""), (BIRCHWOOD, "birchwood", "there ")):
        biller = made.billers.create(MAKER, "r", bid=bid, slug=slug, dba=slug.title())
        for number in NUMBERS:
            made.customers.create(MAKER, "r", biller, number, name=f"{slug} {number}")
        made.issue(f"{prefix}all", bid, "one", KeyPolicies(users="all"))
        made.issue(f"{prefix}proof", bid, "one", KeyPolicies(users="all", account_proof=("cis",)))
        made.issue(f"{prefix}own", bid, "two", KeyPolicies())
        made.issue(f"{prefix}own of one", bid, "one", KeyPolicies())
    return made
