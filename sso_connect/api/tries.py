"""A command for each operation, for the page about the API: each works as it is against a fresh demo, with its key for Riverbend.

`API` and `KEY` are the reader's: the page shows how to set them once. An operation that asks for an id gets one first, so that
every command stands for itself. Tests run all of them, in their order and each alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_KEY = '-H "X-Api-Key: $KEY"'
_CURL = f'curl -sS --fail-with-body {_KEY} "$API'
_JSON = "-H 'Content-Type: application/json'"


def _get(path: str) -> str:
    return f'{_CURL}{path}"'


def _send(path: str, body: str, options: str = "") -> str:
    return f'{_CURL}{path}"{options} {_JSON} \\\n  -d {body}'


def _post(path: str, body: str) -> str:
    return _send(path, f"'{body}'")


def _picked(variable: str, name: str, command: str) -> str:
    """The command, and the value of a name in its answer as a variable."""
    return f'{variable}=$({command} \\\n  | sed \'s/.*"{name}": *"\\([^"]*\\)".*/\\1/\')'


_REMOTE = "/remote-authentication"
_STATUS = " -w '%{http_code}\\n'"
"""Of operations that answer nothing else."""
_TOKEN = _picked("TOKEN", "RemoteAuthenticationToken", _post(f"{_REMOTE}/authenticate", '{"UserName": "avery"}'))
_CUSTOMER = _picked("CUSTOMER", "CustomerGUID", _get("/customers?AccountNumber=1001-01"))
_REFUSED = _post(f"{_REMOTE}/authenticate", '{"UserName": "nobody"}').replace(" --fail-with-body", "")
_FILE = (
    "printf 'FH|D99EDA17-2AF5-5AC0-AE88-9A0D9422BC15|11/20/2026|0|0.00\\n' \\\n"
    f"  | {_CURL}/invoice-files?FileName=empty.bif\" -H 'Content-Type: text/plain' --data-binary @-"
)

TRIES: Mapping[str, str] = MappingProxyType(
    {
        "Ping": _get("/ping"),
        "CreateCustomer": _post(
            "/customers", '{"AccountNumber": "7777-01", "CustomerName": "Robin Vale", "Address1": "3 Example Street"}'
        ),
        "RetrieveCustomer": f"{_CUSTOMER}\n{_get('/customers/$CUSTOMER')}",
        "UpdateCustomer": f"{_CUSTOMER}\n"
        + _send("/customers/$CUSTOMER", """'{"Phone": "6165550199", "Custom1": "Cycle 7"}'""", " -X PATCH"),
        "RetrieveCustomerByNumber": _get("/customers?AccountNumber=1001-01"),
        "UpdateCustomerByNumber": _send("/customers?AccountNumber=1001-01", """'{"Phone": "6165550199"}'""", " -X PATCH"),
        "ListInvoices": f"{_CUSTOMER}\n{_get('/customers/$CUSTOMER/invoices?Limit=2')}",
        "UploadInvoiceFile": _FILE,
        "RetrieveInvoiceFile": f"{_picked('FILE', 'InvoiceFileID', _FILE)}\n{_get('/invoice-files/$FILE')}",
        "RetrieveCustomerGUID": _post("/customer-portal/retrieve-customer-guid", '{"AccountNumber": "1001-01"}'),
        "RetrieveLoginGUID": _post("/customer-portal/retrieve-login-guid", '{"UserName": "avery"}'),
        "RetrieveUsers": _post(f"{_REMOTE}/retrieve-users", '{"AccountNumbers": ["1001-01", "7001-01"], "UserName": "avery"}'),
        "RetrieveUserAccounts": _post(f"{_REMOTE}/retrieve-user-accounts", '{"UserName": "avery"}'),
        "RegisterAccounts": _post(
            f"{_REMOTE}/register-accounts",
            '{"UserName": "robin", "EmailAddress": "robin.vale@example.com", "Accounts": [{"AccountNumber": "1011-01"}]}',
        ),
        "LinkAccounts": _post(f"{_REMOTE}/link-accounts", '{"UserName": "avery", "Accounts": [{"AccountNumber": "1012-01"}]}'),
        "UnregisterAccounts": _post(f"{_REMOTE}/unregister-accounts", '{"UserName": "avery", "AccountNumbers": ["1012-01"]}'),
        "RemoteAuthentication": _post(f"{_REMOTE}/authenticate", '{"UserName": "avery", "AuthMethods": ["pwd"]}'),
        "Revoke": f"{_TOKEN}\n" + _send(f"{_REMOTE}/revoke", '"{\\"RemoteAuthenticationToken\\": \\"$TOKEN\\"}"', _STATUS),
        "Introspect": f"{_TOKEN}\n" + _send(f"{_REMOTE}/introspect", '"{\\"RemoteAuthenticationToken\\": \\"$TOKEN\\"}"'),
        "UpdatePassword": _send(
            f"{_REMOTE}/update-password", """'{"UserName": "harbor", "NewPassword": "a new one of harbor"}'""", _STATUS
        ),
        "UpdateEmailAddress": _post(
            f"{_REMOTE}/update-email-address", '{"UserName": "harbor", "EmailAddress": "bills@harborview.example"}'
        ),
        "Explain": f"{_TOKEN}\n"
        + _send(
            "/sso-connect/explain",
            '"{\\"RemoteAuthenticationToken\\": \\"$TOKEN\\", \\"ViewMode\\": 1, \\"RedirectID\\": 1}"',
        ),
        "CreateLink": _post("/sso-connect/links", '{"UserName": "avery", "RedirectID": 1, "ViewMode": 0}'),
        "RecentDiagnostics": _get("/diagnostics/recent?Limit=5"),
        "Diagnose": _picked("ID", "instance", _REFUSED).replace('"\\([^"]*\\)"', '"urn:uuid:\\([^"]*\\)"')
        + f"\n{_get('/diagnostics/$ID')}",
    }
)
"""Operation -> its command."""
