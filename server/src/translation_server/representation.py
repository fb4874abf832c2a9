"""A job's record and a moment, as the bytes that tell of it. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from translation_server.jobs import Job, Status
from translation_server.simulation import poll_after_at, progress_at

if TYPE_CHECKING:
    from collections.abc import Iterable


def job_json(job: Job, now: float, *, poll_after: float | None = None) -> bytes:
    """The JSON object of one job at one moment; ``poll_after`` replaces the model's hint."""
    return orjson.dumps(_document(job, now, poll_after))


def jobs_json(jobs: Iterable[bytes], next_cursor: str | None) -> bytes:
    """The JSON object of several jobs, from those of each."""
    return b'{"jobs":[' + b",".join(jobs) + b'],"next_cursor":' + orjson.dumps(next_cursor) + b"}"


def event(job: Job, now: float, event_id: str) -> bytes:
    """The server-sent event (HTML Living Standard, section 9.2) that tells of a job's end."""
    return b"id: " + event_id.encode() + b"\nevent: job\ndata: " + job_json(job, now) + b"\n\n"


def hint(job: Job, now: float) -> float | None:
    """Seconds after which to ask again, rounded up to a millisecond; None once the job has ended."""
    seconds = poll_after_at(job, now)
    return None if seconds is None else math.ceil(seconds * 1000) / 1000


def etag(job: Job, now: float) -> str:
    """A weak entity tag (RFC 9110, section 8.8.3).

    It changes with the status only: what else an answer says of a pending job changes by the millisecond.
    """
    return f'W/"{job.job_id}.{job.status_at(now)}"'


def timestamp(moment: float) -> str:
    """Date and time of RFC 3339, in UTC, with milliseconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _document(job: Job, now: float, poll_after: float | None) -> dict[str, object]:
    status = job.status_at(now)
    ended = status is not Status.PENDING
    return {
        "job_id": job.job_id,
        "status": status,
        "created_at": timestamp(job.created_at),
        "ended_at": timestamp(job.ends_at) if ended else None,
        "elapsed_time": round(job.elapsed_at(now), 3),
        "progress": round(progress_at(job, now), 3),
        "poll_after": None if ended else hint(job, now) if poll_after is None else poll_after,
        "video_length": job.video_length,
        "metadata": orjson.Fragment(job.metadata),
        "error": {"code": job.error_code, "message": job.error_message} if status is Status.ERROR else None,
    }
