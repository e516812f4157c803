"""What an operation of the partner API is: where it stands, which scope it takes, what goes in and out, why it may refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from idp.directory.api_keys import Scope
from idp.errors import (
    BodyTooLarge,
    HubError,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    InvalidApiKey,
    InvalidFields,
    MalformedRequest,
    RateLimited,
    ScopeMissing,
    StoreUnavailable,
    UnexpectedError,
    UnsupportedMediaType,
)
from sso_connect.api.wire import Wire

PREFIX = "/api/v1"

_ALWAYS: tuple[type[HubError], ...] = (
    InvalidApiKey,
    RateLimited,
    StoreUnavailable,
    UnexpectedError,
    MalformedRequest,
    InvalidFields,
)
_WITH_BODY: tuple[type[HubError], ...] = (MalformedRequest, UnsupportedMediaType, BodyTooLarge, InvalidFields)
_WITH_KEY: tuple[type[HubError], ...] = (InvalidFields, IdempotencyKeyReused, IdempotencyInProgress)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `scope` None: any live key; `request` None: no body; `answer` None: no body in the answer.

    `path` may hold `{Names}`; these and the query parameters are the fields of `query`. `others`: further statuses of success, with
    what they answer. `writes`: it changes something, so an Idempotency-Key counts. `file`: the body is no JSON but a file of at
    most so many bytes, read piece by piece; its digest takes the place of an Idempotency-Key. `ignores_unknown`: unknown fields
    are let through for every key, and the call is told.
    """

    name: str
    method: Literal["GET", "POST", "PATCH"]
    path: str
    group: str
    summary: str
    description: str
    scope: Scope | None
    request: type[Wire] | None
    answer: type[Wire] | None
    status: Literal[200, 201, 202, 204] = 200
    refusals: tuple[type[HubError], ...] = ()
    query: type[Wire] | None = None
    others: tuple[tuple[int, type[Wire] | None], ...] = ()
    writes: bool = False
    file: int | None = None
    ignores_unknown: bool = False

    @property
    def place(self) -> str:
        """Method and path, as diagnostics and warnings name it."""
        return f"{self.method} {self.path}"

    @property
    def rule(self) -> str:
        """Its path on the API host, as Flask writes it."""
        return PREFIX + self.path.replace("{", "<").replace("}", ">")

    @property
    def takes_key(self) -> bool:
        """Whether an Idempotency-Key counts."""
        return self.writes and self.method == "POST" and self.file is None

    @property
    def all_refusals(self) -> tuple[type[HubError], ...]:
        """Every reason that it may refuse for, those that all operations share included."""
        of_scope: tuple[type[HubError], ...] = () if self.scope is None else (ScopeMissing,)
        of_body = () if self.request is None else _WITH_BODY
        of_file: tuple[type[HubError], ...] = () if self.file is None else (MalformedRequest, UnsupportedMediaType, BodyTooLarge)
        of_key = _WITH_KEY if self.takes_key else ()
        return tuple(dict.fromkeys((*_ALWAYS, *of_scope, *of_body, *of_file, *of_key, *self.refusals)))
