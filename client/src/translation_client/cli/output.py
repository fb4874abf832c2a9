"""Standard output for results, standard error for everything else; nothing printed here can fail with a traceback."""

from __future__ import annotations

import os
import re
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from translation_client import JobStatus
from translation_client.cli.messages import Marks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

_COLOURS: Mapping[JobStatus, str] = {JobStatus.COMPLETED: "32", JobStatus.ERROR: "31", JobStatus.PENDING: "36"}
_OFF = ("", "0", "false", "no")
_USUAL_WIDTH = 80


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
        """Whether standard output is a terminal."""
        return _is_terminal(self.stdout)

    @property
    def result_follows(self) -> bool:
        """Whether the result is read where progress is: on a terminal, or where ``2>&1`` joins both."""
        return self.result_is_seen or _same_file(self.stdout, self.stderr)

    @property
    def result_is_piped(self) -> bool:
        """Whether another program reads the results; its own output may appear on the same terminal."""
        try:
            mode = os.fstat(self.stdout.fileno()).st_mode if self.stdout else 0
        except (OSError, ValueError):  # closed, or no file at all
            return False
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)

    @property
    def width(self) -> int | None:
        """The columns of standard output; None if it is no terminal, so that nothing need be cut."""
        return columns(self.stdout) if self.stdout and self.result_is_seen else None

    def result(self, text: str, status: JobStatus | None = None) -> None:
        """Print one line of result, at once.

        Args:
            text: The line.
            status: The job's; its mark and its name are coloured where colours are wanted.

        Raises:
            BrokenPipeError: Standard output is no longer read.
        """
        if self.stdout is None:
            return
        line = _encodable(text, self.stdout)
        if status is not None and wants_colour(self.stdout, os.environ):
            line = _coloured(line, self.marks.of(status), status)
        try:
            self.stdout.write(line + "\n")
        except OSError:
            _discard(self.stdout)
            raise
        self.flush()

    def flush(self) -> None:
        """Flush standard output; raises ``BrokenPipeError`` where it is no longer read."""
        try:
            if self.stdout is not None:
                self.stdout.flush()
        except OSError:
            _discard(self.stdout)
            raise

    def print_note(self, text: str) -> None:
        """Print one line on standard error; a failure to do so is ignored."""
        if self.stderr is None:
            return
        try:
            self.stderr.write(_encodable(text, self.stderr) + "\n")
            self.stderr.flush()
        except OSError:
            _discard(self.stderr)
        except ValueError:  # closed
            pass

    def encodable(self, text: str) -> str:
        """Return the text as standard error can show it."""
        return text if self.stderr is None else _encodable(text, self.stderr)


def standard_output() -> Output:
    """Return the streams of this process."""
    return Output(sys.stdout, sys.stderr)


def _encodable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _same_file(one: TextIO | None, other: TextIO | None) -> bool:
    try:
        return one is not None and other is not None and os.path.sameopenfile(one.fileno(), other.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def columns(terminal: TextIO) -> int:
    """Return the columns of a terminal, or fewer if ``COLUMNS`` says so; more would break its lines."""
    wished = os.environ.get("COLUMNS", "")
    known = [int(wished)] if wished.isascii() and wished.isdigit() and len(wished) < 6 else []  # noqa: PLR2004 - no terminal is wider
    with suppress(OSError, ValueError):
        known.append(os.get_terminal_size(terminal.fileno()).columns)
    return min((number for number in known if number > 0), default=_USUAL_WIDTH)


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether to colour: not with ``NO_COLOR``, always with ``FORCE_COLOR``, else on a capable terminal."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "").lower() not in _OFF:
        return True
    return _is_terminal(stream) and environment.get("TERM") != "dumb" and os.name != "nt"


def _coloured(line: str, mark: str, status: JobStatus) -> str:
    """Return the line with its mark, and the first word that names the status, in the colour of the status."""

    def paint(match: re.Match[str]) -> str:
        return f"\x1b[{_COLOURS[status]}m{match[0]}\x1b[0m"

    line = re.sub(rf"(?<=  ){status}\b|(?<=: ){status}\b|(?<=^{re.escape(mark)} ){status}\b", paint, line, count=1)
    return re.sub(rf"^{re.escape(mark)}", paint, line)


def _discard(stream: TextIO | None) -> None:
    """Keep the interpreter from flushing the stream again at its end, and printing an error."""
    with suppress(OSError, ValueError):
        if stream is None:
            return
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
