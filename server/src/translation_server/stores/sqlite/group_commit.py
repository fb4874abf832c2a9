"""Writes that arrive together share one transaction, and so one wait for the disk."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from translation_server.stores.fair_queue import FairQueue
from translation_server.stores.protocol import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from translation_server.stores.sqlite.writer import Writer
    from translation_server.stores.sqlite.writes import Transaction

_LOGGER = logging.getLogger(__name__)
_LARGEST_BATCH = 128  # writes; larger ones no longer fit into the caches of a processor, and keep the event loop longer
_T = TypeVar("_T")


class Commits(Protocol):
    """Who carries out writes."""

    def write(self, write: Callable[[Transaction], _T], *, is_short: bool = False) -> asyncio.Future[_T]:
        """Do this in a transaction; the result comes once it is committed.

        The future raises ``StoreUnavailableError`` if it was not, and then nothing of it was written. Short is what
        takes some ten microseconds.
        """

    def look(self, look: Callable[[sqlite3.Connection], _T]) -> asyncio.Future[_T]:
        """Do this between two transactions, on the connection that writes."""

    def close(self) -> None:
        """Finish what was asked for; ask for nothing more."""


class _Task(NamedTuple):
    do: Callable[[Any], Any]
    future: asyncio.Future[Any]
    in_transaction: bool
    is_short: bool


class GroupCommit:
    """Commits in a thread of its own: while one batch waits for the disk, the next one gathers.

    Short writes are made in the event loop, and only their commit, the wait for the disk, in the thread: of Python's
    threads one runs at a time, and two that take turns at each statement spend as much on that as on their work. A
    batch with a long one in it is the thread's as a whole, and so is any that another process keeps from beginning.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._queue = FairQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: list[_Task] = []  # and not begun yet
        self._is_busy = False  # the connection is the thread's
        writer.wait_for_others(0.0)
        self._jobs: queue.SimpleQueue[tuple[list[_Task], Callable[[], list[Any]]] | None] = queue.SimpleQueue()
        # A daemon: what it has not finished was not acknowledged, so a process in a hurry need not wait for it.
        self._thread = threading.Thread(target=self._work, name="group-commit", daemon=True)
        self._thread.start()

    def write(self, write: Callable[[Transaction], _T], *, is_short: bool = False) -> asyncio.Future[_T]:
        """See ``Commits``."""
        return self._put(write, in_transaction=True, is_short=is_short)

    def look(self, look: Callable[[sqlite3.Connection], _T]) -> asyncio.Future[_T]:
        """See ``Commits``."""
        return self._put(look, in_transaction=False, is_short=True)

    def close(self) -> None:
        """See ``Commits``."""
        self._jobs.put(None)
        self._thread.join()
        self._is_busy = False
        while self._asked:
            tasks = self._take()
            self._tell(tasks, _outcome(self._all_of(tasks)))

    def _put(self, do: Callable[[Any], _T], *, in_transaction: bool, is_short: bool) -> asyncio.Future[_T]:
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()
        if not self._asked and not self._is_busy:
            loop.call_soon(self._begin)  # with all that is asked for in this round of the loop
        self._asked.append(_Task(do, future, in_transaction, is_short))
        return future

    def _take(self) -> list[_Task]:
        """The next batch; what only looks is done at once."""
        asked, self._asked = self._asked, []
        for task in asked:
            if not task.in_transaction:
                self._tell([task], _outcome(partial(self._look, task)))
        writes = [task for task in asked if task.in_transaction]
        self._asked = writes[_LARGEST_BATCH:]
        return writes[:_LARGEST_BATCH]

    def _look(self, task: _Task) -> list[Any]:
        return [self._writer.look(task.do)]

    def _begin(self) -> None:
        """Make what was asked for, or have it made."""
        while self._asked and not self._is_busy:
            tasks = self._take()
            if tasks and all(task.is_short for task in tasks):
                self._make(tasks)
            elif tasks:
                self._hand_over(tasks, self._all_of(tasks))

    def _make(self, tasks: list[_Task]) -> None:
        """Make the writes here, have them committed."""
        begun = time.perf_counter()
        if not self._writer.begin():
            self._hand_over(tasks, self._all_of(tasks))
            return
        made = _outcome(partial(self._writer.make, [task.do for task in tasks]))
        if isinstance(made, Exception):
            self._tell(tasks, made)
        else:
            self._hand_over(tasks, partial(self._writer.commit, made, begun))

    def _all_of(self, tasks: list[_Task]) -> Callable[[], list[Any]]:
        return partial(self._writer.write_all, [task.do for task in tasks])

    def _hand_over(self, tasks: list[_Task], job: Callable[[], list[Any]]) -> None:
        self._is_busy = True
        self._jobs.put((tasks, job))

    def _work(self) -> None:
        while (handed := self._jobs.get()) is not None:
            tasks, job = handed
            outcome = _outcome(job)
            try:
                tasks[0].future.get_loop().call_soon_threadsafe(self._done, tasks, outcome)
            except RuntimeError:  # the loop is closed, so nobody waits for it any more
                _LOGGER.debug("nobody was left to tell about %d writes", len(tasks))

    def _done(self, tasks: list[_Task], outcome: list[Any] | Exception) -> None:
        self._is_busy = False
        self._tell(tasks, outcome)
        self._begin()

    def _tell(self, tasks: list[_Task], outcome: list[Any] | Exception) -> None:
        outcomes = [outcome] * len(tasks) if isinstance(outcome, Exception) else outcome
        for task, one in zip(tasks, outcomes, strict=True):
            self._queue.resolve(task.future, one)


class DirectCommit:
    """Commits at once, in the caller's thread: right where no disk is waited for."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def write(self, write: Callable[[Transaction], _T], *, is_short: bool = False) -> asyncio.Future[_T]:  # noqa: ARG002 - all are alike
        """See ``Commits``."""
        return _done(lambda: self._writer.write_all([write])[0])

    def look(self, look: Callable[[sqlite3.Connection], _T]) -> asyncio.Future[_T]:
        """See ``Commits``."""
        return _done(lambda: self._writer.look(look))

    def close(self) -> None:
        """See ``Commits``."""


def _done(do: Callable[[], _T]) -> asyncio.Future[_T]:
    future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
    outcome = _outcome(do)
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
    return future


def _outcome(do: Callable[[], _T]) -> _T | Exception:
    try:
        return do()
    except sqlite3.Error as error:
        _LOGGER.warning("the database does not work: %s", error)
        return StoreUnavailableError(str(error))
    except Exception as error:
        _LOGGER.exception("a write failed unexpectedly")
        return error
