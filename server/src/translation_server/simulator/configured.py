"""The simulator that the settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from translation_server.simulator.incidents import rules_in
from translation_server.simulator.simulator import Simulator

if TYPE_CHECKING:
    from translation_server.clock import Clock
    from translation_server.settings import Settings


def simulator_of(settings: Settings, clock: Clock | None = None) -> Simulator | None:
    """The simulator, or None if neither `CONTROL_API` nor `FAULTS` asks for one."""
    if settings.faults is None and settings.control_api == "off":
        return None
    return Simulator(clock=clock, seed=settings.random_seed, faults=rules_in(settings.faults or ""))
