"""Who somebody is, and proof of it for others.

The map, bottom to top: values that depend on nothing (clock, opaque, actor, settings, secrets, kv, texts) -> what every
change needs (changelog, outbox, jobs, keys, versions) -> the directory (billers, partners, customers, users, registrations)
-> billing and messages -> login (sessions) -> web (the request, problem pages, headers). Protocols (oidc, saml) will stand on
top of it. Nothing in here knows Flask but `idp.web`, and nothing knows SQL.
"""
