"""Group commit: writes that arrive together share one transaction, and so one wait for the disk."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from translation_server.stores.fair_queue import FairQueue
from translation_server.stores.protocol import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from translation_server.stores.outage import Outage
    from translation_server.stores.sqlite.writes import Transaction, Writer

_LOGGER: Final = logging.getLogger(__name__)
_LARGEST_BATCH: Final = 128  # writes; more do not fit into a processor's caches, and keep the event loop longer
_T = TypeVar("_T")


class _Task(NamedTuple):
    do: Callable[[Any], Any]
    future: asyncio.Future[Any]
    is_write: bool
    is_short: bool


class GroupCommit:
    """Commits in a thread of its own: while one batch waits for the disk, the next one gathers.

    Short writes are executed in the event loop, and only their commit, the wait for the disk, is left to the thread: of
    Python's threads one runs at a time, and two that alternate at each statement spend as much on that as on their
    work. A batch that has a long write in it is left to the thread as a whole, and so is one that cannot begin because
    another process writes.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._outcomes = FairQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: list[_Task] = []  # and not begun yet
        self._is_busy = False  # whether the thread has the connection
        writer.set_busy_timeout(0.0)
        self._batches: queue.SimpleQueue[tuple[list[_Task], Callable[[], list[Any]]] | None] = queue.SimpleQueue()
        # A daemon: what it has not finished was not acknowledged, so a process in a hurry need not wait for it.
        self._thread = threading.Thread(target=self._work, name="group-commit", daemon=True)
        self._thread.start()

    def write(self, write: Callable[[Transaction], _T], *, is_short: bool = False) -> asyncio.Future[_T]:
        """Carry out a write in a transaction, and resolve the future with its result once that is committed.

        The future raises ``StoreUnavailableError`` if it is not. A short write takes some ten microseconds.
        """
        return self._ask(write, is_write=True, is_short=is_short)

    def inspect(self, read: Callable[[sqlite3.Connection], _T]) -> asyncio.Future[_T]:
        """Read between two transactions, on the connection that writes."""
        return self._ask(read, is_write=False, is_short=True)

    def close(self) -> None:
        """Finish what was asked for; nothing more may be asked for."""
        self._batches.put(None)
        self._thread.join()
        self._is_busy = False
        while self._asked:
            batch = self._next_batch()
            self._resolve(batch, _outcome_of(self._whole(batch), self._writer.outage))

    def _ask(self, do: Callable[[Any], _T], *, is_write: bool, is_short: bool) -> asyncio.Future[_T]:
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()
        if not self._asked and not self._is_busy:
            loop.call_soon(self._begin)  # with all that is asked for in this round of the loop
        self._asked.append(_Task(do, future, is_write, is_short))
        return future

    def _next_batch(self) -> list[_Task]:
        """Return the next writes; what only reads is done at once."""
        asked, self._asked = self._asked, []
        for task in asked:
            if not task.is_write:
                self._resolve([task], _outcome_of(lambda: [self._writer.inspect(task.do)], self._writer.outage))  # noqa: B023 - called here
        writes = [task for task in asked if task.is_write]
        self._asked = writes[_LARGEST_BATCH:]
        return writes[:_LARGEST_BATCH]

    def _begin(self) -> None:
        """Begin what was asked for, until the thread has the connection."""
        while self._asked and not self._is_busy:
            batch = self._next_batch()
            if batch and all(task.is_short for task in batch) and self._writer.begin():
                self._execute(batch)
            elif batch:
                self._hand_over(batch, self._whole(batch))

    def _execute(self, batch: list[_Task]) -> None:
        """Execute the writes here, in the transaction that was begun, and have them committed."""
        begun = time.perf_counter()
        results = _outcome_of(partial(self._writer.execute, [task.do for task in batch]), self._writer.outage)
        if isinstance(results, Exception):
            self._resolve(batch, results)
        else:
            self._hand_over(batch, partial(self._writer.commit, results, begun))

    def _whole(self, batch: list[_Task]) -> Callable[[], list[Any]]:
        return partial(self._writer.run, [task.do for task in batch])

    def _hand_over(self, batch: list[_Task], do: Callable[[], list[Any]]) -> None:
        self._is_busy = True
        self._batches.put((batch, do))

    def _work(self) -> None:
        while (handed := self._batches.get()) is not None:
            batch, do = handed
            outcome = _outcome_of(do, self._writer.outage)
            try:
                batch[0].future.get_loop().call_soon_threadsafe(self._finish, batch, outcome)
            except RuntimeError:  # the loop is closed, so nobody waits for it any more
                _LOGGER.debug("nobody waits for the outcome of %d writes any more", len(batch))

    def _finish(self, batch: list[_Task], outcome: list[Any] | Exception) -> None:
        self._is_busy = False
        self._resolve(batch, outcome)
        self._begin()

    def _resolve(self, batch: list[_Task], outcome: list[Any] | Exception) -> None:
        outcomes = [outcome] * len(batch) if isinstance(outcome, Exception) else outcome
        for task, one in zip(batch, outcomes, strict=True):
            self._outcomes.resolve(task.future, one)


class DirectCommit:
    """Commits at once, in the caller's thread: right where there is no disk to wait for."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def write(self, write: Callable[[Transaction], _T], *, is_short: bool = False) -> asyncio.Future[_T]:  # noqa: ARG002 - all are alike
        """See ``GroupCommit``."""
        return self._do(lambda: self._writer.run([write])[0])

    def inspect(self, read: Callable[[sqlite3.Connection], _T]) -> asyncio.Future[_T]:
        """See ``GroupCommit``."""
        return self._do(lambda: self._writer.inspect(read))

    def close(self) -> None:
        """See ``GroupCommit``."""

    def _do(self, do: Callable[[], _T]) -> asyncio.Future[_T]:
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        outcome = _outcome_of(do, self._writer.outage)
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        return future


def _outcome_of(do: Callable[[], _T], outage: Outage) -> _T | Exception:
    """Return what it returns, or what goes wrong; that is logged."""
    try:
        return do()
    except StoreUnavailableError as error:  # logged where it was found out
        return error
    except sqlite3.Error as error:
        outage.begin(error)
        return StoreUnavailableError(str(error))
    except Exception as error:
        _LOGGER.exception("a write failed unexpectedly")
        return error
