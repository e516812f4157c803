"""The names that partners know from before: each operation answers under them too, at /{OldName} and at /{group}/{OldName}.

`group` is the first part of the operation's own path, as it is (`remote-authentication`) or as it was once written
(`RemoteAuthentication`). Names match without regard to case, like every name here. An old name is not going to end before it is
announced (`Sunset`); until then it is told as deprecated (RFC 9745) with the path to use instead, and counted per key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from werkzeug.routing import BaseConverter, Map, UnicodeConverter

from sso_connect.api.operation import PREFIX, Operation

OLD_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "CreateCustomerRecord": "CreateCustomer",
        "UpdateCustomerRecord": "UpdateCustomerByNumber",
        "RetrieveCustomerDetails": "RetrieveCustomerByNumber",
        "UploadInvoiceFile": "UploadInvoiceFile",
        "RetrieveCustomerGUID": "RetrieveCustomerGUID",
        "RetrieveLoginGUID": "RetrieveLoginGUID",
        "RetrieveUsers": "RetrieveUsers",
        "RegisterAccounts": "RegisterAccounts",
        "RegisterAccountsForUser": "RegisterAccounts",
        "RemoteAuthentication": "RemoteAuthentication",
        "Authenticate": "RemoteAuthentication",
        "RetrieveUserAccounts": "RetrieveUserAccounts",
        "LinkAccounts": "LinkAccounts",
        "UnregisterAccounts": "UnregisterAccounts",
        "UpdatePassword": "UpdatePassword",
        "UpdateEmailAddress": "UpdateEmailAddress",
        "RevokeToken": "Revoke",
    }
)
"""Old name -> operation. The one table."""

DEPRECATED_SINCE = datetime(2026, 12, 1, tzinfo=UTC)
SUNSETS: Mapping[str, datetime] = MappingProxyType({})
"""Old name -> when it ends (RFC 8594). Announced at least twelve months before."""


def path_of(operation: Operation) -> str:
    """The path that an old name is told to use instead."""
    return operation.rule.replace("<", "{").replace(">", "}")


def old_rules(old_name: str, operation: Operation) -> tuple[str, str]:
    """The routes of an old name, without the prefix."""
    group = operation.path.split("/")[1]
    written = f'"{group}", "{"".join(word.capitalize() for word in group.split("-"))}"'
    return f'/<any_case("{old_name}"):old_name>', f'/<any_case({written}):group>/<any_case("{old_name}"):old_name>'


def routes_under(operation: Operation) -> tuple[tuple[str, str], ...]:
    """Method and rule of every route of an operation: its own, and those of its old names, which take POST as well."""
    old = [rule for name, meant in OLD_NAMES.items() if meant == operation.name for rule in old_rules(name, operation)]
    methods = dict.fromkeys((operation.method, "POST"))
    return (operation.method, operation.rule), *((method, PREFIX + rule) for rule in old for method in methods)


def headers_of(old_name: str, operation: Operation) -> list[tuple[str, str]]:
    """What an answer under an old name says about it (RFC 9745, RFC 8594, RFC 8288)."""
    told = [
        ("Deprecation", f"@{int(DEPRECATED_SINCE.timestamp())}"),
        ("Link", f'<{path_of(operation)}>; rel="successor-version"'),
    ]
    sunset = SUNSETS.get(old_name)
    return told if sunset is None else [*told, ("Sunset", sunset.strftime("%a, %d %b %Y %H:%M:%S GMT"))]


class AnyCase(BaseConverter):
    """One of some words, in any case: `<any_case("one", "two"):name>` gives the word as it stands here."""

    def __init__(self, map: Map, *words: str) -> None:  # noqa: A002  (werkzeug's name)
        super().__init__(map)
        self._words = {word.lower(): word for word in words}
        self.regex = f"(?i:{'|'.join(re.escape(word) for word in words)})"

    def to_python(self, value: str) -> str:
        return self._words[value.lower()]


class NoOldName(UnicodeConverter):
    """Any one part of a path but an old name: `/customers/RetrieveCustomerDetails` is not the customer of that id."""

    def __init__(self, map: Map) -> None:  # noqa: A002  (werkzeug's name)
        super().__init__(map)
        self.regex = f"(?!(?i:{'|'.join(OLD_NAMES)})$){self.regex}"
