"""Who sent the payer to an SSO link: seen when its landing page is asked for, and carried to the POST that spends the link.

The landing page posts from our own origin, so the POST says nothing of the page that led to the link. What the GET said (Referer,
Sec-Fetch-Site) travels in a note inside the landing page: signed, good for two minutes, bound to a cookie of this browser, and used
up by the first link that it is posted with. Whoever made the link cannot write one, and one from another browser is worth nothing.
Without a good note the sender counts as not named, so the payer is asked; in a frame no note is needed (`arrivals`).
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import timedelta

from idp.clock import Clock
from idp.kv import Exists, KeyValue, Put
from idp.opaque import digest, new_secret, same
from idp.secrets import Secrets

LIFETIME = timedelta(minutes=2)
"""Longer than a link is good for."""
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Seen:
    """What a browser said of the page that led it here: its origin (None: nothing), and Sec-Fetch-Site ("": nothing)."""

    sender: str | None = None
    fetch_site: str = ""


class LinkSenders:
    """Writes and reads notes."""

    def __init__(self, kv: KeyValue, secrets: Secrets, clock: Clock) -> None:
        self._kv = kv
        self._secrets = secrets
        self._clock = clock

    def note(self, bid: int, seen: Seen, browser: str) -> str:
        """The note for a landing page. `browser`: the secret of a cookie that this browser holds."""
        end = int((self._clock.now() + LIFETIME).timestamp())
        body = [new_secret(), end, seen.sender, seen.fetch_site[:20]]
        text = base64.urlsafe_b64encode(json.dumps(body, separators=(",", ":")).encode()).decode()
        return f"{text}.{self._mac(bid, text, browser)}"

    def read(self, bid: int, note: str, browser: str, link: str) -> Seen:
        """What a note says. One that is missing, forged, too old, of another browser or used with another link says nothing."""
        text, _, mac = note.partition(".")
        if not browser or len(note) > _MOST or not note.isascii() or not same(self._mac(bid, text, browser), mac):
            return Seen()
        try:
            name, end, sender, fetch_site = json.loads(base64.urlsafe_b64decode(text))
        except (ValueError, binascii.Error):
            return Seen()  # the MAC is ours: only a version that writes notes otherwise gets here
        if self._clock.now().timestamp() >= end:
            return Seen()
        used = Put(f"landing:{name}", digest(link), LIFETIME, absent=True)
        stop = self._kv.transact(used).stop
        if isinstance(stop, Exists) and stop.value != digest(link):
            return Seen()
        return Seen(sender, fetch_site)

    def _mac(self, bid: int, text: str, browser: str) -> str:
        return self._secrets.mac(bid, "link", f"sender.{text}.{digest(browser)}")
