"""Ping: what a key is and may do."""

from __future__ import annotations

from pydantic import Field

from idp.directory.api_keys import AuthenticatePolicy, CsrUserPolicy, ProofKind, Strictness, TokenPolicy, UsersPolicy
from sso_connect.api.models.named import GUID_EXAMPLE, example
from sso_connect.api.wire import Guid, Wire


class PingBiller(Wire):
    """The biller that the key is for."""

    bid: int
    biller_guid: Guid
    name: str
    slug: str
    time_zone: str


class PingPolicies(Wire):
    """How the key is treated."""

    authenticate: AuthenticatePolicy
    token: TokenPolicy
    users: UsersPolicy
    account_proof: list[ProofKind]
    csr_user: CsrUserPolicy
    rate_per_second: int
    burst: int


class PingAnswer(Wire):
    """What the key is, and may do."""

    model_config = example(
        Biller={
            "BID": 101, "BillerGUID": GUID_EXAMPLE, "Name": "Riverbend Water", "Slug": "riverbend", "TimeZone": "America/Detroit",
        },
        Partner="Example Portal",
        Policies={
            "Authenticate": "trusted", "Token": "session", "Users": "own", "AccountProof": [], "CsrUser": "choose",
            "RatePerSecond": 50, "Burst": 100,
        },
        Strictness="strict",
        Scopes=["sso", "users:read"],
        FrameOrigins=["https://portal.example.com"],
        ReturnUrls=["https://portal.example.com/account"],
        RedirectIDs=[1, 2, 3],
        ConnectUrl="https://riverbend.example.com/b/riverbend/sso/connect",
    )  # fmt: skip

    biller: PingBiller
    partner: str
    policies: PingPolicies
    strictness: Strictness
    scopes: list[str]
    frame_origins: list[str]
    return_urls: list[str]
    redirect_ids: list[int] = Field(alias="RedirectIDs")
    connect_url: str
