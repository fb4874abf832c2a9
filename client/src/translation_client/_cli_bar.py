"""The progress bar on a terminal, drawn by rich. Importing this fails where rich is not installed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from translation_client._cli_display import Display
from translation_client._cli_messages import printable
from translation_client._cli_progress import fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from translation_client._cli_output import Output
    from translation_client._cli_progress import Board
    from translation_client._models import Job

_FRAMES_A_SECOND = 10


class Bar(Display):
    """One line that moves by itself between the answers, and is gone at the end."""

    def __init__(self, output: Output, board: Board, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(output, board, clock)
        self._console = Console(file=output.stderr, highlight=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._row,
            refresh_per_second=_FRAMES_A_SECOND,
            transient=True,
            redirect_stdout=False,  # standard output may be no terminal, and is not ours to replace
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, job: Job) -> None:
        """Take in an answer; the bar has no room for a whole id, so it stands above, to be copied."""
        if self.board.update(job, self.clock()) is None and self.board.expected == 1:
            self.note(f"job {printable(job.job_id)}")

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._console.print(Text(self.output.encodable(text)), soft_wrap=True)

    def _row(self) -> RenderableType:
        snapshot = self.board.snapshot(self.clock())
        row = fit(snapshot, self._console.width)
        grid = Table.grid(padding=(0, 2, 0, 0))
        cells: list[RenderableType] = [Text(row.label, style="bold")] if row.label else []
        if row.bar:
            cells.append(ProgressBar(total=1.0, completed=snapshot.fraction, width=row.bar))
        grid.add_row(*cells, Text(row.text, no_wrap=True))
        return grid
