"""The account in play, as pages name it: an opaque handle in the path, checked against the payer's registrations on each request.

A handle is a truncated HMAC over user and customer: two payers of one account have different ones, nothing can be read off it, and
nothing has to be stored. The session holds only the default account, so two tabs can show two accounts.
"""

from __future__ import annotations

from uuid import UUID

from idp.directory.payers import AnyAccount, PayerRecord
from idp.opaque import same
from idp.secrets import Secrets

NO_ACCOUNT = "none"
"""Stands in the path where a payer has no account at all."""

_LENGTH = 20


class AccountHandles:
    """Makes and reads handles."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def handle(self, bid: int, user_id: UUID, customer_id: UUID) -> str:
        """The handle of an account for one payer: 80 bits in hex."""
        return self._secrets.mac(bid, "link", f"account:{user_id}:{customer_id}")[:_LENGTH]

    def find(self, payer: PayerRecord, handle: str) -> AnyAccount | None:
        """The payer's account behind a handle, or one that it waits for; None when it is not (or no longer) theirs."""
        if len(handle) != _LENGTH or not handle.isascii():
            return None
        user = payer.user
        for account in payer.ties:
            if same(self.handle(user.bid, user.id, account.customer_id), handle):
                return account
        return None
