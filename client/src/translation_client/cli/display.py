"""What is seen of a wait while it lasts: a bar on a terminal, plain lines in a pipe, nothing if so wished."""

from __future__ import annotations

import importlib
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from translation_client._models import JobStatus
from translation_client.cli.messages import duration, percent, printable, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from translation_client._models import Job
    from translation_client.cli.options import Options
    from translation_client.cli.output import Output
    from translation_client.cli.progress import Board

_LINE_EVERY = 10.0  # seconds between two lines that say nothing new


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

    def note(self, text: str) -> None:
        """Say something worth knowing."""

    def introduce(self, job_id: str) -> None:
        """Say which job is waited for, where the user named none."""
        self.note(f"the latest job is {printable(job_id)}")

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the terminal clean for the block, in which a result is printed."""
        yield

    def update(self, job: Job) -> None:
        """Take in an answer about a job."""
        self.board.update(job, self.clock())

    def trouble(self, text: str) -> None:
        """Take in a failure that is being ridden out."""
        self.board.trouble = text


class Lines(Display):
    """One line for each new status, one for trouble, and one in ten seconds otherwise.

    Args:
        output: Where to show it.
        board: What to show.
        clock: Gives monotonic moments.
        server: Whose trouble it is.
    """

    def __init__(
        self, output: Output, board: Board, clock: Callable[[], float] = time.monotonic, *, server: str = "the server"
    ) -> None:
        super().__init__(output, board, clock)
        self._server = server
        self._spoke_at = -_LINE_EVERY
        self._last_trouble = ""

    def note(self, text: str) -> None:
        """Say something worth knowing."""
        self._spoke_at = self.clock()
        self.output.note(text)

    def update(self, job: Job) -> None:
        """Say what is new, or the same again when it has been quiet for long."""
        before = self.board.update(job, self.clock())
        news = before is None or before.status is not job.status or self._quiet_for_long()
        told_anyway = job.status.is_terminal and self.output.result_follows
        if news and not told_anyway:
            self.note(progress_line(job, self.board))
        self._last_trouble = ""

    def trouble(self, text: str) -> None:
        """Say what is wrong, the same only every ten seconds."""
        super().trouble(text)
        if text != self._last_trouble or self._quiet_for_long():
            self._last_trouble = text
            self.note(f"{self._server}: {text}")

    def _quiet_for_long(self) -> bool:
        return self.clock() - self._spoke_at >= _LINE_EVERY


def progress_line(job: Job, board: Board) -> str:
    """``job 4f1c: pending for 2.0 s, 41 %``; of many also how many have ended."""
    count = f" ({board.ended} of {board.expected} ended)" if board.expected > 1 and job.status.is_terminal else ""
    name, took = f"job {printable(job.job_id)}", duration(job.elapsed_time)
    if job.status is JobStatus.PENDING:
        return f"{name}: pending for {took}, {percent(job.progress)} %"
    if job.status is JobStatus.ERROR:
        return f"{name}: error after {took}: {reason(job)}{count}"
    return f"{name}: completed in {took}{count}"


def open_display(options: Options, output: Output, board: Board) -> Display:
    """The display that suits the options and what standard error is."""
    if options.quiet or options.verbose:  # the log on standard error says it all
        return Display(output, board)
    # What a program behind a pipe prints meanwhile is not ours to keep apart from a bar; lines stand by themselves.
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
