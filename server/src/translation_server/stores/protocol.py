"""What the service asks of a store, and what any store promises in return. No database in here.

Everything is scoped to an owner by the store itself. Reads return records as they are written down; whether a job has
ended at some moment is for ``jobs`` to say. Writes that arrive together share one transaction, and an awaited write
that returned has reached the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from translation_server.jobs.model import Draft, Job, Status


OnCommit = Callable[[int, float], None]
"""Told of each transaction: how many writes shared it, and the seconds it took; from one thread, whichever."""


class StoreError(Exception):
    """The store cannot be opened and must not be touched: a foreign, damaged or newer file, a folder that is not there.

    The message is for the operator.
    """


class StoreUnavailableError(Exception):
    """The store does not work at the moment: locked, full, unreachable. Nothing was written; trying again helps."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a draft: its job.

    Attributes:
        job: The record.
        replayed: Whether the job was there already, under the draft's idempotency key.
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
        job: The record as it now stands, cancelled or not; None if the owner has no such job.
        ended: Ids of the owner's jobs whose end was written down on this occasion, in order of ending.
    """

    job: Job | None
    ended: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """Something another process wrote.

    Attributes:
        owner: Whose job it is.
        job_id: The job whose end was written down; None if it is a new job.
    """

    owner: str
    job_id: str | None


class JobStore(Protocol):
    """Where the jobs are. Every method raises ``StoreUnavailableError`` where the store does not work."""

    identity: str
    """Of this store and no other: places in its order of ending mean nothing elsewhere."""

    async def insert(
        self, draft: Draft, make: Callable[[Draft, int], Job], limit: int
    ) -> Accepted | KeyTaken | TooMany:
        """Accept a job, unless its idempotency key is known or the owner has ``limit`` pending jobs.

        ``make`` gets the draft and the job's ordinal, which is reserved in the same transaction; it may be called
        again with another one if the transaction is repeated.
        """

    async def get_many(self, owner: str, job_ids: Sequence[str]) -> dict[str, Job]:
        """The owner's jobs among these, by id."""

    def at_hand(self, owner: str, job_id: str) -> Job | None:
        """The owner's job, if the store can say without waiting what ``get_many`` would; None: it is to be asked."""

    async def latest(self, owner: str) -> Job | None:
        """The job accepted last."""

    async def page(self, owner: str, status: Status | None, now: float, before: int | None, limit: int) -> list[Job]:
        """Jobs with this status at ``now``, newest first, accepted before the job with ``seq`` ``before``."""

    async def settle(self, owner: str, now: float) -> Sequence[str]:
        """Write down the end of every job of the owner that has ended by ``now``, in order of ending; return their ids.

        Jobs that end at the same moment end in the order of their acceptance.
        """

    async def cancel(self, owner: str, job_id: str, now: float) -> Cancelled:
        """End a job that is pending at ``now`` as cancelled; write down whatever had ended before."""

    async def next_end(self, owner: str) -> float | None:
        """The earliest end that is not written down yet."""

    async def ended_after(self, owner: str, position: int, limit: int) -> list[Job]:
        """Jobs whose end is written down, in order of ending, after the one with ``ending`` ``position``."""

    async def position(self, owner: str, since: float | None = None) -> int:
        """The place of the job that ended last; with ``since``, of the last one that ended before that moment."""

    async def owners_due(self, now: float) -> Sequence[str]:
        """Whose jobs have ended by ``now`` without its being written down."""

    async def counts(self) -> Mapping[Status, int]:
        """How many jobs there are by status, as written down, of all owners; takes no longer for more jobs."""

    async def forget(self, before: float, limit: int) -> int:
        """Delete jobs, and their idempotency keys, whose end is written down and was before a moment.

        Up to ``limit`` of them, each owner's in the order of ending; returns how many. Several may do so at once.
        """

    def changes(self) -> AsyncGenerator[Change, None]:
        """What other processes write from now on, told within a second of their writing it."""

    async def ping(self) -> None:
        """Return if the store can be read and written."""

    async def close(self) -> None:
        """Let go of the store; what was acknowledged is in it."""
