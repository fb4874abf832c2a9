"""The clock and the simulator that the settings ask for."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from translation_server.service.clock import SystemClock
from translation_server.simulator.clocks import MovableClock, clock_of_speed
from translation_server.simulator.faults.incidents import rules_in
from translation_server.simulator.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from translation_server.config.settings import Settings
    from translation_server.service.clock import Clock

_LOGGER: Final = logging.getLogger(__name__)


def clock_of(settings: Settings) -> Clock:
    """The machine's, unless it shall go at another speed, or can be moved."""
    if settings.clock_speed == 1 and settings.control_api == "off":
        return SystemClock()
    return clock_of_speed(settings.clock_speed)


def steady_of(clock: Clock) -> Callable[[], float]:
    """What rates are counted by: a clock that testers move, else the machine's, which nobody sets back."""
    return clock.now if isinstance(clock, MovableClock) else time.monotonic


def simulator_of(settings: Settings, clock: Clock | None = None) -> Simulator | None:
    """The simulator, or None if neither `CONTROL_API` nor `FAULTS` asks for one; the log warns of it."""
    if settings.faults is None and settings.control_api == "off":
        return None
    if settings.faults is not None:
        _LOGGER.warning("requests go wrong on purpose: FAULTS is %s", settings.faults)
    if settings.control_api == "on":
        _LOGGER.warning("CONTROL_API is on: every user may let requests go wrong, move the clock and read the record")
    return Simulator(clock=clock, seed=settings.random_seed, faults=rules_in(settings.faults or ""))


def for_one_process(settings: Settings) -> list[str]:
    """Variables that are set, and whose state would be another one in each process."""
    test = {
        "CLOCK_SPEED": settings.clock_speed != 1,
        "CONTROL_API": settings.control_api == "on",
        "FAULTS": settings.faults is not None,
    }
    return [name for name, is_set in test.items() if is_set]
