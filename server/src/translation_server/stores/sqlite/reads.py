"""Reading from SQLite in the event loop's thread; a record that was read before is read again only if it may differ.

The file counts how often a record was changed or deleted, whoever did it. If everything that was counted since the last
read was done by this process itself, it knows which records those are; otherwise any record may have changed.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from translation_server.stores.protocol import StoreUnavailableError
from translation_server.stores.records import to_job
from translation_server.stores.sqlite import sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from translation_server.jobs.model import Job

_MOST_RECORDS: Final = 20_000  # of 1 KB each
_LONGEST_METADATA: Final = 1000  # characters; jobs with more are not kept
_MOST_TRANSACTIONS: Final = 1000


class OwnChanges:
    """The transactions of this process that changed records; from any thread."""

    def __init__(self) -> None:
        self._transactions: dict[int, tuple[int, Sequence[str]]] = {}  # by the count before each

    def add(self, before: int, after: int, job_ids: Sequence[str]) -> None:
        """Record a transaction that raises the file's count from one number to another by changing these jobs.

        To be called before it is committed, when no other process can count.
        """
        if len(self._transactions) >= _MOST_TRANSACTIONS:  # nobody has read for long
            self._transactions.clear()
        if after > before:
            self._transactions[before] = after, job_ids

    def clear(self) -> None:
        """Drop everything, as a transaction was not committed after all; to be called before another one counts."""
        self._transactions.clear()

    def pop(self, seen: int, now: int) -> Sequence[str] | None:
        """Return the jobs changed while the count went from ``seen`` to ``now``; None if any job may have been."""
        changed: list[str] = []
        while seen != now:
            transaction = self._transactions.pop(seen, None)
            if transaction is None:
                return None
            seen, job_ids = transaction
            changed += job_ids
        return changed


class Reader:
    """Returns what the file holds at the moment; belongs to one event loop.

    Clients ask for the same jobs over and over, and a record seldom changes. So the file's count of changes is read
    first, once in each round of the loop, and a record that was read before is returned if it has not changed since.
    What runs later in the same round was due when the count was read, so no request gets less than it would have got by
    reading the record itself when it arrived.

    Args:
        connection: The connection.
        own_changes: What this process changed; None: read each record each time, as a connection must that also writes.
    """

    def __init__(self, connection: sqlite3.Connection, own_changes: OwnChanges | None) -> None:
        self._connection = connection
        self._own_changes = own_changes
        self._count = -1  # of changes, when it was last read
        self._is_current = False  # whether that was in this round of the loop
        self._records: OrderedDict[str, Job] = OrderedDict()  # whose first item is found at once, as a dict's is not

    def rows(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows; raises ``StoreUnavailableError``."""
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailableError(str(error)) from error

    def value(self, statement: str, values: Sequence[object] = ()) -> Any:  # noqa: ANN401 - whatever the column holds
        """Return the first column of the first row, None if there is none; raises ``StoreUnavailableError``."""
        rows = self.rows(statement, values)
        return rows[0][0] if rows else None

    def job(self, owner: str, job_id: str) -> Job | None:
        """Return the owner's job; raises ``StoreUnavailableError``."""
        if self._own_changes is None:
            return self._read(owner, job_id)
        if not self._is_current:
            self._drop_changed(self._own_changes)
        job = self._records.get(job_id)
        return job if job is not None and job.owner == owner else self._read(owner, job_id)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _drop_changed(self, own_changes: OwnChanges) -> None:
        count = self.value(sql.CHANGES)
        if count != self._count:
            changed = own_changes.pop(self._count, count)
            if changed is None:
                self._records.clear()
            else:
                for job_id in changed:
                    self._records.pop(job_id, None)
            self._count = count
        self._is_current = True
        asyncio.get_running_loop().call_soon(self._end_round)

    def _end_round(self) -> None:
        self._is_current = False

    def _read(self, owner: str, job_id: str) -> Job | None:
        rows = self.rows(sql.BY_ID, (job_id, owner))
        if not rows:
            return None
        job = to_job(rows[0])
        if self._own_changes is not None and len(job.metadata) <= _LONGEST_METADATA:
            if len(self._records) >= _MOST_RECORDS:
                self._records.popitem(last=False)
            self._records[job_id] = job
        return job
