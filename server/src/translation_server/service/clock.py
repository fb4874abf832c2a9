"""The time, and being called at a moment of it: the only place that asks the machine what time it is.

Clocks that testers move are in ``simulator.clocks``.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_SLEEP = 3600.0


class Timer(Protocol):
    """A call that is planned."""

    def cancel(self) -> None:
        """Prevent the call; may be repeated."""


class Clock(Protocol):
    """The service's time. Moments are seconds since 1970 (UTC), as floats."""

    @property
    def speed(self) -> float:
        """How many of its seconds pass in one of the machine's; hints to clients are divided by it."""

    def now(self) -> float:
        """The present moment; never less than an earlier answer."""

    def call_at(self, moment: float, callback: Callable[[], None], *, event: bool = True) -> Timer:
        """Call ``callback`` from the running event loop once ``now()`` has reached ``moment``, never before.

        Args:
            moment: May be infinite.
            callback: What to call.
            event: Whether users may notice; housekeeping is nothing that a tester would advance a clock to.
        """


class SystemClock:
    """The wall clock of the machine, except that it never goes back within this process and never stands still.

    Args:
        wall: Seconds since 1970; may be set back or forward by the machine's owner.
        steady: Seconds of any origin; never goes back.

    Attributes:
        speed: See ``Clock``.
    """

    speed = 1.0

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._offset = -math.inf

    def now(self) -> float:
        """The wall clock's time, or where it would be had it not been set back."""
        steady = self._steady()
        self._offset = max(self._offset, self._wall() - steady)
        return steady + self._offset

    def call_at(self, moment: float, callback: Callable[[], None], *, event: bool = True) -> Timer:  # noqa: ARG002 - nobody moves this clock
        """A timer of the running event loop, set again if it fires early."""
        return _LoopTimer(self, moment, callback)


class _LoopTimer:
    """Call at the moment or later: uvloop counts whole milliseconds and may fire early."""

    __slots__ = ("_callback", "_clock", "_handle", "_loop", "_moment")

    def __init__(self, clock: Clock, moment: float, callback: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._moment = moment
        self._callback = callback
        self._handle = self._set(moment - clock.now())

    def cancel(self) -> None:
        self._handle.cancel()

    def _set(self, seconds: float) -> asyncio.TimerHandle:
        return self._loop.call_later(until_due(seconds), self._fire)

    def _fire(self) -> None:
        remaining = self._moment - self._clock.now()
        if remaining > 0:
            self._handle = self._set(remaining)
        else:
            self._callback()


def until_due(seconds: float) -> float:
    """How long a timer of an event loop sleeps for what is due in so many seconds, or to look again before."""
    return math.ceil(min(max(seconds, 0.0), _LONGEST_SLEEP) * 1000) / 1000
