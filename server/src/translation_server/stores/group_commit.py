"""Writes that arrive together share one transaction, and so one wait for the disk."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from translation_server.stores.contract import StoreUnavailableError
from translation_server.stores.sqlite_writes import Transaction
from translation_server.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from translation_server.stores.contract import OnCommit

_LOGGER = logging.getLogger(__name__)
_LARGEST_BATCH = 1000
_T = TypeVar("_T")


class Commits(Protocol):
    """Who carries out writes."""

    def write(self, write: Callable[[Transaction], _T]) -> asyncio.Future[_T]:
        """Do this in a transaction; the result comes once it is committed.

        The future raises ``StoreUnavailableError`` if it was not, and then nothing of it was written.
        """

    def look(self, look: Callable[[sqlite3.Connection], _T]) -> asyncio.Future[_T]:
        """Do this between two transactions, on the connection that writes."""

    def close(self) -> None:
        """Finish what was asked for; ask for nothing more."""


@dataclass(frozen=True, slots=True)
class _Task:
    do: Callable[[Any], Any]
    future: asyncio.Future[Any]
    in_transaction: bool


class GroupCommit:
    """Commits in a thread of its own: while one batch waits for the disk, the next one gathers."""

    def __init__(self, connection: sqlite3.Connection, on_commit: OnCommit = lambda *_: None) -> None:
        self._connection = connection
        self._on_commit = on_commit
        self._turns = Turns()
        self._asked: list[_Task] = []  # in this round of the event loop
        self._tasks: queue.SimpleQueue[list[_Task] | None] = queue.SimpleQueue()
        # A daemon: what it has not finished was not acknowledged, so a process in a hurry need not wait for it.
        self._thread = threading.Thread(target=self._work, name="group-commit", daemon=True)
        self._thread.start()

    def write(self, write: Callable[[Transaction], _T]) -> asyncio.Future[_T]:
        """See ``Commits``."""
        return self._put(write, in_transaction=True)

    def look(self, look: Callable[[sqlite3.Connection], _T]) -> asyncio.Future[_T]:
        """See ``Commits``."""
        return self._put(look, in_transaction=False)

    def close(self) -> None:
        """See ``Commits``."""
        self._hand_over()
        self._tasks.put(None)
        self._thread.join()

    def _put(self, do: Callable[[Any], _T], *, in_transaction: bool) -> asyncio.Future[_T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._hand_over)
        self._asked.append(_Task(do, future, in_transaction))
        return future

    def _hand_over(self) -> None:
        """Wake the thread once for all that was asked for in a round, as both want the interpreter then."""
        if self._asked:
            self._tasks.put(self._asked)
            self._asked = []

    def _work(self) -> None:
        open_ = True
        while open_:
            tasks, open_ = self._gather()
            if tasks:
                self._tell([*self._look(tasks), *self._write(tasks)])

    def _gather(self) -> tuple[list[_Task], bool]:
        """What is there, if anything is or as soon as it is; and whether more can come."""
        tasks: list[_Task] = []
        while len(tasks) < _LARGEST_BATCH and not (tasks and self._tasks.empty()):
            more = self._tasks.get()
            if more is None:
                return tasks, False
            tasks += more
        return tasks, True

    def _look(self, tasks: Sequence[_Task]) -> list[tuple[_Task, Any]]:
        return [(task, _outcome(task.do, self._connection)) for task in tasks if not task.in_transaction]

    def _write(self, tasks: Sequence[_Task]) -> list[tuple[_Task, Any]]:
        writes = [task for task in tasks if task.in_transaction]
        if not writes:
            return []
        do = [task.do for task in writes]
        results = _outcome(lambda connection: transact(connection, do, self._on_commit), self._connection)
        if isinstance(results, Exception):
            return [(task, results) for task in writes]
        return list(zip(writes, results, strict=True))

    def _tell(self, outcomes: Sequence[tuple[_Task, Any]]) -> None:
        def give() -> None:
            for task, outcome in outcomes:
                self._turns.give(task.future, outcome)

        try:
            outcomes[0][0].future.get_loop().call_soon_threadsafe(give)
        except RuntimeError:  # the loop is closed, so nobody waits for it any more
            _LOGGER.debug("nobody was left to tell about %d writes", len(outcomes))


class DirectCommit:
    """Commits at once, in the caller's thread: right where no disk is waited for."""

    def __init__(self, connection: sqlite3.Connection, on_commit: OnCommit = lambda *_: None) -> None:
        self._connection = connection
        self._on_commit = on_commit

    def write(self, write: Callable[[Transaction], _T]) -> asyncio.Future[_T]:
        """See ``Commits``."""
        return self._done(lambda connection: transact(connection, [write], self._on_commit)[0])

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


def transact(
    connection: sqlite3.Connection,
    writes: Sequence[Callable[[Transaction], _T]],
    on_commit: OnCommit = lambda *_: None,
) -> list[_T]:
    """Do all of it in one transaction, or none of it."""
    begun = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    try:
        transaction = Transaction(connection)
        results = [write(transaction) for write in writes]
        transaction.finish()
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    on_commit(len(writes), time.perf_counter() - begun)
    return results


def _outcome(do: Callable[[sqlite3.Connection], _T], connection: sqlite3.Connection) -> _T | Exception:
    try:
        return do(connection)
    except sqlite3.Error as error:
        _LOGGER.warning("the database does not work: %s", error)
        return StoreUnavailableError(str(error))
    except Exception as error:
        _LOGGER.exception("a write failed unexpectedly")
        return error
