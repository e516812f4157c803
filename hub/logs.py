"""Logs: one line per event, JSON for machines or text for people, to stderr.

Never in a log: a token, a cookie, a key, a query string, a request body. Libraries that would print tokens at debug level are
held at warning. Events carry the request id where there is one.
"""

from __future__ import annotations

import logging
import sys

import structlog

from idp.settings import Settings

_TALKATIVE = ("authlib", "urllib3", "werkzeug", "saml2", "redis", "alembic")


def configure(settings: Settings) -> None:
    """Set up logging for this process."""
    shared = (
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    )
    last: structlog.types.Processor
    last = structlog.processors.JSONRenderer() if settings.log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
