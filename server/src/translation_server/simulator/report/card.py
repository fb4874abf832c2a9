"""The report card, and the section of a failed test's report, as text for a terminal. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from translation_server.simulator.recording.exchange import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from translation_server.simulator.recording.exchange import Requests
    from translation_server.simulator.report.job_report import JobReport
    from translation_server.simulator.report.politeness import Complaint
    from translation_server.simulator.report.report import Report

_MOST_ROWS: Final = 20
_MOST_ALIKE: Final = 3  # complaints of one kind about one job
_MOST_LINES: Final = 30
_MOST_REQUESTS: Final = 20
COUNTS: Final = ("starts", "polls", "held", "failed", "wasted", "early", "after_end", "left")
_OWN_COLUMNS: Final = {Kind.START, Kind.POLL, Kind.LATEST}


def draw(jobs: Sequence[JobReport], notes: Sequence[str], complaints: Sequence[str]) -> str:
    """Return the table, the notes below it, and the complaints."""
    shown = _worst(jobs)
    with_users = len({job.user for job in jobs}) > 1
    rows = [_titles(), *map(_row, shown), _total(jobs)]
    table = _aligned(rows if with_users else [row[1:] for row in rows]) if jobs else ["No request was about a job."]
    hidden = [f"{len(jobs) - len(shown)} more jobs are counted but not shown"] if len(shown) < len(jobs) else []
    verdict = [
        "What the client did wrong:" if complaints else "No complaints.",
        *(f"  {line}" for line in complaints),
    ]
    return "\n".join([*table, *hidden, *notes, "", *verdict])


def totals(jobs: Sequence[JobReport]) -> dict[str, float | None]:
    """Return the sum of each column."""
    return {name: sum(getattr(job, name) for job in jobs) for name in COUNTS}


def make_notes(requests: Mapping[str, int], forgotten: int, duplicates: int) -> list[str]:
    """Return a line for each thing that the table does not show."""
    others = ", ".join(f"{kind} {number}" for kind, number in requests.items() if kind not in _OWN_COLUMNS)
    return [
        *([f"other requests: {others}"] if others else []),
        *([f"the oldest {forgotten} requests are no longer kept, and not in this report"] if forgotten else []),
        *([f"jobs that a real API would have charged twice: {duplicates}"] if duplicates else []),
    ]


def group(complaints: Sequence[Complaint]) -> list[str]:
    """Return a line for each complaint; of one kind about one job, only the first few."""
    with_users = len({one.user for one in complaints}) > 1
    groups: dict[tuple[object, ...], list[str]] = {}
    for one in complaints:
        text = f"{one.user}, {one.text}" if with_users else one.text
        groups.setdefault((one.user, one.job, one.offence), []).append(text)
    lines = [line for texts in groups.values() for line in _first(texts, _MOST_ALIKE, "like this")]
    return _first(lines, _MOST_LINES, "lines")


def describe_failure(requests: Requests, report: Report, replay_line: str) -> str:
    """Return a section for the report of a failed test: how to see it again, the report card, the last requests.

    Args:
        requests: All that arrived.
        report: The report about them.
        replay_line: The line that makes a server with the same jobs and the same faults.
    """
    last = requests[-_MOST_REQUESTS:]
    earlier = f" (and {len(requests) - len(last)} before them)" if len(requests) > len(last) else ""
    lines = [f"  {one}" for one in last] or ["  nothing arrived"]
    return "\n".join([f"To see it again: {replay_line}", "", str(report), "", f"The last requests{earlier}:", *lines])


def _first(lines: list[str], most: int, what: str) -> list[str]:
    more = len(lines) - most
    return lines if more <= 0 else [*lines[:most], f"… and {more} more {what}"]


def _worst(jobs: Sequence[JobReport]) -> list[JobReport]:
    """Return as many jobs as fit, in their order, preferring those that the client handled badly."""
    worst = sorted(jobs, key=lambda job: job.early + job.after_end + job.left + job.given_up, reverse=True)
    shown = {id(job) for job in worst[:_MOST_ROWS]}
    return [job for job in jobs if id(job) in shown]


def _titles() -> list[str]:
    return ["user", "job", "outcome", *(name.replace("_", " ") for name in COUNTS), "detection delay"]


def _row(job: JobReport) -> list[str]:
    number = "earlier" if job.job is None else str(job.job)
    outcome = job.outcome or ("not accepted" if job.job_id is None else "pending")
    return [str(job.user), number, outcome, *(str(getattr(job, name)) for name in COUNTS), _shown_delay(job)]


def _total(jobs: Sequence[JobReport]) -> list[str]:
    delays = [job.detection_delay for job in jobs if job.detection_delay is not None]
    mean = f"{sum(delays) / len(delays):.3f} s" if delays else ""
    return ["", "all", "", *map(str, totals(jobs).values()), mean]


def _shown_delay(job: JobReport) -> str:
    if job.detection_delay is not None:
        return f"{job.detection_delay:.3f} s"
    return "gave up" if job.given_up else "not detected" if job.ended_ago is not None else ""


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
