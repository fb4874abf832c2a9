"""ASGI layer that does the faults: to the real answer, on the real connection."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from translation_server.http.problems import respond
from translation_server.simulator.faults.altered_response import Struck, instead_of_an_answer, page
from translation_server.simulator.faults.connection import Wire
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

    from translation_server.simulator.faults.matching import Placed
    from translation_server.simulator.recording.exchange import Exchange
    from translation_server.simulator.simulator import Simulator

_LOGGER: Final = logging.getLogger(__name__)
_LONGEST_ECHO: Final = 64


class Faulty:
    """Pure ASGI middleware, behind the one that puts the `Exchange` into the scope; lets alone what has none.

    Args:
        app: The application behind it.
        simulator: What is to go wrong.
        is_stopping: Whether the server is about to stop, so that nothing is to be delayed any more.
        steady: Seconds of the machine.
    """

    def __init__(
        self,
        app: ASGIApp,
        simulator: Simulator,
        *,
        is_stopping: Callable[[], bool] = lambda: False,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._simulator = simulator
        self._is_stopping = is_stopping
        self._steady = steady
        self._down_until = -math.inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        exchange: Exchange | None = scope.get(SCOPE_KEY)
        if exchange is None:
            await self._app(scope, receive, send)
            return
        wire = Wire(scope, receive, send, speed=self._simulator.clock.speed, is_stopping=self._is_stopping)
        if self._steady() < self._down_until:
            exchange.fault = Restart.name
            await wire.break_off(reset=True)
        placed = self._simulator.faults.strike(exchange)
        if placed is None:
            await self._app(scope, receive, send)
        else:
            await self._strike(placed, wire)

    async def _strike(self, placed: Placed, wire: Wire) -> None:
        """Do a fault, and take it back if there was nothing to do: before the answer is out, so that nobody is told."""
        fault, exchange = placed.rule.fault, wire.exchange
        strikes_late = isinstance(fault, CutLongPoll) and exchange.kind is Kind.EVENTS
        spare = partial(self._simulator.faults.spare, placed, exchange)
        if not strikes_late:
            wire.on_unharmed = spare
        try:
            await self._do(fault, wire)
        finally:
            if exchange.fault is not None:
                _LOGGER.info("fault %s struck %s of user %s", placed.rule, exchange.name, exchange.user)
            elif strikes_late or not wire.begun:
                spare()

    async def _do(self, fault: Fault, wire: Wire) -> None:
        if isinstance(fault, BEFORE):
            wire.exchange.fault = fault.name
            await wire.read_request()
            await self._refuse(fault, wire)
        elif isinstance(fault, CutLongPoll):
            await self._cut(fault, wire)
        else:
            await self._app(wire.scope, wire.receive, Struck(fault, wire).send)

    async def _refuse(self, fault: Fault, wire: Wire) -> None:
        """Answer in place of the application."""
        match fault:
            case Status(code=code, retry_after=seconds):
                headers = None if seconds is None else {"Retry-After": str(math.ceil(wire.scaled(seconds)))}
                await wire.answer(respond(code, "The simulator answers so on purpose.", headers=headers))
            case BadGateway(code=code):
                await wire.answer(page(code))
            case HtmlPage():
                await wire.answer(page(200))
            case NotFound():
                job_id = (wire.exchange.job_id or "")[:_LONGEST_ECHO]
                await wire.answer(respond(404, "There is no such job.", job_id=job_id))
            case Restart(seconds=seconds):
                self._down_until = self._steady() + wire.scaled(seconds)
                wire.reset_all(fault.name)
                await wire.break_off(reset=True)
            case _:
                await wire.break_off(reset=isinstance(fault, Reset))

    async def _cut(self, fault: CutLongPoll, wire: Wire) -> None:
        """Let the application answer for so long, and no longer."""
        answering = asyncio.ensure_future(self._app(wire.scope, wire.receive, wire.send))
        try:
            await wire.pause(fault.seconds, answering)
            if answering.done() or wire.is_over:
                await answering
                return
        finally:
            await _cancelled(answering)
        wire.exchange.fault = fault.name
        await instead_of_an_answer(fault.instead, wire)


async def _cancelled(task: asyncio.Future[None]) -> None:
    """End a task, unless it has ended by itself."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # which is told where the task is awaited, or not to be told
