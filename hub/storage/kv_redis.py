"""The key-value contract on Redis 6.2 or later (one primary; no Cluster): each transaction is one call of one Lua script.

    RedisKeyValue   translates steps and answers, keeps the connections
    _Lane           one connection, opened when it is first used, and the epoch that it works in
    kv_redis.lua    the transaction itself, and how everything is stored

Epoch
    A marker key says `epoch run log`: the epoch that all other keys carry in their names, the run id of the Redis process that
    was last seen, and whether that process logs every write before it answers (`full`) or may lose some (`part`). Every new
    connection compares it before its first transaction. A new epoch begins when there is no marker, when a process that may
    have lost writes was restarted, or when the process is a replica that was promoted (replication answers before it copies).
    Every transaction compares the marker again, so FLUSHALL under a running hub is found too. Keys of an older epoch cannot be
    reached and go with their lifetimes. What Redis cannot tell (its log was switched off while it ran and the old one read again;
    an old log was put in its place) shows in the beat, a second key that the database keeps too (idp.epochs).

Faults
    Only connecting is ever repeated. A transaction whose answer did not arrive is not: it may have been carried out. What fails
    is closed, the next call connects anew, so a restarted Redis is back with the first call that reaches it. A Redis that answers
    and cannot write (MISCONF, OOM, READONLY, NOREPLICAS, LOADING) is as unavailable as one that does not answer.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from importlib import resources
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

import hiredis
from redis.backoff import NoBackoff
from redis.connection import Connection, parse_url
from redis.exceptions import NoScriptError, ReadOnlyError, RedisError, ResponseError
from redis.retry import Retry

from hub.storage.kv_program import bucket, check_program, instant, milliseconds
from idp.epochs import FRESH, INHERITED, Lineage
from idp.errors import StoreUnavailable
from idp.kv import (
    MOST_MEMBERS,
    Allowance,
    Attempt,
    Count,
    Counted,
    Done,
    Drop,
    Enlist,
    Exists,
    Expect,
    Gone,
    Limit,
    Limited,
    Listed,
    Look,
    Mark,
    Outcome,
    Put,
    Read,
    Record,
    Refund,
    Renew,
    Result,
    Roll,
    Seen,
    Stale,
    Step,
    Stop,
    Take,
    Written,
)

_CONNECT_SECONDS = 1.0
_ANSWER_SECONDS = 1.5
_OLDEST = (6, 2)
T = TypeVar("T")

_EPOCH_SCRIPT = """
local was = redis.call('GET', KEYS[1])
local epoch, run, log
if was then epoch, run, log = string.match(was, '^(%S+) (%S+) (%S+)$') end
if not epoch or (run ~= ARGV[1] and not (log == 'full' and ARGV[2] == 'full' and ARGV[3] == 'original')) then
  epoch, log = ARGV[4], ARGV[2]
elseif run ~= ARGV[1] or ARGV[2] == 'part' then
  log = ARGV[2]
end
local is = epoch .. ' ' .. ARGV[1] .. ' ' .. log
if is ~= was then redis.call('SET', KEYS[1], is) end
if epoch == ARGV[4] then redis.call('SET', KEYS[2], epoch .. ' 0') end
return is
"""
"""Keep the epoch or begin one. `log` only falls within one run: a log switched on late does not have what came before it."""


_BEGIN_SCRIPT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3])
return 1
"""
"""Begin an epoch or keep a beat, where the marker is still the one that the caller has seen."""


