"""Which records of an SQLite file a process has changed itself: only those need to be read again.

The file counts the transactions that change records, or delete them. If all that were counted since somebody looked are
those of the same process, it knows what they changed; if there were others among them, anything may have changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_KEPT: Final = 1000  # transactions


class Changes:
    """The transactions of one process that changed records; from any thread."""

    def __init__(self) -> None:
        self._changed: dict[int, Sequence[str]] = {}

    def note(self, number: int, job_ids: Sequence[str]) -> None:
        """A transaction with this number changes these jobs; to be called before it is committed."""
        if len(self._changed) >= _MOST_KEPT:  # nobody has looked for long
            self._changed.clear()
        self._changed[number] = job_ids

    def take_back(self) -> None:
        """A transaction is not committed after all; to be called before its number can become another's."""
        self._changed.clear()

    def since(self, seen: int, now: int) -> Sequence[str] | None:
        """Ids of the jobs that were changed while the count went from ``seen`` to ``now``; None: any may have been."""
        if not 0 <= now - seen <= _MOST_KEPT:
            return None
        changed: list[str] = []
        for number in range(seen + 1, now + 1):
            job_ids = self._changed.pop(number, None)
            if job_ids is None:
                return None
            changed += job_ids
        return changed
