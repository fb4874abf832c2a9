"""Jobs in words: lines, tables, JSON, and the exit status of each. Pure."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple

from translation_client import Job, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime


COMPLETED, FAILED, DEADLINE, REFUSED, UNREACHABLE = 0, 1, 3, 4, 5
_SHORT_ID = 8
_BEST_TO_WORST = (COMPLETED, FAILED, DEADLINE, UNREACHABLE, REFUSED)


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks before a result; ``for_encoding`` chooses those that can be printed."""

    completed: str = "✓"
    error: str = "✗"
    pending: str = "…"

    @classmethod
    def for_encoding(cls, encoding: str | None) -> Marks:
        """Return the marks, or ASCII ones where the encoding lacks them."""
        try:
            "✓✗…".encode(encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return cls("OK:", "FAILED:", "...")
        return cls()

    def of(self, status: JobStatus) -> str:
        """Return the mark of a status."""
        return {JobStatus.COMPLETED: self.completed, JobStatus.ERROR: self.error}.get(status, self.pending)


def exit_status(job: Job) -> int:
    """Return the exit status of a job that was waited for."""
    return {JobStatus.COMPLETED: COMPLETED, JobStatus.ERROR: FAILED}.get(job.status, DEADLINE)


def worst(statuses: Iterable[int]) -> int:
    """Return the exit status of many jobs: the worst of theirs."""
    return max(statuses, key=_BEST_TO_WORST.index, default=COMPLETED)


def printable(text: str) -> str:
    """Return text from outside, made fit for one line of a terminal: no control characters."""
    return "".join(c if c.isprintable() else "�" for c in text)


def duration(seconds: float) -> str:
    """Return ``4.2 s``, ``2 min 05 s`` or ``1 h 02 min``."""
    if seconds < 59.95:  # noqa: PLR2004 - what would be shown as 60.0 s is a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - minutes an hour
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def percent(fraction: float) -> int:
    """Return the percentage, rounded down, so that 100 means all."""
    return int(fraction * 100 + 1e-9)


def reason(job: Job) -> str:
    """Return why a job ended in error; empty if it did not."""
    if job.status is not JobStatus.ERROR:
        return ""
    if job.error is None:
        return "the server gave no reason"
    return printable(": ".join(word for word in (job.error.code, job.error.message) if word))


def outcome_line(job: Job, marks: Marks, *, named: bool = True) -> str:
    """Return ``✓ job 4f1c: completed in 4.2 s`` or ``✗ job 4f1c: error after 4.2 s: translation_failed: …``.

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
    """Return the line of one job, for ``status`` and ``cancel``."""
    took = duration(job.elapsed_time)
    if job.status is JobStatus.COMPLETED:
        return f"{printable(job.job_id)}  completed in {took}"
    if job.status is JobStatus.ERROR:
        return f"{printable(job.job_id)}  error after {took}: {reason(job)}"
    return f"{printable(job.job_id)}  pending for {took}, {percent(job.progress)} %"


def json_line(job: Job) -> str:
    """Return the job's JSON as the server sent it, on one line."""
    return json.dumps({"job_id": job.job_id, "status": job.status, **job.raw})


def short_id(job_id: str) -> str:
    """Return the end of an id, by which it can be recognised: ids in the order of time begin alike."""
    name = printable(job_id)
    return name if len(name) <= _SHORT_ID + 2 else f"..{name[-_SHORT_ID:]}"


def totals_line(jobs: Sequence[Job], asked: int, took: float) -> str:
    """Return ``20 jobs in 7.1 s: 14 completed, 6 error``."""
    return f"{asked} jobs in {duration(took)}: {totals(jobs, asked)}"


def totals(jobs: Sequence[Job], asked: int) -> str:
    """Return ``14 completed, 6 error``; jobs without an outcome count as pending."""
    counts = {status: sum(job.status is status for job in jobs) for status in JobStatus}
    counts[JobStatus.PENDING] = asked - counts[JobStatus.COMPLETED] - counts[JobStatus.ERROR]
    order = (JobStatus.COMPLETED, JobStatus.ERROR, JobStatus.PENDING)
    return ", ".join(f"{counts[status]} {status}" for status in order if counts[status])


_WHOLE_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_SHORT_MOMENT = "%m-%d %H:%M:%S"
_INDENT = "    "
_LEAST_WORDS = 20  # columns for a reason on lines of its own, however narrow the terminal


class Line(NamedTuple):
    """One line of a table, and the status it shows; None for the head, and where it continues the line above."""

    text: str
    status: JobStatus | None = None


def job_table(jobs: Sequence[Job], width: int | None = None, *, created: bool = False) -> list[Line]:
    """Return a table of jobs; no lines where there are no jobs.

    Args:
        jobs: The jobs.
        width: The columns of the terminal. What takes too many is written shorter: the moment, then the ids, then
            no moment; a reason goes on lines below. None: every job is one line, and nothing is shortened.
        created: Whether to show when each job was accepted (in UTC).
    """
    if not jobs:
        return []
    layouts = [_rows(jobs, name, moment) for name, moment in _forms(created=created)]
    fitting = (rows for rows in layouts if width is None or _widest(jobs, rows) < width)
    head, *rows = _aligned(next(fitting, layouts[-1]))
    whole = f"{head}  DETAILS"
    lines = [Line(whole if width is None or len(whole) < width else _cut(head, width))]
    for job, row in zip(jobs, rows, strict=True):
        lines += _lines_of(job, row, width)
    return lines


def _forms(*, created: bool) -> list[tuple[Callable[[str], str], str]]:
    """Return the ways to write ids and moments, from long to short."""
    if not created:
        return [(printable, ""), (short_id, "")]
    return [(printable, _WHOLE_MOMENT), (printable, _SHORT_MOMENT), (short_id, _SHORT_MOMENT), (short_id, "")]


def _rows(jobs: Sequence[Job], name: Callable[[str], str], moment: str) -> list[list[str]]:
    head = ["JOB_ID", "STATUS", *(["CREATED (UTC)"] if moment else []), "TIME"]
    return [
        head,
        *([name(job.job_id), str(job.status), *_created(job, moment), duration(job.elapsed_time)] for job in jobs),
    ]


def _created(job: Job, form: str) -> list[str]:
    if not form:
        return []
    moment: datetime | None = job.created_at
    return [moment.astimezone(UTC).strftime(form) if moment else "-"]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows in columns; the last column, a number, is right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [*(f"{cell:<{width}}" for cell, width in zip(row[:-1], widths, strict=False)), f"{row[-1]:>{widths[-1]}}"]
        )
        for row in rows
    ]


def _widest(jobs: Sequence[Job], rows: Sequence[Sequence[str]]) -> int:
    """Return the columns the rows take, with what cannot be put on a line below."""
    return max(len(f"{row}  {_progress(job)}".rstrip()) for job, row in zip(jobs, _aligned(rows)[1:], strict=True))


def _progress(job: Job) -> str:
    return f"{percent(job.progress)} %" if job.status is JobStatus.PENDING else ""


def _lines_of(job: Job, row: str, width: int | None) -> list[Line]:
    whole = f"{row}  {_progress(job) or reason(job)}".rstrip()
    if width is None or len(whole) < width or not reason(job):
        return [Line(_cut(whole, width), job.status)]
    room = max(width - 1, _LEAST_WORDS)
    below = textwrap.wrap(reason(job), room, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return [Line(_cut(row, width), job.status), *map(Line, below)]


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) < width else f"{line[: max(width - 3, 0)]}.."
