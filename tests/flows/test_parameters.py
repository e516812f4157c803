"""The parameters of a redirect: what is read, what is refused, what is ignored, and what the diagnostics say of it."""

from __future__ import annotations

import pytest
from werkzeug.test import Client

from idp.errors import InvalidRedirect
from tests.flows.visitor import FULL, SILENT, Answer
from tests.flows.world import ACTOR, HARBORLIGHT, PRAIRIE, World


def send(world: World, form: dict[str, str] | list[tuple[str, str]], *, dest: str = FULL) -> Answer:
    return world.visitor(dest).post(f"{world.biller().base_url}/sso/connect", form, origin=HARBORLIGHT)


def failed(world: World, answer: Answer) -> str:
    """What came, by the one check that did not hold."""
    refusal = world.refusal(answer)
    broken = [check for check in refusal.checks if check.failed]
    assert len(broken) == 1
    # Of parameters that cannot be read, what can still be asked is asked too.
    assert broken[0] is (refusal.checks[0] if refusal.code == InvalidRedirect.code else refusal.checks[-1])
    assert broken[0].fix
    return broken[0].came


def test_names_are_matched_without_regard_to_case(shared: World) -> None:
    for change in (str.lower, str.upper, str.swapcase):
        form = {change(name): value for name, value in shared.form(shared.token(), AccountNumber="1001-02").items()}
        moved = send(shared, form)
        assert moved.status == 303, change


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("RemoteAuthenticationToken", "RemoteAuthenticationToken"),
        ("RedirectID", "redirectid"),
        ("ViewMode", "VIEWMODE"),
        ("ReturnUrl", "returnURL"),
        ("AccountNumber", "accountnumber"),
        ("CSSUrl", "CssUrl"),
        ("CustomReturnSiteName", "customReturnSiteName"),
        ("Resume", "RESUME"),
    ],
)
def test_a_known_parameter_twice_is_refused_even_with_the_same_value_or_another_spelling(
    shared: World, name: str, again: str
) -> None:
    token = shared.token()
    form = shared.form(token) | {name: shared.form(token).get(name, "")}
    answer = send(shared, [*form.items(), (again, form[name])])
    assert answer.status == 400
    assert f"{name.lower()}: given twice" in failed(shared, answer)
    # Refused before anything is spent.
    assert send(shared, shared.form(token)).status == 303


def test_a_parameter_once_in_the_query_and_once_in_the_form_counts_by_the_form_alone(shared: World) -> None:
    url = f"{shared.biller().base_url}/sso/connect?RedirectID=9&ViewMode=7"
    moved = shared.visitor().post(url, shared.form(shared.token()), origin=None)
    assert moved.status == 303
    assert moved.location.endswith("/bills")


def test_a_get_with_a_parameter_twice_is_refused(shared: World) -> None:
    base = f"{shared.biller().base_url}/sso/connect?RemoteAuthenticationToken={shared.token()}&ViewMode=0"
    assert shared.visitor().get(f"{base}&RedirectID=1&redirectid=2").status == 400
    assert shared.visitor().get(f"{base}&RedirectID=1&redirectid%5B%5D=2").status == 303


def test_unknown_parameters_are_ignored_even_twice_and_noted_in_the_diagnostics(shared: World) -> None:
    extra = [("Colour", "blue"), ("Colour", "red"), ("Theme2", "x")]
    assert send(shared, [*shared.form(shared.token()).items(), *extra]).status == 303
    off_list = shared.form(shared.token(), ReturnUrl="https://elsewhere.example/")
    refusal = shared.refusal(send(shared, [*off_list.items(), *extra]))
    assert refusal.checks[0].name == "parameters"
    assert refusal.checks[0].held
    assert refusal.checks[0].came == "ignored: colour, theme2"


def test_a_css_url_that_is_no_theme_and_resume_are_read_and_change_nothing(shared: World) -> None:
    form = shared.form(shared.token(), CSSUrl="https://styles.example/x.css", Resume="opaque-handle")
    visitor = shared.visitor()
    moved = visitor.post(f"{shared.biller().base_url}/sso/connect", form, origin=None)
    assert moved.status == 303
    assert "styles.example" not in visitor.get(shared.url(moved.location)).text


@pytest.mark.parametrize(
    "value", ["0", "12", "-1", "abc", "", " 1", "1 ", "01", "1.0", "+1", "1e0", "١", "１", "²", "1\x00", "1,2"]
)
def test_a_redirect_id_that_is_not_one_to_eleven_is_refused_and_spends_nothing(shared: World, value: str) -> None:
    token = shared.token(key="single")
    answer = send(shared, shared.form(token, RedirectID=value))
    assert answer.status == 400
    assert shared.refusal(answer).code == InvalidRedirect.code
    assert failed(shared, answer) == "RedirectID: 1 to 11"
    assert send(shared, shared.form(token)).status == 303


@pytest.mark.parametrize("value", ["7", "-1", "3", "", " 0", "00", "full", "٠", "true"])
def test_a_view_mode_that_is_not_zero_to_two_is_refused(shared: World, value: str) -> None:
    answer = send(shared, shared.form(shared.token(), ViewMode=value))
    assert answer.status == 400
    assert failed(shared, answer) == "ViewMode: 0, 1 or 2"


@pytest.mark.parametrize("name", ["RemoteAuthenticationToken", "ViewMode", "RedirectID"])
def test_a_required_parameter_that_is_missing_is_refused_and_named(shared: World, name: str) -> None:
    form = shared.form(shared.token())
    del form[name]
    answer = send(shared, form)
    assert answer.status == 400
    assert failed(shared, answer).startswith(f"{name}: ")


