"""A job: the record that is drawn when it is accepted, and what follows from the record and the time. Pure.

The status of a job is a function of its record and the clock. A record is *final* once its end has been stored
(``ending`` is its place in the order in which its owner's jobs ended); from then on its status no longer depends on any
clock.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

CANCELLED = "cancelled"
CANCELLED_MESSAGE = "The job was cancelled."
FAILED = "translation_failed"
FAILED_MESSAGE = "The video could not be translated."
_MESSAGES: Final = {
    CANCELLED: CANCELLED_MESSAGE,
    FAILED: FAILED_MESSAGE,
    "expired": "The job expired before it was done.",
}


class Status(StrEnum):
    """The status of a job; every status except ``PENDING`` is terminal."""

    PENDING = "pending"
    COMPLETED = "completed"
    ERROR = "error"


_PENDING = Status.PENDING  # the look-up in the enum takes longer than the rest of a status


class Draft(NamedTuple):
    """A requested job, before anything about it is drawn.

    Attributes:
        owner: Name of the user.
        created_at: Moment of the request, in seconds since 1970.
        video_length: Length of the video in seconds, if given.
        metadata: A JSON object, as text.
        duration: Seconds the job takes; None: they are drawn.
        outcome: How it ends; None: the outcome is drawn.
        delay_model: Text form of the model its duration is drawn from; None: the server's.
        number: Its number among the jobs its owner asked for, from 1, if they are counted: with a seed, it decides the
            job's fate.
        part: Its place among the jobs of one start, from 0.
        key: Idempotency key, if the request had one.
        fingerprint: Digest of the request: the same key with another digest is a mistake.
        error_code: The error, for programs, if it ends in one; None: ``FAILED``.
        error_message: The error, for people, if it ends in one; None: the usual one of its code.
    """

    owner: str
    created_at: float
    video_length: float | None = None
    metadata: str = "{}"
    duration: float | None = None
    outcome: Status | None = None
    delay_model: str | None = None
    number: int | None = None
    part: int = 0
    key: str | None = None
    fingerprint: bytes | None = None
    error_code: str | None = None
    error_message: str | None = None


class Fate(NamedTuple):
    """What a tester has decided about a job; whatever is None is drawn as usual.

    Attributes:
        duration: Seconds the job takes.
        outcome: How it ends: ``completed``, ``error``, ``cancelled``, ``expired``, or any other word of 1 to 50 letters
            (A to Z), digits, ``_``, ``-`` and ``.``. Every word but the first two becomes the code of the job's error.
        message: The error, for people, if it ends in one.
    """

    duration: float | None = None
    outcome: str | None = None
    message: str | None = None

    def apply(self, draft: Draft) -> Draft:
        """Return the draft with this fate; a duration or an outcome of its own wins."""
        if draft.duration is None:
            draft = draft._replace(duration=self.duration)
        if draft.outcome is not None:
            return draft
        outcome, code = _OUTCOMES.get(self.outcome, (Status.ERROR, self.outcome))
        return draft._replace(outcome=outcome, error_code=code, error_message=self.message)


_OUTCOMES: Final[dict[str | None, tuple[Status | None, str | None]]] = {
    None: (None, None),
    "completed": (Status.COMPLETED, None),
    "error": (Status.ERROR, None),
}


class Job(NamedTuple):
    """A job's record; a tuple, because every status read makes one from a row, and a dataclass takes ten times as long.

    Attributes:
        seq: Its place in the order of acceptance, over all users.
        job_id: Its id, time-ordered and unguessable.
        owner: Name of the user.
        created_at: Moment of acceptance, in seconds since 1970.
        ends_at: Moment of its end: the one that was drawn, or when it was cancelled.
        outcome: ``COMPLETED`` or ``ERROR``: its status from then on.
        error_code: The error, for programs; None unless the outcome is ``ERROR``.
        error_message: The error, for people; None unless the outcome is ``ERROR``.
        video_length: Length of the video in seconds, if given.
        metadata: A JSON object, as text.
        delay_model: Text form of the model its duration was drawn from, so that hints survive a change of the settings.
        ending: Its place in the order in which the owner's jobs ended; None until its end is stored.
    """

    seq: int
    job_id: str
    owner: str
    created_at: float
    ends_at: float
    outcome: Status
    error_code: str | None
    error_message: str | None
    video_length: float | None
    metadata: str
    delay_model: str
    ending: int | None = None

    @property
    def final(self) -> bool:
        """Whether its end is stored."""
        return self.ending is not None

    def status_at(self, now: float) -> Status:
        """Return its status at a moment, in seconds since 1970."""
        return self.outcome if self.ending is not None or now >= self.ends_at else _PENDING

    def must_be_settled(self, now: float) -> bool:
        """Return whether it has ended, but its end is not stored yet."""
        return self.ending is None and now >= self.ends_at

    def elapsed_at(self, now: float) -> float:
        """Return the seconds since it was accepted, 0 or more; frozen at its end."""
        is_over = self.ending is not None or now >= self.ends_at
        return max(0.0, (self.ends_at if is_over else now) - self.created_at)

    @property
    def was_cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.ending is not None and self.error_code == CANCELLED


def usual_message(error_code: str) -> str:
    """Return what is said to people about an error unless something else is given."""
    return _MESSAGES.get(error_code) or f"The job ended: {error_code}."


def to_milliseconds(moment: float) -> float:
    """Return the moment rounded to milliseconds, as the API sends it, so that all figures of an answer agree."""
    return round(moment, 3)


def new_job_id(created_at: float, randomness: bytes) -> str:
    """Return a UUID of version 7 (RFC 9562, section 5.7): milliseconds since 1970, then 74 random bits.

    Args:
        created_at: Seconds since 1970.
        randomness: 10 unguessable bytes.
    """
    milliseconds = int(created_at * 1000) & (2**48 - 1)
    number = bytearray(milliseconds.to_bytes(6, "big") + randomness)
    number[6] = 0x70 | number[6] & 0x0F
    number[8] = 0x80 | number[8] & 0x3F
    text = number.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
