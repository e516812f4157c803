"""The operations about invoice files."""

from __future__ import annotations

from idp.directory.api_keys import Scope
from idp.errors import InvoiceFileNotFound, Raced, TooManyUploads
from sso_connect.api.models import files as models
from sso_connect.api.operation import Operation
from sso_connect.imports.bif_rows import MAX_FILE_BYTES

FILES: tuple[Operation, ...] = (
    Operation(
        name="UploadInvoiceFile",
        method="POST",
        path="/invoice-files",
        group="Invoice files",
        summary="Upload invoice file",
        description=(
            "Send a Biller Invoice File of at most 64 MiB as the body. It is taken over in the background, in the order of arrival."
            " The same file again answers the upload that is there already."
            " 5 files of one key and 20 of one biller may wait at a time."
        ),
        scope=Scope.FILES,
        request=None,
        query=models.UploadInvoiceFile,
        answer=models.UploadInvoiceFileAnswer,
        status=202,
        writes=True,
        file=MAX_FILE_BYTES,
        refusals=(Raced, TooManyUploads),
    ),
    Operation(
        name="RetrieveInvoiceFile",
        method="GET",
        path="/invoice-files/{InvoiceFileID}",
        group="Invoice files",
        summary="Status of an invoice file",
        description="What became of an uploaded file, with the rows that were left out or warned of, and why. Kept for 30 days.",
        scope=Scope.FILES,
        request=None,
        query=models.RetrieveInvoiceFile,
        answer=models.RetrieveInvoiceFileAnswer,
        refusals=(InvoiceFileNotFound,),
    ),
)
