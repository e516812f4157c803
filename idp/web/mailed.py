"""What the pages behind links of mails share: whose page it is, and its chrome. They have no session."""

from __future__ import annotations

from idp.directory.billers import Biller, Billers
from idp.errors import PageNotFound
from idp.web.pages import locale_of
from idp.web.plain import PlainPage
from idp.web.request import HubRequest


def biller_of(billers: Billers, request: HubRequest, slug: str) -> Biller:
    """The biller that host and path name, as it is now. PageNotFound for none, and for two."""
    biller = billers.on_host(request.bare_host, slug)
    if biller is None:
        raise PageNotFound("host and path name no biller, or two")
    return biller


def page_of(request: HubRequest, biller: Biller, locale: str = "") -> PlainPage:
    """The chrome, in the payer's language where it is known."""
    return PlainPage(
        locale=locale_of(request, locale or biller.locale), nonce=request.nonce, biller_name=biller.dba, zone=biller.time_zone
    )
