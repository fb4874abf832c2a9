"""What one transaction writes: the SQL of it, and nothing about when it begins, commits or fails."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from translation_server.jobs.model import CANCELLED, CANCELLED_MESSAGE, Draft, Job, Status
from translation_server.stores.protocol import Accepted, Cancelled, KeyTaken, TooMany

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from translation_server.stores.sqlite.changes import Changes

COLUMNS = (
    "seq, job_id, owner, created_at, ends_at, outcome, error_code, error_message, video_length, metadata, "
    "delay_model, ending"
)

_ACCEPTED = "SELECT accepted FROM store"
_SET_ACCEPTED = "UPDATE store SET accepted = ?"
CHANGES = "SELECT changes FROM store"
_PING = "UPDATE store SET pings = pings + 1"
_OWNER = "SELECT endings, unsettled, completed, errors FROM owners WHERE owner = ?"
_SET_OWNER = "REPLACE INTO owners (owner, endings, unsettled, completed, errors) VALUES (?, ?, ?, ?, ?)"
_BY_KEY = f"SELECT {COLUMNS}, fingerprint FROM jobs WHERE owner = ? AND idempotency_key = ?"  # noqa: S608 - a constant
BY_ID = f"SELECT {COLUMNS} FROM jobs WHERE job_id = ? AND owner = ?"  # noqa: S608 - a constant
_ROW = f"({', '.join('?' * 14)})"
# Jobs at a time, the largest first. While SQLite is at work Python's other threads go on, and then it waits for its
# turn again: for thirty jobs once instead of thirty times.
_INSERTS = tuple(
    (jobs, f"INSERT INTO jobs ({COLUMNS}, idempotency_key, fingerprint) VALUES {', '.join([_ROW] * jobs)}")  # noqa: S608 - constants
    for jobs in (64, 32, 16, 8, 4, 2, 1)
)
_DUE = "SELECT seq, outcome, job_id FROM jobs WHERE owner = ? AND ending IS NULL AND ends_at <= ? ORDER BY ends_at, seq"
_CANCEL = "UPDATE jobs SET outcome = ?, error_code = ?, error_message = ?, ends_at = ? WHERE seq = ?"
_END = "UPDATE jobs SET ending = ? WHERE seq = ?"
_OLDEST = (
    "SELECT seq, outcome, ends_at, job_id FROM jobs INDEXED BY jobs_by_ending "
    "WHERE owner = ? AND ending > 0 ORDER BY ending"
)
_FORGETTABLE = (
    f"SELECT owner FROM owners WHERE (SELECT ends_at FROM ({_OLDEST.replace('?', 'owners.owner')} LIMIT 1)) < ?"  # noqa: S608 - constants
)
_DELETE = "DELETE FROM jobs WHERE seq = ?"
_OUTCOMES = {status.value: status for status in Status}


def to_job(row: tuple[Any, ...]) -> Job:
    """The record in a row of ``COLUMNS``."""
    return Job._make((*row[:5], _OUTCOMES[row[5]], *row[6:]))


@dataclass(slots=True)
class _Owner:
    endings: int = 0
    unsettled: int = 0
    completed: int = 0
    errors: int = 0
    settled_until: float = 0.0
    changed: bool = False

    def count(self, outcome: str, number: int) -> None:
        """Keep so many more ended jobs, or fewer."""
        if outcome == Status.ERROR:
            self.errors += number
        else:
            self.completed += number
        self.changed = True


class Transaction:
    """The writes of one transaction, by any number of requests, one after the other; then ``finish``."""

    def __init__(self, connection: sqlite3.Connection, changes: Changes) -> None:
        self._connection = connection
        self._changes = changes
        self._counted = 0  # changes of records, before the first one of this transaction
        self._changed: list[str] = []  # ids of jobs whose records are not what they were
        self._owners: dict[str, _Owner] = {}
        self._ordinal: int | None = None
        self._new: list[tuple[object, ...]] = []  # jobs that are not in the table yet
        self._new_keys: set[tuple[str, str]] = set()

    def insert(self, draft: Draft, make: Callable[[Draft, int], Job], limit: int) -> Accepted | KeyTaken | TooMany:
        """Accept a job, see ``JobStore.insert``."""
        if draft.key is not None and (known := self._known(draft)) is not None:
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
        owner.unsettled += 1
        owner.changed = True
        return Accepted(job)

    def settle(self, owner: str, now: float) -> Sequence[str]:
        """Write down what has ended, see ``JobStore.settle``."""
        record = self._owner(owner)
        if record.settled_until >= now:
            return ()
        record.settled_until = now
        self._insert_new()
        due = self._connection.execute(_DUE, (owner, now)).fetchall()
        ended = [job_id for *_, job_id in due]
        self._will_change(ended)
        self._end(record, [(seq, outcome) for seq, outcome, _ in due])
        return ended

    def cancel(self, owner: str, job_id: str, now: float) -> Cancelled:
        """End a pending job, see ``JobStore.cancel``."""
        ended = self.settle(owner, now)
        job = self._find(owner, job_id)
        if job is None or job.status_at(now) is not Status.PENDING:
            return Cancelled(job, ended)
        moment = max(now, job.created_at)
        self._will_change([job_id])
        self._connection.execute(_CANCEL, (Status.ERROR.value, CANCELLED, CANCELLED_MESSAGE, moment, job.seq))
        self._end(self._owner(owner), [(job.seq, Status.ERROR)])
        return Cancelled(self._find(owner, job_id), [*ended, job_id])

    def forget(self, before: float, limit: int) -> int:
        """Delete what ended long ago, see ``JobStore.forget``."""
        forgotten = 0
        for (name,) in self._connection.execute(f"{_FORGETTABLE} LIMIT ?", (before, limit)).fetchall():
            oldest = self._connection.execute(f"{_OLDEST} LIMIT ?", (name, limit - forgotten)).fetchall()
            old = [(seq, outcome, job_id) for seq, outcome, ends_at, job_id in oldest if ends_at < before]
            self._will_change([job_id for *_, job_id in old])
            self._connection.executemany(_DELETE, [(seq,) for seq, *_ in old])
            for _, outcome, _ in old:
                self._owner(name).count(outcome, -1)
            forgotten += len(old)
        return forgotten

    def ping(self) -> None:
        """Write something."""
        self._connection.execute(_PING)

    def finish(self) -> None:
        """Write down what the whole transaction added up to."""
        self._insert_new()
        if self._ordinal is not None:
            self._connection.execute(_SET_ACCEPTED, (self._ordinal,))
        changed = {name: o for name, o in self._owners.items() if o.changed}
        rows = [(name, o.endings, o.unsettled, o.completed, o.errors) for name, o in changed.items()]
        self._connection.executemany(_SET_OWNER, rows)
        if self._changed:
            self._changes.note(self._counted, self._count(), self._changed)

    def _will_change(self, job_ids: Sequence[str]) -> None:
        """To be called before it does."""
        if job_ids and not self._changed:
            self._counted = self._count()
        self._changed += job_ids

    def _count(self) -> int:
        return int(self._connection.execute(CHANGES).fetchone()[0])

    def _owner(self, owner: str) -> _Owner:
        record = self._owners.get(owner)
        if record is None:
            rows = self._connection.execute(_OWNER, (owner,)).fetchall()
            record = self._owners[owner] = _Owner(*rows[0]) if rows else _Owner()
        return record

    def _insert_new(self) -> None:
        """Put the new jobs into the table, before anything looks for them there."""
        done = 0
        for jobs, sql in _INSERTS:
            while len(self._new) - done >= jobs:
                self._connection.execute(sql, [*chain.from_iterable(self._new[done : done + jobs])])
                done += jobs
        self._new.clear()
        self._new_keys.clear()

    def _find(self, owner: str, job_id: str) -> Job | None:
        self._insert_new()
        rows = self._connection.execute(BY_ID, (job_id, owner)).fetchall()
        return to_job(rows[0]) if rows else None

    def _known(self, draft: Draft) -> Accepted | KeyTaken | None:
        if (draft.owner, draft.key) in self._new_keys:
            self._insert_new()
        rows = self._connection.execute(_BY_KEY, (draft.owner, draft.key)).fetchall()
        if not rows:
            return None
        *row, fingerprint = rows[0]
        job = to_job(tuple(row))
        return Accepted(job, replayed=True) if fingerprint == draft.fingerprint else KeyTaken(job.job_id)

    def _next_ordinal(self) -> int:
        if self._ordinal is None:
            self._ordinal = self._connection.execute(_ACCEPTED).fetchone()[0]
        self._ordinal += 1
        return self._ordinal

    def _end(self, owner: _Owner, jobs: Sequence[tuple[int, str]]) -> None:
        """Give each job, by ``seq`` and outcome, its place in the order of ending."""
        endings = enumerate((seq for seq, _ in jobs), start=owner.endings + 1)
        self._connection.executemany(_END, endings)
        owner.endings += len(jobs)
        owner.unsettled -= len(jobs)
        for _, outcome in jobs:
            owner.count(outcome, 1)
