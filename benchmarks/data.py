"""Data for a measurement: billers with a key each, and users, customers and registrations in realistic proportion.

Written straight into the tables (COPY on PostgreSQL), because a million users through the verbs would measure the verbs. The hub's
own verbs make what carries rules: billers, partner, keys.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from sqlalchemy import make_url

from hub.wiring import Hub
from idp.actor import System
from idp.directory.api_keys import KeyPolicies
from idp.opaque import new_id

ACTOR = System("benchmark")
_AT = datetime(2026, 1, 1, tzinfo=UTC)
_ACCOUNTS_A_USER = 3, 2
"""Three registrations for every two users: every second user has two accounts."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What there is: per biller the slug and the secret of its key; `users` are spread evenly, named `u{biller}x{number}`."""

    slugs: tuple[str, ...]
    secrets: tuple[str, ...]
    users: int

    def payers(self) -> Iterator[tuple[str, str, str]]:
        """(slug, key secret, user name) of every user."""
        each = self.users // len(self.slugs)
        for index, (slug, secret) in enumerate(zip(self.slugs, self.secrets, strict=True)):
            for number in range(each):
                yield slug, secret, f"u{index}x{number}"


def load(hub: Hub, users: int, billers: int) -> Loaded:
    """Fill an empty, migrated database."""
    hub.partners.create(ACTOR, str(new_id()), slug="bench", name="Bench")
    slugs, secrets = [], []
    for index in range(billers):
        biller = hub.billers.create(ACTOR, str(new_id()), bid=1000 + index, slug=f"b{index}", dba=f"Utility {index}")
        issued = hub.api_keys.issue(
            ACTOR,
            str(new_id()),
            bid=biller.bid,
            partner_slug="bench",
            policies=KeyPolicies(users="all", rate_per_second=100_000, burst=1_000_000),
            frame_origins=["http://partner.localhost:8090"],
        )
        slugs.append(biller.slug)
        secrets.append(issued.secret)
    url = make_url(hub.settings.database_url)
    with psycopg.connect(host=str(url.query["host"]), user=url.username, dbname=url.database) as connection:
        for index in range(billers):
            _copy(connection, "customers", _CUSTOMER_COLUMNS, _customers(index, users // billers))
            _copy(connection, "users", _USER_COLUMNS, _users(index, users // billers))
            _copy(connection, "registrations", _REGISTRATION_COLUMNS, _registrations(index, users // billers))
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE")
    return Loaded(tuple(slugs), tuple(secrets), users)


_CUSTOMER_COLUMNS = (
    "id", "bid", "account_key", "account_number", "display_number", "name", "address1", "address2", "city", "state", "zip",
    "phone", "email", "customs", "meters", "service_location_id", "prepaid", "protected", "block_cc", "block_ach", "created_at",
)  # fmt: skip
_USER_COLUMNS = (
    "id", "bid", "user_name", "user_name_key", "email", "email_key", "email_verified", "first_name", "last_name", "phone",
    "locale", "disabled", "generation", "created_at",
)  # fmt: skip
_REGISTRATION_COLUMNS = ("id", "bid", "user_id", "customer_id", "login_type", "pending", "registered_at")


def _customers(index: int, users: int) -> Iterator[tuple[Any, ...]]:
    for number in range(users * 3 // 2):
        account = f"{number + 1:07}-01"
        yield (
            _id("customer", index, number), 1000 + index, account, account, account, f"Payer {number}", f"{number} Mill Race Rd",
            "", "Riverbend", "MI", "49331", "", "", "{}", "[]", "", False, False, False, False, _AT,
        )  # fmt: skip


def _users(index: int, users: int) -> Iterator[tuple[Any, ...]]:
    for number in range(users):
        name, email = f"u{index}x{number}", f"u{index}x{number}@example.com"
        yield (
            _id("user", index, number), 1000 + index, name, name, email, email, False, "", "", "", "", False, 0, _AT,
        )  # fmt: skip


def _registrations(index: int, users: int) -> Iterator[tuple[Any, ...]]:
    for number in range(users * 3 // 2):
        # The first `users` customers belong to one user each, the rest to every second user again.
        user = number if number < users else (number - users) * 2
        yield (
            _id("registration", index, number), 1000 + index, _id("user", index, user), _id("customer", index, number), 1, False,
            _AT,
        )  # fmt: skip


def _id(kind: str, index: int, number: int) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}:{index}:{number}")


def _copy(connection: psycopg.Connection, table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    names = psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, columns))
    command = psycopg.sql.SQL("COPY {} ({}) FROM STDIN").format(psycopg.sql.Identifier(table), names)
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        for row in rows:
            copy.write_row(row)
