"""What the tests of the client ask with: prepared names, a clock that ticks, short forms of get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from idp.fetch import Fetched, Fetcher
from tests.idp.fetch.server import Server

NAME = "portal.example.com"
JSON = "application/json"
LONG = timedelta(seconds=15)

Open = Callable[..., Server]


class Names:
    """A resolver with prepared answers: one list for each time it is asked, the last one again and again."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = answers or (("127.0.0.1",),)
        self.asked: list[tuple[str, int]] = []
        self.seconds: list[float] = []

    def addresses(self, host: str, port: int, seconds: float) -> Sequence[str]:
        self.asked.append((host, port))
        self.seconds.append(seconds)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


class Ticks:
    """Seconds that pass one at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def url_of(server: Server, path: str = "/metadata?x=1", host: str = NAME) -> str:
    return f"https://{host}:{server.port}{path}"


def fetch(fetcher: Fetcher, url: str, *, accept: Sequence[str] = (JSON,), most_bytes: int = 1000) -> Fetched:
    return fetcher.get(url, accept=accept, most_bytes=most_bytes, deadline=LONG)
