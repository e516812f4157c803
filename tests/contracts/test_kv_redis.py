"""What is Redis' own: epochs over restarts, snapshots, flushes and promotions; refusals; faults while it runs.

Each test has servers of its own in the run's folder, started with the persistence that it is about.
"""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from hub.storage.kv_redis import RedisKeyValue
from idp.errors import StoreUnavailable
from idp.kv import Count, Counted, Gone, KeyValue, Look, Mark, Put, Read, Renew, Take
from tests.contracts.kv_stores import PATIENCE, gone, look, record, went_through
from tests.processes import Process, Run, free_port
from tests.servers import require

pytestmark = pytest.mark.servers

HOUR = timedelta(hours=1)
NOTHING_KEPT = ("--save", "", "--appendonly", "no")
SNAPSHOTS = ("--save", "3600 1", "--appendonly", "no")
EVERYTHING_KEPT = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
MOST_KEPT = ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec")


class Server:
    """A Redis on a socket in a folder of its own. `crash` and `start` keep the folder."""

    def __init__(self, run: Run, options: tuple[str, ...]) -> None:
        self._run = run
        self._options = options
        self.folder = run.folder / f"r{secrets.token_hex(3)}"
        self.folder.mkdir()
        self.url = f"unix://{self.folder}/s"
        self.raw = redis.Redis.from_url(self.url, decode_responses=True, retry=None)
        self.process: Process
        self.start()

    def start(self, *more: str) -> None:
        command: list[str | Path] = [require("redis"), "--port", "0", "--unixsocket", f"{self.folder}/s", "--dir", self.folder]
        always = ("--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0")
        self.process = self._run.start("redis", [*command, *always, *self._options, *more], shown=False)
        self.until(lambda: bool(self.raw.ping()))

    def crash(self) -> None:
        self.process.kill()
        self.raw.close()
        if self.process in self._run.processes:
            self._run.processes.remove(self.process)

    def restart(self) -> None:
        self.crash()
        self.start()

    def until(self, happened: Callable[[], bool]) -> None:
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                if happened():
                    return
            except redis.RedisError:
                assert self.process.returncode is None, self.process.tail()
            assert time.monotonic() < give_up, self.process.tail()
            time.sleep(0.02)

    def epoch(self) -> str:
        return str(self.raw.get("idhub:epoch")).split(" ")[0]


Start = Callable[..., Server]


@pytest.fixture
def serve(run: Run) -> Iterator[Start]:
    """Start a Redis with these options."""
    servers: list[Server] = []

    def start(*options: str) -> Server:
        servers.append(Server(run, options))
        return servers[-1]

    yield start
    for server in servers:
        server.crash()


@pytest.fixture
def store() -> Iterator[Callable[[Server], RedisKeyValue]]:
    """Open a store on a server."""
    opened: list[RedisKeyValue] = []

    def open_one(server: Server, connections: int = 4) -> RedisKeyValue:
        opened.append(RedisKeyValue(server.url, max_connections=connections))
        return opened[-1]

    yield open_one
    for kv in opened:
        kv.close()


Store = Callable[..., RedisKeyValue]


def fill(kv: KeyValue) -> None:
    """A live session, a token to be revoked and a code to be spent, of two billers."""
    for bid in ("1", "2"):
        kv.transact(
            Put(f"{bid}:session", "S", HOUR, unless=(f"{bid}:ended",)),
            Put(f"{bid}:token", "T", HOUR, unless=(f"{bid}:revoked",)),
            Put(f"{bid}:code", "C", HOUR),
        )


def void(kv: KeyValue) -> bool:
    """Nothing of what `fill` wrote is to be had, and no tombstone of it."""
    keys = [f"{bid}:{what}" for bid in ("1", "2") for what in ("session", "token", "code")]
    return [kv.transact(Read(key, optional=True)).results for key in keys] == [(Gone(),)] * 6


# --- epochs ------------------------------------------------------------------------------------------------------------------


def test_a_redis_that_comes_back_empty_begins_a_new_epoch_and_serves_the_same_store_again(serve: Start, store: Store) -> None:
    server = serve(*NOTHING_KEPT)
    kv = store(server)
    fill(kv)
    stamps = look(kv, "row")
    epoch = server.epoch()
    server.restart()
    assert void(kv)
    assert server.epoch() != epoch
    assert look(kv, "row") != stamps
    fill(kv)
    assert record(kv.transact(Read("1:session"))).value == "S"


def test_an_old_snapshot_revives_no_revoked_token_no_spent_code_and_no_ended_session(serve: Start, store: Store) -> None:
    server = serve(*SNAPSHOTS)
    kv = store(server)
    fill(kv)
    server.raw.save()
    kv.transact(Mark("1:revoked", HOUR), Mark("1:ended", HOUR), Take("1:code", HOUR))
    assert gone(kv.transact(Read("1:token"))).ended_by == "1:revoked"
    server.restart()
    assert server.raw.dbsize() == 8  # the snapshot is really there: six records, the marker and the beat
    assert void(kv)
    assert void(store(server))
    assert gone(kv.transact(Take("1:code", HOUR))) == Gone()


