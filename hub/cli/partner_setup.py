"""`idhub partners legacy-setup` and `idhub partners sandbox`: a partner with all that it needs, in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import yaml

from hub.cli.api_keys import shown
from hub.cli.context import Operator, pass_operator
from hub.cli.faults import Refusal
from hub.cli.output import json_option, note, print_record

_MOST_FILE = 64 * 1024


@click.command("legacy-setup")
@click.option(
    "--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="All of it as YAML, names below."
)
@click.option("--bid", type=int, metavar="BID", help="The biller.  bid")
@click.option("--partner", metavar="SLUG", help="The partner; made when there is none.  partner")
@click.option("--name", help="Its name, when it is made.  name")
@click.option("--url", help="Where payers find its portal, when it is made.  url")
@click.option(
    "--authenticate",
    type=click.Choice(["trusted", "password"]),
    help="Its word counts (default), or a password is asked.  authenticate",
)
@click.option("--csr", is_flag=True, default=None, help="Its CIS may let service representatives step in.  csr")
@click.option(
    "--frame", "frame_origins", multiple=True, metavar="ORIGIN", help="An origin that may frame our pages.  frame_origins"
)
@click.option("--return", "return_urls", multiple=True, metavar="URL", help="Where sign-out may return to.  return_urls")
@click.option("--redirect-id", "redirect_ids", type=int, multiple=True, metavar="N", help="1 to 11; default all.  redirect_ids")
@click.option("--css", "css_urls", multiple=True, metavar="URL", help="A CSSUrl; the biller must approve it.  css_urls")
@click.option("--sso-login-url", metavar="URL", help="Advanced setting 3, unless the biller has one.  sso_login_url")
@json_option
@pass_operator
def legacy_setup(operator: Operator, /, path: Path | None, as_json: bool, **given: Any) -> None:
    """Set a partner up as it is today, at one biller.

    A compat key for sessions, for all of the biller's users, with account proof by CIS. An option goes before the file. The same
    call again changes nothing, and completes one that broke off; the secret is printed once, with the key.
    """
    from admin.legacy import read_wanted

    named = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value not in (None, ())}
    wanted = read_wanted({**({} if path is None else _read(path)), **named})
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
        note("The secret is shown this once and is not kept. The partner sends it as X-Api-Key, or as the user name of HTTP Basic.")
    elif not done.steps:
        note("Nothing was left to do. A fresh secret: idhub api-keys rotate.")


@click.command()
@click.argument("slug")
@click.option("--frame", "frame_origins", multiple=True, metavar="ORIGIN", help="An origin that may frame our pages.")
@json_option
@pass_operator
def sandbox(operator: Operator, slug: str, frame_origins: tuple[str, ...], as_json: bool) -> None:
    """Make a sandbox for the partner SLUG: a biller with made-up accounts, bills and payers, and a strict key.

    A partner has one; a second call is refused.
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
    note("The secret is shown this once and is not kept. Next:")
    note(f'  curl -H "X-Api-Key: SECRET" {api}/ping')
    note(
        f'  curl -H "X-Api-Key: SECRET" -H "Content-Type: application/json" -d \'{{"UserName": "pat"}}\''
        f" {api}/remote-authentication/authenticate"
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST_FILE + 1)
        found = yaml.safe_load(text) if len(text) <= _MOST_FILE else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError):
        raise Refusal(f"{path}: cannot be read as YAML in UTF-8") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise Refusal(f"{path}: names with values are expected")
    return found
