"""`idhub origins`: which sites may frame us and which ReturnUrls sign-out may lead to, per API key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import click

from hub.cli.arguments import biller_option, key_option
from hub.cli.context import Operator, pass_operator
from hub.cli.output import json_option, print_rows
from idp.directory.api_keys import ApiKey, PlaceKind

F = TypeVar("F", bound=Callable[..., Any])


def _places(command: F) -> F:
    frame = click.option("--frame", "frames", multiple=True, metavar="ORIGIN", help="Origin that may frame our pages. Repeatable.")
    back = click.option("--return", "returns", multiple=True, metavar="URL", help="Allowed return URL (prefix). Repeatable.")
    return frame(back(command))


@click.group()
def group() -> None:
    """Manage the origins and return URLs of an API key.

    Origins are exact and use https. There are no wildcards.
    """


@group.command()
@biller_option
@key_option
@_places
@json_option
@pass_operator
def add(operator: Operator, bid: int, key_id: UUID, frames: tuple[str, ...], returns: tuple[str, ...], as_json: bool) -> None:
    """Add origins and return URLs to a key."""
    places = _named(frames, returns)
    _print(operator.keys.add_places(operator.staff, operator.request_id, bid, key_id, places), as_json=as_json)


@group.command()
@biller_option
@key_option
@_places
@json_option
@pass_operator
def remove(operator: Operator, bid: int, key_id: UUID, frames: tuple[str, ...], returns: tuple[str, ...], as_json: bool) -> None:
    """Remove origins and return URLs from a key."""
    places = _named(frames, returns)
    _print(operator.keys.remove_places(operator.staff, operator.request_id, bid, key_id, places), as_json=as_json)


@group.command("list")
@biller_option
@key_option
@json_option
@pass_operator
def list_(operator: Operator, bid: int, key_id: UUID, as_json: bool) -> None:
    """List a key's origins and return URLs."""
    _print(operator.keys.get(operator.staff, operator.request_id, bid, key_id), as_json=as_json)


def _named(frames: tuple[str, ...], returns: tuple[str, ...]) -> list[tuple[PlaceKind, str]]:
    named: list[tuple[PlaceKind, str]] = [("frame", text) for text in frames]
    named += [("return", text) for text in returns]
    if not named:
        raise click.UsageError("name at least one --frame or --return")
    return named


def _print(key: ApiKey, *, as_json: bool) -> None:
    rows = [{"kind": "frame", "place": origin} for origin in key.frame_origins]
    rows += [{"kind": "return", "place": place.text()} for place in key.return_places]
    print_rows(rows, {"kind": "Kind", "place": "Origin or URL"}, as_json=as_json)