def test_a_flush_under_a_running_hub_begins_one_new_epoch_for_all_workers(serve: Start, store: Store) -> None:
    server = serve(*NOTHING_KEPT)
    one, other = store(server), store(server)
    fill(one)
    epoch = server.epoch()
    assert record(other.transact(Read("1:session"))).value == "S"
    server.raw.flushall()
    assert void(one)
    one.transact(Put("k", "v", HOUR))
    assert record(other.transact(Read("k"))).value == "v"
    assert server.epoch() != epoch


def test_a_full_log_keeps_the_epoch_and_everything_in_it_over_a_crash(serve: Start, store: Store) -> None:
    server = serve(*EVERYTHING_KEPT)
    kv = store(server)
    fill(kv)
    stamps = look(kv, "row")
    kv.transact(Mark("1:revoked", HOUR), Take("2:code", HOUR), Count("failures", HOUR))
    epoch = server.epoch()
    for _ in range(2):
        server.restart()
        assert record(kv.transact(Read("1:session"))).value == "S"
        assert gone(kv.transact(Read("1:token"))).ended_by == "1:revoked"
        assert gone(kv.transact(Take("2:code", HOUR))).spent
        assert record(store(server).transact(Read("2:token"))).value == "T"
        assert look(kv, "row") == stamps
        assert server.epoch() == epoch
    assert kv.transact(Count("failures", HOUR)).results == (Counted(2),)


def test_a_log_that_is_synced_every_second_is_not_enough(serve: Start, store: Store) -> None:
    server = serve(*MOST_KEPT)
    kv = store(server)
    fill(kv)
    server.raw.bgrewriteaof()
    server.restart()
    assert void(kv)


@pytest.mark.parametrize("setting", [("appendfsync", "everysec"), ("no-appendfsync-on-rewrite", "yes")])
def test_a_log_that_was_weakened_while_redis_ran_does_not_count_as_full(
    serve: Start, store: Store, setting: tuple[str, str]
) -> None:
    server = serve(*EVERYTHING_KEPT)
    kv = store(server)
    fill(kv)
    server.raw.config_set(*setting)
    store(server).transact(Read("1:session"))  # a new connection notices
    server.restart()  # with the settings that it was started with
    assert void(kv)


def test_a_log_that_was_switched_on_late_does_not_count_as_full(serve: Start, store: Store) -> None:
    server = serve(*NOTHING_KEPT)
    kv = store(server)
    fill(kv)
    server.raw.config_set("appendfsync", "always")
    server.raw.config_set("appendonly", "yes")
    server.until(lambda: server.raw.info("persistence")["aof_rewrite_in_progress"] == 0)
    store(server).transact(Read("1:session"))
    server.crash()
    server.start(*EVERYTHING_KEPT)
    assert void(kv)


def test_a_promoted_replica_begins_a_new_epoch_however_it_keeps_its_log(serve: Start, store: Store) -> None:
    primary = serve(*EVERYTHING_KEPT)
    replica = serve(*EVERYTHING_KEPT)
    fill(store(primary))
    port = _listen(primary)
    replica.raw.replicaof("127.0.0.1", str(port))
    replica.until(lambda: replica.raw.dbsize() == 8)
    primary.crash()
    replica.raw.replicaof("NO", "ONE")
    assert void(store(replica))


def _listen(server: Server) -> int:
    """Open a loopback port on a server that has only its socket."""
    port = free_port()
    server.raw.config_set("bind", "127.0.0.1")
    server.raw.config_set("port", port)
    return port


# --- refusals ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "volatile-random"])
def test_a_redis_that_throws_keys_away_is_refused(serve: Start, store: Store, policy: str) -> None:
    server = serve(*NOTHING_KEPT)
    kv = store(server)
    kv.check()
    server.raw.config_set("maxmemory-policy", policy)
    with pytest.raises(StoreUnavailable, match=f"{policy}.*noeviction"):
        kv.check()


def test_a_replica_is_refused_and_so_are_transactions_on_it(serve: Start, store: Store) -> None:
    primary, replica = serve(*NOTHING_KEPT), serve(*NOTHING_KEPT)
    kv = store(replica)
    fill(kv)
    replica.raw.replicaof("127.0.0.1", str(_listen(primary)))
    replica.until(lambda: replica.raw.info("replication")["master_link_status"] == "up")
    with pytest.raises(StoreUnavailable):
        kv.transact(Put("k", "v", HOUR))
    with pytest.raises(StoreUnavailable):
        kv.check()


