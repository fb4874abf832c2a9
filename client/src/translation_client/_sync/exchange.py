"""One request and its answer, on a thread that can be left behind."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from translation_client._sync.interruptible import Cutter
from translation_client._sync.patience import run_aside, slices
from translation_client._wire.failures import out_of_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from translation_client._wire.requests import Response, Transient

_ENDING = 0.02  # seconds an abandoned exchange is given to leave


class Exchange:
    """A request under way; it is begun by making it.

    Args:
        send: Sends the request and reads the answer, however long that takes; never raises.
        deadline: The moment (on ``time.monotonic()``) at which nobody waits for it any more.
    """

    def __init__(self, send: Callable[[], Response | Transient], deadline: float) -> None:
        self.deadline = deadline
        self._send = send
        self._began = time.monotonic()
        self._cutter = Cutter()
        self._lock = threading.Lock()
        self._under_way = threading.Lock()  # held while it is; an Event, interrupted, can stay locked
        self._under_way.acquire()
        self._outcome: Response | Transient | None = None
        self._when_over: Callable[[Response | Transient], None] | None = None
        run_aside(self._run, "translation-client-exchange")

    def result(self) -> Response | Transient:
        """Wait for the outcome, until the deadline; whoever leaves earlier (Ctrl-C) takes the request along."""
        try:
            any(self._under_way.acquire(timeout=left) for left in slices(self.deadline))
        except BaseException:
            self.cut()
            raise
        return self._outcome or self.cut()

    def cut(self) -> Response | Transient:
        """End it, whatever it is doing; the outcome is a failure, unless the answer came first."""
        came_first = self._outcome  # what comes after the cut is a consequence of it
        sent = self._cutter.cut()
        if came_first is None:
            self._under_way.acquire(timeout=_ENDING)
        return came_first or out_of_time(time.monotonic() - self._began, sent=sent)

    def when_over(self, call: Callable[[Response | Transient], None]) -> None:
        """Call back with the outcome, from its thread, or at once if it is over."""
        with self._lock:
            self._when_over = call
            outcome = self._outcome
        if outcome is not None:
            call(outcome)

    def _run(self) -> None:
        with self._cutter:
            outcome = self._send()
        with self._lock:
            self._outcome = outcome
            call = self._when_over
        self._under_way.release()
        if call is not None:
            call(outcome)
