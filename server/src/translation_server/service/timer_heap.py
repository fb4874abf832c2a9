"""A heap of due times, with one timer of the clock for all of them."""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from translation_server.service.clock import Clock, Timer

_FEW = 100  # outdated entries that are not worth a search


class Sleeper(Protocol):
    """Anything with a due time."""

    moment: float
    """When it is due; infinite if it is not asleep."""


_S = TypeVar("_S", bound=Sleeper)


class TimerHeap(Generic[_S]):
    """Calls back with all sleepers whose due times have come.

    Args:
        clock: What the due times are times of.
        on_due: Called with them.
    """

    def __init__(self, clock: Clock, on_due: Callable[[Sequence[_S]], None]) -> None:
        self._clock = clock
        self._on_due = on_due
        self._entries: list[tuple[float, int, _S]] = []
        self._numbers = count()  # sleepers cannot be compared, so no two entries may be alike before them
        self._timer: Timer | None = None
        self._next = math.inf

    def add(self, sleeper: _S) -> None:
        """Add an entry for its due time; an entry is outdated once its sleeper has another due time."""
        if sleeper.moment < math.inf:
            heappush(self._entries, (sleeper.moment, next(self._numbers), sleeper))
            self._set_timer()

    def compact(self, wanted: int) -> None:
        """Drop outdated and repeated entries if most are such: no more than ``wanted`` entries are needed."""
        if len(self._entries) > 2 * wanted + (_FEW if wanted else 0):
            kept = {entry[2]: entry for entry in self._entries if entry[0] == entry[2].moment}
            self._entries = list(kept.values())
            heapify(self._entries)
            self._set_timer()

    def _set_timer(self) -> None:
        moment = self._entries[0][0] if self._entries else math.inf
        if moment != self._next:
            if self._timer is not None:
                self._timer.cancel()
            self._next = moment
            self._timer = self._clock.call_at(moment, self._call_due) if moment < math.inf else None

    def _call_due(self) -> None:
        now = self._clock.now()
        due = []
        while self._entries and self._entries[0][0] <= now:
            moment, _, sleeper = heappop(self._entries)
            if sleeper.moment == moment:
                due.append(sleeper)
        self._next, self._timer = math.inf, None
        self._set_timer()
        if due:
            self._on_due(due)
