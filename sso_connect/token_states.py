"""What can become of a token, and how a token that is not live is refused. Neighbour: `tokens`, which finds it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from idp.errors import HubError, TokenExpired, TokenSpent, TokenUnknown
from idp.kv import Gone
from idp.login.sessions import TokenFacts


class State(StrEnum):
    """What became of a token, in words for whoever issued it."""

    LIVE = "live"
    UNKNOWN = "unknown: never issued here, damaged, or long past its lifetime"
    EXPIRED = "past its lifetime"
    SPENT = "used before: it was good once"
    ENDED = "revoked, or its session was signed out"
    CLOSED = "closed: the payer ended the session that it began"


@dataclass(frozen=True, slots=True)
class Looked:
    """A token that was looked at: what became of it, what it says (None: nothing is known), and from when until when it lives."""

    state: State
    facts: TokenFacts | None = None
    expires_at: datetime | None = None
    issued_at: datetime | None = None


def refusal_of(state: State) -> HubError:
    """Why a token that is not live is refused."""
    match state:
        case State.SPENT:
            return TokenSpent(state)
        case State.EXPIRED | State.ENDED | State.CLOSED:
            return TokenExpired(state)
        case _:
            return TokenUnknown(state)


def told_of(gone: Gone) -> Looked:
    """What is known of a token that is gone."""
    facts = None if gone.value is None else TokenFacts.parse(gone.value)
    if gone.spent and facts is not None:
        return Looked(State.SPENT, facts)
    if gone.ended_by is not None:
        return Looked(State.ENDED, facts)
    return Looked(State.UNKNOWN) if facts is None else Looked(State.EXPIRED, facts)