class RedisKeyValue:
    """`idp.kv.KeyValue` on a Redis server. Make it after a fork, never before: connections belong to one process."""

    def __init__(self, url: str, *, max_connections: int, namespace: str = "idhub") -> None:
        """`url`: redis://, rediss:// or unix://, as redis-py reads it; ValueError when it cannot.

        A call waits up to a second for one of `max_connections`. `namespace` begins every key: two hubs may share a Redis.
        """
        self._url = url
        self._marker_key = f"{namespace}:epoch"
        self._namespace = namespace
        self._script = resources.files("hub.storage").joinpath("kv_redis.lua").read_text(encoding="utf-8")
        self._closed = False
        self._lanes: SimpleQueue[_Lane] = SimpleQueue()
        for _ in range(max_connections):
            self._lanes.put(self._new_lane())

    def transact(self, *steps: Step) -> Outcome:
        """Run the steps atomically. Raises StoreUnavailable; ValueError for steps that make no sense."""
        check_program(steps)
        program = _program(steps)
        return _outcome(steps, self._with_lane(lambda lane: lane.run(program)))

    def check(self) -> None:
        """Answer, or raise StoreUnavailable: Redis is away, too old, a replica, or set to throw keys away when it is full."""
        facts = self._with_lane(lambda lane: lane.facts("server") | lane.facts("replication") | lane.facts("memory"))
        policy = facts.get("maxmemory_policy", "unknown")
        if policy != "noeviction":
            raise StoreUnavailable(
                f"Redis has maxmemory-policy {policy}: it would forget revocations. Set maxmemory-policy noeviction."
            )
        if facts.get("role") != "master":
            self._close_idle()
            raise StoreUnavailable("this Redis is a replica: give the address of the primary")
        version = facts.get("redis_version", "0")
        if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < _OLDEST:
            raise StoreUnavailable(f"Redis {version} is too old: 6.2 or later is needed")

    def lineage(self) -> Lineage:
        """The present epoch and its beat. Raises StoreUnavailable."""
        return self._with_lane(_Lane.lineage)

    def keep_beat(self, lineage: Lineage) -> bool:
        """Keep a beat of this epoch; False when the epoch is another one by now. Raises StoreUnavailable."""
        return self._with_lane(lambda lane: lane.keep_beat(lineage))

    def begin_epoch(self) -> Lineage:
        """Void everything. The new epoch. Raises StoreUnavailable."""
        return self._with_lane(_Lane.begin_epoch)

    def purge(self, limit: int) -> int:  # noqa: ARG002  (Redis removes what is over by itself)
        """Nothing to do: Redis removes what is over by itself."""
        return 0

    def close(self) -> None:
        """Close the connections; those in use, when they come back."""
        self._closed = True
        try:
            while True:
                self._lanes.get_nowait().close()
        except Empty:
            return

    def _with_lane(self, use: Callable[[_Lane], T]) -> T:
        """Use a connection; one that failed is closed. StoreUnavailable."""
        lane = self._lease()
        try:
            return use(lane)
        except BaseException as error:
            lane.close()
            if isinstance(error, ReadOnlyError):
                self._close_idle()
            if isinstance(error, RedisError | OSError):
                raise _unavailable(error) from error
            raise
        finally:
            self._give_back(lane)

    def _new_lane(self) -> _Lane:
        return _Lane(self._url, self._marker_key, self._namespace, self._script)

    def _lease(self) -> _Lane:
        try:
            lane = self._lanes.get(timeout=_CONNECT_SECONDS)
        except Empty:
            raise StoreUnavailable("all connections to Redis are in use, or closed") from None
        if lane.process != os.getpid():
            # Two processes on one socket would read each other's answers.
            lane = self._new_lane()
        return lane

    def _close_idle(self) -> None:
        """The server became a replica: the next call of every lane connects anew, and finds the new primary under the same name."""
        idle: list[_Lane] = []
        with suppress(Empty):
            while True:
                idle.append(self._lanes.get_nowait())
        for lane in idle:
            lane.close()
            self._lanes.put(lane)

    def _give_back(self, lane: _Lane) -> None:
        if self._closed:
            lane.close()
        else:
            self._lanes.put(lane)


