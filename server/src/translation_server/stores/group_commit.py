"""Writes that arrive together share one transaction, and so one wait for the disk."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from translation_server.stores import sqlite_file
from translation_server.stores.contract import StoreUnavailableError
from translation_server.stores.sqlite_writes import Transaction
from translation_server.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from translation_server.stores.contract import OnCommit

_LOGGER = logging.getLogger(__name__)
_LARGEST_BATCH = 128  # writes; larger ones no longer fit into the caches of a processor, and keep the event loop longer
_BEGIN = "BEGIN IMMEDIATE"
_T = TypeVar("_T")
_Job = Callable[[sqlite3.Connection], list[Any]]


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

    def __init__(self, connection: sqlite3.Connection, on_commit: OnCommit = lambda *_: None) -> None:
        self._connection = connection
        self._on_commit = on_commit
        self._turns = Turns()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: list[_Task] = []  # and not begun yet
        self._is_busy = False  # the connection is the thread's
        _wait_for_others(connection, 0.0)
        self._jobs: queue.SimpleQueue[tuple[list[_Task], _Job] | None] = queue.SimpleQueue()
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
            self._tell(tasks, _outcome(partial(_write_all, tasks, self._on_commit), self._connection))

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
                self._tell([task], _outcome(partial(_look, task), self._connection))
        writes = [task for task in asked if task.in_transaction]
        self._asked = writes[_LARGEST_BATCH:]
        return writes[:_LARGEST_BATCH]

    def _begin(self) -> None:
        """Make what was asked for, or have it made."""
        while self._asked and not self._is_busy:
            tasks = self._take()
            if tasks and all(task.is_short for task in tasks):
                self._make(tasks)
            elif tasks:
                self._hand_over(tasks, partial(_write_all, tasks, self._on_commit))

    def _make(self, tasks: list[_Task]) -> None:
        """Make the writes here, have them committed."""
        begun = time.perf_counter()
        try:
            self._connection.execute(_BEGIN)
        except sqlite3.OperationalError:  # another process writes, or something worse, which will be met again
            self._hand_over(tasks, partial(_write_all, tasks, self._on_commit))
            return
        made = _outcome(partial(_make, tasks), self._connection)
        if isinstance(made, Exception):
            self._tell(tasks, made)
        else:
            self._hand_over(tasks, partial(_commit, made, begun, self._on_commit))

    def _hand_over(self, tasks: list[_Task], job: _Job) -> None:
        self._is_busy = True
        self._jobs.put((tasks, job))

    def _work(self) -> None:
        while (handed := self._jobs.get()) is not None:
            tasks, job = handed
            outcome = _outcome(job, self._connection)
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
            self._turns.give(task.future, one)


class DirectCommit:
    """Commits at once, in the caller's thread: right where no disk is waited for."""

    def __init__(self, connection: sqlite3.Connection, on_commit: OnCommit = lambda *_: None) -> None:
        self._connection = connection
        self._on_commit = on_commit

    def write(self, write: Callable[[Transaction], _T], *, is_short: bool = False) -> asyncio.Future[_T]:
        """See ``Commits``."""
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        task = _Task(write, future, in_transaction=True, is_short=is_short)
        return self._done(lambda connection: _write_all([task], self._on_commit, connection)[0])

    def look(self, look: Callable[[sqlite3.Connection], _T]) -> asyncio.Future[_T]:
        """See ``Commits``."""
        return self._done(look)

    def close(self) -> None:
        """See ``Commits``."""

    def _done(self, do: Callable[[sqlite3.Connection], _T]) -> asyncio.Future[_T]:
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        outcome = _outcome(do, self._connection)
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        return future


def _look(task: _Task, connection: sqlite3.Connection) -> list[Any]:
    return [task.do(connection)]


def _write_all(tasks: Sequence[_Task], on_commit: OnCommit, connection: sqlite3.Connection) -> list[Any]:
    """Do all of it in one transaction, or none of it, in its turn among other processes."""
    begun = time.perf_counter()
    _wait_for_others(connection, sqlite_file.BUSY_TIMEOUT)
    try:
        connection.execute(_BEGIN)
        return _commit(_make(tasks, connection), begun, on_commit, connection)
    finally:
        _wait_for_others(connection, 0.0)


def _make(tasks: Sequence[_Task], connection: sqlite3.Connection) -> list[Any]:
    """Do all of it in the transaction that was begun; or end that."""
    try:
        transaction = Transaction(connection)
        results = [task.do(transaction) for task in tasks]
        transaction.finish()
    except BaseException:
        _roll_back(connection)
        raise
    return results


def _commit(results: list[Any], begun: float, on_commit: OnCommit, connection: sqlite3.Connection) -> list[Any]:
    """Write it down for good; return the results, which hold from then on."""
    try:
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise
    on_commit(len(results), time.perf_counter() - begun)
    return results


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _wait_for_others(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")


def _outcome(do: Callable[[sqlite3.Connection], _T], connection: sqlite3.Connection) -> _T | Exception:
    try:
        return do(connection)
    except sqlite3.Error as error:
        _LOGGER.warning("the database does not work: %s", error)
        return StoreUnavailableError(str(error))
    except Exception as error:
        _LOGGER.exception("a write failed unexpectedly")
        return error
