"""Reading from SQLite in the event loop's thread; a record that is asked for again only if it may have changed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from translation_server.stores.protocol import StoreUnavailableError
from translation_server.stores.sqlite.writes import BY_ID, CHANGES, to_job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from translation_server.jobs.model import Job
    from translation_server.stores.sqlite.changes import Changes

_MOST_KEPT = 20_000  # records, of 1 KB each
_LONGEST_KEPT = 1000  # characters of metadata


class Reading:
    """What is read, as the file has it at that moment; belongs to one event loop.

    Clients ask for the same jobs over and over, and a record seldom changes. The file counts changes, so that count is
    read first, once in each round of the loop, and a record that was read before is taken if it did not change since.
    What runs in the same round after that was due when the count was read, so no request sees less than it would have
    seen by reading the record itself when it arrived.

    Args:
        connection: The connection.
        changes: What this process has changed; None: each record is read each time, as a connection must that writes.
    """

    def __init__(self, connection: sqlite3.Connection, changes: Changes | None) -> None:
        self._connection = connection
        self._changes = changes
        self._seen = -1  # as many changes
        self._is_certain = False  # that no more were counted in this round
        self._records: OrderedDict[str, Job] = OrderedDict()  # whose first item is found at once, as a dict's is not

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
        if self._changes is None:
            return self._find(owner, job_id)
        if not self._is_certain:
            self._look(self._changes)
        job = self._records.get(job_id)
        return job if job is not None and job.owner == owner else self._find(owner, job_id)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _look(self, changes: Changes) -> None:
        counted = self.value(CHANGES)
        if counted != self._seen:
            changed = changes.since(self._seen, counted)
            if changed is None:
                self._records.clear()
            else:
                for job_id in changed:
                    self._records.pop(job_id, None)
            self._seen = counted
        self._is_certain = True
        asyncio.get_running_loop().call_soon(self._end_round)

    def _end_round(self) -> None:
        self._is_certain = False

    def _find(self, owner: str, job_id: str) -> Job | None:
        rows = self.rows(BY_ID, (job_id, owner))
        if not rows:
            return None
        job = to_job(rows[0])
        if self._changes is not None and len(job.metadata) <= _LONGEST_KEPT:
            if len(self._records) >= _MOST_KEPT:
                self._records.popitem(last=False)
            self._records[job_id] = job
        return job