@pytest.mark.parametrize("url", ["http://127.0.0.1", "127.0.0.1:6379", "redis://127.0.0.1/0?nonsense=1"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match=r"Redis|redis"):
        RedisKeyValue(url, max_connections=1)


def test_a_wrong_password_is_said_without_the_password(serve: Start) -> None:
    server = serve(*NOTHING_KEPT)
    server.raw.config_set("requirepass", "right-secret")
    kv = RedisKeyValue(server.url.replace("unix://", "unix://:wrong-secret@"), max_connections=1)
    with pytest.raises(StoreUnavailable) as refused:
        kv.check()
    kv.close()
    assert "secret" not in refused.value.detail


# --- faults ------------------------------------------------------------------------------------------------------------------


def test_while_redis_is_away_calls_fail_and_afterwards_they_work_again(serve: Start, store: Store) -> None:
    server = serve(*EVERYTHING_KEPT)
    kv = store(server)
    fill(kv)
    with ThreadPoolExecutor(4) as pool:  # so that several connections are open and will turn out dead
        list(pool.map(lambda _: kv.transact(Read("1:session")), range(50)))
    server.crash()
    for _ in range(6):
        with pytest.raises(StoreUnavailable):
            kv.transact(Read("1:session"))
    with pytest.raises(StoreUnavailable):
        kv.check()
    server.start()
    for _ in range(6):
        assert record(kv.transact(Read("1:session"))).value == "S"
    kv.check()


def test_a_call_whose_answer_does_not_come_is_not_made_twice_and_its_answer_goes_to_nobody(serve: Start, store: Store) -> None:
    server = serve(*NOTHING_KEPT)
    kv = store(server, 1)
    fill(kv)
    server.process.signal(signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable):
            kv.transact(Count("failures", HOUR))
    finally:
        server.process.signal(signal.SIGCONT)
    assert record(kv.transact(Read("1:session"))).value == "S"
    counted = went_through(kv.transact(Count("failures", HOUR))).results[0]
    assert counted in (Counted(1), Counted(2))


def test_a_full_redis_refuses_whole_transactions_and_says_nothing_of_their_values(serve: Start, store: Store) -> None:
    server = serve(*NOTHING_KEPT)
    kv = store(server)
    fill(kv)
    server.raw.config_set("maxmemory", "1mb")
    with pytest.raises(StoreUnavailable) as refused:
        kv.transact(Take("1:code", HOUR), Put("k", "private value", HOUR))
    assert "OutOfMemory" in refused.value.detail
    assert "private value" not in refused.value.detail
    server.raw.config_set("maxmemory", "0")
    assert record(kv.transact(Take("1:code", HOUR))).value == "C"
    assert gone(kv.transact(Read("k"))) == Gone()


def test_the_script_is_sent_again_when_redis_forgot_it(serve: Start, store: Store) -> None:
    server = serve(*NOTHING_KEPT)
    kv = store(server)
    fill(kv)
    server.raw.script_flush()
    assert record(kv.transact(Read("1:session"))).value == "S"


def test_no_more_connections_are_opened_than_were_allowed(serve: Start, store: Store) -> None:
    server = serve(*NOTHING_KEPT)
    kv = store(server, 3)
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(lambda _: kv.transact(Count("c", HOUR)), range(200)))
    assert len(outcomes) == 200
    ours = [client for client in server.raw.client_list() if client["name"] == "idhub"]
    assert 1 <= len(ours) <= 3
    kv.close()
    server.until(lambda: not [client for client in server.raw.client_list() if client["name"] == "idhub"])


def test_two_hubs_share_a_redis_without_touching(serve: Start) -> None:
    server = serve(*NOTHING_KEPT)
    one, other = (RedisKeyValue(server.url, max_connections=1, namespace=name) for name in ("one", "other"))
    one.transact(Put("k", "v", HOUR))
    assert gone(other.transact(Read("k"))) == Gone()
    one.close()
    other.close()


# --- what is left behind -----------------------------------------------------------------------------------------------------


def test_every_key_but_marker_and_beat_has_an_end(serve: Start, store: Store) -> None:
    server = serve(*NOTHING_KEPT)
    kv = store(server)
    fill(kv)
    kv.transact(Look(("a", "b")), Renew(("b",)), Renew(("c",), hold=HOUR), Mark("m", HOUR), Count("n", HOUR), Take("1:code", HOUR))
    kv.transact(Read("1:session", slide=True))
    lifetimes = {str(key): int(server.raw.pttl(key)) for key in server.raw.scan_iter()}
    assert lifetimes.pop("idhub:epoch") == -1
    assert lifetimes.pop("idhub:beat") == -1
    assert len(lifetimes) == 11
    assert all(0 < lifetime <= 86_400_000 for lifetime in lifetimes.values())
    assert kv.purge(100) == 0


def test_a_stamp_that_is_read_late_in_its_day_lives_another_day_with_the_same_version(serve: Start, store: Store) -> None:
    server = serve(*NOTHING_KEPT)
    kv = store(server)
    first = look(kv, "row")
    key = f"idhub:{server.epoch()}:s:row"
    kept = str(server.raw.get(key))
    thirteen_hours_ago = int(kept[:10]) - 13 * 3600
    server.raw.set(key, f"{thirteen_hours_ago}{kept[10:]}", px=60_000)
    assert look(kv, "row") == first
    assert int(server.raw.pttl(key)) > 80_000_000
