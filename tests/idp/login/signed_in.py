"""Sessions on a key-value store whose time stands still: what the suites of sessions, frame tokens and ways out share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.storage.kv_sqlite import SqliteKeyValue
from idp.clock import FixedClock
from idp.directory.billers import Biller
from idp.kv import Enlist, Mark, Put, Read
from idp.login.frame_tokens import first_token
from idp.login.sessions import FRAME, Opening, Session, Sessions, TokenFacts, ViewMode, sessions_list
from idp.opaque import new_id
from tests.contracts.sql_stores import BIRCHWOOD, OAKDALE, sample_biller

START = datetime(2031, 5, 4, 12, 30, tzinfo=UTC)
TOKEN_ENDED = "token-ended"


@dataclass
class SignedIn:
    """Two billers, and sessions that rest on tokens as those of a hand-off do."""

    folder: Path
    kv: SqliteKeyValue
    clock: FixedClock
    sessions: Sessions
    oakdale: Biller
    birchwood: Biller

    def token(self, bid: int = OAKDALE, **changes: Any) -> TokenFacts:
        """A live token, which the mark TOKEN_ENDED ends."""
        facts = TokenFacts(str(new_id()), bid, new_id(), new_id(), new_id(), 1, "session", "", None, ())
        made = replace(facts, **changes)
        self.kv.transact(Put(f"token:{made.id}", made.text(), timedelta(hours=8), unless=(f"{TOKEN_ENDED}:{made.id}",)))
        return made

    def open(self, token: TokenFacts | None = None, view_mode: ViewMode = FRAME, **facts: Any) -> Opening:
        """A session of a token; of a frame, with its first frame token."""
        token = token or self.token()
        biller = self.oakdale if token.bid == OAKDALE else self.birchwood
        asked: dict[str, Any] = {
            "view_mode": view_mode, "redirect_id": 1, "account_number": "", "return_url": "", "return_name": "", "request_id": "r",
        }  # fmt: skip
        opening = self.sessions.opening(biller, asked | facts, parent=0)
        if view_mode == FRAME:
            frame_token, step = first_token(opening.key, opening.facts.family)
            opening = replace(opening, frame_token=frame_token, more=(step,))
        outcome = self.kv.transact(
            Read(f"token:{token.id}"),
            opening.step,
            *opening.more,
            Enlist(sessions_list(token.id), opening.key, timedelta(hours=8)),
        )
        assert outcome.stop is None
        return opening

    def session(self, opening: Opening) -> Session:
        """As it is now; it must live."""
        found = self.sessions.find(opening.secret)
        assert found is not None
        return found

    def lives(self, opening: Opening) -> bool:
        """Whether it lives; looks without sliding."""
        return self.kv.transact(Read(opening.step.key)).stop is None

    def end_token(self, token: TokenFacts) -> None:
        """What revoke does."""
        self.kv.transact(Mark(f"{TOKEN_ENDED}:{token.id}", timedelta(hours=8)))

    def later(self, **by: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**by))


@pytest.fixture
def signed_in(tmp_path: Path) -> Iterator[SignedIn]:
    """An empty store, and sessions on it."""
    clock = FixedClock(START)
    kv = SqliteKeyValue(tmp_path / "kv.db", clock=clock)
    oakdale, birchwood = sample_biller(OAKDALE, "oakdale"), sample_biller(BIRCHWOOD, "birchwood")
    yield SignedIn(tmp_path, kv, clock, Sessions(kv), oakdale, birchwood)
    kv.close()
