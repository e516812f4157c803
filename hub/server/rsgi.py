"""The part of granian's RSGI that we use, with types (https://github.com/emmett-framework/granian, docs/spec/RSGI.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Protocol


class Headers(Protocol):
    """Header lines: names in lower case, in groups by name. Values that are not visible ASCII are left out."""

    def items(self) -> list[tuple[str, str]]: ...


class Scope(Protocol):
    """A request before its body. `path` is percent-decoded, `authority` that of an absolute target or None."""

    @property
    def http_version(self) -> str: ...

    @property
    def server(self) -> str: ...

    @property
    def client(self) -> str: ...

    @property
    def scheme(self) -> str: ...

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def query_string(self) -> str: ...

    @property
    def authority(self) -> str | None: ...

    @property
    def headers(self) -> Headers: ...


class Transport(Protocol):
    """An answer that is sent piece by piece."""

    def send_bytes(self, data: bytes, /) -> Awaitable[None]: ...


class Exchange(Protocol):
    """The body, and the place for the answer. Answers may be given from any thread."""

    def __call__(self) -> Awaitable[bytes]:
        """The whole body. An exception when the sender breaks off."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body's pieces, then one that is empty; two empty ones in a row when the sender breaks off, or sends trailers."""
        ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...

    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> Transport: ...
