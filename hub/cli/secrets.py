"""`idhub secrets`: the master key that everything at rest hangs on."""

from __future__ import annotations

import click

from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, print_record


@click.group()
def group() -> None:
    """Re-encrypt secrets after a master key change."""


@group.command()
@json_option
@pass_operator
def rotate(operator: Operator, as_json: bool) -> None:
    """Encrypt every data key with the current master key.

    To change the master key: start all processes with the new key in IDHUB_MASTER_KEY (or its file) and the old key in
    IDHUB_PREVIOUS_MASTER_KEYS, run this command once, then remove the old key. It is safe to run the command again.
    """
    print_record({"rewrapped": operator.parts.secrets.rewrap()}, as_json=as_json)
