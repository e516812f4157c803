"""Small answers and addresses that several pages share."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from flask import Response

from idp.directory.billers import Biller, Billers
from idp.errors import PageNotFound
from idp.web.request import HubRequest


def redirect(location: str) -> Response:
    """303: whatever the method was, the next request is a GET (RFC 9110 15.4.4)."""
    return Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})


def leads_into(root: str, path: str) -> bool:
    """Whether a path that came in a form stays below `root`: no address of ours has a blank, a control character or a backslash."""
    return path.startswith(root) and path.isascii() and path.isprintable() and not {" ", "\\"} & set(path)


def with_destination(url: str, redirect_id: int) -> str:
    """A sign-in address that also says which page was wanted: all that a session that is over may pass on."""
    parts = urlsplit(url)
    query = f"{parts.query}&" if parts.query else ""
    return urlunsplit(parts._replace(query=f"{query}RedirectID={redirect_id}"))


def biller_at(billers: Billers, request: HubRequest, slug: str) -> Biller:
    """The biller that the host and the path of a page name. PageNotFound for none, and for two."""
    entry = billers.cached_on_host(request.bare_host, slug)
    if entry is None:
        raise PageNotFound("host and path name no biller, or two")
    return entry.value
