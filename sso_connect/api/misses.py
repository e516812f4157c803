"""Which answers tell a key that something is not there, or is somebody else's: each counts as a miss of the key (look_up_limits).

Refusals are counted here, in the one place that every refusal passes, so that no operation can forget it; so are the items of
batches. What a call answers without a refusal (Retrieve Users, Introspect, Explain) it counts itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from idp.accounts.look_up_limits import LookUpLimits
from idp.directory.api_keys import ApiKey
from idp.errors import AmbiguousUser, CustomerExists, CustomerNotFound, HubError, RolledBack, StoreUnavailable, UserNotFound

_REFUSALS = (UserNotFound, CustomerNotFound, AmbiguousUser, CustomerExists)
_ITEMS = frozenset({"NotFound", "CredentialsMismatch"})

_log = logging.getLogger(__name__)


class Misses:
    """Counts them. Never fails the answer that it counts."""

    def __init__(self, limits: LookUpLimits) -> None:
        self._limits = limits

    def refused(self, key: ApiKey | None, error: HubError) -> None:
        """Count a refusal, if it is a miss. `key` None: it was not known whose call it was."""
        if key is None:
            return
        if isinstance(error, RolledBack):
            self.items(key, (item.status for item in error.items))
        elif isinstance(error, _REFUSALS):
            self.count(key)

    def items(self, key: ApiKey, statuses: Iterable[str]) -> None:
        """Count the items of a batch that are misses, by their Status."""
        self.count(key, sum(status in _ITEMS for status in statuses))

    def count(self, key: ApiKey, count: int = 1) -> None:
        """Count misses."""
        try:
            self._limits.missed(key, count)
        except StoreUnavailable as fault:
            _log.warning("misses not counted", extra={"bid": key.bid, "key": str(key.id), "cause": fault.detail})
