"""The store in an SQLite file, or in memory.

Reads run in the event loop's thread, where they take ten microseconds; to hand them to another thread would cost more
than it saves. In WAL mode they neither wait for writes nor hold them up. Writes are gathered, see ``group_commit``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from translation_server.jobs.model import Draft, Job, Status
from translation_server.stores.protocol import Accepted, Cancelled, Change, KeyTaken, StoreUnavailableError, TooMany
from translation_server.stores.records import LAST_SEQ, is_encodable, to_counts, to_job
from translation_server.stores.sqlite import database_file, sql
from translation_server.stores.sqlite.group_commit import DirectCommit, GroupCommit
from translation_server.stores.sqlite.reads import OwnChanges, Reader
from translation_server.stores.sqlite.writes import Transaction, Writer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from translation_server.stores.protocol import OnCommit

MEMORY: Final = ":memory:"
"""The path of a store that is in memory only."""

_POLL_INTERVAL: Final = 0.25  # seconds after which it is found out again what other processes wrote


class SqliteStore:
    """A ``JobStore`` in one SQLite file, which any number of processes on one machine may share.

    If the file is deleted, replaced or moved, nothing is written any more, see ``FileWatch``; what was accepted before
    can still be read, as when the disk is full.

    Args:
        path: The file, which was prepared; with ``:memory:`` the jobs last as long as the store is open.
        on_commit: Is called after each transaction.
    """

    identity: str

    def __init__(self, path: str, on_commit: OnCommit = lambda *_: None) -> None:
        self._is_shared = path != MEMORY
        self._commits: GroupCommit | DirectCommit
        own_changes = OwnChanges()
        if self._is_shared:
            watch = database_file.FileWatch(path)
            self._writing = database_file.connect(path)
            reading = database_file.connect(path)
            reading.execute("PRAGMA query_only = ON")
            self._reader = Reader(reading, own_changes)
            self._commits = GroupCommit(Writer(self._writing, own_changes, watch.check, on_commit))
        else:
            self._writing = database_file.connect(path)
            database_file.create_schema(self._writing)
            self._reader = Reader(self._writing, None)
            self._commits = DirectCommit(Writer(self._writing, own_changes, on_commit=on_commit))
        self.identity = str(self._reader.value(sql.IDENTITY))
        if self._is_shared:
            watch.add_companions()

    async def insert(
        self, draft: Draft, make: Callable[[Draft, int], Job], limit: int
    ) -> Accepted | KeyTaken | TooMany:
        """See ``JobStore``."""
        return await self._commits.write(lambda transaction: transaction.insert(draft, make, limit), is_short=True)

    async def get_many(self, owner: str, job_ids: Sequence[str]) -> dict[str, Job]:
        """See ``JobStore``."""
        return {job_id: job for job_id in job_ids if (job := self._reader.job(owner, job_id))}

    def get_cached(self, owner: str, job_id: str) -> Job | None:
        """See ``JobStore``."""
        return self._reader.job(owner, job_id)

    async def by_key(self, owner: str, key: str) -> Job | None:
        """See ``JobStore``."""
        rows = self._reader.rows(sql.BY_KEY, (owner, key)) if is_encodable(key) else []
        return to_job(rows[0][1:]) if rows else None

    async def latest(self, owner: str) -> Job | None:
        """See ``JobStore``."""
        rows = self._reader.rows(sql.PAGE, {"owner": owner, "before": LAST_SEQ, "limit": 1})
        return to_job(rows[0]) if rows else None

    async def page(self, owner: str, status: Status | None, now: float, before: int | None, limit: int) -> list[Job]:
        """See ``JobStore``."""
        statement = {None: sql.PAGE, Status.PENDING: sql.PENDING_PAGE}.get(status, sql.ENDED_PAGE)
        before = LAST_SEQ if before is None else before
        values = {"owner": owner, "status": status, "now": now, "before": before, "limit": limit}
        return [to_job(row) for row in self._reader.rows(statement, values)]

    async def settle(self, owner: str, now: float) -> Sequence[str]:
        """See ``JobStore``."""
        return await self._commits.write(lambda transaction: transaction.settle(owner, now))

    async def cancel(self, owner: str, job_id: str, now: float) -> Cancelled:
        """See ``JobStore``."""
        return await self._commits.write(lambda transaction: transaction.cancel(owner, job_id, now))

    async def delete(self, owner: str, job_id: str) -> bool:
        """See ``JobStore``."""
        return await self._commits.write(lambda transaction: transaction.delete(owner, job_id), is_short=True)

    async def next_end(self, owner: str) -> float | None:
        """See ``JobStore``."""
        moment = self._reader.value(sql.NEXT_END, (owner,))
        return None if moment is None else float(moment)

    async def ended_after(self, owner: str, position: int, limit: int) -> list[Job]:
        """See ``JobStore``."""
        return [to_job(row) for row in self._reader.rows(sql.ENDED_AFTER, (owner, position, limit))]

    async def position(self, owner: str, since: float | None = None) -> int:
        """See ``JobStore``."""
        statement, values = (sql.POSITION, (owner,)) if since is None else (sql.POSITION_BEFORE, (owner, since))
        return int(self._reader.value(statement, values) or 0)

    async def owners_due(self, now: float) -> Sequence[str]:
        """See ``JobStore``."""
        return [owner for (owner,) in self._reader.rows(sql.OWNERS_DUE, (now,))]

    async def counts(self) -> Mapping[Status, int]:
        """See ``JobStore``."""
        return to_counts(self._reader.rows(sql.COUNTS)[0])

    async def forget(self, before: float, limit: int) -> int:
        """See ``JobStore``."""
        return await self._commits.write(lambda transaction: transaction.forget(before, limit))

    async def changes(self) -> AsyncGenerator[Change, None]:
        """See ``JobStore``; finds out whether anybody wrote, and only then what."""
        endings: Mapping[str, int] | None = None  # the last place in each owner's order of ending, when last read
        seq, version = 0, -1
        while self._is_shared:
            try:
                # First the version, so that what is written while the rest is read is looked at the next time.
                new_version = await self._commits.inspect(lambda c: int(c.execute(sql.DATA_VERSION).fetchone()[0]))
                last, new_seq = dict(self._reader.rows(sql.POSITIONS)), int(self._reader.value(sql.LAST_SEQ))
                is_new = endings is not None and new_version != version
                found = self._changes_between(endings or {}, last, seq) if is_new else []
                endings, seq, version = last, new_seq, new_version
            except StoreUnavailableError:
                found = []
            for change in found:
                yield change
            await asyncio.sleep(_POLL_INTERVAL)

    async def ping(self) -> None:
        """See ``JobStore``."""
        self._reader.value("SELECT seq FROM jobs LIMIT 1")
        await self._commits.write(Transaction.ping)

    async def close(self) -> None:
        """See ``JobStore``."""
        self._commits.close()
        self._reader.close()
        self._writing.close()

    def _changes_between(self, before: Mapping[str, int], last: Mapping[str, int], seq: int) -> list[Change]:
        """Return the ends between two places in each owner's order of ending, and whoever has jobs after ``seq``."""
        changes: list[Change] = []
        for owner, place in last.items():
            position = before.get(owner, 0)
            job_ids = [job_id for (job_id,) in self._reader.rows(sql.ENDED_IDS, (owner, position, place))]
            changes += [Change(owner, job_id) for job_id in job_ids]
            if len(job_ids) < place - position:  # places have no gaps, unless jobs were deleted
                changes.append(Change(owner, None, gone=True))
        return changes + [Change(owner, None) for (owner,) in self._reader.rows(sql.OWNERS_AFTER, (seq,))]
