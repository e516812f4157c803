"""`idhub`: the command line of an operator on the machine.

    commands      the top of the tree: which command lives in which file; a file is loaded when its command is called
    context       Operator: settings, parts of the hub and the admin services, each made when first asked for
    arguments     options and their types that several commands share
    output        tables for people, tabs for pipes, `--json` for programs
    streams       the standard streams made safe: encodings, closed ones, what a terminal would obey
    faults        what is printed when something is refused
    (noun).py     one file per noun, and `service` (serve, worker, migrate, openapi), `setup` (init, new-master-key)

Exit codes: 0 success; 1 refused or failed: a plain line per fault on standard error; 2 a command line that is wrong.
"""

from __future__ import annotations

from hub.cli import streams
from hub.cli.commands import idhub


def main() -> None:
    """The entry point `idhub`."""
    streams.prepare()
    idhub(prog_name="idhub")
