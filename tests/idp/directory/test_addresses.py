"""Addresses that payers are sent to: https only from now on; one from before stays a link, and vouches for nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from idp.directory.advanced_settings import SSO_LOGIN_URL, AdvancedSettings
from idp.directory.billers import Billers
from idp.directory.partners import Partners
from idp.errors import InvalidFields
from tests.idp.directory.house import BIRCHWOOD, MAKER, OAKDALE, House

PLAIN = "http://pay.example.com/login"
BAD = [
    PLAIN, "HTTP://pay.example.com", "http://localhost:8090/", "https://user@pay.example.com", "https://pay.example.com/#x",
    "https://pay.example.com:0/", "https://pay.example.com\\@evil.example", "https://pay.exa\tmple.com", "https://pay.example.com.",
    "https://p\u0430y.example.com", "https://127.1/", "javascript:alert(1)", " https://pay.example.com", "https://pay.example.com/\x00",
]  # fmt: skip


def partners(house: House, *, allow: bool = False) -> Partners:
    return Partners(house.sql.begin, house.sql.clock, allow_loopback_origins=allow)


def settings(house: House, *, allow: bool = False) -> AdvancedSettings:
    return AdvancedSettings(house.sql.begin, house.sql.kv, house.secrets, allow_loopback_origins=allow)


def billers(house: House) -> Billers:
    return Billers(
        house.sql.begin, house.sql.database.read, house.sql.kv, house.sql.clock, house.secrets,
        scheme="https", portal_domain="hub.example.com", share_origins=False,
    )  # fmt: skip


@pytest.mark.parametrize("url", BAD)
def test_a_partner_gets_no_address_that_is_plain_http_or_has_two_readings(house: House, url: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        partners(house).create(MAKER, "r", slug="three", name="Three", url=url)
    assert [each.field for each in refused.value.fields] == ["Url"]
    with pytest.raises(InvalidFields) as refused:
        partners(house).change(MAKER, "r", "one", url=url)
    assert [each.field for each in refused.value.fields] == ["Url"]
    assert [each.slug for each in partners(house).list_all()] == ["one", "two"]


@pytest.mark.parametrize("url", BAD)
def test_setting_3_takes_no_address_that_is_plain_http_or_has_two_readings(house: House, url: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        settings(house).put(MAKER, "r", OAKDALE, SSO_LOGIN_URL, url)
    assert [each.field for each in refused.value.fields] == ["Setting 3"]
    with pytest.raises(InvalidFields) as refused:
        billers(house).change(MAKER, "r", OAKDALE, sso_login_url=url)
    assert [each.field for each in refused.value.fields] == ["Setting 3"]
    assert billers(house).get(OAKDALE).sso_login_url == ""


def test_an_address_is_kept_in_one_spelling(house: House) -> None:
    typed, kept = "HTTPS://Pay.Example.COM:443/Login?a=b", "https://pay.example.com/Login?a=b"
    assert partners(house).change(MAKER, "r", "one", url=typed).url == kept
    settings(house).put(MAKER, "r", OAKDALE, SSO_LOGIN_URL, typed)
    assert (billers(house).get(OAKDALE).sso_login_url, settings(house).show(OAKDALE)[3]) == (kept, kept)
    assert billers(house).get(BIRCHWOOD).sso_login_url == ""


def test_an_http_address_of_this_machine_is_taken_where_the_operator_allows_it(house: House) -> None:
    local = "http://partner.localhost:8090/login"
    assert partners(house, allow=True).change(MAKER, "r", "one", url=local).trusted_origins == {"http://partner.localhost:8090"}
    settings(house, allow=True).put(MAKER, "r", OAKDALE, SSO_LOGIN_URL, local)
    assert billers(house).get(OAKDALE).sso_login_url == local


def test_an_http_address_from_before_hinders_no_other_change_and_is_taken_away(house: House) -> None:
    with house.sql.begin() as stores:
        found = stores.partners.find_partner_by_slug("one")
        assert found is not None
        stores.partners.put_partner(replace(found, url=PLAIN))
        stores.billers.put_sso_login_url(OAKDALE, PLAIN)
    assert partners(house).change(MAKER, "r", "one", name="Another name").url == PLAIN
    assert partners(house).change(MAKER, "r", "one", url=PLAIN, name="Yet another").trusted_origins == set()
    assert billers(house).change(MAKER, "r", OAKDALE, dba="Another").sso_login_url == PLAIN
    assert partners(house).change(MAKER, "r", "one", url="").url == ""
    settings(house).put(MAKER, "r", OAKDALE, SSO_LOGIN_URL, "")
    assert billers(house).get(OAKDALE).sso_login_url == ""


@pytest.mark.parametrize(
    ("url", "origins"),
    [
        ("https://pay.example.com/login", {"https://pay.example.com"}),
        (PLAIN, set()),
        ("", set()),
        ("https://pay.example.com:0", set()),
        ("https://127.1/x", set()),
    ],
)
def test_a_partner_is_believed_to_send_from_its_https_address_only(house: House, url: str, origins: set[str]) -> None:
    (partner, _) = partners(house).list_all()
    assert replace(partner, url=url).trusted_origins == origins
