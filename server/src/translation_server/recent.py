"""What was said about jobs that have ended is said again for a second, without asking the store.

Nothing can change it: a job that has ended stays as it is until it is deleted, which is then noticed a second later.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT: Final = 1.0  # seconds
_MOST: Final = 1000  # answers; each has up to the largest body of a request

_T = TypeVar("_T")


class Recent(Generic[_T]):
    """Keeps answers for up to a second, by user and job; then drops all of them and begins anew.

    Args:
        steady: seconds of any origin; never goes back.
    """

    __slots__ = ("_answers", "_dropped_at", "_steady")

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._answers: dict[tuple[str, str], _T] = {}
        self._dropped_at = -math.inf

    def get(self, owner: str, job_id: str) -> _T | None:
        """The answer, if it is kept."""
        now = self._steady()
        if now - self._dropped_at >= _KEPT:
            self._answers.clear()
            self._dropped_at = now
        return self._answers.get((owner, job_id))

    def keep(self, owner: str, job_id: str, answer: _T) -> None:
        """Keep the answer, if there is room; it must be one that stays true."""
        if len(self._answers) < _MOST:
            self._answers[owner, job_id] = answer
