"""The one guarded HTTP client: every URL that the hub fetches was written by somebody else, and goes through here.

    targets.py      one URL read strictly: https, port 443, a plain host, no user name, no fragment
    addresses.py    which addresses may be reached, and the resolver
    wire.py         connecting to a checked address; a socket that keeps the deadline and counts every byte
    client.py       Fetcher: get and post, the order of the checks, what an answer may be

What holds for every call: the name is resolved once and EVERY address is checked; the connection goes to a checked address, with
the name as SNI, Host and the name on the certificate; no redirect is followed; no proxy is read from the environment; no cookie
and no connection is kept; one deadline covers resolving, connecting, TLS, sending and reading; the size limit counts what comes
after decompression. A private host is reached only by the operator's exact host:port (IDHUB_FETCH_PRIVATE_HOSTS).

What it does not: retry, cache, or say to a biller why something failed. Every failure is `idp.errors.Unreachable`, whose
`detail` has the cause for operators; billers and partners see "unreachable", because the cause would map our network for them.
"""

from __future__ import annotations

from idp.fetch.addresses import Reach, Resolver, SystemResolver, reach_of
from idp.fetch.client import Fetched, Fetcher
from idp.fetch.targets import Target, read_url

__all__ = ["Fetched", "Fetcher", "Reach", "Resolver", "SystemResolver", "Target", "reach_of", "read_url"]
