"""The delay models one can choose from, and their text forms. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self

from translation_server.jobs.delay_model import LONGEST, MOST_PROGRESS, SHORTEST_INTERVAL, DelayModel, best_interval
from translation_server.jobs.lognormal import LogNormal
from translation_server.jobs.stages import Staged, parse_stages

if TYPE_CHECKING:
    import random

FORMS: Final = "uniform:SHORTEST:LONGEST, fixed:SECONDS, lognormal:MEDIAN:P95 or proportional:FACTOR[:SPREAD[:LENGTH]]"
"""The text forms, for people."""

UNIFORM: Final = "uniform"
"""In settings: the uniform model with the numbers that are set elsewhere."""

_USUAL_LENGTH: Final = 60.0
_NUMBER: Final = re.compile(r"\d{1,20}(\.\d{0,30})?(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)


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
    if len(numbers) not in allowed or not all(map(_NUMBER.fullmatch, numbers)):
        raise ValueError(f"not a delay model; there are {FORMS}")
    model = kind(*map(float, numbers))
    return Staged(model, parse_stages(stages)) if stages else model
