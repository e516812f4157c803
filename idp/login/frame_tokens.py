"""Frame tokens: how a session travels in a frame whose browser drops every cookie of ours, partitioned or not.

    first      made in the same step as the session of a frame; the first page carries it as a hidden field
    find       a navigation presents it and gets a successor. From then on it is good for 30 seconds (Back, double click, parallel
               requests); an older one is refused, and ends nothing
    peek       a request of the page's script presents it as a header and changes nothing
    refresh    before its 5 minutes are over the script asks for the next one; that does not prolong the session
    settle     the browser's cookie came back after all: no token of the session is good any more

A fork ends the family. Several requests at once get a successor each, and only one of these is ever used. When a second one is, a
token was copied: the family ends and an alarm sounds. The first use of a successor is one record per predecessor, written only
where there is none, so two workers cannot both be first.

Only in hidden fields and headers, never in an address. Stored as a digest; it dies with the session's family.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from idp.alarms import AlarmKind
from idp.kv import Exists, Gone, KeyValue, Mark, Put, Read, Record, Step
from idp.login.sessions import MOST_ABSOLUTE, Session, family_mark, read_session, session_record
from idp.opaque import digest, new_secret

PREFIX = "idhf_"
LIFETIME = timedelta(minutes=5)
GRACE = timedelta(seconds=30)
_LINGER = timedelta(hours=1)
_LENGTH = len(PREFIX) + 43
_REMEMBERED = 2 * (LIFETIME + GRACE)
"""How long it is known which successor was used: longer than any other successor can live."""

State = Literal["first", "current", "previous"]


class SoundAlarm(Protocol):
    """What of idp.alarms this needs."""

    def sound(self, bid: int, kind: AlarmKind, subject: str, detail: str) -> None:
        """Tell people; never fails."""
        ...


@dataclass(frozen=True, slots=True)
class Carried:
    """A session that came by frame token, and the token for the next navigation ("" when none was made)."""

    session: Session
    next_token: str
    state: State
    """What the presented token was: `first`, before anybody knew how this browser carries; or one of those after it."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the record of a token says. `parent`: the digest of the token that it succeeds, "" for a first one."""

    session: str
    family: str
    state: State
    parent: str = ""

    def text(self) -> str:
        return json.dumps({name: getattr(self, name) for name in self.__slots__}, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> _Facts:
        raw = json.loads(text)
        return cls(str(raw["session"]), str(raw["family"]), raw["state"], str(raw.get("parent", "")))


def first_token(session_key: str, family: str) -> tuple[str, Put]:
    """The first token of a session, and the step that makes it: after the session, in the same transaction."""
    token = new_secret(PREFIX)
    return token, _put(token, _Facts(session_key, family, "first"))


class FrameTokens:
    """Finds sessions by frame tokens, and rotates these."""

    def __init__(self, kv: KeyValue, alarms: SoundAlarm) -> None:
        self._kv = kv
        self._alarms = alarms

    def issue(self, session_key: str, family: str) -> str:
        """The first token of a session that was made without one."""
        token, step = first_token(session_key, family)
        self._kv.transact(step)
        return token

    def find(self, token: str) -> Carried | None:
        """By a navigation: slides the session and makes the next token. None: unknown, too old, a fork, or the session is over."""
        return self._carried(token, slide=True, rotate=True)

    def peek(self, token: str) -> Carried | None:
        """By a request that is no navigation: slides the session, changes no token."""
        return self._carried(token, slide=True, rotate=False)

    def refresh(self, token: str) -> Carried | None:
        """The next token, without a navigation and without prolonging the session."""
        return self._carried(token, slide=False, rotate=True)

    def settle(self, session: Session) -> None:
        """The session travels by cookie: its tokens, and copies of them, open nothing any more."""
        self._kv.transact(Mark(_settled(session.key), _REMEMBERED))

    def session_key_of(self, token: str) -> str | None:
        """The session that a token belonged to, also of one that is over; opens nothing."""
        found = self._kv.transact(Read(_record(digest(token)), optional=True)).results[0]
        value = found.value if isinstance(found, Record | Gone) else None
        return None if value is None else _Facts.parse(value).session

    def is_alive(self, token: str) -> bool:
        """Whether a token still opens pages of its session, if that goes on; changes nothing."""
        return isinstance(self._kv.transact(Read(_record(digest(token)), optional=True)).results[0], Record)

    def _carried(self, token: str, *, slide: bool, rotate: bool) -> Carried | None:
        if len(token) != _LENGTH or not token.isascii() or not token.startswith(PREFIX):
            return None
        name = digest(token)
        held = self._kv.transact(Read(_record(name), optional=True)).results[0]
        if not isinstance(held, Record):
            return None
        facts = _Facts.parse(held.value)
        # Read again with the rest: between the two the cookie of the session may have come back.
        steps: list[Step] = [Read(session_record(facts.session), slide=slide), Read(_record(name))]
        following = new_secret(PREFIX) if rotate else ""
        if rotate:
            steps.append(_put(following, _Facts(facts.session, facts.family, "current", name)))
            if facts.state != "previous":  # its 30 seconds began when it was first used, and do not begin again
                steps.append(_put(token, _Facts(facts.session, facts.family, "previous", facts.parent)))
        used: tuple[Step, ...] = ()
        if facts.parent:
            used = (Put(_successor(facts.parent), name, _REMEMBERED, absent=True),)
        outcome = self._kv.transact(*steps, *used)
        if isinstance(outcome.stop, Exists):
            if outcome.stop.value != name:
                self._forked(facts)
                return None
            outcome = self._kv.transact(*steps)
        if outcome.stop is not None:
            return None
        session = outcome.results[0]
        return Carried(read_session(facts.session, session), following, facts.state) if isinstance(session, Record) else None

    def _forked(self, facts: _Facts) -> None:
        """A second successor of one token was used: somebody has a copy."""
        ended = self._kv.transact(
            Read(session_record(facts.session), optional=True), Mark(family_mark(facts.family), MOST_ABSOLUTE)
        )
        found = ended.results[0]
        if not isinstance(found, Record):
            return
        token = read_session(facts.session, found).token
        self._alarms.sound(
            token.bid,
            AlarmKind.FRAME_TOKEN_COPIED,
            f"user:{token.user_id}",
            f"A frame token was used in two places, so its session was ended. API key {token.key_id}, user {token.user_id}.",
        )


def _put(token: str, facts: _Facts) -> Put:
    idle = GRACE if facts.state == "previous" else LIFETIME
    marks = (family_mark(facts.family), _settled(facts.session))
    return Put(_record(digest(token)), facts.text(), idle=idle, unless=marks, linger=_LINGER)


def _record(name: str) -> str:
    return f"frame:{name}"


def _successor(name: str) -> str:
    """Names the record that says which successor of a token was used first."""
    return f"frame-successor:{name}"


def _settled(session_key: str) -> str:
    return f"frame-settled:{session_key}"
