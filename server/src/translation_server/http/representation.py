"""A job's record and a moment, as the bytes that tell of it. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import orjson

from translation_server.jobs.model import Job, Status
from translation_server.jobs.simulation import seen_at

if TYPE_CHECKING:
    from collections.abc import Iterable


_MOST_KEPT = 20_000  # jobs, of which nothing but the time changes
_LONGEST_KEPT = 1000  # characters of metadata


class Representation(NamedTuple):
    """What is told of one job at one moment.

    Attributes:
        body: Its JSON object.
        hint: Seconds after which to ask again, rounded up to a millisecond; None once the job has ended.
        etag: A weak entity tag (RFC 9110, section 8.8.3). It changes with the status only: what else an answer says of
            a pending job changes by the millisecond.
    """

    body: bytes
    hint: float | None
    etag: str


def represent(job: Job, now: float, speed: float = 1.0, *, at_once: bool = False) -> Representation:
    """Return what to tell of one job.

    Args:
        job: The job.
        now: The moment.
        speed: Seconds that pass for the job in one of the client's.
        at_once: Whether the hint is 0, instead of the model's.
    """
    status, elapsed, progress, hint, stage = seen_at(job, now)
    if hint is not None:
        hint = 0.0 if at_once else math.ceil(hint / speed * 1000) / 1000
    before, after, etag = (_kept_frame if len(job.metadata) <= _LONGEST_KEPT else _frame)(job, status)
    changing = {"elapsed_time": round(elapsed, 3), "progress": round(progress, 3), **stage, "poll_after": hint}
    return Representation(before + orjson.dumps(changing)[1:-1] + after, hint, etag)


def job_json(job: Job, now: float, speed: float = 1.0) -> bytes:
    """Return the JSON object of one job at one moment, see ``represent``."""
    return _final_json(job) if job.final else represent(job, now, speed).body


def jobs_json(jobs: Iterable[bytes], next_cursor: str | None) -> bytes:
    """Return the JSON object of several jobs, from those of each."""
    return b'{"jobs":[' + b",".join(jobs) + b'],"next_cursor":' + orjson.dumps(next_cursor) + b"}"


def event(job: Job, now: float, event_id: str) -> bytes:
    """Return the server-sent event (HTML Living Standard, section 9.2) that tells of a job's end."""
    return b"id: " + event_id.encode() + b"\nevent: job\ndata: " + job_json(job, now) + b"\n\n"


def timestamp(moment: float) -> str:
    """Return date and time as RFC 3339 has them, in UTC, with milliseconds."""
    second, milliseconds = divmod(round(moment * 1000), 1000)
    return f"{_second(second)}.{milliseconds:03d}Z"


@lru_cache(maxsize=4096)
def _second(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().removesuffix("+00:00")


@lru_cache(maxsize=256)
def _final_json(job: Job) -> bytes:
    """Return the JSON object of a job that stays as it is; thousands may have waited for it."""
    return represent(job, job.ends_at).body


class _Frame(NamedTuple):
    """What is told of a job for as long as its status stays the same, around what changes by the millisecond."""

    before: bytes
    after: bytes
    etag: str


def _frame(job: Job, status: Status) -> _Frame:
    before = {
        "job_id": job.job_id,
        "status": status,
        "created_at": timestamp(job.created_at),
        "ended_at": None if status is Status.PENDING else timestamp(job.ends_at),
    }
    after = {
        "video_length": job.video_length,
        "metadata": orjson.Fragment(job.metadata),
        "error": {"code": job.error_code, "message": job.error_message} if status is Status.ERROR else None,
    }
    return _Frame(orjson.dumps(before)[:-1] + b",", b"," + orjson.dumps(after)[1:], f'W/"{job.job_id}.{status}"')


_kept_frame = lru_cache(maxsize=_MOST_KEPT)(_frame)
