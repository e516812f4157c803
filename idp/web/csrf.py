"""Forms are ours: a token bound to the session AND an Origin equal to the page's own.

Hosts of two billers are siblings, and so same-site: neither SameSite cookies nor `Sec-Fetch-Site: same-site` keeps one from posting
to the other. `Origin: null` is never accepted. Endpoints that are made for cross-site posts (the hand-off) stand in a list of their
own (tests/architecture) and check the sender differently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from idp.errors import CsrfRefused, OriginRefused
from idp.opaque import same
from idp.secrets import Secrets

if TYPE_CHECKING:  # commands wire a hub without Flask
    from idp.web.request import HubRequest

FIELD = "csrf_token"


class Csrf:
    """Makes and checks the form token."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def token(self, bid: int, session_key: str) -> str:
        """The token of a session's forms."""
        return self._secrets.mac(bid, "csrf", session_key)

    def check(self, request: HubRequest, origin: str, bid: int, session_key: str) -> None:
        """OriginRefused or CsrfRefused unless our own page sent this form in this session."""
        check_origin(request, origin)
        if not same(request.folded.values.get(FIELD, ""), self.token(bid, session_key)):
            raise CsrfRefused("missing, or of another session")


def check_origin(request: HubRequest, origin: str) -> None:
    """OriginRefused unless the sender is exactly this origin."""
    if request.sender_origin != origin:
        raise OriginRefused(f"came from {str(request.sender_origin)[:100]}")
