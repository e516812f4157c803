"""Where a payer is signed in: shown, one place ended, all others ended (docs/adr/0031).

list_all     what the lists know, and whether there may be more
end_one      what is open in one browser ends: each family there, and the tokens that began them open nothing any more; other
             sessions of those tokens live
end_others   the user's generation is raised, which ends every token, SSO link and session of the user on every worker, whatever
             any list says. In the same transaction the session at hand gets a new secret and the new generation: it alone lives
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from idp import actor as actors
from idp.changelog import Action, Change, WithChangeLog
from idp.directory.api_keys import ApiKey, ApiKeys
from idp.directory.users import UserStore
from idp.errors import SessionRequired
from idp.login.frame_tokens import FrameTokens
from idp.login.sessions import Opening, Session, Sessions
from idp.transaction import Begin
from sso_connect.tokens import Tokens
from sso_connect.visits import RULES, Visit


@dataclass(frozen=True, slots=True)
class Listed:
    """The sessions of a payer, oldest first, each with the key that began it; the one at hand is always among them.

    `cut`: there may be more.
    """

    sessions: tuple[tuple[Session, ApiKey], ...]
    cut: bool


@dataclass(frozen=True, slots=True)
class Renewed:
    """The session at hand, after all others ended: what its browser is to hold from now on."""

    visit: Visit
    opening: Opening


class PlacesStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""

    @property
    def users(self) -> UserStore: ...


class Places:
    """Lists and ends sessions of the payer of a visit."""

    def __init__(
        self, begin: Begin[PlacesStores], sessions: Sessions, tokens: Tokens, frame_tokens: FrameTokens, api_keys: ApiKeys
    ) -> None:
        self._begin = begin
        self._sessions = sessions
        self._tokens = tokens
        self._frame_tokens = frame_tokens
        self._api_keys = api_keys

    def list_all(self, visit: Visit) -> Listed:
        """Those that still stand up to RULES."""
        bid = visit.biller.bid
        listed = self._tokens.list_sessions(bid, visit.payer.user.id)
        found: list[tuple[Session, ApiKey]] = []
        for session in listed.sessions:
            key = self._api_keys.cached(bid, session.token.key_id, session.stamps)
            if key is not None and all(rule.holds(replace(visit, session=session, key=key)) for rule in RULES):
                found.append((session, key))
        if all(session.key != visit.session.key for session, _ in found):
            found.append((visit.session, visit.key))
        return Listed(tuple(found), listed.cut)

    def end_one(self, visit: Visit, request_id: str, session_id: str) -> bool:
        """End another session of the payer, by its id, and what else is open in its browser. Whether there was one.

        The session at hand and its family live, also where they are open in that browser.
        """
        others = self._others(visit)
        chosen = next((session for session in others if session.facts.id == session_id), None)
        if chosen is None:
            return False
        place = chosen.facts.place
        while here := [session for session in others if session.facts.place == place]:
            self._end(visit, request_id, here)
            others = self._others(visit)  # a list shows the newest only
        return True

    def _others(self, visit: Visit) -> list[Session]:
        own = visit.session.facts.family
        return [session for session, _ in self.list_all(visit).sessions if session.facts.family != own]

    def _end(self, visit: Visit, request_id: str, sessions: list[Session]) -> None:
        for token in {session.token.id: session.token for session in sessions}.values():
            self._tokens.close(token)
        families = {session.facts.family: session for session in sessions}
        self._sessions.end_families(families)
        with self._begin() as stores:
            for session in families.values():
                stores.changelog.append(_ended(visit, request_id, f"session:{session.facts.id}"))

    def end_others(self, visit: Visit, request_id: str) -> Renewed:
        """End everything of the payer but the session at hand. SessionRequired when that one was ended in the meantime.

        Tokens end too, also the one that the session at hand rests on: a copy of it could open another.
        """
        own, user_id = visit.session, visit.payer.user.id
        with self._begin() as stores:
            user = stores.users.find_user(visit.biller.bid, user_id, lock=True)
            if user is None or user.disabled or user.generation != own.token.generation:
                raise SessionRequired("ended a moment ago")
            raised = replace(user, generation=user.generation + 1)
            stores.users.put_user(raised)
            stores.changelog.append(_ended(visit, request_id, "others"))
            # Before the commit: until then the new session is of a generation that is not there yet, and opens nothing.
            opening = self._sessions.renew(visit.biller, own, raised.generation)
            token = self._frame_tokens.issue(opening.key, opening.facts.family) if own.facts.framed else ""
        session = replace(own, key=opening.key, facts=opening.facts, token=replace(own.token, generation=raised.generation))
        return Renewed(
            replace(visit, session=session, carrier="token" if token else "cookie", frame_token=token),
            replace(opening, frame_token=token),
        )


def _ended(visit: Visit, request_id: str, subject: str) -> Change:
    user_id = visit.payer.user.id
    return Change(visit.biller.bid, Action.SESSION_END, actors.Payer(user_id), request_id, user_id=user_id, subject=subject)
