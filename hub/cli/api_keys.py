"""`idhub api-keys`: what a partner may do at one biller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar, get_args
from uuid import UUID

import click

from hub.cli.arguments import biller_option, confirmed, words_option
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
    return words_option(option, words=get_args(words), help=text)


def _policy_options(command: F) -> F:
    """The policies of a key. What is not named keeps its value: of a new key the default, of another the present one."""
    options = [
        words_option(
            "--scope", "scopes", words=[each.value for each in Scope],
            help=f"Scope of the key. Repeatable; replaces the current list. Scopes: {', '.join(each.value for each in Scope)}."
            f" Default: {', '.join(sorted(DEFAULT_SCOPES))}.",
            multiple=True, metavar="SCOPE",
        ),
        _choice("--strictness", Strictness, "strict: refuse unknown fields. compat: accept what older integrations send."),
        _choice(
            "--authenticate", AuthenticatePolicy,
            "trusted: the partner vouches for the payer. password: it sends the payer's password.",
        ),
        _choice("--token", TokenPolicy, "session: a token is valid for a session of redirects. single_use: for one redirect."),
        _choice("--users", UsersPolicy, "own: only users that the partner registered. all: every user of the biller."),
        words_option(
            "--account-proof", words=[*get_args(ProofKind), "none"],
            help="What the partner has verified when it registers an account. Repeatable; replaces the current list.",
            multiple=True,
        ),
        _choice("--csr-user", CsrUserPolicy, "Which user a service representative acts for."),
        click.option("--rate", "rate_per_second", type=int, metavar="N", help="Maximum requests per second."),
        click.option("--burst", type=int, metavar="N", help="Maximum requests at once."),
        click.option(
            "--redirect-id", "redirect_ids", type=int, multiple=True, metavar="N",
            help="Allowed RedirectID, 1 to 11 (default: all). Repeatable; replaces the current list.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def group() -> None:
    """Create, update, rotate and revoke API keys.

    A key says what one partner may do at one biller. Its secret is shown once, when the key is created or rotated.
    """


@group.command()
@biller_option
@click.option("--partner", "partner_slug", required=True, metavar="SLUG", help="The partner that gets the key.")
@click.option("--label", default="", help="Purpose of the key (default: the partner's name).")
@click.option("--frame", "frame_origins", multiple=True, metavar="ORIGIN", help="Origin that may frame our pages. Repeatable.")
@click.option("--return", "return_places", multiple=True, metavar="URL", help="Allowed return URL (prefix). Repeatable.")
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
    """Create a key and print its secret once."""
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
    """List a biller's keys, including revoked ones."""
    found = operator.keys.list_all(operator.staff, operator.request_id, bid)
    columns = {"id": "ID", "partner": "Partner", "label": "Label", "revoked_at": "Revoked", "scopes": "Scopes"}
    print_rows([shown(each) for each in found], columns, as_json=as_json)


@group.command()
@biller_option
@_key_id
@json_option
@pass_operator
def show(operator: Operator, bid: int, key_id: UUID, as_json: bool) -> None:
    """Show a key, its policies and the last four characters of its secrets."""
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
@click.option("--label", help="Purpose of the key.")
@_policy_options
@json_option
@pass_operator
def change(operator: Operator, /, bid: int, key_id: UUID, label: str | None, as_json: bool, **policies: Any) -> None:
    """Update a key. Only the options you give change, at once, also for existing tokens and sessions."""
    changed = operator.keys.change(
        operator.staff, operator.request_id, bid, key_id, label=label, policies=lambda before: _changed(before, policies)
    )
    print_record(shown(changed), as_json=as_json)


@group.command()
@biller_option
@_key_id
@click.option("--overlap-days", type=click.IntRange(0, 90), default=7, show_default=True, help="How long older secrets still work.")
@json_option
@pass_operator
def rotate(operator: Operator, bid: int, key_id: UUID, overlap_days: int, as_json: bool) -> None:
    """Create a new secret and print it once. Tokens, sessions and origins are not affected."""
    overlap = timedelta(days=overlap_days)
    _print_issued(operator.keys.rotate(operator.staff, operator.request_id, bid, key_id, overlap), as_json=as_json)


@group.command()
@biller_option
@_key_id
@confirmed("This ends the key, its tokens and its sessions permanently. Revoke it?")
@json_option
@pass_operator
def revoke(operator: Operator, bid: int, key_id: UUID, as_json: bool) -> None:
    """End a key, its tokens and its sessions permanently."""
    print_record(shown(operator.keys.revoke(operator.staff, operator.request_id, bid, key_id)), as_json=as_json)


def shown(key: ApiKey) -> dict[str, Any]:
    """A key as `--json` shows it: never a secret."""
    return key_values(key) | {"created_at": key.created_at}


def _print_issued(issued: IssuedKey, *, as_json: bool) -> None:
    print_record(shown(issued.key) | {"secret": issued.secret}, as_json=as_json)
    note("Copy this secret now; it will not be shown again. The partner sends it as X-Api-Key.")


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
