"""The operations about the key itself."""

from __future__ import annotations

from sso_connect.api.models import key as models
from sso_connect.api.operation import Operation

KEY: tuple[Operation, ...] = (
    Operation(
        name="Ping",
        method="GET",
        path="/ping",
        group="Key",
        summary="Ping",
        description="Which biller and partner the key is for, its policies, scopes, origins and ReturnUrls.",
        scope=None,
        request=None,
        answer=models.PingAnswer,
    ),
)
