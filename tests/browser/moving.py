"""A hub in this process whose clock tests move: for what happens after minutes, without waiting for them.

The pages' own timers are moved by the browser (Playwright's `page.clock`), the hub's time here. They are two clocks, as in life.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from werkzeug.serving import make_server

from examples.partner_client import PartnerClient
from hub.cli.demo_site import DemoSite
from hub.wiring import Hub, wire
from hub.wsgi import application
from idp.clock import FixedClock
from tests.browser.stage import PartnerSite, Stage
from tests.processes import free_port

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@dataclass(frozen=True, slots=True)
class MovingStage:
    """A stage, its hub, and the hub's clock, which stands still until it is moved."""

    stage: Stage
    hub: Hub
    clock: FixedClock

    def later(self, **by: float) -> None:
        """Let time pass for the hub."""
        self.clock.advance(timedelta(**by))


@contextmanager
def open_moving_stage(
    folder: Path, around: Callable[[WSGIApplication], WSGIApplication] = lambda application: application
) -> Iterator[MovingStage]:
    """The demo's data, served by a thread of this process. `around`: what stands between the network and the hub."""
    site = PartnerSite(free_port())
    demo = DemoSite(folder, free_port(), site.port)
    prepared = demo.prepare()
    clock = FixedClock(datetime.now(UTC))
    hub = wire(demo.settings(), clock)
    server = make_server("127.0.0.1", demo.port, around(application(hub)), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    clients = {slug: PartnerClient(demo.api, secret) for slug, secret in prepared.secrets.items()}
    try:
        site.start()
        thread.start()
        yield MovingStage(Stage(demo, prepared, site, clients), hub, clock)
    finally:
        for client in clients.values():
            client.close()
        server.shutdown()
        thread.join()
        server.server_close()
        site.stop()
        hub.close()
