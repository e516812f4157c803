"""Whom a body names: LoginGUID, PartnerUserID, UserName, EmailAddress, or a live token of the same partner.

Unknown, of another biller, and not this key's to speak for are one answer: UserNotFound. Another partner's token is unknown here.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from idp.accounts.look_up_limits import LookUpLimits
from idp.directory.api_keys import ApiKey
from idp.directory.payers import PayerRecord, Payers, UserNames
from idp.errors import CredentialsRefused, UserNotFound
from idp.login.sessions import TokenFacts
from sso_connect.api.models.named import NamedUser
from sso_connect.tokens import Tokens


class NameUser:
    """Finds the one user that a body names and the key may speak for."""

    def __init__(self, payers: Payers, tokens: Tokens) -> None:
        self._payers = payers
        self._tokens = tokens

    def get(self, key: ApiKey, body: NamedUser) -> PayerRecord:
        """The user, fresh. InvalidFields (no name, or not one), UserNotFound, AmbiguousUser."""
        return self.get_named(key, names_in(body), body.remote_authentication_token)

    def get_named(self, key: ApiKey, names: UserNames, token: str | None = None) -> PayerRecord:
        """As get, for a body whose fields mean something else."""
        if token is None:
            return self._payers.get_named(key, names)
        facts = self._own(key, token)
        if names.login_guid not in (None, facts.user_id):
            raise UserNotFound("the token is of another user than the LoginGUID")
        payer = self._payers.get_named(key, replace(names, login_guid=facts.user_id))
        if payer.user.generation != facts.generation:
            raise UserNotFound("the token was ended with everything of its user")
        if facts.customer_id is not None and not payer.is_tied_to(facts.customer_id):
            raise UserNotFound("the token was ended with the user's registration on its account")
        return payer

    def settle(self, key: ApiKey, body: NamedUser) -> UserNames:
        """The names in a body, a token replaced by its user. A token is no password: UserNotFound, CredentialsRefused.

        For callers that may still need proof; never reveals whether the user exists.
        """
        return self.settle_names(key, names_in(body), body.remote_authentication_token)

    def settle_names(self, key: ApiKey, names: UserNames, token: str | None) -> UserNames:
        """As settle, for a body whose fields mean something else."""
        if token is None:
            return names
        try:
            return UserNames(login_guid=self.get_named(key, names, token).user.id)
        except UserNotFound as unknown:
            if key.policies.authenticate == "password":
                raise CredentialsRefused(unknown.detail) from None
            raise

    def get_by_id(self, key: ApiKey, user_id: UUID) -> PayerRecord:
        """By id, fresh. UserNotFound."""
        return self._payers.get_named(key, UserNames(login_guid=user_id))

    @staticmethod
    def is_named(body: NamedUser) -> bool:
        """Whether the body names a user at all."""
        return body.remote_authentication_token is not None or names_in(body).given()

    @staticmethod
    def is_named_otherwise(body: NamedUser) -> bool:
        """Whether the body names a user by something else than a token."""
        return names_in(body).given()

    def _own(self, key: ApiKey, token: str) -> TokenFacts:
        found = self._tokens.find(token)
        if found is None or (found[0].bid, found[0].partner_id) != (key.bid, key.partner.id):
            raise UserNotFound("no live token of this partner at this biller")
        return found[0]


class AskUser:
    """As NameUser, for operations that only look: how often is counted (misses are counted of every operation: api.misses)."""

    def __init__(self, name_user: NameUser, limits: LookUpLimits) -> None:
        self._name_user = name_user
        self._limits = limits

    def get(self, key: ApiKey, body: NamedUser) -> PayerRecord:
        """The user, fresh. RateLimited, and as NameUser.get."""
        self._limits.ask(key, *_subjects(names_in(body)))
        return self._name_user.get(key, body)


def _subjects(names: UserNames) -> list[str]:
    """Every name that was given, each by its kind. Case is no way round a limit."""
    given = {
        "login_guid": names.login_guid,
        "partner_user_id": names.partner_user_id,
        "user_name": names.user_name,
        "email": names.email,
    }
    return [f"{kind}:{str(name).strip().lower()}" for kind, name in given.items() if name is not None]


def names_in(body: NamedUser) -> UserNames:
    """The names that stand in a body."""
    return UserNames(body.login_guid, body.partner_user_id, body.user_name, body.email_address)
