"""Many moments at which somebody is to be woken, with one timer for all of them."""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from translation_server.service.clock import Clock, Timer

_FEW = 100  # entries that nobody waits for any more, which are not worth the search


class Sleeper(Protocol):
    """Who has a moment."""

    moment: float
    """When it is to be woken; infinite if it is not asleep."""


_S = TypeVar("_S", bound=Sleeper)


class Agenda(Generic[_S]):
    """Calls back with all whose moments have come.

    Args:
        clock: What the moments are moments of.
        come: Called with them.
    """

    def __init__(self, clock: Clock, come: Callable[[Sequence[_S]], None]) -> None:
        self._clock = clock
        self._come = come
        self._entries: list[tuple[float, int, _S]] = []
        self._numbers = count()  # sleepers cannot be compared, so no two entries may be alike before them
        self._timer: Timer | None = None
        self._next = math.inf

    def add(self, sleeper: _S) -> None:
        """Put its moment down; it is crossed off by the sleeper's having another one."""
        if sleeper.moment < math.inf:
            heappush(self._entries, (sleeper.moment, next(self._numbers), sleeper))
            self._set_timer()

    def tidy(self, wanted: int) -> None:
        """Drop what was crossed off or is there twice, if most of it is: no more than so many entries are wanted."""
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
            self._timer = self._clock.call_at(moment, self._look) if moment < math.inf else None

    def _look(self) -> None:
        now = self._clock.now()
        come = []
        while self._entries and self._entries[0][0] <= now:
            moment, _, sleeper = heappop(self._entries)
            if sleeper.moment == moment:
                come.append(sleeper)
        self._next, self._timer = math.inf, None
        self._set_timer()
        if come:
            self._come(come)
