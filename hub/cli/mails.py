"""`idhub mails`: what was mailed to payers, and what waits."""

from __future__ import annotations

from typing import Any, get_args

import click

from hub.cli.arguments import biller_option, limit_option
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, print_rows
from idp.messages.mail import MailState, StoredMail
from idp.messages.notices import masked


@click.group()
def group() -> None:
    """Mails to payers: sent, waiting for room in a mailbox, told by a summary, given up, or failed. Never what they say."""


@group.command("list")
@biller_option
@click.option("--state", type=click.Choice(get_args(MailState)), help="Only mails in this state.")
@limit_option
@json_option
@pass_operator
def list_(operator: Operator, bid: int, state: str | None, limit: int, as_json: bool) -> None:
    """List the newest mails first, with the reason why one is held or was not sent by itself."""
    found = operator.mails.list_page(operator.staff, operator.request_id, bid, state or "", limit)
    columns = {"created_at": "Written", "to": "To", "kind": "Kind", "state": "State", "reason": "Reason", "sent_at": "Sent"}
    print_rows([_shown(each) for each in found], columns, as_json=as_json)


def _shown(mail: StoredMail) -> dict[str, Any]:
    return {
        "id": str(mail.id),
        "created_at": mail.created_at,
        "to": masked(mail.to),
        "login_guid": None if mail.user_id is None else str(mail.user_id),
        "kind": mail.template,
        "state": "sent" if mail.sent_at else mail.state,
        "reason": mail.reason,
        "sent_at": mail.sent_at,
        "key_id": None if mail.key_id is None else str(mail.key_id),
    }
