"""CloudSSOConnect: explained, and as a link."""

from __future__ import annotations

from typing import Any

from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.directory.payers import UserNames
from sso_connect.api.calls.authenticate import check_auth_time, instant
from sso_connect.api.calls.caller import Call, Caller
from sso_connect.api.calls.diagnostics import check_told
from sso_connect.api.misses import Misses
from sso_connect.api.models import connect as models
from sso_connect.api.names import NameUser
from sso_connect.arrivals import MOST_URL, TOKEN, Arrival
from sso_connect.explain import Explain
from sso_connect.links import Links, check_may_assert
from sso_connect.tokens import Assertion
from sso_connect.warnings import WarningCode


def explain(service: Explain, misses: Misses) -> Call:
    """Explain. A token that is none of the partner's is a miss."""

    def call(caller: Caller, body: models.Explain) -> dict[str, Any]:
        sent = {
            TOKEN: body.remote_authentication_token,
            "viewmode": body.view_mode,
            "redirectid": body.redirect_id,
            "cssurl": body.css_url,
            "returnurl": body.return_url,
            "customreturnsitename": body.custom_return_site_name,
            "accountnumber": body.account_number,
            "resume": body.resume,
        }
        values = {name: text for name, text in sent.items() if text is not None}
        arrival = Arrival(
            host=caller.biller.host,
            slug=caller.biller.slug,
            method=body.method,
            fetch_dest=(body.sec_fetch_dest or "").lower(),
            user_agent="",
            request_id=caller.request_id,
            values=values,
            twice=frozenset(),
            sender=None if body.origin == "null" else body.origin,
            fetch_site=(body.sec_fetch_site or "").lower(),
        )
        told = service.redirect(caller.key, caller.biller, arrival)
        token = body.remote_authentication_token
        if told.code is not None and token is not None and not service.is_known(caller.key, token):
            misses.count(caller.key)
        return {
            "WouldSucceed": told.code is None,
            "Code": told.code,
            "PayerAsked": told.code is None and told.asked,
            "Checks": [check_told(check) for check in told.checks],
            "Ignored": list(caller.ignored),
        }

    return call


def _may_return_to(key: ApiKey, url: str) -> bool:
    return len(url) <= MOST_URL and key.may_return_to(url)


def create_link(name_user: NameUser, links: Links, clock: Clock) -> Call:
    """SSO link."""

    def call(caller: Caller, body: models.CreateLink) -> dict[str, Any]:
        check_may_assert(caller.key)
        check_auth_time(body.auth_time, clock.now())
        payer = name_user.get(caller.key, body)
        redirect = body.redirect()
        if len(redirect.get("cssurl", "")) > MOST_URL:
            caller.warn(WarningCode.THEME_UNKNOWN, "CSSUrl")
            del redirect["cssurl"]
        if caller.is_compat and "returnurl" in redirect and not _may_return_to(caller.key, redirect["returnurl"]):
            caller.warn(WarningCode.RETURN_URL_DROPPED, "ReturnUrl")
            del redirect["returnurl"]
        assertion = Assertion(
            UserNames(login_guid=payer.user.id), None, body.session_reference or "", body.auth_time, tuple(body.auth_methods or ())
        )
        link = links.make(caller.key, caller.biller, payer, assertion, redirect, caller.request_id)
        return {"Url": link.url, "ExpiresAt": instant(link.expires_at)}

    return call
