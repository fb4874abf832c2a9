"""Jobs in words: lines, JSON, and the exit status each earns. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from translation_client._models import Job, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COMPLETED, FAILED, DEADLINE, REFUSED, UNREACHABLE = 0, 1, 3, 4, 5
_SHORT_ID = 8
_BEST_TO_WORST = (COMPLETED, FAILED, DEADLINE, UNREACHABLE, REFUSED)


@dataclass(frozen=True, slots=True)
class Marks:
    """The signs before a result; ``for_encoding`` picks those that can be printed."""

    completed: str = "✓"
    error: str = "✗"
    pending: str = "…"

    @classmethod
    def for_encoding(cls, encoding: str | None) -> Marks:
        """The signs, or ASCII ones."""
        try:
            "✓✗…".encode(encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return cls("OK:", "FAILED:", "...")
        return cls()

    def of(self, status: JobStatus) -> str:
        """The sign of a status."""
        return {JobStatus.COMPLETED: self.completed, JobStatus.ERROR: self.error}.get(status, self.pending)


def exit_status(job: Job) -> int:
    """The exit status of a job that was waited for."""
    return {JobStatus.COMPLETED: COMPLETED, JobStatus.ERROR: FAILED}.get(job.status, DEADLINE)


def worst(statuses: Iterable[int]) -> int:
    """The exit status of many jobs."""
    return max(statuses, key=_BEST_TO_WORST.index, default=COMPLETED)


def printable(text: str) -> str:
    """Somebody else's words, fit for one line of a terminal: no control characters."""
    return "".join(c if c.isprintable() else "�" for c in text)


def duration(seconds: float) -> str:
    """``4.2 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if seconds < 59.95:  # noqa: PLR2004 - what would be shown as 60.0 s is a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - minutes an hour
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def percent(fraction: float) -> int:
    """Rounded down, so that 100 is said of a whole only."""
    return int(fraction * 100 + 1e-9)


def reason(job: Job) -> str:
    """Why a job ended in error; empty if it did not."""
    if job.status is not JobStatus.ERROR:
        return ""
    if job.error is None:
        return "the server gave no reason"
    return printable(": ".join(word for word in (job.error.code, job.error.message) if word))


def outcome_line(job: Job, marks: Marks, *, named: bool = True) -> str:
    """``✓ job 4f1c: completed in 4.2 s`` or ``✗ job 4f1c: error after 4.2 s: translation_failed: …``.

    Args:
        job: The job.
        marks: The signs to put before it.
        named: Whether to name the job, which may stand right above already.
    """
    took = duration(job.elapsed_time)
    name = f"{marks.of(job.status)} job {printable(job.job_id)}:" if named else marks.of(job.status)
    if job.status is JobStatus.COMPLETED:
        return f"{name} completed in {took}"
    if job.status is JobStatus.ERROR:
        return f"{name} error after {took}: {reason(job)}"
    return f"{name} pending for {took}"


def status_line(job: Job) -> str:
    """What one look at a job shows."""
    took = duration(job.elapsed_time)
    if job.status is JobStatus.COMPLETED:
        return f"{printable(job.job_id)}  completed in {took}"
    if job.status is JobStatus.ERROR:
        return f"{printable(job.job_id)}  error after {took}: {reason(job)}"
    return f"{printable(job.job_id)}  pending for {took}, {percent(job.progress)} %"


def json_line(job: Job) -> str:
    """The job as the server told it, on one line."""
    return json.dumps({"job_id": job.job_id, "status": job.status, **job.raw})


def short_id(job_id: str) -> str:
    """Enough of an id to tell it from others: its end, for ids in the order of time begin alike."""
    name = printable(job_id)
    return name if len(name) <= _SHORT_ID + 2 else f"..{name[-_SHORT_ID:]}"


def totals_line(jobs: Sequence[Job], asked: int, took: float) -> str:
    """``20 jobs in 7.1 s: 14 completed, 6 error``."""
    return f"{asked} jobs in {duration(took)}: {totals(jobs, asked)}"


def totals(jobs: Sequence[Job], asked: int) -> str:
    """``14 completed, 6 error``; those without an outcome count as pending."""
    counts = {status: sum(job.status is status for job in jobs) for status in JobStatus}
    counts[JobStatus.PENDING] = asked - counts[JobStatus.COMPLETED] - counts[JobStatus.ERROR]
    order = (JobStatus.COMPLETED, JobStatus.ERROR, JobStatus.PENDING)
    return ", ".join(f"{counts[status]} {status}" for status in order if counts[status])
