"""Uploaded invoice files and their pieces (contracts: sso_connect.imports.uploads)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update

from hub.storage.sql.rows import columns, given, values
from hub.storage.tables.partners import api_keys
from hub.storage.tables.requests import upload_chunks, uploads
from hub.storage.work import Work
from sso_connect.imports.uploads import UNFINISHED, Upload

_CHANGING = ("size", "digest", "state", "created_at", "run_id", "reason")
_THIS = (uploads.c.bid == bindparam("this_bid"), uploads.c.id == bindparam("this_upload"))
_SELECT = select(*columns(Upload, uploads))
_FIND = _SELECT.where(*_THIS)
_FIND_LOCKED = _FIND.with_for_update(key_share=True)
_FIND_OF_PARTNER = _FIND.join(api_keys, and_(api_keys.c.bid == uploads.c.bid, api_keys.c.id == uploads.c.key_id)).where(
    api_keys.c.partner_id == bindparam("this_partner")
)
_NEWEST = (
    _SELECT.where(uploads.c.bid == bindparam("this_bid"), uploads.c.state != "receiving")
    .order_by(uploads.c.created_at.desc(), uploads.c.id.desc())
    .limit(1)
)
_OLDER = (
    select(func.count())
    .select_from(uploads)
    .where(
        uploads.c.bid == bindparam("this_bid"),
        uploads.c.state.in_(UNFINISHED),
        or_(
            uploads.c.created_at < bindparam("this_time"),
            and_(uploads.c.created_at == bindparam("this_time"), uploads.c.id < bindparam("this_upload")),
        ),
    )
)
_UNFINISHED = select(
    func.count().filter(uploads.c.key_id == bindparam("this_key")),
    func.count(),
).where(
    uploads.c.bid == bindparam("this_bid"),
    or_(
        uploads.c.state.in_(UNFINISHED),
        and_(uploads.c.state == "receiving", uploads.c.created_at > bindparam("receiving_since")),
    ),
)
_FIRST = (
    _SELECT.where(uploads.c.bid == bindparam("this_bid"), uploads.c.state.in_(UNFINISHED))
    .order_by(uploads.c.created_at, uploads.c.id)
    .limit(1)
)
_ADD = insert(uploads)
_PUT = update(uploads).where(*_THIS).values(given(uploads, *_CHANGING))
_DROP = delete(uploads).where(*_THIS)
_OVER = (
    select(uploads.c.bid, uploads.c.id)
    .where(
        uploads.c.created_at < bindparam("receiving_before"),
        or_(uploads.c.created_at < bindparam("before"), uploads.c.state == "receiving"),
    )
    .order_by(uploads.c.created_at)
    .limit(bindparam("most"))
)
_OF_UPLOAD = (upload_chunks.c.bid == bindparam("this_bid"), upload_chunks.c.upload_id == bindparam("this_upload"))
_ADD_PIECE = insert(upload_chunks)
_FIND_PIECE = select(upload_chunks.c.content).where(*_OF_UPLOAD, upload_chunks.c.n == bindparam("this_n"))
_DROP_PIECES = delete(upload_chunks).where(*_OF_UPLOAD)


class SqlUploadStore:
    """Satisfies UploadStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def add_upload(self, upload: Upload) -> None:
        self._work.connection.execute(_ADD, values(upload))

    def put_upload(self, upload: Upload) -> None:
        changes = {name: value for name, value in values(upload).items() if name in _CHANGING}
        self._work.connection.execute(_PUT, {"this_bid": upload.bid, "this_upload": upload.id, **changes})

    def find_upload(self, bid: int, upload_id: UUID, *, partner_id: UUID | None = None, lock: bool = False) -> Upload | None:
        wanted = {"this_bid": bid, "this_upload": upload_id}
        if partner_id is not None:
            row = self._work.connection.execute(_FIND_OF_PARTNER, {**wanted, "this_partner": partner_id}).one_or_none()
        else:
            row = self._work.connection.execute(_FIND_LOCKED if lock else _FIND, wanted).one_or_none()
        return None if row is None else Upload(*row)

    def find_newest(self, bid: int) -> Upload | None:
        row = self._work.connection.execute(_NEWEST, {"this_bid": bid}).one_or_none()
        return None if row is None else Upload(*row)

    def is_first(self, upload: Upload) -> bool:
        asked = {"this_bid": upload.bid, "this_upload": upload.id, "this_time": upload.created_at}
        return not self._work.connection.execute(_OLDER, asked).scalar_one()

    def count_unfinished(self, bid: int, key_id: UUID, receiving_since: datetime) -> tuple[int, int]:
        asked = {"this_bid": bid, "this_key": key_id, "receiving_since": receiving_since}
        of_key, of_biller = self._work.connection.execute(_UNFINISHED, asked).one()
        return int(of_key), int(of_biller)

    def find_first(self, bid: int) -> Upload | None:
        row = self._work.connection.execute(_FIRST, {"this_bid": bid}).one_or_none()
        return None if row is None else Upload(*row)

    def drop_upload(self, bid: int, upload_id: UUID) -> None:
        self._work.connection.execute(_DROP, {"this_bid": bid, "this_upload": upload_id})

    def purge_uploads(self, before: datetime, receiving_before: datetime, limit: int) -> int:
        over = {"before": before, "receiving_before": receiving_before, "most": limit}
        rows = self._work.connection.execute(_OVER, over).all()
        if rows:
            self._work.connection.execute(_DROP, [{"this_bid": row.bid, "this_upload": row.id} for row in rows])
        return len(rows)


class SqlPieceStore:
    """Satisfies PieceStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def add_piece(self, bid: int, upload_id: UUID, n: int, content: str) -> None:
        self._work.connection.execute(_ADD_PIECE, {"bid": bid, "upload_id": upload_id, "n": n, "content": content})

    def find_piece(self, bid: int, upload_id: UUID, n: int) -> str | None:
        wanted = {"this_bid": bid, "this_upload": upload_id, "this_n": n}
        return self._work.connection.execute(_FIND_PIECE, wanted).scalar_one_or_none()

    def drop_pieces(self, bid: int, upload_id: UUID) -> None:
        self._work.connection.execute(_DROP_PIECES, {"this_bid": bid, "this_upload": upload_id})
