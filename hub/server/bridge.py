"""From granian's event loop to request threads: what granian calls for every request.

    health        answered by the loop
    head          what can be read in two ways is refused
    rule          how large and how slow the body may be; where nobody will read it, the answer does not wait for it
    short body    received whole by the loop, then a thread runs the application
    long body     a thread of another pool runs the application, which asks for the key and then reads piece by piece
    answer        given by the thread; the connection is closed where a body was left unread

A refusal of the loop is answered by the application as well (idp.web.request, REFUSAL): as a page or a problem, like its own.
Nothing here waits for a store, and nothing but a short body is held for a sender that nobody knows.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hub.server import health
from hub.server.bodies import PAGE_SECONDS, SHORT, UNREAD, BodyRule, Claims, Limits, Pace, is_crumbled
from hub.server.head import Head, read_head
from hub.server.health import HealthAnswer, Readiness
from hub.server.incoming import Incoming
from hub.server.leaving import leave_gently
from hub.server.rsgi import Exchange, Scope, Transport
from hub.server.threads import Threads
from hub.server.watch import Watch
from idp.errors import BodyTooLarge, BodyTooSlow, HubError, MalformedRequest, Overloaded
from idp.web.request import INCOMING, REFUSAL

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Rules = Callable[[Head], BodyRule]
"""What holds for the body of a request; called where there is one."""

_LIMITS = Limits()
_LONG_PER_THREAD = 2
_END_SECONDS = 5.0
_AGAIN_IN = timedelta(seconds=5)
_CLOSE = ("Connection", "close")
_MINUTE = 60.0
_log = logging.getLogger(__name__)


class Bridge:
    """An RSGI application around a WSGI one."""

    def __init__(
        self,
        application: WSGIApplication,
        rules: Rules,
        readiness: Readiness,
        *,
        threads: int,
        limits: Limits = _LIMITS,
        every_minute: Callable[[], object] | None = None,
    ) -> None:
        """`threads`: how many run the application at once; twice as many more may wait for long bodies. `every_minute` runs in a
        thread of its own."""
        self._application = application
        self._rules = rules
        self._readiness = readiness
        self._limits = limits
        self._threads = Threads(threads, "request")
        self._most_long = threads * _LONG_PER_THREAD
        self._long_threads = Threads(self._most_long, "long-request")
        self._probing = Threads(1, "readiness")
        self._minding = Threads(1, "every-minute")
        self._every_minute = every_minute
        self._long = 0
        self._claims = Claims(limits.of_one_key)
        self._answered: deque[asyncio.Future[None]] = deque()
        self._is_waking = False
        self._loop: asyncio.AbstractEventLoop
        self._watch: Watch

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the worker process, before the first request."""
        self._loop = loop
        self._watch = Watch(loop)
        leave_gently(loop)
        if self._every_minute is not None:
            loop.call_later(_MINUTE, self._run_every_minute)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """After the last request."""
        for pool in (self._threads, self._long_threads, self._probing, self._minding):
            pool.close(_END_SECONDS)

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        """One request."""
        head = read_head(scope)
        if head.fault is not None:
            await self._refuse(head, exchange, head.fault)
            if head.has_body:
                await self._linger(_Pieces(exchange, head.length))
        elif head.path in health.PATHS:
            await self._answer_health(head, exchange)
        elif not head.has_body:
            head.environ["wsgi.input"] = io.BytesIO()
            await self._run(head, exchange, self._threads)
        else:
            await self._receive(head, exchange, self._rules(head))

    def _run_every_minute(self) -> None:
        task = self._every_minute
        if task is not None:
            self._minding.run(lambda: _suppressed(task))
            self._loop.call_later(_MINUTE, self._run_every_minute)

    # --- health ---

    async def _answer_health(self, head: Head, exchange: Exchange) -> None:
        if head.path == health.ALIVE:
            answer = health.answer_alive(head.method)
        else:
            states = self._readiness.known()
            if states is None:
                done: asyncio.Future[None] = self._loop.create_future()
                self._probing.run(lambda: self._probe(done))
                await done
                states = self._readiness.states()
            answer = health.answer_ready(head.method, states)
        _give(exchange, answer, is_closing=head.has_body)

    def _probe(self, done: asyncio.Future[None]) -> None:
        try:
            self._readiness.states()
        finally:
            self._wake(done)

    # --- bodies ---

    async def _receive(self, head: Head, exchange: Exchange, rule: BodyRule) -> None:
        if rule is UNREAD:
            await self._answer_early(head, exchange)
            await self._linger(_Pieces(exchange, head.length))
        elif head.length is not None and head.length > rule.most:
            await self._refuse(head, exchange, BodyTooLarge(f"{head.length} bytes, at most {rule.most}"))
            await self._linger(_Pieces(exchange, head.length))
        elif head.length is not None and head.length <= SHORT:
            await self._receive_short(head, exchange, rule)
        else:
            await self._receive_pieces(head, exchange, rule)

    async def _receive_short(self, head: Head, exchange: Exchange, rule: BodyRule) -> None:
        try:
            with self._watch.until(self._due(rule)):
                body = await exchange()
        except asyncio.CancelledError:
            await self._refuse(head, exchange, _too_slow(rule))
        except Exception:  # noqa: BLE001  (granian has no public class for it: the sender broke off)
            await self._refuse(head, exchange, MalformedRequest("the body ended too early"))
        else:
            await self._run_short(head, exchange, body)

    async def _receive_pieces(self, head: Head, exchange: Exchange, rule: BodyRule) -> None:
        """A body that is long, or does not say how long it is."""
        pieces, start, due = _Pieces(exchange, head.length), [], self._due(rule)
        if head.length is None:
            try:
                with self._watch.until(due):
                    while pieces.size <= SHORT and pieces.goes_on(rule.most):
                        start.append(await pieces.next())
            except asyncio.CancelledError:
                await self._refuse(head, exchange, _too_slow(rule))
                return
        if pieces.goes_on(rule.most):
            await self._run_long(head, exchange, rule, pieces, start, due)
        elif fault := pieces.fault(rule.most):
            await self._refuse(head, exchange, fault)
            await self._linger(pieces)
        else:
            await self._run_short(head, exchange, b"".join(start))

    def _due(self, rule: BodyRule) -> float:
        """When a body must be there; of a file, the short beginning."""
        return self._loop.time() + (PAGE_SECONDS if rule.seconds is None else rule.seconds)

    async def _run_short(self, head: Head, exchange: Exchange, body: bytes) -> None:
        head.environ.pop("HTTP_TRANSFER_ENCODING", None)
        head.environ["CONTENT_LENGTH"] = str(len(body))
        head.environ["wsgi.input"] = io.BytesIO(body)
        await self._run(head, exchange, self._threads)

    async def _run_long(
        self, head: Head, exchange: Exchange, rule: BodyRule, pieces: _Pieces, start: list[bytes], due: float
    ) -> None:
        if self._long >= self._most_long:
            await self._refuse(head, exchange, Overloaded("too many long bodies at once", retry_after=_AGAIN_IN))
            await self._linger(pieces)
            return
        incoming = Incoming(self._loop, self._claims, self._limits.held)
        for piece in start:
            incoming.give(piece)
        head.environ["wsgi.input"] = head.environ[INCOMING] = incoming
        receiving = self._loop.create_task(self._pass_on(incoming, rule, pieces, due))
        self._long += 1
        try:
            await self._run(head, exchange, self._long_threads, incoming)
        finally:
            self._long -= 1
            receiving.cancel()
            with suppress(asyncio.CancelledError):
                await receiving
        await self._linger(pieces)

    async def _pass_on(self, incoming: Incoming, rule: BodyRule, pieces: _Pieces, due: float) -> None:
        """Give the thread what arrives, until all is there, or the sender is too slow, sends too much or breaks off."""
        fault: HubError | None = MalformedRequest("the body ended too early")
        pace = Pace(self._limits)
        try:
            with self._watch.at(pace, incoming) if rule.seconds is None else self._watch.until(due):
                while pieces.goes_on(rule.most):
                    await incoming.room()
                    if piece := await pieces.next():
                        incoming.give(piece)
                        pace.received += len(piece)
            fault = pieces.fault(rule.most)
        except asyncio.CancelledError:
            fault = _too_slow(rule)
        finally:
            if fault is None:
                incoming.end()
            else:
                incoming.fail(fault)

    async def _linger(self, pieces: _Pieces) -> None:
        """Let a sender go on for a moment: a connection that is closed on unread bytes takes the answer away with it."""
        with suppress(asyncio.CancelledError, Exception), self._watch.until(self._loop.time() + self._limits.linger_seconds):
            most = pieces.size + self._limits.linger_bytes
            while pieces.goes_on(most):
                await pieces.next()

    # --- answers ---

    async def _refuse(self, head: Head, exchange: Exchange, fault: HubError) -> None:
        """Let the application say why, as it says its own refusals."""
        head.environ[REFUSAL] = fault
        await self._answer_early(head, exchange)

    async def _answer_early(self, head: Head, exchange: Exchange) -> None:
        """Answer without the body, whether some of it has come or not."""
        head.environ["wsgi.input"] = io.BytesIO()
        head.environ.pop("CONTENT_LENGTH", None)
        await self._run(head, exchange, self._threads, is_closing=head.has_body)

    async def _run(
        self, head: Head, exchange: Exchange, pool: Threads, incoming: Incoming | None = None, *, is_closing: bool = False
    ) -> None:
        """Run the application in a thread, and wait until it has answered."""
        answered: asyncio.Future[None] = self._loop.create_future()
        pool.run(lambda: self._work(head.environ, exchange, answered, incoming, is_closing=is_closing))
        await answered

    def _work(
        self,
        environ: WSGIEnvironment,
        exchange: Exchange,
        answered: asyncio.Future[None],
        incoming: Incoming | None,
        *,
        is_closing: bool,
    ) -> None:
        try:
            self._call(environ, exchange, incoming, is_closing=is_closing)
        finally:
            if incoming is not None:
                incoming.close()
            self._wake(answered)

    def _call(self, environ: WSGIEnvironment, exchange: Exchange, incoming: Incoming | None, *, is_closing: bool) -> None:
        """PEP 3333, but for `write()`, which nobody uses any more."""
        begun: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> Callable[[bytes], object]:
            begun[:] = (int(status[:3]), headers)
            return _no_write

        parts = self._application(environ, start_response)
        try:
            status, headers = begun or (200, [])
            if is_closing or (incoming is not None and not incoming.is_whole):
                headers = [*headers, _CLOSE]
            if isinstance(parts, list | tuple) or any(name.lower() == "content-length" for name, _ in headers):
                exchange.response_bytes(status, headers, b"".join(parts))
            else:
                self._stream(exchange, status, headers, parts)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()

    def _stream(self, exchange: Exchange, status: int, headers: list[tuple[str, str]], parts: Iterable[bytes]) -> None:
        transport = exchange.response_stream(status, headers)
        for part in parts:
            if part:
                asyncio.run_coroutine_threadsafe(_send(transport, part), self._loop).result()

    def _wake(self, answered: asyncio.Future[None]) -> None:
        """From a thread: let the loop go on with a request. One wake-up serves all that were answered in the meantime."""
        self._answered.append(answered)
        if not self._is_waking:
            self._is_waking = True
            with suppress(RuntimeError):  # the loop is closed: the process ends
                self._loop.call_soon_threadsafe(self._go_on)

    def _go_on(self) -> None:
        # In this order: what a thread appends after the loop below has ended finds nobody waking, and wakes again.
        self._is_waking = False
        while self._answered:
            answered = self._answered.popleft()
            if not answered.done():
                answered.set_result(None)


