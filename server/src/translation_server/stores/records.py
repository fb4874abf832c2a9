"""Rows and counters that every store has: how a row becomes a job's record, and what is counted of each owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from translation_server.jobs.model import Job, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAST_SEQ: Final = 2**63 - 1
"""No job comes after this place in the order of acceptance; both databases hold no larger integer."""

_OUTCOMES: Final = {status.value: status for status in Status}


def to_job(row: Sequence[Any]) -> Job:
    """Return the record in a row whose columns are the fields of ``Job``, in their order."""
    seq, job_id, owner, created_at, ends_at, outcome, *rest = row
    return Job(seq, job_id, owner, created_at, ends_at, _OUTCOMES[outcome], *rest)


def to_counts(row: Sequence[int]) -> Mapping[Status, int]:
    """Return the number of jobs by status from a row that has them in the order of ``Status``."""
    return dict(zip(Status, row, strict=True))


def is_encodable(text: str) -> bool:
    """Return whether the text can be encoded in UTF-8, as both databases do: a lone surrogate cannot (RFC 3629)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(slots=True)
class Owner:
    """The counters of one owner, as a transaction reads, changes and writes them.

    Attributes:
        endings: The last place given in the owner's order of ending.
        unsettled: Jobs without such a place: pending ones, and ended ones whose end is not written down.
        completed: Jobs with such a place that completed and are still kept.
        errors: Jobs with such a place that ended in error and are still kept.
        changed: Whether the transaction has to write the counters.
    """

    endings: int = 0
    unsettled: int = 0
    completed: int = 0
    errors: int = 0
    changed: bool = False

    def accept(self) -> None:
        """Count a new job."""
        self.unsettled += 1
        self.changed = True

    def end(self, outcome: str) -> int:
        """Count the end of a job, and return its place in the order of ending."""
        self.count(outcome, 1)
        self.endings += 1
        self.unsettled -= 1
        return self.endings

    def count(self, outcome: str, number: int) -> None:
        """Change the number of ended jobs that are kept."""
        if outcome == Status.ERROR:
            self.errors += number
        else:
            self.completed += number
        self.changed = True
