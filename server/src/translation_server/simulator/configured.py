"""The clock and the simulator that the settings ask for."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from translation_server.service.clock import SystemClock
from translation_server.simulator.clocks import MovableClock, clock_of_speed
from translation_server.simulator.faults.fields import RuleError
from translation_server.simulator.faults.incidents import rules_in
from translation_server.simulator.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from translation_server.config.settings import Settings
    from translation_server.service.clock import Clock
    from translation_server.simulator.faults.rules import Rule

_LOGGER: Final = logging.getLogger(__name__)


def clock_of(settings: Settings) -> Clock:
    """The machine's, unless it shall go at another speed, or can be moved."""
    if settings.clock_speed == 1 and settings.control_api == "off":
        return SystemClock()
    return clock_of_speed(settings.clock_speed)


def steady_of(clock: Clock) -> Callable[[], float]:
    """What rates are counted by: a clock that testers move, else the machine's, which nobody sets back."""
    return clock.now if isinstance(clock, MovableClock) else time.monotonic


def faults_of(settings: Settings) -> tuple[Rule, ...]:
    """Return the rules in ``FAULTS``; none if it is unset.

    Raises:
        SettingsError: It holds no rule, or one that is not allowed.
    """
    if settings.faults is None:
        return ()
    try:
        rules = rules_in(settings.faults)
    except RuleError as error:
        raise settings.refusal("faults", str(error)) from None
    if not rules:
        raise settings.refusal("faults")
    return rules


def simulator_of(settings: Settings, clock: Clock | None = None) -> Simulator | None:
    """Return the simulator, or None if neither ``CONTROL_API`` nor ``FAULTS`` asks for one; log a warning if one does.

    Raises:
        SettingsError: ``FAULTS`` is refused; see ``faults_of``.
    """
    rules = faults_of(settings)
    if not rules and settings.control_api == "off":
        return None
    if settings.faults is not None:
        _LOGGER.warning("requests go wrong on purpose: FAULTS is %s", settings.faults)
    if settings.control_api == "on":
        _LOGGER.warning("CONTROL_API is on: every user may let requests go wrong, move the clock and read the record")
    return Simulator(clock=clock, seed=settings.random_seed, faults=rules)


def for_one_process(settings: Settings) -> list[str]:
    """Variables that are set, and whose state would be another one in each process."""
    test = {
        "CLOCK_SPEED": settings.clock_speed != 1,
        "CONTROL_API": settings.control_api == "on",
        "FAULTS": settings.faults is not None,
    }
    return [name for name, is_set in test.items() if is_set]
