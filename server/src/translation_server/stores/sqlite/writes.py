"""Transactions on an SQLite file: what each writes, and the one connection that begins and commits them."""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from translation_server.jobs.model import CANCELLED, CANCELLED_MESSAGE, Draft, Job, Status
from translation_server.stores.outage import Outage
from translation_server.stores.protocol import Accepted, Cancelled, KeyTaken, StoreUnavailableError, TooMany
from translation_server.stores.records import Owner, to_job
from translation_server.stores.sqlite import database_file, sql

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from translation_server.stores.protocol import OnCommit
    from translation_server.stores.sqlite.reads import OwnChanges

    Write = Callable[["Transaction"], Any]

_T = TypeVar("_T")


class Transaction:
    """The writes of one transaction, by any number of requests, one after the other; then ``finish``."""

    def __init__(self, connection: sqlite3.Connection, own_changes: OwnChanges) -> None:
        self._connection = connection
        self._own_changes = own_changes
        self._changes_before = 0  # as the file counted them before the first one of this transaction
        self._changed: list[str] = []  # ids of the jobs whose records this transaction changes
        self._owners: dict[str, Owner] = {}
        self._settled_until: defaultdict[str, float] = defaultdict(float)
        self._ordinal: int | None = None
        self._new: list[tuple[object, ...]] = []  # jobs that are not in the table yet
        self._new_keys: set[tuple[str, str]] = set()

    def insert(self, draft: Draft, make: Callable[[Draft, int], Job], limit: int) -> Accepted | KeyTaken | TooMany:
        """Accept a job, see ``JobStore.insert``."""
        if draft.key is not None and (known := self._find_key(draft)) is not None:
            return known
        owner = self._owner(draft.owner)
        if owner.unsettled >= limit:  # perhaps some have ended, which is worth finding out only now
            self.settle(draft.owner, draft.created_at)
            if owner.unsettled >= limit:
                return TooMany()
        job = make(draft, self._next_ordinal())
        outcome = "error" if job.outcome is Status.ERROR else "completed"  # as text, a tenth of the cost of its value
        self._new.append((*job[:5], outcome, *job[6:], draft.key, draft.fingerprint))
        if draft.key is not None:
            self._new_keys.add((draft.owner, draft.key))
        owner.accept()
        return Accepted(job)

    def settle(self, owner: str, now: float) -> Sequence[str]:
        """Write down the ends that have come, see ``JobStore.settle``."""
        if self._settled_until[owner] >= now:
            return ()
        self._settled_until[owner] = now
        self._insert_new()
        due = self._connection.execute(sql.DUE, (owner, now)).fetchall()
        ended = [job_id for *_, job_id in due]
        self._announce_change(ended)
        self._end(owner, [(seq, outcome) for seq, outcome, _ in due])
        return ended

    def cancel(self, owner: str, job_id: str, now: float) -> Cancelled:
        """End a pending job, see ``JobStore.cancel``."""
        ended = self.settle(owner, now)
        job = self._find(owner, job_id)
        if job is None or job.status_at(now) is not Status.PENDING:
            return Cancelled(job, ended)
        moment = max(now, job.created_at)
        self._announce_change([job_id])
        self._connection.execute(sql.CANCEL, (Status.ERROR.value, CANCELLED, CANCELLED_MESSAGE, moment, job.seq))
        self._end(owner, [(job.seq, Status.ERROR)])
        return Cancelled(self._find(owner, job_id), [*ended, job_id])

    def delete(self, owner: str, job_id: str) -> bool:
        """Delete a job whose end is written down, see ``JobStore.delete``."""
        job = self._find(owner, job_id)
        if job is None or not job.final:
            return False
        self._announce_change([job_id])
        self._connection.execute(sql.DELETE, (job.seq,))
        self._owner(owner).count(job.outcome, -1)
        return True

    def forget(self, before: float, limit: int) -> int:
        """Delete jobs that ended long ago, see ``JobStore.forget``."""
        deleted = 0
        for (owner,) in self._connection.execute(sql.OWNERS_OF_OLD, (before, limit)).fetchall():
            oldest = self._connection.execute(sql.OLDEST, (owner, limit - deleted)).fetchall()
            old = [(seq, outcome, job_id) for seq, outcome, ends_at, job_id in oldest if ends_at < before]
            self._announce_change([job_id for *_, job_id in old])
            self._connection.executemany(sql.DELETE, [(seq,) for seq, *_ in old])
            for _, outcome, _ in old:
                self._owner(owner).count(outcome, -1)
            deleted += len(old)
        return deleted

    def ping(self) -> None:
        """Write something that changes no job."""
        self._connection.execute(sql.PING)

    def finish(self) -> None:
        """Write what the whole transaction added up to."""
        self._insert_new()
        if self._ordinal is not None:
            self._connection.execute(sql.SET_ACCEPTED, (self._ordinal,))
        changed = {name: o for name, o in self._owners.items() if o.changed}
        rows = [(name, o.endings, o.unsettled, o.completed, o.errors) for name, o in changed.items()]
        self._connection.executemany(sql.SET_OWNER, rows)
        if self._changed:
            self._own_changes.add(self._changes_before, self._count_changes(), self._changed)

    def _announce_change(self, job_ids: Sequence[str]) -> None:
        """Record that the jobs are about to be changed; to be called before they are."""
        if job_ids and not self._changed:
            self._changes_before = self._count_changes()
        self._changed += job_ids

    def _count_changes(self) -> int:
        return int(self._connection.execute(sql.CHANGES).fetchone()[0])

    def _owner(self, name: str) -> Owner:
        owner = self._owners.get(name)
        if owner is None:
            rows = self._connection.execute(sql.OWNER, (name,)).fetchall()
            owner = self._owners[name] = Owner(*rows[0]) if rows else Owner()
        return owner

    def _insert_new(self) -> None:
        """Put the new jobs into the table, before anything looks for them there."""
        done = 0
        for jobs, statement in sql.INSERTS:
            while len(self._new) - done >= jobs:
                self._connection.execute(statement, [*chain.from_iterable(self._new[done : done + jobs])])
                done += jobs
        self._new.clear()
        self._new_keys.clear()

    def _find(self, owner: str, job_id: str) -> Job | None:
        self._insert_new()
        rows = self._connection.execute(sql.BY_ID, (job_id, owner)).fetchall()
        return to_job(rows[0]) if rows else None

    def _find_key(self, draft: Draft) -> Accepted | KeyTaken | None:
        if (draft.owner, draft.key) in self._new_keys:
            self._insert_new()
        rows = self._connection.execute(sql.BY_KEY, (draft.owner, draft.key)).fetchall()
        if not rows:
            return None
        fingerprint, *row = rows[0]
        job = to_job(row)
        return Accepted(job, replayed=True) if fingerprint == draft.fingerprint else KeyTaken(job.job_id)

    def _next_ordinal(self) -> int:
        if self._ordinal is None:
            self._ordinal = self._connection.execute(sql.ACCEPTED).fetchone()[0]
        self._ordinal += 1
        return self._ordinal

    def _end(self, owner: str, jobs: Sequence[tuple[int, str]]) -> None:
        """Give each job, by ``seq`` and outcome, its place in the order of ending."""
        record = self._owner(owner)
        self._connection.executemany(sql.END, [(record.end(outcome), seq) for seq, outcome in jobs])


