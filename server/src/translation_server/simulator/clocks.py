"""Clocks a tester moves: one that stands still, and one that goes as fast as wanted.

All that the service does at a moment is done when the clock gets there, however it does: jobs end, held requests are
answered, rates and retention are counted. Any thread may move a clock; who waits for it is called in its own loop.
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
"""The moment at which a stepped clock stands first: 2026-01-01T00:00:00Z, so that two runs are alike."""

_LAST: Final = 2e11  # the year 8307: no job that starts by then ends after the year 9999
_PRECISION: Final = 6  # decimals: the moments of a stepped clock are the same, in whichever steps it got there


class _Timer:
    """One call at a moment; all but ``cancel`` is for the clock."""

    __slots__ = ("_callback", "_clock", "_handle", "is_event", "loop", "moment")

    def __init__(self, clock: MovableClock, moment: float, callback: Callable[[], None], *, is_event: bool) -> None:
        self.loop = asyncio.get_running_loop()
        self.moment = moment
        self.is_event = is_event
        self._clock = clock
        self._callback = callback
        self._handle: asyncio.Handle | None = None

    def cancel(self) -> None:
        """Do not call any more."""
        self._clock.forget(self)
        self._stop()

    def look(self) -> None:
        """Call if the moment has come, else wait for it; in the loop."""
        self._stop()
        remaining = self.moment - self._clock.now()
        if remaining > 0:
            self.wait(remaining)
        elif self._clock.forget(self):
            self._callback()

    def wait(self, remaining: float) -> None:
        """Look again when the moment has come, unless the clock stands still: then it will say so."""
        if remaining <= 0:
            self._handle = self.loop.call_soon(self.look)
        elif self._clock.pace:
            self._handle = self.loop.call_later(until_due(remaining / self._clock.pace), self.look)

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class MovableClock:
    """A ``Clock`` that can be moved forward, by any thread.

    Args:
        start: Seconds since 1970.
        pace: Seconds it goes in a second of the machine's.
        steady: The machine's seconds, of any origin; never goes back.

    Attributes:
        pace: Seconds it goes in a second of the machine's; 0: it stands still.
    """

    def __init__(self, start: float, pace: float, steady: Callable[[], float] = time.monotonic) -> None:
        self.pace = pace
        self._steady = steady
        self._origin = steady()
        self._base = start
        self._timers: set[_Timer] = set()
        self._sources: list[Callable[[], float | None]] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(now={self.now():.3f})"

    @property
    def speed(self) -> float:
        """How many of its seconds somebody waits who waits for one of the machine's."""
        return self.pace or 1.0

    def now(self) -> float:
        """The present moment, in seconds since 1970."""
        if not self.pace:
            return self._base
        return self._base + (self._steady() - self._origin) * self.pace

    def call_at(self, moment: float, callback: Callable[[], None], *, event: bool = True) -> _Timer:
        """See ``Clock``; what is no ``event`` is nothing to advance to."""
        timer = _Timer(self, moment, callback, is_event=event)
        with self._lock:  # first, so that whoever moves the clock from here on lets the timer look
            self._timers.add(timer)
        timer.wait(moment - self.now())
        return timer

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once.

        Returns at once: what is due then is done by the servers of this clock, and can be asked of them.

        Args:
            seconds: 0 or more.

        Raises:
            ValueError: The clock cannot go there.
        """
        if not (seconds >= 0 and self.now() + seconds <= _LAST):
            raise ValueError(
                f"a clock can be advanced by 0 seconds or more, to the year 8307, not by {seconds!r} seconds"
            )
        with self._lock:
            self._base = round(self._base + seconds, _PRECISION)
        self._let_look()

    def advance_to_next_event(self, next_end: Callable[[], float | None] | None = None) -> float:
        """Let the time pass until something happens: a pending job ends, or a held request has waited long enough.

        Args:
            next_end: When a pending job ends next; by default, the servers of this clock are asked.

        Returns:
            The seconds that passed.

        Raises:
            LookupError: Nothing will ever happen: no job is pending, and no request is held.
        """
        now = self.now()
        known = [source() for source in ([*self._sources] if next_end is None else [next_end])]
        with self._lock:
            known += [timer.moment for timer in self._timers if timer.is_event and not timer.loop.is_closed()]
        moments = [moment for moment in known if moment is not None and now < moment < math.inf]
        if not moments:
            raise LookupError("nothing will happen: no job is pending, and no request is held")
        seconds = round(min(moments) - now, _PRECISION)
        with self._lock:
            self._base = max(round(self._base + seconds, _PRECISION), 0.0 if self.pace else min(moments))
        self._let_look()
        return seconds

    def ask(self, next_end: Callable[[], float | None]) -> Callable[[], None]:
        """Ask this as well for the next event; returns what ends it."""
        self._sources.append(next_end)
        return lambda: self._sources.remove(next_end)

    def forget(self, timer: _Timer) -> bool:
        """Drop a timer; whether it was there."""
        with self._lock:
            known = timer in self._timers
            self._timers.discard(timer)
            return known

    def _let_look(self) -> None:
        with self._lock:
            timers = [*self._timers]
        for timer in timers:
            with suppress(RuntimeError):  # its loop is closed: nobody is there to be called
                timer.loop.call_soon_threadsafe(timer.look)


class SteppedClock(MovableClock):
    """Stands still until it is advanced.

    Args:
        start: Where it stands first, in seconds since 1970.
    """

    def __init__(self, start: float = START) -> None:
        super().__init__(round(start, _PRECISION), 0.0)


class ScaledClock(MovableClock):
    """Goes, from the machine's time on, ``speed`` times as fast; and can be advanced beside.

    Args:
        speed: Above 0, up to 1,000,000; with 60, a minute takes a second.
        start: Where it begins, in seconds since 1970; by default, the machine's time.
        steady: The machine's seconds, of any origin; never goes back.

    Raises:
        ValueError: There is no such speed.
    """

    def __init__(
        self, speed: float = 1.0, start: float | None = None, steady: Callable[[], float] = time.monotonic
    ) -> None:
        if not 0 < speed <= 1e6:  # noqa: PLR2004 - said in words below
            raise ValueError(f"a clock goes more than 0 times and up to 1000000 times as fast, not {speed!r} times")
        super().__init__(time.time() if start is None else start, speed, steady)


def clock_of_speed(speed: float) -> MovableClock:
    """The clock that goes so many times as fast; 0: one that stands still."""
    return ScaledClock(speed) if speed else SteppedClock()