class _Lane:
    """One connection to Redis, used by one thread at a time."""

    def __init__(self, url: str, marker_key: str, namespace: str, script: str) -> None:
        settings: dict[str, Any] = {
            "socket_connect_timeout": _CONNECT_SECONDS,
            "socket_timeout": _ANSWER_SECONDS,
            "protocol": 2,
            "driver_info": None,
            "client_name": namespace,
            **parse_url(url),  # type: ignore[no-untyped-call]
        }
        kind = settings.pop("connection_class", Connection)
        self.process = os.getpid()
        self._marker_key = marker_key
        self._beat_key = f"{namespace}:beat"
        self._namespace = namespace
        self._script = script
        self._sha = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        self._marker = ""
        self._prefix = ""
        try:
            self._connection: Any = kind(  # redis-py has no types at this depth
                **settings,
                decode_responses=True,
                retry=Retry(NoBackoff(), 0),
                redis_connect_func=self._greet,
                command_packer=_Packer(),
            )
        except TypeError as error:
            raise ValueError("the address of Redis has a parameter that is not known") from error

    def run(self, program: list[str]) -> list[Any]:
        """The script's answer. Raises RedisError or OSError; the caller then closes the lane."""
        self._connect()
        reply = self._transact(program)
        if reply is None:
            # Flushed, or another worker found that Redis had been restarted: nothing was done, so asking again is safe.
            self._enter_epoch()
            reply = self._transact(program)
        if reply is None:
            raise StoreUnavailable("the epoch of Redis changed twice during one call")
        return reply

    def facts(self, section: str) -> dict[str, str]:
        """A section of INFO."""
        self._connect()
        return self._section(section)

    def lineage(self) -> Lineage:
        """The present epoch and its beat."""
        self._connect()
        self._enter_epoch()
        epoch = self._marker.split(" ", 1)[0]
        kept, _, beat = str(self._ask("GET", self._beat_key) or "").partition(" ")
        return Lineage(epoch, int(beat) if kept == epoch else INHERITED)

    def keep_beat(self, lineage: Lineage) -> bool:
        """Keep a beat; False when the epoch is another one."""
        self._connect()
        self._enter_epoch()  # another connection may have begun one
        return self._marker.startswith(f"{lineage.epoch} ") and self._write_marker(self._marker, lineage)

    def begin_epoch(self) -> Lineage:
        """Begin an epoch. StoreUnavailable when another process does at the same moment."""
        self._connect()
        self._enter_epoch()
        begun = Lineage(secrets.token_hex(8), FRESH)
        marker = f"{begun.epoch} {self._marker.split(' ', 1)[1]}"
        if not self._write_marker(marker, begun):
            raise StoreUnavailable("the epoch of Redis changed during the call")
        self._use_marker(marker)
        return begun

    def _write_marker(self, marker: str, lineage: Lineage) -> bool:
        keys = ("2", self._marker_key, self._beat_key)
        return bool(self._ask("EVAL", _BEGIN_SCRIPT, *keys, self._marker, marker, f"{lineage.epoch} {lineage.beat}"))

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        self._connection.disconnect()

    def _connect(self) -> None:
        connection = self._connection
        if connection.is_connected:
            try:
                lost = connection.can_read(0)  # nobody asked, so this is the end of the stream or an answer that is not ours
            except (RedisError, OSError):
                lost = True
            if lost:
                connection.disconnect()
        if not connection.is_connected:
            connection.connect()

    def _greet(self, connection: Any) -> None:
        """Runs on every new connection, whoever opens it, before its first transaction."""
        connection.on_connect()
        self._enter_epoch()
        self._ask("SCRIPT", "LOAD", self._script)

    def _enter_epoch(self) -> None:
        run = self._section("server").get("run_id")
        if not run:
            raise StoreUnavailable("Redis does not tell its run id, so its restarts cannot be seen")
        replication = self._section("replication")
        # A promoted replica remembers how far it had followed; a primary that reads its own log has followed nobody.
        original = replication.get("role") == "master" and replication.get("second_repl_offset") == "-1"
        marker = self._ask(
            *("EVAL", _EPOCH_SCRIPT, "2", self._marker_key, self._beat_key),
            run,
            "full" if self._logs_everything() else "part",
            "original" if original else "promoted",
            secrets.token_hex(8),
        )
        self._use_marker(str(marker))

    def _use_marker(self, marker: str) -> None:
        self._marker = marker
        self._prefix = f"{self._namespace}:{marker.split(' ', 1)[0]}:"

    def _logs_everything(self) -> bool:
        try:
            answer = self._ask("CONFIG", "GET", "*append*")
        except ResponseError:
            return False  # a hosted Redis that does not tell: taken for one that may lose writes
        settings = dict(zip(answer[::2], answer[1::2], strict=True))
        wanted = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
        return all(settings.get(name) == value for name, value in wanted.items())

    def _transact(self, program: list[str]) -> list[Any] | None:
        arguments = ("1", self._marker_key, self._marker, self._prefix, secrets.token_hex(8), *program)
        try:
            reply = self._ask("EVALSHA", self._sha, *arguments)
        except NoScriptError:
            reply = self._ask("EVAL", self._script, *arguments)
        return cast("list[Any] | None", reply)

    def _section(self, name: str) -> dict[str, str]:
        lines = str(self._ask("INFO", name)).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def _ask(self, *command: str) -> Any:
        connection = self._connection
        connection.send_packed_command(connection.pack_command(*command), check_health=False)
        return connection.read_response()


