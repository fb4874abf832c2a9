"""The simulated translation: what is drawn for a job, and what an honest server could say while it runs. Pure.

Hints and progress come from the distribution and the time elapsed alone. They know nothing of the drawn end, because a
real service would not.
"""

from __future__ import annotations

import math
import os
import random
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from translation_server.jobs import FAILED, FAILED_MESSAGE, Draft, Job, Status, new_job_id, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

_COST_OF_A_POLL = 0.2  # seconds of delay that one request is worth
_SHORTEST_INTERVAL = 0.05
_MOST_PROGRESS = 0.99
_UNSEEDED = random.SystemRandom()


class DelayModel(Protocol):
    """How long jobs take. Its text form says all of it: ``parse_model(str(model)) == model``."""

    def draw(self, rng: random.Random) -> float:
        """Seconds a job takes."""

    def progress(self, elapsed: float) -> float:
        """What is probably done after so many seconds: 0 to 0.99, never falling."""

    def poll_after(self, elapsed: float) -> float:
        """Seconds after which to ask again, for a job that is pending after so many seconds."""


@dataclass(frozen=True, slots=True)
class Uniform:
    """Any duration between two is as probable as any other.

    Attributes:
        shortest: Seconds, 0 or more.
        longest: Seconds, not below ``shortest``.
    """

    shortest: float
    longest: float

    def __str__(self) -> str:
        return f"uniform:{self.shortest!r}:{self.longest!r}"

    def draw(self, rng: random.Random) -> float:
        """Seconds a job takes."""
        return rng.uniform(self.shortest, self.longest)

    def progress(self, elapsed: float) -> float:
        """The time elapsed as a share of that and the time still to be expected."""
        if elapsed >= self.longest:
            return _MOST_PROGRESS
        expected = (max(self.shortest, elapsed) + self.longest) / 2
        return min(_MOST_PROGRESS, elapsed / expected) if expected else 0.0

    def poll_after(self, elapsed: float) -> float:
        """The rest of the time in which no job ends, then the interval that costs least in delay and requests."""
        earliest = max(self.shortest, elapsed)
        return (earliest - elapsed) + self._interval(self.longest - earliest)

    @staticmethod
    def _interval(left: float) -> float:
        # With a hazard of 1/left, the cost c/interval + hazard * interval/2 is least at sqrt(2 c left). A job past the
        # longest duration was scripted so: nothing is known of it, so the interval grows again.
        interval = math.sqrt(2 * _COST_OF_A_POLL * abs(left))
        if left > 0:
            interval = min(interval, left + _SHORTEST_INTERVAL)
        return max(_SHORTEST_INTERVAL, interval)


@lru_cache(maxsize=256)
def parse_model(text: str) -> DelayModel:
    """The model a text form stands for; raises ``ValueError`` if it stands for none."""
    name, *numbers = text.split(":")
    match name, [float(number) for number in numbers]:
        case "uniform", [shortest, longest] if 0 <= shortest <= longest < math.inf:
            return Uniform(shortest, longest)
    raise ValueError(f"not a delay model: {text!r}")


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is drawn for each job, once, when it is accepted.

    Attributes:
        model: How long jobs take.
        error_probability: How many of them end in error, 0 to 1.
        seed: Same seed, same jobs: the n-th job accepted is the same whatever the concurrency. None: every run differs.
        randomness: Unguessable bytes for job ids.
    """

    model: DelayModel
    error_probability: float
    seed: int | None = None
    randomness: Callable[[int], bytes] = os.urandom

    def accept(self, draft: Draft, ordinal: int) -> Job:
        """The record of the ``ordinal``-th job."""
        rng = _UNSEEDED if self.seed is None else random.Random(f"{self.seed}:{ordinal}")  # noqa: S311 - repeatable
        drawn_duration = self.model.draw(rng)
        drawn_outcome = Status.ERROR if rng.random() < self.error_probability else Status.COMPLETED
        duration = drawn_duration if draft.duration is None else draft.duration
        outcome = draft.outcome or drawn_outcome
        created_at = to_milliseconds(draft.created_at)
        return Job(
            seq=ordinal,
            job_id=new_job_id(created_at, self.randomness(10)),
            owner=draft.owner,
            created_at=created_at,
            ends_at=to_milliseconds(created_at + duration),
            outcome=outcome,
            error_code=FAILED if outcome is Status.ERROR else None,
            error_message=FAILED_MESSAGE if outcome is Status.ERROR else None,
            video_length=draft.video_length,
            metadata=draft.metadata,
            delay_model=str(self.model),
        )


def progress_at(job: Job, now: float) -> float:
    """0 to 1, never falling, 1 only when completed; frozen where it stood if the job ended in error."""
    if job.status_at(now) is Status.COMPLETED:
        return 1.0
    return parse_model(job.delay_model).progress(job.elapsed_at(now))


def poll_after_at(job: Job, now: float) -> float | None:
    """Seconds after which to ask again about the job; None once it has ended."""
    if job.status_at(now) is not Status.PENDING:
        return None
    return parse_model(job.delay_model).poll_after(job.elapsed_at(now))
