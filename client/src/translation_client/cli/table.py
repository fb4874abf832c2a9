"""Tables of jobs: whole in a pipe, one line a job; on a terminal as wide as it is, with nothing worth knowing cut away.

Pure.
"""

from __future__ import annotations

import textwrap
from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple

from translation_client._models import JobStatus
from translation_client.cli.messages import duration, percent, printable, reason, short_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from translation_client._models import Job

_WHOLE_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_SHORT_MOMENT = "%m-%d %H:%M:%S"
_INDENT = "    "
_LEAST_WORDS = 20  # columns for a reason on lines of its own, however narrow the terminal


class Line(NamedTuple):
    """One line of a table, and the status it tells of; None: it is the head, or goes on with the line above."""

    text: str
    status: JobStatus | None = None


def job_table(jobs: Sequence[Job], width: int | None = None, *, created: bool = False) -> list[Line]:
    """A table of jobs, nothing at all of no jobs.

    Args:
        jobs: The jobs.
        width: The columns there are. What takes too many is told shorter: the moment, then the ids, then neither
            moment; a reason goes on below. None: every job is one line, and nothing is shortened.
        created: Whether to say when each job was accepted (in UTC).
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
    """How ids and moments are written, from the whole to the short."""
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
    """The rows in columns, the last one to the right: it is a number."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [*(f"{cell:<{width}}" for cell, width in zip(row[:-1], widths, strict=False)), f"{row[-1]:>{widths[-1]}}"]
        )
        for row in rows
    ]


def _widest(jobs: Sequence[Job], rows: Sequence[Sequence[str]]) -> int:
    """The columns the rows take, with what cannot go on below."""
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
