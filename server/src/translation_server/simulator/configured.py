"""The simulator that the settings ask for, and the layers it adds to the application.

A server that is not a simulator has neither, and pays nothing for them.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from translation_server.middleware.basic_auth import is_open_path
from translation_server.service.clock import SystemClock
from translation_server.service.errors import UnknownJobError
from translation_server.simulator.clocks import MovableClock, clock_of_speed
from translation_server.simulator.faults.fields import RuleError
from translation_server.simulator.faults.incidents import rules_in
from translation_server.simulator.faults.injection import FaultInjection
from translation_server.simulator.recording.recorder import JobRecorder, Recorder
from translation_server.simulator.simulator import Simulator
from translation_server.stores import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Scope

    from translation_server.config.settings import Settings
    from translation_server.jobs.model import Fate, Job
    from translation_server.service.clock import Clock
    from translation_server.service.service import Service
    from translation_server.simulator.faults.rules import Rule
    from translation_server.simulator.recording.exchange import Exchange

_LOGGER: Final = logging.getLogger(__name__)


def clock_of(settings: Settings) -> Clock:
    """Return the machine's clock, or one that can be moved if ``CLOCK_SPEED`` or ``CONTROL_API`` asks for it."""
    if settings.clock_speed == 1 and settings.control_api == "off":
        return SystemClock()
    return clock_of_speed(settings.clock_speed)


def monotonic_of(clock: Clock) -> Callable[[], float]:
    """Return what request rates are measured by: a movable clock, else the machine's monotonic time."""
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
    if rules:
        _LOGGER.warning("requests fail on purpose: FAULTS is %s", settings.faults)
    if settings.control_api == "on":
        _LOGGER.warning("CONTROL_API is on: every user may inject faults, move the clock and read the record")
    return Simulator(clock=clock, seed=settings.random_seed, faults=rules)


def innermost(layers: ASGIApp, simulator: Simulator, service: Callable[[], Service]) -> ASGIApp:
    """Add the layer next to the routes: it records what the service did, even if the client never learns of it."""

    async def find(user: str, job_id: str) -> Job | None:
        try:
            return (await service().find(user, job_id)).job
        except (UnknownJobError, StoreUnavailableError):
            return None

    return JobRecorder(layers, simulator.exchanges, find)


def around(layers: ASGIApp, simulator: Simulator, service: Callable[[], Service]) -> ASGIApp:
    """Add the layer that injects faults, and around it the one that records what was really sent, and decides fates."""

    def decide(exchange: Exchange, scope: Scope) -> Fate | None:
        formats = scope.get("translation_server.formats", frozenset())
        return simulator.fates.decide(exchange.user, exchange.job, formats)

    faulty = FaultInjection(layers, simulator, is_stopping=lambda: service().waiters.stopping)
    return Recorder(faulty, simulator.exchanges, simulator.clock, is_open=is_open_path, decide=decide)
