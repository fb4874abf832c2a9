"""The wire, without the wire: what is sent and what comes back, and how requests are built. Pure.

Reading the answers is ``_answers``' part; ``_transport`` and its async twin carry one for the other.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ANSWER_TIMEOUT = 10.0
"""Seconds an answer may take to come, beyond what the server was asked to hold the request."""

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_FORBIDDEN_IN_IDS = re.compile(r"[\x00-\x20\x7f/?#%\\\ud800-\udfff]")
_VISIBLE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")
_LONGEST_ID = 255
_LARGEST = sys.float_info.max
_NARROWED = 20  # job ids that an address holds comfortably


class Request(NamedTuple):
    """What to send; the driver adds origin and credentials."""

    method: str
    path: str
    headers: Mapping[str, str] = _NO_HEADERS
    body: bytes | None = None
    hold: float = 0.0  # seconds the server was asked to hold the request


def start_request(
    *,
    idempotency_key: str,
    video_length: float | None = None,
    metadata: Mapping[str, object] | None = None,
    simulate: Mapping[str, object] | None = None,
) -> Request:
    """``POST /start``; raises ``ValueError`` where an argument could not be sent."""
    if not _VISIBLE.fullmatch(idempotency_key):
        raise ValueError("idempotency_key must be 1 to 255 visible ASCII characters without quote and backslash")
    given = {"video_length": video_length, "metadata": metadata, "simulate": simulate}
    content = {name: value for name, value in given.items() if value is not None}
    headers = {"Idempotency-Key": f'"{idempotency_key}"'}
    if not content:
        return Request("POST", "/start", headers)
    return Request("POST", "/start", {**headers, "Content-Type": "application/json"}, _to_json(content))


def check_video_length(video_length: float | None) -> None:
    """Raise ``ValueError`` unless it is None or a finite number of seconds above 0."""
    ok = video_length is None or (
        isinstance(video_length, int | float) and not isinstance(video_length, bool) and 0 < video_length <= _LARGEST
    )
    if not ok:
        raise ValueError(f"video_length must be a finite number of seconds above 0, not {video_length!r}")


def check_job_id(job_id: object) -> str:
    """The id, if it can stand in a path; raises ``ValueError`` (empty, too long, ``/``, ``?``, spaces, …)."""
    if not isinstance(job_id, str):
        raise ValueError(f"job_id must be a string, not {job_id!r}")  # noqa: TRY004 - one class for all bad arguments
    if not job_id or len(job_id) > _LONGEST_ID or job_id in {".", ".."} or _FORBIDDEN_IN_IDS.search(job_id):
        raise ValueError(f"job_id must be 1 to 255 characters without spaces, '/', '?', '#', '%', not {job_id[:300]!r}")
    return job_id


def check_job_ids(job_ids: Iterable[str]) -> list[str]:
    """The ids, each checked; raises ``ValueError`` also where they are one string, or no iterable at all."""
    if isinstance(job_ids, str) or not isinstance(job_ids, Iterable):
        raise ValueError(f"job_ids must be several ids, not {job_ids!r:.300}")  # noqa: TRY004 - as all bad arguments
    return [check_job_id(job_id) for job_id in job_ids]


def status_request(job_id: str | None, hold: float | None = None) -> Request:
    """``GET /status/{job_id}``, or the latest job's.

    Args:
        job_id: The job; None for the user's latest one.
        hold: Asks for a long poll of whole seconds (RFC 7240, section 4.3); 0 asks for an answer at once, and learns
            from its confirmation that the server can hold. None asks for nothing.
    """
    headers = {} if hold is None else {"Prefer": f"wait={int(hold)}"}
    return Request("GET", _status_path(job_id), headers, hold=float(int(hold or 0.0)))


def cancel_request(job_id: str) -> Request:
    """``DELETE /jobs/{job_id}``."""
    return Request("DELETE", f"/jobs/{quote(job_id, safe='')}")


def list_request(status: str | None, limit: int | None, cursor: str | None) -> Request:
    """``GET /jobs``, one page."""
    query = {"status": status, "limit": limit, "cursor": cursor}
    text = urlencode({name: value for name, value in query.items() if value is not None})
    return Request("GET", f"/jobs?{text}" if text else "/jobs")


def query_request(job_ids: Sequence[str]) -> Request:
    """``POST /jobs/query``."""
    return Request("POST", "/jobs/query", {"Content-Type": "application/json"}, _to_json({"job_ids": list(job_ids)}))


def _status_path(job_id: str | None) -> str:
    return "/status" if job_id is None else f"/status/{quote(job_id, safe='')}"


def _to_json(content: Mapping[str, object]) -> bytes:
    try:
        return json.dumps(content, allow_nan=False, ensure_ascii=True).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{', '.join(content)} cannot be sent as JSON: {error}") from None


def events_request(last_event_id: str, job_ids: Sequence[str]) -> Request:
    """``GET /events``, from now on or from after the event; narrowed to the jobs where there are only a few."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    narrow = urlencode([("job_id", job_id) for job_id in job_ids]) if len(job_ids) <= _NARROWED else ""
    return Request("GET", f"/events?{narrow}" if narrow else "/events", headers)