class _Packer:
    """Packs commands for redis-py without its look at every argument: all of ours are text already."""

    def pack(self, *command: str) -> list[bytes]:
        return [hiredis.pack_command(command)]  # type: ignore[arg-type]  # its stub says: a tuple of one


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"Redis: {type(error).__name__}: {str(error)[:200]}")


# --- steps as the script's arguments, and its answer as results: the two halves of what kv_redis.lua says at its top ---------


def _program(steps: tuple[Step, ...]) -> list[str]:
    program: list[str] = []
    for step in steps:
        match step:
            case Limit():
                interval, full = bucket(step)
                program += ("L", step.key, str(interval), str(full))
            case Refund():
                interval, full = bucket(step)
                program += ("F", step.key, str(interval), str(full))
            case Attempt():
                delays = (_ms(step.delay), _ms(step.longest), _ms(step.window))
                program += ("A", step.key, str(step.free), *delays)
            case Expect():
                program += ("E", str(len(step.stamps)))
                for stamp in step.stamps.items():
                    program += stamp
            case Put():
                program += ("P", step.key, step.value, _ms(step.idle))
                program += ("-1" if step.absolute is None else _ms(step.absolute), "1" if step.absent else "0", _ms(step.linger))
                program += ("-1" if step.parent is None else str(step.parent), "-1" if step.within is None else _ms(step.within))
                program += ("1" if step.bounded else "0", "0" if step.origin is None else "1", step.origin or "")
                program += (str(len(step.shed)), *step.shed, str(len(step.unless)), *step.unless, str(len(step.watch)), *step.watch)
            case Read():
                program += ("R", step.key, *("1" if each else "0" for each in (step.slide, step.optional, step.spent)))
            case Take():
                program += ("T", step.key, _ms(step.tombstone))
            case Mark():
                program += ("M", step.key, _ms(step.lifetime))
            case Drop():
                program += ("D", step.key)
            case Renew():
                hold = "0" if step.hold is None else _ms(step.hold)
                program += ("N", hold, str(len(step.stamps)), *step.stamps)
            case Look():
                program += ("K", str(len(step.stamps)), *step.stamps)
            case Enlist():
                program += ("I", step.key, step.member, _ms(step.lifetime), str(MOST_MEMBERS))
            case Roll():
                program += ("O", step.key)
            case Count():
                program += ("C", step.key, _ms(step.window))
    return program


def _ms(length: timedelta) -> str:
    return str(max(0, milliseconds(length)))


def _outcome(steps: tuple[Step, ...], reply: list[Any]) -> Outcome:
    stopped_at: int = reply[0]
    results = tuple(_result(step, answer) for step, answer in zip(steps, reply[2:], strict=False))
    if stopped_at < 0:
        return Outcome(results)
    return Outcome(results, _stop(steps[stopped_at], reply[1]), stopped_at)


def _result(step: Step, answer: Any) -> Result:
    match step:
        case Limit():
            return Allowance(answer[0], timedelta(microseconds=answer[1]))
        case Expect():
            return Seen(dict(step.stamps))
        case Look():
            return Seen(dict(zip(step.stamps, answer, strict=True)))
        case Put():
            return Written(instant(answer))
        case Read() | Take():
            if not answer[0]:
                return _gone(answer)
            stamps = dict(zip(answer[5::2], answer[6::2], strict=True))
            return Record(answer[1], instant(answer[2]), instant(answer[3]), stamps, answer[4])
        case Count() | Attempt():
            return Counted(answer)
        case Roll():
            return Listed(tuple(answer[1:]), bool(answer[0]))
        case Mark() | Drop() | Renew() | Enlist() | Refund():
            return Done()


def _stop(step: Step, answer: Any) -> Stop:
    match step:
        case Limit():
            return Limited(timedelta(microseconds=answer[0]), timedelta(microseconds=answer[1]))
        case Attempt():
            return Limited(timedelta(milliseconds=answer[0]), timedelta(milliseconds=answer[1]))
        case Expect():
            return Stale(dict(zip(step.stamps, answer, strict=True)))
        case Put() if answer[0]:
            return Exists(answer[1])
        case _:
            return _gone(answer)


def _gone(answer: Any) -> Gone:
    return Gone(bool(answer[1]), answer[2], answer[3], answer[4])
