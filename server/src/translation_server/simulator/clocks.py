"""Clocks that a test moves: one that stands still, and one that runs at any speed.

The service follows its clock: jobs end, held requests are answered, and rates and retention are measured by it. Any
thread may move a clock; a callback that is due is called in the event loop that asked for it.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from translation_server.service.clock import until_due

if TYPE_CHECKING:
    from collections.abc import Callable

START: Final = 1767225600.0
"""Where a stepped clock begins, 2026-01-01T00:00:00Z: always the same, so that two runs are alike."""

_LAST: Final = 2e11  # the year 8307: no job that starts by then ends after the year 9999
_PRECISION: Final = 6  # decimals: a stepped clock reaches the same moment in any number of steps


class _Timer:
    """One call at a moment; everything except ``cancel`` is for the clock."""

    __slots__ = ("_callback", "_clock", "_handle", "is_event", "loop", "moment")

    def __init__(self, clock: MovableClock, moment: float, callback: Callable[[], None], *, is_event: bool) -> None:
        self.loop = asyncio.get_running_loop()
        self.moment = moment
        self.is_event = is_event
        self._clock = clock
        self._callback = callback
        self._handle: asyncio.Handle | None = None

    def cancel(self) -> None:
        """Cancel the call."""
        self._clock.remove(self)
        self._stop()

    def check(self) -> None:
        """Call back if the moment has come, else wait for it; in the loop."""
        self._stop()
        remaining = self.moment - self._clock.now()
        if remaining > 0:
            self.wait(remaining)
        elif self._clock.remove(self):
            self._callback()

    def wait(self, remaining: float) -> None:
        """Check again when the moment should have come; if the clock stands still, it checks when it is moved."""
        if remaining <= 0:
            self._handle = self.loop.call_soon(self.check)
        elif self._clock.pace:
            self._handle = self.loop.call_later(until_due(remaining / self._clock.pace), self.check)

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class MovableClock:
    """A ``Clock`` that can be moved forward, by any thread.

    Args:
        start: Where it begins, in seconds since 1970.
        pace: Its seconds in one second of the machine; 0: it stands still.
        monotonic: The machine's seconds, of any origin; never goes back.

    Attributes:
        pace: Its seconds in one second of the machine; 0: it stands still.
    """

    def __init__(self, start: float, pace: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.pace = pace
        self._monotonic = monotonic
        self._origin = monotonic()
        self._base = start
        self._timers: set[_Timer] = set()
        self._sources: list[Callable[[], float | None]] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(now={self.now():.3f})"

    @property
    def speed(self) -> float:
        """Its seconds in one second of the machine; 1 if it stands still."""
        return self.pace or 1.0

    def now(self) -> float:
        """Return the present moment, in seconds since 1970."""
        if not self.pace:
            return self._base
        return self._base + (self._monotonic() - self._origin) * self.pace

    def call_at(self, moment: float, callback: Callable[[], None], *, event: bool = True) -> _Timer:
        """Call back at a moment, in this event loop; see ``Clock``.

        Args:
            moment: Seconds since 1970.
            callback: What to call.
            event: Whether ``advance_to_next_event`` may stop there.
        """
        timer = _Timer(self, moment, callback, is_event=event)
        with self._lock:  # first, so that moving the clock from here on checks the timer
            self._timers.add(timer)
        timer.wait(moment - self.now())
        return timer

    def advance(self, seconds: float) -> None:
        """Let a number of seconds pass at once.

        The call does not wait: what becomes due is done by the servers of this clock a moment later.

        Args:
            seconds: 0 or more.

        Raises:
            ValueError: The number is negative, or the year 8307 would be over.
        """
        if not (seconds >= 0 and self.now() + seconds <= _LAST):
            raise ValueError(
                f"a clock can be advanced by 0 seconds or more, to the year 8307, not by {seconds!r} seconds"
            )
        with self._lock:
            self._base = round(self._base + seconds, _PRECISION)
        self._check_timers()

    def advance_to_next_event(self, next_end: Callable[[], float | None] | None = None) -> float:
        """Let time pass until the next event: a pending job ends, or a held request has waited long enough.

        Args:
            next_end: Returns when a pending job ends next; by default, the servers of this clock are asked.

        Returns:
            The seconds that passed.

        Raises:
            LookupError: There is no next event: no job is pending, and no request is held.
        """
        now = self.now()
        known = [source() for source in ([*self._sources] if next_end is None else [next_end])]
        with self._lock:
            known += [timer.moment for timer in self._timers if timer.is_event and not timer.loop.is_closed()]
        moments = [moment for moment in known if moment is not None and now < moment < math.inf]
        if not moments:
            raise LookupError("there is no next event: no job is pending, and no request is held")
        seconds = round(min(moments) - now, _PRECISION)
        with self._lock:
            self._base = max(round(self._base + seconds, _PRECISION), 0.0 if self.pace else min(moments))
        self._check_timers()
        return seconds

    def add_source(self, next_end: Callable[[], float | None]) -> Callable[[], None]:
        """Add a function that returns when a pending job ends next; return one that removes it."""
        self._sources.append(next_end)
        return lambda: self._sources.remove(next_end)

    def remove(self, timer: _Timer) -> bool:
        """Remove a timer; return whether it was still waiting."""
        with self._lock:
            known = timer in self._timers
            self._timers.discard(timer)
            return known

    def _check_timers(self) -> None:
        with self._lock:
            timers = [*self._timers]
        for timer in timers:
            with suppress(RuntimeError):  # its loop is closed, so there is nothing left to call
                timer.loop.call_soon_threadsafe(timer.check)


class SteppedClock(MovableClock):
    """A clock that stands still until it is advanced.

    Args:
        start: Where it begins, in seconds since 1970.
    """

    def __init__(self, start: float = START) -> None:
        super().__init__(round(start, _PRECISION), 0.0)


class ScaledClock(MovableClock):
    """A clock that runs ``speed`` times as fast as the machine's, and can be advanced as well.

    Args:
        speed: Above 0, up to 1,000,000; with 60, a minute takes a second.
        start: Where it begins, in seconds since 1970; by default, the machine's time.
        monotonic: The machine's seconds, of any origin; never goes back.

    Raises:
        ValueError: The speed is out of range.
    """

    def __init__(
        self, speed: float = 1.0, start: float | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if not 0 < speed <= 1e6:  # noqa: PLR2004 - the message has it in words
            raise ValueError(f"a clock goes more than 0 times and up to 1000000 times as fast, not {speed!r} times")
        super().__init__(time.time() if start is None else start, speed, monotonic)


def clock_of_speed(speed: float) -> MovableClock:
    """Return a clock that runs ``speed`` times as fast as the machine's; 0: one that stands still."""
    return ScaledClock(speed) if speed else SteppedClock()
