"""The log file: one line per event, escaped, rotated, readable by its owner only, cheap for the event loop.

Only the code that starts a server calls ``configure``; everything else just logs.

Handlers of libraries do not fit: ``RotatingFileHandler`` writes to the disk in the event loop, once per line, and loses
lines when two worker processes rotate one file; ``concurrent-log-handler`` locks a file for every line. Here lines are
collected and written together, by one ``write`` to a file opened for appending, which keeps the lines of several
processes whole. A lock is needed only to rotate.
"""

import contextlib
import logging
import math
import os
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from translation_server.config.settings import Settings, SettingsError
from translation_server.observability.log_format import JsonFormatter, LineFormatter, RequestLine, request_record

if sys.platform != "win32":
    import fcntl

_LOGGER: Final = logging.getLogger(__name__)
_PACKAGE: Final = __name__.partition(".")[0]
_MOST_BYTES: Final = 10_000_000
_OLD_FILES: Final = 5
_INTERVAL: Final = 0.25  # seconds a line may wait for others to be written with
_ALIKE: Final = 10  # lines about bytes that are no request, of which anybody may send millions
_ALIKE_WINDOW: Final = 60.0  # seconds
_MOST_WAITING: Final = 10_000  # lines: a disk that hangs must not fill the memory


def configure(settings: Settings) -> "LogFile":
    """Send the log of this process to the log file, and warnings to standard error as well; log the configuration.

    The request lines of uvicorn are switched off, because the log file has more detailed ones.

    Raises:
        SettingsError: The log file cannot be written.
    """
    try:
        file = LogFile(settings.log_file)
    except OSError as error:
        line = f"LOG_FILE is {str(settings.log_file)!r}, which cannot be written: {error.strerror}"
        raise SettingsError((line,)) from None
    file.setLevel(settings.log_level)
    if settings.log_format == "json":
        file.setFormatter(JsonFormatter())
    _send_to(file, settings.log_level)
    logging.getLogger("uvicorn.error").info("Logging to %s", settings.log_file)
    effective = " ".join(f"{name}={value}" for name, value in settings.effective().items())
    _LOGGER.info("configuration: %s", effective)
    if settings.has_sample_password:
        _LOGGER.warning("API_PASSWORD is the one of .env.example, which everyone can read: choose your own")
    return file


def _send_to(file: "LogFile", level: str) -> None:
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING)
    terminal.setFormatter(LineFormatter())
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn")
    root.addHandler(file)
    root.addHandler(terminal)
    if not uvicorn.propagate:  # as its command line configures it
        uvicorn.addHandler(file)
    logging.getLogger(_PACKAGE).setLevel(level)
    logging.getLogger("uvicorn.error").addFilter(FloodFilter("Invalid HTTP request received."))
    requests = logging.getLogger("uvicorn.access")
    requests.handlers, requests.propagate = [], False


