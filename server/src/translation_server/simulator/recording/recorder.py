"""Two ASGI layers around the faults: what really got out to the client, and what the application behind them did.

The outer one, `Recording`, puts the `Exchange` into the scope and completes it from what passes. The inner one,
`Noting`, learns which job a start was answered with, which the client of a lost answer never does.

A fault that writes to the connection itself, around these layers, says so in the exchange: `status`, and `cut` if it
broke the connection off.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect

from translation_server.http import parameters
from translation_server.http.parameters import path_of
from translation_server.http.problems import ProblemError
from translation_server.http.routes import JOB_NUMBER
from translation_server.simulator.recording.exchange import SCOPE_KEY, Exchange, Kind, Told
from translation_server.simulator.report.answers import Endings, read_headers, read_job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from translation_server.jobs.model import Job
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


def classify(method: str, path: str) -> tuple[Kind, str | None]:
    """What a request is for, and the job in its path."""
    if (fixed := _FIXED.get((method, path))) is not None:
        return fixed, None
    start, _, last = path.rpartition("/")
    kind = _OF_A_JOB.get((method, start)) if last else None
    return (Kind.OTHER, None) if kind is None else (kind, last)


class Recording:
    """The outer layer; `scope[SCOPE_KEY]` is the exchange.

    Args:
        app: The application behind it.
        exchanges: Where each request is logged.
        clock: The server's.
        is_open: Whether a path is answered to everyone; such requests are not logged, nor those to the simulator's API.
        steady: Seconds of the machine, of any origin.
    """

    def __init__(
        self,
        app: ASGIApp,
        exchanges: Exchanges,
        clock: Clock,
        *,
        is_open: Callable[[str], bool] = lambda _: False,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._exchanges = exchanges
        self._clock = clock
        self._is_open = is_open
        self._steady = steady

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        path = path_of(scope) if scope["type"] == "http" else _OWN
        if path == _OWN or path.startswith(f"{_OWN}/") or self._is_open(path):
            await self._app(scope, receive, send)
            return
        exchange = scope[SCOPE_KEY] = self._begin(scope, path)
        if exchange.kind is Kind.START:
            scope[JOB_NUMBER] = exchange.job
        recorder = _Recorder(self, exchange, receive, send)
        try:
            await self._app(scope, recorder.receive_for(exchange.kind), recorder.send)
        except ClientDisconnect:
            exchange.left = not exchange.cut
            raise
        except Exception:
            exchange.status = exchange.status or 500  # which the layer in front of this one answers
            raise
        finally:
            recorder.end()

    def now(self) -> Told:
        """This moment."""
        return Told(self._clock.now(), self._steady())

    def number(self, exchange: Exchange) -> None:
        """Give the exchange the number of its job, which its answer named."""
        if exchange.job is None and exchange.job_id is not None:
            exchange.job = self._exchanges.number_of(exchange.user, exchange.job_id)

    def _begin(self, scope: Scope, path: str) -> Exchange:
        kind, job_id = classify(scope["method"], path)
        arrived, steady_arrived = self.now()
        return self._exchanges.begin(
            kind,
            scope["method"],
            path,
            user=scope.get("user"),
            job_id=job_id,
            key=_key(scope) if kind is Kind.START else None,
            wait=_wait(scope) if kind in {Kind.POLL, Kind.LATEST} else None,
            arrived=arrived,
            steady_arrived=steady_arrived,
        )


class _Recorder:
    """Completes one exchange; its `receive` and `send` stand in for the server's."""

    __slots__ = ("_body", "_digest", "_endings", "_exchange", "_receive", "_recording", "_send")

    def __init__(self, recording: Recording, exchange: Exchange, receive: Receive, send: Send) -> None:
        self._recording = recording
        self._exchange = exchange
        self._receive = receive
        self._send = send
        self._digest = hashlib.sha256()
        self._body = bytearray()
        self._endings = Endings(exchange.kind)

    def receive_for(self, kind: Kind) -> Receive:
        """Bodies of starts are told apart by a digest; all else is received as before."""
        return self._receive_start if kind is Kind.START else self._receive

    async def _receive_start(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._digest.update(message.get("body", b""))
            self._exchange.fingerprint = self._digest.hexdigest()[:16]
        return message

    async def send(self, message: Message) -> None:
        # Before it goes out: whoever has read the answer finds it in the record.
        if message["type"] == "http.response.start":
            read_headers(self._exchange, message)
        else:
            self._record(message)
        await self._send(message)

    def _record(self, message: Message) -> None:
        if self._exchange.kind is not Kind.OTHER:
            self._body += message.get("body", b"")
        if self._is_gone() and not self._exchange.cut:
            self._exchange.left = True
        elif message.get("more_body", False):
            self._tell(self._endings.streamed(self._body))
        else:
            self._complete()

    def end(self) -> None:
        """Nothing more happens."""
        exchange = self._exchange
        if exchange.answered is None:
            exchange.over = self._recording.now().moment
            exchange.left = exchange.left or (self._is_gone() and not exchange.cut)

    def _complete(self) -> None:
        exchange = self._exchange
        self._tell(self._endings.streamed(self._body))
        self._tell(self._endings.listed(self._body))
        if exchange.kind in {Kind.START, Kind.POLL, Kind.LATEST, Kind.CANCEL}:
            self._tell(read_job(exchange, bytes(self._body)))
        self._recording.number(exchange)
        exchange.answered, exchange.steady_answered = self._recording.now()
        exchange.over = exchange.answered

    def _tell(self, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            self._exchange.endings.setdefault(job_id, self._recording.now())

    def _is_gone(self) -> bool:
        """Whether the client has left, as uvicorn knows; what it is sent then goes nowhere, without an error."""
        return bool(getattr(getattr(self._receive, "__self__", None), "disconnected", False))


class Noting:
    """The inner layer: links a start to its job, and a cancellation to the job's new end.

    Args:
        app: The application behind it.
        exchanges: Where that is noted.
        find: The record of a user's job, from the store; None if it cannot be had, which must not change the answer.
    """

    def __init__(self, app: ASGIApp, exchanges: Exchanges, find: Callable[[str, str], Awaitable[Job | None]]) -> None:
        self._app = app
        self._exchanges = exchanges
        self._find = find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        exchange: Exchange | None = scope.get(SCOPE_KEY)
        if exchange is None or exchange.kind not in {Kind.START, Kind.CANCEL}:
            await self._app(scope, receive, send)
            return

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._note(exchange, scope["user"], message)
            await send(message)

        await self._app(scope, receive, noting)

    async def _note(self, exchange: Exchange, user: str, message: Message) -> None:
        if exchange.kind is Kind.START and message["status"] == 202:  # noqa: PLR2004 - accepted
            location: bytes = dict(message.get("headers", ())).get(b"location", b"")
            exchange.job_id = location.decode().rpartition("/")[2]
        elif exchange.kind is Kind.START or message["status"] != 200:  # noqa: PLR2004 - OK
            return
        job = await self._find(user, exchange.job_id or "")
        if job is not None and exchange.kind is Kind.START:
            self._exchanges.accepted(exchange, job)
        elif job is not None:
            self._exchanges.ended(job)


def _key(scope: Scope) -> str | None:
    try:
        return parameters.idempotency_key(parameters.header_values(scope, b"idempotency-key"))
    except ProblemError:
        return None  # refused further on


def _wait(scope: Scope) -> float | None:
    try:
        return parameters.wait_seconds(scope)
    except ProblemError:
        return None
