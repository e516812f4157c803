"""Remote Authentication, which is measured: body -> assertion -> `Tokens.issue` -> answer, with nothing in between.

The key is checked, limited and spent on in the one key-value transaction that writes the token. So the body is read first; but a
key that is no good is told before a body that is no good, by asking for the key alone when the body was refused. A long body (none
of this operation needs one) is read only after the key was checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from idp.clock import Clock
from idp.directory.api_keys import Scope
from idp.errors import FieldError, HubError, InvalidFields
from sso_connect.admission import Admission
from sso_connect.api.addresses import check_slash
from sso_connect.api.calls.caller import CONNECT_PATH, Caller
from sso_connect.api.calls.users import accounts_of
from sso_connect.api.models.tokens import RemoteAuthentication
from sso_connect.api.names import NameUser, names_in
from sso_connect.api.request import ApiRequest
from sso_connect.api.wire import NoParameters, read, read_parameters
from sso_connect.tokens import Assertion, Issued, Tokens
from sso_connect.warnings import WarningCode

OLDEST_SIGN_IN = timedelta(hours=24)
CLOCKS_MAY_DIFFER = timedelta(seconds=60)


class Authenticate:
    """Answers Remote Authentication."""

    def __init__(self, admission: Admission, tokens: Tokens, name_user: NameUser, clock: Clock) -> None:
        self._admission = admission
        self._tokens = tokens
        self._name_user = name_user
        self._clock = clock

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """A fresh token. Errors as Tokens.issue's, HubRequest.read_json's and read_parameters'."""
        secret = request.key_secret()
        held = self._admission.peek(secret)
        if held is not None:
            request.caller = Caller(held.key, held.biller, request.request_id)
            if request.old_name:
                request.caller.warn(WarningCode.OLD_NAME, request.old_name)
        if request.long_body is not None:
            request.claim_body(self._admission.admit(secret, Scope.SSO, request.note).key)
        try:
            check_slash(request, request.caller)
            if request.query_string:
                self._read_parameters(request)
            body = self._read(request.read_json(), request.caller)
        except HubError:
            self._admission.admit(secret, Scope.SSO, request.note)
            raise
        names, counted = names_in(body), None
        if body.remote_authentication_token is not None:
            admitted = self._admission.admit(secret, Scope.SSO, request.note)
            names, counted = self._name_user.settle(admitted.key, body), admitted.allowance
        assertion = Assertion(
            names,
            body.account_number,
            body.session_reference or "",
            body.auth_time,
            tuple(body.auth_methods or ()),
            body.password,
        )
        return _answer(self._tokens.issue(secret, assertion, request.request_id, request.note, counted))

    def _read_parameters(self, request: ApiRequest) -> None:
        caller = request.caller
        asked = read_parameters(NoParameters, request.folded_query, {}, compat=caller is not None and caller.is_compat)
        if caller is not None:
            caller.warn(WarningCode.UNKNOWN_PARAMETER, *asked.ignored)

    def _read(self, sent: Mapping[str, Any], caller: Caller | None) -> RemoteAuthentication:
        reading = read(RemoteAuthentication, sent, compat=caller is not None and caller.is_compat)
        body = reading.value
        if caller is not None:
            caller.warn(WarningCode.UNKNOWN_FIELD, *reading.ignored)
        check_auth_time(body.auth_time, self._clock.now())
        if not self._name_user.is_named(body):
            raise InvalidFields(fields=[FieldError("LoginGUID", "name a user, by any of its names")])
        return body


def check_auth_time(auth_time: datetime | None, now: datetime) -> None:
    """InvalidFields for a sign-in that is too long ago, or still to come."""
    if auth_time is None:
        return
    if now - auth_time > OLDEST_SIGN_IN:
        raise InvalidFields(fields=[FieldError("AuthTime", "more than 24 hours ago: let the payer sign in again")])
    if auth_time - now > CLOCKS_MAY_DIFFER:
        raise InvalidFields(fields=[FieldError("AuthTime", "in the future")])


def _answer(issued: Issued) -> dict[str, Any]:
    payer = issued.payer
    return {
        "RemoteAuthenticationToken": issued.token,
        "ExpiresAt": instant(issued.expires_at),
        "ConnectUrl": f"{issued.biller.base_url}{CONNECT_PATH}",
        "LoginGUID": str(payer.user.id),
        "Accounts": accounts_of(payer),
    }


def instant(at: datetime) -> str:
    """RFC 3339, UTC, whole seconds."""
    return f"{at.astimezone(UTC).isoformat()[:19]}Z"
