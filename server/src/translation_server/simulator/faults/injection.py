"""ASGI layer that injects faults: into the real answer, on the real connection."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from translation_server.http.problems import respond
from translation_server.simulator.faults.altered_response import AlteredResponse, answer_instead, proxy_page
from translation_server.simulator.faults.connection import Connection
from translation_server.simulator.faults.model import (
    BEFORE,
    BadGateway,
    CutLongPoll,
    Fault,
    HtmlPage,
    NotFound,
    Reset,
    Restart,
    Status,
)
from translation_server.simulator.recording.exchange import SCOPE_KEY, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from translation_server.simulator.faults.matching import ActiveRule
    from translation_server.simulator.recording.exchange import Exchange
    from translation_server.simulator.simulator import Simulator

_LOGGER: Final = logging.getLogger(__name__)
_LONGEST_ECHO: Final = 64


class FaultInjection:
    """Pure ASGI middleware, behind the layer that puts an `Exchange` into the scope; leaves alone what has none.

    Args:
        app: The application behind it.
        simulator: What is to go wrong.
        is_stopping: Whether the server is about to stop, so that nothing is delayed any more.
        monotonic: The machine's time, in seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        simulator: Simulator,
        *,
        is_stopping: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._simulator = simulator
        self._is_stopping = is_stopping
        self._monotonic = monotonic
        self._down_until = -math.inf
        self._under_way: set[Connection] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        exchange: Exchange | None = scope.get(SCOPE_KEY)
        if exchange is None:
            await self._app(scope, receive, send)
            return
        speed = self._simulator.clock.speed
        connection = Connection(scope, receive, send, speed=speed, is_stopping=self._is_stopping)
        self._under_way.add(connection)
        try:
            await self._handle(connection)
        finally:
            self._under_way.discard(connection)

    async def _handle(self, connection: Connection) -> None:
        if self._monotonic() < self._down_until:
            connection.exchange.fault = Restart.name
            await connection.break_off(reset=True)
        active = self._simulator.faults.strike(connection.exchange)
        if active is None:
            await self._app(connection.scope, connection.receive, connection.send)
        else:
            await self._inject(active, connection)

    async def _inject(self, active: ActiveRule, connection: Connection) -> None:
        """Inject a fault; if it finds nothing to do, take its count back before the answer is out."""
        fault, exchange = active.rule.fault, connection.exchange
        strikes_late = isinstance(fault, CutLongPoll) and exchange.kind is Kind.EVENTS
        spare = partial(self._simulator.faults.spare, active, exchange)
        if not strikes_late:
            connection.on_unharmed = spare
        try:
            await self._apply(fault, connection)
        finally:
            if exchange.fault is not None:
                _LOGGER.info("fault %s struck %s of user %s", active.rule, exchange.name, exchange.user)
            elif strikes_late or not connection.begun:
                spare()

    async def _apply(self, fault: Fault, connection: Connection) -> None:
        if isinstance(fault, BEFORE):
            connection.exchange.fault = fault.name
            await connection.read_request()
            await self._refuse(fault, connection)
        elif isinstance(fault, CutLongPoll):
            await self._cut(fault, connection)
        else:
            await self._app(connection.scope, connection.receive, AlteredResponse(fault, connection).send)

    async def _refuse(self, fault: Fault, connection: Connection) -> None:
        """Answer in place of the application."""
        match fault:
            case Status(code=code, retry_after=seconds):
                after = None if seconds is None else {"Retry-After": str(math.ceil(connection.to_machine(seconds)))}
                await connection.answer(respond(code, "The simulator answers so on purpose.", headers=after))
            case BadGateway(code=code):
                await connection.answer(proxy_page(code))
            case HtmlPage():
                await connection.answer(proxy_page(200))
            case NotFound():
                job_id = (connection.exchange.job_id or "")[:_LONGEST_ECHO]
                await connection.answer(respond(404, "There is no such job.", job_id=job_id))
            case Restart(seconds=seconds):
                self._down_until = self._monotonic() + connection.to_machine(seconds)
                self._reset_all(connection)
                await connection.break_off(reset=True)
            case _:
                await connection.break_off(reset=isinstance(fault, Reset))

    def _reset_all(self, connection: Connection) -> None:
        """Reset each connection of the server, whatever is under way on it."""
        if connection.reset_all():
            for other in self._under_way:
                if other.exchange.answered is None:
                    other.exchange.fault, other.exchange.cut = Restart.name, True

    async def _cut(self, fault: CutLongPoll, connection: Connection) -> None:
        """Let the application answer for so long, and no longer."""
        answering = asyncio.ensure_future(self._app(connection.scope, connection.receive, connection.send))
        try:
            await connection.pause(fault.seconds, answering)
            if answering.done() or connection.is_over:
                await answering
                return
        finally:
            await _cancel(answering)
        connection.exchange.fault = fault.name
        await answer_instead(fault.instead, connection)


async def _cancel(task: asyncio.Future[None]) -> None:
    """End a task, unless it has ended by itself."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # which is raised where the task is awaited, or else is of no interest
