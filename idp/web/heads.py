"""HEAD: the framework adds it to every GET route and runs the same view; here it runs none.

A GET of ours may spend a token, open or prolong a session, or set a cookie. HEAD is safe (RFC 9110 9.2.1): link checkers and mail
scanners send it. So a page answers HEAD by itself, with the headers that say "there is an address like this" and nothing that was
looked up, the same for every token, link and session (RFC 9110 9.3.2 lets a server leave out what only making the content tells).
An API operation refuses it: an answer that nobody looked up would be wrong there. A new GET route is covered without being named;
only files and documents that are the same for everybody are listed, and answer HEAD as they answer GET.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response
from werkzeug.exceptions import MethodNotAllowed

from idp.web.request import HubRequest


def answer_heads(app: Flask, current: Callable[[], HubRequest], *, as_get: Callable[[str], bool]) -> None:
    """Let pages answer HEAD without running their view. `as_get`: the endpoints that answer as they answer GET."""

    @app.before_request
    def head() -> Response | None:
        if not _is_head(current(), as_get):
            return None
        return Response(status=200, content_type="text/html; charset=utf-8", headers={"Cache-Control": "no-store"})


def refuse_heads(app: Flask, current: Callable[[], HubRequest], *, as_get: Callable[[str], bool]) -> None:
    """Refuse HEAD with 405. `as_get`: the endpoints that answer as they answer GET."""

    @app.before_request
    def head() -> None:
        request = current()
        if _is_head(request, as_get):
            methods = (request.url_rule.methods if request.url_rule else None) or set()
            raise MethodNotAllowed(valid_methods=sorted(methods - {"HEAD", "OPTIONS"}))


def _is_head(request: HubRequest, as_get: Callable[[str], bool]) -> bool:
    # Without a rule the path is nobody's, or not for GET: routing says so by itself.
    return request.method == "HEAD" and request.url_rule is not None and not as_get(request.endpoint or "")
