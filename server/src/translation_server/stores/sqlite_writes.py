"""What one transaction writes: the SQL of it, and nothing about when it begins, commits or fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from translation_server.jobs import CANCELLED, CANCELLED_MESSAGE, Draft, Job, Status
from translation_server.stores.contract import Accepted, Cancelled, KeyTaken, TooMany

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

COLUMNS = (
    "seq, job_id, owner, created_at, ends_at, outcome, error_code, error_message, video_length, metadata, "
    "delay_model, ending"
)

_LAST_ORDINAL = "SELECT seq FROM sqlite_sequence WHERE name = 'jobs'"
_BY_KEY = f"SELECT {COLUMNS}, fingerprint FROM jobs WHERE owner = ? AND idempotency_key = ?"  # noqa: S608 - a constant
_BY_ID = f"SELECT {COLUMNS} FROM jobs WHERE job_id = ? AND owner = ?"  # noqa: S608 - a constant
_INSERT = f"INSERT INTO jobs ({COLUMNS}, idempotency_key, fingerprint) VALUES ({', '.join('?' * 14)})"  # noqa: S608 - a constant
_COUNT_PENDING = "SELECT count(*) FROM jobs WHERE owner = ? AND ending IS NULL AND ends_at > ?"
_DUE = "SELECT seq, job_id FROM jobs WHERE owner = ? AND ending IS NULL AND ends_at <= ? ORDER BY ends_at, seq"
_CANCEL = "UPDATE jobs SET outcome = ?, error_code = ?, error_message = ?, ends_at = ? WHERE seq = ?"
_END = "UPDATE jobs SET ending = ? WHERE seq = ?"
_ENDINGS = "SELECT endings FROM owners WHERE owner = ?"
_SET_ENDINGS = (
    "INSERT INTO owners (owner, endings) VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET endings = excluded.endings"
)


def to_job(row: tuple[Any, ...]) -> Job:
    """The record in a row of ``COLUMNS``."""
    seq, job_id, owner, created_at, ends_at, outcome, *rest = row
    return Job(seq, job_id, owner, created_at, ends_at, Status(outcome), *rest)


class Transaction:
    """The writes of one transaction, by any number of requests, one after the other."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._ordinal: int | None = None
        self._pending: dict[str, int] = {}
        self._settled: dict[str, float] = {}

    def insert(self, draft: Draft, make: Callable[[Draft, int], Job], limit: int) -> Accepted | KeyTaken | TooMany:
        """Accept a job, see ``JobStore.insert``."""
        if draft.key is not None and (known := self._known(draft)) is not None:
            return known
        if self._count_pending(draft) >= limit:
            return TooMany()
        job = make(draft, self._next_ordinal())
        values = (
            *(job.seq, job.job_id, job.owner, job.created_at, job.ends_at, job.outcome.value),
            *(job.error_code, job.error_message, job.video_length, job.metadata, job.delay_model, job.ending),
            *(draft.key, draft.fingerprint),
        )
        self._connection.execute(_INSERT, values)
        self._pending[job.owner] += 1
        return Accepted(job)

    def settle(self, owner: str, now: float) -> Sequence[str]:
        """Write down what has ended, see ``JobStore.settle``."""
        if self._settled.get(owner, 0.0) >= now:
            return ()
        self._settled[owner] = now
        due = self._connection.execute(_DUE, (owner, now)).fetchall()
        self._end(owner, [seq for seq, _ in due])
        return [job_id for _, job_id in due]

    def cancel(self, owner: str, job_id: str, now: float) -> Cancelled:
        """End a pending job, see ``JobStore.cancel``."""
        ended = self.settle(owner, now)
        job = self._find(owner, job_id)
        if job is None or job.status_at(now) is not Status.PENDING:
            return Cancelled(job, ended)
        moment = max(now, job.created_at)
        self._connection.execute(_CANCEL, (Status.ERROR.value, CANCELLED, CANCELLED_MESSAGE, moment, job.seq))
        self._end(owner, [job.seq])
        return Cancelled(self._find(owner, job_id), [*ended, job_id])

    def ping(self) -> None:
        """Write something."""
        self._connection.execute("UPDATE store SET pings = pings + 1")

    def _find(self, owner: str, job_id: str) -> Job | None:
        rows = self._connection.execute(_BY_ID, (job_id, owner)).fetchall()
        return to_job(rows[0]) if rows else None

    def _known(self, draft: Draft) -> Accepted | KeyTaken | None:
        rows = self._connection.execute(_BY_KEY, (draft.owner, draft.key)).fetchall()
        if not rows:
            return None
        *row, fingerprint = rows[0]
        job = to_job(tuple(row))
        return Accepted(job, replayed=True) if fingerprint == draft.fingerprint else KeyTaken(job.job_id)

    def _count_pending(self, draft: Draft) -> int:
        if draft.owner not in self._pending:
            row = self._connection.execute(_COUNT_PENDING, (draft.owner, draft.created_at)).fetchone()
            self._pending[draft.owner] = row[0]
        return self._pending[draft.owner]

    def _next_ordinal(self) -> int:
        if self._ordinal is None:
            row = self._connection.execute(_LAST_ORDINAL).fetchone()
            self._ordinal = row[0] if row else 0
        self._ordinal += 1
        return self._ordinal

    def _end(self, owner: str, seqs: Sequence[int]) -> None:
        """Give each job its place in the order of ending."""
        if not seqs:
            return
        row = self._connection.execute(_ENDINGS, (owner,)).fetchone()
        first = (row[0] if row else 0) + 1
        self._connection.executemany(_END, enumerate(seqs, start=first))
        self._connection.execute(_SET_ENDINGS, (owner, first + len(seqs) - 1))
