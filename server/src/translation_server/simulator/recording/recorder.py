"""Two ASGI layers around the faults: they record what the client really got, and what the application did.

The outer one, `Recorder`, puts the `Exchange` into the scope and completes it from the messages that pass. The inner
one, `JobRecorder`, learns which job a start was answered with, which the client of a lost answer never does.

A fault that writes to the connection itself, around these layers, marks the exchange: `status`, and `cut` if it broke
the connection off.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect

from translation_server.http import parameters
from translation_server.http.parameters import path_of
from translation_server.http.problems import ProblemError
from translation_server.http.routes import FATE, JOB_NUMBER
from translation_server.simulator.recording.answers import EndingParser, read_headers, read_job, read_other_job
from translation_server.simulator.recording.exchange import (
    SCOPE_KEY,
    STARTED,
    SUBJECT,
    Exchange,
    Kind,
    Subject,
    Timestamp,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from translation_server.jobs.model import Fate, Job
    from translation_server.service.clock import Clock
    from translation_server.simulator.recording.exchange_log import Exchanges

_OWN: Final = "/simulator"  # requests to the instrument itself are not the client's
_FIXED: Final = {
    ("POST", "/start"): Kind.START,
    ("POST", "/jobs"): Kind.START,
    ("GET", "/status"): Kind.LATEST,
    ("GET", "/jobs"): Kind.LIST,
    ("POST", "/jobs/query"): Kind.QUERY,
    ("GET", "/events"): Kind.EVENTS,
}
_OF_A_JOB: Final = {("GET", "/status"): Kind.POLL, ("GET", "/jobs"): Kind.POLL, ("DELETE", "/jobs"): Kind.CANCEL}

_REFUSED: Final = 400
_ABOUT_A_JOB: Final = frozenset({Kind.START, Kind.POLL, Kind.LATEST, Kind.CANCEL})


def classify(method: str, path: str) -> tuple[Kind, str | None]:
    """Return what a request is for, and the job id in its path."""
    if (fixed := _FIXED.get((method, path))) is not None:
        return fixed, None
    start, _, last = path.rpartition("/")
    kind = _OF_A_JOB.get((method, start)) if last else None
    return (Kind.OTHER, None) if kind is None else (kind, last)


class Recorder:
    """The outer layer; ``scope[SCOPE_KEY]`` is the exchange.

    Args:
        app: The application behind it.
        exchanges: The log.
        clock: The server's.
        is_open: Whether a path is open to everyone; such requests are not logged, nor those to the simulator's API.
        monotonic: Seconds of the machine, of any origin.
        decide: Returns the fate of a start; None: nothing is decided.
    """

    def __init__(  # noqa: PLR0913 - each has a name
        self,
        app: ASGIApp,
        exchanges: Exchanges,
        clock: Clock,
        *,
        is_open: Callable[[str], bool] = lambda _: False,
        monotonic: Callable[[], float] = time.monotonic,
        decide: Callable[[Exchange, Scope], Fate | None] = lambda *_: None,
    ) -> None:
        self._app = app
        self._exchanges = exchanges
        self._clock = clock
        self._is_open = is_open
        self._monotonic = monotonic
        self._decide = decide

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        path = path_of(scope) if scope["type"] == "http" else _OWN
        if path == _OWN or path.startswith(f"{_OWN}/") or self._is_open(path):
            await self._app(scope, receive, send)
            return
        exchange = scope[SCOPE_KEY] = self._begin(scope, path)
        if exchange.kind is Kind.START:
            scope[JOB_NUMBER] = exchange.job
            scope[FATE] = self._decide(exchange, scope)
        recorder = _ExchangeRecorder(self, exchange, scope, receive, send)
        try:
            await self._app(scope, recorder.receive, recorder.send)
        except ClientDisconnect:
            exchange.left = not exchange.cut
            raise
        except Exception:
            exchange.status = exchange.status or 500  # which the layer in front of this one answers
            raise
        finally:
            recorder.end()

    def now(self) -> Timestamp:
        """Return this moment."""
        return Timestamp(self._clock.now(), self._monotonic())

    def set_job_number(self, exchange: Exchange) -> None:
        """Set the number of the job that the answer named, if the request did not."""
        if exchange.job is None and exchange.job_id is not None:
            exchange.job = self._exchanges.number_of(exchange.user, exchange.job_id)

    def _begin(self, scope: Scope, path: str) -> Exchange:
        subject: Subject | None = scope.get(SUBJECT)
        if subject is None:
            kind, job_id = classify(scope["method"], path)
            key, further = _key(scope) if kind is Kind.START else None, {}
            wait = _wait(scope) if kind in {Kind.POLL, Kind.LATEST} else None
        else:
            kind, job_id, key, wait = subject.kind, subject.job_id, subject.key, subject.wait
            further = {"held": wait, "fingerprint": subject.fingerprint, "is_retry": subject.is_retry}
        arrived, arrived_monotonic = self.now()
        return self._exchanges.begin(
            kind,
            scope["method"],
            path,
            user=scope.get("user"),
            job_id=job_id,
            key=key,
            wait=wait,
            arrived=arrived,
            arrived_monotonic=arrived_monotonic,
            **further,
        )


class _ExchangeRecorder:
    """Completes one exchange; its ``receive`` and ``send`` replace the server's."""

    __slots__ = (
        *("_body", "_digest", "_endings", "_exchange", "_expects_continue", "_has_left", "_is_receiving"),
        *("_kept", "_receive", "_recorder", "_send", "_subject"),
    )

    def __init__(self, recorder: Recorder, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        self._recorder = recorder
        self._exchange = exchange
        self._receive = receive
        self._send = send
        self._subject: Subject | None = scope.get(SUBJECT)
        self._digest = hashlib.sha256()
        self._body = bytearray()
        self._endings = EndingParser(exchange.kind)
        self._kept: deque[Message] = deque()
        self._is_receiving = False
        self._has_left = False
        self._expects_continue = bool(parameters.header_values(scope, b"expect"))

    async def receive(self) -> Message:
        """Receive a message of the client; of a start, add its body to the fingerprint."""
        return self._kept.popleft() if self._kept else await self._receive_next()

    async def send(self, message: Message) -> None:
        """Record a message, then send it: a client that has read the answer finds it in the record."""
        if message["type"] == "http.response.start":
            read_headers(self._exchange, message)
        else:
            await self._record(message)
        await self._send(message)

    def end(self) -> None:
        """Finish the record of an unanswered request."""
        exchange = self._exchange
        if exchange.answered is None:
            exchange.over = self._recorder.now().moment
            exchange.left = exchange.left or (self._has_left and not exchange.cut)

    async def _receive_next(self) -> Message:
        self._is_receiving = True
        try:
            message = await self._receive()
        finally:
            self._is_receiving = False
        if message["type"] == "http.disconnect":
            self._has_left = True
        elif self._exchange.kind is Kind.START and self._subject is None:
            self._digest.update(message.get("body", b""))
            self._exchange.fingerprint = self._digest.hexdigest()[:16]
        if not message.get("more_body", False):
            self._expects_continue = False
        return message

    async def _keep_next(self) -> None:
        self._kept.append(await self._receive_next())

    async def _check_disconnect(self) -> bool:
        """Return whether the client has left, without waiting for it; servers drop what is sent then without an error.

        To find out takes a message from the server, which is kept for the application. None is taken while the
        application waits for one, while more of the body is kept, or before a body that awaits ``100 Continue``, which
        a server sends when it is asked for the body.
        """
        has_more = bool(self._kept) and self._kept[-1].get("more_body", False)
        if not (self._has_left or self._is_receiving or has_more or self._expects_continue):
            receiving = asyncio.ensure_future(self._keep_next())
            try:
                await asyncio.sleep(0)  # the task is done now if a message is there
            finally:
                receiving.cancel()
            await asyncio.wait({receiving})
            if not receiving.cancelled():
                receiving.result()
        return self._has_left

    async def _record(self, message: Message) -> None:
        if self._exchange.kind is not Kind.OTHER:
            self._body += message.get("body", b"")
        if not self._exchange.cut and await self._check_disconnect():
            self._exchange.left = True
        elif message.get("more_body", False):
            if self._subject is None:
                self._add_endings(self._endings.parse_stream(self._body))
        else:
            self._complete()

    def _complete(self) -> None:
        exchange, body = self._exchange, self._body
        if self._subject is not None:
            if exchange.kind in {*_ABOUT_A_JOB, Kind.EVENTS}:
                self._add_endings(read_other_job(exchange, bytes(body), self._subject))
        else:
            self._add_endings(self._endings.parse_stream(body))
            self._add_endings(self._endings.parse_list(body))
            if exchange.kind in _ABOUT_A_JOB:
                self._add_endings(read_job(exchange, bytes(body)))
        self._recorder.set_job_number(exchange)
        exchange.answered, exchange.answered_monotonic = self._recorder.now()
        exchange.over = exchange.answered

    def _add_endings(self, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            self._exchange.endings.setdefault(job_id, self._recorder.now())


class JobRecorder:
    """The inner layer: links a start to its job, and a cancellation to the job's new end.

    Args:
        app: The application behind it.
        exchanges: The log.
        find: Returns the record of a user's job from the store, or None if that fails, which must not change the
            answer.
    """

    def __init__(self, app: ASGIApp, exchanges: Exchanges, find: Callable[[str, str], Awaitable[Job | None]]) -> None:
        self._app = app
        self._exchanges = exchanges
        self._find = find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        exchange: Exchange | None = scope.get(SCOPE_KEY)
        if exchange is None or exchange.kind not in {Kind.START, Kind.CANCEL}:
            await self._app(scope, receive, send)
            return

        async def record_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                if exchange.kind is Kind.START:
                    await self._record_start(exchange, scope["user"], _started(scope, message))
                elif exchange.job_id is not None and message["status"] < _REFUSED:
                    await self._record_cancellation(scope["user"], exchange.job_id)
            await send(message)

        await self._app(scope, receive, record_and_send)

    async def _record_start(self, exchange: Exchange, user: str, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            job = await self._find(user, job_id)
            if job is not None:
                self._exchanges.set_job(exchange, job)
            else:
                exchange.job_id = exchange.job_id or job_id

    async def _record_cancellation(self, user: str, job_id: str) -> None:
        job = await self._find(user, job_id)
        if job is not None:
            self._exchanges.update_job(job)


def _started(scope: Scope, message: Message) -> Iterable[str]:
    """Return the ids of the jobs that a start made or found, from its answer."""
    if SUBJECT in scope:
        ids: Iterable[str] = scope.get(STARTED, ())
        return ids
    if message["status"] != 202:  # noqa: PLR2004 - accepted
        return ()
    location: bytes = dict(message.get("headers", ())).get(b"location", b"")
    return (location.decode().rpartition("/")[2],)


def _key(scope: Scope) -> str | None:
    try:
        return parameters.idempotency_key(parameters.header_values(scope, b"idempotency-key"))
    except ProblemError:
        return None  # the route refuses it


def _wait(scope: Scope) -> float | None:
    try:
        return parameters.wait_seconds(scope)
    except ProblemError:
        return None
