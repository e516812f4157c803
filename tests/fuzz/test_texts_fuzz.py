"""Whatever text is in a path, query, form, header or body, API and portal answer, and never with 5xx: NUL, surrogates, too long."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote_from_bytes

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from hub.wsgi import api_site, portal_site
from idp.directory.api_keys import KeyPolicies, Scope
from sso_connect import refusal_limits
from sso_connect.api.operations import OPERATIONS, PREFIX, Operation
from tests.flows.world import ACTOR, DOMAIN, RIVERBEND, World, open_world, prepare

RAW = {
    "NUL": b"a\x00b",
    "a lone surrogate": b"\xed\xa0\x80",
    "no UTF-8": b"\xff\xfe\xc3",
    "controls": b"\x01\x1f\x7f\xc2\x85\r\n" + "\u2028\U0010ffff".encode(),
    "too long": b"x" * 30_000,
}
HEADERS = (
    "User-Agent", "Idempotency-Key", "X-Request-Id", "X-Api-Key", "Authorization", "Accept-Language", "Content-Type", "Origin",
    "Referer", "Cookie", "Sec-Fetch-Dest", "Sec-Fetch-Site", "Host", "X-Forwarded-For", "X-Forwarded-Host", "Content-Length",
)  # fmt: skip


FIELDS = (
    "RemoteAuthenticationToken", "ViewMode", "RedirectID", "AccountNumber", "ReturnUrl", "CSSUrl", "CustomReturnSiteName", "Resume",
    "link", "path", "answer", "csrf_token", "frame_token", "ticket", "session", "back", "locale", "code", "cursor", "odd",
)  # fmt: skip
API, PORTAL = f"api.{DOMAIN}", f"riverbend.{DOMAIN}"
GUID = "01890a5d-ac96-774b-bcce-b302099a8057"
FORM, JSON = {"CONTENT_TYPE": "application/x-www-form-urlencoded"}, {"CONTENT_TYPE": "application/json"}


@dataclass(frozen=True)
class Case:
    """A world on one of the databases, a key without a limit that matters, and a signed-in browser's cookies and page."""

    world: World
    secret: str
    cookies: str
    page: str
    token: str

    @property
    def of_key(self) -> dict[str, str]:
        return {"X_API_KEY": self.secret}

    @property
    def of_browser(self) -> dict[str, str]:
        return {"COOKIE": self.cookies, "ORIGIN": f"https://{PORTAL}"}

    def ask(
        self, method: str, host: str, path: bytes, headers: Mapping[str, str], *, query: bytes = b"", body: bytes | None = None
    ) -> tuple[int, str]:
        """A request as a server would hand it over: bytes as latin-1, nothing put right on the way. Never 5xx."""
        environ = EnvironBuilder(method=method, base_url=f"https://{host}").get_environ()
        environ |= {"PATH_INFO": path.decode("latin-1"), "QUERY_STRING": query.decode("latin-1"), "REMOTE_ADDR": "203.0.113.7"}
        if body is not None:
            environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        for name, value in headers.items():
            environ[name if name.startswith("CONTENT_") else f"HTTP_{name}"] = value
        parts, line, _ = run_wsgi_app(self.world.app, environ, buffered=True)
        status, text = int(line.partition(" ")[0]), b"".join(parts).decode("utf-8", "replace")
        sent = {name: value[:60] for name, value in headers.items()}
        assert status < 500, (method, path[:80], query[:80], (body or b"")[:80], sent, text[:300])
        return status, text


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("texts")
    settings = {} if request.param == "sqlite" else {"database_url": request.getfixturevalue("module_postgres_url")}
    prepared = prepare(folder, **settings)
    # Refusals are kept as long as their buckets last; here each is to reach the database.
    monkeypatch = pytest.MonkeyPatch()
    for name in ("OF_A_KEY", "OF_A_PAYER", "OF_NOBODY", "OF_NOBODY_ANYWHERE"):
        monkeypatch.setattr(refusal_limits, name, (1e6, 1_000_000))
    with open_world(prepared, tmp_path_factory.mktemp("open"), **settings) as world:
        fast = KeyPolicies(scopes=frozenset(Scope), users="all", rate_per_second=100_000, burst=1_000_000)
        issued = world.hub.api_keys.issue(ACTOR, "r", bid=RIVERBEND, partner_slug="harborlight", policies=fast)
        visitor, page = world.full_page()
        cookies = "; ".join(f"{name}={value}" for name, value in visitor.jars[world.biller().host].items())
        yield Case(world, issued.secret, cookies, page.partition(PORTAL)[2], world.token())
    monkeypatch.undo()


