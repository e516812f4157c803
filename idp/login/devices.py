"""Devices: what a browser says of itself, as words of closed sets: named to payers (texts `browsers.*`, `systems.*`), and counted.

A User-Agent is a claim of the browser and decides nothing.
"""

from __future__ import annotations

from typing import Literal

Browser = Literal["chrome", "edge", "firefox", "safari", "samsung", "opera", "app", "other"]
System = Literal["windows", "macos", "iphone", "ipad", "android", "linux", "chromeos", "other"]

_MOST = 400
# In this order: most name others too, for whom they want to be taken.
_BROWSERS: tuple[tuple[str, Browser], ...] = (
    ("Edg", "edge"),
    ("OPR/", "opera"),
    ("SamsungBrowser/", "samsung"),
    ("FxiOS/", "firefox"),
    ("Firefox/", "firefox"),
    ("CriOS/", "chrome"),
    ("; wv)", "app"),
    ("Chrome/", "chrome"),
    ("Version/", "safari"),
    ("AppleWebKit/", "app"),
)
_SYSTEMS: tuple[tuple[str, System], ...] = (
    ("iPhone", "iphone"),
    ("iPad", "ipad"),
    ("Android", "android"),
    ("CrOS", "chromeos"),
    ("Windows", "windows"),
    ("Macintosh", "macos"),
    ("Linux", "linux"),
)


def browser_of(user_agent: str) -> Browser:
    """The kind of browser; `app` is a page inside an app."""
    sent = user_agent[:_MOST]
    return next((name for mark, name in _BROWSERS if mark in sent), "other")


def system_of(user_agent: str) -> System:
    """The operating system."""
    sent = user_agent[:_MOST]
    return next((name for mark, name in _SYSTEMS if mark in sent), "other")
