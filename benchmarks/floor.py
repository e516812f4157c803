"""The floor: what any service must pay that limits a caller, writes a short-lived record and commits an audit row.

Bare Flask, one Redis script (a bucket and a record with an expiry), one INSERT on an AUTOCOMMIT connection. Same server, same
workers as the hub. What the hub does beyond this is what we measure.
"""

from __future__ import annotations

import os
import secrets
import sys
from datetime import UTC, datetime

import redis
from flask import Flask, Response, request
from sqlalchemy import Column, DateTime, Identity, MetaData, Table, Text, create_engine
from sqlalchemy.types import BigInteger

from hub.server.bodies import PAGE
from hub.server.bridge import Bridge
from hub.server.health import Readiness
from hub.server.run import serve

_SCRIPT = """
local bucket = redis.call('INCR', KEYS[1])
if bucket == 1 then redis.call('PEXPIRE', KEYS[1], 1000) end
redis.call('SET', KEYS[2], ARGV[1], 'PX', 3600000)
return bucket
"""

metadata = MetaData()
audit = Table(
    "floor_audit",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("request_id", Text, nullable=False),
)
_INSERT = audit.insert()


def create() -> Bridge:
    """The application behind the hub's own bridge; granian loads it in each worker."""
    return Bridge(_application(), lambda _head: PAGE, Readiness({}), threads=int(os.environ["IDHUB_BENCH_THREADS"]))


def _application() -> Flask:
    store = redis.Redis.from_url(os.environ["IDHUB_BENCH_REDIS"])
    script = store.register_script(_SCRIPT)
    engine = create_engine(
        os.environ["IDHUB_BENCH_DATABASE"], pool_size=12, pool_reset_on_return=None, isolation_level="AUTOCOMMIT"
    )
    app = Flask("floor", static_folder=None)

    @app.post("/floor")
    def floor() -> Response:
        body = request.get_json()
        request_id = secrets.token_hex(16)
        row = {"at": datetime.now(UTC), "action": "floor", "actor": "bench", "user_id": body["UserName"], "request_id": request_id}
        with engine.connect() as connection:
            connection.execute(_INSERT, row)
        token = secrets.token_urlsafe(32)
        script(keys=["floor:bucket", f"floor:{token}"], args=[body["UserName"]])
        return Response(f'{{"token": "{token}"}}', content_type="application/json")

    return app


if __name__ == "__main__":
    serve(
        "benchmarks.floor:create",
        host="127.0.0.1",
        port=int(sys.argv[1]),
        workers=int(os.environ["IDHUB_BENCH_WORKERS"]),
        log_level="warning",
    )
