"""Who calls, what it is told besides the answer, and the shape of what every operation does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from idp import actor as actors
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.receipts import Also, Answer, Receipt, Receipts, WithReceipts
from sso_connect.warnings import Warned, WarningCode

CONNECT_PATH = "/sso/connect"
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.\-]")

R = TypeVar("R")


@dataclass(slots=True)
class Caller:
    """A call: an admitted key and its biller, the parameters of path and query, what it is warned of, and its receipt."""

    key: ApiKey
    biller: Biller
    request_id: str
    where: Any = None
    """The operation's `query` model, read; None where it has none."""
    stream: Any = None
    """The body of an operation that takes a file."""
    ignored: tuple[str, ...] = ()
    """Unknown fields of the body that were let through."""
    warned: list[Warned] = field(default_factory=list)
    receipts: Receipts | None = None
    claimed: Receipt | None = None
    """The receipt to keep, where an Idempotency-Key was sent."""
    kept: bool = False

    @property
    def actor(self) -> actors.Partner:
        """For the change log."""
        return actors.Partner(self.key.id, self.key.partner.id)

    @property
    def is_compat(self) -> bool:
        """Whether the key is treated as partners are used to."""
        return self.key.policies.strictness == "compat"

    def warn(self, code: WarningCode, *subjects: str) -> None:
        """Tell the partner about something that was ignored or will end (`X-Warning`, diagnostics)."""
        self.warned += [Warned(code, _NOT_PLAIN.sub("_", subject)[:80]) for subject in subjects]

    def keep(self, answer: Callable[[R], Answer]) -> Also[R] | None:
        """For a verb's `also`: commits the answer with the change, where an Idempotency-Key asks for that."""
        receipts, claimed = self.receipts, self.claimed
        if receipts is None or claimed is None:
            return None

        def also(stores: WithReceipts, result: R) -> None:
            receipts.keep(stores, claimed, answer(result))
            self.kept = True

        return also


Call = Callable[[Caller, Any], Answer | dict[str, Any] | None]
"""(caller, body) -> the answer as wire names with the operation's own status (None: no body), or one with another status."""
