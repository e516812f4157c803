"""The request as it is read at the door: which bodies are one JSON object, which parameters came, who sent it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import pytest
from werkzeug.test import EnvironBuilder

from idp.errors import BodyTooLarge, HubError, MalformedRequest, UnsupportedMediaType
from idp.web.request import MOST_BODY_BYTES, MOST_FORM_BYTES, MOST_JSON_DEPTH, MOST_NAMES, MOST_PARAMETERS, HubRequest

FORM = "application/x-www-form-urlencoded"


def request(body: bytes = b"", content_type: str = "application/json", **more: Any) -> HubRequest:
    more = {"method": "POST", "path": "/x", **more}
    return HubRequest(EnvironBuilder(data=body, content_type=content_type, **more).get_environ())


def refusal(body: bytes, content_type: str = "application/json") -> HubError:
    with pytest.raises(HubError) as refused:
        request(body, content_type).read_json()
    return refused.value


def nested(containers: int, innermost: bytes, *, lists: bool = False) -> bytes:
    """A body whose innermost value stands in this many containers."""
    opening, closing = (b"[", b"]") if lists else (b'{"a":', b"}")
    return b'{"a":' + opening * (containers - 1) + innermost + closing * (containers - 1) + b"}"


# --- one JSON object ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b' \r\n\t{"a": 1} \n', {"a": 1}),
        ('{"a": "zoë 🔑 \u2028"}'.encode(), {"a": "zoë 🔑 \u2028"}),
        (b'{"a": "\\ud83d\\udd11"}', {"a": "🔑"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),  # a byte order mark
        (b'{"a": {"b": 1}, "b": [{"a": 1}, {"a": 2}]}', {"a": {"b": 1}, "b": [{"a": 1}, {"a": 2}]}),  # the same name, elsewhere
        (b'{"a": null, "b": true, "c": -1.5e3}', {"a": None, "b": True, "c": -1500.0}),
        (b'{"": 1}', {"": 1}),
        (b'{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
        (b'{"a": 1e308}', {"a": 1e308}),
    ],
)
def test_one_json_object_is_read_as_it_is(body: bytes, value: dict[str, Any]) -> None:
    assert request(body).read_json() == value


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON", "application/json; charset=utf-8", "application/merge-patch+json"]
)
def test_any_type_of_json_is_read(content_type: str) -> None:
    assert request(b'{"a": 1}', content_type).read_json() == {"a": 1}


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "text/json", FORM, "application/xml", "application/jsonp", "multipart/form-data; boundary=x"]
)
def test_another_type_is_not(content_type: str) -> None:
    assert type(refusal(b'{"a": 1}', content_type)) is UnsupportedMediaType


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"a": 1',
        b'{"a": 1}}',
        b'{"a": 1} {"b": 2}',
        b'{"a": 1,}',
        b"{'a': 1}",
        b"{a: 1}",
        b'{"a": 01}',
        b'{"a": +1}',
        b'{"a": .5}',
        b'{"a": 0x10}',
        b'{"a": tru}',
        b'{"a": "line\nbreak"}',
        b'{"a": "\\x41"}',
        b'/* */{"a": 1}',
        b"null",
        b"1",
        b'"text"',
        b"[]",
        b'[{"a": 1}]',
        b"true",
    ],
)
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    assert type(refusal(body)) is MalformedRequest


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000, "-" + "1" * 4301, "1" * 400 + ".5"]
)
def test_a_number_that_nothing_can_hold_is_malformed(number: str) -> None:
    assert type(refusal(f'{{"a": {number}}}'.encode())) is MalformedRequest
    assert type(refusal(f'{{"a": [{{"b": {number}}}]}}'.encode())) is MalformedRequest


@pytest.mark.parametrize("text", ["\\u0000", "a\\u0000b", "\\ud800", "\\udc00", "\\udd11\\ud83d", "\\ud800x"])
def test_a_text_that_nothing_can_keep_is_malformed_as_value_and_as_name(text: str) -> None:
    assert type(refusal(f'{{"a": "{text}"}}'.encode())) is MalformedRequest
    assert type(refusal(f'{{"a": ["{text}"]}}'.encode())) is MalformedRequest
    assert type(refusal(f'{{"a": {{"{text}": 1}}}}'.encode())) is MalformedRequest


@pytest.mark.parametrize(
    "raw",
    [
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-32"),
        '{"a": "é"}'.encode("latin-1"),
        b'{"a": "\xff"}',
        b'{"a": "\xc0\xaf"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\x00"}',
        b'\xef\xbb\xbf\xef\xbb\xbf{"a": 1}',
    ],
)
def test_what_is_not_utf_8_is_malformed(raw: bytes) -> None:
    assert type(refusal(raw)) is MalformedRequest


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 1}',
        b'{"UserName": "pat", "username": "kim"}',
        b'{"x": {"A": 1, "a": 2}}',
        b'{"x": [{"\\u0061": 1, "A": 2}]}',
        b'{"": 1, "": 2}',
        '{"É": 1, "é": 2}'.encode(),
    ],
)
def test_a_name_that_comes_twice_in_any_case_is_malformed(body: bytes) -> None:
    error = refusal(body)
    assert type(error) is MalformedRequest
    assert "twice" in error.detail


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("innermost", [b"1", b'"x"', b"{}", b"[]", b"null"])
def test_twenty_deep_is_read_and_one_more_is_not(innermost: bytes, lists: bool) -> None:
    itself = 1 if innermost in {b"{}", b"[]"} else 0
    assert request(nested(MOST_JSON_DEPTH - itself, innermost, lists=lists)).read_json()
    assert type(refusal(nested(MOST_JSON_DEPTH - itself + 1, innermost, lists=lists))) is MalformedRequest


@pytest.mark.parametrize("body", [b'{"a":' * 100_000, b'{"a":' + b"[" * 500_000, nested(50_000, b"1", lists=True)])
def test_a_bottomless_body_is_malformed_and_no_fault(body: bytes) -> None:
    assert type(refusal(body)) is MalformedRequest


def test_a_mebibyte_is_read_and_a_byte_more_is_too_large() -> None:
    most = json.dumps({"a": "x" * (MOST_BODY_BYTES - len('{"a": ""}'))}).encode()
    assert len(most) == MOST_BODY_BYTES
    assert len(request(most).read_json()["a"]) > 0
    assert type(refusal(most + b" ")) is BodyTooLarge


def test_a_body_that_does_not_say_its_length_is_cut_off_at_the_limit_too() -> None:
    environ = EnvironBuilder(
        method="POST", data=b'{"a": "' + b"x" * MOST_BODY_BYTES + b'"}', content_type="application/json"
    ).get_environ()
    del environ["CONTENT_LENGTH"]
    environ["wsgi.input_terminated"] = True
    with pytest.raises(BodyTooLarge):
        HubRequest(environ).read_json()


def test_a_refusal_of_a_number_tells_nothing_of_the_machine() -> None:
    assert "sys." not in refusal(b'{"a": ' + b"1" * 5000 + b"}").detail


# --- parameters --------------------------------------------------------------------------------------------------------------


def test_parameters_are_known_by_lower_case_name_the_first_one_counts_and_twice_is_told() -> None:
    folded = request(b"RedirectID=1&redirectid=2&ViewMode=0&x=&x=y", FORM).folded
    assert folded.values == {"redirectid": "1", "viewmode": "0", "x": ""}
    assert folded.twice == {"redirectid", "x"}


def test_a_post_is_read_from_its_form_and_anything_else_from_its_address() -> None:
    posted = request(b"a=form", FORM, query_string="a=query&b=query")
    assert posted.folded.values == {"a": "form"}
    assert request(query_string="a=query", method="GET", content_type="").folded.values == {"a": "query"}


def test_a_form_in_parts_is_a_form() -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="A"\r\n\r\none\r\n--x--\r\n'
    assert request(body, "multipart/form-data; boundary=x").folded.values == {"a": "one"}


@pytest.mark.parametrize("disposition", ["form-data", "form-data; x=y", 'form-data; filename="a"', 'form-data; "name"="a"'])
def test_a_part_of_a_form_without_a_name_is_malformed_or_no_parameter(disposition: str) -> None:
    body = f"--x\r\nContent-Disposition: {disposition}\r\n\r\none\r\n--x--\r\n".encode()
    sent = request(body, "multipart/form-data; boundary=x")
    if "filename" in disposition:
        assert sent.folded.values == {}
        sent.close()
        return
    with pytest.raises(MalformedRequest):
        _ = sent.folded


@pytest.mark.parametrize(
    ("content_type", "start", "end"),
    [
        (FORM, b"a=", b""),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n', b"\r\n--x--\r\n"),
    ],
)
@pytest.mark.parametrize("says_length", [True, False])
def test_a_form_has_at_most_16_kib_whoever_serves_and_whether_or_not_it_says_its_length(
    content_type: str, start: bytes, end: bytes, says_length: bool
) -> None:
    def read(size: int) -> Mapping[str, str]:
        body = start + b"x" * (size - len(start) - len(end)) + end
        environ = EnvironBuilder(method="POST", data=body, content_type=content_type).get_environ()
        if not says_length:
            del environ["CONTENT_LENGTH"]
            environ["wsgi.input_terminated"] = True
        return HubRequest(environ).folded.values

    assert list(read(MOST_FORM_BYTES - 1)) == ["a"]
    with pytest.raises(BodyTooLarge):
        read(MOST_FORM_BYTES + 1)


def test_a_content_type_that_nobody_sends_in_earnest_is_none() -> None:
    for padding, mimetype in (("", FORM), ("; a=b" * 10_000, "")):
        assert request(b"a=1", FORM + padding).mimetype == mimetype


def test_an_object_of_many_names_is_malformed_before_any_model_sees_it() -> None:
    assert len(request(json.dumps({f"n{number}": 1 for number in range(MOST_NAMES)}).encode()).read_json()) == MOST_NAMES
    assert type(refusal(json.dumps({"a": {f"n{number}": 1 for number in range(MOST_NAMES + 1)}}).encode())) is MalformedRequest


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json"])
def test_a_post_of_another_type_has_no_parameters_to_read(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        _ = request(b"a=1", content_type).folded


def test_parameters_have_a_number_that_is_enough() -> None:
    most = "&".join(f"p{number}=1" for number in range(MOST_PARAMETERS))
    assert len(request(most.encode(), FORM).folded.values) == MOST_PARAMETERS
    for more in (request(f"{most}&q=1".encode(), FORM), request(method="GET", query_string=f"{most}&q=1", content_type="")):
        with pytest.raises(MalformedRequest):
            _ = more.folded


def test_a_form_over_a_mebibyte_is_too_large() -> None:
    with pytest.raises(BodyTooLarge):
        _ = request(b"a=" + b"x" * MOST_BODY_BYTES, FORM).folded


# --- who and where -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ({"Origin": "https://a.example"}, "https://a.example"),
        ({"Origin": "null"}, "null"),
        ({"Origin": ""}, ""),
        ({"Origin": "https://a.example", "Referer": "https://b.example/x"}, "https://a.example"),
        ({"Origin": "null", "Referer": "https://a.example/x"}, "null"),
        ({"Referer": "https://a.example:8443/x?y#z"}, "https://a.example:8443"),
        ({"Referer": "HTTPS://A.Example/x"}, "https://a.example"),
        ({"Referer": "https://a.example@b.example/x"}, "https://a.example@b.example"),
        ({"Referer": ""}, None),
        ({"Referer": "http://["}, None),
        ({"Referer": "https://[::1"}, None),
        ({"Referer": "about:blank"}, None),
        ({}, None),
    ],
)
def test_the_sender_is_origin_or_else_the_origin_of_the_referer(headers: dict[str, str], sender: str | None) -> None:
    assert request(headers=headers).sender_origin == sender


@pytest.mark.parametrize(("said", "heard"), [("IFRAME", "iframe"), ("document", "document")])
def test_the_browsers_word_is_read_without_regard_to_case(said: str, heard: str) -> None:
    assert request(headers={"Sec-Fetch-Dest": said}).fetch_dest == heard


def test_a_browser_that_says_nothing_is_heard_as_nothing() -> None:
    assert request().fetch_dest == ""


def test_the_host_is_lower_case_with_its_port() -> None:
    assert request(base_url="https://Riverbend.Hub.Example.com:8443").bare_host == "riverbend.hub.example.com:8443"


@pytest.mark.parametrize("host", ["riverbend.example.com:443", "riverbend.example.com.", "RIVERBEND.example.com.:443"])
def test_the_host_has_one_form_whatever_was_asked_for(host: str) -> None:
    asked = request(base_url="https://x", headers={"Host": host})
    assert asked.bare_host == "riverbend.example.com"


@pytest.mark.parametrize("name", ["Origin", "Referer"])
@pytest.mark.parametrize("host", ["Portal.example.com", "portal.example.com:443", "portal.example.com.", "portal.example.com.:443"])
def test_a_sender_has_one_form_whatever_the_browser_says(name: str, host: str) -> None:
    sent = f"https://{host}" + ("/page?x=1" if name == "Referer" else "")
    assert request(headers={name: sent}).sender_origin == "https://portal.example.com"
    assert request(headers={name: sent}).named_sender == "https://portal.example.com"


@pytest.mark.parametrize(
    "text", ["https://portal.example.com@evil.example", "https://user@portal.example.com", "https://portal.example.com.."]
)
@pytest.mark.parametrize("name", ["Origin", "Referer"])
def test_a_sender_of_no_plain_origin_is_nobody_whom_we_know(name: str, text: str) -> None:
    assert request(headers={name: text}).sender_origin != "https://portal.example.com"


def test_every_request_has_an_id_and_a_nonce_of_its_own_that_stay_and_come_from_nobody_else() -> None:
    first = request(headers={"X-Request-Id": "mine"})
    assert first.request_id == first.request_id != "mine"
    assert first.nonce == first.nonce
    assert len({first.request_id, request().request_id}) == 2
    assert len({first.nonce, request().nonce}) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_too_many_parameters_are_counted_before_they_are_parsed(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("parsed")

    many = "&".join(f"n{number}=1" for number in range(MOST_PARAMETERS + 1))
    sent = request(query_string=many, method="GET") if method == "GET" else request(many.encode(), FORM)
    monkeypatch.setattr(HubRequest, "args", property(parse))
    monkeypatch.setattr(HubRequest, "form", property(parse))
    with pytest.raises(MalformedRequest):
        _ = sent.folded


def test_as_many_parameters_as_are_allowed_are_read() -> None:
    sent = request("&".join(f"n{number}=1" for number in range(MOST_PARAMETERS)).encode(), FORM)
    assert len(sent.folded.values) == MOST_PARAMETERS
