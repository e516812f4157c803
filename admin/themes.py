"""Themes as staff see, approve and refuse them."""

from __future__ import annotations

from admin.access import Permission, check_may
from idp.actor import Staff
from idp.directory.billers import Billers
from sso_connect.themes import Theme, Themes


class ThemeAdmin:
    """Shows, asks for, approves and refuses the stylesheets of a biller."""

    def __init__(self, themes: Themes, billers: Billers) -> None:
        self._themes = themes
        self._billers = billers

    def list_all(self, staff: Staff, request_id: str, bid: int) -> list[Theme]:  # noqa: ARG002
        """Oldest first. BillerNotFound."""
        check_may(staff, Permission.BILLER_THEMES_READ, bid)
        self._billers.get(bid)
        return self._themes.list_all(bid)

    def request(self, staff: Staff, request_id: str, bid: int, css_url: str) -> Theme:
        """Put one on the list, to be approved. BillerNotFound, InvalidFields."""
        check_may(staff, Permission.BILLER_THEMES_CREATE, bid)
        self._billers.get(bid)
        return self._themes.request(staff, request_id, bid, css_url)

    def approve(self, staff: Staff, request_id: str, bid: int, css_url: str) -> Theme:
        """Fetch it and show it. ThemeNotFound, InvalidFields with what is wrong with it."""
        check_may(staff, Permission.BILLER_THEMES_APPROVE, bid)
        return self._themes.approve(staff, request_id, bid, css_url)

    def refuse(self, staff: Staff, request_id: str, bid: int, css_url: str) -> Theme:
        """Do not show it, or no longer. ThemeNotFound."""
        check_may(staff, Permission.BILLER_THEMES_APPROVE, bid)
        return self._themes.refuse(staff, request_id, bid, css_url)
