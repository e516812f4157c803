"""Devices: what real browsers say of themselves, as words of closed sets that have a text in every language."""

from __future__ import annotations

from typing import get_args

import pytest

from idp.login.devices import Browser, System, browser_of, system_of
from idp.texts import LOCALES, Texts

_WINDOWS, _MAC, _ANDROID = "(Windows NT 10.0; Win64; x64)", "(Macintosh; Intel Mac OS X 10_15_7)", "(Linux; Android 14; Pixel 8)"
_IPHONE = "(iPhone; CPU iPhone OS 18_5 like Mac OS X)"
_KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("said", "browser", "system"),
    [
        (f"Mozilla/5.0 {_WINDOWS} {_KHTML} Chrome/131.0.0.0 Safari/537.36", "chrome", "windows"),
        (f"Mozilla/5.0 {_WINDOWS} {_KHTML} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0", "edge", "windows"),
        (f"Mozilla/5.0 {_WINDOWS} {_KHTML} Chrome/131.0.0.0 Safari/537.36 OPR/115.0", "opera", "windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "firefox", "linux"),
        (f"Mozilla/5.0 {_MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15", "safari", "macos"),
        (
            f"Mozilla/5.0 {_IPHONE} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
            "safari",
            "iphone",
        ),
        (
            f"Mozilla/5.0 {_IPHONE} AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0 Mobile/15E148 Safari/604.1",
            "chrome",
            "iphone",
        ),
        (
            f"Mozilla/5.0 {_IPHONE} AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/133.0 Mobile/15E148 Safari/605.1",
            "firefox",
            "iphone",
        ),
        (f"Mozilla/5.0 {_IPHONE} AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148", "app", "iphone"),
        ("Mozilla/5.0 (iPad; CPU OS 16_3 like Mac OS X) AppleWebKit/605.1.15 Version/16.3 Safari/604.1", "safari", "ipad"),
        (f"Mozilla/5.0 {_ANDROID} {_KHTML} Chrome/131.0.0.0 Mobile Safari/537.36", "chrome", "android"),
        (f"Mozilla/5.0 {_ANDROID} {_KHTML} SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36", "samsung", "android"),
        (
            f"Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) {_KHTML} Version/4.0 Chrome/131.0.0.0 Mobile Safari/537.36",
            "app",
            "android",
        ),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_KHTML} Chrome/131.0.0.0 Safari/537.36", "chrome", "chromeos"),
        ("curl/8.10.1", "other", "other"),
        ("", "other", "other"),
        ("x" * 400 + "Firefox/133.0 Windows", "other", "other"),
    ],
)
def test_a_browser_and_its_system_are_told_by_what_it_says(said: str, browser: str, system: str) -> None:
    assert (browser_of(said), system_of(said)) == (browser, system)


@pytest.mark.parametrize("locale", LOCALES)
def test_every_word_has_a_text_for_payers(locale: str) -> None:
    texts = Texts(locale)
    for group, words in (("browsers", get_args(Browser)), ("systems", get_args(System))):
        for word in words:
            assert texts.has(f"{group}.{word}"), word
