"""The requests of the API, as values. Pure; the transports send them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlencode

from translation_client._wire.arguments import check_idempotency_key, check_video_length, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWER_TIMEOUT = 10.0
"""Seconds an answer may take, beyond the time the server was asked to hold the request."""

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_NARROWED = 20  # job ids that fit comfortably into an address


class Request(NamedTuple):
    """A request; the transport adds origin and credentials."""

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
    """Return ``POST /start``; raises ``TypeError`` or ``ValueError`` where an argument cannot be sent."""
    check_video_length(video_length)
    check_idempotency_key(idempotency_key)
    for name, value in (("metadata", metadata), ("simulate", simulate)):
        if value is not None and not isinstance(value, Mapping):
            refuse(name, "a mapping, or None", value, wrong_type=True)
    given = {"video_length": video_length, "metadata": metadata, "simulate": simulate}
    content = {name: value for name, value in given.items() if value is not None}
    headers = {"Idempotency-Key": f'"{idempotency_key}"'}
    if not content:
        return Request("POST", "/start", headers)
    return Request("POST", "/start", {**headers, "Content-Type": "application/json"}, _to_json(content))


def status_request(job_id: str | None, hold: float | None = None) -> Request:
    """Return ``GET /status/{job_id}``, or the latest job's.

    Args:
        job_id: The job; None for the user's latest one.
        hold: Asks for a long poll of whole seconds (RFC 7240, section 4.3); 0 asks for an answer at once, and learns
            from its confirmation that the server can hold. None asks for nothing.
    """
    headers = {} if hold is None else {"Prefer": f"wait={int(hold)}"}
    return Request("GET", _status_path(job_id), headers, hold=float(int(hold or 0.0)))


def cancel_request(job_id: str) -> Request:
    """Return ``DELETE /jobs/{job_id}``."""
    return Request("DELETE", f"/jobs/{quote(job_id, safe='')}")


def list_request(status: str | None, limit: int | None, cursor: str | None) -> Request:
    """Return ``GET /jobs``, one page."""
    query = {"status": status, "limit": limit, "cursor": cursor}
    text = urlencode({name: value for name, value in query.items() if value is not None})
    return Request("GET", f"/jobs?{text}" if text else "/jobs")


def query_request(job_ids: Sequence[str]) -> Request:
    """Return ``POST /jobs/query``."""
    return Request("POST", "/jobs/query", {"Content-Type": "application/json"}, _to_json({"job_ids": list(job_ids)}))


def _status_path(job_id: str | None) -> str:
    return "/status" if job_id is None else f"/status/{quote(job_id, safe='')}"


def _to_json(content: Mapping[str, object]) -> bytes:
    try:
        return json.dumps(content, allow_nan=False, ensure_ascii=True).encode()
    except (TypeError, ValueError, RecursionError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{', '.join(content)} cannot be sent as JSON: {error}") from None


def events_request(last_event_id: str, job_ids: Sequence[str]) -> Request:
    """Return ``GET /events``, from now on or from after the event; narrowed to the jobs where there are only a few."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    narrow = urlencode([("job_id", job_id) for job_id in job_ids]) if len(job_ids) <= _NARROWED else ""
    return Request("GET", f"/events?{narrow}" if narrow else "/events", headers)
