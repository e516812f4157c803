"""Users, and which partner may speak for which of them (idp.directory.users)."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import bindparam, case, func, insert, select, update

from hub.storage.sql.conflicts import Upsert, broken_means, unique_rule
from hub.storage.sql.rows import batches, columns, given, values
from hub.storage.tables.directory import users
from hub.storage.tables.partners import one_partner_user_id, partner_users
from hub.storage.work import Work
from idp.directory.users import PartnerUser, User
from idp.errors import PartnerUserIdTaken, Raced, UserNameTaken

_SELECT = select(*columns(User, users)).where(users.c.bid == bindparam("bid"))
_BY_ID = _SELECT.where(users.c.id == bindparam("user_id"))
_BY_ID_LOCKED = _BY_ID.with_for_update(key_share=True)
_BY_USER_NAME = _SELECT.where(users.c.user_name_key == bindparam("key"))
_BY_EMAIL = _SELECT.where(users.c.email_key == bindparam("key")).order_by(users.c.created_at, users.c.id).limit(bindparam("most"))
_PAGE = _SELECT.where(users.c.user_name_key > bindparam("after")).order_by(users.c.user_name_key).limit(bindparam("most"))
_BY_IDS = _SELECT.where(users.c.id.in_(bindparam("ids", expanding=True)))
_INSERT = insert(users)
_UPDATE = (
    update(users)
    .where(users.c.bid == bindparam("this_bid"), users.c.id == bindparam("this_id"))
    .values(
        given(users, *(column.name for column in users.c if column.name not in {"bid", "id"}))
        | {"generation": case((users.c.generation > bindparam("generation"), users.c.generation), else_=bindparam("generation"))}
    )
)
_USER_NAME = unique_rule(users, "bid", "user_name_key")

_PARTNER_USERS = select(*columns(PartnerUser, partner_users)).where(
    partner_users.c.bid == bindparam("bid"), partner_users.c.partner_id == bindparam("partner_id")
)
_BY_PARTNER_USER_ID = _PARTNER_USERS.where(partner_users.c.partner_user_id == bindparam("partner_user_id"))
_BY_USER = _PARTNER_USERS.where(partner_users.c.user_id == bindparam("user_id"))
_FIRST = (
    select(*columns(PartnerUser, partner_users))
    .where(partner_users.c.bid == bindparam("bid"), partner_users.c.user_id == bindparam("user_id"))
    .order_by(partner_users.c.since, partner_users.c.partner_id)
    .limit(1)
)
_OWN = _PARTNER_USERS.where(partner_users.c.user_id.in_(bindparam("ids", expanding=True)))
_ADD_PARTNER_USER = Upsert(
    partner_users,
    key=("bid", "user_id", "partner_id"),
    update={"partner_user_id": lambda new: func.coalesce(partner_users.c.partner_user_id, new.partner_user_id)},
)


class SqlUserStore:
    """Satisfies UserStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def find_user(self, bid: int, user_id: UUID, *, lock: bool = False) -> User | None:
        statement = _BY_ID_LOCKED if lock else _BY_ID
        row = self._work.connection.execute(statement, {"bid": bid, "user_id": user_id}).one_or_none()
        return None if row is None else User(*row)

    def find_by_user_name(self, bid: int, key: str) -> User | None:
        row = self._work.connection.execute(_BY_USER_NAME, {"bid": bid, "key": key}).one_or_none()
        return None if row is None else User(*row)

    def list_by_email(self, bid: int, key: str, limit: int = 20) -> list[User]:
        rows = self._work.connection.execute(_BY_EMAIL, {"bid": bid, "key": key, "most": limit})
        return [User(*row) for row in rows]

    def list_users(self, bid: int, after: str, limit: int) -> list[User]:
        rows = self._work.connection.execute(_PAGE, {"bid": bid, "after": after, "most": limit})
        return [User(*row) for row in rows]

    def list_by_ids(self, bid: int, user_ids: Iterable[UUID]) -> dict[UUID, User]:
        found: dict[UUID, User] = {}
        for batch in batches(user_ids):
            for row in self._work.connection.execute(_BY_IDS, {"bid": bid, "ids": batch}):
                found[row.id] = User(*row)
        return found

    def add_user(self, user: User) -> None:
        self._work.touch_users(user.bid, [user.id])
        with broken_means(Raced, "the user name was taken in the meantime", _USER_NAME):
            self._work.connection.execute(_INSERT, values(user))

    def put_user(self, user: User) -> None:
        self._work.touch_users(user.bid, [user.id])
        with broken_means(UserNameTaken, "the user name belongs to another user", _USER_NAME):
            self._work.connection.execute(_UPDATE, values(user) | {"this_bid": user.bid, "this_id": user.id})


class SqlPartnerUserStore:
    """Satisfies PartnerUserStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def find_by_partner_user_id(self, bid: int, partner_id: UUID, partner_user_id: str) -> UUID | None:
        wanted = {"bid": bid, "partner_id": partner_id, "partner_user_id": partner_user_id}
        row = self._work.connection.execute(_BY_PARTNER_USER_ID, wanted).one_or_none()
        return None if row is None else PartnerUser(*row).user_id

    def find_partner_user(self, bid: int, partner_id: UUID, user_id: UUID) -> PartnerUser | None:
        wanted = {"bid": bid, "partner_id": partner_id, "user_id": user_id}
        row = self._work.connection.execute(_BY_USER, wanted).one_or_none()
        return None if row is None else PartnerUser(*row)

    def find_first(self, bid: int, user_id: UUID) -> PartnerUser | None:
        row = self._work.connection.execute(_FIRST, {"bid": bid, "user_id": user_id}).one_or_none()
        return None if row is None else PartnerUser(*row)

    def list_own(self, bid: int, partner_id: UUID, user_ids: Iterable[UUID]) -> set[UUID]:
        found: set[UUID] = set()
        for batch in batches(user_ids):
            rows = self._work.connection.execute(_OWN, {"bid": bid, "partner_id": partner_id, "ids": batch})
            found.update(row.user_id for row in rows)
        return found

    def add_partner_user(self, row: PartnerUser) -> None:
        self._work.touch_users(row.bid, [row.user_id])
        with broken_means(PartnerUserIdTaken, "the PartnerUserID names another user", one_partner_user_id):
            self._work.connection.execute(_ADD_PARTNER_USER.on(self._work), values(row))
