"""The operations that explain what was refused, and what was warned of."""

from __future__ import annotations

from idp.directory.api_keys import Scope
from idp.errors import ReferenceNotFound
from sso_connect.api.models import diagnostics as models
from sso_connect.api.operation import Operation

DIAGNOSTICS: tuple[Operation, ...] = (
    Operation(
        name="RecentDiagnostics",
        method="GET",
        path="/diagnostics/recent",
        group="Diagnostics",
        summary="Recent diagnostics",
        description=(
            "What was refused to your partner at this biller (30 days), and what its keys were warned of (until 90 days unseen),"
            " the newest first."
        ),
        scope=Scope.DIAGNOSTICS,
        request=None,
        answer=models.RecentDiagnostics,
        query=models.DiagnosticsPage,
    ),
    Operation(
        name="Diagnose",
        method="GET",
        path="/diagnostics/{Reference}",
        group="Diagnostics",
        summary="Diagnostics",
        description=(
            "Each check of a call or redirect, by the reference on the refusal page or by the request id: what was expected, what"
            " came, and the fix. A redirect whose token nobody knows is shown to any key of the biller that has its reference."
        ),
        scope=Scope.DIAGNOSTICS,
        request=None,
        answer=models.Diagnosis,
        refusals=(ReferenceNotFound,),
        query=models.DiagnosticsReference,
    ),
)
