"""`idhub signing-keys`: the keys that the hub signs with."""

from __future__ import annotations

import click

from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, print_rows


@click.group()
def group() -> None:
    """List the public signing keys. Private keys are never shown."""


@group.command("list")
@json_option
@pass_operator
def list_(operator: Operator, as_json: bool) -> None:
    """List the public keys, oldest first.

    --json prints one JWK (RFC 7517) for each. There is no key before the first signature.
    """
    keys = operator.parts.signing_keys.public_keys("checkpoint")
    columns = {"kid": "Key ID", "kty": "Type", "crv": "Curve", "alg": "Algorithm", "use": "Use"}
    print_rows(keys, columns, as_json=as_json)
