"""Writes the parts of docs/ that are made from code: settings, reasons, warnings, old names, limits. `--check`: are they current?

    python -m tools.docs [--check]

A generated part stands between `<!-- made: NAME -->` and `<!-- /made -->`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic_core import PydanticUndefined

from idp.directory.names import MAX_ACCOUNT_CHARACTERS
from idp.errors import (
    InvalidApiKey,
    InvalidFields,
    InvalidRedirect,
    MalformedRequest,
    RateLimited,
    ScopeMissing,
    TokenExpired,
    TokenSpent,
    TokenUnknown,
    UserNotFound,
    WrongBiller,
    catalogue,
)
from idp.settings import Settings
from sso_connect.api.aliases import OLD_NAMES
from sso_connect.api.openapi import example_of
from sso_connect.api.operations import OPERATIONS
from sso_connect.arrivals import AFTER_REDEEM
from sso_connect.imports.bif import MAX_DETAIL_LINES
from sso_connect.imports.bif_columns import MAX_MAP_CHARACTERS
from sso_connect.imports.bif_lines import MAX_FILE_BYTES, MAX_ROW_BYTES
from sso_connect.imports.bif_rows import MAX_COLUMNS
from sso_connect.imports.bif_values import (
    MAX_AMOUNT_DIGITS,
    MAX_CHARACTERS,
    MAX_COUNT_DIGITS,
    MAX_METER_CHARACTERS,
    MAX_METERS,
    MAX_QUANTITY_DIGITS,
    YEARS,
)
from sso_connect.warnings import CATALOGUE

_ROOT = Path(__file__).resolve().parents[1]
_PART = re.compile(r"<!-- made: (?P<name>[a-z-]+) -->\n.*?<!-- /made -->", re.DOTALL)


def settings_table() -> str:
    """One row per setting."""
    rows = ["| setting | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, PydanticUndefined, "", ()) else f"`{field.default}`"
        rows.append(f"| `IDHUB_{name.upper()}` | {default} | {_cell(field.description or '')} |")
    return "\n".join(rows)


def errors_table() -> str:
    """One row per reason."""
    rows = ["| Code | HTTP | what it says | what to do |", "|---|---|---|---|"]
    rows += [f"| `{reason.code}` | {reason.http} | {_cell(reason.public)} | {_cell(reason.fix)} |" for reason in catalogue()]
    return "\n".join(rows)


def problem_sections() -> str:
    """A section per reason that partners meet: status, meaning, fix; for the most common ones an example."""
    asked = {reason for operation in OPERATIONS for reason in operation.all_refusals}
    taken = {rule.error for rule in AFTER_REDEEM} | {InvalidRedirect, TokenUnknown, TokenExpired, TokenSpent, WrongBiller}
    sections = []
    for reason in catalogue():
        if reason in asked | taken:
            where = [word for word, met in (("the API", reason in asked), ("the hand-off", reason in taken)) if met]
            sections.append(f"### {reason.code}\n\n{reason.http}, from {' and '.join(where)}. {_line(reason.__doc__ or '')}")
            sections.append(f"**What to do.** {_line(reason.fix)}")
            if reason in _WITH_EXAMPLE:
                sections.append(f"```json\n{json.dumps(example_of(reason), indent=2)}\n```")
    return "\n\n".join(sections)


def warnings_table() -> str:
    """One row per warning."""
    rows = ["| Code | behind it | meaning | what to do |", "|---|---|---|---|"]
    rows += [
        f"| `{code}` | {_cell(each.subject)} | {_cell(each.meaning)} | {_cell(each.fix)} |" for code, each in CATALOGUE.items()
    ]
    return "\n".join(rows)


def old_names_table() -> str:
    """One row per name from before, with what to call instead."""
    paths = {operation.name: f"`{operation.method} {operation.path}`" for operation in OPERATIONS}
    rows = [f"| `{old}` | {paths[name]} |" for old, name in OLD_NAMES.items()]
    return "\n".join(["| old name | call instead |", "|---|---|", *rows])


def invoice_file_limits_table() -> str:
    """One row per limit of an invoice file, then one per text column."""
    named = {"Custom": "`Custom1` to `Custom60`", "AccountNumber": "`AccountNumber`, as written"}
    texts = [(named.get(name, f"`{name}`"), limit) for name, limit in MAX_CHARACTERS.items()]
    rows = [
        ("a file", f"{MAX_FILE_BYTES // 1024**2} MiB"),
        ("a row, without its row end", f"{MAX_ROW_BYTES // 1024} KiB"),
        ("columns of a row, the row type counted", f"{MAX_COLUMNS}"),
        ("detail lines (ID) of an invoice", f"{MAX_DETAIL_LINES:,}"),
        ("digits of an amount, cents counted", f"{MAX_AMOUNT_DIGITS}"),
        ("digits of a quantity", f"{MAX_QUANTITY_DIGITS[0]} before the point, {MAX_QUANTITY_DIGITS[1]} after it"),
        ("InvoiceCount", f"{MAX_COUNT_DIGITS} digits"),
        ("years of a date", f"{YEARS[0]} to {YEARS[-1]}"),
        ("an account number in its canonical form", f"{MAX_ACCOUNT_CHARACTERS} characters"),
        ("meters of an account", f"{MAX_METERS}, {MAX_METER_CHARACTERS} characters each"),
        ("a column map", f"{MAX_MAP_CHARACTERS:,} characters"),
        *((name, f"{limit:,} characters") for name, limit in texts),
    ]
    return "\n".join(["| what | at most |", "|---|---|", *(f"| {what} | {limit} |" for what, limit in rows)])


_WITH_EXAMPLE = (InvalidApiKey, InvalidFields, MalformedRequest, RateLimited, ScopeMissing, UserNotFound)

PARTS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "settings": settings_table,
        "errors": errors_table,
        "problems": problem_sections,
        "warnings": warnings_table,
        "old-names": old_names_table,
        "invoice-file-limits": invoice_file_limits_table,
    }
)


def made(text: str) -> str:
    """The document with its generated parts as they should be."""
    return _PART.sub(lambda part: f"<!-- made: {part['name']} -->\n{PARTS[part['name']]()}\n<!-- /made -->", text)


def stale(root: Path = _ROOT) -> list[Path]:
    """Documents whose generated parts are not current."""
    return [path for path in sorted((root / "docs").glob("*.md")) if made(_read(path)) != _read(path)]


def main() -> int:
    """Write, or check. 1 when something is stale."""
    found = stale()
    if "--check" in sys.argv[1:]:
        for path in found:
            sys.stderr.write(f"{path.relative_to(_ROOT)} is not current: run `python -m tools.docs`\n")
        return 1 if found else 0
    for path in found:
        path.write_text(made(_read(path)), encoding="utf-8")
        sys.stdout.write(f"wrote {path.relative_to(_ROOT)}\n")
    return 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


if __name__ == "__main__":
    raise SystemExit(main())
