"""CloudSSOConnect, asked for by API: what would become of a redirect, and links that stand for one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from sso_connect.api.models.diagnostics import CheckTold
from sso_connect.api.models.named import TOKEN_EXAMPLE, NamedUser, example
from sso_connect.api.models.tokens import AuthMethod
from sso_connect.api.wire import AccountNumber, Moment, Text50, Text80, Text200, Text4000, Wire


def _as_in_a_redirect(value: Any) -> Any:
    """A number is the text that would stand in the redirect."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**20 else value


_THEME = "An approved theme; another one changes nothing."
_SITE_NAME = "What sign-out names: Sign out and Return to ...; at most 80 characters."
_NUMBER = BeforeValidator(_as_in_a_redirect)
Parameter50 = Annotated[Text50, _NUMBER]
Parameter200 = Annotated[Text200, _NUMBER]
Parameter4000 = Annotated[Text4000, _NUMBER]


class Explain(Wire):
    """The parameters of a redirect, as they stand in it (numbers may come as numbers), and how it comes.

    What is wrong with a parameter is answered, not refused. Names that no redirect has are answered as Ignored.
    """

    model_config = example(
        RemoteAuthenticationToken=TOKEN_EXAMPLE, ViewMode="1", RedirectID="1", ReturnUrl="https://portal.example.com/account",
        Method="POST", SecFetchDest="iframe",
    )  # fmt: skip

    remote_authentication_token: Parameter200 | None = Field(None, description="The token of the redirect.")
    view_mode: Parameter50 | None = Field(None, description="0 full page, 1 iFrame, 2 new tab or pop-up.")
    redirect_id: Parameter50 | None = Field(None, description="Which page: 1 to 11.")
    css_url: Parameter4000 | None = Field(None, alias="CSSUrl", description=_THEME)
    return_url: Parameter4000 | None = Field(None, description="Where sign-out would lead.")
    custom_return_site_name: Parameter200 | None = Field(None, description=_SITE_NAME)
    account_number: Parameter200 | None = Field(None, description="Which of the user's accounts would open.")
    resume: Parameter4000 | None = Field(None, description="Accepted, and without effect yet.")
    method: Literal["GET", "POST"] = Field("POST", description="How it comes: by GET a strict key's token is good for 20 minutes.")
    sec_fetch_dest: Text50 | None = Field(None, description="What the browser would say it loads for: document, iframe, ...")
    sec_fetch_site: Text50 | None = Field(
        None, description="What the browser would say of that page: cross-site, same-origin, none."
    )
    origin: Text200 | None = Field(None, description="The origin of the page that would send the redirect.")


class ExplainAnswer(Wire):
    """What would happen, check by check; nothing was spent, prolonged or opened. Code is that of the first refusal."""

    model_config = example(
        WouldSucceed=False, Code="ReturnUrlRefused", PayerAsked=False,
        Checks=[
            {"Check": "parameters", "Held": True, "Evaluated": True, "Expected": "", "Came": "", "Fix": ""},
            {"Check": "token", "Held": True, "Evaluated": True, "Expected": "", "Came": "policy session", "Fix": ""},
            {
                "Check": "ReturnUrl", "Held": False, "Evaluated": True, "Expected": "none, or below one of: (nothing registered)",
                "Came": "https://portal.example.com/account", "Fix": "Register the origin (and path prefix) of the ReturnUrl.",
            },
        ],
        Ignored=[],
    )  # fmt: skip

    would_succeed: bool
    code: str | None
    payer_asked: bool = Field(description="It would succeed, but the payer is asked first (check: sender, or sender named).")
    checks: list[CheckTold]
    ignored: list[str] = Field(description="Names that mean nothing in a redirect.")


class CreateLink(NamedUser):
    """A payer that the partner has authenticated, and where the link leads: the parameters of a redirect."""

    model_config = example(UserName="pat", RedirectID=1, ViewMode=0, AccountNumber="1001-01")

    redirect_id: int = Field(ge=1, le=11, description="1 to 11, and allowed to the key.")
    view_mode: int = Field(ge=0, le=2, description="0 full page, 1 iFrame, 2 new tab or pop-up.")
    css_url: Text4000 | None = Field(None, alias="CSSUrl", description=f"{_THEME} Over 2,000 characters it is an unknown theme.")
    return_url: Text4000 | None = Field(
        None, description="At most 2,000 characters, on the key's list; off it a compat key's is dropped, with a warning."
    )
    custom_return_site_name: Text80 | None = Field(None, description=_SITE_NAME)
    account_number: AccountNumber | None = Field(None, description="One of the user's accounts; by default its default account.")
    session_reference: Text200 | None = Field(None, description="The partner's own session id, for diagnostics and sign-out.")
    auth_time: Moment | None = Field(None, description="When the payer signed in at the partner: within the last 24 hours.")
    auth_methods: list[AuthMethod] | None = Field(None, max_length=10, description="RFC 8176 values.")

    def redirect(self) -> dict[str, str]:
        """The parameters of the redirect, by lower-case name, as texts."""
        given = {
            "redirectid": str(self.redirect_id),
            "viewmode": str(self.view_mode),
            "cssurl": self.css_url,
            "returnurl": self.return_url,
            "customreturnsitename": self.custom_return_site_name,
            "accountnumber": self.account_number,
        }
        return {name: text for name, text in given.items() if text}


class CreateLinkAnswer(Wire):
    """Hand the payer to Url within a minute: it is good once. The part behind # is the secret; do not log it."""

    model_config = example(
        Url="https://riverbend.example.com/b/riverbend/sso/link#idhl_" + "x" * 43, ExpiresAt="2026-01-02T10:21:30Z"
    )

    url: str
    expires_at: Moment
