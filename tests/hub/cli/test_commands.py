"""The tree of commands: what each loads, how each names its biller, and that its help reads as help."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from hub.cli.commands import _SECTIONS
from hub.cli.commands import idhub as command
from tests.hub.cli.conftest import BILLER, OTHER, Idhub

HEAVY = (
    "flask",
    "werkzeug",
    "jinja2",
    "saml2",
    "xmlsec",
    "lxml",
    "redis",
    "redis.asyncio",
    "granian",
    "alembic",
    "rich",
    "authlib",
)
LISTS = [
    "billers list",
    "billers show 9001",
    "settings show --biller 9001",
    "destinations list --biller 9001",
    "partners list",
    "api-keys list --biller 9001",
    "origins list --biller 9001 --key {key}",
    "customers list --biller 9001",
    "users list --biller 9001",
    "import list --biller 9001",
    "jobs list",
    "mails list --biller 9001",
    "registrations list --biller 9001",
    "themes list --biller 9001",
    "refusals list --biller 9001",
    "warnings list --biller 9001",
    "alarms list --biller 9001",
    "carriers --biller 9001",
    "audit show --bid 9001",
    "signing-keys list",
]
LOOK = """
import sys
sys.argv[0] = "idhub"
from hub.cli import main
try:
    main()
except SystemExit as end:
    assert end.code in (0, None), end.code
print("LOADED", *sorted(sys.modules))
"""


def loaded_by(words: str, **environment: str) -> set[str]:
    """The modules that a command has loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *words.split()], env=os.environ | environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


