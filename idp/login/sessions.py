"""Sessions: who is signed in, on which browser, begun by what.

    opening   a session is a key-value record, made in the SAME transaction that redeems what it rests on (a token): it inherits
              what ends the token, and brings the stamps of biller, key and user along at every read
    find      one read that also slides the idle time; a session that is over, ended or voided is simply not there
    family    frame, top-level and CSR children of one sign-in; ending it is one mark that kills them all, on every worker at once

A browser holds a bearer secret in a cookie whose name says the carrier: `__Host-hub` (full page, SameSite=Lax), `__Host-hub_f`
(frame, SameSite=None; Partitioned). Two names, so that neither overwrites the other. Every sign-in makes a new secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from idp.directory.billers import Biller
from idp.kv import Drop, KeyValue, Mark, Put, Read, Record, Stamps
from idp.opaque import digest, new_id, new_secret

MOST_ABSOLUTE = timedelta(days=2)
"""Longer than any session can live: how long the mark of an ended family must be remembered."""

ViewMode = Literal[0, 1, 2]
FULL_PAGE: ViewMode = 0
FRAME: ViewMode = 1
NEW_TAB: ViewMode = 2


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What a session knows of its own. Texts are "" where nothing was given."""

    family: str
    view_mode: ViewMode
    redirect_id: int
    account_number: str
    """As the redirect asked for it; "" = the payer's default account."""
    return_url: str
    return_name: str
    request_id: str

    @property
    def framed(self) -> bool:
        return self.view_mode == FRAME

    def text(self) -> str:
        """As a record's value."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}, separators=(",", ":"))


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
    policy: Literal["session", "single_use"]
    session_reference: str
    auth_time: int | None
    auth_methods: tuple[str, ...]
    customer_id: UUID | None = None
    """The account that the partner asked for the token for: it ends with the user's registration there. None: it asked for none."""

    def text(self) -> str:
        """As a record's value."""
        # By hand: dataclasses.asdict copies deeply, and this is written with every token.
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
            },
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
    """A live session, as read. `stamps` are the present versions of what it rests on."""

    secret: str
    facts: SessionFacts
    token: TokenFacts
    began_at: datetime
    idle_until: datetime
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Opening:
    """A session about to be made: the secret for the browser, and the step that makes it."""

    secret: str
    facts: SessionFacts
    step: Put


class Sessions:
    """Opens, finds and ends sessions."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    def opening(self, biller: Biller, facts: Mapping[str, Any], *, parent: int) -> Opening:
        """Prepare a session in a new family. `facts`: SessionFacts but `family`; `parent`: index of the step it rests on."""
        secret = new_secret()
        made = SessionFacts(family=str(new_id()), **facts)
        step = Put(
            key=_key(secret),
            value=made.text(),
            idle=timedelta(minutes=biller.policies.session_idle_minutes),
            absolute=timedelta(minutes=biller.policies.session_absolute_minutes),
            unless=(_ended(made.family),),
            parent=parent,
        )
        return Opening(secret, made, step)

    def find(self, secret: str) -> Session | None:
        """The live session of a bearer secret; slides its idle time. None for everything else."""
        if not 20 <= len(secret) <= 100 or not secret.isascii():
            return None
        outcome = self._kv.transact(Read(_key(secret), slide=True, optional=True))
        record = outcome.results[0]
        if not isinstance(record, Record):
            return None
        return Session(
            secret=secret,
            facts=SessionFacts(**json.loads(record.value)),
            token=TokenFacts.parse(record.parent or "{}"),
            began_at=record.created_at,
            idle_until=record.expires_at,
            stamps=record.stamps,
        )

    def end(self, session: Session) -> None:
        """End the whole family, everywhere, at once."""
        self._kv.transact(Mark(_ended(session.facts.family), MOST_ABSOLUTE), Drop(_key(session.secret)))

    def withdraw(self, opening: Opening) -> None:
        """Undo an opening that was refused after all."""
        self._kv.transact(Mark(_ended(opening.facts.family), MOST_ABSOLUTE), Drop(opening.step.key))


def _key(secret: str) -> str:
    return f"session:{digest(secret)}"


def _ended(family: str) -> str:
    return f"family-ended:{family}"
