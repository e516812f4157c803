"""Tokens, ended and asked about."""

from __future__ import annotations

from typing import Any

from idp.directory.users import Users
from idp.errors import FieldError, InvalidFields
from sso_connect.api.calls.authenticate import instant
from sso_connect.api.calls.caller import Call, Caller
from sso_connect.api.misses import Misses
from sso_connect.api.models import tokens as models
from sso_connect.api.names import NameUser
from sso_connect.explain import Explain
from sso_connect.tokens import Tokens


def revoke(name_user: NameUser, tokens: Tokens, users: Users) -> Call:
    """Revoke: by token, which never tells whether there was one, or by a name of a user."""

    def call(caller: Caller, body: models.Revoke) -> None:
        token = body.remote_authentication_token
        if token is None:
            payer = name_user.get(caller.key, body)
            users.revoke(caller.actor, caller.request_id, caller.key.bid, payer.user.id)
            return
        if name_user.is_named_otherwise(body):
            raise InvalidFields(fields=[FieldError("RemoteAuthenticationToken", "send either a token or a name of a user")])
        tokens.revoke(caller.key, token, caller.request_id)

    return call


def introspect(explain: Explain, misses: Misses) -> Call:
    """Introspect. A token that is none of the partner's is a miss."""

    def call(caller: Caller, body: models.Introspect) -> dict[str, Any]:
        active = explain.active(caller.key, caller.biller, body.remote_authentication_token)
        if active is None and not explain.is_known(caller.key, body.remote_authentication_token):
            misses.count(caller.key)
        return {
            "Active": active is not None,
            "ExpiresAt": None if active is None else instant(active.expires_at),
            "LoginGUID": None if active is None else str(active.user_id),
        }

    return call
