"""`idhub audit`: the change log and its proof; and `idhub verify`: a second opinion on what we sign."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from admin.history import ChangeEntry, ChangeFilter
from hub.cli.arguments import biller_or_installation
from hub.cli.context import Operator, pass_operator
from hub.cli.faults import Refusal
from hub.cli.output import json_option, note, print_json, print_record, print_rows
from idp.erasure import Subject
from idp.private_files import create
from idp.verification import Verdict

_ERASED = {
    "seal": "Seal", "at": "When", "bid": "BID", "actor": "Erased by", "on": "On", "reason": "Reason", "values": "Values",
}  # fmt: skip


@click.group()
def group() -> None:
    """The change log: who changed what, for whom. Rows are chained by hash; checkpoints are signed."""


@group.command()
@click.option(
    "--checkpoint", "files", type=click.Path(exists=True, dir_okay=False, path_type=Path), multiple=True,
    help="A checkpoint file kept elsewhere (repeatable). Without one, a chain that was cut off or rewritten goes unnoticed.",
)  # fmt: skip
@json_option
@pass_operator
def verify(operator: Operator, files: tuple[Path, ...], as_json: bool) -> None:
    """Check the whole change log: altered rows, missing rows, values that are gone, and what was erased by whom.

    Exit code 1 if anything is wrong. Erased values are listed by erasure: compare them with the erasures you know of.
    """
    tokens = [token for file in files for token in _read_tokens(file)]
    verdict = operator.history.verify(operator.staff, operator.request_id, tokens)
    findings = [{"fault": each.fault.value, "seal": each.seal, "what": each.what} for each in verdict.findings]
    erased = [asdict(each) for each in verdict.erased]
    summary: dict[str, Any] = {
        "sound": not findings,
        "sealed": verdict.sealed,
        "unsealed": verdict.unsealed,
        "checkpoints": verdict.checkpoints,
        "covered_by_kept_checkpoint": verdict.exported,
        "erased_values": sum(each.values for each in verdict.erased),
    }
    if as_json:
        print_json(summary | {"erased": erased, "findings": findings, "findings_not_listed": verdict.hidden})
    else:
        print_record(summary, as_json=False)
        if erased:
            print_rows(erased, _ERASED, as_json=False)
        if findings:
            print_rows(findings, {"fault": "Fault", "seal": "Seal", "what": "What"}, as_json=False)
    for line in _not_excluded(verdict):
        note(line)
    if findings:
        found = len(findings) + verdict.hidden
        more = f", the first {len(findings)} are listed" if verdict.hidden else ""
        raise Refusal(f"the change log is not sound: {found} finding{'s' if found > 1 else ''}{more}")


def _not_excluded(verdict: Verdict) -> tuple[str, ...]:
    """What the verdict cannot say, and what to do about it."""
    if not verdict.exported:
        return (
            "not excluded: rows removed at the end, or the whole chain rewritten. The database alone cannot show either.",
            "Export checkpoints (`idhub audit checkpoint --out FILE`), keep them where no database user can write,",
            "and run `idhub audit verify --checkpoint FILE`.",
        )
    if verdict.exported < verdict.sealed:
        return (f"not excluded: changes to rows after seal {verdict.exported}, the last one that a checkpoint you gave covers.",)
    return ()


@group.command()
@biller_or_installation
@click.option("--user", "user_id", type=click.UUID, metavar="GUID", help="Values of all rows on this user (LoginGUID).")
@click.option(
    "--customer", "customer_id", type=click.UUID, metavar="GUID", help="Values of all rows on this account (CustomerGUID)."
)
@click.option(
    "--row", "rows", type=click.IntRange(1, 2**63 - 1), multiple=True, metavar="ID", help="Values of this row (repeatable)."
)
@click.option("--reason", required=True, help="Why. Stays in the change log for good: a ticket number, no personal data.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_operator
def erase(
    operator: Operator,
    bid: int,
    user_id: UUID | None,
    customer_id: UUID | None,
    rows: tuple[int, ...],
    reason: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase before and after values from the change log. This cannot be undone.

    Give --user, --customer or --row. The rows stay, so the chain stays whole; a new row names them, you, and the reason.
    """
    if sum((user_id is not None, customer_id is not None, bool(rows))) != 1:
        raise click.UsageError("give one of --user, --customer and --row")
    if not yes:
        whose = f"user {user_id}" if user_id else f"account {customer_id}" if customer_id else f"{len(rows)} rows"
        click.confirm(f"Erase the before and after values of {whose} at BID {bid} for good?", abort=True, err=True)
    subject = Subject(user_id, customer_id, rows)
    erased = operator.history.erase(operator.staff, operator.request_id, bid, subject, reason)
    print_record({"erased_values": erased}, as_json=as_json)
    if erased:
        note("the live database no longer has them; backups keep them until they expire")
    else:
        note(f"there was nothing to erase at BID {bid}")


