"""Parse an answer as its client does: the status of which job it reports, and when to ask again. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from translation_server.jobs.model import Status
from translation_server.simulator.recording.exchange import Exchange, Kind, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECONDS: Final = re.compile(rb"\d{1,12}")
_MILLISECONDS: Final = 0.001
_HINTS: Final = (  # the exact ones of other services first
    (b"retry-after-ms", _MILLISECONDS),
    (b"x-ms-retry-after-ms", _MILLISECONDS),
    (b"openai-poll-after-ms", _MILLISECONDS),
    (b"retry-after", 1.0),
)
_APPLIED: Final = re.compile(rb"wait=(\d{1,12}(?:\.\d{1,12})?)")
_ETAG: Final = re.compile(rb'W/"([^".]*)\.([a-z]+)"')
_DATA: Final = b"data: "
_UNCHANGED: Final = 304
_TERMINAL: Final = frozenset(Status) - {Status.PENDING}


def read_headers(exchange: Exchange, message: Mapping[str, Any]) -> None:
    """Copy the HTTP status, and what the headers mean, into the exchange."""
    exchange.status = message["status"]
    headers = dict(message.get("headers", ()))
    exchange.retry_after = next((found for name, unit in _HINTS if (found := _seconds(headers.get(name), unit))), None)
    if applied := _APPLIED.fullmatch(headers.get(b"preference-applied", b"")):
        exchange.held = float(applied[1])
    if exchange.status == _UNCHANGED and (etag := _ETAG.fullmatch(headers.get(b"etag", b""))):
        exchange.job_id, exchange.told = etag[1].decode(), etag[2].decode()


def _seconds(value: bytes | None, unit: float) -> float | None:
    return float(value) * unit if value is not None and _SECONDS.fullmatch(value) else None


def read_job(exchange: Exchange, body: bytes) -> list[str]:
    """Copy what a whole body says about one job into the exchange; return the job's id if the body reports its end."""
    job = _object(body) if exchange.status in {200, 202} else {}
    if job.get("status") in set(Status) and isinstance(job.get("job_id"), str):
        exchange.told = job["status"]
        exchange.job_id = exchange.job_id or job["job_id"]
        hint = job.get("poll_after")
        exchange.poll_after = float(hint) if isinstance(hint, int | float) else None
    return [exchange.job_id] if exchange.told in _TERMINAL and exchange.job_id is not None else []


def read_other_job(exchange: Exchange, body: bytes, subject: Subject) -> list[str]:
    """Do as ``read_job`` does, with an answer of another service's API; of a stream, its events are read in turn."""
    documents = _documents(body, exchange.kind) if 200 <= (exchange.status or 0) < 300 else []  # noqa: PLR2004 - accepted
    for told in filter(None, map(subject.read, documents)):
        exchange.told = told if told in {Status.PENDING, Status.COMPLETED} else Status.ERROR.value
    if exchange.told is None and exchange.kind is Kind.START and documents:
        exchange.told = Status.PENDING.value  # many starts are answered with an id, or with nothing
    return [exchange.job_id] if exchange.told in _TERMINAL and exchange.job_id is not None else []


def _documents(body: bytes, kind: Kind) -> list[Any]:
    """Return the documents in a whole answer, which may be an event stream; nothing that is broken."""
    if body.startswith((b"event:", b"id:", b"data:")):
        lines = [line.removeprefix(_DATA) for line in body.split(b"\n") if line.startswith(_DATA)]
        return [one for one in map(_object, lines) if one]
    if not body:
        return [{}] if kind is Kind.START else []
    document = _object(body)
    return [document] if document else []


class EndingParser:
    """Finds the jobs whose end a list or a stream reports.

    Args:
        kind: Of the request that is answered.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def parse_stream(self, body: bytearray) -> Iterator[str]:
        """Yield the ids in the events that are complete, and remove these events from ``body``."""
        if self._kind is not Kind.EVENTS:
            return
        *events, rest = bytes(body).split(b"\n\n")
        body[:] = rest
        for line in (line for event in events for line in event.split(b"\n") if line.startswith(_DATA)):
            yield from _ended([_object(line.removeprefix(_DATA))])

    def parse_list(self, body: bytearray) -> Iterator[str]:
        """Yield the ids in a whole answer."""
        if self._kind in {Kind.LIST, Kind.QUERY}:
            jobs = _object(bytes(body)).get("jobs")
            yield from _ended(jobs if isinstance(jobs, list) else [])


def _ended(jobs: list[Any]) -> Iterator[str]:
    known = (job for job in jobs if isinstance(job, dict) and isinstance(job.get("job_id"), str))
    return (job["job_id"] for job in known if job.get("status") in _TERMINAL)


def _object(body: bytes) -> dict[str, Any]:
    """Return the JSON object, or an empty one if the body is not an object."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
