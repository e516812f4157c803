"""Frame tokens: how a session travels in a frame whose browser drops every cookie of ours, partitioned or not.

    first      made in the same step as the session of a frame; the first page carries it as a hidden field
    find       a navigation presents it and gets the next one: the one before is good for 30 seconds more (Back, double click,
               parallel requests), an older one for nothing, and it ends nothing either
    peek       a request of the page's script presents it as a header and changes nothing
    refresh    before its 5 minutes are over the script asks for the next one; that does not prolong the session

Only in hidden fields and headers, never in an address. Stored as a digest; it dies with the session's family.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from idp.kv import Gone, KeyValue, Put, Read, Record, Step
from idp.login.sessions import Session, family_mark, read_session, session_record
from idp.opaque import digest, new_secret

PREFIX = "idhf_"
LIFETIME = timedelta(minutes=5)
GRACE = timedelta(seconds=30)
_LINGER = timedelta(hours=1)
_LENGTH = len(PREFIX) + 43

State = Literal["first", "current", "previous"]


@dataclass(frozen=True, slots=True)
class Carried:
    """A session that came by frame token, and the token for the next navigation ("" when none was made)."""

    session: Session
    next_token: str
    state: State
    """What the presented token was: `first`, before anybody knew how this browser carries; or one of those after it."""


def first_token(session_key: str, family: str) -> tuple[str, Put]:
    """The first token of a session, and the step that makes it: after the session, in the same transaction."""
    token = new_secret(PREFIX)
    return token, _put(token, session_key, "first", family)


class FrameTokens:
    """Finds sessions by frame tokens, and rotates these."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    def issue(self, session: Session) -> str:
        """A further first token of a session, for another first page of it."""
        token, step = first_token(session.key, session.facts.family)
        self._kv.transact(step)
        return token

    def find(self, token: str) -> Carried | None:
        """By a navigation: slides the session and makes the next token. None: unknown, too old, or the session is over."""
        return self._carried(token, slide=True, rotate=True)

    def peek(self, token: str) -> Carried | None:
        """By a request that is no navigation: slides the session, changes no token."""
        return self._carried(token, slide=True, rotate=False)

    def refresh(self, token: str) -> Carried | None:
        """The next token, without a navigation and without prolonging the session."""
        return self._carried(token, slide=False, rotate=True)

    def session_key_of(self, token: str) -> str | None:
        """The session that a token belonged to, also of one that is over; opens nothing."""
        found = self._kv.transact(Read(_record(token), optional=True)).results[0]
        value = found.value if isinstance(found, Record | Gone) else None
        return None if value is None else str(json.loads(value)["session"])

    def is_alive(self, token: str) -> bool:
        """Whether a token still opens pages of its session, if that goes on; changes nothing."""
        return isinstance(self._kv.transact(Read(_record(token), optional=True)).results[0], Record)

    def _carried(self, token: str, *, slide: bool, rotate: bool) -> Carried | None:
        if len(token) != _LENGTH or not token.isascii() or not token.startswith(PREFIX):
            return None
        held = self._kv.transact(Read(_record(token), optional=True)).results[0]
        if not isinstance(held, Record):
            return None
        facts = json.loads(held.value)
        key, family, state = str(facts["session"]), str(facts["family"]), facts["state"]
        steps: list[Step] = [Read(session_record(key), slide=slide)]
        following = new_secret(PREFIX) if rotate else ""
        if rotate:
            steps.append(_put(following, key, "current", family))
            if state != "previous":  # its 30 seconds began when it was first used, and do not begin again
                steps.append(_put(token, key, "previous", family))
        outcome = self._kv.transact(*steps)
        if isinstance(outcome.stop, Gone):
            return None
        session = outcome.results[0]
        return Carried(read_session(key, session), following, state) if isinstance(session, Record) else None


def _put(token: str, session_key: str, state: State, family: str) -> Put:
    value = json.dumps({"session": session_key, "family": family, "state": state}, separators=(",", ":"))
    idle = GRACE if state == "previous" else LIFETIME
    return Put(_record(token), value, idle=idle, unless=(family_mark(family),), linger=_LINGER)


def _record(token: str) -> str:
    return f"frame:{digest(token)}"
