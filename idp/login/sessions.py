"""Sessions: who is signed in, on which browser, begun by what.

    opening   a session is a key-value record, made in the SAME transaction that redeems what it rests on (a token): it inherits
              what ends the token, and brings the stamps of biller, key and user along at every read
    end       at the latest 8 hours after its token was issued; a child or a session that replaces another keeps that one's end. The
              store's clock decides, not a worker's
    find      one read that also slides the idle time; a session that is over, ended or voided is simply not there
    family    frame, top-level and CSR children of one sign-in; ending it is one mark that kills them all, on every worker at once
    list      a token's sessions are on a list, and a user's tokens too (sso_connect.tokens), so that a payer can see them. A list
              may be cut, so nothing that ends "all" reads one

A browser holds a bearer secret in a cookie whose name says the carrier: `__Host-hub` (full page, SameSite=Lax), `__Host-hub_f`
(frame, SameSite=None; Partitioned). Two names, so that neither overwrites the other. Every sign-in makes a new secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from idp.directory.billers import Biller
from idp.errors import SessionRequired
from idp.kv import Drop, Enlist, Gone, KeyValue, Listed, Mark, Put, Read, Record, Roll, Stamps, Step
from idp.opaque import digest, new_id, new_secret

MOST_FROM_TOKEN = timedelta(hours=8)
"""A session ends at the latest this long after the issue of the token that began it, whatever the biller's own limit."""

MOST_ABSOLUTE = timedelta(days=2)
"""Longer than any session can live: how long the mark of an ended family must be remembered."""

MOST_SHOWN = 100
"""Sessions that a list shows: the newest."""
_MOST_READ = 1000

TokenKind = Literal["session", "single_use", "link"]
"""What a session was begun with: a token, by its policy, or an SSO link."""

_LINGER = timedelta(hours=1)
"""So long a session that is over is still known: a frame that was left alone can say to whom it belonged."""

