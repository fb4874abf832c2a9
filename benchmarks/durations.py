"""How long jobs take: distributions, and samples of them that a seed determines."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

_NORMAL = NormalDist()
_P95 = _NORMAL.inv_cdf(0.95)


class Distribution(Protocol):
    """How long jobs take, in seconds."""

    @property
    def name(self) -> str:
        """For tables."""

    @property
    def shortest(self) -> float:
        """No job takes less."""

    @property
    def longest(self) -> float:
        """No job takes longer, or next to none."""

    def share_ended(self, age: float) -> float:
        """The share of jobs that take no longer than so many seconds (the distribution function)."""

    def quantile(self, share: float) -> float:
        """The seconds within which this share of jobs ends."""


@dataclass(frozen=True, slots=True)
class Uniform:
    """Any duration between two is as probable as any other."""

    shortest: float
    longest: float

    @property
    def name(self) -> str:
        """For tables."""
        return f"uniform {self.shortest:g} to {self.longest:g} s"

    def share_ended(self, age: float) -> float:
        """See ``Distribution``."""
        return min(max((age - self.shortest) / (self.longest - self.shortest), 0.0), 1.0)

    def quantile(self, share: float) -> float:
        """See ``Distribution``."""
        return self.shortest + share * (self.longest - self.shortest)


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Most take about the median, a few much longer; one job in twenty takes ``tail`` times the median or longer."""

    median: float
    tail: float = 3.0

    @property
    def sigma(self) -> float:
        """Standard deviation of the logarithm."""
        return math.log(self.tail) / _P95

    @property
    def name(self) -> str:
        """For tables."""
        return f"lognormal, median {self.median:g} s"

    @property
    def shortest(self) -> float:
        """See ``Distribution``."""
        return 0.0

    @property
    def longest(self) -> float:
        """All but one job in 100,000 take less."""
        return self.quantile(1.0 - 1e-5)

    def share_ended(self, age: float) -> float:
        """See ``Distribution``."""
        return 0.0 if age <= 0.0 else _NORMAL.cdf(math.log(age / self.median) / self.sigma)

    def quantile(self, share: float) -> float:
        """See ``Distribution``."""
        return self.median * math.exp(self.sigma * _NORMAL.inv_cdf(share))


DISTRIBUTIONS: tuple[Distribution, ...] = (Uniform(3.0, 7.0), Uniform(30.0, 90.0), Lognormal(60.0))


def sample(distribution: Distribution, count: int, seed: int) -> list[float]:
    """Durations of so many jobs, in random order.

    One is drawn from each of ``count`` equally probable slices, so that a sample of a hundred is as fair as ten
    thousand drawn without care.
    """
    rng = random.Random(f"{seed}:{distribution.name}")  # noqa: S311 - to be repeated, not to be secret
    durations = [distribution.quantile((i + min(max(rng.random(), 1e-9), 1 - 1e-9)) / count) for i in range(count)]
    rng.shuffle(durations)
    return durations


def thinned(durations: list[float], count: int, seed: int) -> list[float]:
    """So many of the durations, evenly from short to long, in random order."""
    if count >= len(durations):
        return durations
    ordered = sorted(durations)
    some = [ordered[int((i + 0.5) * len(ordered) / count)] for i in range(count)]
    random.Random(seed).shuffle(some)  # noqa: S311 - to be repeated, not to be secret
    return some
