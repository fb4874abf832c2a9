"""The command line's log file: rotating, readable by its owner only, one line an event."""

from __future__ import annotations

import logging
import os
import stat
import time
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import TextIOWrapper
    from pathlib import Path

log = logging.getLogger("translation_client")

_LARGEST = 1_000_000  # bytes
_KEPT = 3
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


class _Formatter(logging.Formatter):
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def converter(self, timestamp: float | None) -> time.struct_time:
        """Moments are UTC."""
        return time.gmtime(timestamp)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base's name
        record.message = record.message.translate(_CONTROL)
        return super().formatMessage(record)


class _PrivateFile(RotatingFileHandler):
    """A rotating file of mode 0600, whatever the umask; a full disk does not end a wait."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=_LARGEST, backupCount=_KEPT, encoding="utf-8", errors="backslashreplace")
        self.setFormatter(_Formatter("%(asctime)s %(levelname)s [%(process)d] %(message)s"))

    def _open(self) -> TextIOWrapper:
        stream = open(self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=_private)  # noqa: SIM115 - the handler closes it; Path.open takes no opener
        if hasattr(os, "fchmod") and stat.S_ISREG(os.fstat(stream.fileno()).st_mode):  # /dev/null is everybody's
            os.fchmod(stream.fileno(), 0o600)
        return stream

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base's name
        """Ignore the failure: the default prints a traceback into the progress display."""


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class _Failures(logging.Handler):
    """Passes on the failures the client rides out, which its log records carry."""

    def __init__(self, on_failure: Callable[[Exception], object]) -> None:
        super().__init__()
        self._on_failure = on_failure

    def emit(self, record: logging.LogRecord) -> None:
        failure = getattr(record, "failure", None)
        if failure is not None:
            self._on_failure(failure)


class _Verbose(logging.Handler):
    def __init__(self, show: Callable[[str], object]) -> None:
        super().__init__()
        self._show = show
        self.setFormatter(_Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if not getattr(record, "shown", False):
            self._show(self.format(record))


@contextmanager
def logging_to(
    path: Path | None, *, verbose: bool, show: Callable[[str], object], on_failure: Callable[[Exception], object]
) -> Iterator[None]:
    """Log what the client does to a file, until the end of the block.

    Args:
        path: The file; its folder is made. If it cannot be opened there is a warning, and no log; None: no log.
        verbose: Show all of it to the user as well.
        show: Shows one line to the user.
        on_failure: Called with every failure the client rides out.
    """
    handlers: list[logging.Handler] = [_Failures(on_failure)]
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(_PrivateFile(path))
    except OSError as error:
        show(f"no log is kept: cannot open {path} ({(error.strerror or str(error)).lower()}); see --log-file")
    if verbose:
        handlers.append(_Verbose(show))
    with _attached(handlers):
        yield


@contextmanager
def _attached(handlers: list[logging.Handler]) -> Iterator[None]:
    before = log.level, log.propagate
    log.setLevel(logging.DEBUG)
    log.propagate = False
    for handler in handlers:
        log.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()
        log.setLevel(before[0])
        log.propagate = before[1]
