"""Advanced settings: typed, the biller's own, secrets in and never out, a credential gone with its endpoint."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from hub.storage.tables.directory import advanced_settings
from hub.storage.tables.log import change_values
from idp.directory.advanced_settings import CATALOGUE, AdvancedSettings
from idp.errors import BillerNotFound, InvalidFields
from tests.idp.directory.house import BIRCHWOOD, MAKER, OAKDALE, House

HUSH = "hush-hush-77"
SECRETS = [number for number, setting in CATALOGUE.items() if setting.kind == "secret"]
ENDPOINTS = {10: 8, 13: 11, 16: 14, 19: 17}


@pytest.fixture
def settings(house: House) -> AdvancedSettings:
    return AdvancedSettings(house.sql.begin, house.sql.kv, house.secrets)


def stored(house: House) -> str:
    with house.sql.single.connect() as connection:
        return repr(connection.execute(select(advanced_settings)).all()) + repr(connection.execute(select(change_values)).all())


@pytest.mark.parametrize("number", SECRETS)
def test_a_secret_goes_in_and_is_shown_logged_and_stored_nowhere(house: House, settings: AdvancedSettings, number: int) -> None:
    settings.put(MAKER, "r", OAKDALE, number, HUSH)
    assert settings.show(OAKDALE)[number] == "(set)"
    assert settings.show(BIRCHWOOD)[number] == ""
    assert settings.read(OAKDALE, number) == HUSH
    assert settings.read(BIRCHWOOD, number) == ""
    settings.put(MAKER, "r", OAKDALE, number, HUSH + "2")
    settings.put(MAKER, "r", OAKDALE, number, "")
    assert settings.show(OAKDALE)[number] == ""
    assert HUSH not in stored(house)


@pytest.mark.parametrize(("credential", "endpoint"), ENDPOINTS.items())
def test_a_credential_goes_with_its_endpoint(settings: AdvancedSettings, credential: int, endpoint: int) -> None:
    def prepare() -> None:
        settings.put(MAKER, "r", OAKDALE, endpoint, "https://cis.example.com/one")
        settings.put(MAKER, "r", OAKDALE, credential, HUSH)

    prepare()
    settings.put(MAKER, "r", OAKDALE, endpoint, "https://cis.example.com/one")
    assert settings.read(OAKDALE, credential) == HUSH
    settings.put(MAKER, "r", OAKDALE, endpoint, "https://stranger.example.com")
    assert settings.read(OAKDALE, credential) == ""
    prepare()
    settings.put(MAKER, "r", OAKDALE, endpoint, "")
    assert settings.read(OAKDALE, credential) == ""
    assert set(SECRETS) == set(ENDPOINTS)


@pytest.mark.parametrize("number", [8, 11])
def test_an_endpoint_that_changes_leaves_the_credentials_of_others(settings: AdvancedSettings, number: int) -> None:
    for credential in SECRETS:
        settings.put(MAKER, "r", OAKDALE, credential, HUSH)
        settings.put(MAKER, "r", BIRCHWOOD, credential, HUSH)
    settings.put(MAKER, "r", OAKDALE, number, "https://cis.example.com")
    gone = [credential for credential in SECRETS if not settings.read(OAKDALE, credential)]
    assert [ENDPOINTS[credential] for credential in gone] == [number]
    assert all(settings.read(BIRCHWOOD, credential) for credential in SECRETS)


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (0, "x"),
        (10_000, "x"),
        (3, "javascript:alert(1)"),
        (3, "//evil.example"),
        (3, "https://u@evil.example"),
        (6, "yes"),
        (32, "2"),
        (35, "one"),
        (131, "{"),
        (9, "x" * 10_001),
    ],
)
def test_a_value_of_another_type_is_refused_by_number(settings: AdvancedSettings, number: int, value: str) -> None:
    before = settings.show(OAKDALE)
    with pytest.raises(InvalidFields) as refused:
        settings.put(MAKER, "r", OAKDALE, number, value)
    assert [each.field for each in refused.value.fields] == [f"Setting {number}"]
    assert settings.show(OAKDALE) == before


def test_an_unknown_number_is_kept_and_shown(settings: AdvancedSettings) -> None:
    settings.put(MAKER, "r", OAKDALE, 777, "anything")
    assert settings.show(OAKDALE)[777] == settings.read(OAKDALE, 777) == "anything"
    assert 777 not in settings.show(BIRCHWOOD)
    assert settings.read(BIRCHWOOD, 777) == ""


def test_what_is_not_set_has_its_default_and_an_empty_value_brings_it_back(settings: AdvancedSettings) -> None:
    assert settings.show(OAKDALE) == {number: setting.default for number, setting in CATALOGUE.items()}
    settings.put(MAKER, "r", OAKDALE, 32, "1")
    assert settings.read(OAKDALE, 32) == "1"
    settings.put(MAKER, "r", OAKDALE, 32, "")
    assert settings.read(OAKDALE, 32) == "0"


def test_setting_3_stands_on_the_billers_row_too(house: House, settings: AdvancedSettings) -> None:
    url = "https://pay.example.com/sign-in"
    settings.put(MAKER, "r", OAKDALE, 3, url)
    assert (house.biller().sso_login_url, house.biller(BIRCHWOOD).sso_login_url) == (url, "")
    settings.put(MAKER, "r", OAKDALE, 3, "")
    assert house.biller().sso_login_url == ""


def test_a_biller_that_is_not_there_has_no_settings(settings: AdvancedSettings) -> None:
    with pytest.raises(BillerNotFound):
        settings.put(MAKER, "r", 999, 6, "1")
