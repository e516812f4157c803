"""The demo's second partner, at one utility and with a habit of its own: a meter portal, set up as partners are today.

Legacy set-up gives it a compat key that must show the payer's password. Its stylesheet is read from examples/data instead of being
fetched, because the demo talks to nobody; all else is as an operator does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from admin.legacy import LegacySetUp, LegacyWanted
from admin.partners import KeyAdmin, PartnerAdmin
from hub.wiring import Hub
from idp.accounts.register import AccountWanted, Wanted
from idp.actor import Staff, System
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.opaque import new_id
from sso_connect.themes import Themes

PARTNER, NAME = "meterview", "Meterview"
CSS_URL = "https://portal.meterview.example/theme.css"
STYLESHEET = "meterview.css"
PAYER, ACCOUNT = "Noor Haddad", "1005-01"
USER_NAME, EMAIL, PASSWORD = "noor", "noor.haddad@example.com", "seven rivers 1005"
_STAFF = Staff("demo", "operator")


@dataclass(frozen=True, slots=True)
class Meters:
    """What was set up: the key, and its secret."""

    key: ApiKey
    secret: str


def set_up(hub: Hub, biller: Biller, origin: str, data: Path, *, allow_loopback_origins: bool) -> Meters:
    """The partner, its key, its approved theme, and a payer with a password. `origin`: of the portal that shows its pages."""
    keys = KeyAdmin(hub.api_keys, hub.billers, allow_loopback_origins=allow_loopback_origins)
    legacy = LegacySetUp(PartnerAdmin(hub.partners), keys, hub.billers, hub.advanced_settings, hub.themes)
    wanted = LegacyWanted(
        bid=biller.bid,
        partner=PARTNER,
        name=NAME,
        url=origin,
        authenticate="password",
        frame_origins=[origin],
        return_urls=[f"{origin}/back"],
        css_urls=[CSS_URL],
    )
    done = legacy.set_up(_STAFF, str(new_id()), wanted)
    _approve(hub, biller, data / STYLESHEET)
    first, _, last = PAYER.partition(" ")
    payer = Wanted(USER_NAME, EMAIL, (AccountWanted(ACCOUNT),), first_name=first, last_name=last, password=PASSWORD)
    hub.register.register(System("demo"), str(new_id()), biller, payer, done.key)
    return Meters(done.key, done.secret)


def _approve(hub: Hub, biller: Biller, stylesheet: Path) -> None:
    def fetch(url: str, *, most_bytes: int, deadline: timedelta) -> bytes:  # noqa: ARG001
        return stylesheet.read_bytes()[: most_bytes + 1]

    themes = Themes(hub.database.begin, hub.database.read, hub.kv, hub.clock, fetch, hub.alarms)
    themes.approve(_STAFF, str(new_id()), biller.bid, CSS_URL)
