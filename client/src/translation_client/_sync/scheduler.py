"""Many waits on few threads, for a server without an event stream: a wait that sleeps is an entry in a timer heap."""

from __future__ import annotations

import heapq
import itertools
import queue
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from translation_client._core.flow import Reply, Send, Sleep
from translation_client._core.record import timed_out_together
from translation_client._errors import WaitTimeoutError
from translation_client._sync.interruptible import slices
from translation_client._wire.failures import Transient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from translation_client._core.flow import Flow
    from translation_client._models import Job
    from translation_client._sync.driver import Driver
    from translation_client._sync.interruptible import Exchange
    from translation_client._sync.transport import Transport
    from translation_client._wire.responses import Response

AT_ONCE = 32
"""Requests under way at the same time. With no more waits than these, each can afford to be held by the server."""


class Scheduler:
    """Drives waits for single jobs side by side and gives the jobs as they end."""

    def __init__(self, flows: Sequence[Flow[Job]], driver: Driver, transport: Transport) -> None:
        self._driver = driver
        self._transport = transport
        self._running = len(flows)
        self._sleeping: list[tuple[float, int, Flow[Job]]] = []
        self._waiting: deque[tuple[Send, Flow[Job]]] = deque()
        self._under_way: dict[Flow[Job], Exchange] = {}
        self._over: queue.SimpleQueue[tuple[Flow[Job], Exchange, Response | Transient] | None] = queue.SimpleQueue()
        self._order = itertools.count()
        self._ended: deque[Job] = deque()
        self._timed_out: list[WaitTimeoutError] = []
        for flow in flows:
            self._advance(flow, None)

    def run(self) -> Iterator[Job]:
        """Give the jobs as they end.

        Raises:
            WaitTimeoutError: At the deadline, for all that are left.
            TranslationClientError: What the first wait to fail otherwise raises; the others end with it.
        """
        self._transport.register(lambda: self)
        try:
            while self._running or self._ended:
                while self._ended:
                    yield self._ended.popleft()
                self._transport.check_open()
                self._send_waiting()
                self._resume_due()
                self._wait_for_next()
            if self._timed_out:
                raise timed_out_together(self._timed_out)
        finally:
            for exchange in self._under_way.values():
                exchange.interrupt()

    def abandon(self) -> None:
        """End the waits, as the client is closed."""
        self._over.put(None)

    def _advance(self, flow: Flow[Job], reply: Reply | None) -> None:
        """Let the flow decide, and carry out what takes no time."""
        try:
            action = next(flow) if reply is None else flow.send(reply)
            while not isinstance(action, Send | Sleep):
                action = flow.send(self._driver.perform(action))
        except StopIteration as stop:
            self._running -= 1
            self._ended.append(stop.value)
            return
        except WaitTimeoutError as error:  # the others still get their last look
            self._running -= 1
            self._timed_out.append(error)
            return
        if isinstance(action, Send):
            self._waiting.append((action, flow))
        else:
            heapq.heappush(self._sleeping, (action.until, next(self._order), flow))

    def _send_waiting(self) -> None:
        while self._waiting and len(self._under_way) < AT_ONCE:
            action, flow = self._waiting.popleft()
            if action.deadline <= time.monotonic():
                self._advance(flow, Reply(time.monotonic(), Transient(TimeoutError("no time was left to ask"))))
                continue
            exchange = self._transport.begin(action.request, action.deadline)
            self._under_way[flow] = exchange
            exchange.call_when_over(partial(self._add_outcome, flow, exchange))

    def _add_outcome(self, flow: Flow[Job], exchange: Exchange, outcome: Response | Transient) -> None:
        self._over.put((flow, exchange, outcome))

    def _resume_due(self) -> None:
        now = time.monotonic()
        while self._sleeping and self._sleeping[0][0] <= now:
            _, _, flow = heapq.heappop(self._sleeping)
            self._advance(flow, Reply(now))

    def _wait_for_next(self) -> None:
        """Wait for the next answer, deadline of a request, or end of a sleep."""
        if self._waiting and len(self._under_way) < AT_ONCE:
            return
        moments = [exchange.deadline for exchange in self._under_way.values()]
        moments += [self._sleeping[0][0]] if self._sleeping else []
        if not moments or self._ended:
            return
        for left in slices(min(moments)):
            with suppress(queue.Empty):
                over = self._over.get(timeout=left)
                if over is not None:
                    self._resume_answered(*over)
                return
        self._interrupt_late()

    def _resume_answered(self, flow: Flow[Job], exchange: Exchange, outcome: Response | Transient) -> None:
        if self._under_way.get(flow) is exchange:  # otherwise it was interrupted, and its flow went on
            del self._under_way[flow]
            self._advance(flow, Reply(time.monotonic(), outcome))

    def _interrupt_late(self) -> None:
        now = time.monotonic()
        for flow, exchange in list(self._under_way.items()):
            if exchange.deadline <= now:
                del self._under_way[flow]
                self._advance(flow, Reply(now, exchange.interrupt()))
