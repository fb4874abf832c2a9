"""What is asked of a transaction: as values, so that it can be asked again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from translation_server.stores.protocol import Accepted, Cancelled, KeyTaken, TooMany

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from translation_server.jobs.model import Draft, Job


@dataclass(slots=True, eq=False)
class Insert:
    """A start, see ``JobStore.insert``.

    Attributes:
        made: Ids of the jobs made of the draft in transactions of which nobody knows whether they were committed.
    """

    draft: Draft
    make: Callable[[Draft, int], Job]
    limit: int
    made: list[str] = field(default_factory=list)

    @property
    def name(self) -> Hashable:
        """The same for two starts that may get one job only."""
        return self if self.draft.key is None else (self.draft.owner, self.draft.key)

    def answer(self, job: Job, fingerprint: bytes | None) -> Accepted | KeyTaken:
        """What to say, now that there is a job of that name."""
        if fingerprint != self.draft.fingerprint:
            return KeyTaken(job.job_id)
        return Accepted(job, replayed=job.job_id not in self.made)


@dataclass(frozen=True, slots=True, eq=False)
class Settle:
    """See ``JobStore.settle``."""

    owner: str
    now: float


@dataclass(frozen=True, slots=True, eq=False)
class Cancel:
    """See ``JobStore.cancel``."""

    owner: str
    job_id: str
    now: float


Write = Insert | Settle | Cancel
Answer = Accepted | KeyTaken | TooMany | Cancelled | tuple[str, ...]


def owner_of(write: Write) -> str:
    """Whose jobs it is about."""
    return write.draft.owner if isinstance(write, Insert) else write.owner
