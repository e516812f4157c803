"""`idhub`: the command line of an operator on the machine.

    commands      the top of the tree: which command lives in which file; a file is loaded when its command is called
    context       Operator: settings, the wired hub and the admin services, each made when first asked for
    arguments     options and their types that several commands share
    output        tables for people, `--json` for programs
    faults        what is printed when something is refused
    (noun).py     one file per noun, and `service` (serve, worker, migrate, openapi), `setup` (init, new-master-key)

Exit codes: 0 done; 1 refused: a plain line per fault on standard error, and nothing written; 2 a command line that cannot be read.
"""

from __future__ import annotations

from hub.cli.commands import idhub


def main() -> None:
    """The entry point `idhub`."""
    idhub(prog_name="idhub")
