"""Partners and what they hold at a biller: API keys with their secrets, origins and ReturnUrls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from admin.access import Permission, check_may
from idp.actor import Staff
from idp.directory.api_keys import DEFAULT_OVERLAP, ApiKey, ApiKeys, ApiKeySecret, IssuedKey, KeyPolicies, PlaceKind
from idp.directory.billers import Billers
from idp.directory.hosts import parse_place
from idp.directory.partners import Partner, Partners
from idp.errors import ApiKeyNotFound, FieldError, InvalidFields

NamedPlace = tuple[PlaceKind, str]
"""A place as somebody typed it, and what it is for."""


class PartnerAdmin:
    """Creates, changes and shows partners. A partner belongs to no biller."""

    def __init__(self, partners: Partners) -> None:
        self._partners = partners

    def create(self, staff: Staff, request_id: str, *, slug: str, name: str, url: str = "") -> Partner:
        """Make a partner. InvalidFields, AlreadyExists."""
        check_may(staff, Permission.PLATFORM_PARTNERS_CREATE)
        return self._partners.create(staff, request_id, slug=slug, name=name, url=url)

    def change(self, staff: Staff, request_id: str, slug: str, **changes: Any) -> Partner:
        """Change name, url or disabled. PartnerNotFound, InvalidFields."""
        check_may(staff, Permission.PLATFORM_PARTNERS_CHANGE)
        return self._partners.change(staff, request_id, slug, **changes)

    def list_all(self, staff: Staff, request_id: str) -> list[Partner]:  # noqa: ARG002  (reads will go to the access log)
        """By slug."""
        check_may(staff, Permission.PLATFORM_PARTNERS_READ)
        return self._partners.list_all()

    def parse_url(self, staff: Staff, request_id: str, url: str) -> str:  # noqa: ARG002
        """An address of a partner as it would be stored. InvalidFields."""
        check_may(staff, Permission.PLATFORM_PARTNERS_READ)
        return self._partners.parse_url(url)


class KeyAdmin:
    """Issues, changes, rotates, revokes and shows the API keys of a biller."""

    def __init__(self, keys: ApiKeys, billers: Billers, *, allow_loopback_origins: bool) -> None:
        self._keys = keys
        self._billers = billers
        self._allow_loopback = allow_loopback_origins

    def issue(
        self,
        staff: Staff,
        request_id: str,
        bid: int,
        *,
        partner_slug: str,
        label: str = "",
        policies: KeyPolicies | None = None,
        frame_origins: Iterable[str] = (),
        return_places: Iterable[str] = (),
    ) -> IssuedKey:
        """Make a key; its secret is in the answer and nowhere else. BillerNotFound, PartnerNotFound, InvalidFields."""
        check_may(staff, Permission.BILLER_KEYS_CREATE, bid)
        return self._keys.issue(
            staff, request_id, bid=bid, partner_slug=partner_slug, label=label, policies=policies,
            frame_origins=frame_origins, return_places=return_places,
        )  # fmt: skip

    def change(
        self,
        staff: Staff,
        request_id: str,
        bid: int,
        key_id: UUID,
        *,
        label: str | None = None,
        policies: Callable[[KeyPolicies], KeyPolicies] | None = None,
    ) -> ApiKey:
        """Change the label, or the policies by a function of the present ones. ApiKeyNotFound, InvalidFields."""
        check_may(staff, Permission.BILLER_KEYS_CHANGE, bid)
        changes: dict[str, Any] = {} if label is None else {"label": label}
        if policies is not None:
            changes["policies"] = policies(self._get(bid, key_id).policies)
        return self._keys.change(staff, request_id, bid, key_id, **changes)

    def rotate(self, staff: Staff, request_id: str, bid: int, key_id: UUID, overlap: timedelta = DEFAULT_OVERLAP) -> IssuedKey:
        """A fresh secret; older ones end after `overlap` (0 to 90 days). ApiKeyNotFound for a revoked key too."""
        check_may(staff, Permission.BILLER_KEYS_ROTATE, bid)
        return self._keys.rotate(staff, request_id, bid, key_id, overlap)

    def revoke(self, staff: Staff, request_id: str, bid: int, key_id: UUID) -> ApiKey:
        """End the key, and with it every token and session that it began. Twice is once. ApiKeyNotFound."""
        check_may(staff, Permission.BILLER_KEYS_REVOKE, bid)
        return self._keys.revoke(staff, request_id, bid, key_id)

    def add_places(self, staff: Staff, request_id: str, bid: int, key_id: UUID, places: Sequence[NamedPlace]) -> ApiKey:
        """Register origins that may frame us, and places where sign-out may return to: all or none. Twice is once.

        ApiKeyNotFound, InvalidFields.
        """
        check_may(staff, Permission.BILLER_ORIGINS_CREATE, bid)
        self._check(places)
        for kind, text in places:
            self._keys.add_place(staff, request_id, bid, key_id, kind, text)
        return self._get(bid, key_id)

    def check_places(self, staff: Staff, request_id: str, bid: int, places: Sequence[NamedPlace]) -> None:  # noqa: ARG002
        """InvalidFields with each place that cannot be registered."""
        check_may(staff, Permission.BILLER_KEYS_READ, bid)
        self._check(places)

    def remove_places(self, staff: Staff, request_id: str, bid: int, key_id: UUID, places: Sequence[NamedPlace]) -> ApiKey:
        """Take origins and places off the list, all or none; what is not on it is passed over. ApiKeyNotFound, InvalidFields."""
        check_may(staff, Permission.BILLER_ORIGINS_REMOVE, bid)
        self._check(places)
        for kind, text in places:
            self._keys.remove_place(staff, request_id, bid, key_id, kind, text)
        return self._get(bid, key_id)

    def get(self, staff: Staff, request_id: str, bid: int, key_id: UUID) -> ApiKey:  # noqa: ARG002
        """By id within the biller. ApiKeyNotFound."""
        check_may(staff, Permission.BILLER_KEYS_READ, bid)
        return self._get(bid, key_id)

    def list_secrets(self, staff: Staff, request_id: str, bid: int, key_id: UUID) -> list[ApiKeySecret]:  # noqa: ARG002
        """Hints and times of a key's secrets, oldest first; never a secret. ApiKeyNotFound."""
        check_may(staff, Permission.BILLER_KEYS_READ, bid)
        self._get(bid, key_id)
        return self._keys.list_secrets(bid, key_id)

    def list_all(self, staff: Staff, request_id: str, bid: int) -> list[ApiKey]:  # noqa: ARG002
        """All keys of the biller, revoked ones too, oldest first. BillerNotFound."""
        check_may(staff, Permission.BILLER_KEYS_READ, bid)
        self._billers.get(bid)
        return self._keys.list_all(bid)

    def _check(self, places: Sequence[NamedPlace]) -> None:
        """The service takes one place at a time; so that none is written when a later one is refused, all are read first."""
        faults: list[FieldError] = []
        for kind, text in places:
            field = "FrameOrigin" if kind == "frame" else "ReturnUrl"
            try:
                place = parse_place(text, allow_loopback=self._allow_loopback)
            except ValueError as fault:
                faults.append(FieldError(field, f"{text}: {fault}"))
            else:
                if kind == "frame" and place.path_prefix:
                    faults.append(FieldError(field, f"{text}: an origin has no path"))
        if faults:
            raise InvalidFields(fields=faults)

    def _get(self, bid: int, key_id: UUID) -> ApiKey:
        for key in self._keys.list_all(bid):
            if key.id == key_id:
                return key
        raise ApiKeyNotFound(str(key_id))
