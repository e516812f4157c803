"""Ping."""

from __future__ import annotations

from typing import Any

from sso_connect.api.calls.caller import CONNECT_PATH, Caller


def ping(caller: Caller, _body: None) -> dict[str, Any]:
    """What the key is and may do: never a secret, nothing of other keys."""
    key, biller, policies = caller.key, caller.biller, caller.key.policies
    return {
        "Biller": {
            "BID": biller.bid,
            "BillerGUID": str(biller.guid),
            "Name": biller.dba,
            "Slug": biller.slug,
            "TimeZone": biller.time_zone,
        },
        "Partner": key.partner.name,
        "Policies": {
            "Authenticate": policies.authenticate,
            "Token": policies.token,
            "Users": policies.users,
            "AccountProof": list(policies.account_proof),
            "CsrUser": policies.csr_user,
            "RatePerSecond": policies.rate_per_second,
            "Burst": policies.burst,
        },
        "Strictness": policies.strictness,
        "Scopes": sorted(scope.value for scope in policies.scopes),
        "FrameOrigins": list(key.frame_origins),
        "ReturnUrls": [place.text() for place in key.return_places],
        "RedirectIDs": sorted(policies.redirect_ids),
        "ConnectUrl": f"{biller.base_url}{CONNECT_PATH}",
    }
