"""Legacy set-up: a partner as it is today, at one biller, in one call.

    partner      made when nobody has the slug
    setting 3    where the biller's payers sign in, set when the biller has none
    themes       each CSSUrl is asked for, and awaits the biller's approval
    key          compat, session, users=all, account_proof=[cis], csr_user=owner, with origins, ReturnUrls and RedirectIDs; last,
                 because its secret is shown this once

Everything is checked before anything is written. Each step is a transaction of its own and finds done what is done, so a call
that broke off is completed by the same call, and the same call twice changes nothing and makes no second key (docs/adr/0017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from admin.access import Permission, check_may
from admin.partners import KeyAdmin, PartnerAdmin
from idp.actor import Staff
from idp.directory.advanced_settings import SSO_LOGIN_URL, AdvancedSettings
from idp.directory.api_keys import ALL_REDIRECT_IDS, ApiKey, KeyPolicies, Scope, check_policies
from idp.directory.billers import Biller, Billers
from idp.directory.partners import Partner
from idp.errors import AlreadyExists, FieldError, InvalidFields
from idp.errors.wording import did_you_mean, in_words
from sso_connect.themes import Theme, Themes, check_css_urls

PARTNER_SCOPES = frozenset(Scope) - {Scope.CSR}
"""All that a portal does. What a CIS does (CSR Connect) is asked for by `csr`."""


class LegacyWanted(BaseModel):
    """A partner as it is today, as an operator writes it down."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bid: int = Field(ge=1, lt=2**31)
    partner: str
    name: str = ""
    url: str = ""
    authenticate: Literal["trusted", "password"] = "trusted"
    csr: bool = False
    frame_origins: list[str] = Field(default_factory=list)
    return_urls: list[str] = Field(default_factory=list)
    redirect_ids: list[int] = Field(default_factory=lambda: sorted(ALL_REDIRECT_IDS))
    css_urls: list[str] = Field(default_factory=list)
    sso_login_url: str = ""

    def policies(self) -> KeyPolicies:
        """Those of its key."""
        return KeyPolicies(
            scopes=PARTNER_SCOPES | ({Scope.CSR} if self.csr else frozenset()),
            strictness="compat",
            authenticate=self.authenticate,
            token="session",  # noqa: S106  (a policy's name)
            users="all",
            account_proof=("cis",),
            csr_user="owner",
            redirect_ids=frozenset(self.redirect_ids),
        )


@dataclass(frozen=True, slots=True)
class LegacyDone:
    """What stands after the call. `secret`: of a key that was made now, else "". `steps`: what was done, in words."""

    biller: Biller
    partner: Partner
    key: ApiKey
    secret: str
    themes: tuple[Theme, ...]
    steps: tuple[str, ...] = field(default=())


def read_wanted(given: object) -> LegacyWanted:
    """What an operator wrote down, checked. InvalidFields names each fault."""
    try:
        return LegacyWanted.model_validate(given)
    except ValidationError as error:
        raise InvalidFields(fields=[_fault(each) for each in error.errors(include_url=False, include_input=False)]) from None


def _fault(each: ErrorDetails) -> FieldError:
    name = ".".join(map(str, each["loc"]))
    if each["type"] == "extra_forbidden":
        return FieldError(name, f"there is no such name.{did_you_mean(name, LegacyWanted.model_fields)}".rstrip("."))
    return FieldError(name, in_words(each))


