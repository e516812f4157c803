"""A throw-away authority, servers that are closed after the test, and a client that knows them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from idp.fetch import Fetcher
from tests.idp.fetch.asking import NAME, Names, Open
from tests.idp.fetch.server import Authority, Server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def open_server(authority: Authority) -> Iterator[Open]:
    opened: list[Server] = []

    def open_one(*names: str, secure: bool = True, address: str = "127.0.0.1") -> Server:
        opened.append(Server(authority.certificate(names or (NAME,)) if secure else None, address))
        return opened[-1]

    yield open_one
    for server in opened:
        server.close()


@pytest.fixture
def server(open_server: Open) -> Server:
    return open_server()


@pytest.fixture
def fetcher(authority: Authority, server: Server) -> Fetcher:
    return Fetcher(Names(), private_hosts=[f"{NAME}:{server.port}"], trust=authority.trust())