class _Pieces:
    """A body's pieces, counted."""

    def __init__(self, exchange: Exchange, length: int | None) -> None:
        self._source = exchange.__aiter__()
        self._length = length
        self._chunks = 0
        self._empty = 0
        self.size = 0
        self.is_over = False

    async def next(self) -> bytes:
        """The next piece; b"" and `is_over` at the end."""
        try:
            piece = await anext(self._source)
        except StopAsyncIteration:
            self.is_over = True
            return b""
        self._chunks += 1
        self._empty += not piece
        self.size += len(piece)
        return piece

    def goes_on(self, most: int) -> bool:
        """Whether there is more of it, and still nothing wrong with it."""
        return not self.is_over and self.size <= most and not is_crumbled(self._chunks, self.size)

    def fault(self, most: int) -> HubError | None:
        """What is wrong with the body as it came. None: it is whole."""
        if self.size > most:
            return BodyTooLarge(f"more than {most} bytes")
        if is_crumbled(self._chunks, self.size):
            return MalformedRequest("the body came in too many too small pieces")
        # Granian gives an empty piece at the end, and one more where the sender broke off (or sent trailers, which nobody needs).
        broken = self.size != self._length if self._length is not None else self._empty > 1
        return MalformedRequest(f"the body ended after {self.size} bytes") if broken else None


async def _send(transport: Transport, part: bytes) -> None:
    await transport.send_bytes(part)


def _give(exchange: Exchange, answer: HealthAnswer, *, is_closing: bool) -> None:
    headers = [*answer.headers, _CLOSE] if is_closing else list(answer.headers)
    exchange.response_bytes(answer.status, headers, answer.body)


def _too_slow(rule: BodyRule) -> HubError:
    limit = "16 KiB a second" if rule.seconds is None else f"{rule.seconds:g} seconds"
    return BodyTooSlow(f"the body did not arrive in time ({limit})")


def _suppressed(task: Callable[[], object]) -> None:
    try:
        task()
    except HubError as fault:
        _log.warning("not done this minute", extra={"cause": fault.detail or fault.code})


def _no_write(_data: bytes) -> object:
    raise NotImplementedError("write() is not offered: return the parts")
