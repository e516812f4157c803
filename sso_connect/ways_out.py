"""Ways out of a frame: a ticket on the page, and by it a child session of the same family on a page of its own.

A page of its own has another cookie jar than the frame (partitioned cookies, RFC 6265bis), so it cannot know who is signed in
there. The ticket says it: an HMAC over the frame's session, good once and for a short time, in a form field and never in an
address. Making one costs nothing; the first use marks it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from idp.clock import Clock
from idp.directory.billers import Biller
from idp.errors import MalformedRequest, SessionRequired
from idp.kv import KeyValue, Put, Read, Record
from idp.login.sessions import Opening, Session, Sessions, ViewMode, read_session, session_record
from idp.opaque import new_secret, same
from idp.secrets import Secrets

LIFETIME = timedelta(minutes=30)
"""A page of bills may stay open for a while; the session behind the ticket must live, too."""

_PARTS = 4


class WaysOut:
    """Makes and takes tickets."""

    def __init__(self, kv: KeyValue, sessions: Sessions, secrets: Secrets, clock: Clock) -> None:
        self._kv = kv
        self._sessions = sessions
        self._secrets = secrets
        self._clock = clock

    def ticket(self, session: Session) -> str:
        """A ticket for the form of a framed page."""
        end = int((self._clock.now() + LIFETIME).timestamp())
        body = f"{session.key}.{end}.{new_secret()}"
        return f"{body}.{self._mac(session.token.bid, body)}"

    def take(self, biller: Biller, ticket: str, view_mode: ViewMode, request_id: str) -> Opening:
        """Open the child session. MalformedRequest: no ticket of ours; SessionRequired: used, too old, or its session is over."""
        parts = ticket.split(".")
        if len(parts) != _PARTS or len(ticket) > 300 or not ticket.isascii():
            raise MalformedRequest("a ticket")
        key, end, nonce, mac = parts
        if not same(self._mac(biller.bid, f"{key}.{end}.{nonce}"), mac):
            raise MalformedRequest("a ticket of ours")
        if self._clock.now() >= datetime.fromtimestamp(int(end), self._clock.now().tzinfo):
            raise SessionRequired("the ticket is too old")
        used = Put(f"out:{nonce}", "", LIFETIME, absent=True)
        outcome = self._kv.transact(used, Read(session_record(key), slide=True))
        record = outcome.results[1] if outcome.stop is None else None
        if not isinstance(record, Record):
            raise SessionRequired("the ticket was used, or its session is over")
        parent = read_session(key, record)
        if parent.token.bid != biller.bid:
            raise SessionRequired("of another biller")
        return self._sessions.open_child(biller, parent, view_mode, request_id)

    def _mac(self, bid: int, body: str) -> str:
        return self._secrets.mac(bid, "frame", body)
