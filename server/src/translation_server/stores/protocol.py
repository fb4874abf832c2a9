"""The interface of a store: what the service may ask of it, and what it answers. No database in here.

Each store limits every operation to one owner itself. Reads return records as they are written down; whether a job has
ended at some moment is decided in ``jobs``. Writes that arrive together share one transaction, and an awaited write
that has returned is on the disk, in the database that a process started later will open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from translation_server.jobs.model import Draft, Job, Status


OnCommit = Callable[[int, float], None]
"""Called after each transaction with the number of writes that shared it and the seconds it took; from one thread."""


class StoreError(Exception):
    """The store cannot be opened, and is left as it is: a foreign, damaged or newer file, a folder that does not exist.

    The message is for the operator.
    """


class StoreUnavailableError(Exception):
    """The store does not work at the moment: it is locked, full, unreachable, or its file is lost.

    A write that raises this is not acknowledged. Usually nothing was written; if the connection, or the file, was lost
    at the commit, it may have been. Repeating the write helps, and with its idempotency key it takes effect once.
    """


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a draft: its job.

    Attributes:
        job: The record.
        replayed: Whether the job existed before, under the draft's idempotency key.
    """

    job: Job
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class KeyTaken:
    """The answer to a draft whose idempotency key belongs to a job with another fingerprint.

    Attributes:
        job_id: The job that has the key.
    """

    job_id: str


@dataclass(frozen=True, slots=True)
class TooMany:
    """The answer to a draft whose owner has as many pending jobs as allowed."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The answer to a cancellation.

    Attributes:
        job: The record after the operation, cancelled or not; None if the owner has no such job.
        ended: Ids of the owner's jobs whose end was written down by the operation, in order of ending.
    """

    job: Job | None
    ended: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A change that another process wrote.

    Attributes:
        owner: The owner of the job.
        job_id: The job whose end was written down; None if it is a new job, or not known.
        gone: Whether any of the owner's jobs may have ended, as those that did are deleted already.
    """

    owner: str
    job_id: str | None
    gone: bool = False


class JobStore(Protocol):
    """A store of jobs. Every method may raise ``StoreUnavailableError``."""

    identity: str
    """The name of this store and no other: a place in its order of ending means nothing in another store."""

    async def insert(
        self, draft: Draft, make: Callable[[Draft, int], Job], limit: int
    ) -> Accepted | KeyTaken | TooMany:
        """Accept a job, unless its idempotency key is known or the owner has ``limit`` pending jobs.

        ``make`` returns the record for the draft and the job's ordinal, which is reserved in the same transaction; it
        is called again, with another ordinal, if the transaction is repeated.
        """

    async def get_many(self, owner: str, job_ids: Sequence[str]) -> dict[str, Job]:
        """Return the owner's jobs among these, by id."""

    def get_cached(self, owner: str, job_id: str) -> Job | None:
        """Return the owner's job as ``get_many`` would; None if there is none, or if finding it takes waiting."""

    async def by_key(self, owner: str, key: str) -> Job | None:
        """Return the owner's job that was accepted under this idempotency key; None if there is none.

        A key that cannot be stored, with a lone surrogate or, in PostgreSQL, a NUL in it, is the key of no job.
        """

    async def latest(self, owner: str) -> Job | None:
        """Return the job that was accepted last, None if there is none."""

    async def page(self, owner: str, status: Status | None, now: float, before: int | None, limit: int) -> list[Job]:
        """Return jobs with this status at ``now``, newest first, accepted before the one with ``seq`` ``before``."""

    async def settle(self, owner: str, now: float) -> Sequence[str]:
        """Write down the ends of the owner's jobs that have ended by ``now``, and return their ids in order of ending.

        Jobs that end at the same moment end in the order of their acceptance.
        """

    async def cancel(self, owner: str, job_id: str, now: float) -> Cancelled:
        """End a job that is pending at ``now`` as cancelled, after writing down the ends that came before."""

    async def delete(self, owner: str, job_id: str) -> bool:
        """Delete a job, with its idempotency key, whose end is written down; return whether there was such a job.

        The counts follow in the same transaction. Of several that delete the same job one returns True; one more may,
        if its connection was lost at the commit and it is not known which of them deleted the job. A pending job is
        kept, and so is one that has ended and is not settled.
        """

    async def next_end(self, owner: str) -> float | None:
        """Return the earliest end that is not written down yet, None if there is none."""

    async def ended_after(self, owner: str, position: int, limit: int) -> list[Job]:
        """Return jobs whose end is written down, in order of ending, after the one whose ``ending`` is ``position``."""

    async def position(self, owner: str, since: float | None = None) -> int:
        """Return the last place in the order of ending; with ``since``, the last one of an end before that moment."""

    async def owners_due(self, now: float) -> Sequence[str]:
        """Return the owners of jobs that have ended by ``now`` and whose end is not written down."""

    async def counts(self) -> Mapping[Status, int]:
        """Return the number of all owners' jobs by status, as written down; takes no longer if there are more jobs."""

    async def forget(self, before: float, limit: int) -> int:
        """Delete jobs, with their idempotency keys, whose end is written down and was before a moment.

        Up to ``limit`` jobs are deleted, those of an owner in the order of ending; returns how many. Several processes
        may do so at once.
        """

    def changes(self) -> AsyncGenerator[Change, None]:
        """Yield what other processes write from now on, each change within a second."""

    async def ping(self) -> None:
        """Return if the store can be read and written."""

    async def close(self) -> None:
        """Close the store; everything that was acknowledged is in it."""
