"""A one-second cache of query results, which must stay true, or be dropped by who changes them."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_TIME_TO_LIVE: Final = 1.0  # seconds

_T = TypeVar("_T")


class Cache(Generic[_T]):
    """Keeps results for up to a second, by user and what they are about; then drops all of them and begins anew.

    Args:
        size: How many it keeps.
        monotonic: Seconds of any origin; never goes back.
    """

    __slots__ = ("_cleared_at", "_monotonic", "_results", "_size")

    def __init__(self, size: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._monotonic = monotonic
        self._results: dict[tuple[str, Hashable], _T] = {}
        self._cleared_at = -math.inf

    def get(self, owner: str, about: Hashable) -> _T | None:
        """Return the result, if it is kept."""
        now = self._monotonic()
        if now - self._cleared_at >= _TIME_TO_LIVE:
            self._results.clear()
            self._cleared_at = now
        return self._results.get((owner, about))

    def put(self, owner: str, about: Hashable, result: _T) -> None:
        """Keep the result if there is room."""
        if len(self._results) < self._size:
            self._results[owner, about] = result

    def clear(self) -> None:
        """Drop everything."""
        self._results.clear()
