"""ReturnUrl: exactly the origins and paths on the key's list, and nothing that only looks like them."""

from __future__ import annotations

import pytest

from tests.flows.visitor import FRAME
from tests.flows.world import BACK, HARBORLIGHT, MEADOWLINE, World

ON = (
    BACK,
    f"{BACK}/",
    f"{BACK}/deep/er",
    f"{BACK}?a=1&b=2",
    f"{BACK}?next=https://elsewhere.example/",
    "https://pay.harborlight.example:443/back",
    "https://kiosk.harborlight.example",
    "https://kiosk.harborlight.example/any/where",
    "HTTPS://PAY.HARBORLIGHT.EXAMPLE/back",
)

OFF = {
    "another host": "https://elsewhere.example/back",
    "another path": f"{HARBORLIGHT}/other",
    "no path": f"{HARBORLIGHT}/",
    "a longer segment": f"{BACK}door",
    "the path in another case": f"{HARBORLIGHT}/BACK",
    "out of the path": f"{BACK}/../admin",
    "out of the path, encoded": f"{BACK}/%2e%2e/admin",
    "out of the path, half encoded": f"{BACK}/.%2E/admin",
    "a backslash in the path": f"{BACK}\\..\\admin",
    "an encoded backslash": f"{BACK}/..%5cadmin",
    "an encoded slash": f"{BACK}/..%2fadmin",
    "user information": "https://pay.harborlight.example@elsewhere.example/back",
    "user information on our host": "https://user:pw@pay.harborlight.example/back",
    "an empty user": "https://@pay.harborlight.example/back",
    "a backslash for a slash": "https://elsewhere.example\\@pay.harborlight.example/back",
    "backslashes": "https:\\\\pay.harborlight.example\\back",
    "a blank in front": f" {BACK}",
    "a blank at the end": f"{BACK} ",
    "an encoded dot in the host": "https://pay%2eharborlight.example/back",
    "a full-width dot": "https://pay．harborlight.example/back",
    "an ideographic dot": "https://pay。harborlight.example/back",
    "a look-alike letter": "https://pаy.harborlight.example/back",
    "a trailing dot": "https://pay.harborlight.example./back",
    "another scheme": BACK.replace("https", "http"),
    "javascript": "javascript:alert(1)//https://pay.harborlight.example/back",
    "data": "data:text/html,<script>alert(1)</script>",
    "no scheme": "//pay.harborlight.example/back",
    "a path": "/back",
    "a word": "back",
    "another port": "https://pay.harborlight.example:8443/back",
    "no such port": "https://pay.harborlight.example:99999/back",
    "a port of letters": "https://pay.harborlight.example:abc/back",
    "an IPv6 address": "https://[::1]/back",
    "a broken IPv6 address": "https://[::1/back",
    "our host in brackets": "https://[pay.harborlight.example]/back",
    "a longer host": "https://pay.harborlight.example.elsewhere.example/back",
    "a shorter host": "https://harborlight.example/back",
    "a host in front": "https://xpay.harborlight.example/back",
    "a wildcard": "https://*.harborlight.example/back",
    "another key's list": "https://meadowline.example/home",
    "another biller's list": "https://prairie.harborlight.example/back",
    "the hub itself": "https://riverbend.hub.example.com/b/riverbend/",
    "a fragment first": "https://elsewhere.example/#https://pay.harborlight.example/back",
}

CONTROL = {"a tab": "https://pay.harbor\tlight.example/back", "a line break": f"{BACK}\n", "a null": f"{BACK}\x00"}


@pytest.mark.parametrize("url", ON)
def test_a_return_url_on_the_list_is_where_sign_out_leads_to(shared: World, url: str) -> None:
    _, page = shared.frame(ReturnUrl=url)
    assert "/sign-out" in page.text


@pytest.mark.parametrize("what", OFF)
def test_a_return_url_off_the_list_is_refused(shared: World, what: str) -> None:
    answer = shared.connect(shared.visitor(), shared.token(), ReturnUrl=OFF[what])
    assert answer.status == 403
    refusal = shared.refusal(answer)
    assert refusal.code == "ReturnUrlRefused"
    broken = refusal.checks[-1]
    assert broken.name == "ReturnUrl"
    assert broken.came == OFF[what][:200]
    assert BACK in broken.expected
    assert f'"{OFF[what]}"' not in answer.text
    assert answer.cookies == {}


@pytest.mark.parametrize("what", CONTROL)
def test_a_return_url_with_control_characters_is_no_url_at_all(shared: World, what: str) -> None:
    answer = shared.connect(shared.visitor(), shared.token(), ReturnUrl=CONTROL[what])
    assert answer.status == 400


def test_a_fragment_stays_on_the_way_back(shared: World) -> None:
    visitor, page = shared.frame(ReturnUrl=f"{BACK}#bills")
    out = shared.sign_out(visitor, page)
    assert f'href="{BACK}#bills"' in out.text


def test_a_key_without_a_list_returns_nowhere(shared: World) -> None:
    answer = shared.connect(shared.visitor(), shared.token(key="bills only"), ReturnUrl=BACK)
    assert answer.status == 403
    assert "(nothing registered)" in shared.refusal(answer).checks[-1].expected


def test_each_key_has_a_list_of_its_own(shared: World) -> None:
    framing, token = shared.visitor(FRAME), shared.token(key="meadowline")
    page = shared.connect(framing, token, origin=MEADOWLINE, ReturnUrl="https://meadowline.example/home")
    assert "/sign-out" in page.text
    assert shared.connect(shared.visitor(), token, origin=MEADOWLINE, ReturnUrl=BACK).status == 403