def commands(group: click.Group = command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group, with its words."""
    with click.Context(group) as context:
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            assert found is not None
            if isinstance(found, click.Group):
                yield from commands(found, *path, name)
            yield (*path, name), found


EVERY = dict(commands())


@pytest.mark.parametrize("words", LISTS)
def test_a_command_that_lists_loads_neither_flask_nor_saml_nor_redis(idhub: Idhub, words: str) -> None:
    idhub.make_biller()
    words = words.format(key=idhub.make_key()["id"])
    loaded = loaded_by(words, IDHUB_KEYVALUE_URL="redis://127.0.0.1:1/0")
    assert "hub.cli.commands" in loaded
    assert not loaded.intersection(HEAVY)


def test_help_and_version_load_no_command(idhub: Idhub) -> None:
    for words in ("--help", "--version"):
        loaded = loaded_by(words)
        assert not loaded.intersection({*HEAVY, "sqlalchemy", "idp.directory.billers"})
        assert not {each for each in loaded if each.startswith("hub.cli.")} - {
            "hub.cli.commands", "hub.cli.context", "hub.cli.faults", "hub.cli.streams"
        }  # fmt: skip


def test_every_list_is_looked_at() -> None:
    looked = {words.partition(" --")[0].removesuffix(" 9001") for words in LISTS}
    assert {" ".join(path) for path in EVERY if path[-1] == "list"} <= looked


def test_the_top_of_the_tree_names_every_command_with_what_it_does() -> None:
    told = command.get_help(click.Context(command, info_name="idhub"))
    for section in _SECTIONS.values():
        for name, (_, text) in section.items():
            assert text.endswith("."), name
            assert len(text) <= 65, name
            assert f"  {name} " in told, name
            assert text in " ".join(told.split()), name


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_the_help_of_a_command_is_whole_sentences_in_plain_words(path: tuple[str, ...]) -> None:
    found = EVERY[path]
    assert found.help, path
    assert found.help.strip().rstrip(")").endswith("."), path
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, (path, parameter.name)
            assert parameter.help.endswith("."), (path, parameter.help)
    told = found.get_help(click.Context(found, info_name=path[-1]))
    if path[0] in {"audit", "verify"}:
        return
    for habit in (
        "anew",
        "take over",
        "takes over",
        "several times",
        "All of them",
        "what is named",
        "so many",
        "stands on",
        "E-mail",
        "colour",
    ):
        assert habit not in told, (path, habit)


def test_a_biller_is_named_by_its_number_or_slug_and_by_the_old_options(idhub: Idhub) -> None:
    idhub.make_biller()
    idhub.make_biller(OTHER)
    for words in (
        ("billers", "show", BILLER), ("billers", "show", "utility9001"), ("billers", "show", "--biller", BILLER),
        ("billers", "show", "--biller", "utility9001"), ("billers", "show", "--bid", BILLER),
    ):  # fmt: skip
        assert idhub.json(*words)["bid"] == 9001, words
    for option, value in (("--biller", "utility9001"), ("--bid", BILLER), ("--biller", BILLER), ("--bid", "utility9001")):
        idhub.json("customers", "create", option, value, f"1-{option}-{value}")
        assert idhub.json("customers", "list", option, OTHER) == []
    assert len(idhub.json("customers", "list", "--biller", "utility9001")) == 4
    assert idhub.json("billers", "change", "--biller", "utility9001", "--dba", "New")["dba"] == "New"
    assert idhub.json("billers", "create", "--bid", "9003", "--slug", "third", "--dba", "Third")["bid"] == 9003


def test_every_command_about_a_biller_takes_the_option_biller() -> None:
    theirs = {("audit", "show")}  # BID 0 is the installation
    for path, found in EVERY.items():
        names = {name for parameter in found.params for name in parameter.opts}
        if "--bid" in names and path not in theirs and path != ("billers", "create"):
            assert "--biller" in names, path


def test_a_biller_that_is_named_twice_or_not_at_all_is_a_wrong_command_line(idhub: Idhub) -> None:
    idhub.make_biller()
    assert "Name one biller" in idhub.misread("billers", "show", BILLER, "--biller", BILLER)
    assert "BILLER" in idhub.misread("billers", "show")
    assert "--biller" in idhub.misread("customers", "list")
    assert "once" in idhub.misread("billers", "create", "9005", "--bid", "9006", "--slug", "x", "--dba", "X")
    assert "BID is a number" in idhub.misread("customers", "list", "--biller", "0")
    assert "BID is a number" in idhub.misread("customers", "list", "--biller", "99999999999")
    assert idhub.refused("customers", "list", "--biller", "nobody") == [
        "There is no such biller. List the billers and use the BID, slug or GUID of one of them."
    ]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("biller", "list"), "Did you mean 'billers'?"),
        (("billers", "lst"), "Did you mean 'list'?"),
        (("billers", "list", "--limt", "3"), "Did you mean '--limit'?"),
        (("api-keys", "create", "--biller", BILLER, "--partner", "x", "--scope", "custmers:read"), "Did you mean customers:read?"),
        (("api-keys", "create", "--biller", BILLER, "--partner", "x", "--strictness", "strikt"), "Did you mean strict?"),
        (("api-keys", "create", "--biller", BILLER, "--partner", "x", "--account-proof", "cys"), "Did you mean cis?"),
        (("customers", "create", "--biller", BILLER, "1", "--meter", "m:watre"), "Did you mean water?"),
    ],
)
def test_a_misspelt_command_option_or_word_is_told_which_was_meant(idhub: Idhub, words: tuple[str, ...], meant: str) -> None:
    idhub.make_biller()
    assert meant in idhub.misread(*words)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--policy", "role_code=off", "role_code: not a policy. Did you mean role_codes?"),
        ("--policy", "role_codes=of", "role_codes: one of 'off', 'optional' or 'required' is expected"),
        ("--policy", "session_idle_minutes=soon", "session_idle_minutes: a whole number is expected"),
        ("--policy", "session_idle_minutes=0", "session_idle_minutes: at least 1 is expected"),
        ("--policy", "multi_user=perhaps", "multi_user: yes or no is expected"),
        ("--policy", "owner_prefix=o-1", "owner_prefix: 2 to 8 capital letters or digits are expected"),
        ("--policy", "currency=ZZZ", "currency: ZZZ is not a currency in use (ISO 4217), such as USD or CAD"),
        ("--policy", "currency=DEM", "currency: DEM is not a currency in use (ISO 4217), such as USD or CAD"),
        ("--policy", "currency=dollars", "currency: three capital letters are expected (ISO 4217), such as USD"),
        (
            "--time-zone",
            "America/Detroid",
            "--time-zone: not an IANA time zone, such as America/Detroit. Did you mean America/Detroit?",
        ),
        ("--locale", "fr", "--locale: en or es is expected"),
    ],
)
def test_a_wrong_value_of_a_biller_is_told_in_our_words(idhub: Idhub, option: str, value: str, told: str) -> None:
    idhub.make_biller()
    assert idhub.refused("billers", "change", BILLER, option, value) == [told]


@pytest.mark.parametrize("currency", ["USD", "CAD", "MXN", "EUR", "JPY"])
def test_a_currency_in_use_is_taken(idhub: Idhub, currency: str) -> None:
    idhub.make_biller()
    assert idhub.json("billers", "change", BILLER, "--policy", f"currency={currency}")["policies"]["currency"] == currency


def test_a_biller_whose_row_holds_another_currency_stays_readable_and_changeable(idhub: Idhub) -> None:
    idhub.make_biller()
    idhub.sql("UPDATE billers SET policies = json_set(policies, '$.currency', 'ZZZ')")
    assert idhub.json("billers", "show", BILLER)["policies"]["currency"] == "ZZZ"
    assert idhub.json("billers", "change", BILLER, "--policy", "invitations=no")["policies"]["currency"] == "ZZZ"
