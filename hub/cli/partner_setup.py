"""`idhub partners legacy-setup` and `idhub partners sandbox`: a partner with all that it needs, in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hub.cli.api_keys import shown
from hub.cli.arguments import optional_biller_option, words_option
from hub.cli.context import Operator, pass_operator
from hub.cli.faults import Refusal, why
from hub.cli.output import json_option, note, print_record

_MOST_FILE = 64 * 1024


@click.command("legacy-setup")
@click.option(
    "--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file with the options below."
)
@optional_biller_option("The biller: its BID or slug. In the file: bid.")
@click.option("--partner", metavar="SLUG", help="The partner. Created if it does not exist. In the file: partner.")
@click.option("--name", help="Name of a new partner. In the file: name.")
@click.option("--url", help="Address of a new partner's portal. In the file: url.")
@words_option(
    "--authenticate",
    words=("trusted", "password"),
    help="trusted (default): the partner vouches for the payer. password: it sends a password. In the file: authenticate.",
)
@click.option(
    "--csr", is_flag=True, default=None, help="The partner's CIS may start sessions for representatives. In the file: csr."
)
@click.option(
    "--frame",
    "frame_origins",
    multiple=True,
    metavar="ORIGIN",
    help="Origin that may frame our pages. Repeatable. In the file: frame_origins.",
)
@click.option(
    "--return",
    "return_urls",
    multiple=True,
    metavar="URL",
    help="Allowed return URL (prefix). Repeatable. In the file: return_urls.",
)
@click.option(
    "--redirect-id",
    "redirect_ids",
    type=int,
    multiple=True,
    metavar="N",
    help="Allowed RedirectID, 1 to 11 (default: all). Repeatable. In the file: redirect_ids.",
)
@click.option(
    "--css",
    "css_urls",
    multiple=True,
    metavar="URL",
    help="CSSUrl of a theme; the biller must approve it. Repeatable. In the file: css_urls.",
)
@click.option("--sso-login-url", metavar="URL", help="Advanced setting 3, if the biller has none. In the file: sso_login_url.")
@json_option
@pass_operator
def legacy_setup(operator: Operator, /, path: Path | None, as_json: bool, **given: Any) -> None:
    """Set up a partner with an existing integration at one biller.

    Creates a compat key with the policies token=session, users=all and account_proof=cis. Options take precedence over the file.
    It is safe to run the command again: it completes what is missing. The secret is printed once, with the key.
    """
    from admin.legacy import read_wanted

    named: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value not in (None, ())
    }
    given = {**({} if path is None else _read(path)), **named}
    if "biller" in given:
        given.setdefault("bid", given.pop("biller"))
    if isinstance(given.get("bid"), str):
        given["bid"] = operator.bid_of(given["bid"])
    wanted = read_wanted(given)
    done = operator.legacy.set_up(operator.staff, operator.request_id, wanted)
    record = shown(done.key) | {
        "sso_login_url": wanted.sso_login_url or done.biller.sso_login_url,
        "themes": [f"{theme.css_url} ({theme.state})" for theme in done.themes],
        "done": list(done.steps),
    }
    if done.secret:
        record["secret"] = done.secret
    print_record(record, as_json=as_json)
    if done.secret:
        note("Copy this secret now; it will not be shown again. The partner sends it as X-Api-Key, or as HTTP Basic user name.")
    elif not done.steps:
        note("Nothing to do: the partner is set up. For a new secret, run idhub api-keys rotate.")


@click.command()
@click.argument("slug")
@click.option("--frame", "frame_origins", multiple=True, metavar="ORIGIN", help="Origin that may frame our pages. Repeatable.")
@json_option
@pass_operator
def sandbox(operator: Operator, slug: str, frame_origins: tuple[str, ...], as_json: bool) -> None:
    """Create a sandbox for the partner SLUG.

    A sandbox is a biller with made-up accounts, bills and payers, and a strict key. A partner has at most one.
    """
    from admin.sandbox import ACCOUNTS

    made = operator.sandboxes.make(operator.staff, operator.request_id, slug, frame_origins=frame_origins)
    api = f"{operator.settings.api_origin}/api/v1"
    accounts = [
        {"account_number": each.number, "name": each.name, "payer": each.payer, "role_codes": each.codes} for each in ACCOUNTS
    ]
    record = {
        "bid": made.biller.bid,
        "slug": made.biller.slug,
        "pages": made.biller.base_url,
        "api": api,
        "key_id": str(made.issued.key.id),
        "secret": made.issued.secret,
        "accounts": accounts if as_json else [f"{each['account_number']} ({each['payer'] or 'nobody'})" for each in accounts],
    }
    print_record(record, as_json=as_json)
    note("Copy this secret now; it will not be shown again. Next:")
    note(f'  curl -H "X-Api-Key: SECRET" {api}/ping')
    note(
        f'  curl -H "X-Api-Key: SECRET" -H "Content-Type: application/json" -d \'{{"UserName": "pat"}}\''
        f" {api}/remote-authentication/authenticate"
    )


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST_FILE + 1)
        found = yaml.safe_load(text) if len(text) <= _MOST_FILE else None
    except OSError as fault:
        raise Refusal(f"{path} cannot be read: {why(fault)}.") from None
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError):
        raise Refusal(f"{path} is not YAML in UTF-8.") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise Refusal(f"{path}: lines of NAME: VALUE are expected.")
    return found
