"""The connection that writes to SQLite: one transaction after the other, each with the writes of many."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any, TypeVar

from translation_server.stores.sqlite import database_file
from translation_server.stores.sqlite.writes import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from translation_server.stores.protocol import OnCommit
    from translation_server.stores.sqlite.changes import Changes

    Write = Callable[[Transaction], Any]

_T = TypeVar("_T")


class Writer:
    """Carries out writes; nobody else uses the connection meanwhile. Raises what SQLite raises.

    Args:
        connection: The connection.
        changes: Told which records each transaction changes.
        on_commit: Told of each transaction.
    """

    def __init__(self, connection: sqlite3.Connection, changes: Changes, on_commit: OnCommit = lambda *_: None) -> None:
        self._connection = connection
        self._changes = changes
        self._on_commit = on_commit

    def look(self, look: Callable[[sqlite3.Connection], _T]) -> _T:
        """What is to be seen between two transactions."""
        return look(self._connection)

    def wait_for_others(self, seconds: float) -> None:
        """How long to wait for other processes that write, from now on."""
        self._connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")

    def begin(self) -> bool:
        """Begin a transaction; return whether that was possible. If not, others write, or worse, which is met again."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True

    def make(self, writes: Sequence[Write]) -> list[Any]:
        """Make the writes in the transaction that was begun, or end that; return their results."""
        try:
            transaction = Transaction(self._connection, self._changes)
            results = [write(transaction) for write in writes]
            transaction.finish()
        except BaseException:
            self._roll_back()
            raise
        return results

    def commit(self, results: list[Any], begun: float) -> list[Any]:
        """Write down for good what was made; return the results, which hold from then on.

        Args:
            results: Those of the writes.
            begun: When, as ``time.perf_counter`` had it.
        """
        try:
            self._connection.execute("COMMIT")
        except BaseException:
            self._changes.take_back()
            self._roll_back()
            raise
        self._on_commit(len(results), time.perf_counter() - begun)
        return results

    def write_all(self, writes: Sequence[Write]) -> list[Any]:
        """Do all of it in one transaction, or none of it, in its turn among other processes."""
        begun = time.perf_counter()
        self.wait_for_others(database_file.BUSY_TIMEOUT)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            return self.commit(self.make(writes), begun)
        finally:
            self.wait_for_others(0.0)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