class LegacySetUp:
    """Sets partners up as they are today."""

    def __init__(
        self,
        partners: PartnerAdmin,
        keys: KeyAdmin,
        billers: Billers,
        settings: AdvancedSettings,
        themes: Themes,
    ) -> None:
        self._partners = partners
        self._keys = keys
        self._billers = billers
        self._settings = settings
        self._themes = themes

    def set_up(self, staff: Staff, request_id: str, wanted: LegacyWanted) -> LegacyDone:
        """Do what is not done yet. BillerNotFound, InvalidFields, AlreadyExists (several keys that may be meant)."""
        for permission in (Permission.BILLER_SETTINGS_CHANGE, Permission.BILLER_THEMES_CREATE):
            check_may(staff, permission, wanted.bid)
        biller = self._billers.get(wanted.bid)
        partner = next((each for each in self._partners.list_all(staff, request_id) if each.slug == wanted.partner), None)
        self._check(staff, request_id, wanted, biller, partner)
        key = self._find_key(staff, request_id, wanted)

        steps: list[str] = []
        if partner is None:
            partner = self._partners.create(staff, request_id, slug=wanted.partner, name=wanted.name, url=wanted.url)
            steps.append(f"partner {partner.slug} made")
        if wanted.sso_login_url and not biller.sso_login_url:
            self._settings.put(staff, request_id, biller.bid, SSO_LOGIN_URL, wanted.sso_login_url)
            steps.append("advanced setting 3 set")
        themes = self._ask_for_themes(staff, request_id, wanted, partner, steps)
        if key is None:
            issued = self._keys.issue(
                staff, request_id, biller.bid, partner_slug=partner.slug, policies=wanted.policies(),
                frame_origins=wanted.frame_origins, return_places=wanted.return_urls,
            )  # fmt: skip
            return LegacyDone(biller, partner, issued.key, issued.secret, themes, (*steps, "key made"))
        changed = self._bring_up(staff, request_id, wanted, key)
        if changed != key:
            steps.append("key changed")
        return LegacyDone(self._billers.get(biller.bid), partner, changed, "", themes, tuple(steps))

    def _check(self, staff: Staff, request_id: str, wanted: LegacyWanted, biller: Biller, partner: Partner | None) -> None:
        """Everything that could be refused later."""
        check_policies(wanted.policies())
        check_css_urls(wanted.css_urls)
        self._keys.check_places(staff, request_id, biller.bid, _places(wanted))
        faults: list[FieldError] = []
        if partner is None and not wanted.name:
            faults.append(FieldError("name", f"there is no partner {wanted.partner}: with a name it is made"))
        try:
            self._partners.parse_url(staff, request_id, wanted.url)
        except InvalidFields as fault:
            faults += [FieldError("url", each.message) for each in fault.fields]
        if wanted.sso_login_url:
            try:
                address = self._settings.parse(SSO_LOGIN_URL, wanted.sso_login_url)
            except InvalidFields as fault:
                address = biller.sso_login_url
                faults += [FieldError("sso_login_url", each.message) for each in fault.fields]
            if biller.sso_login_url not in ("", address):
                faults.append(
                    FieldError("sso_login_url", f"advanced setting 3 of BID {biller.bid} is {biller.sso_login_url} already")
                )
        if faults:
            raise InvalidFields(fields=faults)

    def _find_key(self, staff: Staff, request_id: str, wanted: LegacyWanted) -> ApiKey | None:
        """The key of an earlier call: the partner's one live compat key at the biller."""
        found = [
            key
            for key in self._keys.list_all(staff, request_id, wanted.bid)
            if key.partner.slug == wanted.partner and key.revoked_at is None and key.policies.strictness == "compat"
        ]
        if len(found) > 1:
            told = (
                f"{wanted.partner} has {len(found)} compat keys at BID {wanted.bid}; revoke all but one by `idhub api-keys revoke`"
            )
            raise AlreadyExists(told, fields=[FieldError("partner", told)])
        return found[0] if found else None

    def _ask_for_themes(
        self, staff: Staff, request_id: str, wanted: LegacyWanted, partner: Partner, steps: list[str]
    ) -> tuple[Theme, ...]:
        known = {theme.id for theme in self._themes.list_all(wanted.bid)}
        themes = tuple(self._themes.request(staff, request_id, wanted.bid, url, partner.id) for url in wanted.css_urls)
        steps += [f"theme {theme.css_url} awaits approval" for theme in themes if theme.id not in known]
        return themes

    def _bring_up(self, staff: Staff, request_id: str, wanted: LegacyWanted, key: ApiKey) -> ApiKey:
        """Policies as wanted, but for what the operator has set since (rate and burst); places are added, none is taken away."""

        def policies(before: KeyPolicies) -> KeyPolicies:
            return replace(wanted.policies(), rate_per_second=before.rate_per_second, burst=before.burst)

        changed = self._keys.change(staff, request_id, wanted.bid, key.id, policies=policies)
        places = _places(wanted)
        return self._keys.add_places(staff, request_id, wanted.bid, key.id, places) if places else changed


def _places(wanted: LegacyWanted) -> Sequence[tuple[Literal["frame", "return"], str]]:
    frames: list[tuple[Literal["frame", "return"], str]] = [("frame", origin) for origin in wanted.frame_origins]
    return [*frames, *(("return", url) for url in wanted.return_urls)]
