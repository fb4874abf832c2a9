"""What a server that knows its distribution says when to come again: the server's own words, where it has them."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from benchmarks.best import PRICE
from benchmarks.durations import Lognormal, Uniform
from translation_server.jobs.delays import parse_model

if TYPE_CHECKING:
    from benchmarks.durations import Distribution

_STEPS = 600


class Hints(Protocol):
    """The server's advice; ``translation_server.jobs.simulation.DelayModel`` is one."""

    def poll_after(self, elapsed: float) -> float:
        """Seconds after which to ask again about a job that is pending after so many."""


def hints_for(distribution: Distribution) -> Hints:
    """The hints of our server for jobs of this distribution; where it has no such model yet, a stand-in."""
    try:
        return parse_model(_text(distribution))
    except ValueError:
        return _Tabulated(distribution)


def _text(distribution: Distribution) -> str:
    match distribution:
        case Uniform(shortest, longest):
            return f"uniform:{shortest!r}:{longest!r}"
        case Lognormal(median):
            return f"lognormal:{median!r}:{distribution.sigma!r}"
    return distribution.name


class _Tabulated:
    """Come again when the detection delay to be expected has grown as dear as a request."""

    def __init__(self, distribution: Distribution) -> None:
        self._ages = [distribution.longest * i / _STEPS for i in range(_STEPS + 1)]
        self._ended = [distribution.share_ended(age) for age in self._ages]
        self._area = [0.0]
        for left, right in pairwise(self._ages):
            middle = distribution.share_ended((left + right) / 2)
            self._area.append(self._area[-1] + (right - left) * middle)
        self._intervals = [self._interval(i) for i in range(_STEPS)]

    def poll_after(self, elapsed: float) -> float:
        """See ``Hints``."""
        place = bisect_right(self._ages, elapsed) - 1
        return self._intervals[min(place, len(self._intervals) - 1)]

    def _interval(self, i: int) -> float:
        pending = 1.0 - self._ended[i]
        for j in range(i + 1, len(self._ages)):
            length = self._ages[j] - self._ages[i]
            if self._area[j] - self._area[i] - length * self._ended[i] >= PRICE * pending:
                return length
        return self._ages[-1] - self._ages[i]
