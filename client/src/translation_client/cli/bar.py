"""The progress bar on a terminal, drawn by rich. Importing this fails where rich is not installed."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from translation_client import JobStatus
from translation_client.cli.display import Display, fit_row
from translation_client.cli.messages import printable
from translation_client.cli.output import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from translation_client import Job
    from translation_client.cli.display import Board
    from translation_client.cli.output import Output

_FRAMES_A_SECOND = 10
_STYLES = {JobStatus.COMPLETED: "green", JobStatus.ERROR: "red", JobStatus.PENDING: "cyan"}
_STYLE_OF_TROUBLE = "yellow"


class Bar(Display):
    """A line that moves by itself between the answers, and is removed at the end."""

    def __init__(self, output: Output, board: Board, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(output, board, clock)
        self._console = Console(file=output.stderr, highlight=False)
        self._live: Live | None = None
        self._introduced = ""

    def __enter__(self) -> Self:
        self._live = Live(
            console=self._console,
            get_renderable=self._row,
            refresh_per_second=_FRAMES_A_SECOND,
            transient=True,
            redirect_stdout=False,  # standard output may be no terminal, and is not ours to replace
            redirect_stderr=False,
        )
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Remove the bar during the block, and draw it again."""
        self.__exit__()
        yield
        self.__enter__()

    def show_latest(self, job_id: str) -> None:
        """Name the job above the bar."""
        self._introduced = job_id
        super().show_latest(job_id)

    def update(self, job: Job) -> None:
        """Show an answer; the bar has no room for a whole id, so it is printed above, to be copied."""
        is_new = self.board.update(job, self.clock()) is None
        if is_new and self.board.expected == 1 and job.job_id != self._introduced:
            self.show_note(f"job {printable(job.job_id)}")

    def show_note(self, text: str) -> None:
        """Print a line above the bar."""
        self._console.print(Text(self.output.encodable(text)), soft_wrap=True)

    def _row(self) -> RenderableType:
        snapshot = self.board.snapshot(self.clock())
        row = fit_row(snapshot, self._width())
        grid = Table.grid(padding=(0, 2, 0, 0))
        cells: list[RenderableType] = [Text(row.label, style="bold")] if row.label else []
        if row.bar:
            calm, done = _STYLES[JobStatus.PENDING], _STYLES[JobStatus.COMPLETED]
            cells.append(ProgressBar(1.0, snapshot.fraction, width=row.bar, complete_style=calm, finished_style=done))
        grid.add_row(*cells, self._painted(row.text))
        return grid

    def _painted(self, words: str) -> Text:
        text = Text(words, no_wrap=True)
        if self.board.trouble:
            text.highlight_words([self.board.trouble], _STYLE_OF_TROUBLE)
            return text
        for status, style in _STYLES.items():
            text.highlight_words([str(status)], style)
        return text

    def _width(self) -> int:
        stderr = self.output.stderr
        return min(self._console.width, columns(stderr)) if stderr else self._console.width
