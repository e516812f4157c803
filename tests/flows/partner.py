"""A partner's program: asks the API of a world, JSON in and out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from werkzeug.test import Client, TestResponse

from tests.flows.world import DOMAIN, World


@dataclass(frozen=True, slots=True)
class PartnerProgram:
    """One key of a world, by its name there."""

    world: World
    key: str = "session"

    def ask(self, path: str, body: dict[str, Any] | None = None) -> TestResponse:
        """POST with a body, GET without."""
        return Client(self.world.app).open(
            f"/api/v1{path}",
            method="GET" if body is None else "POST",
            data=None if body is None else json.dumps(body),
            content_type="application/json",
            headers={"X-Api-Key": self.world.secret(self.key)},
            base_url=f"https://api.{DOMAIN}",
        )

    def told(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON of an answer that went well."""
        answer = self.ask(path, body)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = json.loads(answer.data)
        return told

    def refused(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
        """Status and code of an answer that did not."""
        answer = self.ask(path, body)
        return answer.status_code, json.loads(answer.data)["Code"]

    def explain(self, **params: Any) -> dict[str, Any]:
        """Explain."""
        return self.told("/sso-connect/explain", params)

    def link(self, user: str = "avery", **params: Any) -> str:
        """The address of an SSO link that works, with some parameters changed."""
        body = {"UserName": user, "RedirectID": 1, "ViewMode": 0} | params
        url: str = self.told("/sso-connect/links", body)["Url"]
        return url
