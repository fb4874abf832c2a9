"""Reads the answers. Pure; no clock, no network.

An answer is classified by its status code first and its body second: what a proxy puts into the body of a 502 says
nothing. Reading has three ends: the value asked for, a ``Transient`` (worth retrying), or a raised ``ApiError`` (no
retry can mend it).
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from translation_client._errors import (
    ApiError,
    AuthenticationError,
    InvalidRequestError,
    JobNotFoundError,
    ProtocolError,
    RateLimitError,
)
from translation_client._models import ErrorDetail, Job, JobStatus
from translation_client._wire.failures import Transient

if TYPE_CHECKING:
    from collections.abc import Mapping


_TRANSIENT = frozenset({408, 425, 429})
_REFUSALS: Mapping[int, type[ApiError]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    404: JobNotFoundError,
    409: ApiError,
    410: JobNotFoundError,
    429: RateLimitError,
}
_DELTA_SECONDS = re.compile(r"\d+(\.\d*)?")
_FOREVER = 1e12


class Response(NamedTuple):
    """An answer: the names of its headers are in lower case, and ``date`` is always there (RFC 9110, section 6.6.1)."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_event_stream(self) -> bool:
        """Whether this is the head of an event stream, with the body still to come."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return self.status == HTTPStatus.OK and kind == "text/event-stream"


def read_start(response: Response) -> Job | Transient:
    """Return the job in the answer to its start, as ``read_job``; without a status it is pending."""
    return read_job(response, otherwise=JobStatus.PENDING)


def read_job(response: Response, job_id: str | None = None, *, otherwise: str | None = None) -> Job | Transient:
    """Return the job in an answer.

    Args:
        response: Any answer to a request about one job.
        job_id: The job asked for; an answer about another one is foreign, and transient. None takes any.
        otherwise: Its status where the answer has none; None: there must be one.

    Raises:
        ApiError: One of its subclasses, where no retry can mend it.
    """
    content = read_object(response, job_id)
    if isinstance(content, Transient):
        return content
    try:
        return job_from_json(content, job_id, otherwise)
    except ValueError as error:
        return _not_understood(response, str(error), job_id)


class Page(NamedTuple):
    """One page of a list of jobs; the last page has no ``next_cursor``."""

    jobs: list[Job]
    next_cursor: str | None


def read_jobs(response: Response) -> Page | Transient:
    """Return the jobs in an answer to ``GET /jobs`` or ``POST /jobs/query``."""
    content = read_object(response, None)
    if isinstance(content, Transient):
        return content
    jobs, cursor = content.get("jobs"), content.get("next_cursor")
    try:
        if not isinstance(jobs, list):
            raise ValueError("it has no list of jobs")  # noqa: TRY004, TRY301 - a malformed answer is one kind of fault
        return Page([job_from_json(job) for job in jobs], cursor if isinstance(cursor, str) else None)
    except ValueError as error:
        return _not_understood(response, str(error), None)


def read_object(response: Response, job_id: str | None) -> Mapping[str, object] | Transient:
    """Return the JSON object of a successful answer; raises ``ApiError`` for a refusal."""
    if not 200 <= response.status < 300:  # noqa: PLR2004 - RFC 9110, section 15.3
        return _refusal(response, job_id)
    try:
        content = json.loads(response.body, parse_constant=_no_such_number)
    except (ValueError, RecursionError):
        return _not_understood(response, "its body is no JSON", job_id)
    if not isinstance(content, dict):
        return _not_understood(response, "its JSON is no object", job_id)
    return content


def job_from_json(content: object, job_id: str | None = None, otherwise: str | None = None) -> Job:
    """Return the job that the JSON describes; raises ``ValueError`` where it describes none, or another one."""
    if not isinstance(content, dict):
        raise ValueError("it is no job")  # noqa: TRY004 - a malformed answer is one kind of fault
    found = content.get("job_id", job_id)
    status = content.get("status", otherwise)
    if not isinstance(found, str) or not found:
        raise ValueError("it names no job_id")
    if job_id is not None and found != job_id:
        raise ValueError(f"it is about another job, {found[:80]!r}")
    if not isinstance(status, str) or not status:
        raise ValueError("it has no status")
    length, metadata, error = content.get("video_length"), content.get("metadata"), content.get("error")
    return Job(
        job_id=found,
        status=_status(status),
        created_at=_moment(content.get("created_at")),
        ended_at=_moment(content.get("ended_at")),
        elapsed_time=_amount(content.get("elapsed_time")) or 0.0,
        progress=min(_amount(content.get("progress")) or 0.0, 1.0),
        poll_after=_amount(content.get("poll_after")),
        video_length=_amount(length),
        metadata=metadata if isinstance(metadata, dict) else {},
        error=_job_error(error),
        raw=content,
    )


def applied_wait(response: Response) -> float | None:
    """Return the seconds of ``Preference-Applied: wait=N`` (RFC 7240, section 3); None if it was not applied."""
    for preference in response.headers.get("preference-applied", "").split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            return _seconds(value.strip().strip('"'))
    return None


def retry_after(response: Response) -> float | None:
    """Return the seconds of ``Retry-After`` (RFC 9110, section 10.2.3): a number, or a date relative to ``Date``.

    Takes any text: what cannot be read, is negative or lies in the past gives None.
    """
    value = response.headers.get("retry-after", "").strip()
    seconds = _seconds(value)
    if seconds is not None:
        return seconds
    then, now = _http_date(value), _http_date(response.headers.get("date", ""))
    if then is None or now is None:
        return None
    return max((then - now).total_seconds(), 0.0)


def _refusal(response: Response, job_id: str | None) -> Transient:
    """Return the failure in an answer that is no success, if it is transient; raise it otherwise."""
    status, problem = response.status, _problem(response)
    words = problem.get("detail") or problem.get("title")
    text = f"the server answered {status}" + (f": {_printable(words)}" if isinstance(words, str) else "")
    if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110, section 15.4
        target = _printable(response.headers.get("location", "nowhere"))
        text += f" (a redirect to {target}, not followed: the credentials are for this base_url only)"
    kind = _REFUSALS.get(status) or (InvalidRequestError if 400 <= status < 500 else ProtocolError)  # noqa: PLR2004
    if status >= 500:  # noqa: PLR2004 - RFC 9110, section 15.6
        kind = ApiError
    error = kind(_about(job_id, text), status_code=status, problem=problem, job_id=job_id)
    if status not in _TRANSIENT and status < 500:  # noqa: PLR2004
        raise error
    pause = retry_after(response)
    if isinstance(error, RateLimitError):
        error.retry_after = pause
    return Transient(error, pause, maybe_received=status not in _TRANSIENT)


def _not_understood(response: Response, why: str, job_id: str | None) -> Transient:
    text = _about(job_id, f"the answer ({response.status}, {len(response.body)} bytes) was not understood: {why}")
    return Transient(ProtocolError(text, status_code=response.status, job_id=job_id), retry_after(response))


def _about(job_id: str | None, text: str) -> str:
    return text if job_id is None else f"job {job_id}: {text}"


def _problem(response: Response) -> Mapping[str, object]:
    try:
        content = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _printable(text: str) -> str:
    """Return text from outside, made fit for one line of a terminal or a log."""
    return "".join(c if c.isprintable() else " " for c in text[:200])


def _status(value: str) -> JobStatus:
    try:
        return JobStatus(value)
    except ValueError:
        return JobStatus.PENDING  # not terminal, whatever it means; `raw` keeps it, and the wait logs one warning


def _job_error(content: object) -> ErrorDetail | None:
    if not isinstance(content, dict):
        return None
    return ErrorDetail(str(content.get("code", "unknown")), str(content.get("message", "")))


def _amount(value: object) -> float | None:
    """Return a finite number, 0 or more; anything else counts as absent."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if 0.0 <= number < math.inf else None


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _seconds(value: str) -> float | None:
    if not value.isascii() or not _DELTA_SECONDS.fullmatch(value):
        return None
    return min(float(value), _FOREVER)


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _no_such_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
