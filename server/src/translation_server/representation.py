"""A job's record and a moment, as the bytes that tell of it. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from translation_server.jobs import Job, Status
from translation_server.simulation import poll_after_at, seen_at

if TYPE_CHECKING:
    from collections.abc import Iterable


def job_json(job: Job, now: float, *, poll_after: float | None = None, speed: float = 1.0) -> bytes:
    """The JSON object of one job at one moment; ``poll_after`` replaces the model's hint, see ``hint``."""
    if job.final:
        return _final_json(job)
    return orjson.dumps(_document(job, now, hint(job, now, speed) if poll_after is None else poll_after))


def jobs_json(jobs: Iterable[bytes], next_cursor: str | None) -> bytes:
    """The JSON object of several jobs, from those of each."""
    return b'{"jobs":[' + b",".join(jobs) + b'],"next_cursor":' + orjson.dumps(next_cursor) + b"}"


def event(job: Job, now: float, event_id: str) -> bytes:
    """The server-sent event (HTML Living Standard, section 9.2) that tells of a job's end."""
    return b"id: " + event_id.encode() + b"\nevent: job\ndata: " + job_json(job, now) + b"\n\n"


def hint(job: Job, now: float, speed: float = 1.0) -> float | None:
    """Seconds after which to ask again, rounded up to a millisecond; None once the job has ended.

    Args:
        job: The job.
        now: The moment.
        speed: Seconds that pass for the job in one of the client's.
    """
    seconds = poll_after_at(job, now)
    return None if seconds is None else math.ceil(seconds / speed * 1000) / 1000


def etag(job: Job, now: float) -> str:
    """A weak entity tag (RFC 9110, section 8.8.3).

    It changes with the status only: what else an answer says of a pending job changes by the millisecond.
    """
    return f'W/"{job.job_id}.{job.status_at(now)}"'


def timestamp(moment: float) -> str:
    """Date and time of RFC 3339, in UTC, with milliseconds."""
    second, milliseconds = divmod(round(moment * 1000), 1000)
    return f"{_second(second)}.{milliseconds:03d}Z"


@lru_cache(maxsize=4096)
def _second(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().removesuffix("+00:00")


@lru_cache(maxsize=256)
def _final_json(job: Job) -> bytes:
    """Of a job that stays as it is; thousands may have waited for it."""
    return orjson.dumps(_document(job, job.ends_at, None))


def _document(job: Job, now: float, poll_after: float | None) -> dict[str, object]:
    status, elapsed, progress, stage = seen_at(job, now)
    is_pending = status is Status.PENDING
    return {
        "job_id": job.job_id,
        "status": status,
        "created_at": timestamp(job.created_at),
        "ended_at": None if is_pending else timestamp(job.ends_at),
        "elapsed_time": round(elapsed, 3),
        "progress": round(progress, 3),
        **stage,
        "poll_after": poll_after if is_pending else None,
        "video_length": job.video_length,
        "metadata": orjson.Fragment(job.metadata),
        "error": {"code": job.error_code, "message": job.error_message} if status is Status.ERROR else None,
    }
