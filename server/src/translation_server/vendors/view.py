"""A job's record and a moment, as another service would see the job; formats make their answers from it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from translation_server.jobs.model import FAILED, Job, Status
from translation_server.jobs.simulation import seen_at
from translation_server.vendors.format import COMPLETED, ERROR, ApiRequest, Format, JobView

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARK: Final = " "  # before the JSON; our own API leaves none, so no user's metadata passes for that of a format
_MOST_PROGRESS: Final = 0.99  # until it is completed
_ROUNDS: Final = 40  # of a bisection, after which a microsecond of a year is known


def to_metadata(form: Format, request: ApiRequest, number: int = 0, name: str | None = None) -> str:
    """Return what a job of a format keeps of the request that started it, as its metadata."""
    kept: dict[str, Any] = {"format": form.name, "input": dict(request.body)}
    further = {"params": dict(request.params), "number": number, "name": name, "path": request.path}
    return _MARK + orjson.dumps(kept | {key: value for key, value in further.items() if value}).decode()


def format_of(job: Job) -> str | None:
    """Return the name of the format by which a job was started; None: by none."""
    if not job.metadata.startswith(_MARK):
        return None
    name = orjson.loads(job.metadata)["format"]
    return str(name)


def view_of(job: Job, now: float, form: Format, request: ApiRequest, speed: float = 1.0) -> JobView:
    """Return a job of a format as it is told of.

    Args:
        job: The job, which was started by this format.
        now: The moment, in seconds since 1970.
        form: The format.
        request: The request that is answered.
        speed: Seconds that pass for the job in one of the client's.
    """
    kept: Mapping[str, Any] = orjson.loads(job.metadata)
    now = max(now, job.created_at)  # which was rounded to milliseconds, and may lie ahead
    seen = seen_at(job, now)
    ending = _ending(job) if seen.status is not Status.PENDING else None
    progress = seen.progress if ending == COMPLETED else min(seen.progress, _MOST_PROGRESS)
    return JobView(
        id=kept.get("name") or form.ids.encode(job.job_id),
        number=kept.get("number", 0),
        word=form.word(ending, progress),
        ending=ending,
        error=job.error_message if ending is not None else None,
        progress=progress,
        created=job.created_at,
        ended=None if ending is None else job.ends_at,
        now=now if ending is None else job.ends_at,
        poll_after=None if seen.poll_after is None else seen.poll_after / speed,
        input=kept.get("input", {}),
        params=kept.get("params", {}),
        request=request,
        path=kept.get("path", ""),
    )


def next_change(job: Job, now: float, form: Format) -> float:
    """Return the first moment after ``now`` at which a pending job has another word; at the latest its end."""
    word, least, most = _word(job, now, form), now, job.ends_at
    if _word(job, _before(most), form) == word:
        return most
    for _ in range(_ROUNDS):
        middle = (least + most) / 2
        if _word(job, middle, form) == word:
            least = middle
        else:
            most = middle
    return most


def _word(job: Job, moment: float, form: Format) -> str:
    return form.word(None, min(seen_at(job, moment).progress, _MOST_PROGRESS))


def _before(end: float) -> float:
    return end - 1e-6


def _ending(job: Job) -> str:
    if job.outcome is Status.COMPLETED:
        return COMPLETED
    return ERROR if job.error_code in {None, FAILED} else str(job.error_code)
