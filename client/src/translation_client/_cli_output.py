"""Standard output for results, standard error for everything else; nothing printed here can fail with a traceback."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from translation_client._cli_messages import Marks
from translation_client._models import JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

_COLOURS: Mapping[JobStatus, str] = {JobStatus.COMPLETED: "32", JobStatus.ERROR: "31"}


class Output:
    """The two streams of one run.

    Args:
        stdout: For results; None where it is closed.
        stderr: For progress, notes and errors; None where it is closed.
    """

    def __init__(self, stdout: TextIO | None, stderr: TextIO | None) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self.marks = Marks.for_encoding(getattr(stdout, "encoding", None))

    @property
    def on_terminal(self) -> bool:
        """Whether standard error is a terminal."""
        return _is_terminal(self.stderr)

    @property
    def result_is_seen(self) -> bool:
        """Whether standard output is a terminal, so that progress need not repeat the result."""
        return _is_terminal(self.stdout)

    @property
    def width(self) -> int | None:
        """The columns of the terminal that standard output is; None if it is none, so that nothing need be cut."""
        return shutil.get_terminal_size().columns if self.result_is_seen else None

    def result(self, text: str, status: JobStatus | None = None) -> None:
        """Print one line of result, at once.

        Args:
            text: The line.
            status: What it is about; its mark, or else its name, is coloured on a terminal.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        if self.stdout is None:
            return
        line = _encodable(text, self.stdout)
        if status is not None and _takes_colour(self.stdout):
            line = _coloured(line, self.marks.of(status), status)
        try:
            self.stdout.write(line + "\n")
            self.stdout.flush()
        except OSError:
            _forget(self.stdout)
            raise

    def note(self, text: str) -> None:
        """Print one line on standard error; where that fails there is nobody left to tell."""
        if self.stderr is None:
            return
        with suppress(OSError, ValueError):
            self.stderr.write(_encodable(text, self.stderr) + "\n")
            self.stderr.flush()

    def encodable(self, text: str) -> str:
        """The text as standard error can show it."""
        return text if self.stderr is None else _encodable(text, self.stderr)


def standard_output() -> Output:
    """The streams of this process."""
    return Output(sys.stdout, sys.stderr)


def _encodable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def _takes_colour(stream: TextIO) -> bool:
    environment = os.environ
    return (
        _is_terminal(stream)
        and not environment.get("NO_COLOR")
        and environment.get("TERM") != "dumb"
        and os.name != "nt"
    )


def _coloured(line: str, mark: str, status: JobStatus) -> str:
    colour = _COLOURS.get(status)
    if colour is None:
        return line
    before, word, after = line.partition(mark if line.startswith(mark) else f"  {status}")
    return f"{before}\x1b[{colour}m{word}\x1b[0m{after}" if word else line


def _forget(stream: TextIO) -> None:
    """Keep the interpreter from trying again, and complaining, when it flushes the stream at its end."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
