"""`idhub api-keys`: what a partner may do at one biller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar, get_args
from uuid import UUID

import click

from hub.cli.arguments import biller_option, confirmed
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, note, print_record, print_rows
from idp.directory.api_keys import (
    DEFAULT_SCOPES,
    ApiKey,
    ApiKeySecret,
    AuthenticatePolicy,
    CsrUserPolicy,
    IssuedKey,
    KeyPolicies,
    ProofKind,
    Scope,
    Strictness,
    TokenPolicy,
    UsersPolicy,
    key_values,
)

F = TypeVar("F", bound=Callable[..., Any])

_key_id = click.argument("key_id", type=click.UUID)


def _choice(option: str, words: object, text: str) -> Callable[[F], F]:
    return click.option(option, type=click.Choice(get_args(words)), help=text)


def _policy_options(command: F) -> F:
    """The policies of a key. What is not named keeps its value: of a new key the default, of another the present one."""
    options = [
        click.option(
            "--scope", "scopes", type=click.Choice([each.value for each in Scope]), multiple=True, metavar="SCOPE",
            help=f"What it may do; several times. All of them anew. Default: {', '.join(sorted(DEFAULT_SCOPES))}.",
        ),
        _choice("--strictness", Strictness, "strict: unknown fields are refused; compat: as old integrations send them."),
        _choice("--authenticate", AuthenticatePolicy, "Whether its word that a user is signed in counts, or a password is asked."),
        _choice("--token", TokenPolicy, "A token for a session of redirects, or for one redirect."),
        _choice("--users", UsersPolicy, "Speaks for users that it registered, or for all of the biller."),
        click.option(
            "--account-proof", type=click.Choice([*get_args(ProofKind), "none"]), multiple=True,
            help="What its portal has verified whenever it registers an account; several times. `none` takes all away.",
        ),
        _choice("--csr-user", CsrUserPolicy, "Which user a service representative steps in as."),
        click.option("--rate", "rate_per_second", type=int, metavar="N", help="Requests per second."),
        click.option("--burst", type=int, metavar="N", help="Requests at once."),
        click.option(
            "--redirect-id", "redirect_ids", type=int, multiple=True, metavar="N",
            help="A destination that it may redirect to, 1 to 11; several times. All of them anew. Default: all.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def group() -> None:
    """API keys: what one partner may do at ONE biller. A key's secret is shown once, when it is made."""


@group.command()
@biller_option
@click.option("--partner", "partner_slug", required=True, metavar="SLUG", help="Whose key it is.")
@click.option("--label", default="", help="What the key is for (default: the partner's name).")
@click.option("--frame", "frame_origins", multiple=True, metavar="ORIGIN", help="An origin that may frame our pages.")
@click.option("--return", "return_places", multiple=True, metavar="URL", help="Where sign-out may return to, with all below.")
@_policy_options
@json_option
@pass_operator
def create(
    operator: Operator,
    /,
    bid: int,
    partner_slug: str,
    label: str,
    frame_origins: tuple[str, ...],
    return_places: tuple[str, ...],
    as_json: bool,
    **policies: Any,
) -> None:
    """Make a key and print its secret, this once."""
    issued = operator.keys.issue(
        operator.staff, operator.request_id, bid, partner_slug=partner_slug, label=label,
        policies=_changed(KeyPolicies(), policies), frame_origins=frame_origins, return_places=return_places,
    )  # fmt: skip
    _print_issued(issued, as_json=as_json)


@group.command("list")
@biller_option
@json_option
@pass_operator
def list_(operator: Operator, bid: int, as_json: bool) -> None:
    """List the keys of a biller, revoked ones too."""
    found = operator.keys.list_all(operator.staff, operator.request_id, bid)
    columns = {"id": "Id", "partner": "Partner", "label": "Label", "scopes": "Scopes", "revoked_at": "Revoked"}
    print_rows([shown(each) for each in found], columns, as_json=as_json)


@group.command()
@biller_option
@_key_id
@json_option
@pass_operator
def show(operator: Operator, bid: int, key_id: UUID, as_json: bool) -> None:
    """Show a key: policies, origins, and its secrets by their last four characters."""
    key = operator.keys.get(operator.staff, operator.request_id, bid, key_id)
    secrets = operator.keys.list_secrets(operator.staff, operator.request_id, bid, key_id)
    if as_json:
        rows = [{"hint": each.hint, "created_at": each.created_at, "expires_at": each.expires_at} for each in secrets]
        print_record(shown(key) | {"secrets": rows}, as_json=True)
    else:
        print_record(shown(key) | {"secrets": [_said(each) for each in secrets]}, as_json=False)


@group.command()
@biller_option
@_key_id
@click.option("--label", help="What the key is for.")
@_policy_options
@json_option
@pass_operator
def change(operator: Operator, /, bid: int, key_id: UUID, label: str | None, as_json: bool, **policies: Any) -> None:
    """Change what is named, and leave the rest. Counts at once, for tokens and sessions too."""
    changed = operator.keys.change(
        operator.staff, operator.request_id, bid, key_id, label=label, policies=lambda before: _changed(before, policies)
    )
    print_record(shown(changed), as_json=as_json)


@group.command()
@biller_option
@_key_id
@click.option("--overlap-days", type=click.IntRange(0, 90), default=7, show_default=True, help="Older secrets end after this.")
@json_option
@pass_operator
def rotate(operator: Operator, bid: int, key_id: UUID, overlap_days: int, as_json: bool) -> None:
    """Give the key a fresh secret and print it, this once. Tokens, sessions and origins stay."""
    overlap = timedelta(days=overlap_days)
    _print_issued(operator.keys.rotate(operator.staff, operator.request_id, bid, key_id, overlap), as_json=as_json)


@group.command()
@biller_option
@_key_id
@confirmed("This ends the key for good, with every token and session that it began. Revoke it?")
@json_option
@pass_operator
def revoke(operator: Operator, bid: int, key_id: UUID, as_json: bool) -> None:
    """End a key, with every token and session that it began. There is no way back."""
    print_record(shown(operator.keys.revoke(operator.staff, operator.request_id, bid, key_id)), as_json=as_json)


def shown(key: ApiKey) -> dict[str, Any]:
    """A key as `--json` shows it: never a secret."""
    return key_values(key) | {"created_at": key.created_at}


def _print_issued(issued: IssuedKey, *, as_json: bool) -> None:
    print_record(shown(issued.key) | {"secret": issued.secret}, as_json=as_json)
    note("The secret is shown this once and is not kept. The partner sends it as X-Api-Key.")


def _changed(before: KeyPolicies, given: dict[str, Any]) -> KeyPolicies:
    """The policies with those that were named. Range and words are checked by the service."""
    changes = {name: value for name, value in given.items() if value not in (None, ())}
    if "scopes" in changes:
        changes["scopes"] = frozenset(map(Scope, changes["scopes"]))
    if "redirect_ids" in changes:
        changes["redirect_ids"] = frozenset(changes["redirect_ids"])
    if "account_proof" in changes:
        changes["account_proof"] = tuple(dict.fromkeys(each for each in changes["account_proof"] if each != "none"))
    return replace(before, **changes)


def _said(secret: ApiKeySecret) -> str:
    until = "" if secret.expires_at is None else f", until {secret.expires_at:%Y-%m-%d %H:%M}Z"
    return f"...{secret.hint} since {secret.created_at:%Y-%m-%d %H:%M}Z{until}"
