"""What each operation does once its key is admitted and its body read: a function per operation, given what it needs.

A file per area: key, customers, users, registering, tokens, ...; `caller`: who calls.

Each makes a `Call`: (caller, body) -> the answer as wire names, or None for 204. Remote Authentication (`authenticate`) is no Call,
because it admits its key in the same step that mints the token.
"""
