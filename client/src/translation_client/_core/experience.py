"""What a client has learnt from its waits that the next one can use: how long jobs take, and whether the server holds.

Only for servers that give no help. The blind schedule knows nothing but a job's age; after a few jobs their durations
are known as well, and asking where none of them ended is a waste.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PRICE = 0.2  # seconds of delay that one request is worth
_PRIOR = 2.0  # jobs; the schedule without experience counts as much as having seen so many
_BOLDEST = 4.0  # times the interval without experience: jobs may have changed, and then the old ones mislead
_MEMORY = 50  # jobs; older ones say less about the next


class Experience:
    """Shared by all waits of one client; safe between threads, for it is only ever appended to."""

    def __init__(self) -> None:
        self.server_holds: bool | None = None  # as the last answer to a wish for a long poll showed
        self._durations: deque[float] = deque(maxlen=_MEMORY)

    def expects_hold(self, *, confirmed: bool, hinted: bool) -> bool:
        """Whether to expect that the server holds the next request.

        Args:
            confirmed: Whether it confirmed a wish for an answer at once, and so knows the preference.
            hinted: Whether it said when to come again, which is obeyed where nothing else is known.
        """
        return confirmed or (not hinted if self.server_holds is None else self.server_holds)

    def learn(self, duration: float) -> None:
        """Remember how long a job took, in seconds."""
        if duration > 0.0:
            self._durations.append(duration)

    def interval(self, age: float, plain: float) -> float:
        """Seconds until the next poll is worth its price.

        Args:
            age: Seconds since the job was accepted.
            plain: What the schedule says without experience; without any, it is the answer.
        """
        durations = tuple(self._durations)
        # A few jobs say little about where exactly the next one ends: each stands for a range that narrows with them.
        blur = 1.0 + 1.0 / math.sqrt(len(durations)) if durations else 1.0
        ends = sorted(end - age for took in durations for end in (took / blur, took, took * blur) if end > age)
        return min(_worth_a_request(ends, plain), _BOLDEST * plain)


def _worth_a_request(ends: Sequence[float], plain: float) -> float:
    """When the delay to be expected since the last poll has grown as dear as a request.

    Of the jobs like this one, a third each ends at each of ``ends`` (seconds from now, sorted). A poll after ``u``
    seconds finds those that ended before it late by ``u`` minus their end. The prior adds a delay that grows with the
    square of ``u`` and is worth a request after ``plain`` seconds. So ``u`` solves a quadratic equation between each
    two ends.
    """
    price = _PRICE * (len(ends) / 3 + _PRIOR)
    curve = _PRIOR * _PRICE / plain**2
    ended = total = 0.0  # jobs that end before the poll, and the sum of their ends
    for end in (*ends, math.inf):
        poll = (math.sqrt(ended**2 + 4 * curve * (price + total)) - ended) / (2 * curve)
        if poll <= end:
            return poll
        ended, total = ended + 1 / 3, total + end / 3
    return plain  # never reached: the last end is infinite
