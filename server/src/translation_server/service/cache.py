"""What was found out is told again for a second, without asking the store.

So it must be what nothing changes, such as which jobs ended after a certain one; or whoever changes it drops it.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_KEPT: Final = 1.0  # seconds

_T = TypeVar("_T")


class Recent(Generic[_T]):
    """Keeps answers for up to a second, by user and what they are about; then drops all of them and begins anew.

    Args:
        most: how many it keeps.
        steady: seconds of any origin; never goes back.
    """

    __slots__ = ("_answers", "_dropped_at", "_most", "_steady")

    def __init__(self, most: int, *, steady: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._steady = steady
        self._answers: dict[tuple[str, Hashable], _T] = {}
        self._dropped_at = -math.inf

    def get(self, owner: str, about: Hashable) -> _T | None:
        """The answer, if it is kept."""
        now = self._steady()
        if now - self._dropped_at >= _KEPT:
            self._answers.clear()
            self._dropped_at = now
        return self._answers.get((owner, about))

    def keep(self, owner: str, about: Hashable, answer: _T) -> None:
        """Keep the answer, if there is room; it must be one that stays true."""
        if len(self._answers) < self._most:
            self._answers[owner, about] = answer

    def drop(self) -> None:
        """Keep nothing of what there is."""
        self._answers.clear()
