"""The operations of the partner API, as data: routes, checks, document and tests are made from this one table.

A file per area, in the order of the document. What an operation does stands in `calls` under the same area and name.
"""

from __future__ import annotations

from sso_connect.api.operation import PREFIX, Operation
from sso_connect.api.operations.connect import CONNECT
from sso_connect.api.operations.credentials import CREDENTIALS
from sso_connect.api.operations.customer_portal import CUSTOMER_PORTAL
from sso_connect.api.operations.customers import CUSTOMERS
from sso_connect.api.operations.diagnostics import DIAGNOSTICS
from sso_connect.api.operations.files import FILES
from sso_connect.api.operations.key import KEY
from sso_connect.api.operations.registering import REGISTERING
from sso_connect.api.operations.tokens import TOKENS
from sso_connect.api.operations.users import USERS

__all__ = ["OPERATIONS", "PREFIX", "Operation"]

OPERATIONS: tuple[Operation, ...] = (
    *KEY,
    *CUSTOMERS,
    *FILES,
    *CUSTOMER_PORTAL,
    *USERS,
    *REGISTERING,
    *TOKENS,
    *CREDENTIALS,
    *CONNECT,
    *DIAGNOSTICS,
)
"""Every operation, in the order of the document."""
