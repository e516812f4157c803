"""What goes in and what comes out of each operation: the models that validate are the ones that the document is made from.

A file per area: key, customers, users, registering, tokens, ...; `named`: how a body names a user; `problem`: a refusal.

Requests are read by `wire.read`. Answers are plain dictionaries built by `calls`, because validating our own words again costs time
on the hot path; a test holds every answer against its model here.
"""
