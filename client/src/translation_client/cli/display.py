"""What is shown of a wait while it lasts: a bar on a terminal, plain lines in a pipe, nothing with ``--quiet``."""

from __future__ import annotations

import importlib
import math
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from translation_client import JobStatus
from translation_client.cli.messages import duration, percent, printable, reason, short_id, totals

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from translation_client import Job
    from translation_client.cli.options import Options
    from translation_client.cli.output import Output


_DEFAULT_HORIZON = 10.0  # seconds a job is assumed to need where the server gives no hint
_SHORTEST_HORIZON = 0.5
_UNFINISHED = 0.99
_SPARE = 3  # columns left free: a terminal writes ^C behind the line, and breaks it at its last column
_SHORTEST_BAR, _LONGEST_BAR = 10, 40


@dataclass(frozen=True, slots=True)
class Estimate:
    """A guess at the progress of a pending job: from ``start`` at ``since`` it nears 1, and never reaches it.

    Attributes:
        start: The fraction that was last shown, or that the server gave; the guess never falls below it.
        since: The moment of the answer.
        horizon: Seconds in which about two thirds of the rest are assumed to pass.
    """

    start: float = 0.0
    since: float = 0.0
    horizon: float = _DEFAULT_HORIZON

    def at(self, now: float) -> float:
        """Return the fraction to show."""
        done = 1.0 - math.exp(-max(now - self.since, 0.0) / self.horizon)
        return min(self.start + (1.0 - self.start) * done, _UNFINISHED)

    def corrected(self, job: Job, now: float) -> Estimate:
        """Return the guess after an answer; it never falls below what has been shown."""
        horizon = max(job.poll_after or _DEFAULT_HORIZON, _SHORTEST_HORIZON)
        return Estimate(max(self.at(now), job.progress), now, horizon)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What to show at one moment; a failure is worth more columns than the bar."""

    label: str
    fraction: float
    elapsed: float
    text: str
    is_trouble: bool = False


class Board:
    """The state of the jobs that are shown together.

    Args:
        expected: How many jobs there will be.
        began: The moment the command began.
    """

    def __init__(self, expected: int, began: float) -> None:
        self.expected = expected
        self.ended = 0
        self.trouble = ""
        self._began = began
        self._seen: dict[str, tuple[Job, float]] = {}
        self._estimates: dict[str, Estimate] = {}

    @property
    def jobs(self) -> Collection[Job]:
        """The last answer about each job."""
        return [job for job, _ in self._seen.values()]

    def update(self, job: Job, now: float) -> Job | None:
        """Add an answer; return the one before."""
        before = self._seen.get(job.job_id)
        self.ended += job.status.is_terminal and not (before and before[0].status.is_terminal)
        last = self._estimates.get(job.job_id, Estimate(job.progress, now))
        self._estimates[job.job_id] = last.corrected(job, now)
        self._seen[job.job_id] = job, now
        self.trouble = ""
        return before[0] if before else None

    def snapshot(self, now: float) -> Snapshot:
        """Return what to show, from a copy of what other threads may change meanwhile."""
        seen = self._seen.copy()
        if self.expected == 1:
            return self._of_one(seen, now)
        fraction = sum(self._fraction(job, now) for job, _ in seen.values()) / self.expected
        words = totals([job for job, _ in seen.values()], self.expected)
        return Snapshot(f"{self.expected} jobs", fraction, now - self._began, self.trouble or words, bool(self.trouble))

    def _of_one(self, seen: dict[str, tuple[Job, float]], now: float) -> Snapshot:
        for job_id, (job, seen_at) in seen.items():
            elapsed = job.elapsed_time + (0.0 if job.status.is_terminal else now - seen_at)
            words = self.trouble or str(job.status)
            return Snapshot(short_id(job_id), self._fraction(job, now), elapsed, words, bool(self.trouble))
        return Snapshot("", 0.0, now - self._began, self.trouble or str(JobStatus.PENDING), bool(self.trouble))

    def _fraction(self, job: Job, now: float) -> float:
        return 1.0 if job.status.is_terminal else self._estimates[job.job_id].at(now)


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a label, a bar of so many columns (0: no bar), figures and words."""

    label: str
    bar: int
    text: str


