"""`idhub`: an operator at the machine's own command line.

    context       Operator: settings, the wired hub and the admin services, each made when first asked for
    output        tables for people, `--json` for programs
    arguments     option types and texts that several commands share
    refusals_...  one file per noun: billers, settings, partners, api_keys, origins, destinations, customers, users, audit,
                  refusals, secrets, keys; service (serve, worker, migrate, ...), setup (init, new-master-key)
    imports       invoice files
    demo          `make demo`

Exit codes: 0 done; 1 refused, a plain line per fault on standard error and nothing written; 2 a command line that cannot be read.
"""