class FloodFilter(logging.Filter):
    """Lets ten lines of one text pass in a minute, so that a flood of them never rotates the useful log away.

    The last of them says that further ones are left out; the first of a later minute says how many were.

    Args:
        text: Of the lines, as it is logged.
        monotonic: Seconds of any origin; never goes back.
    """

    def __init__(self, text: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._text = text
        self._monotonic = monotonic
        self._begun = -math.inf
        self._number = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        if record.msg != self._text:
            return True
        now = self._monotonic()
        if now - self._begun >= _ALIKE_WINDOW:
            left_out, self._begun, self._number = self._number - _ALIKE, now, 0
            if left_out > 0:
                record.msg = f"{self._text} {left_out} such lines were left out since the last one."
        self._number += 1
        if self._number == _ALIKE:
            record.msg = f"{self._text} Further such lines are left out for a minute."
        return self._number <= _ALIKE


class LogFile(logging.Handler):
    """Collects lines and writes them within a quarter of a second, in a thread, so that no request waits.

    Warnings, and all lines of other packages (the last one of uvicorn says that it ends), are written at once, together
    with the lines before them. A line that cannot be written does not fail a request; the file says later how many were
    lost.

    Args:
        path: The file; its folder is created.
        most_bytes: The size at which a new file is begun.
        old_files: How many files are kept beside it, as ``name.1`` (the newest) and so on.
        interval: Seconds a line may wait.

    Attributes:
        lines_lost: How many lines could not be written, in all.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        most_bytes: int = _MOST_BYTES,
        old_files: int = _OLD_FILES,
        interval: float = _INTERVAL,
    ) -> None:
        self._file = RotatingFile(
            path, most_bytes, old_files
        )  # first: it may fail, and logging must not know the handler then
        super().__init__()
        self.setFormatter(LineFormatter())
        self._interval = interval
        self._waiting: deque[str] = deque()
        self.lines_lost = 0
        self._lost = 0
        self._writing = threading.RLock()
        self._due = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write_regularly, name="log file", daemon=True)
        self._thread.start()

    def handle(self, record: logging.LogRecord) -> bool:
        """Handle a record without the lock of other handlers, which adding to a deque does not need."""
        wanted = bool(self.filter(record))
        if wanted:
            self.emit(record)
        return wanted

    def emit(self, record: logging.LogRecord) -> None:
        """Add the line of a record."""
        if (line := self._line(record)) is not None:
            self._waiting.append(line)
        self._schedule(is_urgent=_is_urgent(record))

    def add_request(self, line: RequestLine) -> None:
        """Add the line of a request, bypassing ``logging``."""
        moment = time.time()
        if isinstance(self.formatter, LineFormatter):
            # Now, though a thread could do it later: by then what it is made of has left the processor's caches.
            self._waiting.append(self.formatter.request(line, moment, os.getpid()))
        elif (text := self._line(request_record(line, moment))) is not None:
            self._waiting.append(text)
        self._schedule()

    def flush(self) -> None:
        """Write the collected lines."""
        with self._writing:
            lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not lines:
                return
            if self._lost:
                lines.insert(0, self.format(_lines_lost(self._lost)))
            try:
                self._file.write(("\n".join(lines) + "\n").encode(errors="backslashreplace"))
            except OSError:
                lost = len(lines) - bool(self._lost)  # the line about the lost ones does not count
                self._lost += lost
                self.lines_lost += lost
            else:
                self._lost = 0

    def close(self) -> None:
        """Write the collected lines, and end the thread."""
        self._ended.set()
        self._due.set()
        self._thread.join(timeout=1)
        self.flush()
        self._file.close()
        super().close()

    def _schedule(self, *, is_urgent: bool = False) -> None:
        if is_urgent or len(self._waiting) >= _MOST_WAITING:
            self.flush()
        elif not self._due.is_set():
            self._due.set()

    def _line(self, record: logging.LogRecord) -> str | None:
        try:
            return self.format(record)
        except Exception:  # noqa: BLE001 - like every handler of the standard library, it must not stop the program
            self.handleError(record)
            return None

    def _write_regularly(self) -> None:
        while not self._ended.is_set():
            self._due.wait()
            self._ended.wait(self._interval)
            self._due.clear()
            self.flush()


class RotatingFile:
    """A file that several processes append to and rotate.

    Args:
        path: The file; it is created with its folder if it is missing, and only its owner can read it.
        most_bytes: The size at which a new file is begun.
        old_files: How many files are kept beside it, as ``name.1`` (the newest) and so on.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: Path, most_bytes: int, old_files: int) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._old_files = old_files
        self._descriptor: int | None = None
        self._open()

    def write(self, data: bytes) -> None:
        """Append whole lines, with one system call unless the disk is nearly full.

        Raises:
            OSError: Not all of them could be written.
        """
        descriptor = self._open()
        if self._is_full(descriptor, len(data)):
            with contextlib.suppress(OSError):  # a file that is too long is better than a lost line
                self._rotate(len(data))
            descriptor = self._open()
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def close(self) -> None:
        """Close the file; the next ``write`` opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        """Return the descriptor of the file that has the name now: another process may have rotated the one before."""
        if self._descriptor is not None:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(self._path.stat(), os.fstat(self._descriptor)):
                    return self._descriptor
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        found = os.fstat(self._descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
            self._path.chmod(0o600)
        return self._descriptor

    def _is_full(self, descriptor: int, more: int) -> bool:
        found = os.fstat(descriptor)
        return stat.S_ISREG(found.st_mode) and found.st_size > 0 and found.st_size + more > self._most_bytes

    def _rotate(self, more: int) -> None:
        with _locked(self._path.parent):
            if not self._is_full(self._open(), more):
                return  # another process was faster
            self.close()
            for number in range(self._old_files - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    self._old(number).replace(self._old(number + 1))
            self._path.replace(self._old(1))

    def _old(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Admit one process at a time; without such locks (on Windows), several workers need one file each."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def request_log() -> Callable[[RequestLine], None] | None:
    """Return the function that logs a request without the detour through ``logging``; None: there is no log file."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogFile):
            return handler.add_request if handler.level <= logging.INFO else lambda _: None
    return None


def lines_lost() -> int:
    """Return how many lines of this process could not be written to its log file."""
    return sum(handler.lines_lost for handler in logging.getLogger().handlers if isinstance(handler, LogFile))


def _is_urgent(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or not record.name.startswith(_PACKAGE)


def _lines_lost(count: int) -> logging.LogRecord:
    return logging.LogRecord(__name__, logging.ERROR, "", 0, "%d lines could not be written", (count,), None)