def fit_row(snapshot: Snapshot, width: int) -> Row:
    """Return the line with the most information in so many columns; the label is left out first."""
    figures = f"{percent(snapshot.fraction):>2} %  {duration(snapshot.elapsed)}"
    name, words = snapshot.label, snapshot.text
    wordless = () if snapshot.is_trouble else ((name, ""), ("", ""))
    for label, text in ((name, words), ("", words), *wordless):
        line = f"{figures}  {text}".rstrip()
        room = width - _SPARE - len(line) - 2 - (len(label) + 2 if label else 0)
        if room >= _SHORTEST_BAR:
            return Row(label, min(room, _LONGEST_BAR), line)
    line = f"{figures}  {words}" if snapshot.is_trouble else figures
    room = max(width - _SPARE, 0)
    return Row("", 0, line if len(line) <= room else f"{line[: max(room - 2, 0)]}.."[:room])


_LINE_EVERY = 10.0  # seconds between two lines with the same status


class Display:
    """Shows nothing. Its methods may be called from any thread.

    Args:
        output: Where to show it.
        board: What to show.
        clock: Gives monotonic moments.
    """

    def __init__(self, output: Output, board: Board, clock: Callable[[], float] = time.monotonic) -> None:
        self.output = output
        self.board = board
        self.clock = clock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show_note(self, text: str) -> None:
        """Show a line of information."""

    def show_latest(self, job_id: str) -> None:
        """Show which job is waited for, where the user named none."""
        self.show_note(f"the latest job is {printable(job_id)}")

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Hide the display during the block, in which a result is printed."""
        yield

    def update(self, job: Job) -> None:
        """Show an answer about a job."""
        self.board.update(job, self.clock())

    def show_failure(self, text: str) -> None:
        """Show a failure that the client rides out."""
        self.board.trouble = text


class Lines(Display):
    """Prints one line for each new status, one for each failure, and otherwise one every ten seconds.

    Args:
        output: Where to show it.
        board: What to show.
        clock: Gives monotonic moments.
        server: The address that failures name.
    """

    def __init__(
        self, output: Output, board: Board, clock: Callable[[], float] = time.monotonic, *, server: str = "the server"
    ) -> None:
        super().__init__(output, board, clock)
        self._server = server
        self._printed_at = -_LINE_EVERY
        self._last_trouble = ""

    def show_note(self, text: str) -> None:
        """Show a line of information."""
        self._printed_at = self.clock()
        self.output.print_note(text)

    def update(self, job: Job) -> None:
        """Print a new status, or the same again after ten quiet seconds."""
        before = self.board.update(job, self.clock())
        news = before is None or before.status is not job.status or self._is_quiet()
        shown_anyway = job.status.is_terminal and self.output.result_follows
        if news and not shown_anyway:
            self.show_note(progress_line(job, self.board))
        self._last_trouble = ""

    def show_failure(self, text: str) -> None:
        """Print the failure; the same one only every ten seconds."""
        super().show_failure(text)
        if text != self._last_trouble or self._is_quiet():
            self._last_trouble = text
            self.show_note(f"{self._server}: {text}")

    def _is_quiet(self) -> bool:
        return self.clock() - self._printed_at >= _LINE_EVERY


def progress_line(job: Job, board: Board) -> str:
    """Return ``job 4f1c: pending for 2.0 s, 41 %``; of many jobs also how many have ended."""
    count = f" ({board.ended} of {board.expected} ended)" if board.expected > 1 and job.status.is_terminal else ""
    name, took = f"job {printable(job.job_id)}", duration(job.elapsed_time)
    if job.status is JobStatus.PENDING:
        return f"{name}: pending for {took}, {percent(job.progress)} %"
    if job.status is JobStatus.ERROR:
        return f"{name}: error after {took}: {reason(job)}{count}"
    return f"{name}: completed in {took}{count}"


def open_display(options: Options, output: Output, board: Board) -> Display:
    """Return the display that suits the options and standard error."""
    if options.quiet or options.verbose:  # the log is on standard error
        return Display(output, board)
    # Another program's output cannot be kept apart from a bar, but from whole lines.
    crossed = options.json and board.expected > 1 and output.result_is_piped
    can_move = output.on_terminal and os.environ.get("TERM") != "dumb"
    if options.command in {"run", "wait"} and can_move and not crossed:
        try:
            bar: type[Display] = importlib.import_module("translation_client.cli.bar").Bar
        except ImportError:  # rich is an extra
            pass
        else:
            return bar(output, board)
    return Lines(output, board, server=options.base_url)
