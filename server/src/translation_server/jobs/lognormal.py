"""Durations whose logarithm is normally distributed: most alike, a few much longer. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, Self

from translation_server.jobs.delay_model import (
    COST_OF_A_POLL,
    LONGEST,
    MOST_PROGRESS,
    SHORTEST_INTERVAL,
    best_interval,
)

if TYPE_CHECKING:
    import random

_STANDARD: Final = NormalDist()
_P95: Final = _STANDARD.inv_cdf(0.95)
_LEAST_MEDIAN: Final = 0.001
_LEAST_SPREAD: Final = 1.001
_UNHEARD_OF: Final = 8.0  # standard deviations; nothing is drawn beyond them, in either direction
_FEW: Final = 0.01  # nobody waits for these once all others have ended
_MOST_STEPS: Final = 20
_PRECISION: Final = 1e-4  # seconds


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Most jobs take about the same time, a few much longer: what queues and shared machines make of any work.

    Attributes:
        median: Seconds that half of all jobs stay below; 0.001 or more.
        p95: Seconds that 95 of 100 jobs stay below; above ``median`` by a thousandth of it, or more.

    Raises:
        ValueError: They are not.
    """

    median: float
    p95: float

    def __post_init__(self) -> None:
        if not _LEAST_MEDIAN <= self.median <= self.p95 / _LEAST_SPREAD <= LONGEST:
            raise ValueError("of lognormal:MEDIAN:P95, MEDIAN must be 0.001 seconds or more, and P95 above it")

    def __str__(self) -> str:
        return f"lognormal:{self.median!r}:{self.p95!r}"

    def draw(self, rng: random.Random) -> float:
        """See ``DelayModel``; no job takes longer than ``LONGEST``."""
        luck = _STANDARD.inv_cdf(max(rng.random(), 2.0**-54))
        return min(self.median * math.exp(self._sigma * luck), LONGEST)

    def progress(self, elapsed: float) -> float:
        """The time elapsed as a share of that and the time still to be expected."""
        sigma = self._sigma
        z = self._z(elapsed)
        if z < -_UNHEARD_OF:
            return elapsed / (self.median * math.exp(sigma * sigma / 2))
        return min(MOST_PROGRESS, math.exp(_log_mills(z) - _log_mills(z - sigma)))

    def poll_after(self, elapsed: float) -> float:
        """The interval by the end of which the delay to be expected has grown to the cost of a request."""
        z = self._z(elapsed)
        if z > _UNHEARD_OF:  # scripted, and nothing is known of it
            interval = best_interval(elapsed - self.median * math.exp(_UNHEARD_OF * self._sigma))
        else:
            interval = self._next_look(z) - elapsed
        return max(SHORTEST_INTERVAL, interval)

    def for_video(self, length: float | None) -> Self:  # noqa: ARG002 - see DelayModel: it takes as long for any video
        """Itself."""
        return self

    @property
    def _sigma(self) -> float:
        return math.log(self.p95 / self.median) / _P95

    def _z(self, seconds: float) -> float:
        """How many standard deviations above the median, in logarithms."""
        share = seconds / self.median
        return math.log(share) / self._sigma if share else -math.inf

    def _next_look(self, z: float) -> float:
        """The moment by which a job that still runs at ``z`` will, on average, have been over for the cost of a poll.

        That delay, as a function of the moment, is convex: from a moment that is too late, Newton's steps approach
        from above. Half of all jobs will have ended by the median of those that still run, so a moment two costs after
        it is late enough.
        """
        sigma, left = self._sigma, _between(z, math.inf)
        mean = self.median * math.exp(sigma * sigma / 2)
        moment = self._over_for(left / 2) + 2 * COST_OF_A_POLL
        for _ in range(_MOST_STEPS):
            to = self._z(moment)
            ended = _between(z, to)
            delay = moment * ended - mean * _between(z - sigma, to - sigma)
            step = (delay - COST_OF_A_POLL * left) / ended if ended else 0.0
            moment -= step
            if step < _PRECISION:
                break
        return min(moment, self._over_for(left * _FEW) + SHORTEST_INTERVAL)

    def _over_for(self, share: float) -> float:
        """The moment by which all but this share of jobs have ended."""
        return self.median * math.exp(-self._sigma * _STANDARD.inv_cdf(share))


def _between(low: float, high: float) -> float:
    """The probability that a standard normal variable is between the two; precise in both tails."""
    if low + high > 0:
        low, high = -high, -low
    return (math.erfc(-high / math.sqrt(2)) - math.erfc(-low / math.sqrt(2))) / 2


def _log_mills(z: float) -> float:
    """The logarithm of Mills' ratio: the upper tail of the standard normal distribution over its density, at ``z``."""
    if z < _UNHEARD_OF:
        return z * z / 2 + math.log(math.erfc(z / math.sqrt(2)) * math.sqrt(math.pi / 2))
    ratio = z
    for number in range(20, 0, -1):  # Laplace's continued fraction, which at this distance is exact to the last digit
        ratio = z + number / ratio
    return -math.log(ratio)
