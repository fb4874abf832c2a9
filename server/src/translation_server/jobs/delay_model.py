"""What a delay model is: how long jobs take, and what an honest server could say while one runs. Pure.

Hints and progress come from the distribution and the time elapsed alone. They know nothing of the drawn end, because a
real service would not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import random

LONGEST: Final = 1e9
"""The longest time a job can take, in seconds: 31 years, so that no end leaves the calendar."""

COST_OF_A_POLL: Final = 0.2
"""Seconds of delay that one request is worth: hints make the least of both."""

SHORTEST_INTERVAL: Final = 0.05
MOST_PROGRESS: Final = 0.99


class DelayModel(Protocol):
    """How long jobs take. Its text form says all of it: ``parse_model(str(model)) == model``."""

    def draw(self, rng: random.Random) -> float:
        """Seconds a job takes; calls ``rng.random()`` once, so that what is drawn next does not depend on the model."""

    def progress(self, elapsed: float) -> float:
        """What is probably done after so many seconds: 0 to 0.99, never falling."""

    def poll_after(self, elapsed: float) -> float:
        """Seconds after which to ask again, for a job that is pending after so many seconds."""

    def for_video(self, length: float | None) -> DelayModel:
        """The model of a job whose video lasts so many seconds; raises ``ValueError`` if that would take too long."""


def best_interval(quiet: float) -> float:
    """The interval that costs least if a job ends with a probability of one in ``quiet`` per second.

    The cost per second is ``COST_OF_A_POLL / interval`` for requests and ``interval / 2 / quiet`` for delay.
    """
    return math.sqrt(2 * COST_OF_A_POLL * quiet)
