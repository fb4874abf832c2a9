"""The simulated translation: what is drawn for a job, and what can be observed while it runs. Pure."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from translation_server.jobs.delays import parse_model
from translation_server.jobs.model import FAILED, Draft, Job, Status, new_job_id, to_milliseconds, usual_message
from translation_server.jobs.stages import Staged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from translation_server.jobs.delays import DelayModel

_NO_STAGE: Mapping[str, str | None] = {}
_UNSEEDED = random.Random()  # noqa: S311 - how long a job takes is no secret; SystemRandom asks the system each time
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_UNSEEDED.seed)  # otherwise parent and child would draw the same numbers


@dataclass(frozen=True, slots=True)
class Simulation:
    """Draws the duration and the outcome of each job, once, when it is accepted.

    Attributes:
        model: How long jobs take.
        error_probability: The share of them that ends in error, 0 to 1.
        seed: The same seed gives the same jobs, whatever the concurrency: what is drawn depends on a job's place in the
            order of acceptance, or on its number among its user's jobs, and its part, if they are counted. None: every
            run differs.
        randomness: Returns a number of unguessable bytes, for job ids.
    """

    model: DelayModel
    error_probability: float
    seed: int | None = None
    randomness: Callable[[int], bytes] = os.urandom

    def model_for(self, draft: Draft) -> DelayModel:
        """Return the delay model of this job; raise ``ValueError`` if its video would take too long."""
        model = self.model if draft.delay_model is None else parse_model(draft.delay_model)
        if isinstance(self.model, Staged) and not isinstance(model, Staged):
            model = Staged(model, self.model.stages)
        return model.for_video(draft.video_length)

    def accept(self, draft: Draft, ordinal: int) -> Job:
        """Return the record of a job, which is the ``ordinal``-th of its store, from 1."""
        model, rng = self.model_for(draft), self._generator(draft, ordinal)
        drawn_duration = model.draw(rng)
        drawn_outcome = Status.ERROR if rng.random() < self.error_probability else Status.COMPLETED
        duration = drawn_duration if draft.duration is None else draft.duration
        outcome = draft.outcome or drawn_outcome
        code = (draft.error_code or FAILED) if outcome is Status.ERROR else None
        message = None if code is None else draft.error_message or usual_message(code)
        created_at = to_milliseconds(draft.created_at)
        return Job(
            seq=ordinal,
            job_id=new_job_id(created_at, self._bytes(draft, ordinal)),
            owner=draft.owner,
            created_at=created_at,
            ends_at=to_milliseconds(created_at + duration),
            outcome=outcome,
            error_code=code,
            error_message=message,
            video_length=draft.video_length,
            metadata=draft.metadata,
            delay_model=str(model),
        )

    def _bytes(self, draft: Draft, ordinal: int) -> bytes:
        """Return the random bytes of the id; from the seed if jobs are counted, as ordinals are unique."""
        if self.seed is None or draft.number is None:
            return self.randomness(10)
        return random.Random(f"{self.seed}:id:{ordinal}").randbytes(10)  # noqa: S311 - repeatable

    def _generator(self, draft: Draft, ordinal: int) -> random.Random:
        if self.seed is None:
            return _UNSEEDED
        part = f".{draft.part}" if draft.part else ""
        which = ordinal if draft.number is None else f"job:{draft.owner}:{draft.number}{part}"
        return random.Random(f"{self.seed}:{which}")  # noqa: S311 - repeatable


class Seen(NamedTuple):
    """What can be observed of a job at a moment.

    Attributes:
        status: Its status.
        elapsed: Seconds since it was accepted; frozen at its end.
        progress: 0 to 1, never falling, 1 only when it is completed; frozen if the job ended in error.
        poll_after: Seconds after which to ask again; None once it has ended.
        stage: The member ``stage`` of its JSON, if it has stages: the one it is in, or was in when it ended in error.
    """

    status: Status
    elapsed: float
    progress: float
    poll_after: float | None
    stage: Mapping[str, str | None]


def seen_at(job: Job, now: float) -> Seen:
    """Return what can be observed of a job at a moment, in seconds since 1970."""
    status, elapsed, model = job.status_at(now), job.elapsed_at(now), parse_model(job.delay_model)
    is_completed = status == "completed"  # as text, which takes a fraction of a look-up in the enum
    progress = 1.0 if is_completed else model.progress(elapsed)
    stage = {"stage": None if is_completed else model.stage(elapsed)} if isinstance(model, Staged) else _NO_STAGE
    poll_after = model.poll_after(elapsed) if status == "pending" else None
    return Seen(status, elapsed, progress, poll_after, stage)
