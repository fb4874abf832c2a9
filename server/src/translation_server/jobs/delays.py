"""The delay models: how long jobs take, and what an honest server can say while one runs. Pure.

Hints and progress are computed from the distribution and the elapsed time alone. They never use the drawn end, because
a real service would not know it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, Protocol, Self

from translation_server.jobs.numbers import to_number
from translation_server.jobs.stages import Staged, parse_stages

if TYPE_CHECKING:
    import random

FORMS: Final = "uniform:SHORTEST:LONGEST, fixed:SECONDS, lognormal:MEDIAN:P95 or proportional:FACTOR[:SPREAD[:LENGTH]]"
"""The text forms of delay models, for messages."""

UNIFORM: Final = "uniform"
"""The value of the setting that selects the uniform model from ``MIN_DELAY`` to ``MAX_DELAY``."""

_USUAL_LENGTH: Final = 60.0

LONGEST: Final = 1e9
"""The longest time a job can take, in seconds: 31 years, so that no end leaves the calendar."""

COST_OF_A_POLL: Final = 0.2
"""Seconds of delay that count as much as one request: hints minimize the sum of both."""

SHORTEST_INTERVAL: Final = 0.05
MOST_PROGRESS: Final = 0.99

_STANDARD: Final = NormalDist()
_P95: Final = _STANDARD.inv_cdf(0.95)
_LEAST_MEDIAN: Final = 0.001
_LEAST_SPREAD: Final = 1.001
_FARTHEST: Final = 8.0  # standard deviations; nothing is drawn beyond them, in either direction
_FEW: Final = 0.01  # of the jobs that still run, which no interval waits for
_MOST_STEPS: Final = 20
_PRECISION: Final = 1e-4  # seconds


class DelayModel(Protocol):
    """How long jobs take. Its text form is complete: ``parse_model(str(model)) == model``."""

    def draw(self, rng: random.Random) -> float:
        """Draw the seconds a job takes.

        Calls ``rng.random()`` once, so that the next draw does not depend on the model.
        """

    def progress(self, elapsed: float) -> float:
        """Return the expected progress after ``elapsed`` seconds: 0 to 0.99, never falling."""

    def poll_after(self, elapsed: float) -> float:
        """Return the seconds after which to ask again about a job that is pending after ``elapsed`` seconds."""

    def for_video(self, length: float | None) -> DelayModel:
        """Return the model for a video of ``length`` seconds; raise ``ValueError`` if it would take too long."""


def best_interval(quiet: float) -> float:
    """Return the cheapest polling interval for a job that ends within a second with a probability of ``1 / quiet``.

    The cost per second is ``COST_OF_A_POLL / interval`` for requests and ``interval / 2 / quiet`` for delay.
    """
    return math.sqrt(2 * COST_OF_A_POLL * quiet)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Durations are uniformly distributed between two limits.

    Attributes:
        shortest: Seconds, 0 or more.
        longest: Seconds, not below ``shortest``.

    Raises:
        ValueError: A limit is not allowed.
    """

    shortest: float
    longest: float

    def __post_init__(self) -> None:
        if not 0 <= self.shortest <= self.longest <= LONGEST:
            raise ValueError("of uniform:SHORTEST:LONGEST, SHORTEST must be 0 or more, and LONGEST not below it")

    def __str__(self) -> str:
        return f"uniform:{self.shortest!r}:{self.longest!r}"

    def draw(self, rng: random.Random) -> float:
        """See ``DelayModel``."""
        return rng.uniform(self.shortest, self.longest)

    def progress(self, elapsed: float) -> float:
        """Return the elapsed time as a share of the expected duration, given that the job still runs."""
        if elapsed >= self.longest:
            return MOST_PROGRESS
        expected = (max(self.shortest, elapsed) + self.longest) / 2
        return min(MOST_PROGRESS, elapsed / expected) if expected else 0.0

    def poll_after(self, elapsed: float) -> float:
        """Return the rest of the time in which no job ends, plus the cheapest interval in delay and requests."""
        earliest = max(self.shortest, elapsed)
        return (earliest - elapsed) + self._interval(self.longest - earliest)

    def for_video(self, length: float | None) -> Self:  # noqa: ARG002 - it does not depend on the video
        """Return this model."""
        return self

    @staticmethod
    def _interval(left: float) -> float:
        # A job past the longest duration has a scripted one: nothing is known about it, so the interval grows again.
        interval = best_interval(abs(left))
        if left > 0:
            interval = min(interval, left + SHORTEST_INTERVAL)
        return max(SHORTEST_INTERVAL, interval)


