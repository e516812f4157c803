"""Warnings: what was let through and may not be for ever; who still does it, since when, how often.

    WarningCode    a closed vocabulary, like the catalogue of errors; CATALOGUE says what each means and how to get rid of it
    hear           after an answer: what X-Warning told the caller is kept too, one row per key, place, code and subject
    list, purge    which keys still use what will end; a warning that was not seen for 90 days is gone

A partner that is treated as it is used to (`compat`) may be warned with every single call. So each process remembers what it heard
and writes a row at once when it is new, and then with the count that has come together since: a server every two seconds, by a
heartbeat, so that a process that is killed loses no more than that. The memory is bounded, and so is what one key can put there.
What could not be written is counted on. Nothing here can fail a call.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.errors import HubError
from idp.heartbeat import Heartbeat
from idp.transaction import Begin
from sso_connect.checks import MOST_NAME, Check, shortened, without_secrets

KEPT_FOR = timedelta(days=90)
WRITTEN_EVERY = timedelta(minutes=1)
"""How long a call leaves the writing of a row to the heartbeat."""

HEARTBEAT = timedelta(seconds=2)
MOST_REMEMBERED = 5000
MOST_OF_A_KEY = 300
"""Different warnings of one key that are told apart; whatever a key invents beyond them counts as OTHERS."""
OTHERS = "(others)"
_MOST_AT_ONCE = 200

_log = logging.getLogger(__name__)


class WarningCode(StrEnum):
    """What a caller can be warned of. A closed vocabulary: a new word is a change of this file, and needs a row in CATALOGUE."""

    UNKNOWN_FIELD = "UnknownField"
    UNKNOWN_PARAMETER = "UnknownParameter"
    OLD_NAME = "OldName"
    TRAILING_SLASH = "TrailingSlash"
    PROOF_IGNORED = "ProofIgnored"
    ROLE_CODES_REFUSED = "RoleCodesRefused"
    RETURN_URL_DROPPED = "ReturnUrlDropped"
    SITE_NAME_CUT = "SiteNameCut"
    VIEW_MODE_CORRECTED = "ViewModeCorrected"
    SENDER_UNKNOWN = "SenderUnknown"
    SENDER_NOT_SENT = "SenderNotSent"
    REDIRECT_BY_GET = "RedirectByGet"
    OLD_TOKEN_BY_GET = "OldTokenByGet"  # noqa: S105  (a word of the vocabulary, not a secret)
    THEME_UNKNOWN = "ThemeUnknown"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means: `subject` says what stands behind it in X-Warning; `expected` and `fix` are for whoever wrote the call."""

    meaning: str
    subject: str
    expected: str
    fix: str


