"""Reading from SQLite in the event loop's thread; a job that is asked for again only if anything was written since."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any

from translation_server.stores.contract import StoreUnavailableError
from translation_server.stores.sqlite_writes import BY_ID, to_job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from translation_server.jobs import Job

_VERSION = "PRAGMA data_version"
_MOST_KEPT = 4096  # records
_LONGEST_KEPT = 1000  # characters of metadata


class Reading:
    """What is read, as the file has it at that moment; belongs to one event loop.

    Clients ask for the same jobs over and over, and SQLite tells by one number whether anybody has committed anything,
    in this process or another. So that is asked for first, once in each round of the loop, and a record that was read
    before is taken if the number is the same. What runs in the same round after that was due when the number was read,
    so that no request sees less than it would have seen by asking itself when it arrived.

    Args:
        connection: The connection, which does nothing else.
        keeps: Whether to keep records; not right for a connection that writes, as it is not told of its own commits.
    """

    def __init__(self, connection: sqlite3.Connection, *, keeps: bool) -> None:
        self._connection = connection
        self._keeps = keeps
        self._version = -1
        self._is_certain = False  # that nothing was committed since the records were read
        self._records: dict[tuple[str, str], Job] = {}

    def rows(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        """All rows; raises ``StoreUnavailableError``."""
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailableError(str(error)) from error

    def value(self, sql: str, values: Sequence[object] = ()) -> Any:  # noqa: ANN401 - whatever the column holds
        """The first column of the first row; None if there is none. Raises ``StoreUnavailableError``."""
        rows = self.rows(sql, values)
        return rows[0][0] if rows else None

    def job(self, owner: str, job_id: str) -> Job | None:
        """The owner's job; raises ``StoreUnavailableError``."""
        if self._keeps and not self._is_certain:
            self._look()
        return self._records.get((owner, job_id)) or self._find(owner, job_id)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _look(self) -> None:
        version = self.value(_VERSION)
        if version != self._version:
            self._records.clear()
            self._version = version
        self._is_certain = True
        asyncio.get_running_loop().call_soon(self._end_round)

    def _end_round(self) -> None:
        self._is_certain = False

    def _find(self, owner: str, job_id: str) -> Job | None:
        rows = self.rows(BY_ID, (job_id, owner))
        if not rows:
            return None
        job = to_job(rows[0])
        if self._keeps and len(self._records) < _MOST_KEPT and len(job.metadata) <= _LONGEST_KEPT:
            self._records[owner, job_id] = job
        return job