ViewMode = Literal[0, 1, 2]
FULL_PAGE: ViewMode = 0
FRAME: ViewMode = 1
NEW_TAB: ViewMode = 2


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What a session knows of its own. Texts are "" where nothing was given."""

    id: str
    """Shown to the payer in the list of sessions; opens nothing."""
    family: str
    view_mode: ViewMode
    redirect_id: int
    account_number: str
    """As the redirect asked for it; "" = the payer's default account."""
    return_url: str
    return_name: str
    request_id: str
    css_url: str = ""
    """The theme that the partner asked for; looked up among the approved ones with every page."""
    browser: str = "other"
    system: str = "other"
    """What the browser says of itself (idp.login.devices)."""
    beside: str = ""
    """The browser of an earlier session, whose cookie came along with the hand-off; "" where none did."""

    @property
    def place(self) -> str:
        """The browser that it is open in, as far as cookies show: the same for every session beside it, and for its family."""
        return self.beside or self.family

    @property
    def framed(self) -> bool:
        return self.view_mode == FRAME

    def text(self) -> str:
        """As a record's value. Most have no `beside`, and then a program from before it can read them."""
        told = {name: getattr(self, name) for name in self.__slots__ if name != "beside" or self.beside}
        return json.dumps(told, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> SessionFacts:
        """From a record's value. What a later program added is passed over."""
        return cls(**{name: value for name, value in json.loads(text).items() if name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What the token that began a session says (sso_connect.tokens writes it)."""

    id: str
    """The digest of the token: names it without being it."""
    bid: int
    key_id: UUID
    partner_id: UUID
    user_id: UUID
    generation: int
    policy: TokenKind
    session_reference: str
    auth_time: int | None
    auth_methods: tuple[str, ...]
    redirect: Mapping[str, str] | None = None
    """Of an SSO link: the parameters of the redirect that it stands for, names in lower case."""
    customer_id: UUID | None = None
    """The account that the partner asked for the token for: it ends with the user's registration there. None: it asked for none."""

    def text(self) -> str:
        """As a record's value."""
        # By hand: dataclasses.asdict copies deeply, and this is written with every token.
        more = {} if self.redirect is None else {"redirect": dict(self.redirect)}
        return json.dumps(
            {
                "id": self.id,
                "bid": self.bid,
                "key_id": str(self.key_id),
                "partner_id": str(self.partner_id),
                "user_id": str(self.user_id),
                "generation": self.generation,
                "policy": self.policy,
                "session_reference": self.session_reference,
                "auth_time": self.auth_time,
                "auth_methods": self.auth_methods,
                "customer_id": None if self.customer_id is None else str(self.customer_id),
            }
            | more,
            separators=(",", ":"),
        )

    @classmethod
    def parse(cls, text: str) -> TokenFacts:
        """From a record's value."""
        raw = json.loads(text)
        ids = {name: UUID(raw[name]) for name in ("key_id", "partner_id", "user_id", "customer_id") if raw.get(name)}
        return cls(**(raw | ids | {"auth_methods": tuple(raw["auth_methods"])}))


@dataclass(frozen=True, slots=True)
class Session:
    """A live session, as read. `key` is the digest of its bearer secret: it names the session without opening it.

    `stamps` are the present versions of what it rests on.
    """

    key: str
    facts: SessionFacts
    token: TokenFacts
    began_at: datetime
    idle_until: datetime
    stamps: Stamps


SessionState = Literal["live", "timed_out", "ended"]
"""`timed_out`: idle for too long, or over its absolute time. `ended`: signed out or revoked, here or elsewhere."""


@dataclass(frozen=True, slots=True)
class LastKnown:
    """What is still known of a session, whether or not it is over."""

    facts: SessionFacts
    token: TokenFacts
    state: SessionState


@dataclass(frozen=True, slots=True)
class Found:
    """Live sessions, oldest first. `cut`: there may be more."""

    sessions: tuple[Session, ...]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """A session about to be made: the secret for the browser, and the step that makes it.

    `frame_token` and `more`: of a frame, its first frame token and the step that makes that one.
    """

    secret: str
    facts: SessionFacts
    step: Put
    frame_token: str = ""
    more: tuple[Step, ...] = ()

    @property
    def key(self) -> str:
        """The session's key."""
        return digest(self.secret)

    @property
    def nonce(self) -> str:
        """What the browser shows when it presents the same single-use token twice: a double click, and no replay."""
        return digest(f"once:{self.secret}")


class Sessions:
    """Opens, finds, lists and ends sessions."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    def opening(self, biller: Biller, facts: Mapping[str, Any], *, parent: int) -> Opening:
        """Prepare a session in a new family.

        `facts`: SessionFacts but `id` and `family`; `parent`: index of the step that reads or takes the token that it rests on.
        """
        made = SessionFacts(id=str(new_id()), family=str(new_id()), **facts)
        return _opening(biller, made, parent, within=MOST_FROM_TOKEN)

    def find(self, secret: str) -> Session | None:
        """The live session of a bearer secret; slides its idle time. None for everything else."""
        if not 20 <= len(secret) <= 100 or not secret.isascii():
            return None
        return self.find_by_key(digest(secret))

    def find_by_key(self, key: str) -> Session | None:
        """As find, by the key: for those who have proof of another kind."""
        record = self._kv.transact(Read(session_record(key), slide=True, optional=True)).results[0]
        return read_session(key, record) if isinstance(record, Record) else None

    def open_child(self, biller: Biller, parent: Session, view_mode: ViewMode, request_id: str) -> Opening:
        """A session of the same family that rests on the same token, for another place in the same browser. SessionRequired.

        It ends with its parent at the latest.
        """
        facts = replace(parent.facts, id=str(new_id()), view_mode=view_mode, request_id=request_id)
        made = _opening(biller, facts, 0, bounded=True, origin=parent.token.text())
        outcome = self._kv.transact(Read(session_record(parent.key)), made.step, *_listed(parent.token.id, made))
        if outcome.stop is not None:
            raise SessionRequired("the session of the frame is over")
        return made

    def renew(self, biller: Biller, session: Session, generation: int) -> Opening:
        """The same session with a new secret, in a new family and as of a later `generation` of its user. SessionRequired.

        It keeps the end of the old one, and whatever ends its token ends it. The old one ends with the generation before.
        """
        facts = replace(session.facts, id=str(new_id()), family=str(new_id()))
        token = replace(session.token, generation=generation)
        made = _opening(biller, facts, 0, bounded=True, origin=token.text(), shed=(family_mark(session.facts.family),))
        outcome = self._kv.transact(Read(session_record(session.key)), made.step, *_listed(token.id, made))
        if outcome.stop is not None:
            raise SessionRequired("it is over")
        return made

    def last_known(self, key: str) -> LastKnown | None:
        """What a session that is over said of itself, for an hour after; opens nothing. Of a live one, too."""
        found = self._kv.transact(Read(session_record(key), optional=True)).results[0]
        if not isinstance(found, Record | Gone) or found.value is None or found.parent is None:
            return None
        state: SessionState = "live"
        if isinstance(found, Gone):
            state = "timed_out" if found.ended_by is None else "ended"
        return LastKnown(SessionFacts.parse(found.value), TokenFacts.parse(found.parent), state)

    def list_of(self, token_ids: Iterable[str]) -> Found:
        """The live sessions that were begun with these tokens (digests); none of them slides."""
        rolls = self._kv.transact(*(Roll(sessions_list(token_id)) for token_id in token_ids)).results
        lists = [each for each in rolls if isinstance(each, Listed)]
        listed = list(dict.fromkeys(key for each in lists for key in each.members))
        keys = listed[-_MOST_READ:]
        found: list[Session] = []
        for start in range(0, len(keys), MOST_SHOWN):
            batch = keys[start : start + MOST_SHOWN]
            records = self._kv.transact(*(Read(session_record(key), optional=True) for key in batch)).results
            found += [read_session(key, record) for key, record in zip(batch, records, strict=True) if isinstance(record, Record)]
        newest = sorted(found, key=lambda session: session.began_at)[-MOST_SHOWN:]
        return Found(tuple(newest), cut=len(found) > MOST_SHOWN or len(listed) > _MOST_READ or any(each.cut for each in lists))

    def end(self, session: Session) -> None:
        """End the whole family, everywhere, at once."""
        self.end_families([session.facts.family])

    def end_families(self, families: Iterable[str]) -> None:
        """End several families, everywhere, at once."""
        self._kv.transact(*(Mark(family_mark(family), MOST_ABSOLUTE) for family in families))

    def replace(self, secret: str) -> None:
        """End this one session, whose cookie another one takes. The others of its family, in other places, live."""
        self._kv.transact(Drop(session_record(digest(secret))))

    def place_of(self, secrets: Iterable[str]) -> str:
        """The browser of the first of these secrets that a live session has; "" for none. Nothing slides."""
        for secret in secrets:
            known = self.last_known(digest(secret))
            if known is not None and known.state == "live":
                return known.facts.place
        return ""

    def withdraw(self, opening: Opening) -> None:
        """Undo an opening that was refused after all."""
        self._kv.transact(Mark(family_mark(opening.facts.family), MOST_ABSOLUTE), Drop(opening.step.key))


def _opening(biller: Biller, facts: SessionFacts, parent: int, **descent: Any) -> Opening:
    """A session that rests on the step `parent`. `descent`: what it takes over from there (idp.kv.Put)."""
    secret = new_secret()
    step = Put(
        key=session_record(digest(secret)),
        value=facts.text(),
        idle=timedelta(minutes=biller.policies.session_idle_minutes),
        absolute=timedelta(minutes=biller.policies.session_absolute_minutes),
        unless=(family_mark(facts.family),),
        parent=parent,
        linger=_LINGER,
        **descent,
    )
    return Opening(secret, facts, step)


def _listed(token_id: str, made: Opening) -> tuple[Step, ...]:
    return (Enlist(sessions_list(token_id), made.key, made.step.absolute or MOST_ABSOLUTE),)


def read_session(key: str, record: Record) -> Session:
    """A session from its record."""
    return Session(
        key=key,
        facts=SessionFacts.parse(record.value),
        token=TokenFacts.parse(record.parent or "{}"),
        began_at=record.created_at,
        idle_until=record.expires_at,
        stamps=record.stamps,
    )


def session_record(key: str) -> str:
    """The name of a session's record."""
    return f"session:{key}"


def sessions_list(token_id: str) -> str:
    """The name of the list of the sessions that a token began."""
    return f"sessions-of:{token_id}"


def family_mark(family: str) -> str:
    """The mark that ends a family."""
    return f"family-ended:{family}"
