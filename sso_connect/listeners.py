"""Who may hear the messages of a page that shows no payer's data: a refusal, the end of a session, a page that was never signed in.

The key is known        its frame origins, as on every other page
it is not               the page that sent the request, where a live key of this biller has its origin as a frame origin

Never "*", and never all origins of the biller: such a page answers anybody, and would tell them who the biller's partners are.
"""

from __future__ import annotations

from idp.directory.api_keys import ApiKey, ApiKeys
from idp.directory.billers import Biller
from idp.errors import StoreUnavailable


class Listeners:
    """Finds them."""

    def __init__(self, api_keys: ApiKeys) -> None:
        self._api_keys = api_keys

    def of(self, biller: Biller, key: ApiKey | None, sender: str | None) -> tuple[str, ...]:
        """Exact origins. `sender`: origin of the page that sent the request, as the browser names it; None: it names none.

        Without a database a page without messages is better than none.
        """
        if key is not None:
            return key.frame_origins
        if not sender or sender in {"null", biller.origin}:
            return ()
        try:
            keys = self._api_keys.list_all(biller.bid)
        except StoreUnavailable:
            return ()
        return (sender,) if any(each.live and sender in each.frame_origins for each in keys) else ()