@dataclass(frozen=True, slots=True)
class Fixed:
    """Every job takes the same time.

    Attributes:
        seconds: 0 or more.

    Raises:
        ValueError: It is negative or too large.
    """

    seconds: float

    def __post_init__(self) -> None:
        if not 0 <= self.seconds <= LONGEST:
            raise ValueError("of fixed:SECONDS, SECONDS must be 0 or more")

    def __str__(self) -> str:
        return f"fixed:{self.seconds!r}"

    def draw(self, rng: random.Random) -> float:
        """See ``DelayModel``."""
        return Uniform(self.seconds, self.seconds).draw(rng)

    def progress(self, elapsed: float) -> float:
        """Return the elapsed share of the time."""
        return Uniform(self.seconds, self.seconds).progress(elapsed)

    def poll_after(self, elapsed: float) -> float:
        """Return the rest of the time."""
        return Uniform(self.seconds, self.seconds).poll_after(elapsed)

    def for_video(self, length: float | None) -> Self:  # noqa: ARG002 - it does not depend on the video
        """Return this model."""
        return self


@dataclass(frozen=True, slots=True)
class Proportional:
    """The duration is proportional to the length of the video.

    Attributes:
        factor: Seconds per second of video; above 0.
        spread: The largest deviation in either direction, as a share of the duration; 0 to 1.
        usual_length: The assumed length in seconds of a video whose length is not given; above 0.

    Raises:
        ValueError: A value is not allowed.
    """

    factor: float
    spread: float = 0.0
    usual_length: float = _USUAL_LENGTH

    def __post_init__(self) -> None:
        if not (0 < self.factor <= LONGEST and 0 <= self.spread <= 1 and 0 < self.usual_length <= LONGEST):
            raise ValueError("of proportional:FACTOR:SPREAD:LENGTH, FACTOR and LENGTH must be above 0, SPREAD 0 to 1")
        self.for_video(None)

    def __str__(self) -> str:
        return f"proportional:{self.factor!r}:{self.spread!r}:{self.usual_length!r}"

    def draw(self, rng: random.Random) -> float:
        """Draw for a video of the usual length; ``progress`` and ``poll_after`` assume one as well."""
        return self.for_video(None).draw(rng)

    def progress(self, elapsed: float) -> float:
        """See ``DelayModel``."""
        return self.for_video(None).progress(elapsed)

    def poll_after(self, elapsed: float) -> float:
        """See ``DelayModel``."""
        return self.for_video(None).poll_after(elapsed)

    def for_video(self, length: float | None) -> Uniform:
        """Return the model for one video; None: of the usual length."""
        seconds = self.factor * (self.usual_length if length is None else length)
        longest = seconds * (1 + self.spread)
        if longest > LONGEST:
            raise ValueError(f"translating this at {self} would take {longest:.3g} seconds; allowed are {LONGEST:.0f}")
        return Uniform(seconds * (1 - self.spread), longest)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Durations are lognormally distributed: most are alike and a few much longer, as with queues and shared machines.

    Attributes:
        median: Seconds within which half of all jobs end; 0.001 or more.
        p95: Seconds within which 95 of 100 jobs end; above ``median`` by at least a thousandth of it.

    Raises:
        ValueError: A value is not allowed.
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
        deviation = _STANDARD.inv_cdf(max(rng.random(), 2.0**-54))
        return min(self.median * math.exp(self._sigma * deviation), LONGEST)

    def progress(self, elapsed: float) -> float:
        """Return the elapsed time as a share of the expected duration, given that the job still runs."""
        sigma = self._sigma
        z = self._z(elapsed)
        if z < -_FARTHEST:
            return elapsed / (self.median * math.exp(sigma * sigma / 2))
        return min(MOST_PROGRESS, math.exp(_log_mills(z) - _log_mills(z - sigma)))

    def poll_after(self, elapsed: float) -> float:
        """Return the interval after which the expected delay has grown to the cost of a request."""
        z = self._z(elapsed)
        if z > _FARTHEST:  # a scripted duration, about which nothing is known
            interval = best_interval(elapsed - self.median * math.exp(_FARTHEST * self._sigma))
        else:
            interval = self._next_poll(z) - elapsed
        return max(SHORTEST_INTERVAL, interval)

    def for_video(self, length: float | None) -> Self:  # noqa: ARG002 - it does not depend on the video
        """Return this model."""
        return self

    @property
    def _sigma(self) -> float:
        return math.log(self.p95 / self.median) / _P95

    def _z(self, seconds: float) -> float:
        """Return by how many standard deviations a duration is above the median, in logarithms."""
        share = seconds / self.median
        return math.log(share) / self._sigma if share else -math.inf

    def _next_poll(self, z: float) -> float:
        """Return the moment when the expected delay of a job that still runs at ``z`` equals the cost of a poll.

        The delay is a convex function of the moment, so Newton's method approaches from above if it begins at a moment
        that is too late. Half of the jobs that still run end by their median, so a moment two costs after it is.
        """
        sigma, left = self._sigma, _between(z, math.inf)
        mean = self.median * math.exp(sigma * sigma / 2)
        moment = self._quantile_of(left / 2) + 2 * COST_OF_A_POLL
        for _ in range(_MOST_STEPS):
            to = self._z(moment)
            ended = _between(z, to)
            delay = moment * ended - mean * _between(z - sigma, to - sigma)
            step = (delay - COST_OF_A_POLL * left) / ended if ended else 0.0
            moment -= step
            if step < _PRECISION:
                break
        return min(moment, self._quantile_of(left * _FEW) + SHORTEST_INTERVAL)

    def _quantile_of(self, share: float) -> float:
        """Return the moment by which all but this share of jobs have ended."""
        return self.median * math.exp(-self._sigma * _STANDARD.inv_cdf(share))