def test_everything_that_is_wrong_is_named_at_once(shared: World) -> None:
    answer = send(shared, {})
    came = failed(shared, answer)
    for name in ("RemoteAuthenticationToken", "ViewMode", "RedirectID"):
        assert name in came


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AccountNumber", "1" * 51),
        ("CustomReturnSiteName", "two\r\nlines"),
        ("AccountNumber", "1001-01\x00"),
        ("ReturnUrl", "https://pay.harborlight.example/back\r\nSet-Cookie: a=b"),
    ],
)
def test_an_over_long_value_or_one_with_control_characters_is_refused(shared: World, name: str, value: str) -> None:
    answer = send(shared, shared.form(shared.token(), **{name: value}))
    assert answer.status == 400
    assert failed(shared, answer).startswith(f"{name.lower()}: at most")


def test_a_site_name_of_eighty_characters_is_text_and_shown_as_such(shared: World) -> None:
    name = ("<b>" + "é" * 80)[:80]
    _, page = shared.frame(ReturnUrl="https://pay.harborlight.example/back", CustomReturnSiteName=name)
    assert "<b>é" not in page.text
    assert "&lt;b&gt;é" in page.text


@pytest.mark.parametrize(
    "token", ["x", "idht_", "idht_" + "A" * 42, "idht_" + "A" * 44, "idhx_" + "A" * 43, "Ж" * 48, "A" * 15_000]
)
def test_what_has_not_the_form_of_a_token_is_an_unknown_one(shared: World, token: str) -> None:
    answer = send(shared, shared.form(token))
    assert answer.status == 401
    assert shared.refusal(answer).code == "TokenUnknown"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/xml"])
def test_a_body_that_is_no_form_is_a_redirect_without_parameters(shared: World, content_type: str) -> None:
    url = f"{shared.biller().base_url}/sso/connect"
    answer = shared.visitor().post(url, {"RedirectID": "1"}, origin=None, headers={"Content-Type": content_type})
    assert answer.status == 400
    assert answer.reference


def test_a_form_with_hundreds_of_parameters_or_over_a_mebibyte_is_refused_without_a_fault(shared: World) -> None:
    form = shared.form(shared.token())
    assert send(shared, [*form.items(), *((f"p{number}", "x") for number in range(300))]).status in {400, 413}
    assert send(shared, form | {"p": "x" * (1024 * 1024)}).status == 413


@pytest.mark.parametrize(("dest", "mode"), [("iframe", "0"), ("iframe", "2"), ("document", "1"), ("object", "0"), ("embed", "2")])
def test_a_view_mode_against_the_browsers_word_is_refused(shared: World, dest: str, mode: str) -> None:
    answer = send(shared, shared.form(shared.token(), ViewMode=mode), dest=dest)
    assert answer.status == 403
    assert shared.refusal(answer).code == "ViewModeRefused"
    assert failed(shared, answer) == f"Sec-Fetch-Dest: {dest}"


@pytest.mark.parametrize("dest", ["image", "script", "style", "video", "font"])
def test_a_hand_off_that_a_page_loads_as_a_picture_or_script_is_refused(shared: World, dest: str) -> None:
    for mode in ("0", "1", "2"):
        answer = send(shared, shared.form(shared.token(), ViewMode=mode), dest=dest)
        assert answer.status == 403
        assert answer.cookies == {}


def test_a_browser_that_says_nothing_is_believed(shared: World) -> None:
    assert send(shared, shared.form(shared.token(), ViewMode="1"), dest=SILENT).status == 200
    assert send(shared, shared.form(shared.token(), ViewMode="0"), dest=SILENT).status == 303


@pytest.mark.parametrize("number", ["1002-01", "9999-99", "1001-01 OR 1=1", "*", "%", "1001"])
def test_an_account_that_is_not_the_users_is_refused_and_never_replaced(shared: World, number: str) -> None:
    visitor = shared.visitor()
    answer = shared.connect(visitor, shared.token(), AccountNumber=number)
    assert answer.status == 403
    assert shared.refusal(answer).code == "AccountRefused"
    assert failed(shared, answer) == number
    assert answer.cookies == {}
    assert visitor.jars == {shared.biller().host: {}}


def test_an_account_of_the_same_number_at_another_biller_is_another_account(world: World) -> None:
    biller = world.biller(PRAIRIE)
    made = world.hub.customers.create(ACTOR, "-", biller, "7007-07", name="prairie customer 7007-07")
    answer = world.connect(world.visitor(), world.token(), AccountNumber=made.account_number)
    assert answer.status == 403
    # Same number at both: each biller's token opens its own.
    _, here = world.frame(AccountNumber="1001-01")
    _, there = world.frame(key="prairie", AccountNumber="1001-01")
    assert "riverbend customer 1001-01" in here.text
    assert "prairie customer 1001-01" in there.text


def test_blanks_around_an_account_number_do_not_count(shared: World) -> None:
    _, page = shared.frame(AccountNumber="  1001-02 ")
    assert "riverbend customer 1001-02" in page.text


@pytest.mark.parametrize(
    "path", ["sso/connect", "sso/link", "sign-out", "language", "sessions/end", "out", "a/00000000000000000000/bills"]
)
def test_a_form_with_a_part_that_has_no_name_is_refused_and_no_failure(shared: World, path: str) -> None:
    body = b"--x\r\nContent-Disposition: form-data\r\n\r\none\r\n--x--\r\n"
    answer = Client(shared.app).post(
        f"/b/riverbend/{path}",
        data=body,
        content_type="multipart/form-data; boundary=x",
        headers={"Origin": shared.biller().origin},
        base_url=shared.biller().origin,
    )
    assert answer.status_code == 400