CATALOGUE: Mapping[WarningCode, Meaning] = MappingProxyType(
    {
        WarningCode.UNKNOWN_FIELD: Meaning(
            "A field that the operation does not have was ignored, because the key is a compat key.",
            "the field, as it was sent",
            "only fields of the operation",
            "Leave the field out, or correct its name: a strict key is refused (422 InvalidFields).",
        ),
        WarningCode.UNKNOWN_PARAMETER: Meaning(
            "A query parameter that the operation does not have was ignored, because the key is a compat key.",
            "the parameter, in lower case",
            "only parameters of the operation",
            "Leave the parameter out, or correct its name: a strict key is refused (422 InvalidFields).",
        ),
        WarningCode.OLD_NAME: Meaning(
            "The operation was asked for under a name from before. It answers as ever until its end is announced (Sunset).",
            "the old name",
            "the path of today",
            "Call the path that the Link header names (rel=successor-version).",
        ),
        WarningCode.TRAILING_SLASH: Meaning(
            "The path ended with a slash. It was answered as if it did not, because the key is a compat key.",
            "always `path`",
            "a path without a slash at its end",
            "Remove the slash: a strict key is refused (404 TrailingSlash).",
        ),
        WarningCode.PROOF_IGNORED: Meaning(
            "A kind of AccountProof that the key may not state was ignored, because the key is a compat key.",
            "the kind of proof",
            "kinds of proof that Ping shows under AccountProof",
            "Leave the kind out, or ask the biller to let the key state it: a strict key is refused (422 InvalidFields).",
        ),
        WarningCode.ROLE_CODES_REFUSED: Meaning(
            "Role codes in a customer record were left as they are, as the key may not set any; its other fields were written.",
            "the field",
            "no value, or the role codes that the account has; else a key with the scope role_codes:write",
            "Leave the field out, or ask the biller for the scope role_codes:write: a strict key is refused (422 InvalidFields).",
        ),
        WarningCode.RETURN_URL_DROPPED: Meaning(
            "A ReturnUrl off the key's list was dropped, because the key is a compat key; sign-out leads to setting 3 instead.",
            "the parameter",
            "none, or a place on the list that Ping shows under ReturnUrls",
            "Register the origin (and path prefix) of the ReturnUrl with the key: a strict key is refused (403 ReturnUrlRefused).",
        ),
        WarningCode.SITE_NAME_CUT: Meaning(
            "A CustomReturnSiteName of more than 80 characters was cut, because the key is a compat key.",
            "the parameter",
            "at most 80 characters",
            "Send a shorter name: a strict key is refused (400 InvalidRedirect).",
        ),
        WarningCode.VIEW_MODE_CORRECTED: Meaning(
            "ViewMode and what the browser loads for contradicted each other; the browser's word counted, because the key is a"
            " compat key.",
            "the parameter",
            "ViewMode 1 into an iFrame, 0 or 2 for a page of its own",
            "Send the ViewMode of the place that you redirect to: a strict key is refused (403 ViewModeRefused).",
        ),
        WarningCode.SENDER_UNKNOWN: Meaning(
            "A redirect came from a page of an origin that the key does not know; the payer was asked before the hand-off went on,"
            " because the key is a compat key.",
            "the origin",
            "an origin of the key: frame origins, ReturnUrls, or the partner's own address",
            "Register the origin with the key: a strict key is refused (403 SenderRefused).",
        ),
        WarningCode.SENDER_NOT_SENT: Meaning(
            "A redirect to a full page came without Origin and Referer, so nobody can tell whose page sent the payer. The payer was"
            " asked before the hand-off went on.",
            "the rule",
            "Origin or Referer of one of the key's pages",
            "Send the form from a page without Referrer-Policy: no-referrer (strict-origin-when-cross-origin is the browser's"
            " default), and set no such policy on the answer that redirects to ConnectUrl.",
        ),
        WarningCode.REDIRECT_BY_GET: Meaning(
            "A redirect came by GET. Its token stood in an address, and so in histories and in logs of proxies.",
            "the method",
            "POST",
            "Post the parameters as a form to ConnectUrl, or use an SSO link.",
        ),
        WarningCode.OLD_TOKEN_BY_GET: Meaning(
            "A token came by GET more than 20 minutes after it was issued; it was let in because the key is a compat key.",
            "the method",
            "by GET, a token of the last 20 minutes",
            "Post the parameters as a form to ConnectUrl: a strict key is refused (410 TokenExpired).",
        ),
        WarningCode.THEME_UNKNOWN: Meaning(
            "The CSSUrl names no theme that the biller has approved; the default theme was shown.",
            "the parameter",
            "the address of an approved theme",
            "Ask the biller to approve the stylesheet (it stands among the themes of the biller), or leave CSSUrl out.",
        ),
    }
)
"""What each code means: header, diagnostics, `/api/v1/warnings` and docs/problems.md are made from it."""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that was let through and may not be for ever. `code` says what, `subject` which field or name."""

    code: WarningCode
    subject: str

    def check(self) -> Check:
        """As a check that did not hold."""
        meaning = CATALOGUE[self.code]
        return Check(str(self.code), held=False, expected=meaning.expected, came=self.subject, fix=meaning.fix)


@dataclass(frozen=True, slots=True)
class Standing:
    """A row: what a key was warned of at one place. `times` counts at least so often; `request_id` is that of the last time."""

    bid: int
    key_id: UUID
    place: str
    code: str
    subject: str
    checks: tuple[Check, ...]
    request_id: str
    first_at: datetime
    last_at: datetime
    times: int

    @property
    def name(self) -> tuple[int, UUID, str, str, str]:
        """What makes it one row."""
        return self.bid, self.key_id, self.place, self.code, self.subject


class WarningStore(Protocol):
    """Warnings in the database."""

    def put_warnings(self, heard: Sequence[Standing]) -> None:
        """Insert; where the row is there, add `times` and take over the rest but `first_at`. In one order, whoever writes."""
        ...

    def list_warnings(self, bid: int, limit: int) -> list[Standing]:
        """Of a biller, the last seen first."""
        ...

    def list_warnings_of(
        self, bid: int, partner_id: UUID, after: tuple[datetime, UUID, str, str, str] | None, limit: int
    ) -> list[Standing]:
        """Of the keys of one partner, the last seen first and by name, from the one after last_at, key, place, code and subject."""
        ...

    def list_warnings_of_request(self, bid: int, partner_id: UUID, request_id: str) -> list[Standing]:
        """Those of one partner that were last seen in a request."""
        ...

    def purge_warnings(self, before: datetime, limit: int) -> int:
        """Remove those that were not seen since `before`. How many."""
        ...


class WarningStores(Protocol):
    """The slice of stores that this service works with."""

    @property
    def warnings(self) -> WarningStore: ...


@dataclass(slots=True)
class _Heard:
    """What waits to be written of one row, and when it was written last."""

    standing: Standing
    waiting: int = 0
    written_at: datetime | None = None


class Warnings:
    """Hears, lists and purges warnings. Safe for many threads."""

    def __init__(self, begin: Begin[WarningStores], clock: Clock) -> None:
        self._begin = begin
        self._clock = clock
        self._heard: OrderedDict[tuple[int, UUID, str, str, str], _Heard] = OrderedDict()
        self._of_key: Counter[UUID] = Counter()
        self._lock = threading.Lock()
        self._heart: Heartbeat | None = None

    def hear(self, key: ApiKey, place: str, request_id: str, warned: Iterable[Warned]) -> None:
        """Count what a caller was warned of at a place (method and path). Never fails a call: what cannot be kept is logged."""
        now = self._clock.now()
        with self._lock:
            for each in dict.fromkeys(Warned(each.code, shortened(without_secrets(each.subject), MOST_NAME)) for each in warned):
                self._count(key, place, request_id, each, now)
            due = self._due(now)
        if due:
            self._write(due)
        if self._heart is not None:
            self._heart.wake()

    def keep_writing(self) -> None:
        """Write what waits every few seconds from now on: for a process that serves."""
        self._heart = Heartbeat("warnings", HEARTBEAT, self._beat)

    def flush(self) -> bool:
        """Write whatever waits. Whether nothing is left."""
        with self._lock:
            due = [self._take(each) for each in self._heard.values() if each.waiting]
        return not due or self._write(due)

    def close(self) -> None:
        """Write whatever waits, at the end of a process."""
        if self._heart is not None:
            self._heart.close()
        self.flush()

    def _beat(self) -> bool:
        return not self.flush()

    def list_all(self, bid: int, limit: int = 200) -> list[Standing]:
        """Of a biller, the last seen first."""
        with self._begin() as stores:
            return stores.warnings.list_warnings(bid, limit)

    def purge(self, limit: int = 1000) -> int:
        """Remove what was not seen for its time. How many."""
        with self._begin() as stores:
            return stores.warnings.purge_warnings(self._clock.now() - KEPT_FOR, limit)

    def _count(self, key: ApiKey, place: str, request_id: str, warned: Warned, now: datetime) -> None:
        name = (key.bid, key.id, place, str(warned.code), warned.subject)
        if name not in self._heard and self._of_key[key.id] >= MOST_OF_A_KEY:
            warned = Warned(warned.code, OTHERS)
            name = (*name[:4], OTHERS)
        heard = self._heard.get(name)
        if heard is None:
            heard = _Heard(Standing(*name, (warned.check(),), request_id, now, now, 0))
            self._heard[name] = heard
            self._heard.move_to_end(name, last=False)  # what was never written is due first
            self._of_key[key.id] += 1
        told = heard.standing
        heard.standing = Standing(*told.name, told.checks, request_id, told.first_at, now, 0)
        heard.waiting += 1

    def _due(self, now: datetime) -> list[Standing]:
        """What waits and was not written for a while, the oldest first; and what has to leave because the memory is full."""
        due: list[Standing] = []
        for _ in range(min(len(self._heard), _MOST_AT_ONCE)):
            name, heard = next(iter(self._heard.items()))
            if heard.written_at is not None and now - heard.written_at < WRITTEN_EVERY:
                break  # in the order of writing: the rest was written later
            if heard.waiting:
                due.append(self._take(heard))
            heard.written_at = now
            self._heard.move_to_end(name)
        while len(self._heard) > MOST_REMEMBERED:
            (_, key_id, *_), heard = self._heard.popitem(last=False)
            self._of_key[key_id] -= 1
            if not self._of_key[key_id]:
                del self._of_key[key_id]
            if heard.waiting:
                due.append(self._take(heard))
        return due

    @staticmethod
    def _take(heard: _Heard) -> Standing:
        told, waiting = heard.standing, heard.waiting
        heard.waiting = 0
        return Standing(*told.name, told.checks, told.request_id, told.first_at, told.last_at, waiting)

    def _write(self, due: list[Standing]) -> bool:
        try:
            with self._begin() as stores:
                stores.warnings.put_warnings(due)
        except HubError as fault:
            _log.warning("warnings not kept", extra={"count": len(due), "cause": fault.code})
            self._put_back(due)
            return False
        return True

    def _put_back(self, due: list[Standing]) -> None:
        """Count on with what could not be written; what has left the memory meanwhile is lost."""
        with self._lock:
            for each in due:
                heard = self._heard.get(each.name)
                if heard is not None:
                    heard.waiting += each.times
