"""Which records of an SQLite file a process has changed itself: only those need to be read again.

The file counts how often a record was changed or deleted. If all that was counted since somebody looked was done by the
same process, that knows what was changed; otherwise anything may have been.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_KEPT: Final = 1000  # transactions


class Changes:
    """The transactions of one process that changed records; from any thread."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[int, Sequence[str]]] = {}  # by the count before each

    def note(self, before: int, after: int, job_ids: Sequence[str]) -> None:
        """A transaction brings the count from one number to another by changing these jobs.

        To be called before it is committed, and no other process can count.
        """
        if len(self._made) >= _MOST_KEPT:  # nobody has looked for long
            self._made.clear()
        if after > before:
            self._made[before] = after, job_ids

    def take_back(self) -> None:
        """A transaction is not committed after all; to be called before another process can count."""
        self._made.clear()

    def since(self, seen: int, now: int) -> Sequence[str] | None:
        """Ids of the jobs that were changed while the count went from ``seen`` to ``now``; None: any may have been."""
        changed: list[str] = []
        while seen != now:
            made = self._made.pop(seen, None)
            if made is None:
                return None
            seen, job_ids = made
            changed += job_ids
        return changed
