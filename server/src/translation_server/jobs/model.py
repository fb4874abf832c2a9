"""A job: what was drawn when it was accepted, and what follows from that and the time. Pure.

The status of a job is a function of its record and the clock. A record is *final* once its end has been written down
(``ending`` is its place in the order in which its owner's jobs ended); from then on no clock can change what it says.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

CANCELLED = "cancelled"
CANCELLED_MESSAGE = "The job was cancelled."
FAILED = "translation_failed"
FAILED_MESSAGE = "The video could not be translated."


class Status(StrEnum):
    """What a job can be; ``PENDING`` is the only one that is not terminal."""

    PENDING = "pending"
    COMPLETED = "completed"
    ERROR = "error"


_PENDING = Status.PENDING  # to look it up in the enum takes longer than all the rest of a status


class Draft(NamedTuple):
    """A job somebody asks for, before anything about it is drawn.

    Attributes:
        owner: Name of the user.
        created_at: Moment of the request, seconds since 1970.
        video_length: Seconds, if known.
        metadata: A JSON object, as text.
        duration: Seconds the job shall take, instead of those drawn.
        outcome: How it shall end, instead of what is drawn.
        delay_model: Text form of what its duration is drawn from, instead of the server's.
        number: Its place among the jobs its owner asked for, from 1, if they are counted: with a seed, its fate.
        key: Idempotency key, if the request had one.
        fingerprint: Digest of what was asked for: the same key with another digest is a mistake.
    """

    owner: str
    created_at: float
    video_length: float | None = None
    metadata: str = "{}"
    duration: float | None = None
    outcome: Status | None = None
    delay_model: str | None = None
    number: int | None = None
    key: str | None = None
    fingerprint: bytes | None = None


class Job(NamedTuple):
    """A job's record; a tuple, because every status read makes one from a row, and a dataclass takes ten times as long.

    Attributes:
        seq: Its place in the order of acceptance, over all users.
        job_id: Time-ordered, not to be guessed.
        owner: Name of the user.
        created_at: Moment of acceptance, seconds since 1970.
        ends_at: Moment of its end: drawn, or when it was cancelled.
        outcome: ``COMPLETED`` or ``ERROR``: what its status is from then on.
        error_code: For programs; None unless the outcome is ``ERROR``.
        error_message: For people; None unless the outcome is ``ERROR``.
        video_length: Seconds, if given.
        metadata: A JSON object, as text.
        delay_model: Text form of what its duration was drawn from: hints stay the same whatever the settings become.
        ending: Its place in the order in which the owner's jobs ended; None until that is written down.
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
        """Whether its end is written down."""
        return self.ending is not None

    def status_at(self, now: float) -> Status:
        """Its status at a moment."""
        return self.outcome if self.ending is not None or now >= self.ends_at else _PENDING

    def must_be_settled(self, now: float) -> bool:
        """Whether it has ended, but nobody has written that down."""
        return self.ending is None and now >= self.ends_at

    def elapsed_at(self, now: float) -> float:
        """Seconds since it was accepted, 0 or more; frozen at its end."""
        is_over = self.ending is not None or now >= self.ends_at
        return max(0.0, (self.ends_at if is_over else now) - self.created_at)

    @property
    def was_cancelled(self) -> bool:
        """Whether somebody cancelled it."""
        return self.ending is not None and self.error_code == CANCELLED


def to_milliseconds(moment: float) -> float:
    """The moment, rounded to what the wire can say, so that all figures of an answer agree."""
    return round(moment, 3)


def new_job_id(created_at: float, randomness: bytes) -> str:
    """A UUID of version 7 (RFC 9562, section 5.7): milliseconds since 1970, then 74 random bits.

    Args:
        created_at: Seconds since 1970.
        randomness: 10 bytes that nobody can guess.
    """
    milliseconds = int(created_at * 1000) & (2**48 - 1)
    number = bytearray(milliseconds.to_bytes(6, "big") + randomness)
    number[6] = 0x70 | number[6] & 0x0F
    number[8] = 0x80 | number[8] & 0x3F
    text = number.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
