"""`idhub secrets`: the master key that everything at rest hangs on."""

from __future__ import annotations

import click

from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, print_record


@click.group()
def group() -> None:
    """Secrets at rest."""


@group.command()
@json_option
@pass_operator
def rotate(operator: Operator, as_json: bool) -> None:
    """Put every data key under the present master key.

    How to change the master key: start all processes with the new one as IDHUB_MASTER_KEY (or its file) and the old one in
    IDHUB_PREVIOUS_MASTER_KEYS, run this once, then take the old one away. May be run again; nothing else is rewritten.
    """
    print_record({"rewrapped": operator.hub.secrets.rewrap()}, as_json=as_json)
