"""The command line: ``translation-client``, and ``python3 client.py`` in a checkout."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from translation_client import TranslationClientError, __version__
from translation_client.cli.advice import checkout, explain, installed
from translation_client.cli.arguments import USAGE, parse
from translation_client.cli.commands import Run, UsageError
from translation_client.cli.log import log, logging_to
from translation_client.cli.output import standard_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import FrameType

    from translation_client.cli.output import Output

_BUG = 70  # EX_SOFTWARE of sysexits.h
_OUTPUT_CLOSED = 128 + 13  # what a shell makes of SIGPIPE, which not every system has


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a run just as Ctrl-C does."""


def main(argv: Sequence[str] | None = None, *, prog: str = "translation-client", folder: Path | None = None) -> int:
    """Run one command and return its exit status; ``--help`` lists them.

    Args:
        argv: The arguments; those of the process by default.
        prog: What the user typed to get here.
        folder: That of the script in a checkout; None: the command is installed.
    """
    place = installed(prog) if folder is None else checkout(prog, folder)
    output = standard_output()
    try:
        options = parse(sys.argv[1:] if argv is None else argv, place=place, version=__version__)
    except SystemExit as stop:
        return _flushed_status(int(stop.code or 0), output)
    run = Run(options, place, output)
    log_file = options.log_file or place.log_file
    with (
        _sigterm_interrupts(),
        logging_to(log_file, verbose=options.verbose, show=run.output.print_note, on_failure=run.failed),
    ):
        status = _run_safely(run, log_file)
        log.info("exit status %d", status)
        return status


def _flushed_status(status: int, output: Output) -> int:
    """Return the exit status once the help is printed, which may not be read to its end (``--help | head``)."""
    try:
        output.flush()
    except BrokenPipeError:
        return _OUTPUT_CLOSED
    return status


def _run_safely(run: Run, log_file: Path | None) -> int:
    """Run, and return the exit status, whatever happens; no exception is shown as a traceback."""
    try:
        return run.run()
    except KeyboardInterrupt as interrupt:
        _restore_default_signals()
        run.report(run.interrupted())
        return 128 + signal.SIGTERM if isinstance(interrupt, _Terminated) else 128 + signal.SIGINT
    except BrokenPipeError:
        return _OUTPUT_CLOSED
    except TranslationClientError as error:
        status, text = explain(error, run.options, run.place)
        run.report(text)
        return status
    except UsageError as error:
        run.report(f"{error}. Try '{run.place.prog} --help'.")
        return USAGE
    except Exception as error:  # noqa: BLE001 - the log has it all
        log.exception("unexpected error: a bug in the client")
        details = f"the details are in {log_file}" if log_file else "--log-file FILE keeps the details"
        run.report(f"unexpected {type(error).__name__}: {error}; {details}")
        return _BUG


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    def interrupt(_: int, __: FrameType | None) -> None:
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    interrupted_before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, interrupted_before)


def _restore_default_signals() -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
