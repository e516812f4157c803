"""Pages for people who write against the API: public, offline, under a nonce CSP. No payer data, no session, no key.

GET /openapi.json                    the document
GET /docs                            the same to read: every operation, with a command that works as it is against a demo
GET /docs/assets/{digest}/{name}     styles and scripts; the digest is in the address, so a copy may be kept for ever
GET /guide, /guide/{name}            the partners' documents: guide, reference, flows
GET /problems, /problems/{Code}      what each `type` of a problem leads to: the catalogue, as a page or as JSON
GET /warnings                        what each code in X-Warning means, as a page or as JSON

In the look of the portal and rendered here: no page needs a script to be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from idp.errors import HubError, PageNotFound, catalogue
from idp.web.request import HubRequest
from idp.web.templating import StaticFiles
from sso_connect.api.described import answered_by, describe
from sso_connect.api.guide import DOCUMENTS, guide_url, read_guide
from sso_connect.api.openapi import openapi_document
from sso_connect.api.operations import PREFIX
from sso_connect.warnings import CATALOGUE, Meaning, WarningCode

PUBLIC_PATHS = (
    "/openapi.json",
    "/docs",
    "/docs/assets/<digest>/<name>",
    "/guide",
    "/guide/<name>",
    "/problems",
    "/problems/<code>",
    "/warnings",
)
"""Routes without a key, under the prefix."""

_PUBLIC = "public_"
_HERE = Path(__file__).parent
_ASSETS = f"{PREFIX}/docs/assets"
_IN_BACKTICKS = re.compile(r"`([^`]+)`")


def add_pages(api: Blueprint, current: Callable[[], HubRequest], api_origin: str) -> None:
    """Give the blueprint these routes."""
    files = [StaticFiles(prefix=_ASSETS), StaticFiles(_HERE / "static", _ASSETS)]
    guide = cache(lambda name: read_guide(name, api_origin))
    render = _renderer({file.name: file.url for each in files for file in each.list_all()}, with_guide=guide("") is not None)
    document = cache(lambda: openapi_document(api_origin))
    text = cache(lambda: json.dumps(document()))
    groups = cache(lambda: describe(document()))
    operations = cache(answered_by)

    def openapi() -> Response:
        return Response(text(), content_type="application/json")

    def docs() -> Response:
        url = f"{api_origin}{PREFIX}"
        return page("docs.html", groups=groups(), api_url=url, document_url=f"{PREFIX}/openapi.json")

    def asset(digest: str, name: str) -> Response:
        for each in files:
            if (file := each.find(digest, name)) is not None:
                response = Response(file.content, content_type=file.media_type)
                response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
                return response
        raise PageNotFound(name[:60])

    def guide_start() -> Response:
        return guide_part("")

    def guide_part(name: str) -> Response:
        found = guide(name) if name in DOCUMENTS else None
        if found is None:
            raise PageNotFound(name[:60])
        return page("guide.html", guide=found)

    def problems() -> Response:
        described = [_described(reason, api_origin) for reason in catalogue()]
        if _wants_page(current()):
            return page("problems.html", problems=described)
        return Response(json.dumps({"Problems": described}), content_type="application/json")

    def problem(code: str) -> Response:
        described = next((_described(reason, api_origin) for reason in catalogue() if reason.code == code), None)
        if described is None:
            raise PageNotFound(code[:60])
        if _wants_page(current()):
            return page("problem.html", problem=described, operations=operations().get(code, ()))
        return Response(json.dumps(described), content_type="application/json")

    def warnings() -> Response:
        described = [_warning_described(code, meaning) for code, meaning in CATALOGUE.items()]
        if _wants_page(current()):
            return page("warnings.html", warnings=described)
        return Response(json.dumps({"Warnings": described}), content_type="application/json")

    def page(template: str, **values: Any) -> Response:
        request = current()
        return _page(request, render(template, request, **values))

    views: tuple[Callable[..., Response], ...] = (openapi, docs, asset, guide_start, guide_part, problems, problem, warnings)
    for path, view in zip(PUBLIC_PATHS, views, strict=True):
        api.add_url_rule(path, f"{_PUBLIC}{view.__name__}", view, methods=["GET"], provide_automatic_options=False)


def is_public(endpoint: str) -> bool:
    """Whether an endpoint is one of these pages."""
    return endpoint.rpartition(".")[2].startswith(_PUBLIC)


def _described(reason: type[HubError], api_origin: str) -> dict[str, Any]:
    return {
        "Code": reason.code,
        "Type": f"{api_origin}{PREFIX}/problems/{reason.code}",
        "Status": reason.http,
        "Title": reason.public,
        "Meaning": " ".join((reason.__doc__ or "").split()),
        "Fix": reason.fix,
    }


def _warning_described(code: WarningCode, meaning: Meaning) -> dict[str, str]:
    return {"Code": code.value, "Meaning": meaning.meaning, "Subject": meaning.subject, "Fix": meaning.fix}


def _wants_page(request: HubRequest) -> bool:
    return request.accept_mimetypes.best_match(["application/json", "text/html"], "application/json") == "text/html"


def _renderer(urls: dict[str, str], *, with_guide: bool) -> Callable[..., str]:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["with_code"] = _with_code
    guide = ((_GUIDE_NAMES[name], guide_url(name)) for name in DOCUMENTS if with_guide)
    ways = (
        ("Operations", f"{PREFIX}/docs"),
        *guide,
        ("Problems", f"{PREFIX}/problems"),
        ("Warnings", f"{PREFIX}/warnings"),
    )

    def render(template: str, request: HubRequest, **values: Any) -> str:
        return environment.get_template(template).render(
            nonce=request.nonce,
            asset=urls,
            prefix=PREFIX,
            here=request.path,
            ways=ways,
            guide_url=guide_url("") if with_guide else "",
            with_contents=template in {"docs.html", "guide.html"},
            **values,
        )

    return render


_GUIDE_NAMES = {"": "Guide", "reference": "Reference", "flows": "Flows"}


def _with_code(text: str) -> Markup:
    """Text with its `names` as code."""
    return Markup(_IN_BACKTICKS.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  (escaped before)


def _page(request: HubRequest, html: str) -> Response:
    response = Response(html, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{request.nonce}'",
            "style-src 'self'",
            "img-src 'self'",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Vary"] = "Accept"
    return response
