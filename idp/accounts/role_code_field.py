"""The role-code field of a customer record, sent by a key that may not set role codes (no scope `role_codes:write`).

| the field ...                         | then                                                          |
| is not there, null or blank           | nothing: it takes no code away                                |
| has the codes that the account has    | nothing: sending back what is known is no change              |
| has anything else                     | refused                                                       |
| comes while guesses must wait         | refused, the codes not looked at                              |

Whether it has the codes that are there would tell a key that guesses which one is right. So it is a guess at the account like any
other (code_guesses): counted before it is looked at, and a wrong one counts for the biller's cap and alarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from idp.accounts.code_guesses import CodeGuesses
from idp.actor import Actor
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.customers import Customer, may_set_codes
from idp.directory.role_codes import RoleCodeStore, is_unchanged, parse_codes, stored_code
from idp.secrets import Secrets
from idp.transaction import Begin


class RoleCodeFieldStores(Protocol):
    """The slice of stores that this looks at."""

    @property
    def role_codes(self) -> RoleCodeStore: ...


@dataclass(frozen=True, slots=True)
class Customs:
    """The custom fields that may be written. `refused`: the role-code field was among them, and is not now."""

    fields: Mapping[int, str]
    refused: bool = False


class RoleCodeField:
    """Looks at the field before anything is written."""

    def __init__(self, read: Begin[RoleCodeFieldStores], secrets: Secrets, guesses: CodeGuesses) -> None:
        self._read = read
        self._secrets = secrets
        self._guesses = guesses

    def of_new(self, key: ApiKey, biller: Biller, sent: Mapping[int, str]) -> Customs:
        """Of an account that is about to be made, and has no codes that could be guessed."""
        rest = _without(biller, key, sent)
        return Customs(sent) if rest is None else Customs(rest, refused=bool(sent[biller.policies.role_code_field].strip()))

    def of_account(self, actor: Actor, key: ApiKey, biller: Biller, customer: Customer, sent: Mapping[int, str]) -> Customs:
        """Of an account that is there. StoreUnavailable."""
        rest = _without(biller, key, sent)
        if rest is None:
            return Customs(sent)
        text = sent[biller.policies.role_code_field]
        return Customs(rest, refused=bool(text.strip()) and not self._is_there(actor, biller, customer, text))

    def _is_there(self, actor: Actor, biller: Biller, customer: Customer, text: str) -> bool:
        """Whether these are the codes of the account; one guess."""
        number = [customer.account_key]
        if self._guesses.count(biller.bid, actor, number):
            return False
        try:
            parsed = parse_codes(biller.policies, text)
        except ValueError:
            parsed = []
        with self._read() as stores:
            stored = stores.role_codes.list_codes(biller.bid, customer.id)
        known = {code.digest for code in stored}
        wanted = [stored_code(self._secrets, biller.bid, customer.id, code, known=known) for code in parsed]
        right = bool(wanted) and is_unchanged(stored, wanted)
        self._guesses.settle(biller.bid, actor, number if right else (), () if right else number)
        return right


def _without(biller: Biller, key: ApiKey, sent: Mapping[int, str]) -> Mapping[int, str] | None:
    """The fields without the role codes; None where there is nothing to look at."""
    policies = biller.policies
    if may_set_codes(key) or policies.role_codes == "off" or policies.role_code_field not in sent:
        return None
    return {number: text for number, text in sent.items() if number != policies.role_code_field}