class Writer:
    """The connection that writes: one transaction after the other, each with the writes of many requests.

    Nobody else uses the connection meanwhile. Whatever SQLite raises is raised.

    Args:
        connection: The connection.
        own_changes: Gets to know which records each transaction changes.
        check: Raises ``StoreUnavailableError`` if the connection's file is not the one that the next process opens.
        on_commit: Is called after each transaction.

    Attributes:
        outage: Ends with a commit; to be begun by whoever handles what is raised.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        own_changes: OwnChanges,
        check: Callable[[], None] = lambda: None,
        on_commit: OnCommit = lambda *_: None,
    ) -> None:
        self._connection = connection
        self._own_changes = own_changes
        self._check = check
        self._on_commit = on_commit
        self.outage = Outage()

    def inspect(self, read: Callable[[sqlite3.Connection], _T]) -> _T:
        """Return what can be read between two transactions."""
        self._check()
        return read(self._connection)

    def set_busy_timeout(self, seconds: float) -> None:
        """Wait so long for other processes that write, from now on."""
        self._connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")

    def begin(self) -> bool:
        """Begin a transaction, and return whether that was possible; ``run`` finds out again why it was not."""
        try:
            self._check()
            self._connection.execute("BEGIN IMMEDIATE")
        except (sqlite3.OperationalError, StoreUnavailableError):
            return False
        return True

    def execute(self, writes: Sequence[Write]) -> list[Any]:
        """Carry out the writes in the transaction that was begun, and return their results; roll back if one fails."""
        try:
            transaction = Transaction(self._connection, self._own_changes)
            results = [write(transaction) for write in writes]
            transaction.finish()
        except BaseException:
            self._roll_back()
            raise
        return results

    def commit(self, results: list[Any], begun: float) -> list[Any]:
        """Commit what was executed, and return the results, which hold from then on.

        Args:
            results: Those of the writes.
            begun: When the transaction was begun, by ``time.perf_counter``.
        """
        try:
            self._connection.execute("COMMIT")
        except BaseException:
            self._own_changes.clear()
            self._roll_back()
            raise
        self._check()  # what was committed to a file that nobody will open again must not be acknowledged
        self.outage.end()
        self._on_commit(len(results), time.perf_counter() - begun)
        return results

    def run(self, writes: Sequence[Write]) -> list[Any]:
        """Carry out all writes in one transaction or none of them, after waiting for other processes that write."""
        begun = time.perf_counter()
        self._check()
        self.set_busy_timeout(database_file.BUSY_TIMEOUT)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            return self.commit(self.execute(writes), begun)
        finally:
            self.set_busy_timeout(0.0)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