def rules(case: Case) -> list[tuple[str, str, str]]:
    """(host, method, rule) of every route of both sites."""
    sites = ((API, api_site(case.world.hub)), (PORTAL, portal_site(case.world.hub)))
    return [
        (host, method, re.sub(r'<any_case\("([^"]+)"[^>]*>', lambda found: found[1], rule.rule))
        for host, app in sites
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def filled(rule: str, name: str = "", raw: bytes = b"") -> bytes:
    """The path of a rule with something plausible in each place, and `raw` in the place `name`."""
    usual = {"slug": "riverbend", "page": "bills", "handle": "0" * 20, "name": "hub.css", "digest": "0" * 12}

    def value(found: re.Match[str]) -> str:
        return raw.decode("latin-1") if found[1] == name else usual.get(found[1], GUID)

    return re.sub(r"<(?:\w+:)?(\w+)>", value, rule).encode("latin-1")


def path_of(operation: Operation) -> bytes:
    return re.sub(r"{\w+}", GUID, f"{PREFIX}{operation.path}").encode()


every_text = pytest.mark.parametrize("raw", RAW.values(), ids=RAW.keys())


@every_text
def test_any_text_in_any_place_of_a_path_is_answered(case: Case, raw: bytes) -> None:
    for host, method, rule in rules(case):
        for name in re.findall(r"<(?:\w+:)?(\w+)>", rule):
            who = JSON | case.of_key if host == API else FORM | case.of_browser
            case.ask(method, host, filled(rule, name, raw), who, body=b"{}" if method != "GET" else None)


@every_text
def test_any_text_in_any_query_parameter_of_an_operation_is_answered(case: Case, raw: bytes) -> None:
    value = quote_from_bytes(raw).encode()
    for operation in OPERATIONS:
        names = [] if operation.query is None else [str(each.alias).encode() for each in operation.query.model_fields.values()]
        for name in (*names, b"odd", value):
            body = None if operation.method == "GET" else b"{}"
            case.ask(operation.method, API, path_of(operation), JSON | case.of_key, query=name + b"=" + value, body=body)


@every_text
def test_any_text_in_any_query_parameter_of_a_page_is_answered(case: Case, raw: bytes) -> None:
    value = quote_from_bytes(raw).encode()
    pages = [rule for host, method, rule in rules(case) if host == PORTAL and method == "GET"]
    for rule in (*pages, case.page):
        for name in (*FIELDS, ""):
            case.ask("GET", PORTAL, filled(rule), case.of_browser, query=(name.encode() or value) + b"=" + value)


@every_text
def test_any_text_in_any_field_of_a_form_is_answered(case: Case, raw: bytes) -> None:
    value = quote_from_bytes(raw).encode()
    parted = {"CONTENT_TYPE": "multipart/form-data; boundary=x"}
    forms = [rule for host, method, rule in rules(case) if host == PORTAL and method == "POST"]
    for rule in (*forms, case.page):
        for name in FIELDS:
            case.ask("POST", PORTAL, filled(rule), FORM | case.of_browser, body=name.encode() + b"=" + value + b"&" + value)
            parts = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n--x--\r\n' % (name.encode(), raw)
            case.ask("POST", PORTAL, filled(rule), parted | case.of_browser, body=parts)


@every_text
def test_any_text_in_any_header_is_answered(case: Case, raw: bytes) -> None:
    register = f"{PREFIX}/remote-authentication/register-accounts".encode()
    body = json.dumps({"UserName": "kim", "EmailAddress": "kim@example.com", "Accounts": [{"AccountNumber": "7"}]}).encode()
    redirect = f"RemoteAuthenticationToken={case.token}&ViewMode=0&RedirectID=1".encode()
    for name in HEADERS:
        header = {name.upper().replace("-", "_"): raw.decode("latin-1")}
        by_key, by_browser = JSON | case.of_key | header, FORM | case.of_browser | header
        case.ask("POST", API, register, by_key, body=body)
        case.ask("GET", API, f"{PREFIX}/diagnostics/recent".encode(), by_key)
        case.ask("GET", PORTAL, b"/b/riverbend/sso/connect", by_browser, query=redirect)
        case.ask("POST", PORTAL, b"/b/riverbend/sso/connect", by_browser, body=redirect)
        case.ask("GET", PORTAL, case.page.encode(), by_browser)
        case.ask("POST", PORTAL, case.page.encode(), by_browser, body=b"")


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x" * 30_000, "\u2028", "\U0010ffff"])
def test_any_text_in_any_field_of_a_body_is_answered(case: Case, text: str) -> None:
    for operation in OPERATIONS:
        fields = () if operation.request is None else operation.request.model_fields.values()
        for field in fields:
            for value in (text, [text], {text: text}, [{"AccountNumber": text, "RoleCode": text}]):
                body = json.dumps({str(field.alias): value}).encode()
                case.ask(operation.method, API, path_of(operation), JSON | case.of_key, body=body)
