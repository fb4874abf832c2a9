"""The exchanges as canonical text: two runs in which the same things happened give the same bytes. Pure.

The text is sorted by user, job, kind and attempt, so it does not depend on the order in which concurrent requests
arrived. It has no ids, and times only on request.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from translation_server.simulator.recording.exchange import Exchange, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from translation_server.jobs.model import Job

_ORDER: Final = {kind: place for place, kind in enumerate(Kind)}
_REFUSED: Final = 400


def trace(requests: Iterable[Exchange], jobs: Mapping[str, Job], *, timed: bool) -> str:
    """Return one block for each job: its fate, and a line for each request about it.

    Args:
        requests: The requests that arrived.
        jobs: The records of the jobs, by id.
        timed: Whether to include times, in seconds from the job's first request, and hints, which depend on them. They
            are the same in two runs only if nothing but the test moves the clock.
    """
    ordered = sorted(requests, key=lambda one: (_subject(one), _ORDER[one.kind], one.attempt, one.number))
    numbers = {one.job_id: one.job or 0 for one in ordered if one.job_id is not None}
    lines = [
        line for _, group in groupby(ordered, _subject) for line in _block(list(group), jobs, numbers, timed=timed)
    ]
    return "".join(f"{line}\n" for line in lines)


def _subject(exchange: Exchange) -> tuple[str, int]:
    """Return user and job number; 0 for a request about no job, or about one that was started before the log began."""
    return exchange.user or "", exchange.job or 0


def _block(
    requests: Sequence[Exchange], jobs: Mapping[str, Job], numbers: Mapping[str, int], *, timed: bool
) -> Iterator[str]:
    user, job = _subject(requests[0])
    record = next((jobs[one.job_id] for one in requests if job and one.job_id and one.job_id in jobs), None)
    yield " ".join([user, f"job {job}" if job else "other requests", _fate(record)]).rstrip()
    begin = min(one.arrived for one in requests) if timed and job else None
    for one in requests:
        yield f"  {_request(one, begin)} -> {_answer(one, numbers, begin, timed=timed)}"


def _fate(job: Job | None) -> str:
    """Return what was drawn, in hundredths of a second, as the last digit of a moment depends on when it was."""
    return f"takes {job.ends_at - job.created_at:.2f} s, {job.outcome}" if job else ""


def _request(one: Exchange, begin: float | None) -> str:
    parts = [f"{one.kind} #{one.attempt}"]
    parts += [f"{one.method} {one.path}"] if one.kind is Kind.OTHER else []
    parts += ["with a key" if one.key else "without a key"] if one.kind is Kind.START else []
    parts += [f"wait={one.wait:g}"] if one.wait is not None else []
    parts += [_since(one.arrived, begin)] if begin is not None else []
    return " ".join(parts)


def _answer(one: Exchange, numbers: Mapping[str, int], begin: float | None, *, timed: bool) -> str:
    parts = [str(one.status)] if one.status else []
    parts += [one.told] if one.told else []
    if timed or (one.status or 0) >= _REFUSED:
        parts += [f"Retry-After: {one.retry_after:g}"] if one.retry_after is not None else []
        parts += [f"poll_after: {one.poll_after:g}"] if one.poll_after is not None else []
    if one.kind in {Kind.EVENTS, Kind.LIST, Kind.QUERY}:
        parts += [f"ended: job {number}" for number in sorted(numbers.get(job_id, 0) for job_id in one.endings)]
    parts += [f"fault: {one.fault}"] if one.fault else []
    parts += ["left"] if one.left else []
    parts += [_since(one.over, begin)] if begin is not None and one.over is not None else []
    return ", ".join(parts) or ("under way" if one.over is None else "no answer")


def _since(moment: float, begin: float) -> str:
    return f"+{moment - begin:.3f}"