@group.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A new file for it (default: standard output).")
@json_option
@pass_operator
def checkpoint(operator: Operator, out: Path | None, as_json: bool) -> None:
    """Sign where the chain stands now. Keep the result where nobody who can write the database can write."""
    made = operator.history.checkpoint(operator.staff, operator.request_id)
    if made is None:
        raise Refusal("nothing is sealed yet: `idhub worker` seals rows within seconds of their commit")
    if out is not None:
        _write_new(out, made.token + "\n")
        note(f"checkpoint at seal {made.seal}: {out}")
    if as_json:
        print_json({"seal": made.seal, "link": made.link, "at": made.at, "token": made.token})
    elif out is None:
        click.echo(made.token)


@group.command()
@biller_or_installation
@click.option("--user", "user_id", type=click.UUID, metavar="GUID", help="Only rows on this user (LoginGUID).")
@click.option("--customer", "customer_id", type=click.UUID, metavar="GUID", help="Only rows on this account (CustomerGUID).")
@click.option("--before", type=click.IntRange(1, 2**63 - 1), metavar="ID", help="Only rows older than the one with this id.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
@json_option
@pass_operator
def show(
    operator: Operator, bid: int, user_id: UUID | None, customer_id: UUID | None, before: int | None, limit: int, as_json: bool
) -> None:
    """Show the change log of a biller, newest first."""
    wanted = ChangeFilter(bid, user_id, customer_id, before)
    found = operator.history.list_changes(operator.staff, operator.request_id, wanted, limit)
    columns = {"id": "Id", "at": "When", "action": "What", "actor": "Who", "on": "On", "changed": "Change", "seal": "Seal"}
    print_rows([_row(each) if as_json else _row(each) | _for_people(each) for each in found], columns, as_json=as_json)
    if len(found) == limit:
        note(f"there may be more: --before {found[-1].row.id}")


@click.command("verify")
@click.argument("token", required=False)
@click.option("--all", "every", is_flag=True, help="Every checkpoint that is kept in the database.")
@json_option
@pass_operator
def second_look(operator: Operator, token: str | None, every: bool, as_json: bool) -> None:
    """Let a second library (python-jose) check a TOKEN that the hub signed: a checkpoint. `-` reads it from standard input.

    Exit code 1 when it does not hold, or when the two libraries do not agree.
    """
    from hub.cli.second_opinion import look_at

    if every == (token is not None):
        raise click.UsageError("a TOKEN, or --all")
    if token == "-":  # noqa: S105  (the sign for standard input)
        token = sys.stdin.readline().strip()
    if token is not None:
        tokens = [token]
    else:
        tokens = [each.token for each in operator.history.list_checkpoints(operator.staff, operator.request_id)]
    keys = operator.hub.signing_keys.public_keys("checkpoint")
    rows: list[dict[str, Any]] = []
    for each in tokens:
        opinion = look_at(each, keys)
        ours = operator.hub.signing_keys.check("checkpoint", each)
        agree = opinion.holds == (ours is not None) and (ours is None or ours == opinion.claims)
        rows.append(
            {
                "holds": opinion.holds and ours is not None,
                "agree": agree,
                "kid": opinion.header.get("kid"),
                "claims": dict(opinion.claims),
                "reason": opinion.reason,
            }
        )
    columns = {"holds": "Holds", "agree": "Libraries agree", "kid": "Key id", "claims": "Claims", "reason": "Reason"}
    print_rows(rows, columns, as_json=as_json)
    bad = sum(not (each["holds"] and each["agree"]) for each in rows)
    if bad:
        raise Refusal(f"{bad} of {len(rows)} tokens do not hold")


def _row(entry: ChangeEntry) -> dict[str, Any]:
    row = entry.row
    before, after = entry.before_and_after()
    return {
        "id": row.id,
        "at": row.at,
        "bid": row.bid,
        "action": row.action,
        "actor_kind": row.actor_kind,
        "actor_id": row.actor_id,
        "on_behalf_of": None if row.on_behalf_of is None else str(row.on_behalf_of),
        "user_id": None if row.user_id is None else str(row.user_id),
        "customer_id": None if row.customer_id is None else str(row.customer_id),
        "subject": row.subject,
        "request_id": row.request_id,
        "before": before,
        "after": after,
        "erased": entry.erased,
        "seal": row.seal,
    }


def _for_people(entry: ChangeEntry) -> dict[str, Any]:
    row = entry.row
    before, after = entry.before_and_after()
    old, new = before or {}, after or {}
    changed = {name: value for name, value in new.items() if name not in old or old[name] != value}
    on = [f"user {row.user_id}" if row.user_id else "", f"account {row.customer_id}" if row.customer_id else "", row.subject]
    return {
        "actor": f"{row.actor_kind} {row.actor_id}",
        "on": [each for each in on if each],
        "changed": "(values gone)" if entry.erased else changed,
    }


def _read_tokens(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text(encoding="ascii").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise Refusal(f"{file}: cannot be read as a checkpoint") from None


def _write_new(path: Path, text: str) -> None:
    try:
        with os.fdopen(create(path, 0o644), "w", encoding="ascii") as file:
            file.write(text)
    except OSError as fault:
        raise Refusal(f"{path}: {fault.strerror}") from fault