def _between(low: float, high: float) -> float:
    """Return the probability that a standard normal variable is between the two; precise in both tails."""
    if low + high > 0:
        low, high = -high, -low
    return (math.erfc(-high / math.sqrt(2)) - math.erfc(-low / math.sqrt(2))) / 2


def _log_mills(z: float) -> float:
    """Return the logarithm of Mills' ratio: the upper tail of the standard normal distribution over its density."""
    if z < _FARTHEST:
        return z * z / 2 + math.log(math.erfc(z / math.sqrt(2)) * math.sqrt(math.pi / 2))
    ratio = z
    for number in range(20, 0, -1):  # Laplace's continued fraction, which at this distance is exact to the last digit
        ratio = z + number / ratio
    return -math.log(ratio)


_MODELS: Final[dict[str, tuple[type[Uniform | Fixed | LogNormal | Proportional], range]]] = {
    "uniform": (Uniform, range(2, 3)),
    "fixed": (Fixed, range(1, 2)),
    "lognormal": (LogNormal, range(2, 3)),
    "proportional": (Proportional, range(1, 4)),
}


@lru_cache(maxsize=1024)
def parse_model(text: str) -> DelayModel:
    """Return the model that a text form stands for, with its stages after a semicolon if it has any.

    Raises:
        ValueError: It stands for none; the message is written for people.
    """
    form, _, stages = text.partition(";")
    name, *numbers = form.strip().split(":")
    kind, allowed = _MODELS.get(name, (Uniform, range(0)))
    try:
        values = [to_number(one) for one in numbers]
    except ValueError:
        allowed = range(0)
    if len(numbers) not in allowed:
        raise ValueError(f"not a delay model; there are {FORMS}")
    model = kind(*values)
    return Staged(model, parse_stages(stages)) if stages else model
