"""The store in an SQLite file, or in memory: SQL and nothing else.

Reads run in the event loop's thread, where they take ten microseconds; a thread would cost more than it saves. In WAL
mode they neither wait for writes nor hold them up. Writes are gathered, see ``group_commit``.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from translation_server.jobs.model import Draft, Job, Status
from translation_server.stores.protocol import Accepted, Cancelled, Change, KeyTaken, StoreUnavailableError, TooMany
from translation_server.stores.sqlite import database_file
from translation_server.stores.sqlite.changes import Changes
from translation_server.stores.sqlite.group_commit import Commits, DirectCommit, GroupCommit
from translation_server.stores.sqlite.reads import Reading
from translation_server.stores.sqlite.writer import Writer
from translation_server.stores.sqlite.writes import COLUMNS, Transaction, to_job

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from translation_server.stores.protocol import OnCommit

MEMORY = ":memory:"
"""The path of a store that is in memory only."""

_LOOK_INTERVAL = 0.25  # seconds between two looks for what other processes wrote
_LAST = 2**63 - 1
_JOBS = f"SELECT {COLUMNS} FROM jobs"  # noqa: S608 - a constant
_PAGE = f"{_JOBS} WHERE owner = :owner AND seq < :before ORDER BY seq DESC LIMIT :limit"
_PENDING_PAGE = (
    f"{_JOBS} INDEXED BY jobs_by_ending WHERE owner = :owner AND ending IS NULL AND ends_at > :now AND seq < :before "
    "ORDER BY seq DESC LIMIT :limit"
)
_ENDED_PAGE = (
    f"{_JOBS} INDEXED BY jobs_by_outcome WHERE owner = :owner AND outcome = :status AND seq < :before "
    "AND (ending IS NOT NULL OR ends_at <= :now) ORDER BY seq DESC LIMIT :limit"
)
_NEXT_END = "SELECT min(ends_at) FROM jobs WHERE owner = ? AND ending IS NULL"
_ENDED_AFTER = f"{_JOBS} INDEXED BY jobs_by_ending WHERE owner = ? AND ending > ? ORDER BY ending LIMIT ?"
_POSITION = "SELECT endings FROM owners WHERE owner = ?"
_POSITION_BEFORE = (
    "SELECT ending FROM jobs INDEXED BY jobs_by_ending WHERE owner = ? AND ending > 0 AND ends_at < ? "
    "ORDER BY ending DESC LIMIT 1"
)
_OWNERS_DUE = (
    "SELECT owner FROM owners WHERE unsettled > 0 AND EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_by_ending "
    "WHERE jobs.owner = owners.owner AND ending IS NULL AND ends_at <= ?)"
)
_COUNTS = "SELECT coalesce(sum(unsettled), 0), coalesce(sum(completed), 0), coalesce(sum(errors), 0) FROM owners"
_POSITIONS = "SELECT owner, endings FROM owners"
_LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM jobs"
_ENDED_IDS = "SELECT job_id FROM jobs WHERE owner = ? AND ending > ? ORDER BY ending"
_OWNERS_AFTER = "SELECT DISTINCT owner FROM jobs NOT INDEXED WHERE seq > ?"


@dataclass(frozen=True, slots=True)
class _Seen:
    """How far the store had come at some moment."""

    endings: Mapping[str, int]
    seq: int


class SqliteStore:
    """A ``JobStore`` in one SQLite file, which any number of processes on one machine may share.

    Args:
        path: The file, which was prepared; with ``:memory:`` the jobs last as long as the store is open.
        on_commit: Told of each transaction.
    """

    identity: str

    def __init__(self, path: str, on_commit: OnCommit = lambda *_: None) -> None:
        self._shared = path != MEMORY
        self._commits: Commits
        self._writing = database_file.connect(path)
        changes = Changes()
        writer = Writer(self._writing, changes, on_commit)
        if self._shared:
            reading = database_file.connect(path)
            reading.execute("PRAGMA query_only = ON")
            self._commits = GroupCommit(writer)
        else:
            reading = self._writing
            database_file.create_schema(self._writing)
            self._commits = DirectCommit(writer)
        self._reading = Reading(reading, changes if self._shared else None)
        self.identity = str(self._reading.value("SELECT identity FROM store"))

    async def insert(
        self, draft: Draft, make: Callable[[Draft, int], Job], limit: int
    ) -> Accepted | KeyTaken | TooMany:
        """See ``JobStore``."""
        return await self._commits.write(lambda transaction: transaction.insert(draft, make, limit), is_short=True)

    async def get_many(self, owner: str, job_ids: Sequence[str]) -> dict[str, Job]:
        """See ``JobStore``."""
        return {job_id: job for job_id in job_ids if (job := self._reading.job(owner, job_id))}

    def at_hand(self, owner: str, job_id: str) -> Job | None:
        """See ``JobStore``."""
        return self._reading.job(owner, job_id)

    async def latest(self, owner: str) -> Job | None:
        """See ``JobStore``."""
        rows = self._reading.rows(_PAGE, {"owner": owner, "before": _LAST, "limit": 1})
        return to_job(rows[0]) if rows else None

    async def page(self, owner: str, status: Status | None, now: float, before: int | None, limit: int) -> list[Job]:
        """See ``JobStore``."""
        sql = {None: _PAGE, Status.PENDING: _PENDING_PAGE}.get(status, _ENDED_PAGE)
        before = _LAST if before is None else before
        values = {"owner": owner, "status": status, "now": now, "before": before, "limit": limit}
        return [to_job(row) for row in self._reading.rows(sql, values)]

    async def settle(self, owner: str, now: float) -> Sequence[str]:
        """See ``JobStore``."""
        return await self._commits.write(lambda transaction: transaction.settle(owner, now))

    async def cancel(self, owner: str, job_id: str, now: float) -> Cancelled:
        """See ``JobStore``."""
        return await self._commits.write(lambda transaction: transaction.cancel(owner, job_id, now))

    async def next_end(self, owner: str) -> float | None:
        """See ``JobStore``."""
        moment = self._reading.value(_NEXT_END, (owner,))
        return None if moment is None else float(moment)

    async def ended_after(self, owner: str, position: int, limit: int) -> list[Job]:
        """See ``JobStore``."""
        return [to_job(row) for row in self._reading.rows(_ENDED_AFTER, (owner, position, limit))]

    async def position(self, owner: str, since: float | None = None) -> int:
        """See ``JobStore``."""
        found = (
            self._reading.value(_POSITION, (owner,))
            if since is None
            else self._reading.value(_POSITION_BEFORE, (owner, since))
        )
        return int(found or 0)

    async def owners_due(self, now: float) -> Sequence[str]:
        """See ``JobStore``."""
        return [owner for (owner,) in self._reading.rows(_OWNERS_DUE, (now,))]

    async def counts(self) -> Mapping[Status, int]:
        """See ``JobStore``."""
        return dict(zip((Status.PENDING, Status.COMPLETED, Status.ERROR), self._reading.rows(_COUNTS)[0], strict=True))

    async def forget(self, before: float, limit: int) -> int:
        """See ``JobStore``."""
        return await self._commits.write(lambda transaction: transaction.forget(before, limit))

    async def changes(self) -> AsyncGenerator[Change, None]:
        """See ``JobStore``; it looks whether anybody wrote, and only then what."""
        seen: _Seen | None = None
        version = -1
        while self._shared:
            try:
                now_seen = self._look()
                now_version = await self._commits.look(_data_version)
                found = self._changes_since(seen) if seen and now_version != version else []
                seen, version = now_seen, now_version
            except StoreUnavailableError:
                found = []
            for change in found:
                yield change
            await asyncio.sleep(_LOOK_INTERVAL)

    async def ping(self) -> None:
        """See ``JobStore``."""
        self._reading.value("SELECT seq FROM jobs LIMIT 1")
        await self._commits.write(Transaction.ping)

    async def close(self) -> None:
        """See ``JobStore``."""
        self._commits.close()
        self._reading.close()
        self._writing.close()

    def _look(self) -> _Seen:
        return _Seen(dict(self._reading.rows(_POSITIONS)), int(self._reading.value(_LAST_SEQ)))

    def _changes_since(self, seen: _Seen) -> list[Change]:
        ended = [
            Change(owner, job_id)
            for owner, _ in self._reading.rows(_POSITIONS)
            for (job_id,) in self._reading.rows(_ENDED_IDS, (owner, seen.endings.get(owner, 0)))
        ]
        return [*ended, *(Change(owner, None) for (owner,) in self._reading.rows(_OWNERS_AFTER, (seen.seq,)))]


def _data_version(connection: sqlite3.Connection) -> int:
    """A number that changes when any other connection has committed something."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
