"""The headers of every answer: CSP, framing, referrer, caching. One place, so that no page can forget one.

A view that needs something else than the default says so with `frame_policy(response, ...)` or `referrer(response, ...)`; `secure`
(an after-request hook of every HTML application) then writes the headers.
"""

from __future__ import annotations

from typing import Literal

from flask import Response

from idp.web.request import HubRequest

ANYBODY = ("*",)
"""Frame ancestors of the static refusal page: it holds no data, and a refused frame would otherwise be a blank box."""

_PLAIN = (("X-Content-Type-Options", "nosniff"), ("Cross-Origin-Opener-Policy", "same-origin-allow-popups"))
_PLAIN_HTTPS = (*_PLAIN, ("Strict-Transport-Security", "max-age=31536000"))

_POLICY = "X-Hub-Frame-Ancestors"
_INLINE = "X-Hub-Inline-Style"
"""These travel from the view to `secure` on the response and never leave."""


def frame_policy(response: Response, origins: tuple[str, ...]) -> Response:
    """Let these exact origins frame this answer; by default nobody may."""
    response.headers[_POLICY] = " ".join(origins)
    return response


def inline_style(response: Response) -> Response:
    """Let this answer carry its stylesheet in itself, under the nonce of its scripts."""
    response.headers[_INLINE] = "1"
    return response


def referrer(response: Response, policy: Literal["no-referrer", "strict-origin", "same-origin"]) -> Response:
    """Another referrer policy than same-origin, for an answer whose address holds a token.

    `no-referrer`: a redirect and the refusal page. A browser sends `Origin: null` with forms under it, so no page with a form.
    `strict-origin`: a page with a form at such an address; nothing but the origin is ever sent.
    """
    response.headers["Referrer-Policy"] = policy
    return response


def secure(response: Response, request: HubRequest, *, https: bool) -> Response:
    """Write the headers of an HTML answer."""
    ancestors = response.headers.pop(_POLICY, "")
    own_style = f" 'nonce-{request.nonce}'" if response.headers.pop(_INLINE, "") else ""
    response.headers["Content-Security-Policy"] = "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{request.nonce}'",
            f"style-src 'self'{own_style}",
            "img-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            f"frame-ancestors {ancestors or chr(39) + 'none' + chr(39)}",
        )
    )
    if not ancestors:
        response.headers["X-Frame-Options"] = "DENY"
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("Cache-Control", "no-store")
    return plain(response, request, https=https)


def plain(response: Response, request: HubRequest, *, https: bool) -> Response:
    """Write the headers that every answer has, HTML or not."""
    # extend, not item by item: nothing else sets these, and a search for each costs the hot paths.
    response.headers.extend((("X-Request-Id", request.request_id), *(_PLAIN_HTTPS if https else _PLAIN)))
    return response
