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
"""The text forms, for people."""

UNIFORM: Final = "uniform"
"""In settings: the uniform model with the numbers that are set elsewhere."""

_USUAL_LENGTH: Final = 60.0

LONGEST: Final = 1e9
"""The longest time a job can take, in seconds: 31 years, so that no end leaves the calendar."""

COST_OF_A_POLL: Final = 0.2
"""Seconds of delay that one request is worth: hints make the least of both."""

SHORTEST_INTERVAL: Final = 0.05
MOST_PROGRESS: Final = 0.99

_STANDARD: Final = NormalDist()
_P95: Final = _STANDARD.inv_cdf(0.95)
_LEAST_MEDIAN: Final = 0.001
_LEAST_SPREAD: Final = 1.001
_UNHEARD_OF: Final = 8.0  # standard deviations; nothing is drawn beyond them, in either direction
_FEW: Final = 0.01  # nobody waits for these once all others have ended
_MOST_STEPS: Final = 20
_PRECISION: Final = 1e-4  # seconds


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


@dataclass(frozen=True, slots=True)
class Uniform:
    """Any duration between two is as probable as any other.

    Attributes:
        shortest: Seconds, 0 or more.
        longest: Seconds, not below ``shortest``.

    Raises:
        ValueError: They are not.
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
        """The time elapsed as a share of that and the time still to be expected."""
        if elapsed >= self.longest:
            return MOST_PROGRESS
        expected = (max(self.shortest, elapsed) + self.longest) / 2
        return min(MOST_PROGRESS, elapsed / expected) if expected else 0.0

    def poll_after(self, elapsed: float) -> float:
        """The rest of the time in which no job ends, then the interval that costs least in delay and requests."""
        earliest = max(self.shortest, elapsed)
        return (earliest - elapsed) + self._interval(self.longest - earliest)

    def for_video(self, length: float | None) -> Self:  # noqa: ARG002 - see DelayModel: it takes as long for any video
        """Itself."""
        return self

    @staticmethod
    def _interval(left: float) -> float:
        # A job past the longest duration was scripted so: nothing is known of it, so the interval grows again.
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
        ValueError: It is not.
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
        """The share of the time that is over."""
        return Uniform(self.seconds, self.seconds).progress(elapsed)

    def poll_after(self, elapsed: float) -> float:
        """What is left of the time."""
        return Uniform(self.seconds, self.seconds).poll_after(elapsed)

    def for_video(self, length: float | None) -> Self:  # noqa: ARG002 - see DelayModel: it takes as long for any video
        """Itself."""
        return self


@dataclass(frozen=True, slots=True)
class Proportional:
    """Jobs take the longer, the longer the video is.

    Attributes:
        factor: Seconds per second of video; above 0.
        spread: How far they may be from that, as a share of it, in either direction; 0 to 1.
        usual_length: Seconds that a video lasts of which it is not said; above 0.

    Raises:
        ValueError: They are not.
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
        """That of a video of the usual length, as all that follows."""
        return self.for_video(None).draw(rng)

    def progress(self, elapsed: float) -> float:
        """See ``DelayModel``."""
        return self.for_video(None).progress(elapsed)

    def poll_after(self, elapsed: float) -> float:
        """See ``DelayModel``."""
        return self.for_video(None).poll_after(elapsed)

    def for_video(self, length: float | None) -> Uniform:
        """What it is for one video."""
        seconds = self.factor * (self.usual_length if length is None else length)
        longest = seconds * (1 + self.spread)
        if longest > LONGEST:
            raise ValueError(f"translating this at {self} would take {longest:.3g} seconds; allowed are {LONGEST:.0f}")
        return Uniform(seconds * (1 - self.spread), longest)


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


_MODELS: Final[dict[str, tuple[type[Uniform | Fixed | LogNormal | Proportional], range]]] = {
    "uniform": (Uniform, range(2, 3)),
    "fixed": (Fixed, range(1, 2)),
    "lognormal": (LogNormal, range(2, 3)),
    "proportional": (Proportional, range(1, 4)),
}


@lru_cache(maxsize=1024)
def parse_model(text: str) -> DelayModel:
    """The model a text form stands for, with its stages after a semicolon if it has any.

    Raises:
        ValueError: It stands for none; the message is for people.
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
