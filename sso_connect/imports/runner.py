"""Placeholder while the runner is being written."""

from __future__ import annotations

from typing import Any


class InvoiceFileImport:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args

    def run(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("the runner is being written")
