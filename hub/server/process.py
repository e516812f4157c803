"""One worker process: what granian loads in it."""

from __future__ import annotations

from hub.logs import configure
from hub.server.bridge import Bridge
from hub.server.health import Readiness
from hub.storage.stores import load_all
from hub.wiring import wire
from hub.wsgi import application, probes
from idp.settings import load


def create() -> Bridge:
    """A hub of this process, by the settings of its environment."""
    settings = load()
    configure(settings)
    load_all()
    hub = wire(settings)
    hub.database.announce()
    hub.warnings.keep_writing()
    readiness = Readiness(probes(hub))
    app = application(hub, readiness)
    return Bridge(app, app.rules, readiness, threads=settings.threads, every_minute=hub.epochs.beat)
