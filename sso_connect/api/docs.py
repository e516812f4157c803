"""Pages for people who write against the API: public, offline, under a nonce CSP. No payer data, no session, no key.

GET /openapi.json                    the document
GET /docs                            Swagger UI (the files of flask-openapi3-swagger) on the document
GET /docs/assets/{digest}/{name}     its files; the digest is in the address, so a copy may be kept for ever
GET /problems, /problems/{Code}      what each `type` of a problem leads to: the catalogue, as a page or as JSON
GET /warnings                        what each code in X-Warning means, as a page or as JSON
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from flask import Blueprint, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from idp.errors import HubError, PageNotFound, catalogue
from idp.web.request import HubRequest
from idp.web.templating import StaticFiles
from sso_connect.api.openapi import openapi_document
from sso_connect.api.operations import PREFIX
from sso_connect.warnings import CATALOGUE, Meaning, WarningCode

PUBLIC_PATHS = ("/openapi.json", "/docs", "/docs/assets/<digest>/<name>", "/problems", "/problems/<code>", "/warnings")
"""Routes without a key, under the prefix."""

_PUBLIC = "public_"
_HERE = Path(__file__).parent
_SWAGGER = Path(str(package_files("flask_openapi3_swagger"))) / "templates" / "swagger"
_FOLDERS = (_HERE / "static", _SWAGGER / "css", _SWAGGER / "js")
_ASSETS = f"{PREFIX}/docs/assets"


def add_pages(api: Blueprint, current: Callable[[], HubRequest], api_origin: str) -> None:
    """Give the blueprint these routes."""
    files = [StaticFiles(folder, _ASSETS) for folder in _FOLDERS]
    urls = {file.name: file.url for each in files for file in each.list_all()}
    render = _renderer(urls)
    document = cache(lambda: json.dumps(openapi_document(api_origin)))

    def openapi() -> Response:
        return Response(document(), content_type="application/json")

    def docs() -> Response:
        return _page(current(), render("docs.html", current().nonce, document_url=f"{PREFIX}/openapi.json"))

    def asset(digest: str, name: str) -> Response:
        for each in files:
            if (file := each.find(digest, name)) is not None:
                response = Response(file.content, content_type=file.media_type)
                response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
                return response
        raise PageNotFound(name[:60])

    def problems() -> Response:
        described = [_described(reason, api_origin) for reason in catalogue()]
        if _wants_page(current()):
            return _page(current(), render("problems.html", current().nonce, problems=described))
        return Response(json.dumps({"Problems": described}), content_type="application/json")

    def problem(code: str) -> Response:
        described = next((_described(reason, api_origin) for reason in catalogue() if reason.code == code), None)
        if described is None:
            raise PageNotFound(code[:60])
        if _wants_page(current()):
            return _page(current(), render("problem.html", current().nonce, problem=described))
        return Response(json.dumps(described), content_type="application/json")

    def warnings() -> Response:
        described = [_warning_described(code, meaning) for code, meaning in CATALOGUE.items()]
        if _wants_page(current()):
            return _page(current(), render("warnings.html", current().nonce, warnings=described))
        return Response(json.dumps({"Warnings": described}), content_type="application/json")

    views: tuple[Callable[..., Response], ...] = (openapi, docs, asset, problems, problem, warnings)
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


def _renderer(urls: dict[str, str]) -> Callable[..., str]:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )

    def render(template: str, nonce: str, **values: Any) -> str:
        return environment.get_template(template).render(nonce=nonce, asset=urls, prefix=PREFIX, **values)

    return render


def _page(request: HubRequest, html: str) -> Response:
    response = Response(html, content_type="text/html; charset=utf-8")
    # Not idp.web.headers.secure: Swagger UI draws its icons from data: addresses, which no page with payer data may.
    response.headers["Content-Security-Policy"] = "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{request.nonce}'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Vary"] = "Accept"
    return response
